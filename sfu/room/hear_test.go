package room

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"dialroom/shared/wire"
)

func (p *person) wants(t *testing.T, r *Room) []string {
	t.Helper()
	s := last[Send](t, p.page)
	var list []string
	for name, on := range map[string]bool{"mic": s.Mic, "camera": s.Camera, "screen": s.Screen, "screen-audio": s.ScreenAudio} {
		if on {
			list = append(list, name)
		}
	}
	if s.Phone != false {
		list = append(list, fmt.Sprint(s.Phone))
	}
	slices.Sort(list)
	return list
}

func TestEverybodyHearsTheOthersAndNeverThemselves(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	cid := h.join("r", "Cid").publishes(Mic, ScreenAudio)
	for p, want := range map[*person][]string{
		ann: {"voice Bob", "voice Cid", "screen-audio Cid"},
		bob: {"voice Ann", "voice Cid", "screen-audio Cid"},
		cid: {"voice Ann", "voice Bob"},
	} {
		got := p.hears()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s hears %v, want %v", p.Name(), got, want)
		}
	}
}

func TestSlotsAreToldAfterTheMediaCarriesThemAndOnlyWhenTheyChange(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	want := SlotsChanged{Type: "slots", Slots: map[string]*SlotUse{"v0": {bob.ID(), "voice"},
		"v1": nil, "v2": nil, "v3": nil, "p0": nil, "p1": nil, "c0": nil, "c1": nil, "c2": nil, "c3": nil}}
	if got := last[SlotsChanged](t, ann.page); !reflect.DeepEqual(got, want) {
		t.Errorf("Ann was told %+v", got)
	}
	ann.page.take()
	bob.SetState(State{Audio: true})
	bob.SetMedia(bob.media)
	ann.SetView(nil)
	if n := count[SlotsChanged](ann.page); n != 0 {
		t.Errorf("%d messages about unchanged slots", n)
	}
	bob.SetState(State{Audio: false})
	if got := last[SlotsChanged](t, ann.page); got.Slots["v0"] != nil || ann.media.assigned["v0"] != nil {
		t.Errorf("a muted voice kept its slot: %+v", got)
	}
}

func TestWithMoreVoicesThanSlotsTheLoudestAreHeard(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	var crowd []*person
	for i := range 10 {
		crowd = append(crowd, h.join("r", fmt.Sprint(i)).publishes(Mic))
	}
	speak := func(levels map[int]uint8, ticks int) {
		for range ticks {
			for i, p := range crowd {
				level, ok := levels[i]
				if !ok {
					level = 80
				}
				say(p.media.tracks[Mic], level)
			}
			h.clock.Advance(tickEvery)
		}
	}
	speak(map[int]uint8{6: 20, 7: 25, 8: 30, 9: 35}, 5)
	got := ann.hears()
	slices.Sort(got)
	if want := []string{"voice 6", "voice 7", "voice 8", "voice 9"}; !slices.Equal(got, want) {
		t.Fatalf("Ann hears %v, want %v", got, want)
	}
	if got := last[Speaking](t, ann.page).IDs; !slices.Equal(got, []string{crowd[6].ID(), crowd[7].ID(), crowd[8].ID(), crowd[9].ID()}) {
		t.Errorf("speaking %v", got)
	}
	ann.page.take()
	speak(map[int]uint8{6: 20, 7: 25, 8: 30, 9: 35, 0: 33}, 20)
	if n := count[SlotsChanged](ann.page); n != 0 {
		t.Errorf("%d changes for a voice that is not clearly louder", n)
	}
	speak(map[int]uint8{6: 20, 7: 25, 8: 30, 0: 22}, 20)
	if !slices.Contains(ann.hears(), "voice 0") || slices.Contains(ann.hears(), "voice 9") {
		t.Errorf("Ann hears %v, want 0 instead of 9", ann.hears())
	}
}

func TestSpeakingIsToldOnChangeOnlyAndEndsWithSilence(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	h.call(ann.Room(), ann.ID(), "c_1", "610")
	leg := newFakeLeg()
	ann.Room().UpdateCall("c_1", CallUpdate{State: wire.Early, Leg: leg, Codec: wire.PCMA})
	ann.page.take()
	for range 20 {
		say(leg.track, 20)
		say(bob.media.tracks[Mic], 32)
		h.clock.Advance(tickEvery)
	}
	if n := count[Speaking](ann.page); n > 2 {
		t.Errorf("%d messages about the same speakers", n)
	}
	phone := last[CallChanged](t, &page{messages: []any{CallChanged{Call: ann.Room().Calls()[0]}}}).Participant
	if got := last[Speaking](t, ann.page).IDs; !slices.Equal(got, []string{phone, bob.ID()}) {
		t.Errorf("speaking %v, want the phone, then Bob", got)
	}
	for range 20 { // nobody sends any more
		h.clock.Advance(tickEvery)
	}
	if got := last[Speaking](t, ann.page).IDs; len(got) != 0 {
		t.Errorf("still speaking: %v", got)
	}
}

func TestAMutedBrowserDoesNotSpeak(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	bob.SetState(State{Audio: false})
	for range 10 {
		say(bob.media.tracks[Mic], 10)
		h.clock.Advance(tickEvery)
	}
	if count[Speaking](ann.page) != 0 {
		t.Error("a muted microphone was shown as speaking")
	}
}

func TestPicturesFollowTheView(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	ann.media = newFakeMedia(ann.ID(), Mic).with(4, 0, 2)
	ann.SetMedia(ann.media)
	bob := h.join("r", "Bob").publishes(Mic, Camera)
	cid := h.join("r", "Cid").publishes(Camera, Screen)
	pictures := func() []string {
		list := slices.DeleteFunc(ann.hears(), func(s string) bool { return s == "voice Bob" })
		slices.Sort(list)
		return list
	}
	if got := pictures(); !slices.Contains(got, "screen Cid") || len(got) != 2 {
		t.Errorf("without a view Ann sees %v, want the screen and one camera", got)
	}
	for _, tc := range []struct {
		name string
		view []View
		want []string
	}{
		{"most wanted first", []View{{cid.ID(), Camera, 0}, {bob.ID(), Camera, 0}, {cid.ID(), Screen, 0}}, []string{"camera Bob", "camera Cid"}},
		{"an order only decides who fits", []View{{bob.ID(), Camera, 0}, {cid.ID(), Camera, 0}}, []string{"camera Bob", "camera Cid"}},
		{"only what is wanted", []View{{cid.ID(), Screen, 0}}, []string{"screen Cid"}},
		{"nothing", nil, nil},
		{"somebody who is not there, oneself, a double", []View{{"p_x", Camera, 0}, {ann.ID(), Camera, 0}, {bob.ID(), Camera, 0}, {bob.ID(), Camera, 0}}, []string{"camera Bob"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ann.SetView(tc.view)
			if got := pictures(); !slices.Equal(got, tc.want) {
				t.Errorf("Ann sees %v, want %v", got, tc.want)
			}
		})
	}
}

func TestAPictureKeepsItsSlotWhenTheViewIsReordered(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Camera)
	cid := h.join("r", "Cid").publishes(Camera)
	ann.SetView([]View{{bob.ID(), Camera, 0}, {cid.ID(), Camera, 0}})
	before := ann.media.assigns
	ann.SetView([]View{{cid.ID(), Camera, 0}, {bob.ID(), Camera, 0}})
	if ann.media.assigns != before {
		t.Error("reordering moved pictures")
	}
}

func TestWithoutAViewTheLastSpeakersAreSeen(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	ann.media = newFakeMedia(ann.ID(), Mic).with(9, 0, 2)
	ann.SetMedia(ann.media)
	var crowd []*person
	for i := range 4 {
		crowd = append(crowd, h.join("r", fmt.Sprint(i)).publishes(Mic, Camera))
	}
	for range 5 {
		say(crowd[3].media.tracks[Mic], 20)
		h.clock.Advance(tickEvery)
	}
	if !slices.Contains(ann.hears(), "camera 3") {
		t.Errorf("the speaker is not seen: %v", ann.hears())
	}
	ann.page.take()
	for range 20 {
		h.clock.Advance(tickEvery)
	}
	if n := count[SlotsChanged](ann.page); n != 0 {
		t.Errorf("pictures changed %d times in silence", n)
	}
}

func TestOnlyWhatSomebodyNeedsIsWanted(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic, Phone, Camera)
	r := ann.Room()
	expect := func(what string, p *person, want ...string) {
		t.Helper()
		if got := p.wants(t, r); !slices.Equal(got, want) {
			t.Errorf("%s: wanted %v, want %v", what, got, want)
		}
	}
	expect("alone", ann)
	bob := h.join("r", "Bob")
	expect("with somebody who has no media", ann)
	bob.publishes(Mic, Phone)
	expect("with Bob", ann, "camera", "mic")
	bob.SetView(nil)
	expect("when Bob looks elsewhere", ann, "mic")
	h.call(r, ann.ID(), "c_1", "610")
	r.UpdateCall("c_1", CallUpdate{State: wire.Ringing})
	expect("while it rings", ann, "mic")
	leg := newFakeLeg()
	r.UpdateCall("c_1", CallUpdate{State: wire.Early, Leg: leg, Codec: wire.PCMA})
	expect("from early media on", ann, "PCMA", "mic")
	r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: leg, Codec: wire.PCMU})
	expect("when the answer changes the codec", ann, "PCMU", "mic")
	ann.SetState(State{Audio: false, Video: true})
	expect("muted", ann)
	ann.SetState(State{Audio: true})
	bob.Leave(bob.page)
	expect("alone with a phone", ann, "PCMU")
	r.UpdateCall("c_1", CallUpdate{State: wire.Ended, Reason: "busy"})
	expect("after the call", ann)
}

func TestASharedScreenIsHeardWhereNobodyLooks(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic, Camera, Screen, ScreenAudio)
	bob := h.join("r", "Bob").publishes(Mic)
	bob.SetView(nil)
	want := []string{"mic", "screen-audio"}
	if got := ann.wants(t, ann.Room()); !slices.Equal(got, want) {
		t.Errorf("of Ann's tracks are wanted %v, want %v", got, want)
	}
	if got := bob.hears(); len(got) != 2 || !slices.Contains(got, "screen-audio Ann") || !slices.Contains(got, "voice Ann") {
		t.Errorf("Bob hears %v", got)
	}
	ann.SetState(State{Audio: true})
	bob.Leave(bob.page)
	if got := ann.wants(t, ann.Room()); len(got) != 0 {
		t.Errorf("alone, and no longer sharing, %v are wanted", got)
	}
}

func TestAFailedConnectionIsNoListenerAndNoSource(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic, Phone)
	bob := h.join("r", "Bob").publishes(Mic, Phone)
	leg := newFakeLeg()
	h.call(ann.Room(), ann.ID(), "c_1", "610")
	ann.Room().UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: leg, Codec: wire.PCMA})
	bob.SetMediaUp(false)
	if slices.Contains(h.confs[0].sources, bob.media.tracks[Phone]) || slices.Contains(ann.hears(), "voice Bob") {
		t.Error("a failed connection is still a source")
	}
	if got := ann.wants(t, ann.Room()); !slices.Equal(got, []string{"PCMA"}) {
		t.Errorf("wanted from Ann: %v", got)
	}
	bob.SetMediaUp(true)
	if !slices.Contains(ann.hears(), "voice Bob") {
		t.Error("a connection that came back is not heard")
	}
}

func TestANewConnectionOfTheSamePageTakesTheOldOnesPlace(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	bob := h.join("r", "Bob").publishes(Mic)
	old := ann.media
	ann.publishes(Mic)
	if len(old.assigned) != 0 {
		t.Errorf("the old connection still carries %v", old.assigned)
	}
	if ann.media.assigned["v0"] != bob.media.tracks[Mic] || bob.media.assigned["v0"] != ann.media.tracks[Mic] {
		t.Error("the new connection is not connected to the room")
	}
}

func TestASlotThatIsNotOfferedAnyMoreIsEmptied(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	h.join("r", "Bob").publishes(Mic)
	ann.media.slots = ann.media.slots[1:] // v0, where Bob is
	ann.SetMedia(ann.media)
	if ann.media.assigned["v0"] != nil || ann.media.assigned["v1"] == nil {
		t.Errorf("assigned %v", ann.media.assigned)
	}
}

func TestARoomNobodySpeaksInCostsNoTick(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic)
	h.join("r", "Bob")
	if n := h.clock.pending(); n != 0 {
		t.Errorf("%d timers run for one voice without listeners", n)
	}
	cid := h.join("r", "Cid").publishes(Mic)
	if n := h.clock.pending(); n != 1 {
		t.Errorf("%d timers run for a conversation", n)
	}
	cid.Leave(cid.page)
	h.clock.Advance(tickEvery)
	if n := h.clock.pending(); n != 0 {
		t.Errorf("%d timers run after it", n)
	}
	_ = ann
}

// BenchmarkTickOf1000QuietRooms is what 1000 rooms of two connected, silent
// browsers cost five times a second.
func BenchmarkTickOf1000QuietRooms(b *testing.B) {
	m := New(Config{Clock: newFakeClock()})
	defer m.Close()
	for i := range 1000 {
		for range 2 {
			p, _, err := m.Join(JoinRequest{Room: fmt.Sprint(i), Sender: &page{}})
			if err != nil {
				b.Fatal(err)
			}
			p.SetMedia(newFakeMedia(p.ID(), Mic, Phone).with(4, 2, 4))
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		m.tick()
	}
}

// BenchmarkRefreshOf100 is what any change costs in a room of 100, and what a
// tick costs there while people speak: far less than the 200 ms between two.
func BenchmarkRefreshOf100(b *testing.B) {
	m := New(Config{Clock: newFakeClock()})
	defer m.Close()
	var r *Room
	for range 100 {
		p, _, err := m.Join(JoinRequest{Room: "r", Sender: &page{}})
		if err != nil {
			b.Fatal(err)
		}
		p.SetMedia(newFakeMedia(p.ID(), Mic, Phone, Camera).with(4, 2, 4))
		r = p.Room()
	}
	b.ReportAllocs()
	for b.Loop() {
		r.mu.Lock()
		r.refresh()
		r.mu.Unlock()
	}
}
