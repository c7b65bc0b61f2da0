package audio

import "dialroom/sfu/mix/g722"

// Coder codes one stream in each direction, in order: G.722 depends on what
// came before. Its sound is at [Rate] too, the lower band of the two. The zero value
// is ready.
type Coder struct {
	in  g722.Decoder
	out g722.Encoder
}

// Encode appends the bytes of pcm to dst.
func (c *Coder) Encode(codec Codec, dst []byte, pcm []int16) []byte {
	if codec != G722 {
		return codec.Encode(dst, pcm)
	}
	return c.out.Bands(dst, pcm, make([]int16, len(pcm)))
}

// Decode appends the samples of payload to dst.
func (c *Coder) Decode(codec Codec, dst []int16, payload []byte) []int16 {
	if codec != G722 {
		return codec.Decode(dst, payload)
	}
	n := len(dst)
	dst = append(dst, make([]int16, len(payload))...)
	c.in.Bands(dst[n:], make([]int16, len(payload)), payload)
	return dst
}
