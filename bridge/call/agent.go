package call

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// Config is what an [Agent] needs. UDP or TCP must be set.
type Config struct {
	UDP string // address to listen on for SIP over UDP, "" for none
	TCP string // address to listen on for SIP over TCP, "" for none
	TLS string // address to listen on for SIP over TLS, "" for none

	// TLSConfig has our certificate (GetCertificate), the one we show when
	// asked (GetClientCertificate) and whom we believe (RootCAs). It is needed
	// with TLS.
	TLSConfig *tls.Config

	// KeepAlive is how often a sign of life goes over the connections we have
	// opened; 0 is never.
	KeepAlive time.Duration

	// Public is the address that Via and Contact name. It must be one the
	// far end can reach.
	Public netip.Addr

	// ByRoute says that Public is a guess, the address of the default route: a
	// far end that is reached from another one is told that.
	ByRoute bool

	Hub *leg.Hub

	// Report is told of every change of a call, in order per call. It must
	// not block.
	Report func(wire.CallEvent)

	// Trusted says whether inbound calls from this address belong to a
	// trunk. Nil: none do.
	Trusted func(netip.Addr) bool

	// Heard is told whether a trunk's host has answered a call, or has let it
	// time out. It must not block. Nil: nobody wants to know.
	Heard func(trunk string, answered bool)

	// Found is told where a trunk's host is. It must not block. Nil: nobody
	// wants to know.
	Found func(trunk string, addrs []netip.Addr)

	Resolver Resolver // nil: the system's
	Clock    Clock    // nil: the system's
	Logger   *slog.Logger
}

// Why a call could not be placed or reached.
var (
	ErrClosed    = errors.New("the bridge is shutting down")
	ErrExists    = errors.New("a call with this id exists")
	ErrUnknown   = errors.New("no call has this id")
	ErrTransport = errors.New("the trunk's transport is not switched on")
	ErrNoAudio   = errors.New("the call has no audio to send digits in")
	ErrMedia     = errors.New("no way for the audio")
)

// dialogKey finds a call by what its far end sends: its Call-ID and our tag. A
// call to ourselves is two calls with one Call-ID.
func dialogKey(callID, tag string) string { return callID + "\x00" + tag }

// Agent is the bridge's SIP user agent: its listeners, its transactions and
// its calls.
type Agent struct {
	reception atomic.Pointer[Reception] // who decides about inbound calls
	// fixed after Listen
	cfg    Config
	log    *slog.Logger
	clock  Clock
	tpl    *sip.TransportLayer
	txl    *sip.TransactionLayer
	udp    net.PacketConn
	tcp    net.Listener
	tls    net.Listener
	conns  *conns
	memory memory
	ctx    context.Context // ends with Close: lookups and connections stop
	cancel context.CancelFunc
	callWG sync.WaitGroup // calls
	wg     sync.WaitGroup // listeners and transactions

	// guarded by mu
	mu        sync.Mutex
	calls     map[string]*Call                // by call id
	dialogs   map[string]*Call                // by Call-ID and our tag
	merged    map[string]bool                 // inbound INVITEs that have a call, by mergeKey
	groups    map[string]*group               // calls that ring at several devices, by call id
	watchers  map[string]func(wire.CallEvent) // by call id
	handovers map[string]*handover            // by the id of the call that a phone is to place
	finished  *history
	onLost    func(hop) // told when a connection of ours is gone
	draining  bool
	closed    bool
	idle      chan struct{} // closed when draining and no call is left
}

// Listen opens the SIP ports and serves them until Close.
func Listen(cfg Config) (*Agent, error) {
	if cfg.Clock == nil {
		cfg.Clock = SystemClock{}
	}
	if cfg.Resolver == nil {
		cfg.Resolver = SystemResolver{Resolver: net.DefaultResolver}
	}
	if cfg.Trusted == nil {
		cfg.Trusted = func(netip.Addr) bool { return false }
	}
	if cfg.UDP == "" && cfg.TCP == "" && cfg.TLS == "" {
		return nil, errors.New("no address to listen on for SIP")
	}
	tameLibrary()
	a := &Agent{
		cfg: cfg, log: cfg.Logger, clock: cfg.Clock,
		calls: make(map[string]*Call), dialogs: make(map[string]*Call), merged: make(map[string]bool), groups: make(map[string]*group),
		watchers: make(map[string]func(wire.CallEvent)), handovers: make(map[string]*handover),
		finished: newHistory(), idle: make(chan struct{}),
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	quiet := slog.New(quietHandler{cfg.Logger.Handler()})
	a.tpl = sip.NewTransportLayer(net.DefaultResolver, sip.NewParser(), nil,
		sip.WithTransportLayerLogger(quiet),
		// A far end that stops reading must not hold up the call that writes.
		sip.WithTransportLayerTransports(sip.TransportsConfig{
			TCP: &sip.TransportTCP{WriteTimeout: connectTime, DialerCreate: noDialer},
			TLS: &sip.TransportTLS{TransportTCP: &sip.TransportTCP{WriteTimeout: connectTime, DialerCreate: noDialer}},
		}))
	a.tpl.OnMessage(tagInvite) // before the transactions: in this order they get messages
	a.txl = sip.NewTransactionLayer(a.tpl,
		sip.WithTransactionLayerLogger(quiet),
		sip.WithTransactionLayerUnhandledResponseHandler(a.stray))
	a.txl.OnRequest(a.serve)
	if err := a.listen(); err != nil {
		_ = a.Close()
		return nil, err
	}
	return a, nil
}

// Order is a call to place.
type Order struct {
	ID     string
	Room   string
	Number string // canonical; written into the INVITE in the trunk's dial format and otherwise unchanged
	Leg    wire.Leg
	Slot   *trunk.Slot // released when the call is over

	Devices []Target // ring these, all at once, instead of the trunk's host

	// Next takes the slot of the next trunk to try where this one fails, nil
	// when there is none. A nil Next is a call that stays where it is.
	Next func() *trunk.Slot
}

// Place starts a call and returns at once; what becomes of it is reported.
// The slot is the agent's from here on, also when an error is returned.
func (a *Agent) Place(order Order) (wire.Call, error) {
	if len(order.Devices) > 0 {
		placed, err := a.placeGroup(order)
		if err != nil {
			order.Slot.Release()
		}
		return placed, err
	}
	call, err := a.place(order)
	if err != nil {
		order.Slot.Release()
		return wire.Call{}, err
	}
	return call.Snapshot(), nil
}

func (a *Agent) place(order Order) (*Call, error) {
	if !a.Supports(order.Slot.Trunk.Transport) {
		return nil, ErrTransport
	}
	media, err := a.cfg.Hub.New(order.ID, order.Leg)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	call := newCall(a, order, media)
	a.mu.Lock()
	_, exists := a.calls[order.ID]
	switch {
	case a.closed || a.draining:
		err = ErrClosed
	case exists || a.finished.has(order.ID):
		err = ErrExists
	default:
		a.enlist(call)
		a.callWG.Add(2) // for run and writeLoop
	}
	a.mu.Unlock()
	if err != nil {
		media.Close()
		return nil, err
	}
	go call.writeLoop()
	go call.run()
	return call, nil
}

// enlist puts a call where its messages find it. mu is held.
func (a *Agent) enlist(call *Call) {
	a.calls[call.id] = call
	a.dialogs[dialogKey(call.callID, call.tag)] = call
}

// Call returns how a call stands, also for a while after its ending.
func (a *Agent) Call(id string) (wire.Call, bool) {
	if g := a.groupOf(id); g != nil {
		return g.status(), true
	}
	a.mu.Lock()
	call := a.calls[id]
	if call == nil {
		defer a.mu.Unlock()
		if h := a.handovers[id]; h != nil {
			return h.snapshot, true
		}
		return a.finished.get(id)
	}
	a.mu.Unlock()
	return call.Snapshot(), true
}

// Calls returns every call that has not ended.
func (a *Agent) Calls() []wire.Call {
	a.mu.Lock()
	running := make([]*Call, 0, len(a.calls))
	groups := make([]*group, 0, len(a.groups))
	for _, call := range a.calls {
		if call.forked == nil {
			running = append(running, call)
		}
	}
	for _, g := range a.groups {
		groups = append(groups, g)
	}
	a.mu.Unlock()
	list := make([]wire.Call, 0, len(running)+len(groups))
	for _, g := range groups {
		if snapshot := g.status(); snapshot.State != wire.Ended {
			list = append(list, snapshot)
		}
	}
	for _, call := range running {
		if snapshot := call.Snapshot(); snapshot.State != wire.Ended {
			list = append(list, snapshot)
		}
	}
	return list
}

// Hangup ends a call for the given reason. Ending a call that has ended
// already is no error.
func (a *Agent) Hangup(id string, reason wire.Ending) error {
	if g := a.groupOf(id); g != nil {
		g.hangUp(reason)
		return nil
	}
	call, finished := a.find(id)
	if call == nil {
		if finished || a.dropHandover(id, reason) {
			return nil
		}
		return ErrUnknown
	}
	call.post(hangup{reason: reason})
	return nil
}

// DTMF sends digits to the phone. The call must have audio.
func (a *Agent) DTMF(id, digits string) error {
	call, _ := a.find(id)
	if g := a.groupOf(id); g != nil {
		if call = g.front(); call == nil {
			return ErrNoAudio
		}
	}
	if call == nil {
		return ErrUnknown
	}
	reply := make(chan error, 1)
	if !call.post(do(func() { reply <- call.press(digits) })) {
		return ErrUnknown
	}
	select {
	case err := <-reply:
		return err
	case <-call.done:
		return ErrUnknown
	}
}

// HangupAll ends every call for the given reason.
func (a *Agent) HangupAll(reason wire.Ending) {
	for _, call := range a.running() {
		call.post(hangup{reason: reason})
	}
}

func (a *Agent) running() []*Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*Call, 0, len(a.calls))
	for _, call := range a.calls {
		list = append(list, call)
	}
	return list
}

func (a *Agent) find(id string) (call *Call, finished bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[id], a.finished.has(id)
}

// forget is called by a call that is over.
func (a *Agent) forget(call *Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.dialogs, dialogKey(call.callID, call.tag))
	if v := call.visit; v != nil {
		delete(a.merged, mergeKey(v.ev.req))
	}
	if call.successor != nil {
		return // the call goes on
	}
	delete(a.calls, call.id)
	a.finished.add(call.Snapshot())
	if a.draining && len(a.calls) == 0 {
		close(a.idle)
	}
}
