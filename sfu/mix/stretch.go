package mix

import "time"

// Playing a voice longer or shorter, in samples at Rate.
const (
	// minLag and maxLag bound the pieces inserted or left out: 2.5 ms is the
	// period of the highest voice, 15 ms covers all but the deepest.
	minLag, maxLag = 20, 120
	// fadeOver is the crossfade at the joint, and what is compared to find its place.
	fadeOver = 64
	// lowPower is the power (mean square) under which a joint is heard nowhere: -50 dBov.
	lowPower = 10000
	// least is the delay not worth giving back, and how far a joint may overshoot
	// when delay is needed: 10 ms.
	least = 80
	// restTicks is the pause between two joints, so that speech does not
	// sound hurried; with more than rushAbove samples to lose there is none.
	restTicks, rushAbove = 4, 480
)

// likeness is the correlation a joint must have, and by how much less is good
// enough with every tick that a better one was waited for. Delay that
// is too long can wait for a vowel or a pause; running dry cannot.
const (
	likeness    = 0.92
	spareImpair = 0.01
	needImpair  = 0.05
	worstSpare  = 0.6 // more delay than needed is never worth a click
)

// timeSince is b-a as a duration.
func timeSince(a, b int64) time.Duration { return time.Duration(b - a) }

// adapt plays a frame that is a pitch period longer or shorter than what it
// takes from the buffer, when the delay asks for it and the signal allows it.
// Otherwise it returns false and has played nothing.
func (j *JitterBuffer) adapt(now int64, out []int16) bool {
	wanted := j.delay.wanted(now)
	if wanted >= 0 && wanted < least || wanted < 0 && j.Buffered() > cutBuffered {
		j.wish = 0
		return false
	}
	if j.rest > 0 {
		j.rest--
		return false
	}
	j.wish++
	// The past and the future, side by side; the present is at maxLag.
	var x [maxLag + maxPull]int16
	if wanted > 0 {
		j.fill(maxPull)
	} else {
		j.fill(FrameSamples)
	}
	ready := j.pcm[j.from:j.to]
	if len(ready) < FrameSamples {
		return false
	}
	copy(x[:], j.conceal.low.history[historyLen-maxLag:])
	copy(x[maxLag:], ready)

	sign, limit := -1, min(maxLag, max(least, -wanted))
	enough := likeness - needImpair*float32(j.wish)
	if wanted > 0 {
		sign, limit = 1, min(maxLag, wanted, len(ready)-FrameSamples)
		enough = max(worstSpare, likeness-spareImpair*float32(j.wish))
	}
	if limit < minLag {
		return false
	}
	lag, like := joint(&x, sign, limit)
	if like < enough {
		return false
	}
	shift := sign * lag
	for i := range fadeOver {
		w := float32(i+1) / (fadeOver + 1)
		out[i] = int16(float32(x[maxLag+i])*(1-w) + float32(x[maxLag+shift+i])*w)
	}
	copy(out[fadeOver:], x[maxLag+shift+fadeOver:])
	if j.wide {
		j.shiftHigh(shift)
	}
	j.from += FrameSamples + shift
	j.delay.behind(-shift)
	j.wish, j.rest = 0, restTicks
	if sign > 0 {
		j.stats.Shrunk += uint64(lag)
	} else {
		j.stats.Stretched += uint64(lag)
	}
	if wanted > rushAbove {
		j.rest = 0
	}
	return true
}

// shiftHigh does to the higher band what adapt has done to the lower.
func (j *JitterBuffer) shiftHigh(shift int) {
	var x [maxLag + maxPull]int16
	copy(x[:], j.conceal.high.history[historyLen-maxLag:])
	copy(x[maxLag:], j.high[j.from:j.to])
	for i := range fadeOver {
		w := float32(i+1) / (fadeOver + 1)
		j.outHigh[i] = int16(float32(x[maxLag+i])*(1-w) + float32(x[maxLag+shift+i])*w)
	}
	copy(j.outHigh[fadeOver:], x[maxLag+shift+fadeOver:])
}

// joint finds how far from the present the signal is most like it, at most
// limit samples ahead (sign 1) or back (sign -1), and how alike on a scale to 1.
func joint(x *[maxLag + maxPull]int16, sign, limit int) (lag int, like float32) {
	here := x[maxLag : maxLag+fadeOver]
	var power int64
	for _, v := range here {
		power += int64(v) * int64(v)
	}
	if power < lowPower*fadeOver {
		// Between words any joint will do, but what is jumped to must be quiet too.
		var there int64
		for _, v := range x[maxLag+sign*limit:][:fadeOver] {
			there += int64(v) * int64(v)
		}
		if there < lowPower*fadeOver {
			return limit, 1
		}
	}
	like = -1
	for l := minLag; l <= limit; l++ {
		if r := correlate(here, x[maxLag+sign*l:], 1); r > like {
			lag, like = l, r
		}
	}
	return lag, like
}
