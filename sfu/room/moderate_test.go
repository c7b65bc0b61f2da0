package room

import (
	"errors"
	"slices"
	"testing"

	"dialroom/shared/wire"
)

// owner joins as an owner of the room.
func (h *house) owner(room, name string) *person {
	h.t.Helper()
	p := &person{page: &page{}}
	var err error
	p.Participant, _, err = h.Join(JoinRequest{Room: room, Name: name, Role: Owner, AddPhone: true, Sender: p.page, OnLeft: func() { p.left++ }})
	if err != nil {
		h.t.Fatal(err)
	}
	p.token = last[Welcome](h.t, p.page).Resume
	return p
}

// info is how the others see somebody.
func (p *person) seen() Info {
	list := p.room.Participants()
	return list[slices.IndexFunc(list, func(i Info) bool { return i.ID == p.ID() })]
}

func TestTheWelcomeSaysWhoIsAnOwnerAndWhatAPageMay(t *testing.T) {
	h := newHouse(t)
	bob := h.join("r", "Bob")
	if w := last[Welcome](t, bob.page); w.Role != Guest || w.May != (May{}) || w.Participants[0].Role != "" || w.Chat == nil {
		t.Errorf("a guest: %+v", w)
	}
	ann := h.owner("r", "Ann")
	if w := last[Welcome](t, ann.page); w.Role != Owner || w.May != (May{Moderate: true, AddPhone: true}) || w.Participants[1].Role != Owner {
		t.Errorf("an owner: %+v", w)
	}
	if j := last[Joined](t, bob.page); j.Participant.Role != Owner {
		t.Errorf("to the others: %+v", j)
	}
	// Who resumes stays what it was, whatever the new connection claims.
	again := &page{}
	if _, _, err := h.Join(JoinRequest{Room: "r", Name: "Bob", Role: Owner, Resume: bob.token, Sender: again}); err != nil {
		t.Fatal(err)
	}
	if w := last[Welcome](t, again); w.Role != Guest || w.May.Moderate {
		t.Errorf("a guest that resumed: %+v", w)
	}
}

func TestOnlyOwnersMuteAndRemove(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.owner("r", "Ann"), h.join("r", "Bob").publishes(Mic)
	elsewhere := h.owner("other", "Eve")
	if err := bob.Mute(ann.ID(), true); !errors.Is(err, ErrNotOwner) {
		t.Errorf("a guest mutes: %v", err)
	}
	if _, err := bob.Participant.Remove(ann.ID()); !errors.Is(err, ErrNotOwner) {
		t.Errorf("a guest removes: %v", err)
	}
	if err := elsewhere.Mute(bob.ID(), true); !errors.Is(err, ErrNobody) {
		t.Errorf("the owner of another room mutes: %v", err)
	}
	if _, err := elsewhere.Participant.Remove(bob.ID()); !errors.Is(err, ErrNobody) {
		t.Errorf("the owner of another room removes: %v", err)
	}
	ann.Leave(ann.page)
	if err := ann.Mute(bob.ID(), true); !errors.Is(err, ErrNotOwner) {
		t.Errorf("an owner who has left mutes: %v", err)
	}
	if ann.left != 1 || !bob.seen().Audio {
		t.Errorf("Ann left %d times, Bob is %+v", ann.left, bob.seen())
	}
}

func TestAMutedBrowserIsToldAndOpensItsMicrophoneItself(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.owner("r", "Ann").publishes(Mic), h.join("r", "Bob").publishes(Mic, Camera)
	bob.SetState(State{Audio: true, Video: true})
	if err := ann.Mute(bob.ID(), true); err != nil {
		t.Fatal(err)
	}
	if m := last[Muted](t, bob.page); m.By != ann.ID() {
		t.Errorf("told %+v", m)
	}
	if i := bob.seen(); i.Audio || !i.Video {
		t.Errorf("Bob is %+v", i)
	}
	if s := last[Send](t, bob.page); s.Mic {
		t.Errorf("wanted of Bob: %+v", s)
	}
	if got := ann.hears(); slices.Contains(got, "voice Bob") {
		t.Errorf("Ann hears %v", got)
	}
	bob.page.take()
	if err := ann.Mute(bob.ID(), true); err != nil || count[Muted](bob.page) != 0 {
		t.Errorf("muted twice: %v, told %d times", err, count[Muted](bob.page))
	}
	if err := ann.Mute(bob.ID(), false); !errors.Is(err, ErrOwnVoice) {
		t.Errorf("unmuted by Ann: %v", err)
	}
	bob.SetState(State{Audio: true, Video: true})
	if got := ann.hears(); !bob.seen().Audio || !slices.Contains(got, "voice Bob") {
		t.Errorf("Ann hears %v, Bob is %+v", got, bob.seen())
	}
}

func TestWhoIsMutedWhileAwayIsToldWhenBack(t *testing.T) {
	h := newHouse(t)
	h.owner("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	bob.Vanish(bob.page)
	if err := h.Get("r").Mute(bob.ID(), true); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 0} {
		again := &page{}
		if _, _, err := h.Join(JoinRequest{Room: "r", Resume: bob.token, Sender: again}); err != nil {
			t.Fatal(err)
		}
		if got := count[Muted](again); got != want {
			t.Errorf("return %d: told %d times", i, got)
		}
	}
}

func TestAMutedPhoneIsHeardByNobodyUntilItIsLetSpeak(t *testing.T) {
	h := newHouse(t)
	ann := h.owner("r", "Ann").publishes(Mic, Phone)
	r := h.Get("r")
	h.call(r, ann.ID(), "c_1", "610")
	leg := newFakeLeg()
	r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: leg, Codec: wire.PCMA})
	phone := last[Joined](t, ann.page).Participant
	if err := ann.Mute(phone.ID, true); err != nil {
		t.Fatal(err)
	}
	if got := ann.hears(); len(got) != 0 || slices.Contains(h.confs[0].sources, leg.track) {
		t.Errorf("Ann hears %v, phones hear %v", got, h.confs[0].sources)
	}
	if c := last[Joined](t, ann.page); c.Type != "participant-changed" || c.Participant.Audio {
		t.Errorf("told %+v", c)
	}
	if err := ann.Mute(phone.ID, false); err != nil {
		t.Fatal(err)
	}
	if got := ann.hears(); !slices.Equal(got, []string{"phone 610"}) || !slices.Contains(h.confs[0].sources, leg.track) {
		t.Errorf("Ann hears %v, phones hear %v", got, h.confs[0].sources)
	}
}

func TestARemovedBrowserIsToldAndItsTokenIsDead(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.owner("r", "Ann"), h.join("r", "Bob")
	if call, err := ann.Participant.Remove(bob.ID()); err != nil || call != "" {
		t.Fatalf("got %q, %v", call, err)
	}
	if count[Removed](bob.page) != 1 || bob.left != 1 || h.CanResume("r", bob.token) {
		t.Errorf("told %d times, left %d times, may resume: %v", count[Removed](bob.page), bob.left, h.CanResume("r", bob.token))
	}
	if l := last[Left](t, ann.page); l.ID != bob.ID() {
		t.Errorf("told %+v", l)
	}
	if _, err := ann.Participant.Remove(bob.ID()); !errors.Is(err, ErrNobody) {
		t.Errorf("twice: %v", err)
	}
}

func TestARemovedPhoneIsItsCallToHangUp(t *testing.T) {
	h := newHouse(t)
	ann := h.owner("r", "Ann")
	r := h.Get("r")
	h.call(r, ann.ID(), "c_1", "610")
	r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: newFakeLeg(), Codec: wire.PCMA})
	phone := last[Joined](t, ann.page).Participant
	if call, err := ann.Participant.Remove(phone.ID); call != "c_1" || err != nil {
		t.Errorf("got %q, %v", call, err)
	}
	if len(r.Participants()) != 2 {
		t.Error("the phone has left before its call ended")
	}
}
