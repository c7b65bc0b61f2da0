// Package peer is a browser's connection: what it publishes, what it receives,
// and the path its packets take.
//
// All browsers share one UDP port, and one TCP port as a fallback (RFC 6544,
// framed as RFC 4571). A datagram is told apart by its first byte (RFC 7983):
//
//	STUN  → stun.go     the ICE-lite side of connectivity checks (RFC 8445)
//	DTLS  → dtls.go     handshake, then the keys of SRTP (RFC 5764)
//	SRTP  → inbound.go  decrypt, account, level, forward to the track's sinks
//	SRTCP → rtcp.go     reports, key frame requests, retransmissions
//
// A sink that leads to a browser is a [slot]: an m-line that the browser offered
// to receive. It rewrites SSRC, sequence number and timestamp so that the
// browser sees one continuous stream per slot whoever is in it (slot.go).
//
// A camera may come in several sizes, each a track of its own; a slot goes from
// one to another at a key frame (layers.go).
//
// The page is the only one that offers (sdp.go). The sfu is ICE-lite: it has a
// public address or a host that forwards its one port, so it never gathers,
// never checks, and joining costs it one DTLS handshake.
//
// It uses Pion's DTLS, SRTP, STUN, SDP and RTCP, but not its PeerConnection: there a
// packet crosses five goroutines between socket and track, and here one function
// takes it from the socket to the next, which is most of what a call costs.
package peer

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/selfsign"

	"dialroom/sfu/room"
	"dialroom/shared/udp"
)

const (
	// disconnectedAfter without a sign of life a peer counts as disconnected:
	// browsers check consent every 5 s at most (RFC 7675 §5.1), two may get lost.
	disconnectedAfter = 12 * time.Second

	// failedAfter is when consent has expired for good (RFC 7675 §5.1: 30 s).
	failedAfter = 30 * time.Second

	// sweepInterval is how often signs of life are looked for.
	sweepInterval = time.Second
)

// Config is what a Transport needs.
type Config struct {
	UDP      string     // listen address, "0.0.0.0:7882"; "[::]:7882" takes both families
	TCP      string     // listen address of ICE-TCP, empty for none
	PublicIP netip.Addr // announced instead of the host's own addresses when valid
	Poller   *udp.Poller
	Logger   *slog.Logger
}

// Transport is the ports that all browsers share.
type Transport struct {
	log         *slog.Logger
	conn        *udp.Conn
	tcp         *net.TCPListener // nil for none
	hosts       []netip.Addr
	certificate tls.Certificate
	fingerprint string

	byAddr map[netip.AddrPort]*Peer // owned by the poller's loop
	stale  atomic.Bool              // byAddr has addresses of closed peers

	mu      sync.Mutex // guards all below
	byUfrag map[string]*Peer
	peers   map[*Peer]struct{}
	streams map[*stream]struct{}
	closed  bool
	gone    Traffic // of peers that were closed

	done    chan struct{}
	running sync.WaitGroup
}

// Listen opens the ports.
func Listen(cfg Config) (*Transport, error) {
	addr, err := netip.ParseAddrPort(cfg.UDP)
	if err != nil {
		return nil, fmt.Errorf("peer: media address %q: %w", cfg.UDP, err)
	}
	certificate, err := selfsign.GenerateSelfSigned() // ECDSA P-256, as browsers do
	if err != nil {
		return nil, fmt.Errorf("peer: certificate: %w", err)
	}
	t := &Transport{
		log:         cfg.Logger,
		certificate: certificate,
		fingerprint: fingerprintOf(certificate.Certificate[0]),
		byAddr:      make(map[netip.AddrPort]*Peer),
		byUfrag:     make(map[string]*Peer),
		peers:       make(map[*Peer]struct{}),
		streams:     make(map[*stream]struct{}),
		done:        make(chan struct{}),
	}
	t.hosts, err = hosts(cfg.PublicIP, addr.Addr())
	if err != nil {
		return nil, err
	}
	if t.conn, err = cfg.Poller.Listen(addr, t.onDatagram); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	if cfg.TCP != "" {
		listener, err := net.Listen("tcp", cfg.TCP)
		if err != nil {
			_ = t.conn.Close()
			return nil, fmt.Errorf("peer: %w", err)
		}
		t.tcp = listener.(*net.TCPListener)
		t.running.Go(t.acceptLoop)
	}
	t.running.Go(t.sweepLoop)
	return t, nil
}

// UDPAddr returns where browsers' datagrams are taken.
func (t *Transport) UDPAddr() netip.AddrPort { return t.conn.LocalAddr() }

// TCPAddr returns where ICE-TCP is taken; invalid when it is not.
func (t *Transport) TCPAddr() netip.AddrPort {
	if t.tcp == nil {
		return netip.AddrPort{}
	}
	return t.tcp.Addr().(*net.TCPAddr).AddrPort()
}

// Close closes all peers and the ports.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	peers := make([]*Peer, 0, len(t.peers))
	for p := range t.peers {
		peers = append(peers, p)
	}
	for s := range t.streams {
		_ = s.conn.Close()
	}
	t.mu.Unlock()
	for _, p := range peers {
		p.Close()
	}
	close(t.done)
	var err error
	if t.tcp != nil {
		err = t.tcp.Close()
	}
	t.running.Wait()
	return errors.Join(err, t.conn.Close())
}

// now is the clock of packets.
func (t *Transport) now() int64 { return room.Now() }

// onDatagram is where every packet from a browser comes in, on the poller's loop.
func (t *Transport) onDatagram(packet []byte, from netip.AddrPort) {
	if len(packet) == 0 {
		return
	}
	if t.stale.Swap(false) {
		for addr, p := range t.byAddr {
			if p.closed.Load() {
				delete(t.byAddr, addr)
			}
		}
	}
	if packet[0] <= 3 {
		if p := t.onSTUN(packet, from, path{addr: from}); p != nil {
			t.byAddr[from] = p
		}
		return
	}
	if p := t.byAddr[from]; p != nil {
		p.onPacket(packet, path{addr: from})
	}
}

func (t *Transport) sweepLoop() {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-t.done:
			return
		case <-tick.C:
		}
		t.mu.Lock()
		now := t.now()
		var silent []*Peer
		for p := range t.peers {
			if time.Duration(now-p.lastSeen.Load()) > disconnectedAfter || p.State() == Disconnected {
				silent = append(silent, p)
			}
		}
		t.mu.Unlock()
		for _, p := range silent {
			p.judge(time.Duration(now - p.lastSeen.Load()))
		}
	}
}

func (t *Transport) addPeer(p *Peer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return net.ErrClosed
	}
	t.peers[p] = struct{}{}
	return nil
}

func (t *Transport) removePeer(p *Peer) {
	stats := p.Stats()
	t.mu.Lock()
	t.gone.add(stats)
	delete(t.peers, p)
	for ufrag, owner := range t.byUfrag {
		if owner == p {
			delete(t.byUfrag, ufrag)
		}
	}
	t.mu.Unlock()
	t.stale.Store(true)
}

// setUfrag makes checks for ufrag reach p; earlier ones stay valid until the peer closes,
// because checks of the previous generation may be under way (RFC 8445 §9).
func (t *Transport) setUfrag(ufrag string, p *Peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byUfrag[ufrag] = p
}

// hosts returns the addresses to announce: the public one, or what the socket can be reached at here.
func hosts(public, bound netip.Addr) ([]netip.Addr, error) {
	if public.IsValid() {
		return []netip.Addr{public}, nil
	}
	if !bound.IsUnspecified() {
		return []netip.Addr{bound}, nil
	}
	ifaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("peer: addresses of this host: %w", err)
	}
	var out, loopback []netip.Addr
	for _, a := range ifaces {
		prefix, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(prefix.IP)
		if !ok {
			continue
		}
		addr = addr.Unmap()
		switch {
		case bound.Is4() && !addr.Is4(), addr.IsLinkLocalUnicast():
		case addr.IsLoopback():
			// Last: only a browser on this very host can use it.
			loopback = append(loopback, addr)
		default:
			out = append(out, addr)
		}
	}
	return append(out, loopback...), nil
}
