// Package web is everything the sfu answers over HTTP: the pages, the upgrade
// of /ws, the signed requests of the bridge, the operators' API, health and metrics.
//
// A request comes in through a listener of our own (listener.go), which knows
// every open connection, and through Hertz to one of the routes that [New]
// lists. Pages come from memory with their ETag, compressed where the browser
// takes that (pages.go), and QR codes are drawn (qr.go). /ws passes the
// Origin check and the cap per address and is handed, as a WebSocket, to
// [Config].Sockets (socket.go). The bridge's requests pass the signature check
// and the role before anything of their bodies is read (internal.go), those of
// operators the check of their key (api.go). Every error becomes an answer in one
// place (errors.go, for operators apiAnswerTo).
//
// The package keeps no room and no call: it starts none, and forgets
// everything about a request once that is answered.
package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/adaptor"
	"github.com/cloudwego/hertz/pkg/common/config"
	"github.com/cloudwego/hertz/pkg/common/hlog"
	"github.com/cloudwego/hertz/pkg/network"
	"github.com/cloudwego/hertz/pkg/network/standard"
	"github.com/coder/websocket"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// Times a connection may take. A browser on a bad mobile network sends a
// request within seconds; whoever needs longer holds the connection on purpose.
const (
	requestTimeout  = 10 * time.Second // the whole request, from the first byte
	idleTimeout     = 60 * time.Second // between two requests
	writeTimeout    = 20 * time.Second // one write, WebSocket messages included
	shutdownTimeout = 2 * time.Second  // for requests under way when the server closes
)

// roomPage is the page that sites of Config.EmbedOrigins may embed.
const roomPage = "/room.html"

// maxHeader bounds the header fields of a request, in bytes.
const maxHeader = 32 << 10

// Sockets takes over the WebSockets of pages. Serve returns when the
// conversation is over, at the latest when ctx ends. client is who asks, as
// far as the trusted proxies say.
type Sockets interface {
	Serve(ctx context.Context, conn *websocket.Conn, client netip.Addr)
}

// Calls takes the bridge's requests; *dial.Service does. Its errors are mapped
// in errors.go.
type Calls interface {
	Grant(ctx context.Context, req wire.LegRequest) (wire.LegResponse, error)
	Event(ctx context.Context, e wire.CallEvent) error
}

// Config is what a Server needs. TLS, AllowedOrigins, EmbedOrigins,
// TrustedProxies, Ready, Metrics, Operators, Logger and Now may be left out.
type Config struct {
	Listen         string // "127.0.0.1:8080"; port 0 is any free one
	TLS            *tls.Config
	PublicURL      string   // where browsers find the pages: scheme, host and port
	AllowedOrigins []string // of WebSockets, beside PublicURL
	EmbedOrigins   []string // whose pages may show the room in a frame; none by default
	TrustedProxies []netip.Prefix
	Files          fs.FS // the pages, index.html among them
	Sockets        Sockets
	Calls          Calls
	Verifier       *sign.Verifier
	// Ready says in plain words what keeps the process from taking calls; nothing when it can.
	Ready     func(ctx context.Context) []string
	Metrics   http.Handler
	Operators *Operators // nil: there is no operators' API
	Logger    *slog.Logger
	Now       func() time.Time // for the rates of strangers
}

// Server is a running web server.
type Server struct {
	// Fixed after New.
	cfg      Config
	log      *slog.Logger
	origins  map[string]bool
	listener *listener
	hertz    *server.Hertz
	ctx      context.Context // ends when the sockets must
	stop     context.CancelFunc
	done     chan struct{} // closed when the server has stopped accepting
	codes    *rate         // of QR codes
	keys     *rate         // of wrong API keys

	conversations conversations
	closing       sync.Once
	closeErr      error
}

// New starts to listen and to serve. Errors: a taken or impossible address, a
// PublicURL or origin that is no URL, files that cannot be read.
func New(cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, log: cfg.Logger, done: make(chan struct{}),
		codes: newRate(codeBurst, codesPerSecond), keys: newRate(wrongKeyBurst, wrongKeysPerSecond)}
	policy, err := s.setOrigins()
	if err != nil {
		return nil, err
	}
	pages, err := loadPages(cfg.Files)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for browsers: %w", err)
	}
	s.listener = newListener(ln)
	s.ctx, s.stop = context.WithCancel(context.Background())
	options := []config.Option{
		server.WithListener(s.listener),
		// The default transport, netpoll, serves plain text when asked for TLS.
		server.WithTransport(standard.NewTransporter),
		server.WithOnConnect(func(ctx context.Context, conn network.Conn) context.Context {
			// Hertz applies ReadTimeout to a connection's second request and later ones only.
			_ = conn.SetReadTimeout(requestTimeout)
			return ctx
		}),
		server.WithReadTimeout(requestTimeout),
		server.WithIdleTimeout(idleTimeout),
		server.WithExitWaitTime(shutdownTimeout),
		server.WithMaxRequestBodySize(sign.MaxBody),
		server.WithMaxHeaderBytes(maxHeader),
		server.WithHandleMethodNotAllowed(true),
		server.WithRedirectTrailingSlash(false),
		server.WithDisablePrintRoute(true),
		server.WithDisablePreParseMultipartForm(true),
		{F: func(o *config.Options) { o.NoDefaultServerHeader = true }},
	}
	if cfg.TLS != nil {
		options = append(options, server.WithTLS(cfg.TLS))
	}
	s.hertz = server.New(options...)
	s.routes(pages, policy)
	go s.run()
	return s, nil
}

// routes is the list of all routes.
func (s *Server) routes(pages []page, policy policies) {
	h := s.hertz
	h.Use(s.recover, headers(policy.all))
	for _, p := range pages {
		if p.path == roomPage {
			p.policy = policy.room
		}
		h.GET(p.path, p.serve)
		h.HEAD(p.path, p.serve)
		if folder := p.folder(); folder != "" {
			h.GET(folder, toFolder(folder))
			h.HEAD(folder, toFolder(folder))
		}
	}
	// HEAD is GET without the body (RFC 9110 §9.3.2): monitors ask so.
	get := func(path string, do app.HandlerFunc) { h.GET(path, do); h.HEAD(path, do) }
	get("/qr.svg", s.code("image/svg+xml", modules.svg))
	get("/qr.png", s.code("image/png", modules.png))
	h.GET("/ws", s.socket)
	h.POST(wire.PathLegs, s.legs)
	h.POST(wire.PathEvents, s.events)
	get("/healthz", s.healthz)
	get("/readyz", s.readyz)
	if s.cfg.Metrics != nil {
		get("/metrics", adaptor.HertzHandler(s.cfg.Metrics))
	}
	if s.cfg.Operators != nil {
		s.apiRoutes()
	}
	h.NoRoute(s.notFound)
	h.NoMethod(s.notAllowed)
}

func (s *Server) run() {
	defer close(s.done)
	if err := s.hertz.Run(); err != nil && s.ctx.Err() == nil {
		s.log.Error("web server stopped", "error", err)
	}
}

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort {
	return s.listener.Addr().(*net.TCPAddr).AddrPort()
}

// Sockets is the number of WebSockets that are open.
func (s *Server) Sockets() int { return s.conversations.open() }

// Quiet keeps Hertz from writing to standard error in a form of its own what
// is no error of ours. It changes the whole process and is for main, before
// the first server is made.
func Quiet() { hlog.SetLevel(hlog.LevelFatal) }

// Close ends all WebSockets, waits for the requests under way and closes every
// connection, at the latest after two seconds.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.stop()
		err := s.listener.Close()
		s.endSockets()
		// What is left waits for a next request that must not come.
		s.listener.stopReading()
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		<-s.done
		_ = s.hertz.Shutdown(ctx) // an error says that some connection would not end
		s.listener.closeAll()
		s.closeErr = ignoreClosed(err)
	})
	return s.closeErr
}

// endSockets waits for the conversations to end, and ends those that would not.
func (s *Server) endSockets() {
	ended := s.conversations.close()
	late := time.NewTimer(shutdownTimeout)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
		s.listener.closeAll()
		<-ended
	}
}

// recover answers a request whose handler panicked and keeps the process up.
func (s *Server) recover(c context.Context, ctx *app.RequestContext) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("panic while answering", "path", string(ctx.Path()), "panic", r, "stack", string(debug.Stack()))
			s.fail(ctx, errInternal)
		}
	}()
	ctx.Next(c)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
