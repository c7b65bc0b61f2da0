package call

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// maxSources is how many addresses the library is let to remember. It
	// keeps an entry for every address a datagram came from, for ever, and
	// addresses are free to whoever forges them.
	maxSources = 8192

	// recentSources is how many of the last ones are kept when the rest is
	// forgotten: their requests may still want a response.
	recentSources = 512
)

// datagrams is the UDP socket as the library gets it, for as many sources as
// maxSources. Then it says that the socket is closed, which makes the library
// forget them, and the next datagrams take its place.
type datagrams struct {
	net.PacketConn // not closed with it
	ctx            context.Context

	// owned by the library's one reader
	sources map[netip.AddrPort]struct{}
	recent  []netip.AddrPort // the last ones, oldest first from next on
	next    int
	over    func(recent []netip.AddrPort) // called once, before the reader ends
}

// ReadFrom returns net.ErrClosed after a datagram of one source too many, which
// is lost: its sender sends it again.
func (d *datagrams) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, addr, err := d.PacketConn.ReadFrom(b)
		if err != nil {
			return n, addr, err
		}
		if d.ctx.Err() != nil {
			return 0, addr, net.ErrClosed // a request now would have the library open a socket
		}
		from := addrPort(addr)
		if !from.IsValid() || from.Port() == 0 {
			continue // nobody can be answered there
		}
		if _, known := d.sources[from]; !known {
			if len(d.sources) >= maxSources {
				d.over(d.recent)
				return 0, addr, net.ErrClosed
			}
			d.sources[from] = struct{}{}
			if len(d.recent) < recentSources {
				d.recent = append(d.recent, from)
			} else {
				d.recent[d.next] = from
				d.next = (d.next + 1) % recentSources
			}
		}
		return n, addr, nil
	}
}

// Close leaves the socket open: it is the agent's.
func (d *datagrams) Close() error { return nil }

// serveUDP has the library read a socket until that is closed.
func (a *Agent) serveUDP(conn net.PacketConn) {
	local := conn.LocalAddr().String()
	pool := a.tpl.Pool(udp)
	var kept []netip.AddrPort // in the pool on behalf of the datagrams before
	for a.ctx.Err() == nil {
		d := &datagrams{PacketConn: screenedPackets{conn, a.log}, ctx: a.ctx, sources: make(map[netip.AddrPort]struct{})}
		var once sync.Once
		d.over = func(recent []netip.AddrPort) {
			once.Do(func() {
				// The reader takes out what is its own, so that what is not
				// stays: the socket, and who was heard last.
				next := &sip.UDPConnection{PacketConn: conn, PacketAddr: local, Listener: true}
				pool.Add(local, next)
				for _, from := range kept {
					pool.Delete(from.String())
				}
				kept = kept[:0]
				for _, from := range recent {
					pool.Add(from.String(), next)
					kept = append(kept, from)
				}
				a.log.Warn("SIP comes from very many addresses", "addresses", maxSources)
			})
		}
		_ = a.tpl.ServeUDP(d)
		if a.ctx.Err() == nil && len(d.sources) < maxSources {
			// The socket itself has failed. It may come back (ENETDOWN), and a
			// closed one ends with the agent.
			select {
			case <-a.ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}
