package phone

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"dialroom/sfu/room"
	"dialroom/shared/udp"
)

// Config is what a Hub needs.
type Config struct {
	Poller *udp.Poller
	Listen netip.AddrPort // for RTP from and to the bridge; port 0: any
	Logger *slog.Logger   // nil: none
	// Now is the clock of the process's packets, in nanoseconds; nil: room.Now.
	Now func() int64
	// Workers is how many goroutines make ticks; 0: one per processor.
	Workers int
}

// socket is the one socket of all legs.
type socket interface {
	WriteTo(b []byte, to netip.AddrPort) error
	LocalAddr() netip.AddrPort
	Close() error
}

// Hub is the sfu's end of the media link to the bridge: one socket, all legs.
type Hub struct {
	log     *slog.Logger
	now     func() int64
	socket  socket
	workers []*worker
	turn    atomic.Uint32 // the worker of the next conference
	lobby   *Conference   // of the legs that are in no room: silence for them
	done    chan struct{}
	running sync.WaitGroup
	strays  atomic.Uint64

	// legs by the SSRC of what the bridge sends; replaced, never changed, so that packets read it without a lock
	legs atomic.Pointer[map[uint32]*Leg]

	mu     sync.Mutex // guards writes of legs, and what follows
	closed bool
	gone   Traffic // of legs that were closed
}

// Traffic counts the packets of all legs so far, closed ones included.
type Traffic struct{ Received, Sent uint64 }

func (t *Traffic) add(s Stats) {
	t.Received += s.Received.Packets
	t.Sent += s.Sent.Packets
}

// NewHub opens the socket and starts the workers, which sleep until there is something to do.
func NewHub(cfg Config) (*Hub, error) {
	h := newHub(cfg)
	s, err := cfg.Poller.Listen(cfg.Listen, h.receive)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	h.socket = s
	for _, w := range h.workers {
		h.running.Go(w.run)
	}
	return h, nil
}

func newHub(cfg Config) *Hub {
	h := &Hub{log: cfg.Logger, now: cfg.Now, done: make(chan struct{})}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = room.Now
	}
	n := cfg.Workers
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	for range n {
		h.workers = append(h.workers, newWorker(h))
	}
	h.legs.Store(&map[uint32]*Leg{})
	h.lobby = h.newConference()
	return h
}

// Close closes all legs and the socket and waits for the workers.
func (h *Hub) Close() error {
	h.mu.Lock()
	closed := h.closed
	h.closed = true
	legs := *h.legs.Load()
	h.mu.Unlock()
	if closed {
		return nil
	}
	for _, l := range legs {
		l.Close()
	}
	close(h.done)
	h.running.Wait()
	return h.socket.Close()
}

// Strays counts the packets that belonged to no leg: unknown SSRC, wrong source, no RTP.
func (h *Hub) Strays() uint64 { return h.strays.Load() }

// LocalAddr is where the bridge sends to.
func (h *Hub) LocalAddr() netip.AddrPort { return h.socket.LocalAddr() }

// NewConference makes the phones' side of a room.
func (h *Hub) NewConference() room.Conference { return h.newConference() }

func (h *Hub) newConference() *Conference {
	w := h.workers[int(h.turn.Add(1))%len(h.workers)]
	return newConference(h, w)
}

// NewLeg makes the media of one call; owner is the participant it will be.
// Nothing is sent or taken before [Leg.Connect].
func (h *Hub) NewLeg(owner string) *Leg {
	var random [14]byte
	_, _ = rand.Read(random[:]) // never fails
	l := h.newLeg(owner, random[:])
	h.lobby.take(l, nil)
	return l
}

func (h *Hub) newLeg(owner string, random []byte) *Leg {
	h.mu.Lock()
	defer h.mu.Unlock()
	legs := maps.Clone(*h.legs.Load())
	in := binary.BigEndian.Uint32(random[0:])
	for in == 0 || legs[in] != nil {
		in++
	}
	l := newLeg(h, owner, in, binary.BigEndian.Uint32(random[4:])|1)
	l.out.seq = binary.BigEndian.Uint16(random[8:]) // RFC 3550 §5.1: random, against guessing
	l.out.ts = binary.BigEndian.Uint32(random[10:])
	if h.closed {
		l.closed = true
		return l
	}
	legs[in] = l
	h.legs.Store(&legs)
	return l
}

func (h *Hub) forget(l *Leg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	legs := maps.Clone(*h.legs.Load())
	delete(legs, l.ssrcIn)
	h.legs.Store(&legs)
	h.gone.add(l.Stats())
}

// Traffic returns the counters.
func (h *Hub) Traffic() Traffic {
	h.mu.Lock()
	defer h.mu.Unlock()
	sum := h.gone
	for _, l := range *h.legs.Load() {
		sum.add(l.Stats())
	}
	return sum
}

// receive takes one packet from the socket. It runs on the poller's loop.
func (h *Hub) receive(b []byte, from netip.AddrPort) {
	head, payload, ok := parse(b)
	if !ok {
		h.strays.Add(1)
		return
	}
	l := (*h.legs.Load())[head.ssrc]
	if l == nil || !l.receive(&head, payload, from) {
		h.strays.Add(1)
	}
}

// mediaAddr is the address a leg tells the bridge.
func (h *Hub) mediaAddr() string {
	if h.socket == nil {
		return ""
	}
	return h.socket.LocalAddr().String()
}
