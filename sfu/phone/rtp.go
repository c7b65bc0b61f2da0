package phone

import (
	"encoding/binary"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// headerSize is an RTP header without CSRCs and extension (RFC 3550 §5.1).
const headerSize = 12

// header is what a packet says about itself.
type header struct {
	marker    bool
	pt        uint8
	seq       uint16
	timestamp uint32
	ssrc      uint32
}

// parse reads an RTP packet and returns its payload, without padding. It
// reports false for anything whose lengths do not add up, and for an empty payload.
func parse(b []byte) (h header, payload []byte, ok bool) {
	if len(b) < headerSize || b[0]>>6 != 2 {
		return h, nil, false
	}
	h = header{
		marker:    b[1]&0x80 != 0,
		pt:        b[1] & 0x7f,
		seq:       binary.BigEndian.Uint16(b[2:]),
		timestamp: binary.BigEndian.Uint32(b[4:]),
		ssrc:      binary.BigEndian.Uint32(b[8:]),
	}
	start, end := headerSize+4*int(b[0]&0x0f), len(b)
	if b[0]&0x10 != 0 { // RFC 3550 §5.3.1: an extension, its length in words after its profile
		if start+4 > end {
			return h, nil, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	if start >= end {
		return h, nil, false
	}
	if b[0]&0x20 != 0 { // §5.1: the last octet counts the padding, itself included
		padding := int(b[end-1])
		if padding == 0 || padding >= end-start {
			return h, nil, false
		}
		end -= padding
	}
	return h, b[start:end], true
}

// put writes the header to b, which has room for it.
func (h header) put(b []byte) {
	b[0], b[1] = 2<<6, h.pt
	if h.marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], h.seq)
	binary.BigEndian.PutUint32(b[4:], h.timestamp)
	binary.BigEndian.PutUint32(b[8:], h.ssrc)
}

// Static payload types (RFC 3551 §6).
const (
	ptPCMU = 0
	ptPCMA = 8
	ptG722 = 9
)

// codecOf returns the codec of a static payload type, room.NoCodec for any other.
func codecOf(pt uint8) room.Codec {
	switch pt {
	case ptPCMU:
		return room.PCMU
	case ptPCMA:
		return room.PCMA
	case ptG722:
		return room.G722
	}
	return room.NoCodec
}

// mixCodec returns the codec as package mix knows it, mix.NoCodec when it does not.
func mixCodec(c room.Codec) mix.Codec {
	switch c {
	case room.PCMU:
		return mix.PCMU
	case room.PCMA:
		return mix.PCMA
	case room.G722:
		return mix.G722
	}
	return mix.NoCodec
}

// legCodec returns what is sent to a phone that speaks c: room and payload type.
func legCodec(c wire.Codec) (room.Codec, uint8) {
	switch c {
	case wire.PCMU:
		return room.PCMU, ptPCMU
	case wire.PCMA:
		return room.PCMA, ptPCMA
	case wire.G722:
		return room.G722, ptG722
	}
	return room.NoCodec, 0
}
