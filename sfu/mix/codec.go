package mix

import "dialroom/sfu/mix/g722"

// Codec is how a payload is coded.
type Codec uint8

// Codecs. Zero is none.
const (
	NoCodec Codec = iota
	PCMU
	PCMA
	G722

	codecCount // not a codec
)

// Known reports whether the package codes c.
func (c Codec) Known() bool { return c > NoCodec && c < codecCount }

// Silence is the payload byte that means silence in G.711. G.722 has none: its
// silence depends on what was coded before.
func (c Codec) Silence() byte {
	if c == PCMA {
		return 0xd5
	}
	return 0xff
}

// Transcode returns the table from payload bytes of one codec to those of the
// other, nil when it takes more than a table (or nothing, for the same codec).
func Transcode(from, to Codec) *[256]byte {
	switch {
	case from == PCMA && to == PCMU:
		return &aToU
	case from == PCMU && to == PCMA:
		return &uToA
	}
	return nil
}

// Decoder decodes the payloads of one stream, in order. The zero value is ready.
type Decoder struct {
	g722 g722.Decoder
}

// Decode writes one sample per payload byte to low, and for G.722 to high,
// which is left as it was for other codecs and may then be nil. It returns how
// many there are.
func (d *Decoder) Decode(c Codec, low, high []int16, payload []byte) int {
	if c == G722 {
		d.g722.Bands(low, high, payload)
	} else {
		c.Decode(low[:0], payload)
	}
	return len(payload)
}

// Encoder encodes one stream, in order. The zero value codes nothing; see Reset.
type Encoder struct {
	codec Codec
	g722  g722.Encoder
}

// Reset begins a stream in codec c.
func (e *Encoder) Reset(c Codec) { *e = Encoder{codec: c} }

// Codec returns what the encoder codes.
func (e *Encoder) Codec() Codec { return e.codec }

// Encode appends the samples coded, one byte per sample. high is the higher
// band of the same length, or nil for none; only G.722 carries it.
func (e *Encoder) Encode(payload []byte, low, high []int16) []byte {
	if e.codec != G722 {
		return e.codec.Encode(payload, low)
	}
	if high == nil {
		high = none[:len(low)]
	}
	return e.g722.Bands(payload, low, high)
}

// none is a higher band without anything in it.
var none [MaxPayload]int16

// Follow prepares the encoder to go on after payloads that were sent without
// it, the last of them last, as if it had made them. Some 80 ms of them are enough.
func (e *Encoder) Follow(payloads ...[]byte) {
	if e.codec != G722 {
		return // no state
	}
	var d g722.Decoder
	var low, high [MaxPayload]int16
	for _, p := range payloads {
		d.Bands(low[:], high[:], p)
	}
	e.g722.Continue(&d)
}
