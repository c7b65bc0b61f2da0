package control

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

func TestCallThatIsNotRenewedIsHungUp(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.place("c_1", 10)
	b.place("c_2", 20)
	eventually(t, "both answered", func() bool { return b.room.got("c_1") == "answered" && b.room.got("c_2") == "answered" })
	for range 3 {
		b.clock.advance(wire.LeaseInterval)
		got := b.ask(sfuKey, "POST", wire.PathLease, wire.LeaseRequest{Instance: "sfu-1", Calls: []string{"c_1", "c_2"}})
		if got.status != 200 {
			t.Fatalf("lease answered %d %s", got.status, got.raw)
		}
	}
	if n := far.hungUp(); n != 0 {
		t.Fatalf("%d renewed calls were hung up", n)
	}
	b.clock.advance(wire.LeaseExpiry)
	eventually(t, "both hung up", func() bool { return far.hungUp() == 2 })
	eventually(t, "both ended", func() bool {
		return b.room.got("c_1") == "answered, ended room-empty" && b.room.got("c_2") == "answered, ended room-empty"
	})
}

func TestLeaseOfAnotherInstanceHangsUp(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.place("c_1", 10)
	eventually(t, "answered", func() bool { return b.room.got("c_1") == "answered" })
	got := b.ask(sfuKey, "POST", wire.PathLease, wire.LeaseRequest{Instance: "sfu-2", Calls: []string{}})
	if got.status != 200 || string(got.raw) != `{"instance":"bridge-1","calls":[]}` {
		t.Errorf("lease answered %d %s", got.status, got.raw)
	}
	eventually(t, "hung up", func() bool { return far.hungUp() == 1 })
}

func TestCallUnknownToTheSFUIsHungUp(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.room.event = func(wire.CallEvent) error { return &sign.StatusError{Status: 404} }
	b.place("c_1", 10)
	eventually(t, "hung up", func() bool { return far.hungUp() == 1 })
}

// renewal is one lease request and what it must lead to.
type renewal struct {
	after    time.Duration
	instance string
	calls    []string
	known    []string
	dropped  []string
}

func TestRenew(t *testing.T) {
	none := []string{}
	tests := []struct {
		name     string
		renewals []renewal
	}{
		{"a listed call stays", []renewal{{0, "A", []string{"c_a"}, []string{"c_a"}, nil}}},
		{"a call that is not listed is dropped", []renewal{{settling, "A", none, none, []string{"c_a"}}}},
		{"a call too young to be listed stays", []renewal{{settling - 1, "A", none, []string{"c_a"}, nil}}},
		{"an unknown call is not known", []renewal{{0, "A", []string{"c_a", "c_z"}, []string{"c_a"}, nil}}},
		{"a new process drops the old one's calls at once", []renewal{{0, "B", none, none, []string{"c_a"}}}},
		{"a late request of a replaced process ends nothing", []renewal{
			{0, "A", []string{"c_a"}, []string{"c_a"}, nil}, {0, "B", none, none, []string{"c_a"}}, {0, "A", none, none, nil}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			clock := newFakeClock()
			ls := newLeases(clock, func(id string) { t.Errorf("%s expired", id) })
			defer ls.close()
			ls.begin("c_a", "A")
			for i, r := range test.renewals {
				clock.advance(r.after)
				known, dropped := ls.renew(wire.LeaseRequest{Instance: r.instance, Calls: r.calls})
				if !slices.Equal(known, r.known) || !slices.Equal(dropped, r.dropped) {
					t.Errorf("renewal %d: known %v, dropped %v", i, known, dropped)
				}
			}
		})
	}
}

func TestLeaseEndsWithItsCall(t *testing.T) {
	clock := newFakeClock()
	ls := newLeases(clock, func(id string) { t.Errorf("%s expired", id) })
	if !ls.begin("c_a", "A") || ls.begin("c_a", "A") {
		t.Error("a call got no lease, or two")
	}
	ls.end("c_a")
	ls.end("c_a")
	clock.advance(wire.LeaseExpiry)
	if n := clock.waiting(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// flaky is an sfu that fails as told.
type flaky struct {
	mu   sync.Mutex
	fail func(wire.CallEvent) error
	got  []wire.CallEvent
	sent int
}

func (f *flaky) Do(_ context.Context, _, _ string, in, _ any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	if err := f.fail(in.(wire.CallEvent)); err != nil {
		return err
	}
	f.got = append(f.got, in.(wire.CallEvent))
	return nil
}

func (f *flaky) attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

func newReporter(t *testing.T, sfu SFU, clock *fakeClock) *Reporter {
	r := NewReporter(sfu, clock, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		r.Close(now)
	})
	return r
}

func TestEventsArriveInOrderAcrossFailures(t *testing.T) {
	clock := newFakeClock()
	failures := 3
	sfu := &flaky{fail: func(ev wire.CallEvent) error {
		if ev.ID == "c_1" && failures > 0 {
			failures--
			return errors.New("connection refused")
		}
		return nil
	}}
	r := newReporter(t, sfu, clock)
	for seq := 1; seq <= 3; seq++ {
		r.Report(wire.CallEvent{Seq: seq, ID: "c_1"})
	}
	eventually(t, "the first attempt", func() bool { return sfu.attempts() >= 1 })
	r.Report(wire.CallEvent{Seq: 1, ID: "c_2"}) // another call does not wait
	for n := 2; n <= 4; n++ {
		eventually(t, "another attempt", func() bool {
			if sfu.attempts() > n+3 {
				return true
			}
			if clock.waiting() > 0 {
				clock.advance(lastRetry)
			}
			return sfu.attempts() >= n+1
		})
	}
	eventually(t, "all events", func() bool {
		if clock.waiting() > 0 {
			clock.advance(lastRetry)
		}
		sfu.mu.Lock()
		defer sfu.mu.Unlock()
		return len(sfu.got) == 4
	})
	var order []int
	for _, ev := range sfu.got {
		if ev.ID == "c_1" {
			order = append(order, ev.Seq)
		}
	}
	if !slices.Equal(order, []int{1, 2, 3}) {
		t.Errorf("arrived as %v", order)
	}
}

func TestEventIsGivenUpWhenTheLeaseWouldHaveExpired(t *testing.T) {
	clock := newFakeClock()
	sfu := &flaky{fail: func(ev wire.CallEvent) error {
		if ev.Seq == 1 {
			return errors.New("connection refused")
		}
		return nil
	}}
	r := newReporter(t, sfu, clock)
	r.Report(wire.CallEvent{Seq: 1, ID: "c_1"})
	r.Report(wire.CallEvent{Seq: 2, ID: "c_1"})
	eventually(t, "a retry to wait", func() bool { return clock.waiting() == 1 })
	clock.advance(wire.LeaseExpiry)
	eventually(t, "the next event", func() bool {
		sfu.mu.Lock()
		defer sfu.mu.Unlock()
		return len(sfu.got) == 1 && sfu.got[0].Seq == 2
	})
}

func TestCloseDeliversWhatIsUnderWay(t *testing.T) {
	clock := newFakeClock()
	gate := make(chan struct{})
	sfu := &flaky{fail: func(wire.CallEvent) error { <-gate; return nil }}
	r := NewReporter(sfu, clock, slog.New(slog.DiscardHandler))
	r.Report(wire.CallEvent{Seq: 1, ID: "c_1"})
	r.Report(wire.CallEvent{Seq: 2, ID: "c_1", State: wire.Ended})
	close(gate)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r.Close(ctx)
	if len(sfu.got) != 2 {
		t.Errorf("%d of 2 events were delivered", len(sfu.got))
	}
	r.Report(wire.CallEvent{Seq: 3, ID: "c_1"}) // too late, and harmless
}
