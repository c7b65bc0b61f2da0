package audio

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// babble is reproducible noise whose loudness wanders like speech.
func babble(seconds int) []int16 {
	rng := rand.New(rand.NewPCG(1, 2))
	pcm := make([]int16, seconds*Rate)
	level, low := 0.0, 0.0
	for i := range pcm {
		if i%800 == 0 {
			level = rng.Float64() * 12000
		}
		low += 0.3 * (rng.NormFloat64() - low)
		pcm[i] = int16(max(-32000, min(32000, level*low)))
	}
	return pcm
}

func TestARecordingIsComparedWithWhatWasPlayed(t *testing.T) {
	played := babble(6)
	through := func(pcm []int16) []int16 { return PCMA.Decode(nil, PCMA.Encode(nil, pcm)) }
	cut := through(played[2*Rate : 5*Rate])
	missing := slices.Clone(cut)
	clear(missing[800:960])
	dropped := slices.Concat(cut[:8000], cut[8160:])
	repeated := slices.Concat(cut[:8000], cut[7840:8000], cut[8000:])
	quiet := slices.Clone(cut)
	for i := range quiet {
		quiet[i] /= 2
	}
	for _, tc := range []struct {
		name      string
		recording []int16
		loop      bool
		lag       int
		level     float64
		bad       func([]BadFrame) bool
	}{
		{"clean", cut, false, 2 * Rate, 0, func(b []BadFrame) bool { return len(b) == 0 }},
		{"clean, found in a loop", through(slices.Concat(played[5*Rate:], played[:2*Rate])), true, 5 * Rate, 0, func(b []BadFrame) bool { return len(b) == 0 }},
		{"silence before it", slices.Concat(make([]int16, 800), cut), false, 2*Rate - 800, 0, func(b []BadFrame) bool { return len(b) <= 5 }},
		{"a frame is silent", missing, false, 2 * Rate, 0, func(b []BadFrame) bool { return len(b) == 1 && b[0].At == 800 && b[0].Shift == 0 }},
		{"a frame was left out", dropped, false, 2*Rate + 160, 0, func(b []BadFrame) bool { return len(b) > 10 && (b[0].Shift == 160 || b[0].Shift == -160) }},
		{"a frame was repeated", repeated, false, 2*Rate - 160, 0, func(b []BadFrame) bool { return len(b) > 10 && (b[0].Shift == 160 || b[0].Shift == -160) }},
		{"half as loud", quiet, false, 2 * Rate, -6.02, func(b []BadFrame) bool { return len(b) == 0 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, err := Compare(played, tc.recording, tc.loop)
			if err != nil {
				t.Fatal(err)
			}
			if d := m.Lag - tc.lag; d != 0 && (d != 160 && d != -160 || len(m.Bad) == 0) {
				t.Errorf("lag is %d, want %d", m.Lag, tc.lag)
			}
			if math.Abs(m.Level-tc.level) > 0.2 || m.Voiced < 50 {
				t.Errorf("level %.2f dB over %d frames", m.Level, m.Voiced)
			}
			if !tc.bad(m.Bad) {
				t.Errorf("bad frames: %+v", m.Bad)
			}
		})
	}
}

func TestSomethingElseDoesNotMatch(t *testing.T) {
	for name, recording := range map[string][]int16{
		"silence":    make([]int16, 3*Rate),
		"a tone":     Tone(Rate, 3000, 0.5, 440),
		"too short":  babble(1)[:1000],
		"other time": babble(12)[9*Rate:],
	} {
		if m, err := Compare(babble(6), recording, false); err == nil {
			t.Errorf("%s matches at %d", name, m.Lag)
		}
	}
}

func TestARecordingThatWasStretchedAndSqueezedIsFollowed(t *testing.T) {
	played := babble(6)
	// As a jitter buffer does it: bits left out here, said twice there.
	cut := slices.Concat(played[8000:12000], played[11900:20000], played[20120:26000], played[25930:40000])
	f, err := Follow(played, cut, true)
	if err != nil || f.Pieces < 14 || f.Found < f.Pieces-4 || math.Abs(f.Level) > 0.2 {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := Follow(played, babble(12)[9*Rate:], true); err == nil && f.Found > f.Pieces/4 {
		t.Errorf("something else is followed: %+v", f)
	}
}

func TestHalfASampleOfDelayIsNoFault(t *testing.T) {
	played := Resample(Resample(babble(4), Rate, 2000), 2000, Rate) // speech is mostly low
	fine := Resample(played, Rate, 48000)
	recording := Resample(fine[3:], 48000, Rate) // 3/6 of a sample later
	m, err := Compare(played, recording, false)
	if err != nil || len(m.Bad) > 0 {
		t.Errorf("%d bad of %d, %v", len(m.Bad), m.Voiced, err)
	}
}
