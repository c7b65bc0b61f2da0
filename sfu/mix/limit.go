package mix

// limiter keeps a sum of voices within 16 bits without clipping it: when a frame
// is too loud, all of it becomes quieter, at once but not in a step, and comes back slowly.
type limiter struct {
	loss int32 // 1<<gainBits minus the gain; 0 leaves samples as they are
}

const (
	gainBits = 14
	// attack is the samples over which the gain goes down: 4 ms. What is too loud before it has is clipped.
	attack = 32
	// release is how much of the gain comes back per frame: all of it in 0.4 s.
	release = 1 << gainBits / 20
)

// ramp is the gain over one frame: from one to the other in step samples.
type ramp struct{ from, to, step int32 }

// limit writes the sum to out, both a frame, and returns the gain it took.
func (l *limiter) limit(out []int16, sum []int32) ramp {
	sum = sum[:len(out)]
	low, high := int32(0), int32(0)
	for _, x := range sum {
		low, high = min(low, x), max(high, x)
	}
	peak := max(high, -(low + 1))
	gain := int32(1)<<gainBits - l.loss
	target := min(gain+release, 1<<gainBits)
	if peak > 32767 {
		target = min(target, int32(int64(32767)<<gainBits/int64(peak)))
	}
	r := ramp{gain, target, attack}
	if target > gain {
		r.step = FrameSamples
	}
	l.loss = 1<<gainBits - target
	r.apply(out, sum)
	return r
}

// apply writes the sum to out with the gain, clipped where that was not enough.
func (r ramp) apply(out []int16, sum []int32) {
	sum = sum[:len(out)]
	if r.from == 1<<gainBits && r.to == 1<<gainBits {
		for i, x := range sum {
			out[i] = int16(max(-32768, min(32767, x)))
		}
		return
	}
	for i, x := range sum {
		g := r.to
		if int32(i) < r.step {
			g = r.from + (r.to-r.from)*int32(i+1)/r.step
		}
		y := int64(x) * int64(g) >> gainBits
		out[i] = int16(max(-32768, min(32767, y)))
	}
}
