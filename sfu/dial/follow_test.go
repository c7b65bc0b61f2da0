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
