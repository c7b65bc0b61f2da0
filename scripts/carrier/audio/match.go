package audio

import (
	"errors"
	"math"
)

// Match is how a recording compares with what was played. Voiced frames are
// those in which there was something to hear; only they can be compared.
type Match struct {
	Lag    int     // the recording's first sample is this one of what was played
	Level  float64 // of the recording against what was played, dB; 0 is unchanged
	Voiced int     // frames compared
	Bad    []BadFrame
}

// BadFrame is 20 ms of the recording that are not what was played there.
type BadFrame struct {
	At    int     // first sample in the recording
	Like  float64 // correlation with what should be there, 1 is identical
	Shift int     // where in what was played it is found instead, samples later; 0 when nowhere
}

// ErrNoMatch is returned when the recording is not of what was played, or too short to tell.
var ErrNoMatch = errors.New("the recording has nothing to do with what was played")

// Thresholds of the comparison.
const (
	envelopeHop = Rate / 200 // 5 ms: fine enough to find the place, coarse enough to be quick
	voicedLevel = -38.0      // dB: below it the codec's own noise matters
	alike       = 0.9        // correlation of the same 20 ms after G.711 and two resamplings
	reach       = 2 * Frame  // how far around a bad frame is looked for it
)

// Compare finds where in played, which repeats for ever when loop is true, the
// recording was made, and compares it frame by frame.
func Compare(played, recording []int16, loop bool) (Match, error) {
	lag, ok := locate(played, recording, loop)
	if !ok {
		return Match{}, ErrNoMatch
	}
	m := Match{Lag: lag}
	ref := newReader(played, loop)
	var cross, power float64
	for at := 0; at+Frame <= len(recording); at += Frame {
		frame := recording[at : at+Frame]
		want := ref.at(lag+at, Frame)
		if want == nil || Level(want) < voicedLevel {
			continue
		}
		m.Voiced++
		like := ref.best(lag+at, frame)
		if like < alike {
			m.Bad = append(m.Bad, BadFrame{At: at, Like: like, Shift: ref.elsewhere(lag+at, frame)})
			continue
		}
		for i, v := range frame {
			cross += float64(v) * float64(v)
			power += float64(want[i]) * float64(want[i])
		}
	}
	if power == 0 {
		return Match{}, ErrNoMatch
	}
	m.Level = 10 * math.Log10(cross/power)
	return m, nil
}

// Followed is how a recording that a jitter buffer has stretched and squeezed
// compares with what was played: piece by piece, each found for itself.
type Followed struct {
	Pieces int     // quarters of a second in which something is heard
	Found  int     // those of them that are what was played thereabouts
	Level  float64 // of the pieces found against what was played, dB
}

const (
	piece  = Rate / 4
	stray  = 3 * Rate / 4 // how far time may have moved since the last piece
	likely = 0.8          // correlation of a piece that is what was played: a splice inside it costs some
	thin   = 4            // the search is done at a quarter of the rate, then to the sample
)

// Follow compares a recording with what was played, as Compare does, but lets
// time flow unevenly.
func Follow(played, recording []int16, loop bool) (Followed, error) {
	lag, top := rough(played, recording, loop)
	if top <= 0 {
		return Followed{}, ErrNoMatch
	}
	var f Followed
	var got, want float64
	missed := 0
	ref, slow := newReader(played, loop), newReader(thinned(played), loop)
	for at := 0; at+piece <= len(recording); at += piece {
		heard := recording[at : at+piece]
		if Level(heard) < voicedLevel {
			continue
		}
		f.Pieces++
		reach := stray
		if missed > 1 {
			reach = 4 * stray // lost: something larger was left out
		}
		near := slow.nearest((lag+at)/thin, thinned(heard), reach/thin) * thin
		found := ref.nearest(near, heard, 2*thin)
		there := ref.at(found, piece)
		if there == nil || correlation(there, heard) < likely {
			missed++
			continue
		}
		lag, missed = found-at, 0
		f.Found++
		got += energy(heard)
		want += energy(there)
	}
	if f.Found == 0 {
		return f, ErrNoMatch
	}
	f.Level = 10 * math.Log10(got/want)
	return f, nil
}

// thinned is pcm at a quarter of its rate; what is above is averaged away, roughly.
func thinned(pcm []int16) []int16 {
	out := make([]int16, len(pcm)/thin)
	for i := range out {
		sum := 0
		for _, v := range pcm[i*thin : (i+1)*thin] {
			sum += int(v)
		}
		out[i] = int16(sum / thin)
	}
	return out
}

// nearest returns where within reach of i frame is most likely.
func (r reader) nearest(i int, frame []int16, reach int) int {
	best, top := i, math.Inf(-1)
	for d := -reach; d <= reach; d++ {
		if there := r.at(i+d, len(frame)); there != nil {
			if c := correlation(there, frame); c > top {
				best, top = i+d, c
			}
		}
	}
	return best
}

func energy(pcm []int16) (sum float64) {
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return sum
}

// reader reads stretches of what was played.
type reader struct {
	pcm  []int16
	loop bool
}

func newReader(pcm []int16, loop bool) reader { return reader{pcm, loop} }

// at returns n samples from i on, nil when they are not there.
func (r reader) at(i, n int) []int16 {
	if r.loop {
		i = ((i % len(r.pcm)) + len(r.pcm)) % len(r.pcm)
		if i+n > len(r.pcm) {
			return append(append(make([]int16, 0, n), r.pcm[i:]...), r.pcm[:i+n-len(r.pcm)]...)
		}
	}
	if i < 0 || i+n > len(r.pcm) {
		return nil
	}
	return r.pcm[i : i+n]
}

// best is the correlation of frame with what was played at i, allowing for
// half a sample either way: resamplers delay by fractions.
func (r reader) best(i int, frame []int16) float64 {
	a, b, c := r.at(i-1, len(frame)), r.at(i, len(frame)), r.at(i+1, len(frame))
	top := correlation(b, frame)
	for _, other := range [][]int16{a, c} {
		if other == nil {
			continue
		}
		top = max(top, correlation(other, frame))
		half := make([]int16, len(frame))
		for k := range half {
			half[k] = int16((int(b[k]) + int(other[k])) / 2)
		}
		top = max(top, correlation(half, frame))
	}
	return top
}

// elsewhere looks for frame around i.
func (r reader) elsewhere(i int, frame []int16) int {
	shift, top := 0, alike
	for d := -reach; d <= reach; d++ {
		if other := r.at(i+d, len(frame)); other != nil {
			if like := correlation(other, frame); like > top {
				shift, top = d, like
			}
		}
	}
	return shift
}

// correlation is 1 for the same waveform at any level, 0 for unrelated ones.
func correlation(a, b []int16) float64 {
	if len(a) != len(b) || len(a) == 0 {
		return 0
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// locate finds the lag: first by the envelope, to 5 ms, then to the sample.
func locate(played, recording []int16, loop bool) (int, bool) {
	coarse, top := rough(played, recording, loop)
	if top <= 0 {
		return 0, false
	}
	// Half a second of the loudest sound decides to the sample.
	at := loudest(recording, min(len(recording), Rate/2))
	piece := recording[at : at+min(len(recording)-at, Rate/2)]
	ref := newReader(played, loop)
	fine, like := 0, 0.5 // less is no likeness
	for d := -2 * envelopeHop; d <= 2*envelopeHop; d++ {
		lag := coarse + d
		if c := correlation(ref.at(lag+at, len(piece)), piece); c > like {
			fine, like = lag, c
		}
	}
	return fine, like > 0.5
}

// rough finds the lag to 5 ms, by the envelope alone; the likeness is 0 when there is none.
func rough(played, recording []int16, loop bool) (lag int, like float64) {
	if len(played) < Frame || len(recording) < Rate/2 {
		return 0, 0
	}
	p, r := envelope(played), envelope(recording)
	first, last := -len(r)+1, len(p)-1
	if loop {
		first, last = 0, len(p)-1
	}
	for l := first; l <= last; l++ {
		if c := overlap(p, r, l, loop); c > like {
			lag, like = l*envelopeHop, c
		}
	}
	return lag, like
}

func envelope(pcm []int16) []float64 {
	env := make([]float64, len(pcm)/envelopeHop)
	for i := range env {
		var sum float64
		for _, v := range pcm[i*envelopeHop : (i+1)*envelopeHop] {
			sum += math.Abs(float64(v))
		}
		env[i] = sum
	}
	return env
}

// overlap is the correlation of two envelopes, one moved by lag.
func overlap(p, r []float64, lag int, loop bool) float64 {
	var pr, pp, rr, sp, sr, n float64
	for i, y := range r {
		k := lag + i
		if loop {
			k %= len(p)
		} else if k < 0 || k >= len(p) {
			continue
		}
		x := p[k]
		pr += x * y
		pp += x * x
		rr += y * y
		sp += x
		sr += y
		n++
	}
	// Half a second must overlap, or silence would fit silence.
	if n < Rate/2/envelopeHop {
		return 0
	}
	cov, vp, vr := pr-sp*sr/n, pp-sp*sp/n, rr-sr*sr/n
	if vp <= 0 || vr <= 0 {
		return 0
	}
	return cov / math.Sqrt(vp*vr) * math.Min(1, n/float64(len(r)))
}

func loudest(pcm []int16, n int) int {
	best, top := 0, math.Inf(-1)
	for at := 0; at+n <= len(pcm); at += n / 4 {
		if l := Level(pcm[at : at+n]); l > top {
			best, top = at, l
		}
	}
	return best
}
