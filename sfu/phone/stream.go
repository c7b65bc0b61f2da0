package phone

import (
	"time"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
)

// Times of a stream, in nanoseconds.
const (
	frameTime = int64(mix.FrameTime)
	// behind is how late a stream may be before it leaves out what it will not
	// send: more than a frame, which is what a switch between ticks and packets can cost.
	behind     = 2 * frameTime
	sampleTime = frameTime / mix.FrameSamples
	// stalled is how long a relayed voice may be silent before silence is sent in
	// its place. Every phone bridges that much itself, and a wireless network holds
	// packets back for longer than a few frames, only to bring all of them at once.
	stalled = 250 * int64(time.Millisecond)
	// lateFor is how long, from the first on, packets are dropped that come after
	// silence was sent for their time: what was held back comes in one burst. A
	// source that is late for longer has not gone on counting while it paused.
	lateFor = 200 * int64(time.Millisecond)
	// maxAhead is how far a voice that leaves the mix may put the stream ahead of
	// the clock: as much as the phone would then hear later.
	maxAhead = 2 * frameTime
	// forget is the share of ahead that a packet carried takes away (1/256, a time constant of
	// five seconds), so that a source whose clock drifts is no lead.
	forget = 256
	// evenness is how early a frame may be: less than ticks are apart, more than nothing.
	evenness = 2 * int64(time.Millisecond)
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
	seq uint16 // of the next packet
	ts  uint32
	due int64 // when ts is due; 0 before the first packet
	// ahead is how far the stream was ahead of the clock when due was last set
	// right by a packet that was carried.
	ahead  int64
	mark   bool // the next packet begins something new (RFC 3551 §4.1)
	rested bool // the last frame was left out

	carrying bool // the source's numbers map to ours by the offsets
	known    bool // in, since and tsOff are of the source that was carried last
	in       uint16
	inAt     int64
	since    int // sequence numbers since the source began; smaller than a wrap
	seqOff   uint16
	tsOff    uint32
	lateAt   int64 // when the first packet came for whose time silence was sent; 0: none
}

// early reports whether what was sent lasts so long that the next tick is soon enough.
func (s *stream) early(at int64) bool { return s.due-at > evenness }

// rest prepares for a frame of silence at tick at, the moment to come back to the
// clock unheard. It is true when the frame is to be left out.
func (s *stream) rest(at int64) bool {
	switch {
	case s.early(at):
		// A frame now would put the stream ahead by as much as the first packet of
		// a voice does that comes between two ticks.
		return true
	case s.ahead > frameTime/2 && !s.rested: // never two in a row
		s.rested = true
		s.ahead -= frameTime
		s.due += frameTime
		return true
	case s.ahead < -frameTime:
		s.ahead += frameTime
		s.ts += mix.FrameSamples
	}
	return false
}

// excess returns how many of the n samples that the mix still holds would put
// the stream too far ahead: concealment has been heard in their place.
func (s *stream) excess(n int, now int64) int {
	ahead := s.ahead + s.due - now + int64(n)*sampleTime - frameTime/2
	return min(n, int(max(0, ahead-maxAhead)/sampleTime))
}

// own numbers a frame of our own at tick at.
func (s *stream) own(at int64) (seq uint16, ts uint32, marker bool) {
	switch {
	case s.due == 0:
		s.due = at
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
	s.mark, s.rested = false, false
	return seq, ts, marker
}

// carry numbers a packet of the source. It is false for one that was sent
// already, or that is older than what the source may send now.
func (s *stream) carry(p *room.Packet) (seq uint16, ts uint32, marker, ok bool) {
	d := int(int16(p.Seq - s.in))
	switch {
	case !s.carrying && s.known && !p.Restart && d <= 0 && -d <= s.since:
		return 0, 0, false, false // a straggler from before the pause
	case !s.carrying && s.known && !p.Restart && s.late(p):
		return 0, 0, false, false // sending it now would delay all that follows
	case !s.carrying || p.Restart || d > maxSeqStep || d < -maxSeqStep:
		s.splice(p)
	case d == 0 || -d > s.since:
		return 0, 0, false, false
	case d < 0:
		return p.Seq + s.seqOff, p.Timestamp + s.tsOff, false, true
	default:
		ahead := int64(int32(p.Timestamp + s.tsOff - s.ts))
		if ahead < 0 || ahead*sampleTime > leap+p.At-s.inAt {
			s.splice(p)
		} else {
			s.since = min(s.since+d, maxSeqStep)
		}
	}
	seq, ts, marker = p.Seq+s.seqOff, p.Timestamp+s.tsOff, s.mark || p.Marker
	s.in, s.inAt = p.Seq, p.At
	if s.due != 0 {
		lead := s.due + int64(ts-s.ts)*sampleTime - p.At
		s.ahead += lead - s.ahead/forget
	}
	n := len(p.Payload)
	s.seq, s.ts = seq+1, ts+uint32(n)
	s.due = p.At + int64(n)*sampleTime
	s.mark = false
	return seq, ts, marker, true
}

// late reports whether p belongs to a time for which silence was sent, and is to be dropped.
func (s *stream) late(p *room.Packet) bool {
	if int32(p.Timestamp+s.tsOff-s.ts) >= 0 {
		return false
	}
	if s.lateAt == 0 {
		s.lateAt = p.At
	}
	return p.At-s.lateAt < lateFor
}

// splice continues the stream with p, which does not follow what was carried before.
func (s *stream) splice(p *room.Packet) {
	passed := max(0, p.At-s.due) / sampleTime
	if s.due == 0 || passed < mix.FrameSamples {
		passed = 0 // the unevenness of arrival, not a pause
	}
	// A source that paused has gone on counting: then its own gap is the exact one.
	gap := int64(int32(p.Timestamp + s.tsOff - s.ts))
	if !s.known || p.Restart || gap < 0 || gap-passed > mix.FrameSamples*2 || passed-gap > mix.FrameSamples*2 {
		s.tsOff = s.ts + uint32(passed) - p.Timestamp
	}
	s.seqOff = s.seq - p.Seq
	s.since, s.carrying, s.known, s.mark, s.lateAt = 0, true, true, true, 0
}

// leave ends the carrying of a source; the next one is another.
func (s *stream) leave() {
	s.carrying, s.known, s.mark = false, false, true
}

// adopt goes on with a source that was mixed until now, from where the mix has
// left it: rest.Timestamp is the sample that the next timestamp belongs to.
func (s *stream) adopt(rest mix.Rest, now int64) {
	if s.due == 0 {
		s.due = now
	}
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
	s.due += int64(n) * sampleTime
	s.mark = false
	return seq, out, marker
}
