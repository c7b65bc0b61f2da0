package control

import (
	"net"
	"sync"
	"time"
)

// listener keeps the connections it accepted. The sfu holds an idle one all
// the time, and the server's shutdown would wait for it.
type listener struct {
	net.Listener

	mu      sync.Mutex
	conns   map[*conn]bool // guarded by mu
	stopped bool           // guarded by mu
}

func newListener(ln net.Listener) *listener {
	return &listener{Listener: ln, conns: make(map[*conn]bool)}
}

func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, of: l}
	l.mu.Lock()
	l.conns[c] = true
	l.mu.Unlock()
	return c, nil
}

// stop accepts no more connections and no more requests on those there are.
// Answers still go out.
func (l *listener) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	_ = l.Listener.Close()
	for c := range l.conns {
		_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

func (l *listener) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stopped
}

// cut closes what is left.
func (l *listener) cut() {
	l.mu.Lock()
	left := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		left = append(left, c)
	}
	l.mu.Unlock()
	for _, c := range left {
		_ = c.Close()
	}
}

// conn is one connection of a listener.
type conn struct {
	net.Conn
	of *listener
}

// SetReadDeadline is overruled by stop.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.of.closed() {
		t = time.Unix(1, 0)
	}
	return c.Conn.SetReadDeadline(t)
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
