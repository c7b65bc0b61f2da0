//go:build !linux

package udp

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Poller keeps the sockets of a process; here each is read by a goroutine of its own.
type Poller struct {
	dispatch sync.Mutex // one handler at a time
	readers  sync.WaitGroup

	mu     sync.Mutex // guards all below
	conns  map[*Conn]struct{}
	closed bool
}

// Conn is one UDP socket.
type Conn struct {
	poller  *Poller
	handler Handler
	socket  *net.UDPConn
	local   netip.AddrPort
	dead    atomic.Bool
}

// NewPoller returns an empty poller.
func NewPoller() (*Poller, error) { return &Poller{conns: make(map[*Conn]struct{})}, nil }

// Listen opens a socket on addr (port 0: any) and starts reading it.
func (p *Poller) Listen(addr netip.AddrPort, h Handler) (*Conn, error) {
	network := "udp4"
	if addr.Addr().Is6() {
		network = "udp"
	}
	socket, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("udp: %w", err)
	}
	_ = socket.SetReadBuffer(receiveBuffer)
	local := socket.LocalAddr().(*net.UDPAddr).AddrPort()
	c := &Conn{poller: p, handler: h, socket: socket, local: netip.AddrPortFrom(local.Addr().Unmap(), local.Port())}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = socket.Close()
		return nil, ErrClosed
	}
	p.conns[c] = struct{}{}
	p.readers.Go(c.readLoop)
	return c, nil
}

func (c *Conn) readLoop() {
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := c.socket.ReadFromUDPAddrPort(buffer)
		if c.dead.Load() {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier send
		}
		c.poller.dispatch.Lock()
		if !c.dead.Load() {
			c.handler(buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
		c.poller.dispatch.Unlock()
	}
}

// Close closes every socket. It must not be called from a handler.
func (p *Poller) Close() error {
	p.mu.Lock()
	p.closed = true
	conns := p.conns
	p.conns = map[*Conn]struct{}{}
	p.mu.Unlock()
	for c := range conns {
		_ = c.Close()
	}
	p.readers.Wait()
	return nil
}

// LocalAddr returns the address the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Close gives the socket up. No call of the handler begins after Close has
// returned; one that is under way may still be finishing.
func (c *Conn) Close() error {
	if c.dead.Swap(true) {
		return nil
	}
	c.poller.mu.Lock()
	delete(c.poller.conns, c)
	c.poller.mu.Unlock()
	return c.socket.Close()
}

// WriteTo sends one datagram. Any goroutine may call it.
func (c *Conn) WriteTo(b []byte, to netip.AddrPort) error {
	if len(b) == 0 {
		return nil
	}
	_, err := c.socket.WriteToUDPAddrPort(b, to)
	return err
}
