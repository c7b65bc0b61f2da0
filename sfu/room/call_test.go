package room

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dialroom/shared/wire"
)

func TestAPhoneIsAParticipantFromEarlyMediaUntilTheEnding(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic, Phone)
	r := ann.Room()
	h.call(r, ann.ID(), "c_1", "+4930123456")
	if c := last[CallChanged](t, ann.page); c.State != wire.Dialing || c.Type != "call" || c.Number != "+4930123456" {
		t.Errorf("told %+v", c)
	}
	r.UpdateCall("c_1", CallUpdate{State: wire.Ringing, Trunk: "tr_1"})
	if c := last[CallChanged](t, ann.page); c.State != wire.Ringing || c.Trunk != "tr_1" || c.Participant != "" {
		t.Errorf("told %+v", c)
	}
	leg := newFakeLeg()
	r.UpdateCall("c_1", CallUpdate{State: wire.Early, Leg: leg, Codec: wire.PCMA})
	joined := last[Joined](t, ann.page)
	if p := joined.Participant; p.Kind != Telephone || p.Name != "+4930123456" || p.Call != "c_1" || !p.Audio {
		t.Errorf("the phone joined as %+v", p)
	}
	if c := last[CallChanged](t, ann.page); c.Participant != joined.Participant.ID {
		t.Errorf("told %+v", c)
	}
	if !slices.Equal(ann.hears(), []string{"phone +4930123456"}) || ann.media.assigned["p0"] != leg.track {
		t.Errorf("Ann hears %v", ann.hears())
	}
	r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: leg, Codec: wire.PCMA})
	if c := last[CallChanged](t, ann.page); c.State != wire.Answered || c.AnsweredAt != h.clock.Now().UnixMilli() {
		t.Errorf("told %+v", c)
	}
	if n := count[Joined](ann.page); n != 1 {
		t.Errorf("the phone joined %d times", n)
	}
	r.UpdateCall("c_1", CallUpdate{State: wire.Ended, Reason: "hangup-phone", Code: 200, Text: "They hung up."})
	if last[Left](t, ann.page).ID != joined.Participant.ID || len(ann.hears()) != 0 || !h.confs[0].closed {
		t.Error("the phone is still there")
	}
	if c := last[CallChanged](t, ann.page); c.State != wire.Ended || c.Reason != "hangup-phone" || c.Participant != "" || c.Code != 200 {
		t.Errorf("told %+v", c)
	}
	if len(h.orphaned) != 0 {
		t.Errorf("an ended call was orphaned: %v", h.orphaned)
	}
}

func TestBusyLeavesNoGhost(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	h.call(ann.Room(), ann.ID(), "c_1", "602")
	ann.Room().UpdateCall("c_1", CallUpdate{State: wire.Ended, Reason: "busy", Code: 486})
	if n := len(ann.Room().Participants()); n != 1 || count[Joined](ann.page) != 0 {
		t.Errorf("%d participants after a busy call", n)
	}
	if c, known := ann.Room().Call("c_1"); !known || c.State != wire.Ended || c.Code != 486 {
		t.Errorf("the room remembers %+v", c)
	}
}

func TestACallNeverGoesBack(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	r := ann.Room()
	h.call(r, ann.ID(), "c_1", "610")
	r.UpdateCall("c_1", CallUpdate{State: wire.Early, Leg: newFakeLeg()})
	ann.page.take()
	for _, late := range []wire.State{wire.Ringing, wire.Dialing, wire.Early} {
		r.UpdateCall("c_1", CallUpdate{State: late})
	}
	r.UpdateCall("c_unknown", CallUpdate{State: wire.Answered})
	r.UpdateCall("c_1", CallUpdate{State: wire.Ended, Reason: "busy"})
	r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: newFakeLeg()})
	if n := count[CallChanged](ann.page); n != 1 || len(r.Participants()) != 1 {
		t.Errorf("%d call messages, participants %v", n, r.Participants())
	}
}

func TestLateJoinersSeeLiveCallsAndTheLastFiveEnded(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	r := ann.Room()
	h.call(r, ann.ID(), "live", "610")
	for i := range 8 {
		id := fmt.Sprint("c_", i)
		h.call(r, ann.ID(), id, "610")
		r.UpdateCall(id, CallUpdate{State: wire.Ended, Reason: "busy"})
	}
	var ids []string
	for _, c := range last[Welcome](t, h.join("r", "Bob").page).Calls {
		ids = append(ids, c.ID)
	}
	if want := []string{"live", "c_3", "c_4", "c_5", "c_6", "c_7"}; !slices.Equal(ids, want) {
		t.Errorf("calls %v, want %v", ids, want)
	}
}

func TestPhonesHearTheUnmutedBrowsersAndEachOther(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic, Phone)
	bob := h.join("r", "Bob").publishes(Mic, Phone)
	old := h.join("r", "Old browser").publishes(Mic) // can send no phone codec
	r := ann.Room()
	one, two := newFakeLeg(), newFakeLeg()
	for id, leg := range map[string]*fakeLeg{"c_1": one, "c_2": two} {
		h.call(r, ann.ID(), id, id)
		r.UpdateCall(id, CallUpdate{State: wire.Answered, Leg: leg, Codec: wire.PCMA})
	}
	conf := h.confs[0]
	expect := func(what string, want ...*Track) {
		t.Helper()
		if len(conf.sources) != len(want) {
			t.Errorf("%s: %d sources, want %d", what, len(conf.sources), len(want))
		}
		for _, w := range want {
			if !slices.Contains(conf.sources, w) {
				t.Errorf("%s: %s of %s is missing", what, w.Kind, w.Owner)
			}
		}
	}
	expect("all", ann.media.tracks[Phone], bob.media.tracks[Phone], one.track, two.track, old.media.tracks[Mic])
	if !conf.has(one) || !conf.has(two) {
		t.Error("a leg is not in the conference")
	}
	bob.SetState(State{Audio: false})
	expect("Bob muted", ann.media.tracks[Phone], one.track, two.track, old.media.tracks[Mic])
	told := conf.told
	bob.SetState(State{Video: true})
	if conf.told != told {
		t.Error("the conference was told the same sources again")
	}
	ann.Vanish(ann.page)
	expect("Ann vanished", ann.media.tracks[Phone], one.track, two.track, old.media.tracks[Mic])
	h.clock.Advance(15 * time.Second)
	expect("Ann gone", one.track, two.track, old.media.tracks[Mic])
	r.UpdateCall("c_1", CallUpdate{State: wire.Ended})
	expect("one phone left", two.track, old.media.tracks[Mic])
	if conf.has(one) || conf.closed {
		t.Error("the conference did not follow")
	}
	r.UpdateCall("c_2", CallUpdate{State: wire.Ended})
	if !conf.closed {
		t.Error("a conference without phones lives on")
	}
}

func TestANumberIsDialledOnceInARoomLifetime(t *testing.T) {
	const number = "+4930123456"
	type scene struct {
		h   *house
		ann *person
	}
	for _, tc := range []struct {
		name  string
		play  func(s scene) (stale []string, err error)
		err   error
		stale []string
	}{
		{name: "the same page again", err: ErrAlreadyDialed, play: func(s scene) ([]string, error) {
			return s.ann.Room().Claim(s.ann.ID(), number, false)
		}},
		{name: "another number", play: func(s scene) ([]string, error) {
			return s.ann.Room().Claim(s.ann.ID(), "610", false)
		}},
		{name: "a press of call again", play: func(s scene) ([]string, error) {
			return s.ann.Room().Claim(s.ann.ID(), number, true)
		}},
		{name: "a second visitor", err: ErrAlreadyDialed, play: func(s scene) ([]string, error) {
			return s.ann.Room().Claim(s.h.join("r", "Bob").ID(), number, false)
		}},
		{name: "a second visitor after the first left", err: ErrAlreadyDialed, play: func(s scene) ([]string, error) {
			bob := s.h.join("r", "Bob")
			s.ann.Leave(s.ann.page)
			return bob.Room().Claim(bob.ID(), number, false)
		}},
		{name: "the same page after a reconnect", err: ErrAlreadyDialed, play: func(s scene) ([]string, error) {
			s.ann.Vanish(s.ann.page)
			s.h.Join(JoinRequest{Room: "r", Resume: s.ann.token, Sender: &page{}})
			return s.ann.Room().Claim(s.ann.ID(), number, false)
		}},
		{name: "the link again after the tab was closed", stale: []string{"c_1"}, play: func(s scene) ([]string, error) {
			s.ann.Vanish(s.ann.page)
			return s.ann.Room().Claim(s.h.join("r", "Ann").ID(), number, false)
		}},
		{name: "the link again, its microphone granted after the old page's grace", stale: []string{"c_1"}, play: func(s scene) ([]string, error) {
			s.ann.Vanish(s.ann.page)
			again := s.h.join("r", "Ann")
			s.h.clock.Advance(time.Minute)
			return again.Room().Claim(again.ID(), number, false)
		}},
		{name: "twice by the page that opened the link again", err: ErrAlreadyDialed, play: func(s scene) ([]string, error) {
			s.ann.Vanish(s.ann.page)
			again := s.h.join("r", "Ann")
			if _, err := again.Room().Claim(again.ID(), number, false); err != nil {
				return nil, err
			}
			return again.Room().Claim(again.ID(), number, false)
		}},
		{name: "a visitor who only meets vanished browsers by now", stale: []string{"c_1"}, play: func(s scene) ([]string, error) {
			bob := s.h.join("r", "Bob")
			s.ann.Vanish(s.ann.page)
			return bob.Room().Claim(bob.ID(), number, false)
		}},
		{name: "a vanished browser that came back before", err: ErrAlreadyDialed, play: func(s scene) ([]string, error) {
			s.ann.Vanish(s.ann.page)
			bob := s.h.join("r", "Bob")
			s.h.Join(JoinRequest{Room: "r", Resume: s.ann.token, Sender: &page{}})
			return bob.Room().Claim(bob.ID(), number, false)
		}},
		{name: "after the dial came to nothing", play: func(s scene) ([]string, error) {
			s.ann.Room().UpdateCall("c_1", CallUpdate{State: wire.Ended})
			s.ann.Room().Unclaim(s.ann.ID(), number)
			return s.ann.Room().Claim(s.ann.ID(), number, false)
		}},
		{name: "in the next room of that name", play: func(s scene) ([]string, error) {
			s.ann.Leave(s.ann.page)
			again := s.h.join("r", "Ann")
			return again.Room().Claim(again.ID(), number, false)
		}},
		{name: "in a room that has ended", err: ErrClosed, play: func(s scene) ([]string, error) {
			s.ann.Leave(s.ann.page)
			return s.ann.Room().Claim(s.ann.ID(), number, false)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			s := scene{h, h.join("r", "Ann")}
			if _, err := s.ann.Room().Claim(s.ann.ID(), number, false); err != nil {
				t.Fatal(err)
			}
			h.call(s.ann.Room(), s.ann.ID(), "c_1", number)
			stale, err := tc.play(s)
			if !errors.Is(err, tc.err) || !slices.Equal(stale, tc.stale) {
				t.Errorf("got %v, %v; want %v, %v", stale, err, tc.stale, tc.err)
			}
		})
	}
}

func TestAScriptsDialCountsForTheFirstPage(t *testing.T) {
	h := newHouse(t)
	r, _ := h.Open("r")
	if _, err := r.Claim("", "610", false); err != nil {
		t.Fatal(err)
	}
	ann := h.join("r", "Ann")
	if _, err := r.Claim(ann.ID(), "610", false); !errors.Is(err, ErrAlreadyDialed) {
		t.Errorf("the page's dial of the same number: %v", err)
	}
}

func TestACallThatHasEndedWaitsForNobody(t *testing.T) {
	h := newHouse(t)
	r, err := h.OpenFor("reception", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, id := range []string{"c_1", "c_2", "c_3"} {
		if err := r.AddCall("", Call{ID: id, State: wire.Ringing}); err != nil {
			t.Fatal(err)
		}
		r.WhenPresent(id, func() { told = append(told, id) })
	}
	r.UpdateCall("c_2", CallUpdate{State: wire.Ended, Reason: "hangup-phone"})
	r.WhenPresent("c_2", func() { told = append(told, "the dead") })
	if c := r.callByID("c_2"); c.awaits != nil {
		t.Error("the room remembers who waits for an ended call")
	}
	h.join("reception", "Ann")
	if got := strings.Join(told, " "); got != "c_1 c_3" {
		t.Errorf("told: %s", got)
	}
}
