package peer

import "dialroom/sfu/room"

// isKeyFrame reports whether a packet begins a picture that needs no earlier
// one. Only such a packet may be the first in a slot.
func isKeyFrame(c room.Codec, payload []byte) bool {
	if len(payload) == 0 {
		return false
	}
	switch c {
	case room.VP8:
		return vp8KeyFrame(payload)
	case room.H264:
		return h264KeyFrame(payload)
	case room.VP9:
		// draft-ietf-payload-vp9 §4.2: I, P, L, F, B, E, V, Z; not predicted, begins a frame.
		return payload[0]&0x40 == 0 && payload[0]&0x08 != 0
	case room.AV1:
		// AV1 RTP §4.4: the N bit of the aggregation header begins a coded video sequence.
		return payload[0]&0x08 != 0
	}
	return false
}

// widthOf returns the width in pixels that a key frame tells, 0 when it does not
// or is of a codec that is not looked into.
func widthOf(c room.Codec, payload []byte) uint32 {
	if c != room.VP8 {
		return 0
	}
	// RFC 6386 §9.1: three bytes of frame tag, the start code, 14 bits of width.
	b := payload[vp8Descriptor(payload):]
	if len(b) < 8 || b[3] != 0x9d || b[4] != 0x01 || b[5] != 0x2a {
		return 0
	}
	return uint32(b[6]) | uint32(b[7]&0x3f)<<8
}

// vp8KeyFrame reads the payload descriptor (RFC 7741 §4.2) and the frame's first byte (§4.3).
func vp8KeyFrame(b []byte) bool {
	if b[0]&0x17 != 0x10 { // S set, partition 0
		return false
	}
	n := vp8Descriptor(b)
	return n < len(b) && b[n]&0x01 == 0 // P: 0 for a key frame
}

// vp8Descriptor returns the length of the payload descriptor (RFC 7741 §4.2), at most that of b.
func vp8Descriptor(b []byte) int {
	n := 1
	if b[0]&0x80 != 0 && len(b) > 1 { // X: extensions follow
		x := b[1]
		n = 2
		if x&0x80 != 0 { // I: picture id, of one or two bytes
			if len(b) > n && b[n]&0x80 != 0 {
				n++
			}
			n++
		}
		if x&0x40 != 0 { // L: TL0PICIDX
			n++
		}
		if x&0x30 != 0 { // T or K
			n++
		}
	}
	return min(n, len(b))
}

// h264KeyFrame looks for a sequence parameter set or an IDR slice (RFC 6184 §5.4 to §5.8).
func h264KeyFrame(b []byte) bool {
	const idr, sps, stapA, fuA = 5, 7, 24, 28
	key := func(nal byte) bool { return nal&0x1f == idr || nal&0x1f == sps }
	switch b[0] & 0x1f {
	case stapA:
		for n := 1; n+2 < len(b); {
			size := int(b[n])<<8 | int(b[n+1])
			if key(b[n+2]) {
				return true
			}
			n += 2 + size
		}
		return false
	case fuA:
		return len(b) > 1 && b[1]&0x80 != 0 && key(b[1])
	}
	return key(b[0])
}
