package phone

import (
	"dialroom/sfu/mix"
	"dialroom/sfu/room"
)

// trailLen is how many packets of a source are remembered: 80 ms, after which a
// G.722 decoder that began with them is close to one that heard everything.
const trailLen = 4

// trail is the newest packets of a source.
type trail struct {
	packets  [trailLen]mix.Packet
	payloads [trailLen][mix.MaxPayload]byte
	next     int
	known    int // packets there are
}

// note keeps a copy of a packet if it is the newest.
func (t *trail) note(p *room.Packet) {
	last := t.newest()
	codec := mixCodec(p.Codec)
	switch {
	case t.known == 0:
	case p.Restart || codec != last.Codec:
		t.known = 0
	case int16(p.Seq-last.Seq) <= 0:
		return
	}
	n := copy(t.payloads[t.next][:], p.Payload)
	t.packets[t.next] = mix.Packet{Seq: p.Seq, Codec: codec, Timestamp: p.Timestamp, Payload: t.payloads[t.next][:n], At: p.At}
	t.next = (t.next + 1) % trailLen
	t.known = min(t.known+1, trailLen)
}

// newest returns the last packet; the zero value when there is none.
func (t *trail) newest() *mix.Packet { return &t.packets[(t.next+trailLen-1)%trailLen] }

// oldestFirst fills list with the packets that are known.
func (t *trail) oldestFirst(list []mix.Packet) []mix.Packet {
	for i := trailLen - t.known; i < trailLen; i++ {
		list = append(list, t.packets[(t.next+i)%trailLen])
	}
	return list
}

func (s *source) last() *mix.Packet { return s.recent.newest() }

// prime lets a voice go on after what was relayed of the source.
func (s *source) prime(v *mix.Voice) {
	var list [trailLen]mix.Packet
	packets := s.recent.oldestFirst(list[:0])
	if len(packets) == 0 {
		return
	}
	if s.last().Codec != mix.G722 {
		packets = packets[len(packets)-1:] // no state that would need the others
	}
	v.Prime(packets...)
}

// catchUp makes an encoder go on after what was relayed of the source.
func (s *source) catchUp(e *mix.Encoder) {
	var list [trailLen]mix.Packet
	var payloads [trailLen][]byte
	packets := s.recent.oldestFirst(list[:0])
	for i := range packets {
		payloads[i] = packets[i].Payload
	}
	e.Follow(payloads[:len(packets)]...)
}

// framing watches whether a source's packets are frames of 20 ms, as phones
// expect them. A few that are not do not count.
type framing struct {
	score int
	is    bool // odd
}

const (
	oddStep  = 8           // one packet that is not
	oddAbove = 4 * oddStep // is odd from here
	oddMost  = 5 * 50      // and is even again after five seconds of nothing but frames
)

// note takes a payload's length, in samples, and reports whether the verdict has changed.
func (f *framing) note(n int) bool {
	if n == mix.FrameSamples {
		f.score = max(f.score-1, 0)
	} else {
		f.score = min(f.score+oddStep, oddMost)
	}
	was := f.is
	f.is = f.score >= oddAbove || f.is && f.score > 0
	return f.is != was
}

func (f *framing) odd() bool { return f.is }
