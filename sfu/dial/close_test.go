package dial

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dialroom/shared/wire"
)

func TestDrainLetsCallsGoOn(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		id := h.placed(ann)
		idle := h.Drain()
		if c := h.dial(ann, "+4930654321"); c.Reason != string(wire.Shutdown) {
			t.Errorf("a new dial: %+v", c)
		}
		h.mustEvent(1, id, wire.Answered, pcma)
		time.Sleep(time.Minute)
		select {
		case <-idle:
			t.Error("idle with a call")
		default:
		}
		h.mustEvent(2, id, wire.Ended, because(wire.HangupPhone, 0))
		<-idle
		<-h.Drain()
	})
}

func TestADrainedProcessDoesNotLeaveBeforeTheBridgeKnowsOfTheLastHangup(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		id := h.placed(ann)
		h.bridge.onDelete = func(id string, why wire.Ending) {
			_ = h.event(1, id, wire.Ended, because(why, 0)) // the call is over before the answer to the request is there
			time.Sleep(time.Second)
		}
		idle := h.Drain()
		start := time.Now()
		if err := h.Hangup(id, ann.ID()); err != nil {
			t.Fatal(err)
		}
		<-idle
		if waited := time.Since(start); waited < time.Second {
			t.Errorf("idle %s after the hang-up", waited)
		}
	})
}

func TestADrainedProcessTakesBackADialThatTheBridgeDidNotAnswer(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		h.bridge.onPost = func(wire.CallRequest) error { return errDown } // it may have the call all the same
		gone := make(chan struct{})
		h.bridge.onDelete = func(string, wire.Ending) { <-gone }
		h.bridge.slow = make(chan struct{})
		c := h.dial(ann, phoneNumber)
		synctest.Wait()
		h.bridge.set(func(b *fakeBridge) { b.calls[c.ID] = true })
		idle := h.Drain()
		close(h.bridge.slow)
		synctest.Wait()
		if got := h.bridge.hungUp(); got != c.ID+"?reason=hangup-room" {
			t.Errorf("hung up %q", got)
		}
		select {
		case <-idle:
			t.Error("idle while the bridge is being told to hang up")
		default:
		}
		close(gone)
		<-idle
	})
}

func TestCloseHangsUpEverythingWithinTwoSeconds(t *testing.T) {
	for name, prepare := range map[string]func(h *house){
		"a bridge that answers": func(h *house) {
			h.bridge.onDelete = func(id string, why wire.Ending) { _ = h.event(9, id, wire.Ended, because(why, 0)) }
		},
		"a bridge that does nothing": func(h *house) { h.bridge.set(func(b *fakeBridge) { b.deaf = true }) },
		"a bridge that is gone":      func(h *house) { h.bridge.set(func(b *fakeBridge) { b.down = true }) },
		"a dial under way":           func(h *house) { h.bridge.set(func(b *fakeBridge) { b.slow = make(chan struct{}) }) },
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				ann := h.join("sales")
				first := h.placed(ann)
				prepare(h)
				second := h.dial(ann, "+4930654321").ID
				synctest.Wait()
				start := time.Now()
				h.Close()
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("it took %s", took)
				}
				for _, id := range []string{first, second} {
					got := ann.states(id)
					if n := strings.Count(got, "ended"); n != 1 || !strings.Contains(got, "shutdown") && !strings.Contains(got, "bridge-lost") {
						t.Errorf("the page saw %q", got)
					}
				}
				if c := h.dial(ann, "+4930999999"); c.Reason != string(wire.Shutdown) {
					t.Errorf("a dial after Close: %+v", c)
				}
				h.Close()
			})
		})
	}
}
