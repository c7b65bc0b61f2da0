// Package ua is the demo carrier's SIP user agent: a telephone network small
// enough to run inside a test, that answers numbers the way real ones do.
//
// A call is one INVITE. [Carrier] parses its offer, makes a [Call] and runs the
// [Script] of the dialled number on it: ring, play early media, answer, reject,
// echo, speak, hang up. The script's context ends with the call. Everything
// that happened is in the event log ([Carrier.Events], [Carrier.Await]), what
// was heard in the call's [Recording].
//
// It is its own implementation on sipgo's parser, transactions and transports:
// it shares no code with the bridge it is called by, so that a
// misunderstanding of a standard shows instead of cancelling out. It does not
// register or transcode.
package ua

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/pace"
)

// Config is how a carrier is set up. The zero value listens nowhere.
type Config struct {
	UDP         string // "127.0.0.1:5070", port 0 for any; empty: not at all
	TCP         string // the same
	TLS         string // the same, with Certificate
	Certificate tls.Certificate

	// MediaIP is the address for RTP, and the one named in SDP. Default: the
	// address the SIP messages arrive at, loopback when that is any address.
	MediaIP string

	Codecs []audio.Codec // what it speaks, most preferred first; default PCMA, PCMU
	SRTP   string        // "off", "optional" (default: if the caller offers it), "required"

	User, Password string // what 607 wants; default demo and demo

	RefreshEvery time.Duration // between two refreshes of 611; default half its session interval

	Script    func(number string) Script // default: [Demo]
	Record    bool                       // keep what every call hears
	RecordDir string                     // not empty: write it there as WAV, implies Record

	Logger *slog.Logger // default: nowhere
}

// Carrier is a running carrier. Create with [Listen], end with Close.
type Carrier struct {
	// fixed after Listen
	cfg      Config
	log      *slog.Logger
	agent    *sipgo.UserAgent
	client   *sipgo.Client
	server   *sipgo.Server
	pacer    *pace.Pacer
	udp      *net.UDPConn
	tcp      *net.TCPListener
	tls      net.Listener
	auth     *authority
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	serving  sync.WaitGroup
	inviting sync.WaitGroup // INVITE handlers: whole calls
	handlers sync.WaitGroup // all the others
	events   *eventLog

	// guarded by mu
	mu      sync.Mutex
	calls   []*Call
	open    map[dialogKey]*Call
	closing bool // no new calls
	closed  bool // no requests at all
}

// dialogKey tells dialogs apart (RFC 3261 §12): the call id and both tags.
type dialogKey struct{ callID, local, remote string }

// Listen opens the sockets and starts answering.
func Listen(cfg Config) (*Carrier, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	if len(cfg.Codecs) == 0 {
		cfg.Codecs = []audio.Codec{audio.PCMA, audio.PCMU}
	}
	if cfg.User == "" {
		cfg.User, cfg.Password = "demo", "demo"
	}
	if cfg.Script == nil {
		cfg.Script = Demo
	}
	if cfg.RefreshEvery <= 0 {
		cfg.RefreshEvery = sessionTime / 2
	}
	cfg.Record = cfg.Record || cfg.RecordDir != ""
	c := &Carrier{cfg: cfg, log: cfg.Logger, events: newEventLog(), open: map[dialogKey]*Call{}}
	c.auth = &authority{user: cfg.User, password: cfg.Password}
	if err := c.listen(); err != nil {
		return nil, err
	}
	if err := c.start(); err != nil {
		c.closeSockets()
		return nil, err
	}
	return c, nil
}

func (c *Carrier) listen() error {
	if c.cfg.UDP == "" && c.cfg.TCP == "" && c.cfg.TLS == "" {
		return errors.New("the carrier needs a UDP, TCP or TLS address to listen on")
	}
	if c.cfg.UDP != "" {
		network := family("udp", c.cfg.UDP)
		addr, err := net.ResolveUDPAddr(network, c.cfg.UDP)
		if err != nil {
			return fmt.Errorf("carrier: SIP over UDP: %w", err)
		}
		if c.udp, err = net.ListenUDP(network, addr); err != nil {
			return fmt.Errorf("carrier: SIP over UDP: %w", err)
		}
	}
	if c.cfg.TCP != "" {
		network := family("tcp", c.cfg.TCP)
		addr, err := net.ResolveTCPAddr(network, c.cfg.TCP)
		if err == nil {
			c.tcp, err = net.ListenTCP(network, addr)
		}
		if err != nil {
			c.closeSockets()
			return fmt.Errorf("carrier: SIP over TCP: %w", err)
		}
	}
	if c.cfg.TLS != "" {
		var err error
		c.tls, err = tls.Listen(family("tcp", c.cfg.TLS), c.cfg.TLS, &tls.Config{Certificates: []tls.Certificate{c.cfg.Certificate}, MinVersion: tls.VersionTLS12})
		if err != nil {
			c.closeSockets()
			return fmt.Errorf("carrier: SIP over TLS: %w", err)
		}
	}
	return nil
}

// family is a network for one family of addresses: a socket for both would name
// IPv4 callers in a way that SIP does not know.
func family(network, addr string) string {
	if a, err := netip.ParseAddrPort(addr); err == nil && a.Addr().Is6() {
		return network + "6"
	}
	return network + "4"
}

func (c *Carrier) start() (err error) {
	// sipgo logs whole messages when it cannot parse them: nothing of it reaches our log.
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	c.agent, err = sipgo.NewUA(
		sipgo.WithUserAgent("dialroom-carrier"),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(quiet)),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(quiet)),
	)
	if err != nil {
		return err
	}
	if c.client, err = sipgo.NewClient(c.agent, sipgo.WithClientLogger(quiet)); err != nil {
		return err
	}
	if c.server, err = sipgo.NewServer(c.agent, sipgo.WithServerLogger(quiet)); err != nil {
		return err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.pacer = pace.New()
	c.server.OnInvite(c.guardInvite(c.onInvite))
	c.server.OnAck(c.guard(c.onAck))
	c.server.OnBye(c.guard(c.onBye))
	c.server.OnCancel(c.guard(c.onCancel))
	c.server.OnOptions(c.guard(c.onOptions))
	c.server.OnInfo(c.guard(c.onInDialog))
	c.server.OnUpdate(c.guard(c.onUpdate))
	c.server.OnRefer(c.guard(c.onRefer))
	c.server.OnNotify(c.guard(c.onInDialog))
	if c.udp != nil {
		c.serving.Go(func() { _ = c.server.ServeUDP(c.udp) })
	}
	if c.tcp != nil {
		c.serving.Go(func() { _ = c.server.ServeTCP(c.tcp) })
	}
	if c.tls != nil {
		c.serving.Go(func() { _ = c.server.ServeTLS(c.tls) })
	}
	return nil
}

// guard lets no handler start once the carrier is closed, and Close wait for those that run.
func (c *Carrier) guard(h sipgo.RequestHandler) sipgo.RequestHandler {
	return guarded(h, &c.mu, &c.closed, &c.handlers)
}

// guardInvite does the same from the moment Close begins: BYE and ACK are still taken while calls end.
func (c *Carrier) guardInvite(h sipgo.RequestHandler) sipgo.RequestHandler {
	return guarded(h, &c.mu, &c.closing, &c.inviting)
}

func guarded(h sipgo.RequestHandler, mu *sync.Mutex, over *bool, running *sync.WaitGroup) sipgo.RequestHandler {
	return func(req *sip.Request, tx sip.ServerTransaction) {
		mu.Lock()
		if *over {
			mu.Unlock()
			return
		}
		running.Add(1)
		mu.Unlock()
		defer running.Done()
		h(req, tx)
	}
}

// Addr returns where the carrier listens for SIP over transport "udp", "tcp" or "tls".
func (c *Carrier) Addr(transport string) netip.AddrPort {
	switch {
	case transport == "udp" && c.udp != nil:
		return c.udp.LocalAddr().(*net.UDPAddr).AddrPort()
	case transport == "tcp" && c.tcp != nil:
		return c.tcp.Addr().(*net.TCPAddr).AddrPort()
	case transport == "tls" && c.tls != nil:
		return c.tls.Addr().(*net.TCPAddr).AddrPort()
	}
	return netip.AddrPort{}
}

// Calls returns every call so far, oldest first.
func (c *Carrier) Calls() []*Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Call(nil), c.calls...)
}

// farewell is how long Close waits for the other side to answer its BYEs.
const farewell = 2 * time.Second

// Close hangs up every call, waits for the scripts, and frees the sockets.
func (c *Carrier) Close() error {
	c.mu.Lock()
	again := c.closing
	c.closing = true
	c.mu.Unlock()
	if again {
		return nil
	}
	c.cancel()
	c.inviting.Wait()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.handlers.Wait()
	c.pacer.Close()
	err := c.agent.Close()
	c.closeSockets()
	c.serving.Wait()
	// A retransmission that was under way may have opened another socket meanwhile.
	err = errors.Join(err, c.agent.Close())
	c.events.close()
	c.log.Info("closed", "invite", c.Count("INVITE"), "answered", c.Count("ANSWER"), "cancel", c.Count("CANCEL"),
		"bye_received", c.Count("BYE"), "bye_sent", c.Count("SENT BYE"))
	return err
}

func (c *Carrier) closeSockets() {
	if c.udp != nil {
		c.udp.Close()
	}
	if c.tcp != nil {
		c.tcp.Close()
	}
	if c.tls != nil {
		c.tls.Close()
	}
}

func (c *Carrier) add(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
	c.open[call.key] = call
}

func (c *Carrier) forget(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, call.key)
}

// find returns the call whose dialog a request belongs to, nil when there is none.
func (c *Carrier) find(req *sip.Request) *Call {
	if req.CallID() == nil || req.To() == nil || req.From() == nil {
		return nil
	}
	local, _ := req.To().Params.Get("tag")
	remote, _ := req.From().Params.Get("tag")
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open[dialogKey{req.CallID().Value(), local, remote}]
}
