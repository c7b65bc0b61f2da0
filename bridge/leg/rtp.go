package leg

import "encoding/binary"

// rtpHeader is the fixed part of an RTP header (RFC 3550 §5.1) and where the
// payload lies in the packet.
type rtpHeader struct {
	marker     bool
	pt         uint8
	seq        uint16
	ts, ssrc   uint32
	start, end int // payload, without padding
}

const rtpHeaderSize = 12

// parseRTP checks that a packet is well-formed RTP with a payload.
func parseRTP(p []byte) (h rtpHeader, ok bool) {
	if len(p) < rtpHeaderSize || p[0]>>6 != 2 {
		return h, false
	}
	h = rtpHeader{
		marker: p[1]&0x80 != 0,
		pt:     p[1] & 0x7f,
		seq:    binary.BigEndian.Uint16(p[2:]),
		ts:     binary.BigEndian.Uint32(p[4:]),
		ssrc:   binary.BigEndian.Uint32(p[8:]),
		start:  rtpHeaderSize + 4*int(p[0]&0x0f), // contributing sources
		end:    len(p),
	}
	if p[0]&0x10 != 0 { // header extension
		if h.start+4 > len(p) {
			return h, false
		}
		h.start += 4 + 4*int(binary.BigEndian.Uint16(p[h.start+2:]))
	}
	if p[0]&0x20 != 0 { // padding, its last byte counts it
		n := int(p[len(p)-1])
		if n == 0 {
			return h, false
		}
		h.end -= n
	}
	return h, h.start < h.end
}

// rewrite puts a plain header right before the payload and returns the new
// packet, which shares p's memory: contributing sources, header extensions and
// padding stay behind, the payload is not moved.
func (h rtpHeader) rewrite(p []byte) []byte {
	out := p[h.start-rtpHeaderSize : h.end]
	putHeader(out, h)
	return out
}

func putHeader(p []byte, h rtpHeader) {
	p[0] = 2 << 6
	p[1] = h.pt
	if h.marker {
		p[1] |= 0x80
	}
	binary.BigEndian.PutUint16(p[2:], h.seq)
	binary.BigEndian.PutUint32(p[4:], h.ts)
	binary.BigEndian.PutUint32(p[8:], h.ssrc)
}
