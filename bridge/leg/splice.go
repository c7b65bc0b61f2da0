package leg

import (
	"math/rand/v2"
	"time"
)

const (
	clockRate = 8000 // Hz, the RTP clock of every phone codec and of telephone-event

	// frameTime and frame are what we offer as ptime, in time and in clock ticks.
	frameTime = 20 * time.Millisecond
	frame     = clockRate / 50

	// dropout is how far sequence numbers may jump and still be the same
	// stream with losses (RFC 3550 A.1, MAX_DROPOUT): a minute of packets.
	dropout = 3000

	// leap is how far a timestamp may run ahead of the wall clock and still be
	// believed. Silence suppression runs with the clock; a sender that jumps
	// has changed what it plays.
	leap = 2 * clockRate
)

// splice makes one continuous RTP stream out of whatever comes in: other
// sources, other codecs, pauses, and packets of our own in between. Losses of
// the incoming stream stay visible as gaps in the outgoing sequence numbers;
// packets left out on purpose do not.
type splice struct {
	live    bool // something was sent
	started bool // something came in
	cut     bool // packets were left out or put in since the last one that came

	ssrc  uint32    // of the incoming stream
	seq   uint16    // its highest sequence number
	ts    uint32    // timestamp of the last packet taken
	inAt  time.Time // and when it came
	floor uint16    // incoming packets before it are too late

	seqOff uint16 // outgoing minus incoming
	tsOff  uint32

	outSeq uint16    // highest sent
	outTS  uint32    // where the outgoing stream is
	outAt  time.Time // at this time
}

// newSplice starts at random numbers (RFC 3550 §5.1).
func newSplice() splice {
	return splice{outSeq: uint16(rand.Uint32()) & firstSeq, outTS: rand.Uint32()}
}

// take maps the header of an incoming packet onto the outgoing stream (the
// SSRC and payload type are the caller's). It is false for a packet that comes
// too late: its place has been given away.
func (s *splice) take(h rtpHeader, now time.Time) (rtpHeader, bool) {
	newer := int16(h.seq - s.seq)
	switch {
	case !s.started, h.ssrc != s.ssrc, newer > dropout, newer < -dropout, newer > 0 && s.leapt(h.ts, now):
		s.seqOff, s.tsOff = s.outSeq+1-h.seq, s.clock(now)-h.ts
		s.started, s.ssrc, s.floor = true, h.ssrc, h.seq
		newer, h.marker = 1, true
	case newer > 0 && s.cut:
		s.seqOff = s.outSeq + 1 - h.seq
		if int32(h.ts+s.tsOff-s.outTS) <= 0 {
			s.tsOff = s.outTS + frame - h.ts // what we put in took longer than the pause
		}
		s.floor, h.marker = h.seq, true
	case newer <= 0 && int16(h.seq-s.floor) < 0:
		return h, false
	}
	in := h
	h.seq, h.ts = h.seq+s.seqOff, h.ts+s.tsOff
	if newer > 0 {
		s.live, s.cut = true, false
		s.seq, s.ts, s.inAt = in.seq, in.ts, now
		s.outSeq, s.outTS, s.outAt = h.seq, h.ts, now
		if int16(s.seq-s.floor) > dropout {
			s.floor = s.seq - dropout // keeps the comparison above away from the wrap
		}
	}
	return h, true
}

// leave notes an incoming packet that is not passed on.
func (s *splice) leave(h rtpHeader) {
	if s.started && h.ssrc == s.ssrc && int16(h.seq-s.seq) > 0 {
		s.seq, s.cut = h.seq, true
	}
}

// put takes the next sequence number for a packet of our own, with the
// timestamp the outgoing stream then has.
func (s *splice) put(ts uint32, now time.Time) uint16 {
	s.live, s.cut = true, true
	s.outSeq++
	s.outTS, s.outAt = ts, now
	return s.outSeq
}

// clock returns the timestamp of a packet sent now that follows the last one.
func (s *splice) clock(now time.Time) uint32 {
	if !s.live {
		return s.outTS
	}
	return s.outTS + max(frame, ticks(now.Sub(s.outAt)))
}

// leapt reports whether a newer packet's timestamp goes backwards or runs off.
func (s *splice) leapt(ts uint32, now time.Time) bool {
	d := int32(ts - s.ts)
	return d < 0 || d > leap && uint32(d) > ticks(now.Sub(s.inAt))+leap
}

// ticks converts a time to RTP clock ticks.
func ticks(d time.Duration) uint32 { return uint32(max(d, 0).Microseconds() * clockRate / 1e6) }
