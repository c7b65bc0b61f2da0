package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"dialroom/bridge/call"
	"dialroom/bridge/control"
	"dialroom/bridge/leg"
	"dialroom/bridge/reception"
	"dialroom/bridge/registrar"
	"dialroom/bridge/trunk"
	"dialroom/shared/config"
	"dialroom/shared/sign"
	"dialroom/shared/tidy"
	"dialroom/shared/udp"
	"dialroom/shared/wire"
)

const (
	// sfuTimeout bounds every request to the sfu; most have a shorter one.
	sfuTimeout = 10 * time.Second

	// byeTime is what BYE and CANCEL get to be confirmed when the process has
	// to go, and flushTime what the sfu gets to hear of it. Together, and with
	// what package control gives its requests, they stay under the promised
	// two seconds.
	byeTime   = 1200 * time.Millisecond
	flushTime = 400 * time.Millisecond
)

// keepAlive is how often a sign of life goes over connections to trunks: more
// often than a NAT forgets a TCP connection (RFC 5382: two hours, in practice
// minutes).
const keepAlive = time.Minute

// Main is the process: its parts and how they are put together.
type Main struct {
	path  string
	log   *slog.Logger
	clock call.Clock

	// Owned by whoever calls Run, Reload and Close, one after the other.
	cfg    *config.Config
	undo   []func() // what Run has started, in order
	closed bool

	mu       sync.Mutex
	untidy   bool   // guarded by mu; tidy has ended
	stopTidy func() // guarded by mu

	// fixed after Run
	trunks   *trunk.Table
	keeper   *trunk.Keeper
	cert     *certificate
	agent    *call.Agent
	control  *control.Server
	reporter *control.Reporter
	verifier *sign.Verifier
	memory   *tidy.Memory // owned by tidy

	registrar *registrar.Registrar
	desk      *reception.Desk
}

// NewMain returns a process that has not been started. path is the settings
// file, which Reload reads again.
func NewMain(path string, cfg *config.Config, log *slog.Logger) *Main {
	return &Main{path: path, cfg: cfg, log: log, clock: call.SystemClock{}}
}

// Run starts everything and returns. After an error nothing is left running.
func (m *Main) Run() (err error) {
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	b := m.cfg.Bridge
	if err := os.MkdirAll(m.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	keys := signKeys(m.cfg.Keys)
	verifier, err := sign.NewVerifier(keys, filepath.Join(m.cfg.DataDir, "nonces-bridge"), time.Now(), time.Now)
	if err != nil {
		return err
	}
	m.later(func() { _ = verifier.Close() })
	var pinned *tls.Config
	if cert := m.cfg.SFU.TLS.Cert; cert != "" {
		if pinned, err = sign.Pinned(cert); err != nil { // the sfu may be on another host, and the file with it
			m.log.Warn("the sfu's certificate cannot be read here; it has to name the host of bridge.sfu_url", "error", err)
		}
	}
	sfu := sign.NewClient(b.SFUURL, bridgeKey(keys), sfuTimeout, pinned)
	m.later(sfu.Close)

	hub, err := m.listenMedia(b)
	if err != nil {
		return err
	}
	m.trunks = trunk.NewTable(trunksOf(m.cfg), m.clock.Now)
	if err := m.trunks.Remember(filepath.Join(m.cfg.DataDir, "minutes-bridge"), m.notNoted); err != nil {
		return err
	}
	m.later(func() { _ = m.trunks.Close() })
	m.reporter = control.NewReporter(newNarrow(sfu), m.clock, m.log)
	m.later(m.flush)
	var secure *tls.Config
	if m.cert, secure, err = newCertificate(m.cfg); err != nil {
		return err
	}
	m.agent, err = call.Listen(call.Config{
		UDP: b.SIP.UDP, TCP: b.SIP.TCP, TLS: b.SIP.TLS, TLSConfig: secure, KeepAlive: keepAlive,
		Public: sipAddress(b), ByRoute: sipByRoute(b), Hub: hub, Report: m.reporter.Report,
		Trusted: m.trunks.Trusts, Heard: m.heard, Found: m.trunks.Found, Clock: m.clock, Logger: m.log,
	})
	if err != nil {
		return err
	}
	m.later(func() { _ = m.agent.Close() })
	envoy := call.NewEnvoy(m.agent)
	m.keeper = trunk.NewKeeper(m.trunks, envoy, m.clock, m.log)
	envoy.OnLost(m.keeper.Renew)
	m.later(m.keeper.Close)
	instance := "b_" + strings.ToLower(rand.Text()[:16])
	m.control, err = control.New(control.Config{
		Listen: b.Listen, Verifier: verifier, Agent: m.agent, Trunks: m.trunks, SFU: sfu, Reporter: m.reporter,
		Media: hub.Media(), Replies: filepath.Join(m.cfg.DataDir, "replies-bridge"), Instance: instance, Clock: m.clock, Logger: m.log,
		Inside: m.inside,
	})
	if err != nil {
		return err
	}
	m.later(m.control.Close)
	m.openDoor(newNarrow(sfu), hub.Media())
	m.later(m.hangUp) // first of all: the sfu may still ask what becomes of its calls
	m.keeper.Load(trunksOf(m.cfg))
	m.later(m.endTidy)
	m.verifier, m.memory = verifier, tidy.New(func() bool { return len(m.agent.Calls()) == 0 }, m.log)
	m.tidy()
	m.log.Info("bridge is up", "control", m.control.Addr(), "sip_udp", m.agent.UDPAddr(), "sip_tcp", m.agent.TCPAddr(), "sip_tls", m.agent.TLSAddr(),
		"sip_public", sipAddress(b), "legs", hub.Media(), "rtp_ports", b.RTP.Ports, "trunks", len(m.cfg.Trunks), "instance", instance)
	return nil
}

// notNoted is told of calls that a restart would not count.
func (m *Main) notNoted(err error) {
	m.log.Error("a call was not noted: after a restart per_minute begins anew", "error", err)
}

// listenMedia opens the socket to the sfu; phones get theirs with each call.
func (m *Main) listenMedia(b config.Bridge) (*leg.Hub, error) {
	listen, err := netip.ParseAddrPort(b.LegListen)
	if err != nil {
		return nil, fmt.Errorf("bridge.leg_listen: %w", err)
	}
	poller, err := udp.NewPoller()
	if err != nil {
		return nil, err
	}
	m.later(func() { _ = poller.Close() })
	hub, err := leg.NewHub(leg.Config{
		Poller: poller, Listen: listen, MinPort: b.RTP.MinPort, MaxPort: b.RTP.MaxPort,
		BindIP: bindAddress(b), PublicIP: rtpAddress(b), ByRoute: rtpByRoute(b), Logger: m.log,
	})
	if err != nil {
		return nil, fmt.Errorf("bridge.leg_listen: %w", err)
	}
	m.later(hub.Close)
	return hub, nil
}

// Reload reads the settings again and puts the trunks into use. Running calls
// keep theirs. With a broken file everything stays as it is.
func (m *Main) Reload() {
	next, err := load(m.path)
	if err != nil {
		m.log.Error("the settings are not reloaded, the old ones stay", "errors", strings.Split(err.Error(), "\n"))
		return
	}
	if keys := needRestart(m.cfg, next); len(keys) > 0 {
		m.log.Warn("changes that need a restart", "keys", keys)
	}
	m.trunks.Load(trunksOf(next))
	m.keeper.Load(trunksOf(next))
	m.furnish(next)
	if err := m.cert.load(m.cfg); err != nil {
		m.log.Error("the certificate is not read again, the old one stays", "error", err)
	}
	m.cfg.Trunks, m.cfg.Extensions, m.cfg.Numbers = next.Trunks, next.Extensions, next.Numbers
	m.log.Info("settings reloaded", "trunks", len(next.Trunks))
}

// Close hangs up what still runs, tells the sfu and stops everything, within
// two seconds. It may be called more than once.
func (m *Main) Close() {
	if m.closed {
		return
	}
	m.closed = true
	for _, f := range slices.Backward(m.undo) {
		f()
	}
}

// heard notes whether a trunk's host has answered a call.
func (m *Main) heard(id string, answered bool) { m.keeper.Heard(id, answered) }

func (m *Main) later(f func()) { m.undo = append(m.undo, f) }

// hangUp ends all calls and gives the far ends a moment to confirm.
func (m *Main) hangUp() {
	idle := m.agent.Drain()
	m.agent.HangupAll(wire.Shutdown)
	patience := time.NewTimer(byeTime)
	defer patience.Stop()
	select {
	case <-idle:
	case <-patience.C:
		m.log.Warn("not every far end has confirmed that its call is over")
	}
}

// flush lets the sfu hear of the endings.
func (m *Main) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	m.reporter.Close(ctx)
}
