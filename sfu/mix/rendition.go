package mix

import (
	"github.com/pion/opus"

	"dialroom/sfu/mix/g722"
)

// A browser that cannot send a phone codec is heard by phones all the same: its
// Opus is decoded and coded as G.722, packet by packet as they come, and from there on
// it is a voice like any other, relayed or mixed, lost packets and all. It costs what
// a decoder costs, so it is done only while somebody speaks.

const (
	// audible is the level in -dBov from which on a packet is worth decoding, as
	// the browser measured it (RFC 6464). Speech is at 20 to 45, a quiet room at 60 to 80.
	audible = 60
	// hangover is how many packets follow the last audible one: the ends of words
	// are quiet. 20 ms each, in nearly every browser.
	hangover = 20
	// comfort is the largest payload that is no sound: RFC 6716 §3.2.1 has a byte
	// of contents and no frame, which is what DTX sends.
	comfort = 2
	// opusRate is Opus' RTP clock (RFC 7587 §4.1), in timestamps of ours.
	opusRate = 48000 / Rate
)

// opusDecoder is the one thing wanted of a decoder: to decode a packet at 16
// kHz. It returns the samples it wrote.
type opusDecoder interface {
	DecodeToInt16(packet []byte, pcm []int16) (int, error)
}

// Rendition makes G.722 packets of one Opus stream.
type Rendition struct {
	decoder opusDecoder
	encoder g722.Encoder
	pcm     [2 * MaxPayload]int16
	payload [MaxPayload]byte

	begun    bool
	seq      uint16 // of the last packet in
	ts       uint32 // its timestamp
	unwound  int64  // the same, without wraps
	left     uint16 // packets left out
	restart  bool   // the next packet out begins a new stream
	levels   bool   // the browser tells levels
	speaking int    // packets until nobody does
	errors   uint64
}

// NewRendition returns one whose decoder has heard nothing. It takes some 160 KB.
func NewRendition() (*Rendition, error) {
	d, err := opus.NewDecoderWithOutput(2*Rate, 1)
	if err != nil {
		return nil, err
	}
	return &Rendition{decoder: &d}, nil
}

// Errors counts the packets that could not be decoded.
func (r *Rendition) Errors() uint64 { return r.errors }

// Convert turns an Opus packet into a G.722 packet. level is in -dBov, 127 for
// silence or when the browser does not tell. It is false for a packet that makes no
// sound, and for one that comes too late. The payload is valid until the next call.
func (r *Rendition) Convert(p *Packet, level uint8) (out Packet, ok bool) {
	switch step := int16(p.Seq - r.seq); {
	case !r.begun || p.Restart:
		r.begun, r.restart, r.left, r.unwound = true, p.Restart, 0, int64(p.Timestamp)
	case step <= 0:
		return out, false // a decoder takes packets in their order only
	default:
		r.unwound += int64(int32(p.Timestamp - r.ts))
	}
	r.seq, r.ts = p.Seq, p.Timestamp
	if !r.gate(len(p.Payload), level) {
		r.left++
		return out, false
	}
	n := r.decode(p.Payload)
	if n == 0 {
		r.left++
		return out, false
	}
	restart := r.restart
	r.restart = false
	return Packet{
		Seq: p.Seq - r.left, Codec: G722, Restart: restart, Timestamp: uint32(r.unwound / opusRate),
		Payload: r.encoder.Encode(r.payload[:0], r.pcm[:n]), At: p.At,
	}, true
}

// gate reports whether the packet is to be decoded.
func (r *Rendition) gate(size int, level uint8) bool {
	r.levels = r.levels || level != 127
	switch {
	case size <= comfort:
		r.speaking = 0
	case level <= audible || !r.levels:
		r.speaking = hangover
	default:
		r.speaking--
	}
	return r.speaking > 0
}

// decode fills pcm and returns how many samples it holds, an even number; 0 for
// a packet that is none. The decoder is another project's and young: should it
// panic on bytes from outside, then only these are lost.
func (r *Rendition) decode(packet []byte) (n int) {
	defer func() {
		if recover() != nil {
			n = 0
			r.errors++
		}
	}()
	n, err := r.decoder.DecodeToInt16(packet, r.pcm[:])
	if err != nil || n < 0 || n > len(r.pcm) {
		r.errors++
		return 0
	}
	return n &^ 1
}
