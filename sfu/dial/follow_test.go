package dial

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

func TestACallPassesItsStates(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		id := h.placed(ann)
		h.mustEvent(1, id, wire.Dialing, func(ev *wire.CallEvent) { ev.Trunk = "tr_2" })
		h.mustEvent(2, id, wire.Ringing, because("", 180))
		h.mustEvent(3, id, wire.Early, pcma, because("", 183))
		h.mustEvent(4, id, wire.Ringing, because("", 180)) // a 180 after early media changes nothing
		time.Sleep(3 * time.Second)
		h.mustEvent(5, id, wire.Answered, func(ev *wire.CallEvent) { ev.Codec, ev.Code = wire.PCMU, 200 })
		time.Sleep(time.Minute)
		h.mustEvent(6, id, wire.Ended, because(wire.HangupPhone, 0))

		want := "dialing, dialing, ringing 180, early 183, early 180, answered 200, ended hangup-phone 200"
		if got := ann.states(id); got != want {
			t.Errorf("the page saw\n%s, want\n%s", got, want)
		}
		if got := h.legs.legs[0].connected; !slices.Equal(got, []string{"PCMA " + bridgeMedia, "PCMU " + bridgeMedia}) {
			t.Errorf("connected %q", got)
		}
		if r := h.ledger.last(); r.Carrier != "tr_2" || r.Ending != string(wire.HangupPhone) || r.Ended.Sub(r.Answered) != time.Minute {
			t.Errorf("settled %+v", r)
		}
		for _, p := range ann.Room().Participants() {
			if p.Kind == room.Telephone {
				t.Error("the phone is a ghost")
			}
		}
		if h.legs.legs[0].closed != 1 {
			t.Errorf("the leg was closed %d times", h.legs.legs[0].closed)
		}
	})
}

func TestRepeatedAndLateEventsChangeNothing(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		id := h.placed(ann)
		h.mustEvent(2, id, wire.Answered, pcma)
		h.mustEvent(1, id, wire.Ringing) // overtaken
		h.mustEvent(2, id, wire.Ended, because(wire.Busy, 486))
		if got := ann.states(id); got != "dialing, answered" {
			t.Errorf("the page saw %q", got)
		}
		h.mustEvent(3, id, wire.Ended, because(wire.HangupPhone, 0))
		h.mustEvent(3, id, wire.Ended, because(wire.HangupPhone, 0)) // delivered twice
		if err := h.event(4, id, wire.Answered, pcma); !errors.Is(err, ErrUnknownCall) {
			t.Errorf("an event after the ending: %v", err)
		}
		if err := h.event(1, "c_nobody", wire.Ringing); !errors.Is(err, ErrUnknownCall) {
			t.Errorf("an unknown call: %v", err)
		}
		if err := h.event(1, "c_nobody", wire.Ended); err != nil {
			t.Errorf("the ending of an unknown call: %v", err)
		}
		if got := ann.states(id); got != "dialing, answered, ended hangup-phone" {
			t.Errorf("the page saw %q", got)
		}
	})
}

func TestAnAnswerMayOvertakeTheBridgesReply(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		release := make(chan struct{})
		h.bridge.slow = release
		id := h.placed(ann)
		h.mustEvent(1, id, wire.Ringing) // needs no address
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := h.event(2, id, wire.Answered, pcma); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		close(release)
		wg.Wait()
		if got := ann.states(id); got != "dialing, ringing, answered" {
			t.Errorf("the page saw %q", got)
		}
		if got := h.legs.legs[0].connected; !slices.Equal(got, []string{"PCMA " + bridgeMedia}) {
			t.Errorf("connected %q", got)
		}
	})
}

func TestAnAnswerNobodyCouldHearEndsTheCall(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		id := h.placed(ann)
		if err := h.event(1, id, wire.Answered); !errors.Is(err, ErrUnknownCall) {
			t.Errorf("got %v: the bridge would not hang up", err)
		}
		if got := ann.states(id); got != "dialing, ended media-lost" {
			t.Errorf("the page saw %q", got)
		}
	})
}

func TestHangUpEndsACallWhereverItIs(t *testing.T) {
	t.Run("once it is placed", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			h.bridge.onDelete = func(id string, why wire.Ending) { _ = h.event(1, id, wire.Ended, because(why, 487)) }
			if err := h.Hangup(id, ann.ID()); err != nil {
				t.Fatal(err)
			}
			_ = h.Hangup(id, ann.ID())
			if got := h.bridge.hungUp(); got != id+"?reason=hangup-room" {
				t.Errorf("hung up %q", got)
			}
			if got := ann.states(id); got != "dialing, ended hangup-room 487" {
				t.Errorf("the page saw %q", got)
			}
			if err := h.Hangup(id, ann.ID()); !errors.Is(err, ErrUnknownCall) {
				t.Errorf("once more: %v", err)
			}
		})
	})
	t.Run("while the bridge is taking it", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			release := make(chan struct{})
			h.bridge.slow = release
			id := h.placed(ann)
			h.bridge.onDelete = func(id string, why wire.Ending) { _ = h.event(1, id, wire.Ended, because(why, 0)) }
			_ = h.Hangup(id, ann.ID())
			if got := h.bridge.hungUp(); got != "" {
				t.Errorf("hung up %q before the bridge has the call", got)
			}
			close(release)
			if got := h.bridge.hungUp(); got != id+"?reason=hangup-room" {
				t.Errorf("hung up %q", got)
			}
			if got := ann.states(id); got != "dialing, ended hangup-room" {
				t.Errorf("the page saw %q", got)
			}
		})
	})
	t.Run("before it is sent", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			<-h.leasing // a lease is under way
			c := h.dial(ann, phoneNumber)
			synctest.Wait()
			_ = h.Hangup(c.ID, ann.ID())
			h.leasing <- struct{}{}
			if got := ann.states(c.ID); got != "dialing, ended hangup-room" || h.bridge.postCount() != 0 {
				t.Errorf("the page saw %q, %d POSTs", got, h.bridge.postCount())
			}
		})
	})
	t.Run("when the bridge has lost it already", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			h.bridge.set(func(b *fakeBridge) { clear(b.calls) })
			_ = h.Hangup(id, ann.ID())
			if got := ann.states(id); got != "dialing, ended hangup-room" {
				t.Errorf("the page saw %q", got)
			}
		})
	})
	t.Run("when the far end never says so", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			h.bridge.set(func(b *fakeBridge) { b.deaf = true })
			_ = h.Hangup(id, ann.ID())
			time.Sleep(hangupWait + wire.LeaseInterval)
			if got := ann.states(id); got != "dialing, ended hangup-room" {
				t.Errorf("the page saw %q", got)
			}
		})
	})
	t.Run("when the last browser has left", func(t *testing.T) {
		inHouse(t, func(h *house) {
			ann := h.join("sales")
			id := h.placed(ann)
			h.mustEvent(1, id, wire.Answered, pcma)
			h.bridge.onDelete = func(id string, why wire.Ending) { _ = h.event(2, id, wire.Ended, because(why, 0)) }
			ann.Leave(ann)
			if got := h.bridge.hungUp(); got != id+"?reason=room-empty" {
				t.Errorf("hung up %q", got)
			}
			if got := h.ledger.last().Ending; got != string(wire.RoomEmpty) || h.Active() != 0 {
				t.Errorf("settled %q, %d active", got, h.Active())
			}
		})
	})
}

func TestDigitsReachTheBridgeInOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		id := h.placed(ann)
		if err := h.DTMF(id, "1"); !errors.Is(err, ErrNotConnected) {
			t.Errorf("before the phone can hear: %v", err)
		}
		h.mustEvent(1, id, wire.Early, pcma)
		var want strings.Builder
		for _, d := range []string{"1", "2#", "*", "d", "0"} {
			if err := h.DTMF(id, d); err != nil {
				t.Errorf("%q: %v", d, err)
			}
			want.WriteString(strings.ToUpper(d))
		}
		synctest.Wait()
		if got := strings.Join(h.bridge.digits, ""); got != want.String() {
			t.Errorf("sent %q, want %q", got, want.String())
		}
		for _, d := range []string{"", "x", "1;2", strings.Repeat("1", maxDigits+1)} {
			if err := h.DTMF(id, d); !errors.Is(err, ErrDigits) {
				t.Errorf("%q: %v", d, err)
			}
		}
		if err := h.DTMF("c_nobody", "1"); !errors.Is(err, ErrUnknownCall) {
			t.Errorf("an unknown call: %v", err)
		}
	})
}

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

func TestABridgeThatNeverAnswersTheDial(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		h.bridge.slow = make(chan struct{})
		id := h.placed(ann)
		time.Sleep(placeTimeout)
		if got := ann.states(id); got != "dialing, ended bridge-lost" {
			t.Errorf("the page saw %q", got)
		}
		if got := h.bridge.hungUp(); got != id+"?reason=hangup-room" {
			t.Errorf("hung up %q: it may have the call", got)
		}
	})
}

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

// Endings from all sides at once, with the race detector watching.
func TestEveryCallEndsOnceWhoeverEndsIt(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		h.bridge.onDelete = func(id string, why wire.Ending) { _ = h.event(5, id, wire.Ended, because(why, 0)) }
		var ids []string
		for i := range 50 {
			c := h.dial(ann, "+49301234"+string(rune('0'+i/10))+string(rune('0'+i%10)))
			ids = append(ids, c.ID)
		}
		var wg sync.WaitGroup
		for _, id := range ids {
			wg.Go(func() { _ = h.event(1, id, wire.Ringing) })
			wg.Go(func() { _ = h.event(2, id, wire.Answered, pcma) })
			wg.Go(func() { _ = h.Hangup(id, ann.ID()) })
			wg.Go(func() { _ = h.event(3, id, wire.Ended, because(wire.HangupPhone, 0)) })
			wg.Go(func() { h.Orphaned(id, wire.RoomEmpty) })
		}
		wg.Wait()
		time.Sleep(time.Minute)
		for i, id := range ids {
			if got := ann.states(id); strings.Count(got, "ended") != 1 {
				t.Errorf("the page saw %q", got)
			}
			if n := h.legs.legs[i].closed; n != 1 {
				t.Errorf("a leg was closed %d times", n)
			}
		}
		if h.Active() != 0 || len(h.ledger.records) != 50 {
			t.Errorf("%d active, %d settled", h.Active(), len(h.ledger.records))
		}
	})
}
