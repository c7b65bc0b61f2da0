// Package control is the bridge's signed HTTP interface: the sfu and scripts
// ask for calls here, and the sfu keeps them alive.
//
// A request passes the signature check and the role check (signed.go) before
// anything of it is believed. A call is placed in calls.go: the sfu brings a
// leg, a script's call asks the sfu for one first, and then both take a trunk
// and are handed to package call. What becomes of a call goes back to the sfu
// through the [Reporter], in order and with retries. The sfu renews the lease
// of the calls it feeds; what it does not renew is hung up (lease.go), so that
// no paid call outlives it. Every error becomes an answer in one place
// (errors.go).
//
// The package decides nothing about who may dial what, which is the sfu's
// business, and speaks no SIP.
package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/config"
	"github.com/cloudwego/hertz/pkg/network"
	"github.com/cloudwego/hertz/pkg/network/standard"

	"dialroom/bridge/call"
	"dialroom/bridge/trunk"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

const (
	// maxBody bounds a request's body, in bytes. The longest honest one is a
	// lease of a thousand calls, 20 KB.
	maxBody = 64 << 10

	// maxHeader bounds a request's header fields, in bytes.
	maxHeader = 16 << 10

	// requestTimeout bounds how long a peer on the same host may take to send
	// a request.
	requestTimeout = 10 * time.Second

	// idleTimeout is longer than the sfu's lease interval, so that its
	// connection stays.
	idleTimeout = 2 * time.Minute

	// shutdownTimeout is what requests under way get when the server closes.
	// Only a script that waits for the sfu's verdict takes longer than a
	// moment, and it will not get its call any more.
	shutdownTimeout = 300 * time.Millisecond
)

// SFU asks the sfu; *sign.Client does.
type SFU interface {
	Do(ctx context.Context, method, path string, in, out any) error
}

// Config is what a [Server] needs.
type Config struct {
	Listen   string // "127.0.0.1:8090"; port 0 is any free one
	Verifier *sign.Verifier
	Agent    *call.Agent
	Trunks   *trunk.Table
	SFU      SFU
	Reporter *Reporter
	Media    netip.AddrPort // where the sfu sends RTP to
	Replies  string         // file that keeps the answers to requests with an Idempotency-Key; "" keeps them in memory only
	Instance string         // of this process; a restart changes it
	Clock    call.Clock
	Logger   *slog.Logger

	// Inside looks for a number within the house: its registered devices, or
	// this bridge itself for a virtual number. inside is whether the number is
	// ours at all. Nil: no number is.
	Inside func(number, room string) (devices []call.Target, as trunk.Trunk, inside bool)
}

// Server is the running interface.
type Server struct {
	// fixed after New
	cfg      Config
	log      *slog.Logger
	leases   *leases
	replies  *replies
	listener *listener
	hertz    *server.Hertz
	done     chan struct{} // closed by run
	close    sync.Once
}

// New starts to listen and to serve.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, log: cfg.Logger, done: make(chan struct{})}
	var err error
	if s.replies, err = openReplies(cfg.Replies, cfg.Logger); err != nil {
		return nil, err
	}
	s.leases = newLeases(cfg.Clock, func(id string) {
		s.log.Warn("the sfu has stopped renewing a call", "call", id)
		_ = cfg.Agent.Hangup(id, wire.RoomEmpty)
	})
	cfg.Reporter.follow(s.leases.end, func(id string) {
		s.log.Warn("the sfu does not know a call", "call", id)
		_ = cfg.Agent.Hangup(id, wire.RoomEmpty)
	})
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		s.replies.close()
		return nil, fmt.Errorf("listening for signed requests: %w", err)
	}
	s.listener = newListener(ln)
	s.hertz = server.New(
		server.WithListener(s.listener),
		server.WithTransport(standard.NewTransporter), // the default one cannot do TLS and would not say so
		server.WithOnConnect(func(ctx context.Context, conn network.Conn) context.Context {
			// Hertz applies ReadTimeout from the second request of a connection on.
			_ = conn.SetReadTimeout(requestTimeout)
			return ctx
		}),
		server.WithReadTimeout(requestTimeout),
		server.WithIdleTimeout(idleTimeout),
		server.WithExitWaitTime(shutdownTimeout),
		server.WithMaxRequestBodySize(maxBody),
		server.WithMaxHeaderBytes(maxHeader),
		server.WithHandleMethodNotAllowed(true),
		server.WithRedirectTrailingSlash(false),
		server.WithDisablePrintRoute(true),
		server.WithDisablePreParseMultipartForm(true),
		config.Option{F: func(o *config.Options) { o.NoDefaultServerHeader = true }},
	)
	s.routes()
	go s.run()
	return s, nil
}

// routes is the list of all routes and who may use them.
func (s *Server) routes() {
	h := s.hertz
	h.Use(s.recover)
	h.POST(wire.PathCalls, s.signed(s.placeCall, sign.RoleSFU, sign.RoleScript))
	h.GET(wire.PathCalls+"/:id", s.signed(s.getCall, sign.RoleSFU, sign.RoleScript))
	h.DELETE(wire.PathCalls+"/:id", s.signed(s.hangUp, sign.RoleSFU, sign.RoleScript))
	h.POST(wire.PathCalls+"/:id/dtmf", s.signed(s.dtmf, sign.RoleSFU, sign.RoleScript))
	h.POST(wire.PathCalls+"/:id/transfer", s.signed(s.transfer, sign.RoleScript))
	h.POST(wire.PathCalls+"/:id/progress", s.signed(s.progress, sign.RoleSFU))
	h.GET(wire.PathTrunks, s.signed(s.listTrunks, sign.RoleSFU, sign.RoleScript))
	h.POST(wire.PathLease, s.signed(s.lease, sign.RoleSFU))
	h.NoRoute(func(_ context.Context, c *app.RequestContext) { s.fail(c, errNoRoute) })
	h.NoMethod(func(_ context.Context, c *app.RequestContext) { s.fail(c, errNoMethod) })
}

func (s *Server) run() {
	defer close(s.done)
	if err := s.hertz.Run(); err != nil && !errors.Is(err, net.ErrClosed) && !s.listener.closed() {
		s.log.Error("the server for signed requests has stopped", "error", err)
	}
}

// recover answers a request whose handler panicked and keeps the calls up.
func (s *Server) recover(ctx context.Context, c *app.RequestContext) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("panic while answering", "path", string(c.Path()), "panic", r, "stack", string(debug.Stack()))
			s.fail(c, errInternal)
		}
	}()
	c.Next(ctx)
}

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.listener.Addr().(*net.TCPAddr).AddrPort() }

// Close stops serving. Requests under way get shutdownTimeout to finish.
func (s *Server) Close() {
	s.close.Do(func() {
		s.listener.stop()
		<-s.done
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		_ = s.hertz.Shutdown(ctx) // an error says that some connection would not end
		s.listener.cut()
		s.leases.close()
		s.replies.close()
	})
}
