package call

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"github.com/emiago/sipgo/sip"
)

// This file opens and bounds the connections of SIP over TCP and TLS. The
// library reads and writes them, but neither dials nor accepts: it would check
// a certificate against an address, and take as many connections as come.

const (
	// maxAccepted and maxAcceptedIP bound the connections that others open,
	// all together and from one address. A connection costs about 40 KB.
	maxAccepted   = 2000
	maxAcceptedIP = 100

	// firstWordTime is what an accepted connection has to say something, and
	// to get through its TLS handshake; idleTime is how long it may be silent
	// after that. Phones that stay send keep-alives every few minutes.
	firstWordTime = 15 * time.Second
	idleTime      = 15 * time.Minute
)

var errLibraryDials = errors.New("connections are opened by the agent")

// noDialer makes the library's own attempts to connect fail.
func noDialer(net.Addr) net.Dialer {
	return net.Dialer{Control: func(string, string, syscall.RawConn) error { return errLibraryDials }}
}

// link is a connection as the library gets it.
type link struct {
	net.Conn
	accepted bool
	gone     func() // called once, when it is closed
	reading  chan struct{}

	once      sync.Once
	firstRead sync.Once
	writing   sync.Mutex // held for one message

	// guarded by the library's one reader
	spoken bool
}

// Read bounds the silence of connections that others have opened.
func (l *link) Read(b []byte) (int, error) {
	l.firstRead.Do(func() { close(l.reading) })
	if l.accepted {
		wait := firstWordTime
		if l.spoken {
			wait = idleTime
		}
		if err := l.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return 0, err
		}
	}
	n, err := l.Conn.Read(b)
	l.spoken = l.spoken || n > 0
	return n, err
}

// Write sends a message, in bounded time from when its turn comes. A far end that
// has taken half of one would take the next for the rest of it: there is none.
func (l *link) Write(b []byte) (int, error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.Conn.SetWriteDeadline(time.Now().Add(connectTime)); err != nil {
		return 0, err
	}
	n, err := l.Conn.Write(b)
	if err != nil {
		_ = l.Close()
	}
	return n, err
}

// SetWriteDeadline does nothing. The library's would give whoever writes now the
// time of who comes next, and a connection on which nothing moves would never end.
func (l *link) SetWriteDeadline(time.Time) error { return nil }

func (l *link) Close() error {
	err := l.Conn.Close()
	l.firstRead.Do(func() { close(l.reading) })
	l.once.Do(func() {
		if l.gone != nil {
			l.gone()
		}
	})
	return err
}

// door is a listener with the bounds on accepted connections.
type door struct {
	net.Listener

	mu   sync.Mutex
	all  int                // guarded by mu
	byIP map[netip.Addr]int // guarded by mu
}

func newDoor(l net.Listener) *door { return &door{Listener: l, byIP: make(map[netip.Addr]int)} }

// Accept closes what is too many, at once and without a word.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			var temporary net.Error
			if errors.As(err, &temporary) && !errors.Is(err, net.ErrClosed) {
				time.Sleep(10 * time.Millisecond) // out of file descriptors: there will be some
				continue
			}
			return nil, err
		}
		ip := addrPort(conn.RemoteAddr()).Addr()
		if !d.enter(ip) {
			_ = conn.Close()
			continue
		}
		return &link{Conn: conn, accepted: true, gone: func() { d.leave(ip) }, reading: make(chan struct{})}, nil
	}
}

func (d *door) enter(ip netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all >= maxAccepted || d.byIP[ip] >= maxAcceptedIP {
		return false
	}
	d.all++
	d.byIP[ip]++
	return true
}

func (d *door) leave(ip netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all--
	if d.byIP[ip]--; d.byIP[ip] == 0 {
		delete(d.byIP, ip)
	}
}

// feed is a listener that hands the library the connections we have opened.
type feed struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newFeed() *feed { return &feed{conns: make(chan net.Conn), done: make(chan struct{})} }

func (f *feed) Accept() (net.Conn, error) {
	select {
	case conn := <-f.conns:
		return conn, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error {
	f.once.Do(func() { close(f.done) })
	return nil
}

// Addr is never a port of ours.
func (f *feed) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4zero} }

// opening is a connection that is open or on its way; done is closed when it
// is decided which.
type opening struct {
	done chan struct{}
	link *link // set before done is closed, nil with err
	err  error
}

// conns are the connections this agent has opened, each used for everything
// that goes the same way.
type conns struct {
	feeds map[string]*feed // by network; fixed
	tls   *tls.Config      // fixed
	lost  func(hop)        // told when a connection is gone; fixed
	ctx   context.Context
	wg    *sync.WaitGroup

	mu   sync.Mutex
	open map[hop]*opening // guarded by mu
}

// get returns the local address of a connection that goes this way, opening
// one if there is none. Who waits for the same way waits together; the opening
// goes on for the others when one gives up.
func (cs *conns) get(ctx context.Context, w hop) (net.Addr, error) {
	cs.mu.Lock()
	o := cs.open[w]
	if o == nil {
		if cs.ctx.Err() != nil {
			cs.mu.Unlock()
			return nil, ErrClosed
		}
		o = &opening{done: make(chan struct{})}
		cs.open[w] = o
		cs.wg.Go(func() { cs.dial(w, o) })
	}
	cs.mu.Unlock()
	select {
	case <-o.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("connecting: %w", ctx.Err())
	}
	if o.err != nil {
		return nil, o.err
	}
	return o.link.LocalAddr(), nil
}

// to returns the local address of an open connection to addr, whatever name
// it was opened for.
func (cs *conns) to(network string, addr netip.AddrPort) (net.Addr, bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for w, o := range cs.open {
		if w.network != network || w.addr != addr {
			continue
		}
		select {
		case <-o.done:
			if o.link != nil {
				return o.link.LocalAddr(), true
			}
		default:
		}
	}
	return nil, false
}

// dial opens a connection and hands it to the library.
func (cs *conns) dial(w hop, o *opening) {
	defer close(o.done)
	ctx, cancel := context.WithTimeout(cs.ctx, connectTime)
	defer cancel()
	conn, err := cs.connect(ctx, w)
	if err == nil {
		l := &link{Conn: conn, reading: make(chan struct{}), gone: func() { cs.forget(w, o) }}
		select {
		case cs.feeds[w.network].conns <- l:
			<-l.reading // from now on the library finds it
			o.link = l
			return
		case <-ctx.Done():
			err = ctx.Err()
			_ = conn.Close()
		}
	}
	o.err = err
	cs.mu.Lock()
	delete(cs.open, w)
	cs.mu.Unlock()
}

func (cs *conns) connect(ctx context.Context, w hop) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", w.addr.String())
	if err != nil || w.network != tlsNetwork {
		return conn, err
	}
	secure := tls.Client(conn, cs.config(w))
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("the TLS handshake: %w", err)
	}
	return secure, nil
}

// config checks the certificate of the far end against the name in the
// settings, not the one a DNS record led to (RFC 5922 §4), and for a dialog
// that leads elsewhere against either.
func (cs *conns) config(w hop) *tls.Config {
	cfg := cs.tls.Clone()
	cfg.ServerName = w.name
	if w.alias == "" || w.alias == w.name {
		return cfg
	}
	roots := cfg.RootCAs
	cfg.ServerName = w.alias
	cfg.InsecureSkipVerify = true // VerifyConnection does it, with two names
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, cert := range state.PeerCertificates[1:] {
			between.AddCert(cert)
		}
		var err error
		for _, name := range []string{w.alias, w.name} {
			if _, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: name}); err == nil {
				return nil
			}
		}
		return err
	}
	return cfg
}

// forget takes a connection that is gone off the list.
func (cs *conns) forget(w hop, o *opening) {
	cs.mu.Lock()
	mine := cs.open[w] == o
	if mine {
		delete(cs.open, w)
	}
	cs.mu.Unlock()
	if mine && cs.ctx.Err() == nil && cs.lost != nil {
		cs.lost(w)
	}
}

// ping writes a keep-alive on every connection we have opened (RFC 5626
// §3.5.1): it keeps the way through a NAT open and finds out when the far end
// is gone.
func (cs *conns) ping() {
	cs.mu.Lock()
	var all []*link
	for _, o := range cs.open {
		select {
		case <-o.done:
			if o.link != nil {
				all = append(all, o.link)
			}
		default:
		}
	}
	cs.mu.Unlock()
	for _, l := range all {
		// One that does not take it must not hold up the others.
		cs.wg.Go(func() { _, _ = l.Write([]byte("\r\n\r\n")) })
	}
}

// prepare completes a request for the way it will take, and opens that way.
// inside says that the request belongs to a dialog, which may go by any
// connection to that address.
func (a *Agent) prepare(ctx context.Context, req *sip.Request, to hop, inside bool) error {
	a.address(req, to)
	if to.network == udp {
		return nil
	}
	var local net.Addr
	if inside {
		var ok bool
		if local, ok = a.conns.to(to.network, to.addr); !ok {
			if conn := a.tpl.Pool(to.network).Get(to.addr.String()); conn != nil {
				// One that the far end has opened.
				_, err := conn.TryClose()
				return err
			}
		}
	}
	if local == nil {
		var err error
		if local, err = a.conns.get(ctx, to); err != nil {
			return err
		}
	}
	ap := addrPort(local)
	req.Laddr = sip.Addr{IP: ap.Addr().AsSlice(), Port: int(ap.Port())}
	return nil
}
