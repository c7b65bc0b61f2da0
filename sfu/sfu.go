package main

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dialroom/sfu/dial"
	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/sfu/peer"
	"dialroom/sfu/phone"
	"dialroom/sfu/room"
	"dialroom/sfu/signal"
	"dialroom/sfu/web"
	"dialroom/shared/config"
	"dialroom/shared/sign"
	"dialroom/shared/udp"
	"dialroom/shared/wire"
	"dialroom/static"
)

// bridgeTimeout bounds every request to the bridge; package dial sets shorter
// ones where it can wait less.
const bridgeTimeout = 10 * time.Second

// Main is the process: its parts, and how they are put together. Tests start
// it for real, on port 0.
type Main struct {
	path string // of the settings
	log  *slog.Logger

	// Owned by Run, Reload and Close, which are called one after the other.
	cfg     *config.Config
	closers []func() error // undo what Run has done, last first

	// Fixed after Run.
	ledger   *counted
	bridge   *sign.Client
	hub      *phone.Hub
	media    *peer.Transport
	rooms    *room.Manager
	dial     *dial.Service
	signal   *signal.Server
	web      *web.Server
	ready    *readiness
	draining atomic.Bool
	noRules  atomic.Bool // the last reload could not read the rules

	requireToJoin atomic.Bool // links.require_to_join

	certificate atomic.Pointer[tls.Certificate] // nil without TLS
	closing     sync.Once
	closeErr    error
}

// NewMain returns a process that has not started. path is where cfg was read
// from, and where Reload reads.
func NewMain(path string, cfg *config.Config, log *slog.Logger) *Main {
	return &Main{path: path, cfg: cfg, log: log}
}

// Run builds the parts and starts to serve. After an error nothing is left
// running; without one, Close ends it.
func (m *Main) Run() (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	cfg := m.cfg
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	policy, err := policyOf(cfg)
	if err != nil {
		return err
	}
	instance := "s_" + strings.ToLower(rand.Text()[:16])

	poller, err := udp.NewPoller()
	if err != nil {
		return err
	}
	m.closer(poller.Close)
	if m.media, err = listenMedia(cfg.SFU.Media, poller, m.log); err != nil {
		return fmt.Errorf("sfu.media: %w", err)
	}
	m.closer(m.media.Close)

	legListen, err := netip.ParseAddrPort(cfg.SFU.LegListen)
	if err != nil {
		return fmt.Errorf("sfu.leg_listen: %w", err)
	}
	if m.hub, err = phone.NewHub(phone.Config{Poller: poller, Listen: legListen, Logger: m.log}); err != nil {
		return fmt.Errorf("sfu.leg_listen: %w", err)
	}
	m.closer(m.hub.Close)

	// One that cannot be used now keeps calls from being placed, not rooms from being open.
	book := ledger.New(filepath.Join(cfg.DataDir, "ledger.db"), ledger.Options{Retention: cfg.Ledger.Retention, Logger: m.log})
	m.closer(book.Close)
	if n := book.LeftOver(); n > 0 {
		m.log.Warn("calls were left over by the process before", "calls", n)
	}
	m.ledger = newCounted(book)

	m.bridge = sign.NewClient(cfg.SFU.BridgeURL, signingKey(cfg.Keys), bridgeTimeout, nil)
	m.closer(func() error { m.bridge.Close(); return nil })
	verifier, err := sign.NewVerifier(keysOf(cfg.Keys), filepath.Join(cfg.DataDir, "nonces-sfu"), time.Now(), time.Now)
	if err != nil {
		return err
	}
	m.closer(verifier.Close)

	m.rooms = room.New(room.Config{
		Grace:         cfg.SFU.EmptyRoomGrace,
		NewConference: func() room.Conference { return m.hub.NewConference() },
		// Rooms end only after Run, when dial is there.
		OnCallOrphaned: func(call string, why wire.Ending) { m.dial.Orphaned(call, why) },
		Logger:         m.log,
	})
	m.closer(func() error { m.rooms.Close(); return nil })
	m.dial = dial.New(dial.Config{
		Rooms:    m.rooms,
		NewLeg:   func(call string) dial.Leg { return m.hub.NewLeg(call) },
		Ledger:   m.ledger,
		Bridge:   m.bridge,
		Links:    links.NewSigner(cfg.Links.Secret),
		LinkBook: book,
		Instance: instance,
		Policy:   policy,
		Logger:   m.log,
	})
	m.requireToJoin.Store(cfg.Links.RequireToJoin)
	m.signal = signal.NewServer(signal.Config{
		Rooms:      m.rooms,
		NewMedia:   m.newMedia,
		Dialer:     m.dial,
		Admit:      m.admit,
		AddPhone:   m.dial.MayAddPhone,
		ICEServers: func() []room.ICEServer { return iceServers(cfg.SFU.TURN, time.Now()) },
		Logger:     m.log,
	})
	m.ready = &readiness{ledger: book, bridge: m.bridge, draining: m.draining.Load, noRules: m.noRules.Load, now: time.Now}
	if m.web, err = m.listenWeb(verifier); err != nil {
		m.dial.Close()
		return fmt.Errorf("sfu.listen: %w", err)
	}
	// Calls are hung up while the bridge can still report their endings, and
	// pages hear of it before their sockets end.
	m.closer(m.web.Close)
	m.closer(func() error { m.signal.Close(); return nil })
	m.closer(func() error { m.dial.Close(); return nil })
	m.tidy(verifier)
	m.log.Info("sfu is up", "pages", m.URL(), "public", cfg.SFU.PublicURL, "media_udp", m.media.UDPAddr(), "media_tcp", m.media.TCPAddr(),
		"legs", m.hub.LocalAddr(), "instance", instance)
	return nil
}

func (m *Main) closer(f func() error) { m.closers = append(m.closers, f) }

// listenMedia opens the port that all browsers share, for both address
// families where the host has both.
func listenMedia(c config.Media, poller *udp.Poller, log *slog.Logger) (*peer.Transport, error) {
	var public netip.Addr
	if c.PublicIP != "" {
		var err error
		if public, err = netip.ParseAddr(c.PublicIP); err != nil {
			return nil, err
		}
	}
	listen := func(host string) (*peer.Transport, error) {
		return peer.Listen(peer.Config{UDP: host + ":" + strconv.Itoa(c.UDPPort), TCP: host + ":" + strconv.Itoa(c.TCPPort),
			PublicIP: public, Poller: poller, Logger: log})
	}
	t, err := listen("[::]")
	if err == nil || hasIPv6() {
		return t, err
	}
	return listen("0.0.0.0")
}

// newMedia makes the connection of a browser.
func (m *Main) newMedia(participant string, onState func(peer.State)) (signal.Media, error) {
	p, err := m.media.NewPeer(participant, onState)
	if err != nil {
		return nil, err // not p: a nil *Peer would be a Media
	}
	return p, nil
}

func (m *Main) listenWeb(verifier *sign.Verifier) (*web.Server, error) {
	c := m.cfg.SFU
	cfg := web.Config{
		Listen:         c.Listen,
		PublicURL:      c.PublicURL,
		AllowedOrigins: c.AllowedOrigins,
		EmbedOrigins:   c.EmbedOrigins,
		Files:          static.Files,
		Sockets:        m.signal,
		Calls:          m.dial,
		Verifier:       verifier,
		Ready:          m.ready.reasons,
		Metrics:        web.Metrics(m.counts),
		Operators:      m.operators(),
		Logger:         m.log,
	}
	for _, p := range c.TrustedProxies {
		network, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, err
		}
		cfg.TrustedProxies = append(cfg.TrustedProxies, network)
	}
	if err := m.loadCertificate(c.TLS); err != nil {
		return nil, err
	}
	if m.certificate.Load() != nil {
		cfg.TLS = &tls.Config{
			MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"}, // WebSockets are upgraded, RFC 8441 is not spoken
			GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return m.certificate.Load(), nil
			},
		}
	}
	return web.New(cfg)
}

// URL is where the pages are, on this host.
func (m *Main) URL() string {
	scheme := "http"
	if m.certificate.Load() != nil {
		scheme = "https"
	}
	return scheme + "://" + m.web.Addr().String()
}

// Drain refuses every new call from now on. The channel is closed when no call
// is left.
func (m *Main) Drain() <-chan struct{} {
	m.draining.Store(true)
	return m.dial.Drain()
}

// Close hangs up all calls and ends everything. It may be called more than once.
func (m *Main) Close() error {
	m.closing.Do(func() {
		m.draining.Store(true)
		var errs []error
		for i := len(m.closers) - 1; i >= 0; i-- {
			errs = append(errs, m.closers[i]())
		}
		m.closeErr = errors.Join(errs...)
	})
	return m.closeErr
}

func keysOf(keys []config.Key) []sign.Key {
	list := make([]sign.Key, 0, len(keys))
	for _, k := range keys {
		list = append(list, sign.Key{ID: k.ID, Role: k.Role, Secret: []byte(k.Secret)})
	}
	return list
}

// signingKey is the first of the sfu's keys; the settings have at least one.
func signingKey(keys []config.Key) sign.Key {
	for _, k := range keysOf(keys) {
		if k.Role == sign.RoleSFU {
			return k
		}
	}
	return sign.Key{}
}
