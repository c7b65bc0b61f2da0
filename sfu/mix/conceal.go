package mix

import "math"

// Concealment of what did not arrive, in samples at Rate.
const (
	// historyLen is how much of what was played is remembered: the longest pitch
	// period and the stretch it is measured on, with room for a second look.
	historyLen = 480
	// minPitch and maxPitch are the periods looked for: 200 Hz down to 50 Hz. A
	// higher voice repeats just as well after two of its periods.
	minPitch, maxPitch = 40, 160
	// pitchWindow is compared with what was one period earlier.
	pitchWindow = 160
	// fullLen is how long a repeated period sounds like the voice going on;
	// over fadeLen it then fades, because longer it would be a buzz.
	fullLen, fadeLen = 80, 400
	// rampLen smooths the step from the last real sample into the repetition.
	rampLen = 32
	// mergeLen is the crossfade from concealment back into real samples.
	mergeLen = 64
)

// unvoiced is the correlation below which there is no pitch worth the name;
// the longest period then repeats, which buzzes least.
const unvoiced = 0.3

// concealer continues a voice from its recent past: it repeats the last pitch
// period and fades it out. It is fed with all that is played.
type concealer struct {
	history [historyLen]int16

	period [maxPitch]int16
	lag    int     // length of the period
	pos    int     // in the period
	played int     // samples since begin
	step   float32 // at the seam, ramped to nothing
}

// remember appends a frame that was played.
func (c *concealer) remember(frame []int16) {
	copy(c.history[:], c.history[len(frame):])
	copy(c.history[historyLen-len(frame):], frame)
}

// begin prepares to continue after the last sample remembered plus tail, the
// samples that were played since.
func (c *concealer) begin(tail []int16) {
	var x [historyLen]int16
	n := copy(x[:], c.history[min(len(tail), historyLen):])
	copy(x[n:], tail)

	c.lag = pitch(&x)
	c.pos, c.played = 0, 0
	copy(c.period[:c.lag], x[historyLen-c.lag:])
	// The end of the period is blended into what came before its beginning, so
	// that it can be repeated without a seam.
	blend := c.lag / 4
	for i := range blend {
		w := float32(i+1) / float32(blend+1)
		now, before := x[historyLen-blend+i], x[historyLen-c.lag-blend+i]
		c.period[c.lag-blend+i] = int16(float32(now)*(1-w) + float32(before)*w)
	}
	c.step = float32(x[historyLen-1]) - float32(x[historyLen-1-c.lag])
}

// silent reports whether the concealment has faded out.
func (c *concealer) silent() bool { return c.played >= fullLen+fadeLen }

// next makes one more sample.
func (c *concealer) next() int16 {
	if c.silent() {
		return 0
	}
	x := float32(c.period[c.pos])
	if c.pos++; c.pos == c.lag {
		c.pos = 0
	}
	if c.played < rampLen {
		x += c.step * float32(rampLen-c.played) / (rampLen + 1)
	} else if c.played >= fullLen {
		x *= float32(fullLen+fadeLen-c.played) / fadeLen
	}
	c.played++
	return clip(x)
}

func clip(x float32) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, x)))
}

// pitch finds the period after which the end of x is most like itself: first
// on every second sample and period, then exactly around the best.
func pitch(x *[historyLen]int16) int {
	best, lag := float32(-1), maxPitch
	for l := minPitch; l <= maxPitch; l += 2 {
		if r := correlate(x[historyLen-pitchWindow:], x[historyLen-pitchWindow-l:], 2); r > best {
			best, lag = r, l
		}
	}
	if best < unvoiced {
		return maxPitch
	}
	coarse := lag
	best = -1
	for l := max(minPitch, coarse-1); l <= min(maxPitch, coarse+1); l++ {
		if r := correlate(x[historyLen-pitchWindow:], x[historyLen-pitchWindow-l:], 1); r > best {
			best, lag = r, l
		}
	}
	return lag
}

// correlate returns the normalised correlation (-1 to 1) of a with the
// beginning of b, looking at every step-th sample.
func correlate(a, b []int16, step int) float32 {
	b = b[:len(a)]
	var ab, aa, bb int64
	for i := 0; i < len(a); i += step {
		x, y := int64(a[i]), int64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return float32(float64(ab) / math.Sqrt(float64(aa)*float64(bb)))
}
