package room

import (
	"cmp"
	"slices"
)

// This file decides who hears and sees whom. It knows levels and slots, no
// connections: everything in it is a function of its arguments.
//
// With no more sources than slots everybody simply has one. With more, the
// loudest have them, and a newcomer must be clearly louder than the one it
// displaces, so that slots do not flap. A source keeps its slot while it is shown.

// Levels are in dBov, as in RFC 6464 but negative: 0 is the loudest.
const (
	// floorLevel is where room noise disappears: quieter sources are all equal,
	// and equals never displace each other.
	floorLevel = -60
	// speakOn and speakOff bound the hysteresis of speaking. Speech in a headset
	// is at -20 to -35 dBov, a quiet talker on a laptop at -40, noise below -50.
	speakOn  = -45
	speakOff = -50
	// displaceMargin is how much louder a newcomer must be, in dB: twice the
	// amplitude, more than one voice varies from one tick to the next.
	displaceMargin = 6
	// A score rises by riseFactor of the difference at each tick, so that one
	// click does not win a slot for long, and falls by fallPerTick dB, so that a
	// pause between words does not lose it: -25 dBov stops counting as speech in just over a second.
	riseFactor  = 0.6
	fallPerTick = 4
)

// Scores of pictures, where no level decides. They differ by more than displaceMargin.
const (
	scoreScreen   = 200 // a shared screen before any face
	scoreSpeaking = 100
	scoreQuiet    = 0
)

// source is one track as the policy sees it.
type source struct {
	track *Track
	owner string // participant id
	codec Codec  // of a phone; NoCodec: any
	joint uint64 // order of arrival, the last tie-break

	score   float32 // sounds: smoothed level in dBov; pictures: one of the scores above
	spoke   uint64  // tick of the owner's last speech, 0 never
	packets uint64  // of the track, at the last tick
	shown   int     // slots that carry it
	layers  []layer // of a picture in several sizes, smallest first
	wanted  bool    // by somebody, as the publisher was told
	still   int     // ticks without a packet while it was wanted
}

// use returns the protocol's name for what the source puts into a slot.
func (s *source) use() string {
	if s.track.Kind == Mic {
		return "voice"
	}
	return string(s.track.Kind)
}

// better orders sources: the louder first, then who spoke last, then who came first.
func better(a, b *source) int {
	if c := cmp.Compare(b.score, a.score); c != 0 {
		return c
	}
	if c := cmp.Compare(b.spoke, a.spoke); c != 0 {
		return c
	}
	return cmp.Compare(a.joint, b.joint)
}

// slot is one receive slot of a listener and what flows in it.
type slot struct {
	SlotInfo
	now   *source
	flows *Track // the source's track, or the layer of it
}

// takes reports whether the slot can play s.
func (sl *slot) takes(s *source) bool {
	switch s.track.Kind {
	case Camera, Screen:
		return sl.video()
	case Phone:
		if s.codec == NoCodec {
			return slices.ContainsFunc(sl.Codecs, Codec.IsPhone)
		}
		return sl.Carries(s.codec)
	default:
		return sl.Carries(Opus)
	}
}

func (sl *slot) video() bool { return slices.ContainsFunc(sl.Codecs, Codec.IsVideo) }

// phoneOnly marks slots kept for phones; voices and phones share the others.
func (sl *slot) phoneOnly() bool {
	return !sl.Carries(Opus) && slices.ContainsFunc(sl.Codecs, Codec.IsPhone)
}

// fill puts the wanted sources, best first, into the slots. What is not wanted
// leaves its slot; what has a slot keeps it; free slots are given in order; then
// a wanted source displaces the worst one that it beats clearly. When there are
// no more sources than slots their order does not matter.
func fill(slots []*slot, wanted []*source) {
	for _, sl := range slots {
		if sl.now != nil && (!slices.Contains(wanted, sl.now) || !sl.takes(sl.now)) {
			sl.now = nil
		}
	}
	for _, s := range wanted {
		if held(slots, s) {
			continue
		}
		if settled(slots, s.score) {
			return
		}
		if sl := place(slots, s); sl != nil {
			sl.now = s
		}
	}
}

// settled reports whether every slot is taken by a source that a score, and
// so everything after it in the order, does not beat.
func settled(slots []*slot, score float32) bool {
	for _, sl := range slots {
		if sl.now == nil || score >= sl.now.score+displaceMargin {
			return false
		}
	}
	return true
}

func held(slots []*slot, s *source) bool {
	return slices.ContainsFunc(slots, func(sl *slot) bool { return sl.now == s })
}

// place finds the slot that s may take: a free one, or the worst it beats.
func place(slots []*slot, s *source) *slot {
	var worst *slot
	for _, sl := range slots {
		if !sl.takes(s) {
			continue
		}
		if sl.now == nil {
			return sl
		}
		if worst == nil || better(worst.now, sl.now) < 0 {
			worst = sl
		}
	}
	if worst == nil || s.score < worst.now.score+displaceMargin {
		return nil
	}
	return worst
}

// audience is everything a listener could be given, best first, its own excluded.
type audience struct {
	voices []*source // mic and screen-audio
	phones []*source
	videos []*source
}

// arrange decides every slot of one listener.
func arrange(slots []slot, all audience) {
	var phoneOnly, voice, video []*slot
	for i := range slots {
		switch sl := &slots[i]; {
		case sl.video():
			video = append(video, sl)
		case sl.phoneOnly():
			phoneOnly = append(phoneOnly, sl)
		default:
			voice = append(voice, sl)
		}
	}
	fill(video, all.videos)
	if len(all.phones) == 0 {
		fill(phoneOnly, nil)
		fill(voice, all.voices)
		return
	}
	// Phones go into their own slots; those that found none compete for the
	// voices' slots. A phone that lost there tries its own slots again.
	fill(phoneOnly, without(all.phones, voice))
	voices := all.voices
	if rest := without(all.phones, phoneOnly); len(rest) > 0 {
		voices = slices.Concat(voices, rest)
		slices.SortFunc(voices, better)
	}
	fill(voice, voices)
	fill(phoneOnly, without(all.phones, voice))
}

// without returns the sources that have none of the slots.
func without(list []*source, slots []*slot) []*source {
	return slices.DeleteFunc(slices.Clone(list), func(s *source) bool { return held(slots, s) })
}

// hear follows the level of a sound at one tick; fresh says whether any packet
// came since the last one, for a publisher that stopped has no level at all.
func (s *source) hear(level uint8, fresh bool) {
	now := float32(floorLevel)
	if fresh {
		now = max(now, -float32(level))
	}
	if now > s.score {
		s.score += riseFactor * (now - s.score)
	} else {
		s.score = max(now, s.score-fallPerTick)
	}
}

// speaks applies the hysteresis of speaking to a score.
func speaks(before bool, score float32) bool {
	if before {
		return score > speakOff
	}
	return score > speakOn
}

// speaker is a participant for the order of the speaking message.
type speaker struct {
	id    string
	score float32
}

// orderSpeakers returns who speaks, loudest first, disturbing the order of
// before only where somebody is clearly louder than the one in front.
func orderSpeakers(before []string, now []speaker) []string {
	rank := func(id string) int {
		if i := slices.Index(before, id); i >= 0 {
			return i
		}
		return len(before)
	}
	list := slices.Clone(now)
	slices.SortStableFunc(list, func(a, b speaker) int {
		if c := cmp.Compare(rank(a.id), rank(b.id)); c != 0 {
			return c
		}
		return cmp.Compare(b.score, a.score)
	})
	for i := 1; i < len(list); i++ {
		for j := i; j > 0; j-- {
			front, back := list[j-1], list[j]
			known := rank(front.id) < len(before) && rank(back.id) < len(before)
			if back.score <= front.score || known && back.score < front.score+displaceMargin {
				break
			}
			list[j-1], list[j] = back, front
		}
	}
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.id
	}
	return ids
}
