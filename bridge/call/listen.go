package call

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// This file is the agent's listeners.

func (a *Agent) listen() error {
	if a.cfg.UDP != "" {
		conn, err := net.ListenPacket("udp", a.cfg.UDP)
		if err != nil {
			return fmt.Errorf("listening for SIP over UDP: %w", err)
		}
		a.udp = conn
		// The library learns of the socket when its reader first runs, which
		// may be after the first call. Until then this is what it finds.
		local := conn.LocalAddr().String()
		a.tpl.Pool(udp).Add(local, &sip.UDPConnection{PacketConn: conn, PacketAddr: local, Listener: true})
		a.wg.Go(func() { a.serveUDP(conn) })
	}
	if a.cfg.TCP != "" {
		listener, err := net.Listen("tcp", a.cfg.TCP)
		if err != nil {
			return fmt.Errorf("listening for SIP over TCP: %w", err)
		}
		a.tcp = listener
		a.wg.Go(func() { _ = a.tpl.ServeTCP(screenedListener{newDoor(listener)}) })
	}
	if a.cfg.TLS != "" {
		listener, err := net.Listen("tcp", a.cfg.TLS)
		if err != nil {
			return fmt.Errorf("listening for SIP over TLS: %w", err)
		}
		a.tls = listener
		a.wg.Go(func() { _ = a.tpl.ServeTLS(screenedListener{tls.NewListener(newDoor(listener), a.cfg.TLSConfig)}) })
	}
	a.conns = &conns{
		feeds: map[string]*feed{tcp: newFeed(), tlsNetwork: newFeed()}, tls: a.cfg.TLSConfig, lost: a.lost,
		ctx: a.ctx, wg: &a.wg, open: make(map[hop]*opening),
	}
	a.wg.Go(func() { _ = a.tpl.ServeTCP(a.conns.feeds[tcp]) })
	a.wg.Go(func() { _ = a.tpl.ServeTLS(a.conns.feeds[tlsNetwork]) })
	a.keepAlive()
	return nil
}

// keepAlive pings the connections now and then until Close.
func (a *Agent) keepAlive() {
	if a.cfg.KeepAlive <= 0 {
		return
	}
	var again func()
	again = func() {
		if a.ctx.Err() == nil {
			a.conns.ping()
			a.clock.AfterFunc(a.cfg.KeepAlive, again)
		}
	}
	a.clock.AfterFunc(a.cfg.KeepAlive, again)
}

// lost tells who wants to know that a connection of ours is gone.
func (a *Agent) lost(w hop) {
	a.log.Debug("connection gone", "network", w.network, "to", w.addr)
	a.mu.Lock()
	f := a.onLost
	a.mu.Unlock()
	if f != nil {
		f(w)
	}
}

// UDPAddr returns the UDP listener's address, the zero value without one.
func (a *Agent) UDPAddr() netip.AddrPort {
	if a.udp == nil {
		return netip.AddrPort{}
	}
	return addrPort(a.udp.LocalAddr())
}

// TCPAddr returns the TCP listener's address, the zero value without one.
func (a *Agent) TCPAddr() netip.AddrPort {
	if a.tcp == nil {
		return netip.AddrPort{}
	}
	return addrPort(a.tcp.Addr())
}

// TLSAddr returns the TLS listener's address, the zero value without one.
func (a *Agent) TLSAddr() netip.AddrPort {
	if a.tls == nil {
		return netip.AddrPort{}
	}
	return addrPort(a.tls.Addr())
}

// Supports reports whether the agent listens on a transport, and so can place
// calls over it.
func (a *Agent) Supports(network string) bool {
	switch network {
	case udp:
		return a.udp != nil
	case tcp:
		return a.tcp != nil
	case tlsNetwork:
		return a.tls != nil
	}
	return false
}

func addrPort(addr net.Addr) netip.AddrPort {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// sweep closes, a little later, what the library opens after its end: it hands
// each message to a goroutine that nobody can wait for, and one that finds the
// sockets gone opens another.
func (a *Agent) sweep() {
	for _, later := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond} {
		time.AfterFunc(later, func() { _ = a.tpl.Close() })
	}
}
