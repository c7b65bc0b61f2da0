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
// period and fades it out. It is fed with all that is played. The period is
// found in the lower band and repeated in both.
type concealer struct {
	low, high loop
	wide      bool // high is in use

	lag    int // length of the period
	pos    int // in the period
	played int // samples since begin
}

// loop is the past of one band, and the period of it that is repeated.
type loop struct {
	history [historyLen]int16
	period  [maxPitch]int16
	step    float32 // at the seam, ramped to nothing
}

// remember appends a frame that was played.
func (c *concealer) remember(low, high []int16) {
	c.low.remember(low)
	if c.wide {
		c.high.remember(high)
	}
}

func (l *loop) remember(frame []int16) {
	copy(l.history[:], l.history[len(frame):])
	copy(l.history[historyLen-len(frame):], frame)
}

// begin prepares to continue after the last samples remembered plus the tails,
// the samples that were played since.
func (c *concealer) begin(low, high []int16) {
	x := c.low.past(low)
	c.lag = pitch(&x)
	c.pos, c.played = 0, 0
	c.low.cut(&x, c.lag)
	if c.wide {
		x = c.high.past(high)
		c.high.cut(&x, c.lag)
	}
}

// past returns the newest of what was played, tail included.
func (l *loop) past(tail []int16) (x [historyLen]int16) {
	n := copy(x[:], l.history[min(len(tail), historyLen):])
	copy(x[n:], tail)
	return x
}

// cut makes the last lag samples of x the period.
func (l *loop) cut(x *[historyLen]int16, lag int) {
	copy(l.period[:lag], x[historyLen-lag:])
	// The end of the period is blended into what came before its beginning, so
	// that it can be repeated without a seam.
	blend := lag / 4
	for i := range blend {
		w := float32(i+1) / float32(blend+1)
		now, before := x[historyLen-blend+i], x[historyLen-lag-blend+i]
		l.period[lag-blend+i] = int16(float32(now)*(1-w) + float32(before)*w)
	}
	l.step = float32(x[historyLen-1]) - float32(x[historyLen-1-lag])
}

// silent reports whether the concealment has faded out.
func (c *concealer) silent() bool { return c.played >= fullLen+fadeLen }

// next makes one more sample of each band.
func (c *concealer) next() (low, high int16) {
	if c.silent() {
		return 0, 0
	}
	low = c.low.at(c.pos, c.played)
	if c.wide {
		high = c.high.at(c.pos, c.played)
	}
	if c.pos++; c.pos == c.lag {
		c.pos = 0
	}
	c.played++
	return low, high
}

func (l *loop) at(pos, played int) int16 {
	x := float32(l.period[pos])
	if played < rampLen {
		x += l.step * float32(rampLen-played) / (rampLen + 1)
	} else if played >= fullLen {
		x *= float32(fullLen+fadeLen-played) / fadeLen
	}
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
