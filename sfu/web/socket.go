package web

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/common/adaptor"
	"github.com/coder/websocket"
)

// policies are the Content-Security-Policies there are.
type policies struct {
	all  string // of every answer
	room string // of the page that other sites may embed
}

// setOrigins reads the allowed origins and returns the policies, which name the
// WebSocket of the first and who may embed the room.
func (s *Server) setOrigins() (policies, error) {
	s.origins = map[string]bool{}
	public, err := origins([]string{s.cfg.PublicURL})
	if err != nil {
		return policies{}, err
	}
	more, err := origins(s.cfg.AllowedOrigins)
	if err != nil {
		return policies{}, err
	}
	for _, u := range append(public, more...) {
		s.origins[originOf(u)] = true
	}
	embedders, err := origins(s.cfg.EmbedOrigins)
	if err != nil {
		return policies{}, err
	}
	var list []string
	for _, u := range embedders {
		list = append(list, originOf(u))
	}
	return policies{all: contentSecurityPolicy(public[0], nil), room: contentSecurityPolicy(public[0], list)}, nil
}

// origins reads addresses of web sites.
func origins(list []string) (urls []*url.URL, err error) {
	for _, raw := range list {
		u, err := url.Parse(raw)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return nil, fmt.Errorf("%q is not the address of a web site", raw)
		}
		urls = append(urls, u)
	}
	return urls, nil
}

// originOf serialises an origin as browsers do (RFC 6454 §6.2): in lower case,
// without the scheme's own port.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if p := u.Port(); p == "80" && u.Scheme == "http" || p == "443" && u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":"+p)
	}
	return u.Scheme + "://" + host
}

// socket is GET /ws: the upgrade to a WebSocket. Browsers name the page's
// origin themselves, so a page of another site cannot use its visitors to dial.
func (s *Server) socket(c context.Context, ctx *app.RequestContext) {
	if origin := ctx.Request.Header.GetAll("Origin"); len(origin) != 1 || !s.origins[origin[0]] {
		s.fail(ctx, errOrigin)
		return
	}
	if !s.conversations.begin() {
		s.fail(ctx, errClosing)
		return
	}
	defer s.conversations.end()
	client := s.client(ctx)
	adaptor.HertzHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The origin has been checked, more strictly than by Accept.
		conn, err := websocket.Accept(&upgrade{ResponseWriter: w}, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return // Accept has answered
		}
		defer func() { _ = conn.CloseNow() }()
		s.cfg.Sockets.Serve(s.ctx, conn, client)
	}))(c, ctx)
}

// client is who asks, see clientIP.
func (s *Server) client(ctx *app.RequestContext) netip.Addr {
	remote, _ := netip.ParseAddrPort(ctx.RemoteAddr().String()) // zero when it is no TCP address
	return clientIP(remote.Addr(), ctx.Request.Header.GetAll("X-Forwarded-For"), s.cfg.TrustedProxies)
}

// conversations counts the WebSockets that are open. How many an address may
// have is for Sockets to say, which can tell the page why.
type conversations struct {
	mu     sync.Mutex // guards what follows
	n      int
	closed chan struct{} // non-nil once closing; closed when the last has ended
}

func (c *conversations) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed != nil {
		return false
	}
	c.n++
	return true
}

func (c *conversations) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.closed != nil {
		close(c.closed)
	}
}

func (c *conversations) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// close lets none begin any more and returns a channel that is closed when all
// have ended. It is called once.
func (c *conversations) close() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = make(chan struct{})
	if c.n == 0 {
		close(c.closed)
	}
	return c.closed
}

// upgrade writes the 101 itself: the adaptor would add a Content-Length, which
// RFC 9110 §8.6 forbids there and some proxies refuse.
type upgrade struct {
	http.ResponseWriter
	switching bool
}

func (u *upgrade) WriteHeader(status int) {
	if status == http.StatusSwitchingProtocols {
		u.switching = true
		return
	}
	u.ResponseWriter.WriteHeader(status)
}

// Hijack takes the connection over and sends the 101 that was held back.
func (u *upgrade) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := u.ResponseWriter.(http.Hijacker).Hijack()
	if err != nil || !u.switching {
		return conn, rw, err
	}
	_, err = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	if err == nil {
		err = u.Header().Write(rw)
	}
	if err == nil {
		_, err = rw.WriteString("\r\n")
	}
	if err == nil {
		err = rw.Flush()
	}
	if err != nil {
		_ = conn.Close()
	}
	return conn, rw, err
}
