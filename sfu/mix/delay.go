package mix

import (
	"math"
	"time"
)

// What the delay is steered by.
const (
	// keep is the time between a packet's arrival and the tick that needs it
	// below which the voice is played longer: less than that, and the next little
	// unevenness is a gap.
	keep = 1500 * time.Microsecond
	// shed is what must be left of that time after playing the voice
	// shorter. It is more than keep, so that drifting clocks do not make it
	// stretch and shrink in turn.
	shed = 5 * time.Millisecond
	// memory is how long an unpunctual packet is remembered: how often a network
	// may hiccup and still find the delay prepared for it.
	memory = 4 * time.Second
	// patience is how much must have been seen before delay is given up.
	patience = 2 * time.Second
)

// unknown is more samples of slack than there can be.
const unknown = math.MaxInt32 / 2

// delay measures by how many samples playout could be ahead of where it is
// (slack, negative: should be behind) without a packet missing its tick. A tick takes
// whole frames, so most of a move changes nothing; slack says where the steps are.
type delay struct {
	need, spare low   // slack by keep and by shed
	moved       int32 // how far playout has fallen behind since what the windows hold
	since       int64 // first observation, 0: none
}

// observe notes a packet whose first sample is offset samples after the
// playout position and arrived margin before the coming tick.
func (d *delay) observe(at int64, offset int, margin time.Duration) {
	if d.since == 0 {
		d.since = at
	}
	frames := floorDiv(offset, FrameSamples)
	margin += time.Duration(frames) * FrameTime
	within := offset - frames*FrameSamples
	slack := func(left time.Duration) int32 {
		f := floorDiv(int(margin-left), int(FrameTime))
		f = max(-1000, min(1000, f))
		return int32(within+f*FrameSamples) - d.moved
	}
	d.need.note(at, slack(keep))
	d.spare.note(at, slack(shed))
}

// behind notes that playout fell n samples behind (negative: caught up).
func (d *delay) behind(n int) {
	d.moved += int32(n)
	if d.moved > unknown/2 || d.moved < -unknown/2 {
		d.reset() // months of pauses; start over rather than overflow
	}
}

func (d *delay) reset() { *d = delay{} }

// wanted returns by how many samples playout should be ahead of where it is:
// positive shortens the delay, negative lengthens it, 0 leaves it.
func (d *delay) wanted(now int64) int {
	if d.since == 0 {
		return 0
	}
	if need := d.need.least(now); need != unknown && need+d.moved < 0 {
		return int(need + d.moved)
	}
	if now-d.since < int64(patience) {
		return 0
	}
	if spare := d.spare.least(now); spare != unknown && spare+d.moved > 0 {
		return int(spare + d.moved)
	}
	return 0
}

// low is the least of what was noted within memory, by buckets of a tenth.
type low struct {
	bucket [10]int32
	at     int64 // of the current bucket, in buckets since the clock began
}

func (l *low) advance(now int64) {
	b := now/int64(memory/10) + 1 // never 0, which is "nothing noted yet"
	if l.at == 0 || b-l.at >= int64(len(l.bucket)) {
		for i := range l.bucket {
			l.bucket[i] = unknown
		}
		l.at = max(l.at, b)
		return
	}
	for l.at < b {
		l.at++
		l.bucket[l.at%int64(len(l.bucket))] = unknown
	}
}

func (l *low) note(now int64, v int32) {
	l.advance(now)
	p := &l.bucket[l.at%int64(len(l.bucket))]
	*p = min(*p, v)
}

func (l *low) least(now int64) int32 {
	l.advance(now)
	v := int32(unknown)
	for _, b := range l.bucket {
		v = min(v, b)
	}
	return v
}

// floorDiv divides towards minus infinity.
func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
