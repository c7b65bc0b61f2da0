package signal

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
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
