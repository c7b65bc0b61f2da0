package phone

import (
	"dialroom/sfu/mix"
	"dialroom/sfu/room"
)

// Times of a stream, in nanoseconds.
const (
	frameTime = int64(mix.FrameTime)
	// behind is how late a stream may be before it leaves out what it will not
	// send: more than a frame, which is what a switch between ticks and packets can cost.
	behind = 2 * frameTime
	// leap is how far timestamps may run ahead of the clock and still be
	// believed (silence suppression runs with the clock).
	leap = int64(1e9)
)

// maxSeqStep is the largest forward step of sequence numbers that is a loss (as in RFC 3550 A.1).
const maxSeqStep = 3000

// stream numbers the packets to one phone: own frames, and packets of changing
// sources that keep their losses and their order. It is continuous in sequence and
// in time whatever it is made of.
type stream struct {
	seq  uint16 // of the next packet
	ts   uint32
	due  int64 // when ts is due; 0 before the first packet
	mark bool  // the next packet begins something new (RFC 3551 §4.1)

	carrying bool // the source's numbers map to ours by the offsets
	known    bool // in, since and tsOff are of the source that was carried last
	in       uint16
	inAt     int64
	since    int // sequence numbers since the source began; smaller than a wrap
	seqOff   uint16
	tsOff    uint32
}

// own numbers a frame of our own at tick at. It is false when the stream is
// ahead of time by more than a frame and this tick needs none.
func (s *stream) own(at int64) (seq uint16, ts uint32, marker, ok bool) {
	switch {
	case s.due == 0:
		s.due = at
	case at < s.due-frameTime:
		return 0, 0, false, false
	case at-s.due >= behind:
		frames := (at - s.due) / frameTime
		s.due += frames * frameTime
		s.ts += uint32(frames) * mix.FrameSamples
	}
	s.carrying = false
	seq, ts, marker = s.seq, s.ts, s.mark
	s.seq++
	s.ts += mix.FrameSamples
	s.due += frameTime
	s.mark = false
	return seq, ts, marker, true
}

// carry numbers a packet of the source. It is false for one that was sent
// already, or that is older than what the source may send now.
func (s *stream) carry(p *room.Packet) (seq uint16, ts uint32, marker, ok bool) {
	d := int(int16(p.Seq - s.in))
	switch {
	case !s.carrying && s.known && !p.Restart && d <= 0 && -d <= s.since:
		return 0, 0, false, false // a straggler from before the pause
	case !s.carrying || p.Restart || d > maxSeqStep || d < -maxSeqStep:
		s.splice(p)
	case d == 0 || -d > s.since:
		return 0, 0, false, false
	case d < 0:
		return p.Seq + s.seqOff, p.Timestamp + s.tsOff, false, true
	default:
		ahead := int64(int32(p.Timestamp + s.tsOff - s.ts))
		if ahead < 0 || ahead*frameTime/mix.FrameSamples > leap+p.At-s.inAt {
			s.splice(p)
		} else {
			s.since = min(s.since+d, maxSeqStep)
		}
	}
	seq, ts, marker = p.Seq+s.seqOff, p.Timestamp+s.tsOff, s.mark || p.Marker
	s.in, s.inAt = p.Seq, p.At
	n := len(p.Payload)
	s.seq, s.ts = seq+1, ts+uint32(n)
	s.due = p.At + int64(n)*frameTime/mix.FrameSamples
	s.mark = false
	return seq, ts, marker, true
}

// splice continues the stream with p, which does not follow what was carried before.
func (s *stream) splice(p *room.Packet) {
	passed := max(0, p.At-s.due) / (frameTime / mix.FrameSamples)
	if s.due == 0 || passed < mix.FrameSamples {
		passed = 0 // the unevenness of arrival, not a pause
	}
	// A source that paused has gone on counting: then its own gap is the exact one.
	gap := int64(int32(p.Timestamp + s.tsOff - s.ts))
	if !s.known || p.Restart || gap < 0 || gap-passed > mix.FrameSamples*2 || passed-gap > mix.FrameSamples*2 {
		s.tsOff = s.ts + uint32(passed) - p.Timestamp
	}
	s.seqOff = s.seq - p.Seq
	s.since, s.carrying, s.known, s.mark = 0, true, true, true
}

// leave ends the carrying of a source; the next one is another.
func (s *stream) leave() {
	s.carrying, s.known, s.mark = false, false, true
}

// adopt goes on with a source that was mixed until now, from where the mix has
// left it: rest.Timestamp is the sample that the next timestamp belongs to.
func (s *stream) adopt(rest mix.Rest, now int64) {
	s.seqOff = s.seq - (rest.Seq + 1)
	s.tsOff = s.ts - rest.Timestamp
	s.in, s.inAt, s.since = rest.Seq, now, 0
	s.carrying, s.known, s.mark = true, true, true
}

// flushed numbers a packet of n samples that the mix still held; ts is the
// source's timestamp. Between adopt and the first carry.
func (s *stream) flushed(ts uint32, n int) (seq uint16, out uint32, marker bool) {
	seq, out, marker = s.seq, ts+s.tsOff, s.mark
	s.seq++
	s.seqOff++
	s.ts = out + uint32(n)
	s.due += int64(n) * frameTime / mix.FrameSamples
	s.mark = false
	return seq, out, marker
}
