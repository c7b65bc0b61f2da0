package control

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudwego/hertz/pkg/common/hlog"
	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"dialroom/bridge/call"
	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	"dialroom/shared/sign"
	"dialroom/shared/udp"
	"dialroom/shared/wire"
)

func TestMain(m *testing.M) {
	hlog.SetLevel(hlog.LevelFatal)
	// Hertz starts one goroutine per process that keeps the Date header, for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cloudwego/hertz/pkg/protocol.UpdateServerDate.func1"))
}

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// eventually waits until f says so.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

// fakeClock moves only when a test says so.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*fakeTimer]bool
}

type fakeTimer struct {
	at time.Time
	f  func()
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Now(), timers: make(map[*fakeTimer]bool)} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &fakeTimer{c.now.Add(d), f}
	c.timers[t] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []func()
	for t := range c.timers {
		if !t.at.After(c.now) {
			due = append(due, t.f)
			delete(c.timers, t)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}

func (c *fakeClock) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

// carrier answers every INVITE with the given status, and everything else
// with 200.
type carrier struct {
	conn    net.PacketConn
	status  int
	wg      sync.WaitGroup
	mu      sync.Mutex
	invites []*sip.Request // guarded by mu; without those sent again
	byes    int            // guarded by mu
}

func newCarrier(t *testing.T, status int) *carrier {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &carrier{conn: conn, status: status}
	c.wg.Go(c.run)
	t.Cleanup(func() {
		_ = conn.Close()
		c.wg.Wait()
	})
	return c
}

func (c *carrier) run() {
	const answer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	buf := make([]byte, 65536)
	seen := make(map[string]bool)
	for {
		n, from, err := c.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		msg, err := sip.ParseMessage(bytes.Clone(buf[:n]))
		req, ok := msg.(*sip.Request)
		if err != nil || !ok || req.IsAck() {
			continue
		}
		status, body := 200, ""
		branch, _ := req.Via().Params.Get("branch")
		first := !seen[branch+string(req.Method)]
		seen[branch+string(req.Method)] = true
		c.mu.Lock()
		switch req.Method {
		case sip.INVITE:
			if status = c.status; first {
				c.invites = append(c.invites, req)
			}
			if status == 200 {
				body = answer
			}
		case sip.BYE:
			c.byes++
		}
		c.mu.Unlock()
		res := sip.NewResponseFromRequest(req, status, "x", []byte(body))
		if body != "" {
			res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		}
		res.AppendHeader(&sip.ContactHeader{Address: sip.Uri{Scheme: "sip", Host: "127.0.0.1", Port: c.port()}})
		_, _ = c.conn.WriteTo([]byte(res.String()), from)
	}
}

func (c *carrier) port() int { return c.conn.LocalAddr().(*net.UDPAddr).Port }

func (c *carrier) invited() []*sip.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*sip.Request(nil), c.invites...)
}

func (c *carrier) hungUp() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byes
}

// room is the sfu as a test wants it.
type room struct {
	mu     sync.Mutex
	legs   []wire.LegRequest
	events []wire.CallEvent
	leg    func(wire.LegRequest) (wire.LegResponse, error)
	event  func(wire.CallEvent) error
}

func (r *room) Do(_ context.Context, _, path string, in, out any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch path {
	case wire.PathLegs:
		req := in.(wire.LegRequest)
		r.legs = append(r.legs, req)
		granted, err := r.leg(req)
		if err == nil {
			*out.(*wire.LegResponse) = granted
		}
		return err
	case wire.PathEvents:
		ev := in.(wire.CallEvent)
		if r.event != nil {
			if err := r.event(ev); err != nil {
				return err
			}
		}
		r.events = append(r.events, ev)
		return nil
	}
	return fmt.Errorf("no such path: %s", path)
}

// got returns the events of a call as "state" or "ended reason".
func (r *room) got(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, ev := range r.events {
		if ev.ID == id {
			list = append(list, strings.TrimSpace(string(ev.State)+" "+string(ev.Reason)))
		}
	}
	return strings.Join(list, ", ")
}

// asked returns how often the room was asked for a leg.
func (r *room) asked() []wire.LegRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]wire.LegRequest(nil), r.legs...)
}

var (
	sfuKey    = sign.Key{ID: "sfu", Role: sign.RoleSFU, Secret: []byte("sfu secret, long enough for anybody")}
	bridgeKey = sign.Key{ID: "bridge", Role: sign.RoleBridge, Secret: []byte("bridge secret, long enough for all")}
	scriptKey = sign.Key{ID: "crm", Role: sign.RoleScript, Secret: []byte("script secret, long enough for all")}
	otherKey  = sign.Key{ID: "cron", Role: sign.RoleScript, Secret: []byte("another script's secret, as long")}
	forgedKey = sign.Key{ID: "crm", Role: sign.RoleScript, Secret: []byte("not the secret that is in the file")}
)

// bridge is a server with everything around it.
type bridge struct {
	t      *testing.T
	server *Server
	agent  *call.Agent
	room   *room
	trunks *trunk.Table
	clock  *fakeClock
	http   *http.Client
}

func newBridge(t *testing.T, far *carrier) *bridge {
	t.Helper()
	b := &bridge{t: t, clock: newFakeClock(), room: &room{}}
	logger := slog.New(slog.DiscardHandler)
	poller, err := udp.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	hub, err := leg.NewHub(leg.Config{
		Poller: poller, Listen: netip.AddrPortFrom(loopback, 0), MinPort: 40000, MaxPort: 49999, BindIP: loopback,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.room.leg = func(req wire.LegRequest) (wire.LegResponse, error) {
		return wire.LegResponse{ID: "c_granted", Number: "+4989654321", Leg: *testLeg("sfu-1", 99)}, nil
	}
	reporter := NewReporter(b.room, b.clock, logger)
	b.agent, err = call.Listen(call.Config{
		UDP: "127.0.0.1:0", Public: loopback, Hub: hub, Report: reporter.Report, Clock: b.clock, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.trunks = trunk.NewTable([]trunk.Trunk{
		{ID: "tr_1", Name: "main", Priority: 10, Enabled: true, Host: fmt.Sprintf("127.0.0.1:%d", far.port()), Transport: "udp",
			Password: "hush", Prefixes: []string{"+49"}, DialFormat: trunk.Plus, Codecs: []wire.Codec{wire.PCMA}, MaxCalls: 2},
		{ID: "tr_off", Priority: 20, Host: "127.0.0.1", Transport: "udp", Prefixes: []string{""}},
	})
	nonces := t.TempDir() + "/nonces"
	verifier, err := sign.NewVerifier([]sign.Key{sfuKey, scriptKey, otherKey, bridgeKey}, nonces, b.clock.Now().Add(-time.Minute), b.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	b.server, err = New(Config{
		Listen: "127.0.0.1:0", Verifier: verifier, Agent: b.agent, Trunks: b.trunks, SFU: b.room, Reporter: reporter,
		Media: hub.Media(), Instance: "bridge-1", Clock: b.clock, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	b.http = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		b.http.CloseIdleConnections()
		b.server.Close()
		_ = b.agent.Close()
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		reporter.Close(ended)
		hub.Close()
		_ = poller.Close()
		_ = verifier.Close()
	})
	return b
}

func testLeg(instance string, ssrc uint32) *wire.Leg {
	return &wire.Leg{Media: "127.0.0.1:9", SSRCFromPhone: ssrc, SSRCToPhone: ssrc + 1, Instance: instance, MaxRing: 60, MaxDuration: 7200}
}

// answer is what a request got.
type answer struct {
	status int
	raw    []byte
	wire.Error
	wire.CallResponse
}

// send sends a signed request with a raw body.
func (b *bridge) send(key sign.Key, method, path, body string, edit ...func(*http.Request)) answer {
	b.t.Helper()
	req, err := http.NewRequest(method, "http://"+b.server.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := sign.Request(req, []byte(body), key, b.clock.Now()); err != nil {
		b.t.Fatal(err)
	}
	for _, f := range edit {
		f(req)
	}
	res, err := b.http.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	a := answer{status: res.StatusCode}
	if a.raw, err = io.ReadAll(res.Body); err != nil {
		b.t.Fatal(err)
	}
	if len(a.raw) > 0 {
		if err := json.Unmarshal(a.raw, &a.CallResponse); err != nil {
			b.t.Fatalf("%s %s answered %q", method, path, a.raw)
		}
		_ = json.Unmarshal(a.raw, &a.Error)
	}
	return a
}

// ask is send with a value as the body.
func (b *bridge) ask(key sign.Key, method, path string, body any, edit ...func(*http.Request)) answer {
	b.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send(key, method, path, string(raw), edit...)
}

// place places a call as the sfu.
func (b *bridge) place(id string, ssrc uint32) answer {
	b.t.Helper()
	return b.ask(sfuKey, "POST", wire.PathCalls, wire.CallRequest{
		ID: id, Room: "room", Number: "+4989654321", Leg: testLeg("sfu-1", ssrc),
	})
}
