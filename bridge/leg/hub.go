package leg

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"dialroom/shared/udp"
	"dialroom/shared/wire"
)

// Config is what a Hub needs.
type Config struct {
	Poller   *udp.Poller      // reads every socket; the hub does not close it
	Listen   netip.AddrPort   // the shared socket towards the sfu; port 0: any
	MinPort  int              // phone-side ports, both ends included
	MaxPort  int              //
	BindIP   netip.Addr       // where phone-side ports are bound; zero: 0.0.0.0
	PublicIP netip.Addr       // what SDP says; zero: BindIP, or the address of the default route
	ByRoute  bool             // PublicIP is a guess: the route to the far end says better
	Logger   *slog.Logger     // nil: discards
	Now      func() time.Time // nil: time.Now
}

// Hub owns the socket to the sfu and all legs.
type Hub struct {
	// Fixed after NewHub.
	now      func() time.Time
	log      *slog.Logger
	listen   func(netip.AddrPort, udp.Handler) (conn, error)
	bindIP   netip.Addr
	publicIP netip.Addr
	byRoute  bool
	shared   conn
	ports    *portPool
	wake     chan struct{} // capacity 1
	stop     chan struct{}
	done     chan struct{} // closed by run

	stray atomic.Uint64 // packets at the shared socket that belong to no leg

	legs table      // by SSRCToPhone; changed under mu
	mu   sync.Mutex // held for one change
	dead bool       // guarded by mu

	round []*Leg // owned by run: those of one look
}

// NewHub opens the shared socket.
func NewHub(c Config) (*Hub, error) {
	h, err := newHub(c, func(addr netip.AddrPort, f udp.Handler) (conn, error) {
		socket, err := c.Poller.Listen(addr, f)
		if err != nil {
			return nil, err // not a nil *udp.Conn in an interface
		}
		return socket, nil
	})
	if err != nil {
		return nil, err
	}
	go h.run()
	return h, nil
}

// newHub builds a hub that keeps no time of its own.
func newHub(c Config, listen func(netip.AddrPort, udp.Handler) (conn, error)) (*Hub, error) {
	h := &Hub{
		now: c.Now, log: c.Logger, listen: listen, bindIP: c.BindIP, publicIP: c.PublicIP.Unmap(), byRoute: c.ByRoute,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if h.now == nil {
		h.now = time.Now
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if !h.bindIP.IsValid() {
		h.bindIP = netip.IPv4Unspecified()
	}
	if !h.publicIP.IsValid() {
		h.publicIP = h.bindIP
		if h.bindIP.IsUnspecified() {
			h.publicIP = defaultIP(h.bindIP)
		}
	}
	var err error
	if h.ports, err = newPortPool(c.MinPort, c.MaxPort); err != nil {
		return nil, err
	}
	if h.shared, err = listen(c.Listen, h.fromSFU); err != nil {
		return nil, fmt.Errorf("socket for RTP from the sfu: %w", err)
	}
	return h, nil
}

// Media returns the address that the sfu sends RTP to.
func (h *Hub) Media() netip.AddrPort { return h.shared.LocalAddr() }

// New makes a leg for the call id and opens its ports. The error is a
// *PortsError when the range has none left.
func (h *Hub) New(id string, w wire.Leg) (*Leg, error) {
	sfu, err := netip.ParseAddrPort(w.Media)
	if err != nil || !sfu.Addr().IsValid() || sfu.Port() == 0 {
		return nil, fmt.Errorf("leg %s: media address of the sfu: %q is not IP:port", id, w.Media)
	}
	var random [16]byte
	rand.Read(random[:])
	now := h.now()
	l := &Leg{
		id: id, hub: h, log: h.log.With("leg", id), wire: w,
		sfu:   netip.AddrPortFrom(sfu.Addr().Unmap(), sfu.Port()),
		ssrc:  binary.BigEndian.Uint32(random[12:]),
		cname: fmt.Sprintf("%x", random[:12]), // RFC 7022 §5: 96 bits
		in:    newSplice(), out: newSplice(),
		local:   localSDP{id: uint64(binary.BigEndian.Uint32(random[:]) >> 1), ip: h.publicIP},
		reports: reports{due: nextReport(now)},
	}
	l.mu.Lock() // packets may come before the sockets are noted
	err = h.ports.take(now, l.open)
	l.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("leg %s: %w", id, err)
	}
	if err := h.add(l); err != nil {
		l.closed = true // its sockets are closed below, and it was nobody's yet
		l.closeSockets()
		h.ports.give(l.rtp.LocalAddr().Port(), now)
		return nil, fmt.Errorf("leg %s: %w", id, err)
	}
	h.nudge()
	return l, nil
}

// open binds the leg's two sockets.
func (l *Leg) open(port uint16) error {
	rtp, err := l.hub.listen(netip.AddrPortFrom(l.hub.bindIP, port), l.fromPhone)
	if err != nil {
		return err
	}
	rtcp, err := l.hub.listen(netip.AddrPortFrom(l.hub.bindIP, port+1), l.fromPhoneRTCP)
	if err != nil {
		_ = rtp.Close()
		return err
	}
	l.rtp, l.rtcp = rtp, rtcp
	return nil
}

func (h *Hub) add(l *Leg) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return ErrClosed
	}
	if h.legs.get(l.wire.SSRCToPhone) != nil {
		return errors.New("another leg has the same SSRC")
	}
	h.legs.put(l.wire.SSRCToPhone, l)
	return nil
}

func (h *Hub) forget(l *Leg) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.legs.drop(l.wire.SSRCToPhone)
}

// fromSFU finds the leg of a packet at the shared socket.
func (h *Hub) fromSFU(packet []byte, from netip.AddrPort) {
	if len(packet) >= rtpHeaderSize {
		if l := h.legs.get(binary.BigEndian.Uint32(packet[8:])); l != nil {
			l.fromSFU(packet, from)
			return
		}
	}
	h.stray.Add(1)
}

// Stray counts the packets at the shared socket that belonged to no leg.
func (h *Hub) Stray() uint64 { return h.stray.Load() }

// nudge makes run look at the clock.
func (h *Hub) nudge() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// Between two looks at the legs: idle while there is none, and else at most
// often enough for reports, whose times are spread anyway.
const (
	idle    = time.Hour
	looking = 250 * time.Millisecond
)

// run paces what no packet drives: keys and reports.
func (h *Hub) run() {
	defer close(h.done)
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		select {
		case <-h.stop:
			return
		case <-h.wake:
		case <-timer.C:
		}
		timer.Reset(h.tick(h.now()))
	}
}

// tick lets every leg do what is due and returns how long to wait for the next.
func (h *Hub) tick(now time.Time) time.Duration {
	h.round = h.legs.all(h.round[:0])
	defer clear(h.round)
	if len(h.round) == 0 {
		h.round = nil
		return idle
	}
	wait := looking
	for _, l := range h.round {
		if d := l.tick(now).Sub(now); d <= frameTime {
			wait = min(wait, d) // a key is being pressed
		}
	}
	return max(wait, time.Millisecond)
}

// Close closes the legs that are left and the shared socket.
func (h *Hub) Close() {
	h.mu.Lock()
	if h.dead {
		h.mu.Unlock()
		<-h.done
		return
	}
	h.dead = true
	h.mu.Unlock()
	for _, l := range h.legs.all(nil) {
		l.Close()
	}
	close(h.stop)
	<-h.done
	_ = h.shared.Close()
}
