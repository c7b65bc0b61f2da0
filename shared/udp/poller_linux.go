package udp

import (
	"fmt"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many datagrams one system call takes at most.
const batch = 32

// Poller is one loop over any number of sockets.
type Poller struct {
	epoll, wake int // file descriptors, fixed after NewPoller
	done        chan struct{}

	mu      sync.Mutex // guards all below
	conns   map[int32]*Conn
	closing []*Conn // to be closed by the loop, which may be reading them
	closed  bool
}

// Conn is one UDP socket.
type Conn struct {
	poller  *Poller
	handler Handler
	local   netip.AddrPort
	v6      bool

	dead atomic.Bool
	mu   sync.RWMutex // held shared while fd is in use by WriteTo
	fd   int          // -1 once closed
}

// NewPoller starts a loop.
func NewPoller() (*Poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("udp: epoll: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		_ = unix.Close(epoll)
		return nil, fmt.Errorf("udp: eventfd: %w", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &ev); err != nil {
		_ = unix.Close(epoll)
		_ = unix.Close(wake)
		return nil, fmt.Errorf("udp: epoll: %w", err)
	}
	p := &Poller{epoll: epoll, wake: wake, done: make(chan struct{}), conns: make(map[int32]*Conn)}
	go p.run()
	return p, nil
}

// Listen opens a socket on addr (port 0: any) and starts reading it. An
// unspecified IPv6 address takes IPv4 too.
func (p *Poller) Listen(addr netip.AddrPort, h Handler) (*Conn, error) {
	fd, err := open(addr)
	if err != nil {
		return nil, err
	}
	local, err := localAddr(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	c := &Conn{poller: p, handler: h, fd: fd, local: local, v6: addr.Addr().Is6()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = unix.Close(fd)
		return nil, ErrClosed
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("udp: epoll: %w", err)
	}
	p.conns[int32(fd)] = c
	return c, nil
}

// Close closes every socket and ends the loop. It must not be called from a handler.
func (p *Poller) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.nudge()
	<-p.done
	return nil
}

// nudge makes the loop look at closing and closed.
func (p *Poller) nudge() {
	one := [8]byte{7: 1}
	_, _ = unix.Write(p.wake, one[:])
}

func (p *Poller) run() {
	defer close(p.done)
	var (
		events [128]unix.EpollEvent
		r      = newReader()
		m      = moderator{since: time.Now()}
		busy   bool
	)
	for {
		n, err := p.look(&events, busy)
		if err != nil && err != unix.EINTR {
			// Only a closed or foreign descriptor gets here: a defect, not a condition.
			p.shut()
			return
		}
		packets := 0
		for i := range max(n, 0) {
			if events[i].Fd == int32(p.wake) {
				if p.bury() {
					p.shut()
					return
				}
				continue
			}
			p.mu.Lock()
			c := p.conns[events[i].Fd]
			p.mu.Unlock()
			if c != nil {
				packets += r.drain(c)
			}
		}
		if busy = m.observe(packets, time.Now()); busy {
			pause := unix.NsecToTimespec(int64(moderation))
			_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
		}
	}
}

// look waits for sockets that have something, or only asks when the loop is busy.
//
// Idle, the wait is an ordinary system call, and the Go scheduler gives the
// processor away meanwhile. Busy, neither this nor the pause tells the scheduler:
// handing the processor over and taking it back a thousand times a second wakes other
// threads, which costs more than all else here (2.7 against 1.2 ms per second of a
// call, at 50 calls). The scheduler interrupts both by a signal when it needs to.
func (p *Poller) look(events *[128]unix.EpollEvent, busy bool) (int, error) {
	if !busy {
		return unix.EpollWait(p.epoll, events[:], -1)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(events)), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// bury closes the sockets that were given up since, and reports whether the poller is closed.
func (p *Poller) bury() bool {
	var count [8]byte
	_, _ = unix.Read(p.wake, count[:])
	p.mu.Lock()
	dead, closed := p.closing, p.closed
	p.closing = nil
	for _, c := range dead {
		delete(p.conns, int32(c.fd))
	}
	p.mu.Unlock()
	for _, c := range dead {
		c.shut()
	}
	return closed
}

// shut closes everything the poller has open.
func (p *Poller) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		c.dead.Store(true)
		c.shut()
	}
	p.conns = nil
	_ = unix.Close(p.epoll)
	_ = unix.Close(p.wake)
}

// LocalAddr returns the address the socket is bound to.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Close gives the socket up. No call of the handler begins after Close has
// returned; one that is under way on the loop may still be finishing. The port
// is free again a moment later. Close may be called from a handler, and twice.
func (c *Conn) Close() error {
	if c.dead.Swap(true) {
		return nil
	}
	p := c.poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil {
		return nil // the poller has closed it
	}
	// The loop closes the descriptor: nobody else can know that it is not being read.
	p.closing = append(p.closing, c)
	p.nudge()
	return nil
}

func (c *Conn) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		_ = unix.Close(c.fd)
		c.fd = -1
	}
}

// WriteTo sends one datagram. It never blocks: what the kernel cannot take now
// is dropped and reported as an error. Any goroutine may call it.
func (c *Conn) WriteTo(b []byte, to netip.AddrPort) error {
	if len(b) == 0 {
		return nil
	}
	var sa sockaddr
	size := sa.set(to, c.v6)
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.fd < 0 {
		return ErrClosed
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&sa)), uintptr(size))
	if errno != 0 {
		return errno
	}
	return nil
}

// reader holds what recvmmsg fills: one batch of datagrams and their sources.
type reader struct {
	headers [batch]mmsghdr
	iovecs  [batch]unix.Iovec
	addrs   [batch]sockaddr
	buffers [batch][maxDatagram]byte
}

// mmsghdr is the kernel's struct mmsghdr.
type mmsghdr struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

func newReader() *reader {
	r := new(reader)
	for i := range r.headers {
		r.iovecs[i].Base = &r.buffers[i][0]
		r.iovecs[i].SetLen(maxDatagram)
		r.headers[i].header.Name = (*byte)(unsafe.Pointer(&r.addrs[i]))
		r.headers[i].header.Iov = &r.iovecs[i]
		r.headers[i].header.SetIovlen(1)
	}
	return r
}

// drain hands all that c has received to its handler and returns how much it was.
// It stops after a few batches so that a flooded socket does not starve the others;
// epoll is level-triggered and comes back to it.
func (r *reader) drain(c *Conn) int {
	total := 0
	for range 4 {
		for i := range r.headers {
			r.headers[i].header.Namelen = uint32(unsafe.Sizeof(sockaddr{}))
		}
		// fd is only ever closed by the loop that runs this.
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&r.headers)), batch, unix.MSG_DONTWAIT, 0, 0)
		if errno != 0 {
			// EAGAIN: empty. Anything else is an ICMP error of an earlier send; reading it cleared it.
			return total
		}
		for i := range int(n) {
			if c.dead.Load() {
				return total
			}
			h := &r.headers[i]
			if h.header.Flags&unix.MSG_TRUNC != 0 {
				continue // no medium we carry is that long
			}
			c.handler(r.buffers[i][:h.length:maxDatagram], r.addrs[i].addrPort())
		}
		total += int(n)
		if n < batch {
			return total
		}
	}
	return total
}

// sockaddr is room for a struct sockaddr_in or sockaddr_in6.
type sockaddr struct{ unix.RawSockaddrInet6 }

// set fills in addr for a socket of the given family and returns the length in bytes.
func (s *sockaddr) set(addr netip.AddrPort, v6 bool) int {
	port := addr.Port()
	if v6 {
		s.Family = unix.AF_INET6
		s.Port = port<<8 | port>>8
		s.Addr = addr.Addr().As16()
		return unix.SizeofSockaddrInet6
	}
	v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(s))
	v4.Family = unix.AF_INET
	v4.Port = port<<8 | port>>8
	if a := addr.Addr().Unmap(); a.Is4() {
		v4.Addr = a.As4()
	}
	return unix.SizeofSockaddrInet4
}

// addrPort returns the address, an IPv4 one always in its own form.
func (s *sockaddr) addrPort() netip.AddrPort {
	port := s.Port<<8 | s.Port>>8
	if s.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(s)).Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(s.Addr).Unmap(), port)
}

// open makes a bound, non-blocking socket that Go's own poller does not know of.
func open(addr netip.AddrPort) (int, error) {
	family := unix.AF_INET
	if addr.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("udp: %w", os.NewSyscallError("socket", err))
	}
	if addr.Addr().Is6() && addr.Addr().IsUnspecified() {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
	var sa sockaddr
	size := sa.set(addr, addr.Addr().Is6())
	_, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(size))
	if errno != 0 {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("udp: listen on %v: %w", addr, os.NewSyscallError("bind", errno))
	}
	return fd, nil
}

func localAddr(fd int) (netip.AddrPort, error) {
	var sa sockaddr
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}, fmt.Errorf("udp: %w", os.NewSyscallError("getsockname", errno))
	}
	return sa.addrPort(), nil
}
