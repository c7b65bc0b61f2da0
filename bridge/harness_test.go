package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloudwego/hertz/pkg/common/hlog"
	"go.uber.org/goleak"

	"dialroom/shared/sign"
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

// fakeClock moves when a test says so, and with the real one otherwise: the
// signatures need the time.
type fakeClock struct {
	mu     sync.Mutex
	ahead  time.Duration
	timers map[*fakeTimer]bool
}

type fakeTimer struct {
	at time.Time
	f  func()
}

func newFakeClock() *fakeClock { return &fakeClock{timers: make(map[*fakeTimer]bool)} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *fakeClock) AfterFunc(d time.Duration, f func()) func() {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &fakeTimer{now.Add(d), f}
	c.timers[t] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	c.ahead += d
	now := time.Now().Add(c.ahead)
	var due []func()
	for t := range c.timers {
		if !t.at.After(now) {
			due = append(due, t.f)
			delete(c.timers, t)
		}
	}
	c.mu.Unlock()
	for _, f := range due {
		f()
	}
}

var (
	sfuKey     = sign.Key{ID: "sfu", Role: sign.RoleSFU, Secret: []byte("sfu secret, long enough for anybody")}
	bridgeKey1 = sign.Key{ID: "bridge", Role: sign.RoleBridge, Secret: []byte("bridge secret, long enough for all")}
	scriptKey  = sign.Key{ID: "crm", Role: sign.RoleScript, Secret: []byte("script secret, long enough for all")}
	otherKey   = sign.Key{ID: "cron", Role: sign.RoleScript, Secret: []byte("the secret of another script here")}
	forgedKey  = sign.Key{ID: "crm", Role: sign.RoleScript, Secret: []byte("not the secret that is in the file")}
)

// settings is a settings file. The arguments are the sfu's URL and the
// carrier's port.
const settings = `
data_dir: %s
bridge:
  listen: "127.0.0.1:0"
  sfu_url: %q
  sip: {udp: "127.0.0.1:0"}
  rtp: {ports: "40000-49999"}
keys:
  - {id: sfu, role: sfu, secret: "sfu secret, long enough for anybody"}
  - {id: bridge, role: bridge, secret: "bridge secret, long enough for all"}
  - {id: crm, role: script, secret: "script secret, long enough for all"}
  - {id: cron, role: script, secret: "the secret of another script here"}
trunks:
  - {id: tr_1, name: main, priority: 10, host: "127.0.0.1:%d", username: user, password: hush, prefixes: ["+49"], dial_format: plus, transfer: true, max_calls: 2}
  - {id: tr_off, priority: 20, host: 127.0.0.1, enabled: false, prefixes: [""]}
`

// bridge is the process with everything around it.
type bridge struct {
	t     *testing.T
	m     *Main
	path  string // of its settings
	room  *room
	clock *fakeClock
	http  *http.Client
	log   *logs
}

func newBridge(t *testing.T, far *carrier) *bridge {
	t.Helper()
	b := &bridge{t: t, clock: newFakeClock(), log: &logs{}, http: &http.Client{Transport: &http.Transport{}}}
	var url string
	b.room, url = newRoom(t)
	b.path = filepath.Join(t.TempDir(), "dialroom.yaml")
	b.write(fmt.Sprintf(settings, t.TempDir(), url, far.port()))
	cfg, err := load(b.path)
	if err != nil {
		t.Fatal(err)
	}
	b.m = NewMain(b.path, cfg, slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	b.m.clock = b.clock
	if err := b.m.Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.m.Close()
		b.http.CloseIdleConnections()
	})
	return b
}

// restart ends the process and starts another with the same settings and data.
func (b *bridge) restart() {
	b.t.Helper()
	b.m.Close()
	cfg, err := load(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	log := b.m.log
	b.m = NewMain(b.path, cfg, log)
	b.m.clock = b.clock
	if err := b.m.Run(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bridge) write(text string) {
	b.t.Helper()
	if err := os.WriteFile(b.path, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// logs collects what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
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
	req, err := http.NewRequest(method, "http://"+b.m.control.Addr().String()+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := sign.Request(req, []byte(body), key, time.Now()); err != nil {
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

func udpAddr(b *bridge) net.Addr { return net.UDPAddrFromAddrPort(b.m.agent.UDPAddr()) }
