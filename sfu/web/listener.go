package web

import (
	"net"
	"sync"
	"time"
)

// listener knows the connections it accepted until they are closed, so that
// closing the server does not have to wait for a browser that keeps an idle
// connection, and bounds every write to them.
type listener struct {
	net.Listener

	mu      sync.Mutex
	conns   map[*conn]struct{} // guarded by mu
	stopped bool               // guarded by mu; no more reading
}

func newListener(ln net.Listener) *listener {
	return &listener{Listener: ln, conns: map[*conn]struct{}{}}
}

func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, listener: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	if l.stopped {
		_ = raw.SetReadDeadline(time.Unix(1, 0))
	}
	return c, nil
}

// stopReading ends every wait for a request; answers under way still go out.
func (l *listener) stopReading() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for c := range l.conns {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (l *listener) closeAll() {
	l.mu.Lock()
	open := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
}

// conn is an accepted connection.
type conn struct {
	net.Conn
	listener *listener
}

// Write gives the peer writeTimeout to take the bytes. The deadline is set per
// write because the upgrade to a WebSocket clears all others.
func (c *conn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// SetReadDeadline does nothing once the server is closing, or an idle
// connection could be set up to wait again.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	if c.listener.stopped {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
