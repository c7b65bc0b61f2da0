package room

import (
	"slices"
	"testing"
	"time"

	"dialroom/shared/wire"
)

// unheard lists what a page was told of its microphone since the last take.
func unheard(p *page) (list []bool) {
	for _, m := range p.take() {
		if u, ok := m.(Unheard); ok {
			list = append(list, u.Unheard)
		}
	}
	return list
}

func TestAPageIsToldWhenNothingOfItsMicrophoneArrives(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	mic := ann.media.tracks[Mic]
	talk := func(d time.Duration) {
		for range int(d / (200 * time.Millisecond)) {
			say(mic, 30)
			h.clock.Advance(200 * time.Millisecond)
		}
	}
	h.clock.Advance(time.Minute)
	if got := unheard(ann.page); len(got) != 0 {
		t.Errorf("alone, when nobody wants it: %v", got)
	}
	bob := h.join("r", "Bob").publishes(Mic)
	h.clock.Advance(2800 * time.Millisecond)
	if got := unheard(ann.page); len(got) != 0 {
		t.Errorf("while it has time to begin: %v", got)
	}
	h.clock.Advance(time.Minute)
	if got := unheard(ann.page); !slices.Equal(got, []bool{true}) {
		t.Errorf("nothing came: %v", got)
	}
	talk(5 * time.Second)
	if got := unheard(ann.page); !slices.Equal(got, []bool{false}) {
		t.Errorf("it came: %v", got)
	}
	h.clock.Advance(4 * time.Second)
	ann.SetState(State{})
	h.clock.Advance(time.Second)
	if got := unheard(ann.page); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("it broke off, then was muted: %v", got)
	}
	ann.SetState(State{Audio: true})
	h.clock.Advance(2 * time.Second)
	if got := unheard(ann.page); len(got) != 0 {
		t.Errorf("unmuted a moment ago: %v", got)
	}
	h.clock.Advance(4 * time.Second)
	bob.Leave(bob.page)
	if got := unheard(ann.page); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("nothing came, then nobody was left who could hear: %v", got)
	}
}

func TestAPhoneThatHearsNothingOfAPageCountsToo(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic, Phone)
	r := h.Get("r")
	h.call(r, ann.ID(), "c_1", "610")
	r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: newFakeLeg(), Codec: wire.PCMA})
	h.clock.Advance(4 * time.Second)
	if got := unheard(ann.page); !slices.Equal(got, []bool{true}) {
		t.Errorf("got %v", got)
	}
}

func TestWhoComesBackUnheardIsToldAnew(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	h.join("r", "Bob").publishes(Mic)
	h.clock.Advance(4 * time.Second)
	ann.Vanish(ann.page)
	h.clock.Advance(4 * time.Second)
	again := &page{}
	if _, _, err := h.Join(JoinRequest{Room: "r", Resume: ann.token, Sender: again}); err != nil {
		t.Fatal(err)
	}
	h.clock.Advance(2800 * time.Millisecond)
	if got := unheard(again); len(got) != 0 {
		t.Errorf("while it has time to begin: %v", got)
	}
	h.clock.Advance(time.Second)
	if got := unheard(again); !slices.Equal(got, []bool{true}) {
		t.Errorf("got %v", got)
	}
}

// measured is a connection that says how its microphone arrives.
type measured struct {
	*fakeMedia
	arrival Arrival
	ok      bool
}

func (m *measured) Arrival() (Arrival, bool) { return m.arrival, m.ok }

func TestEverybodyIsToldHowTheOthersArrive(t *testing.T) {
	h := newHouse(t)
	ann, bob := h.join("r", "Ann"), h.join("r", "Bob").publishes(Mic)
	m := &measured{fakeMedia: newFakeMedia(ann.ID(), Mic).with(1, 0, 0), ok: true}
	ann.SetMedia(m)
	pass := func(expected, received uint64, jitter time.Duration) []UplinkQuality {
		m.arrival.Expected += expected
		m.arrival.Received += received
		m.arrival.Jitter = jitter
		h.clock.Advance(5 * time.Second)
		var list []UplinkQuality
		for _, msg := range bob.page.take() {
			if q, ok := msg.(UplinkQuality); ok {
				list = append(list, q)
			}
		}
		return list
	}
	is := func(list []UplinkQuality, loss float64, jitter int) bool {
		return len(list) == 1 && list[0] == UplinkQuality{Type: "uplink", ID: ann.ID(), Loss: loss, Jitter: jitter}
	}
	if got := pass(250, 250, 3*time.Millisecond); !is(got, 0, 0) {
		t.Errorf("a good line: %+v", got)
	}
	if got := pass(250, 250, 4*time.Millisecond); len(got) != 0 {
		t.Errorf("the same: %+v", got)
	}
	if got := pass(250, 225, 42*time.Millisecond); !is(got, 0.1, 40) {
		t.Errorf("a bad line: %+v", got)
	}
	if got := pass(0, 0, 42*time.Millisecond); len(got) != 0 {
		t.Errorf("muted: %+v", got)
	}
	ann.SetRoundTrip(3 * time.Millisecond)
	if got := pass(250, 225, 42*time.Millisecond); len(got) != 1 || got[0].RoundTrip != 1 {
		t.Errorf("with a round trip: %+v", got)
	}
	ann.SetRoundTrip(48 * time.Millisecond)
	if got := pass(250, 225, 42*time.Millisecond); len(got) != 1 || got[0].RoundTrip != 50 {
		t.Errorf("with a longer one: %+v", got)
	}
	ann.SetRoundTrip(0)
	late := h.join("r", "Eve")
	if q := last[UplinkQuality](t, late.page); q.ID != ann.ID() || q.Loss != 0.1 {
		t.Errorf("who joins later: %+v", q)
	}
	m.arrival = Arrival{}
	if got := pass(250, 260, 0); len(got) != 0 {
		t.Errorf("a stream that began anew: %+v", got)
	}
	if got := pass(250, 260, 0); !is(got, 0, 0) {
		t.Errorf("more than expected, by repetition: %+v", got)
	}
}
