package mix

// Codec is how a payload is coded.
type Codec uint8

// Codecs. Zero is none.
const (
	NoCodec Codec = iota
	PCMU
	PCMA

	codecCount // not a codec
)

// Decoder decodes the payloads of one stream, in order. A codec with a state
// has a decoder per stream; G.722 at this package's rate is its lower band.
type Decoder interface {
	// Decode appends the payload's samples at Rate, one per payload byte.
	Decode(pcm []int16, payload []byte) []int16
}

// Encoder encodes one stream, in order.
type Encoder interface {
	// Encode appends the samples coded, one byte per sample.
	Encode(payload []byte, pcm []int16) []byte
}

// newDecoder returns a decoder for c, nil when there is none.
func newDecoder(c Codec) Decoder {
	switch c {
	case PCMU, PCMA:
		return c // no state: the codec decodes itself
	}
	return nil
}

// newEncoder returns an encoder for c, nil when there is none.
func newEncoder(c Codec) Encoder {
	switch c {
	case PCMU, PCMA:
		return c
	}
	return nil
}

// Known reports whether the package codes c.
func (c Codec) Known() bool { return c > NoCodec && c < codecCount }

// Silence is the payload byte that means silence.
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
