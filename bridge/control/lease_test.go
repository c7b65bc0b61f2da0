package control

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"dialroom/shared/wire"
)

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
