package dial

import (
	"slices"
	"testing"
	"time"

	"dialroom/shared/wire"
)

func TestLeases(t *testing.T) {
	t.Run("name every call while there is one", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			time.Sleep(time.Minute)
			if got := h.bridge.renewed(); len(got) != 0 {
				t.Errorf("leases without a call: %v", got)
			}
			id := h.placed(ann)
			time.Sleep(10 * wire.LeaseInterval)
			got := h.bridge.renewed()
			if n := len(got); n < 9 || n > 11 || !slices.Equal(got[n-1], []string{id}) {
				t.Errorf("leases %v", got)
			}
			if got := ann.states(id); got != "dialing" {
				t.Errorf("the page saw %q", got)
			}
		})
	})
	t.Run("a silent bridge is lost after eight seconds", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			h.mustEvent(1, id, wire.Answered, pcma)
			time.Sleep(wire.LeaseInterval + time.Millisecond) // renewed once
			h.bridge.set(func(b *fakeBridge) { b.down = true })
			time.Sleep(wire.LeaseExpiry - wire.LeaseInterval)
			if got := ann.states(id); got != "dialing, answered" {
				t.Errorf("too early: the page saw %q", got)
			}
			time.Sleep(2 * wire.LeaseInterval)
			if got := ann.states(id); got != "dialing, answered, ended bridge-lost" {
				t.Errorf("the page saw %q", got)
			}
			if len(ann.Room().Participants()) != 1 {
				t.Error("the room does not live on without the phone")
			}
		})
	})
	t.Run("a short silence is forgiven", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			for range 5 {
				h.bridge.set(func(b *fakeBridge) { b.down = true })
				time.Sleep(2 * wire.LeaseInterval)
				h.bridge.set(func(b *fakeBridge) { b.down = false })
				time.Sleep(2 * wire.LeaseInterval)
			}
			if got := ann.states(id); got != "dialing" {
				t.Errorf("the page saw %q", got)
			}
		})
	})
	t.Run("a restarted bridge has lost its calls at once", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			time.Sleep(2*wire.LeaseInterval + time.Millisecond)
			h.bridge.set(func(b *fakeBridge) { b.instance = "b2"; clear(b.calls) })
			time.Sleep(wire.LeaseInterval)
			if got := ann.states(id); got != "dialing, ended bridge-lost" {
				t.Errorf("the page saw %q", got)
			}
			if c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Again: true}); c.State != wire.Dialing {
				t.Errorf("a new call: %+v", c)
			}
		})
	})
	t.Run("a call that just ended keeps its own reason", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			time.Sleep(2*wire.LeaseInterval + time.Millisecond)
			h.bridge.set(func(b *fakeBridge) { clear(b.calls) }) // the event is under way
			time.Sleep(wire.LeaseInterval)
			h.mustEvent(1, id, wire.Ended, because(wire.Busy, 486))
			if got := ann.states(id); got != "dialing, ended busy 486" {
				t.Errorf("the page saw %q", got)
			}
		})
	})
	t.Run("a call whose event was lost ends all the same", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			h.bridge.set(func(b *fakeBridge) { clear(b.calls) })
			time.Sleep(3 * wire.LeaseInterval)
			if got := ann.states(id); got != "dialing, ended bridge-lost" {
				t.Errorf("the page saw %q", got)
			}
		})
	})
	t.Run("a call the bridge is just taking is not missed", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			release := make(chan struct{})
			h.bridge.slow = release
			id := h.placed(ann)
			time.Sleep(2 * wire.LeaseInterval)
			close(release)
			time.Sleep(wire.LeaseInterval)
			if got := ann.states(id); got != "dialing" {
				t.Errorf("the page saw %q", got)
			}
		})
	})
	t.Run("no call is sent while a lease without it is under way", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			h.placed(ann)
			under, release := make(chan struct{}), make(chan struct{})
			h.bridge.set(func(b *fakeBridge) {
				b.onLease = func(wire.LeaseRequest) error { close(under); <-release; return nil }
			})
			<-under
			c := h.dial(ann, "+4930654321")
			if n := h.bridge.postCount(); n != 1 {
				t.Errorf("%d POSTs during the lease", n)
			}
			h.bridge.set(func(b *fakeBridge) { b.onLease = nil })
			close(release)
			if n := h.bridge.postCount(); n != 2 || h.bridge.posts[1].ID != c.ID {
				t.Errorf("%d POSTs after the lease", n)
			}
		})
	})
}
