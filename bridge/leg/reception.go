package leg

import "time"

// reception accounts for the phone's RTP stream as RFC 3550 appendix A does.
type reception struct {
	ssrc    uint32
	started bool
	base    uint16 // first sequence number
	highest uint16
	cycles  uint32 // wraps, shifted left by 16
	got     uint32 // packets of this source

	expectedBefore, gotBefore uint32 // at the last report

	lostBefore int64 // of earlier sources

	ts     uint32 // of the last packet jitter was taken from
	at     time.Time
	jitter uint32 // clock ticks, scaled by 16 (RFC 3550 A.8)
}

// note counts one packet. Jitter is taken only where timed is true: all
// packets of a telephone event carry one timestamp.
func (r *reception) note(h rtpHeader, now time.Time, timed bool) {
	step := int16(h.seq - r.highest)
	if !r.started || h.ssrc != r.ssrc || step > dropout || step < -dropout {
		*r = reception{ssrc: h.ssrc, started: true, base: h.seq, highest: h.seq, lostBefore: r.lost(), jitter: r.jitter}
		step = 0
	}
	r.got++
	if step > 0 {
		if h.seq < r.highest {
			r.cycles += 1 << 16
		}
		r.highest = h.seq
	}
	if !timed {
		return
	}
	if !r.at.IsZero() && step > 0 {
		// RFC 3550 §6.4.1: D = (Rj-Ri) - (Sj-Si), J += (|D|-J)/16.
		d := now.Sub(r.at).Microseconds()*clockRate/1e6 - int64(int32(h.ts-r.ts))
		// A pause or another voice is not jitter.
		if d = max(d, -d); d < leap {
			r.jitter += uint32(d) - (r.jitter+8)>>4
		}
	}
	r.ts, r.at = h.ts, now
}

func (r *reception) extended() uint32 { return r.cycles | uint32(r.highest) }

func (r *reception) expected() uint32 {
	if !r.started {
		return 0
	}
	return r.extended() - uint32(r.base) + 1
}

// lost returns the packets missing so far; duplicates make it smaller (RFC 3550 A.3).
func (r *reception) lost() int64 {
	return r.lostBefore + int64(r.expected()) - int64(r.got)
}

// fraction returns the share of packets lost since it was called last, in 1/256 (RFC 3550 A.3).
func (r *reception) fraction() uint8 {
	expected, got := r.expected()-r.expectedBefore, r.got-r.gotBefore
	r.expectedBefore, r.gotBefore = r.expected(), r.got
	if expected == 0 || got >= expected {
		return 0
	}
	return uint8(min((expected-got)<<8/expected, 255))
}

// jitterTime returns the interarrival jitter as a time.
func (r *reception) jitterTime() time.Duration {
	return time.Duration(r.jitter>>4) * time.Second / clockRate
}
