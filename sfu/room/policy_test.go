package room

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func voices(levels ...float32) []*source {
	var list []*source
	for i, l := range levels {
		list = append(list, &source{track: &Track{Kind: Mic}, owner: fmt.Sprint(i), joint: uint64(i), score: l})
	}
	return list
}

func voiceSlots(n int) []*slot {
	var list []*slot
	for range n {
		list = append(list, &slot{SlotInfo: SlotInfo{Codecs: []Codec{Opus}}})
	}
	return list
}

// refill sorts as the room does, then fills.
func refill(slots []*slot, wanted []*source) {
	wanted = slices.Clone(wanted)
	slices.SortFunc(wanted, better)
	fill(slots, wanted)
}

func owners(slots []*slot) []string {
	var list []string
	for _, sl := range slots {
		if sl.now == nil {
			list = append(list, "-")
		} else {
			list = append(list, sl.now.owner)
		}
	}
	return list
}

func TestUpToThirtyVoicesShareFourSlots(t *testing.T) {
	for n := 1; n <= 30; n++ {
		list := voices(make([]float32, n)...)
		for i, v := range rand.New(rand.NewPCG(uint64(n), 1)).Perm(n) {
			list[i].score = float32(-10 - v) // all different, the loudest at -10
		}
		slots := voiceSlots(4)
		refill(slots, list)
		used := map[*source]bool{}
		for _, sl := range slots {
			if sl.now != nil {
				if used[sl.now] {
					t.Fatalf("%d voices: one is in two slots", n)
				}
				used[sl.now] = true
				if sl.now.score < -13 {
					t.Errorf("%d voices: one of %v dBov has a slot", n, sl.now.score)
				}
			}
		}
		if len(used) != min(n, 4) {
			t.Errorf("%d voices use %d of 4 slots", n, len(used))
		}
	}
}

func TestASlotIsTakenOnlyByAVoiceThatIsClearlyLouder(t *testing.T) {
	for _, tc := range []struct {
		name     string
		newcomer float32
		want     []string
	}{
		{"quieter", -50, []string{"0", "1"}},
		{"as loud as the weakest", -40, []string{"0", "1"}},
		{"louder by less than the margin", -35, []string{"0", "1"}},
		{"louder by the margin takes the slot of the weakest", -34, []string{"0", "2"}},
		{"louder than all still takes the slot of the weakest", -5, []string{"0", "2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			list := voices(-20, -40)
			slots := voiceSlots(2)
			refill(slots, list)
			list = append(list, &source{track: &Track{Kind: Mic}, owner: "2", joint: 2, score: tc.newcomer})
			refill(slots, list)
			if got := owners(slots); !slices.Equal(got, tc.want) {
				t.Errorf("slots %v, want %v", got, tc.want)
			}
		})
	}
}

func TestSilentVoicesNeverDisplaceEachOther(t *testing.T) {
	list := voices(make([]float32, 30)...)
	for _, s := range list {
		s.score = floorLevel
	}
	slots := voiceSlots(4)
	refill(slots, list)
	before := owners(slots)
	random := rand.New(rand.NewPCG(7, 7))
	for range 1000 {
		for _, s := range list {
			s.hear(uint8(57+random.IntN(70)), true) // noise of a quiet room
		}
		refill(slots, list)
	}
	if got := owners(slots); !slices.Equal(got, before) {
		t.Errorf("slots went from %v to %v in silence", before, got)
	}
}

func TestAVoiceKeepsItsSlotWhileOthersComeAndGo(t *testing.T) {
	list := voices(-20, -21, -22, -23)
	slots := voiceSlots(4)
	refill(slots, list)
	refill(slots, []*source{list[0], list[2], list[3]})
	if got := owners(slots); !slices.Equal(got, []string{"0", "-", "2", "3"}) {
		t.Fatalf("after one left: %v", got)
	}
	late := &source{track: &Track{Kind: Mic}, owner: "late", joint: 9, score: -5}
	refill(slots, []*source{list[0], list[2], list[3], late})
	if got := owners(slots); !slices.Equal(got, []string{"0", "late", "2", "3"}) {
		t.Errorf("after one came: %v", got)
	}
}

func TestTheOneWhoSpokeLongestAgoLosesItsSlotFirst(t *testing.T) {
	list := voices(floorLevel, floorLevel, floorLevel)
	list[0].spoke, list[1].spoke, list[2].spoke = 30, 10, 20
	slots := voiceSlots(3)
	refill(slots, list)
	loud := &source{track: &Track{Kind: Mic}, owner: "new", joint: 9, score: -30}
	refill(slots, append(list, loud))
	if slices.Contains(owners(slots), "1") {
		t.Errorf("slots %v: the one silent for longest kept its slot", owners(slots))
	}
}

func TestTwoVoicesThatAlternateWordsDoNotFlap(t *testing.T) {
	list := voices(floorLevel, floorLevel)
	slots := voiceSlots(1)
	changes, before := 0, ""
	for tick := range 100 {
		// Both talk, each with a pause of one tick in three.
		for i, s := range list {
			level := uint8(28)
			if (tick+i)%3 == 0 {
				level = 70
			}
			s.hear(level, true)
		}
		refill(slots, list)
		if now := owners(slots)[0]; now != before {
			changes++
			before = now
		}
	}
	if changes > 2 {
		t.Errorf("the slot changed %d times in 20 s", changes)
	}
}

func TestANewVoiceHasASlotWithinTwoTicksAndLosesItAfterSilence(t *testing.T) {
	s := &source{track: &Track{Kind: Mic}, score: floorLevel}
	s.hear(25, true)
	s.hear(25, true)
	if s.score < floorLevel+displaceMargin || !speaks(false, s.score) {
		t.Errorf("score %v after 400 ms of speech", s.score)
	}
	for range 10 {
		s.hear(25, true)
	}
	ticks := 0
	for ; speaks(true, s.score); ticks++ {
		s.hear(Silent, false)
	}
	if ticks < 3 || ticks > 8 {
		t.Errorf("speaking ends %d ticks after the last packet, want about a second", ticks)
	}
}

func TestSpeakingHasHysteresis(t *testing.T) {
	for _, tc := range []struct {
		before bool
		score  float32
		want   bool
	}{
		{false, -50, false}, {true, -49, true}, {false, -44, true}, {true, -50, false}, {true, -60, false},
	} {
		if got := speaks(tc.before, tc.score); got != tc.want {
			t.Errorf("speaks(%v, %v) = %v", tc.before, tc.score, got)
		}
	}
}

func TestTheOrderOfSpeakersChangesOnlyForAClearDifference(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before []string
		now    []speaker
		want   []string
	}{
		{"nobody", []string{"a"}, nil, []string{}},
		{"newcomers come loudest first", nil, []speaker{{"a", -40}, {"b", -20}, {"c", -30}}, []string{"b", "c", "a"}},
		{"a little louder is not enough", []string{"a", "b"}, []speaker{{"a", -25}, {"b", -22}}, []string{"a", "b"}},
		{"clearly louder is", []string{"a", "b"}, []speaker{{"a", -30}, {"b", -22}}, []string{"b", "a"}},
		{"a loud newcomer goes in front", []string{"a"}, []speaker{{"a", -30}, {"b", -20}}, []string{"b", "a"}},
		{"a quiet newcomer goes behind", []string{"a"}, []speaker{{"b", -40}, {"a", -30}}, []string{"a", "b"}},
		{"who stopped is gone", []string{"a", "b", "c"}, []speaker{{"c", -30}, {"a", -30}}, []string{"a", "c"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := orderSpeakers(tc.before, tc.now); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPhonesGoIntoTheirOwnSlotsFirst(t *testing.T) {
	voiceAndPhone := []Codec{Opus, PCMA, PCMU}
	phone := func(name string, c Codec) *source {
		return &source{track: &Track{Kind: Phone}, owner: name, codec: c, score: floorLevel}
	}
	for _, tc := range []struct {
		name   string
		slots  []SlotInfo
		voices int
		phones []*source
		want   []string
	}{
		{"one of each", []SlotInfo{{"v", voiceAndPhone}, {"p", []Codec{PCMA}}}, 1,
			[]*source{phone("A", PCMA)}, []string{"0", "A"}},
		{"without slots of their own they use voice slots", []SlotInfo{{"v", voiceAndPhone}, {"w", voiceAndPhone}}, 1,
			[]*source{phone("A", PCMU)}, []string{"0", "A"}},
		{"a slot that cannot play the codec stays empty", []SlotInfo{{"v", []Codec{Opus}}, {"p", []Codec{PCMU}}}, 0,
			[]*source{phone("A", PCMA)}, []string{"-", "-"}},
		{"the second phone overflows into a voice slot", []SlotInfo{{"v", voiceAndPhone}, {"w", voiceAndPhone}, {"p", []Codec{PCMA}}}, 1,
			[]*source{phone("A", PCMA), phone("B", PCMA)}, []string{"0", "B", "A"}},
		{"voices never use phone slots", []SlotInfo{{"v", []Codec{Opus}}, {"p", []Codec{PCMA}}}, 2,
			nil, []string{"0", "-"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var slots []slot
			for _, info := range tc.slots {
				slots = append(slots, slot{SlotInfo: info})
			}
			all := audience{voices: voices(make([]float32, tc.voices)...), phones: tc.phones}
			for _, round := range []string{"first", "again"} {
				arrange(slots, all)
				var got []string
				for i := range slots {
					got = append(got, owners([]*slot{&slots[i]})...)
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("%s: %v, want %v", round, got, tc.want)
				}
			}
		})
	}
}
