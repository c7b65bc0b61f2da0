package mix

import "math/bits"

// Tables of ITU-T G.711, made once and only read. Samples are at the full 16-bit
// scale: µ-law reaches ±32124, A-law ±32256.
var (
	fromU, fromA = decodeTable(decodeU), decodeTable(decodeA)
	aToU, uToA   = transcodeTable(&fromA, encodeU), transcodeTable(&fromU, encodeA)
	powerU       = powerTable(&fromU)
	powerA       = powerTable(&fromA)
)

func decodeTable(decode func(byte) int16) (t [256]int16) {
	for i := range t {
		t[i] = decode(byte(i))
	}
	return t
}

func transcodeTable(from *[256]int16, encode func(int16) byte) (t [256]byte) {
	for i := range t {
		t[i] = encode(from[i])
	}
	return t
}

func powerTable(from *[256]int16) (t [256]uint32) {
	for i, x := range from {
		t[i] = uint32(int32(x) * int32(x))
	}
	return t
}

// bias makes µ-law's segments powers of two (G.711 §3.2: 33 at 14 bits).
const bias = 33 << 2

// decodeU expands a µ-law byte: inverted bits, sign, 3 bits segment, 4 bits step.
func decodeU(b byte) int16 {
	b = ^b
	x := (int32(b&0x0f)<<3+bias)<<(b>>4&7) - bias
	if b&0x80 != 0 {
		return int16(-x)
	}
	return int16(x)
}

// encodeU compresses a sample to µ-law. Negative samples are taken by their
// ones' complement, so that both signs share one decision ladder.
func encodeU(x int16) byte {
	sign := uint32(uint16(x)>>15) << 7
	m := uint32(uint16(x)^uint16(x>>15)) + bias
	m = min(m, 0x7fff)
	segment := uint32(bits.Len32(m)) - 8
	return ^byte(sign | segment<<4 | m>>(segment+3)&0x0f)
}

// decodeA expands an A-law byte: even bits inverted, a set sign bit is positive.
func decodeA(b byte) int16 {
	b ^= 0x55
	x, segment := int32(b&0x0f)<<4+8, b>>4&7
	if segment > 0 {
		x = (x + 0x100) << (segment - 1)
	}
	if b&0x80 == 0 {
		return int16(-x)
	}
	return int16(x)
}

// encodeA compresses a sample to A-law.
func encodeA(x int16) byte {
	sign := uint32(^uint16(x)>>15) << 7
	m := uint32(uint16(x)^uint16(x>>15)) >> 4
	if m >= 16 {
		segment := uint32(bits.Len32(m)) - 5
		m = (segment+1)<<4 | m>>segment&0x0f
	}
	return byte(sign|m) ^ 0x55
}

// Decode appends the samples of a G.711 payload; see [Decoder] for all codecs.
func (c Codec) Decode(pcm []int16, payload []byte) []int16 {
	table := &fromU
	if c == PCMA {
		table = &fromA
	}
	for _, b := range payload {
		pcm = append(pcm, table[b])
	}
	return pcm
}

// Encode appends the samples coded in G.711; see [Encoder] for all codecs.
func (c Codec) Encode(payload []byte, pcm []int16) []byte {
	if c == PCMA {
		for _, x := range pcm {
			payload = append(payload, encodeA(x))
		}
		return payload
	}
	for _, x := range pcm {
		payload = append(payload, encodeU(x))
	}
	return payload
}

// power returns the mean square of a G.711 payload's samples. Every second one is enough for a level.
func (c Codec) power(payload []byte) float64 {
	table := &powerU
	if c == PCMA {
		table = &powerA
	}
	var sum uint64
	for i := 0; i < len(payload); i += 2 {
		sum += uint64(table[payload[i]])
	}
	return float64(sum) / float64((len(payload)+1)/2)
}
