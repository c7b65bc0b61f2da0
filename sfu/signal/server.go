// Package signal speaks the WebSocket protocol with one page per connection.
//
// [Server.Serve] runs a client: readLoop hands each text message to run, the
// one loop that owns the client's state; run decodes it (message.go) and acts on
// the participant, its media or the dialler (client.go). What pages are told
// goes through a bounded outbox to writeLoop; package room sends most of it.
// pingLoop finds out when nobody is there any more.
//
// A session (session.go) holds a participant's media across sockets: when a
// socket is gone the participant only vanishes, and a page that comes back with
// its resume token finds its media as it was.
//
// Who hears whom is package room's to decide, media flows in package peer, and
// whether a number may be dialled is no concern of this package.
package signal

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/coder/websocket"

	"dialroom/sfu/dial"
	"dialroom/sfu/peer"
	"dialroom/sfu/room"
)

const (
	// MaxMessage is the longest message a page may send, in bytes; a longer one
	// closes the connection with 1009. An offer of 13 m-lines has 16 KB.
	MaxMessage = 64 << 10

	defaultPingEvery   = 15 * time.Second
	defaultPongTimeout = 10 * time.Second

	// defaultJoinTimeout is how long a connection may stay without joining: a page joins at once.
	defaultJoinTimeout = 30 * time.Second

	// defaultMaxPerIP is how many connections one address may have: a large
	// office behind one address, not a script.
	defaultMaxPerIP = 200

	// closeTimeout bounds the farewell to a page that does not answer.
	closeTimeout = time.Second
)

// Media is a browser's connection; *peer.Peer is one.
type Media interface {
	room.Media
	// Answer takes an offer, the first or a later one. peer.ErrOtherConnection
	// says that the page has a new PeerConnection, which needs new Media.
	Answer(sdp string, tracks map[string]room.Kind) (string, error)
	Candidate(string)
	Close()
}

// Dialer places calls; *dial.Service is one.
type Dialer interface {
	// Dial may wait for a disk. A refused call is told to the page that asked.
	Dial(ctx context.Context, req dial.Request) room.Call
	// Hangup and DTMF do not wait.
	Hangup(call, participant string) error
	DTMF(call, digits string) error
}

var (
	_ Media  = (*peer.Peer)(nil)
	_ Dialer = (*dial.Service)(nil)
)

// Config is what a Server needs. Rooms, NewMedia and Dialer are required.
type Config struct {
	Rooms *room.Manager
	// NewMedia makes the connection of a participant. onState may be called from
	// any goroutine.
	NewMedia func(participant string, onState func(peer.State)) (Media, error)
	Dialer   Dialer
	// Admit says whether a page with this link token ("" for none) may enter a
	// room, and what it is there; its error is a *dial.RefusedError. Nil lets
	// everybody in. Who comes back with a resume token is not asked about again.
	Admit func(ctx context.Context, room, link string) (room.Role, error)
	// AddPhone reports whether pages may dial numbers that somebody types; nil is no.
	AddPhone   func() bool
	ICEServers func() []room.ICEServer
	Logger     *slog.Logger
	Now        func() time.Time // for the rate of messages

	PingEvery   time.Duration // between our pings
	PongTimeout time.Duration // from a ping to its pong, then the connection is closed
	JoinTimeout time.Duration // from connecting to joining
	MaxPerIP    int           // connections of one address; an IPv6 /64 is one address, loopback has no limit
}

// Server holds the connected pages.
type Server struct {
	cfg Config // fixed after NewServer
	log *slog.Logger

	mu      sync.Mutex // guards what follows
	clients map[*client]bool
	perIP   map[netip.Prefix]int
	closed  bool
	running sync.WaitGroup // Serve
}

// NewServer returns a Server without pages.
func NewServer(cfg Config) *Server {
	if cfg.ICEServers == nil {
		cfg.ICEServers = func() []room.ICEServer { return nil }
	}
	if cfg.AddPhone == nil {
		cfg.AddPhone = func() bool { return false }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.PingEvery <= 0 {
		cfg.PingEvery = defaultPingEvery
	}
	if cfg.PongTimeout <= 0 {
		cfg.PongTimeout = defaultPongTimeout
	}
	if cfg.JoinTimeout <= 0 {
		cfg.JoinTimeout = defaultJoinTimeout
	}
	if cfg.MaxPerIP <= 0 {
		cfg.MaxPerIP = defaultMaxPerIP
	}
	return &Server{cfg: cfg, log: cfg.Logger, clients: map[*client]bool{}, perIP: map[netip.Prefix]int{}}
}

// Serve talks to one page until its connection ends, which it closes. ip is
// where the page is, after proxies that are trusted.
func (s *Server) Serve(ctx context.Context, conn *websocket.Conn, ip netip.Addr) {
	c := newClient(s, conn, ip)
	if err := s.add(c); err != nil {
		code, reason := websocket.StatusTryAgainLater, "too many connections from your network"
		if errors.Is(err, errClosed) {
			code, reason = websocket.StatusGoingAway, "the server is shutting down"
		}
		_ = conn.Close(code, reason)
		return
	}
	defer s.remove(c)
	conn.SetReadLimit(MaxMessage)
	c.run(ctx)
}

// Close ends every connection and returns when their loops have ended. The
// participants vanish; it is the room manager that ends rooms.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.clients {
		c.shut(websocket.StatusGoingAway, "the server is shutting down")
	}
	s.mu.Unlock()
	s.running.Wait()
}

// Connections counts the connected pages.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

var (
	errClosed  = errors.New("server is closed")
	errTooMany = errors.New("too many connections")
)

func (s *Server) add(c *client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if from, limited := bucket(c.ip); limited {
		if s.perIP[from] >= s.cfg.MaxPerIP {
			return errTooMany
		}
		s.perIP[from]++
	}
	s.clients[c] = true
	s.running.Add(1)
	return nil
}

func (s *Server) remove(c *client) {
	s.mu.Lock()
	delete(s.clients, c)
	if from, limited := bucket(c.ip); limited {
		if s.perIP[from]--; s.perIP[from] == 0 {
			delete(s.perIP, from)
		}
	}
	s.mu.Unlock()
	s.running.Done()
}

// bucket returns what counts as one address: a subscriber has a whole /64 of
// IPv6. The machine itself is not limited.
func bucket(ip netip.Addr) (from netip.Prefix, limited bool) {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsLoopback() {
		return netip.Prefix{}, false
	}
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	from, _ = ip.Prefix(bits) // cannot fail: the bits fit the address
	return from, true
}
