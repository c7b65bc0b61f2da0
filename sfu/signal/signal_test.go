package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"dialroom/sfu/dial"
	"dialroom/sfu/peer"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 5 * time.Second

// media is a connection that answers every offer. The sdp of an offer stands
// for the PeerConnection it comes from: "pc1", "pc1 again", "pc2", "bad".
type media struct {
	mu       sync.Mutex
	onState  func(peer.State)
	pc       string
	tracks   map[room.Kind]*room.Track
	assigned map[string]*room.Track
	heard    []string // candidates
	closed   bool
}

func (m *media) Answer(sdp string, tracks map[string]room.Kind) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pc, _, _ := strings.Cut(sdp, " ")
	switch {
	case pc == "bad":
		return "", fmt.Errorf("%w: secret detail", peer.ErrBadOffer)
	case m.pc != "" && pc != m.pc:
		return "", peer.ErrOtherConnection
	}
	m.pc = pc
	for _, k := range tracks {
		if m.tracks[k] == nil {
			m.tracks[k] = &room.Track{Kind: k}
		}
	}
	return "answer to " + sdp, nil
}

func (m *media) Candidate(c string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard = append(m.heard, c)
}

func (m *media) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
}

func (m *media) Tracks() map[room.Kind]*room.Track {
	m.mu.Lock()
	defer m.mu.Unlock()
	copied := map[room.Kind]*room.Track{}
	for k, t := range m.tracks {
		copied[k] = t
	}
	return copied
}

func (m *media) Slots() []room.SlotInfo {
	return []room.SlotInfo{{Mid: "s0", Codecs: []room.Codec{room.Opus}}, {Mid: "s1", Codecs: []room.Codec{room.PCMA}}}
}

func (m *media) Assign(mid string, t *room.Track) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.assigned[mid] = t
}

func (m *media) isClosed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closed
}

// dialer refuses the number "0" and keeps what it is asked.
type dialer struct {
	rooms *room.Manager
	asked chan any
	hold  chan struct{} // when set, Dial waits for it
}

type digits struct{ call, digits string }
type hangup struct{ call, participant string }

func (d *dialer) Dial(ctx context.Context, req dial.Request) room.Call {
	if d.hold != nil {
		<-d.hold
	}
	d.asked <- req
	if req.Number == "0" {
		return room.Call{ID: "c_no", Number: "0", State: wire.Refused, Reason: "not-allowed", Text: "No."}
	}
	c := room.Call{ID: "c_" + req.Number, Number: req.Number, Trunk: req.Trunk, State: wire.Dialing}
	if err := d.rooms.Get(req.Room).AddCall(req.Participant, c); err != nil {
		return room.Call{ID: c.ID, State: wire.Refused}
	}
	return c
}

func (d *dialer) Hangup(call, participant string) error {
	d.asked <- hangup{call, participant}
	return nil
}

func (d *dialer) DTMF(call, s string) error {
	if s == "x" {
		return dial.ErrDigits
	}
	d.asked <- digits{call, s}
	return nil
}

// site is a server with everything behind it.
type site struct {
	*Server
	t     *testing.T
	rooms *room.Manager
	dial  *dialer
	http  *httptest.Server

	mu    sync.Mutex
	media []*media
}

func newSite(t *testing.T, change ...func(*Config)) *site {
	s := &site{t: t, rooms: room.New(room.Config{Grace: time.Minute,
		NewConference: func() room.Conference { return silence{} }})}
	s.dial = &dialer{rooms: s.rooms, asked: make(chan any, 100)}
	cfg := Config{
		Rooms:  s.rooms,
		Dialer: s.dial,
		NewMedia: func(_ string, onState func(peer.State)) (Media, error) {
			m := &media{onState: onState, tracks: map[room.Kind]*room.Track{}, assigned: map[string]*room.Track{}}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.media = append(s.media, m)
			return m, nil
		},
		ICEServers: func() []room.ICEServer { return []room.ICEServer{{URLs: []string{"turn:t"}}} },
	}
	for _, f := range change {
		f(&cfg)
	}
	s.Server = NewServer(cfg)
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		ip := netip.MustParseAddrPort(r.RemoteAddr).Addr()
		if from := r.Header.Get("X-Test-From"); from != "" {
			ip = netip.MustParseAddr(from)
		}
		s.Serve(r.Context(), conn, ip)
	}))
	t.Cleanup(func() {
		s.Server.Close()
		s.rooms.Close()
		s.http.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func (s *site) connection(i int) *media {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.media[i]
}

type silence struct{}

func (silence) Add(room.Leg)             {}
func (silence) Remove(room.Leg)          {}
func (silence) SetSources([]*room.Track) {}
func (silence) Close()                   {}

// page is a WebSocket client.
type page struct {
	t    *testing.T
	conn *websocket.Conn
}

type message map[string]any

func (s *site) open(from ...string) *page {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	header := http.Header{}
	for _, f := range from {
		header.Set("X-Test-From", f)
	}
	conn, _, err := websocket.Dial(ctx, s.http.URL, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	return &page{s.t, conn}
}

func (p *page) raw(kind websocket.MessageType, data []byte) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.conn.Write(ctx, kind, data); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

func (p *page) say(text string) {
	p.t.Helper()
	p.raw(websocket.MessageText, []byte(text))
}

func (p *page) read() (message, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, data, err := p.conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	var m message
	return m, json.Unmarshal(data, &m)
}

// expect reads until a message of that type comes.
func (p *page) expect(kind string) message {
	p.t.Helper()
	for {
		m, err := p.read()
		if err != nil {
			p.t.Fatalf("waiting for %q: %v", kind, err)
		}
		if m["type"] == kind {
			return m
		}
		if m["type"] == "error" {
			p.t.Fatalf("waiting for %q: %v", kind, m)
		}
	}
}

// expectError reads until an error comes.
func (p *page) expectError(code string) message {
	p.t.Helper()
	for {
		m, err := p.read()
		if err != nil {
			p.t.Fatalf("waiting for error %q: %v", code, err)
		}
		if m["type"] == "error" {
			if m["code"] != code || m["text"] == "" {
				p.t.Errorf("got %v, want the error %q", m, code)
			}
			return m
		}
	}
}

// expectClose reads until the connection is closed.
func (p *page) expectClose(want websocket.StatusCode) {
	p.t.Helper()
	for {
		if _, err := p.read(); err != nil {
			if got := websocket.CloseStatus(err); got != want {
				p.t.Errorf("closed with %d (%v), want %d", got, err, want)
			}
			return
		}
	}
}

func (s *site) join(room, name string) (*page, message) {
	s.t.Helper()
	p := s.open()
	p.say(fmt.Sprintf(`{"type":"join","room":%q,"name":%q}`, room, name))
	return p, p.expect("welcome")
}

func TestAPageJoinsAndOffersWithoutWaiting(t *testing.T) {
	s := newSite(t)
	p := s.open()
	p.say(`{"type":"join","room":"r","name":"Ann","link":"later"}`)
	p.say(`{"type":"offer","sdp":"pc1","tracks":{"0":"mic"}}`)
	p.say(`{"type":"candidate","candidate":{"candidate":"candidate:1","sdpMid":"0"}}`)
	p.say(`{"type":"candidate","candidate":"candidate:2"}`)
	w := p.expect("welcome")
	if w["room"] != "r" || w["id"] == "" || w["resume"] == "" || len(w["participants"].([]any)) != 1 {
		t.Errorf("welcome %v", w)
	}
	if calls, ok := w["calls"].([]any); !ok || len(calls) != 0 {
		t.Errorf("calls %v, want an empty list", w["calls"])
	}
	if servers := fmt.Sprint(w["iceServers"]); servers != "[map[urls:[turn:t]]]" {
		t.Errorf("iceServers %v", servers)
	}
	if a := p.expect("answer"); a["sdp"] != "answer to pc1" {
		t.Errorf("answer %v", a)
	}
	p.say(`{"type":"ping"}`)
	p.expect("pong")
	m := s.connection(0)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.heard, []string{"candidate:1", "candidate:2"}) {
		t.Errorf("candidates %q", m.heard)
	}
}

func TestTwoPagesHearSeeAndReadEachOther(t *testing.T) {
	s := newSite(t)
	ann, annHello := s.join("r", "Ann")
	bob, bobHello := s.join("r", "Bob")
	if j := ann.expect("participant-joined"); j["participant"].(map[string]any)["name"] != "Bob" {
		t.Errorf("joined %v", j)
	}
	ann.say(`{"type":"offer","sdp":"a","tracks":{"0":"mic","1":"phone"}}`)
	ann.expect("answer")
	bob.expect("participant-changed") // Ann has a microphone now
	bob.say(`{"type":"offer","sdp":"b","tracks":{"0":"mic"}}`)
	bob.expect("answer")
	slots := bob.expect("slots")["slots"].(map[string]any)
	if use := slots["s0"].(map[string]any); use["id"] != annHello["id"] || use["kind"] != "voice" || slots["s1"] != nil {
		t.Errorf("Bob's slots %v", slots)
	}
	if send := bob.expect("send"); send["mic"] != true || send["phone"] != false || send["camera"] != false {
		t.Errorf("wanted of Bob %v", send)
	}
	bob.say(`{"type":"state","audio":false,"video":true,"screen":false}`)
	for {
		c := ann.expect("participant-changed")["participant"].(map[string]any)
		if c["video"] == true {
			if c["audio"] != false || c["id"] != bobHello["id"] {
				t.Errorf("changed %v", c)
			}
			break
		}
	}
	bob.say(`{"type":"view","video":[{"id":"p_x","kind":"camera","width":320}]}`)
	bob.say(`{"type":"chat","text":"hello"}`)
	if c := ann.expect("chat"); c["text"] != "hello" || c["id"] != bobHello["id"] {
		t.Errorf("chat %v", c)
	}
	bob.say(`{"type":"leave"}`)
	if l := ann.expect("participant-left"); l["id"] != bobHello["id"] {
		t.Errorf("left %v", l)
	}
	bob.expectClose(websocket.StatusNormalClosure)
	if !s.connection(1).isClosed() {
		t.Error("Bob's media lives on")
	}
}

func TestEveryErrorIsToldAndClosesNothing(t *testing.T) {
	s := newSite(t)
	p := s.open()
	for _, m := range []string{
		`{"type":"offer","sdp":"pc1"}`, `{"type":"dial","number":"610"}`, `{"type":"chat","text":"x"}`,
		`{"type":"state"}`, `{"type":"view"}`, `{"type":"hangup"}`, `{"type":"dtmf"}`, `{"type":"candidate"}`,
	} {
		p.say(m)
		p.expectError("not-joined")
	}
	p.say(`{"type":"join","room":"r","name":"Ann"}`)
	p.expect("welcome")
	for _, tc := range []struct{ message, code string }{
		{`{"type":"join","room":"r"}`, "already-joined"},
		{`{"type":"dance"}`, "unknown-type"},
		{`{"type":"Ping"}`, "unknown-type"},
		{`not json`, "bad-message"},
		{``, "bad-message"},
		{`[]`, "bad-message"},
		{`"ping"`, "bad-message"},
		{`null`, "bad-message"},
		{`{"room":"r"}`, "bad-message"},
		{`{"type":7}`, "bad-message"},
		{`{"type":"chat","text":7}`, "bad-message"},
		{`{"type":"offer","sdp":"x","tracks":["mic"]}`, "bad-message"},
		{`{"type":"offer","sdp":"bad"}`, "bad-offer"},
		{`{"type":"candidate","candidate":[1]}`, "bad-message"},
		{`{"type":"view","video":{}}`, "bad-message"},
		{`{"type":"view","video":[` + strings.Repeat("{},", maxView) + `{}]}`, "bad-message"},
		{`{"type":"chat","text":""}`, "bad-chat"},
		{`{"type":"hangup","call":"c_other"}`, "no-such-call"},
		{`{"type":"dtmf","call":"c_other","digits":"1"}`, "no-such-call"},
	} {
		p.say(tc.message)
		if e := p.expectError(tc.code); strings.Contains(fmt.Sprint(e), "secret") {
			t.Errorf("internal text left: %v", e)
		}
	}
	if s.connection(0).isClosed() != true {
		t.Error("media of a refused first offer stays open")
	}
	p.say(`{"type":"ping"}`)
	p.expect("pong")
}

func TestAMessageOver64KiBClosesWith1009(t *testing.T) {
	s := newSite(t)
	p, _ := s.join("r", "Ann")
	p.say(`{"type":"ping","pad":"` + strings.Repeat("x", MaxMessage-25) + `"}`)
	p.expect("pong")
	p.say(`{"type":"ping","pad":"` + strings.Repeat("x", MaxMessage) + `"}`)
	p.expectClose(websocket.StatusMessageTooBig)
}

func TestABinaryMessageClosesWith1003(t *testing.T) {
	s := newSite(t)
	p, _ := s.join("r", "Ann")
	p.raw(websocket.MessageBinary, []byte(`{"type":"ping"}`))
	p.expectClose(websocket.StatusUnsupportedData)
}

func TestAJoinThatCannotBeIsToldAndClosed(t *testing.T) {
	s := newSite(t)
	p := s.open()
	p.say(`{"type":"join","room":"  ","name":"Ann"}`)
	p.expectError("bad-room")
	p.expectClose(websocket.StatusPolicyViolation)
}

func TestDialHangupAndDigits(t *testing.T) {
	s := newSite(t)
	ann, hello := s.join("r", "Ann")
	bob, _ := s.join("r", "Bob")
	ann.say(`{"type":"dial","number":"610","trunk":"tr_1","again":true}`)
	want := dial.Request{Room: "r", Participant: hello["id"].(string), Name: "Ann", Number: "610", Trunk: "tr_1", Again: true, IP: netip.MustParseAddr("127.0.0.1")}
	if got := <-s.dial.asked; got != want {
		t.Errorf("asked %+v, want %+v", got, want)
	}
	for _, p := range []*page{ann, bob} {
		if c := p.expect("call"); c["id"] != "c_610" || c["state"] != "dialing" || c["number"] != "610" {
			t.Errorf("call %v", c)
		}
	}
	bob.say(`{"type":"dtmf","call":"c_610","digits":"12#"}`)
	if got := <-s.dial.asked; got != (digits{"c_610", "12#"}) {
		t.Errorf("asked %+v", got)
	}
	bob.say(`{"type":"dtmf","call":"c_610","digits":"x"}`)
	bob.expectError("bad-digits")
	ann.say(`{"type":"hangup","call":"c_610"}`)
	if got := <-s.dial.asked; got != (hangup{"c_610", hello["id"].(string)}) {
		t.Errorf("asked %+v", got)
	}
	s.rooms.Get("r").UpdateCall("c_610", room.CallUpdate{State: wire.Ended, Reason: "hangup-room"})
	if c := ann.expect("call"); c["state"] != "ended" || c["reason"] != "hangup-room" {
		t.Errorf("call %v", c)
	}
	ann.say(`{"type":"hangup","call":"c_610"}`) // pressed as it ended
	ann.say(`{"type":"ping"}`)
	ann.expect("pong")
}

func TestARefusalIsToldToThePageThatAsked(t *testing.T) {
	s := newSite(t)
	ann, _ := s.join("r", "Ann")
	bob, _ := s.join("r", "Bob")
	ann.say(`{"type":"dial","number":"0"}`)
	if c := ann.expect("call"); c["state"] != "refused" || c["reason"] != "not-allowed" || c["text"] == "" {
		t.Errorf("call %v", c)
	}
	ann.say(`{"type":"chat","text":"after"}`)
	for {
		m, err := bob.read()
		if err != nil {
			t.Fatal(err)
		}
		if m["type"] == "call" {
			t.Errorf("Bob was told of Ann's refusal: %v", m)
		}
		if m["type"] == "chat" {
			return
		}
	}
}

func TestADialThatWaitsHoldsNothingUp(t *testing.T) {
	s := newSite(t)
	s.dial.hold = make(chan struct{})
	p, _ := s.join("r", "Ann")
	for range maxDials {
		p.say(`{"type":"dial","number":"0"}`)
	}
	p.say(`{"type":"dial","number":"0"}`)
	p.expectError("too-fast")
	p.say(`{"type":"ping"}`)
	p.expect("pong")
	close(s.dial.hold)
	for range maxDials {
		p.expect("call")
	}
}

func TestALostPageResumesWithItsMediaUntouched(t *testing.T) {
	s := newSite(t)
	ann, _ := s.join("r", "Ann")
	bob, hello := s.join("r", "Bob")
	bob.say(`{"type":"offer","sdp":"pc1","tracks":{"0":"mic"}}`)
	bob.expect("answer")
	ann.expect("participant-changed") // the room has Bob's media
	_ = bob.conn.CloseNow()

	again := s.open()
	again.say(fmt.Sprintf(`{"type":"join","room":"r","name":"Bob","resume":%q}`, hello["resume"]))
	if w := again.expect("welcome"); w["id"] != hello["id"] {
		t.Errorf("resumed as %v, was %v", w["id"], hello["id"])
	}
	again.expect("slots")
	again.say(`{"type":"offer","sdp":"pc1 again","tracks":{"0":"mic"}}`) // ICE restart
	if a := again.expect("answer"); a["sdp"] != "answer to pc1 again" {
		t.Errorf("answer %v", a)
	}
	if s.connection(0).isClosed() {
		t.Error("the media was replaced")
	}
	again.say(`{"type":"offer","sdp":"pc2","tracks":{"0":"mic"}}`) // the page was loaded anew
	again.expect("answer")
	if !s.connection(0).isClosed() || s.connection(1).isClosed() {
		t.Error("another PeerConnection did not take the old one's place")
	}
	again.say(`{"type":"chat","text":"done"}`)
	for {
		m, err := ann.read()
		if err != nil {
			t.Fatal(err)
		}
		if m["type"] == "participant-left" {
			t.Error("Ann saw Bob leave")
		}
		if m["type"] == "chat" {
			break
		}
	}
}

func TestAResumedPageClosesTheOlderOneForGood(t *testing.T) {
	s := newSite(t)
	first, hello := s.join("r", "Ann")
	second := s.open()
	second.say(fmt.Sprintf(`{"type":"join","room":"r","resume":%q}`, hello["resume"]))
	second.expect("welcome")
	first.expectClose(closeReplaced)
	second.say(`{"type":"ping"}`)
	second.expect("pong")
	if n := len(s.rooms.Get("r").Participants()); n != 1 {
		t.Errorf("%d participants", n)
	}
}

func TestAPageIsToldThatItsMediaFailed(t *testing.T) {
	s := newSite(t)
	p, _ := s.join("r", "Ann")
	p.say(`{"type":"offer","sdp":"pc1","tracks":{"0":"mic"}}`)
	p.expect("answer")
	m := s.connection(0)
	m.onState(peer.Connected)
	m.onState(peer.Disconnected)
	m.onState(peer.Failed)
	p.expectError("media-failed")
}

func TestAServerWithoutMediaSaysSo(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.NewMedia = func(string, func(peer.State)) (Media, error) { return nil, errors.New("secret detail") }
	})
	p, _ := s.join("r", "Ann")
	p.say(`{"type":"offer","sdp":"pc1"}`)
	p.expectError("media-unavailable")
}

func TestTooManyMessagesAreIgnoredThenClosed(t *testing.T) {
	now := time.Now()
	s := newSite(t, func(c *Config) { c.Now = func() time.Time { return now } })
	p, _ := s.join("r", "Ann")
	go func() {
		for range burst + maxIgnored + 1 {
			if p.conn.Write(context.Background(), websocket.MessageText, []byte(`{"type":"chat","text":"x"}`)) != nil {
				return
			}
		}
	}()
	p.expectError("too-fast")
	p.expectClose(websocket.StatusPolicyViolation)
}

func TestTheRateOfMessages(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLimiter(now)
	count := func(msg any) (n int) {
		for l.allow(now, msg) {
			n++
		}
		return n
	}
	if n := count(pingMessage{}); n != burst {
		t.Errorf("%d messages at once, want %d", n, burst)
	}
	now = now.Add(time.Second)
	if n := count(pingMessage{}); n != perSecond {
		t.Errorf("%d messages after a second, want %d", n, perSecond)
	}
	now = now.Add(time.Hour)
	if n := count(offerMessage{}); n != burst/offerCost {
		t.Errorf("%d offers at once, want %d", n, burst/offerCost)
	}
	now = now.Add(-time.Minute) // a clock that jumps back gives nothing and takes nothing
	if l.allow(now, pingMessage{}) {
		t.Error("a clock that jumped back gave tokens")
	}
}

func TestASilentSocketIsClosed(t *testing.T) {
	s := newSite(t, func(c *Config) { c.PingEvery, c.PongTimeout = 10*time.Millisecond, 20*time.Millisecond })
	p, _ := s.join("r", "Ann") // does not read from here on, so it answers no ping
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for s.Connections() > 0 {
		if ctx.Err() != nil {
			t.Fatal("the silent socket is still open")
		}
		<-time.After(5 * time.Millisecond)
	}
	if r := s.rooms.Get("r"); r == nil || len(r.Participants()) != 1 {
		t.Error("the participant left without its grace")
	}
	_ = p
}

func TestASocketThatAnswersPingsStays(t *testing.T) {
	s := newSite(t, func(c *Config) { c.PingEvery = time.Millisecond })
	p, _ := s.join("r", "Ann")
	for range 20 {
		p.say(`{"type":"ping"}`)
		p.expect("pong") // reading answers the server's pings
	}
}

func TestASocketThatNeverJoinsIsClosed(t *testing.T) {
	s := newSite(t, func(c *Config) { c.JoinTimeout = 10 * time.Millisecond })
	s.open().expectClose(websocket.StatusPolicyViolation)
}

func TestOneAddressHasALimitedNumberOfSockets(t *testing.T) {
	s := newSite(t, func(c *Config) { c.MaxPerIP = 1 })
	for _, tc := range []struct {
		name, first, second string
		refused             bool
	}{
		{"one IPv4 address", "192.0.2.1", "192.0.2.1", true},
		{"its IPv6 form", "192.0.2.2", "::ffff:192.0.2.2", true},
		{"two addresses", "192.0.2.3", "192.0.2.4", false},
		{"an IPv6 /64 is one", "2001:db8::1", "2001:db8::ffff:2", true},
		{"the next /64 is another", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"this machine", "127.0.0.1", "127.0.0.1", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.t = t
			first := s.open(tc.first)
			first.say(`{"type":"ping"}`)
			first.expect("pong") // it is served, not only accepted
			second := s.open(tc.second)
			if tc.refused {
				second.expectClose(websocket.StatusTryAgainLater)
				return
			}
			second.say(`{"type":"ping"}`)
			second.expect("pong")
		})
	}
}

func TestAPageThatDoesNotReadIsClosedAndHoldsNobodyUp(t *testing.T) {
	c := newClient(NewServer(Config{}), nil, netip.Addr{})
	for range outboxSize + 1 {
		c.Send(room.Pong{})
	}
	select {
	case <-c.done:
		if c.code != websocket.StatusTryAgainLater {
			t.Errorf("closed with %d", c.code)
		}
	default:
		t.Error("still open")
	}
}

func TestClosingTheServerClosesEveryPage(t *testing.T) {
	s := newSite(t)
	a, _ := s.join("r", "Ann")
	b := s.open()
	b.say(`{"type":"ping"}`)
	b.expect("pong")
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	a.expectClose(websocket.StatusGoingAway)
	b.expectClose(websocket.StatusGoingAway)
	<-closed
	s.open().expectClose(websocket.StatusGoingAway)
}
