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

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/common/adaptor"
	"github.com/coder/websocket"
)

// maxMessage is the largest WebSocket message a page may send, in bytes; a
// larger one closes the socket with 1009. An offer with 13 m-lines has 16 KB.
const maxMessage = 64 << 10

// setOrigins reads the allowed origins and returns the Content-Security-Policy,
// which names the WebSocket of the first.
func (s *Server) setOrigins() (policy string, err error) {
	s.origins = map[string]bool{}
	for i, raw := range append([]string{s.cfg.PublicURL}, s.cfg.AllowedOrigins...) {
		u, err := url.Parse(raw)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return "", fmt.Errorf("%q is not the address of a web site", raw)
		}
		s.origins[originOf(u)] = true
		if i == 0 {
			policy = contentSecurityPolicy(u)
		}
	}
	return policy, nil
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
	client := s.client(ctx)
	if err := s.perIP.take(client, &s.sockets); err != nil {
		s.fail(ctx, err)
		return
	}
	defer s.perIP.release(client, &s.sockets)
	adaptor.HertzHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The origin has been checked, more strictly than by Accept.
		conn, err := websocket.Accept(&upgrade{ResponseWriter: w}, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return // Accept has answered
		}
		defer func() { _ = conn.CloseNow() }()
		conn.SetReadLimit(maxMessage)
		s.cfg.Sockets.Serve(s.ctx, conn, client)
	}))(c, ctx)
}

// client is who asks, see clientIP.
func (s *Server) client(ctx *app.RequestContext) netip.Addr {
	remote, _ := netip.ParseAddrPort(ctx.RemoteAddr().String()) // zero when it is no TCP address
	return clientIP(remote.Addr(), ctx.Request.Header.GetAll("X-Forwarded-For"), s.cfg.TrustedProxies)
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
