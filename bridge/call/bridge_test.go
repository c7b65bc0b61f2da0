package call

import (
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	sockets "dialroom/shared/udp"
	"dialroom/shared/wire"
)

// bridge is an agent with everything around it.
type bridge struct {
	t      *testing.T
	agent  *Agent
	clock  *fakeClock
	events chan wire.CallEvent
	table  *trunk.Table
}

func newBridge(t *testing.T, edit ...func(*Config)) *bridge {
	t.Helper()
	poller, err := sockets.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	b := &bridge{t: t, clock: newFakeClock(), events: make(chan wire.CallEvent, 64)}
	out := &output{w: t.Output()}
	t.Cleanup(out.close)
	logger := slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	hub, err := leg.NewHub(leg.Config{
		Poller: poller, Listen: netip.MustParseAddrPort("127.0.0.1:0"), MinPort: 20000, MaxPort: 29999,
		BindIP: netip.MustParseAddr("127.0.0.1"), Logger: logger, Now: b.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		UDP: "127.0.0.1:0", TCP: "127.0.0.1:0", Public: netip.MustParseAddr("127.0.0.1"), Hub: hub,
		Report: func(ev wire.CallEvent) { b.events <- ev }, Clock: b.clock, Logger: logger,
	}
	for _, f := range edit {
		f(&cfg)
	}
	b.agent, err = Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.agent.Close(); err != nil {
			t.Logf("close: %v", err)
		}
		hub.Close()
		_ = poller.Close()
	})
	return b
}

// sfuMedia is where the legs' audio goes: nowhere.
const sfuMedia = "127.0.0.1:9"

// output is a test's output for as long as the test runs: the library has
// goroutines that say goodbye later.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = io.Discard
}

// place places call id to a carrier.
func (b *bridge) place(id string, far *carrier, edit ...func(*trunk.Trunk)) {
	b.t.Helper()
	trunkOf := trunk.Trunk{
		ID: "tr_test", Enabled: true, Host: far.addr.String(), Transport: far.network, CallerID: "+4930123456",
		Prefixes: []string{""}, DialFormat: trunk.E164, Codecs: []wire.Codec{wire.PCMA, wire.PCMU}, MaxCalls: 100,
	}
	for _, f := range edit {
		f(&trunkOf)
	}
	b.table = trunk.NewTable([]trunk.Trunk{trunkOf}, b.clock.Now)
	slot, err := b.table.First("+4989654321", "")
	if err != nil {
		b.t.Fatal(err)
	}
	order := Order{ID: id, Room: "room", Number: "+4989654321", Slot: slot, Leg: wire.Leg{
		Media: sfuMedia, SSRCFromPhone: 1, SSRCToPhone: uint32(len(id)) + uint32(id[0])<<8, MaxRing: 60, MaxDuration: 7200,
	}}
	if _, err := b.agent.Place(order); err != nil {
		b.t.Fatal(err)
	}
}

// event waits for the next event, which must have this state.
func (b *bridge) event(state wire.State) wire.CallEvent {
	b.t.Helper()
	select {
	case ev := <-b.events:
		if ev.State != state {
			b.t.Fatalf("event %+v, want %s", ev, state)
		}
		return ev
	case <-time.After(patience):
		b.t.Fatalf("waited in vain for %s", state)
	}
	panic("unreachable")
}

// ended waits for the ending.
func (b *bridge) ended(reason wire.Ending) wire.CallEvent {
	b.t.Helper()
	ev := b.event(wire.Ended)
	if ev.Reason != reason {
		b.t.Fatalf("ended %+v, want %s", ev, reason)
	}
	return ev
}

// over waits until the call's signalling is done, and checks that it left
// nothing behind and ended once.
func (b *bridge) over() {
	b.t.Helper()
	select {
	case <-b.agent.Drain():
	case <-time.After(patience):
		b.t.Fatal("the call's signalling is not over")
	}
	select {
	case ev := <-b.events:
		b.t.Fatalf("event after the ending: %+v", ev)
	default:
	}
	if n := b.table.List()[0].Calls; n != 0 {
		b.t.Fatalf("%d slots of the trunk are still taken", n)
	}
	if n := b.clock.waiting(); n != 0 {
		b.t.Fatalf("%d timers still run", n)
	}
}
