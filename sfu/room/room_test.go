package room

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"dialroom/shared/wire"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEverybodySeesWhoComesAndGoes(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	bob := h.join("r", "Bob")
	if got := last[Joined](t, ann.page); got.Type != "participant-joined" || got.Participant.Name != "Bob" {
		t.Errorf("Ann was told %+v", got)
	}
	welcome := last[Welcome](t, bob.page)
	if len(welcome.Participants) != 2 || welcome.Participants[0].Name != "Ann" || welcome.ID != bob.ID() {
		t.Errorf("Bob's welcome: %+v", welcome)
	}
	bob.SetState(State{Video: true})
	if got := last[Joined](t, ann.page); got.Type != "participant-changed" || !got.Participant.Video || got.Participant.Audio {
		t.Errorf("Ann was told %+v", got)
	}
	if n := count[Joined](bob.page); n != 0 {
		t.Errorf("Bob was told %d times about himself", n)
	}
	bob.Leave(bob.page)
	if got := last[Left](t, ann.page); got.ID != bob.ID() || bob.left != 1 {
		t.Errorf("Ann was told %+v, Bob's end was called %d times", got, bob.left)
	}
}

func TestRoomsWithOneNameAreOneRoom(t *testing.T) {
	h := newHouse(t)
	for _, name := range []string{"standup", " standup\n", "stand\x00up"} {
		h.join(name, "x")
	}
	if rooms := h.Rooms(); len(rooms) != 1 || len(rooms[0].Participants()) != 3 {
		t.Errorf("%d rooms", len(rooms))
	}
}

func TestNamesAreLimitedAndClean(t *testing.T) {
	h := newHouse(t)
	for _, bad := range []string{"", "  ", "\x01\x02", strings.Repeat("ä", 129)} {
		if _, _, err := h.Join(JoinRequest{Room: bad, Sender: &page{}}); !errors.Is(err, ErrName) {
			t.Errorf("room %q: %v", bad, err)
		}
	}
	p := h.join(strings.Repeat("ä", 128), "\u202eevil\x07"+strings.Repeat("x", 100))
	if got := p.Name(); got != "evil"+strings.Repeat("x", 60) {
		t.Errorf("name %q", got)
	}
}

func TestAFullRoomAndAFullHouseRefuse(t *testing.T) {
	h := newHouse(t, func(c *Config) { c.MaxParticipants, c.MaxRooms = 2, 1 })
	h.join("r", "a")
	h.join("r", "b")
	if _, _, err := h.Join(JoinRequest{Room: "r", Sender: &page{}}); !errors.Is(err, ErrFull) {
		t.Errorf("third participant: %v", err)
	}
	if _, _, err := h.Join(JoinRequest{Room: "other", Sender: &page{}}); !errors.Is(err, ErrRooms) {
		t.Errorf("second room: %v", err)
	}
	if _, err := h.Open("third"); !errors.Is(err, ErrRooms) {
		t.Errorf("opened room: %v", err)
	}
}

func TestAResumedBrowserIsTheSameParticipantAndNobodyNotices(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	ann.page.take()
	bob.Vanish(bob.page)
	for range 14 { // as long as she speaks nothing is said about her silence
		h.clock.Advance(time.Second)
		say(ann.media.tracks[Mic], 100)
	}

	again := &page{}
	p, resumed, err := h.Join(JoinRequest{Room: "r", Name: "Bob", Resume: bob.token, Sender: again})
	if err != nil || !resumed || p != bob.Participant {
		t.Fatalf("resumed %v, %v", resumed, err)
	}
	if msgs := ann.page.take(); len(msgs) != 0 {
		t.Errorf("Ann was told %v", msgs)
	}
	if w := last[Welcome](t, again); w.ID != bob.ID() || w.Resume != bob.token || len(w.Participants) != 2 {
		t.Errorf("second welcome %+v", w)
	}
	if s := last[SlotsChanged](t, again); s.Slots["v0"] == nil || s.Slots["v0"].ID != ann.ID() {
		t.Errorf("slots after resuming: %+v", s)
	}
	if s := last[Send](t, again); !s.Mic {
		t.Errorf("wishes after resuming: %+v", s)
	}
	if bob.media.assigns != 1 {
		t.Errorf("the media was touched: %d assignments", bob.media.assigns)
	}
	h.clock.Advance(time.Hour)
	if bob.left != 0 {
		t.Error("the resumed browser left after all")
	}
}

func TestAVanishedBrowserLeavesAfterTheGracePeriod(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	bob.Vanish(bob.page)
	h.clock.Advance(15*time.Second - time.Millisecond)
	if count[Left](ann.page) != 0 || !slices.Equal(ann.hears(), []string{"voice Bob"}) {
		t.Fatal("Bob is missed before his grace is over")
	}
	h.clock.Advance(time.Millisecond)
	if last[Left](t, ann.page).ID != bob.ID() || bob.left != 1 || len(ann.hears()) != 0 {
		t.Error("Bob is still there")
	}
	p, resumed, err := h.Join(JoinRequest{Room: "r", Resume: bob.token, Sender: &page{}})
	if err != nil || resumed || p == bob.Participant {
		t.Errorf("the token still works: %v %v", resumed, err)
	}
}

func TestAResumedPageReplacesTheOlderOne(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	second := &page{}
	if _, resumed, _ := h.Join(JoinRequest{Room: "r", Resume: ann.token, Sender: second}); !resumed {
		t.Fatal("not resumed")
	}
	last[Replaced](t, ann.page)
	ann.Vanish(ann.page) // the old connection ends now
	ann.Leave(ann.page)
	h.clock.Advance(time.Hour)
	if ann.left != 0 || h.Get("r") == nil {
		t.Error("the old connection's end took the participant with it")
	}
}

func TestATokenOfAnotherRoomOrAGuessOpensNothing(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	for _, tc := range []JoinRequest{
		{Room: "other", Resume: ann.token}, {Room: "r", Resume: ann.token[1:]}, {Room: "r", Resume: ann.ID()},
	} {
		tc.Sender = &page{}
		if _, resumed, err := h.Join(tc); resumed || err != nil {
			t.Errorf("%+v: resumed %v, %v", tc, resumed, err)
		}
	}
}

func TestWhenTheLastBrowserHasLeftForGoodPhonesAreHungUp(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(h *house, p *person)
	}{
		{"it leaves", func(_ *house, p *person) { p.Leave(p.page) }},
		{"it vanishes", func(h *house, p *person) { p.Vanish(p.page); h.clock.Advance(15 * time.Second) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := newHouse(t)
			ann := h.join("r", "Ann").publishes(Mic, Phone)
			r := ann.Room()
			h.call(r, ann.ID(), "c_1", "+4930123456")
			h.call(r, ann.ID(), "c_2", "610")
			r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: newFakeLeg(), Codec: wire.PCMA})
			tc.end(h, ann)
			if len(h.orphaned) != 2 || h.orphaned["c_1"] != wire.RoomEmpty || h.orphaned["c_2"] != wire.RoomEmpty {
				t.Errorf("orphaned: %v", h.orphaned)
			}
			if h.Get("r") != nil || !h.confs[0].closed || len(h.confs[0].legs) != 0 {
				t.Error("the room lives on")
			}
			r.UpdateCall("c_1", CallUpdate{State: wire.Ended}) // the bridge's event comes late
			h.clock.Advance(tickEvery)
			if h.clock.pending() != 0 {
				t.Errorf("%d timers left", h.clock.pending())
			}
		})
	}
}

func TestAVanishedBrowserKeepsItsPhones(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic, Phone)
	h.call(ann.Room(), ann.ID(), "c_1", "610")
	leg := newFakeLeg()
	ann.Room().UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: leg, Codec: wire.PCMA})
	ann.Vanish(ann.page)
	h.clock.Advance(14 * time.Second)
	if len(h.orphaned) != 0 || !slices.Contains(h.confs[0].sources, ann.media.tracks[Phone]) {
		t.Error("the phone lost the vanished browser before its grace was over")
	}
}

func TestARoomOpenedForACallWaitsForItsFirstBrowser(t *testing.T) {
	t.Run("nobody comes", func(t *testing.T) {
		h := newHouse(t)
		r, err := h.Open("r")
		if err != nil {
			t.Fatal(err)
		}
		h.call(r, "", "c_1", "610")
		h.clock.Advance(15 * time.Second)
		if h.orphaned["c_1"] != wire.RoomEmpty || h.Get("r") != nil {
			t.Errorf("orphaned %v", h.orphaned)
		}
		if err := r.AddCall("", Call{ID: "c_2"}); !errors.Is(err, ErrClosed) {
			t.Errorf("a call into the ended room: %v", err)
		}
	})
	t.Run("somebody comes in time", func(t *testing.T) {
		h := newHouse(t)
		r, _ := h.Open("r")
		h.call(r, "", "c_1", "610")
		h.clock.Advance(10 * time.Second)
		ann := h.join("r", "Ann")
		if calls := last[Welcome](t, ann.page).Calls; len(calls) != 1 || calls[0].ID != "c_1" {
			t.Errorf("calls in the welcome: %+v", calls)
		}
		h.clock.Advance(time.Hour)
		if len(h.orphaned) != 0 {
			t.Error("the call was hung up with a browser in the room")
		}
	})
	t.Run("opening a room that has a browser changes nothing", func(t *testing.T) {
		h := newHouse(t)
		h.join("r", "Ann")
		if _, err := h.Open("r"); err != nil {
			t.Fatal(err)
		}
		h.clock.Advance(time.Hour)
		if h.Get("r") == nil {
			t.Error("the room ended")
		}
	})
}

func TestClosingTheManagerEndsEverything(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	h.call(ann.Room(), ann.ID(), "c_1", "610")
	h.Close()
	if h.orphaned["c_1"] != wire.Shutdown || ann.left != 1 || bob.left != 1 || h.clock.pending() != 0 {
		t.Errorf("orphaned %v, left %d %d, %d timers", h.orphaned, ann.left, bob.left, h.clock.pending())
	}
	if _, _, err := h.Join(JoinRequest{Room: "r", Sender: &page{}}); !errors.Is(err, ErrShutdown) {
		t.Errorf("join after close: %v", err)
	}
}

func TestChatReachesEverybodyInOneOrder(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.join("r", "Ann"), h.join("r", "Bob")
	if err := ann.Chat(" hello\x07\nthere "); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*person{ann, bob} {
		if c := last[Chat](t, p.page); c.Text != "hello\nthere" || c.ID != ann.ID() || c.At != h.clock.Now().UnixMilli() {
			t.Errorf("%s got %+v", p.Name(), c)
		}
	}
	for _, bad := range []string{"", " \x00 ", strings.Repeat("x", MaxChat+1)} {
		if err := ann.Chat(bad); !errors.Is(err, ErrChat) {
			t.Errorf("chat of %d bytes: %v", len(bad), err)
		}
	}
}

func TestNothingReachesAParticipantThatIsGone(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	h.join("r", "Bob")
	ann.Leave(ann.page)
	ann.page.take()
	ann.publishes(Mic)
	ann.SetState(State{Audio: true})
	ann.SetView(nil)
	if err := ann.Chat("x"); err != nil {
		t.Error(err)
	}
	ann.Leave(ann.page)
	if msgs := ann.page.take(); len(msgs) != 0 || ann.left != 1 {
		t.Errorf("messages %v, left %d times", msgs, ann.left)
	}
}
