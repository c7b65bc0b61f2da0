package audio

import "math/bits"

// Codec is a telephone codec by its RFC 3551 encoding name. Its methods code
// what has no state: G.711 exactly, of G.722 each piece by itself. See [Coder].
type Codec string

// Codecs, and the static payload types of RFC 3551 §6.
const (
	PCMU Codec = "PCMU"
	PCMA Codec = "PCMA"
	G722 Codec = "G722"

	PayloadPCMU = 0
	PayloadPCMA = 8
	PayloadG722 = 9
)

// PayloadType returns the static RTP payload type of c.
func (c Codec) PayloadType() uint8 {
	switch c {
	case PCMU:
		return PayloadPCMU
	case G722:
		return PayloadG722
	}
	return PayloadPCMA
}

// Silence returns the byte that decodes to the smallest positive sample.
func (c Codec) Silence() byte {
	switch c {
	case PCMU:
		return 0xff
	case G722:
		return 0xfd
	}
	return 0xd5
}

// Encode appends the bytes of pcm to dst.
func (c Codec) Encode(dst []byte, pcm []int16) []byte {
	if c == G722 {
		return new(Coder).Encode(c, dst, pcm)
	}
	for _, s := range pcm {
		if c == PCMU {
			dst = append(dst, encodeMu(s))
		} else {
			dst = append(dst, encodeA(s))
		}
	}
	return dst
}

// Decode appends the samples of payload to dst.
func (c Codec) Decode(dst []int16, payload []byte) []int16 {
	if c == G722 {
		return new(Coder).Decode(c, dst, payload)
	}
	for _, b := range payload {
		if c == PCMU {
			dst = append(dst, decodeMu(b))
		} else {
			dst = append(dst, decodeA(b))
		}
	}
	return dst
}

// encodeA is A-law (G.711 table 1a): the 12-bit magnitude becomes three bits
// of segment and four of position; even bits are inverted on the wire.
func encodeA(s int16) byte {
	sign, mag := byte(0x80), int(s)
	if mag < 0 {
		sign, mag = 0, -mag-1
	}
	mag >>= 3 // 13-bit code: 12 bits of magnitude
	var code byte
	if seg := bits.Len(uint(mag >> 5)); seg == 0 {
		code = byte(mag >> 1)
	} else {
		code = byte(seg<<4) | byte(mag>>seg)&0x0f
	}
	return (sign | code) ^ 0x55
}

func decodeA(b byte) int16 {
	b ^= 0x55
	seg, pos := b>>4&7, int(b&0x0f)
	mag := pos<<4 + 8 // the middle of the step
	if seg > 0 {
		mag = (mag + 0x100) << (seg - 1)
	}
	if b&0x80 == 0 {
		mag = -mag
	}
	return int16(mag)
}

// muBias makes every µ-law segment start at a power of two; muClip is the
// largest magnitude that still fits after adding it (G.711 table 2a).
const (
	muBias = 0x84
	muClip = 32635
)

func encodeMu(s int16) byte {
	sign, mag := byte(0), int(s)
	if mag < 0 {
		sign, mag = 0x80, -mag
	}
	mag = min(mag, muClip) + muBias
	seg := bits.Len(uint(mag>>7)) - 1
	return ^(sign | byte(seg<<4) | byte(mag>>(seg+3))&0x0f)
}

func decodeMu(b byte) int16 {
	b = ^b
	mag := (int(b&0x0f)<<3+muBias)<<(b>>4&7) - muBias
	if b&0x80 != 0 {
		mag = -mag
	}
	return int16(mag)
}
