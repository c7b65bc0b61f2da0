// Package g722 is ITU-T G.722 at 64 kbit/s: wideband speech, 16 kHz, in the
// bandwidth of an ordinary telephone call.
//
// The signal is split into a lower band (up to 4 kHz) and a higher one, both
// sampled at 8 kHz. Each is coded as the difference from its own prediction, the
// lower in six bits and the higher in two, so that one byte is one sample of both.
// Coder and decoder predict from what was coded, and so stay in step:
//
//	16 kHz → split → low, high → [Encoder] → bytes → [Decoder] → low, high → join → 16 kHz
//
// A mixer has no need of split and join: bands add up as signals do, and the
// lower band alone is a narrowband telephone's signal. Bands are at the scale of
// 16-bit samples here, twice the recommendation's own.
//
// Nothing allocates. The package knows nothing of RTP, where G.722 runs on a
// clock of 8 kHz by an old mistake (RFC 3551 §4.5.2).
package g722

// Tables of ITU-T G.722 (09/2012), at 16 bits: quantiser decision levels (table
// 14) and inverse quantisers (tables 15 to 19), and the logarithmic scale factor's
// multipliers, limits and its antilogarithm.
var (
	decision = [...]int32{35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023,
		1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919}
	inverse2 = [4]int32{-7408, -1616, 7408, 1616}
	inverse4 = [16]int32{0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0}
	inverse6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
	weightLow  = [16]int32{-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60}
	weightHigh = [4]int32{798, -214, 798, -214}
	antilog    = [32]int32{
		2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
		2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
	}
)

const (
	maxLogLow, maxLogHigh       = 18432, 22528 // limits of the logarithmic scale factors
	shiftLow, shiftHigh         = 8, 10        // of their antilogarithms
	startLow, startHigh         = 32, 8        // the quantisers' first steps
	decisionHigh                = 564          // the higher band's one decision level
	bandMax               int32 = 16383        // bands have 15 bits
)

// band is the adaptive predictor and quantiser of one band (G.722 §3.6 and
// §6.2.1.4: block 4). The zero value is not ready; see reset.
type band struct {
	s   int32 // predicted sample
	sz  int32 // the part of it that the zeros predict
	nb  int32 // logarithmic scale factor
	det int32 // quantiser step
	r   [2]int32
	a   [2]int32 // poles
	p   [2]int32 // partially reconstructed samples before
	d   [6]int32 // differences before
	b   [6]int32 // zeros
}

// scale adapts the quantiser's step by weight (LOGSCL, SCALEL and their higher-band twins).
func (b *band) scale(weight, limit, shift int32) {
	b.nb = min(max(b.nb*127>>7+weight, 0), limit)
	step, by := antilog[b.nb>>6&31], shift-b.nb>>11
	if by < 0 {
		b.det = step << -by << 2
	} else {
		b.det = step >> by << 2
	}
}

// adapt takes the quantised difference d into the prediction.
func (b *band) adapt(d int32) {
	r, p := sat(b.s+d), sat(b.sz+d) // RECONS, PARREC

	// The poles (UPPOL2, UPPOL1).
	w := sat(b.a[0] * 4)
	if (p ^ b.p[0]) >= 0 {
		w = -w
	}
	w = min(w, 32767) >> 7
	if (p ^ b.p[1]) >= 0 {
		w += 128
	} else {
		w -= 128
	}
	a2 := clamp(w+b.a[1]*32512>>15, 12288)
	w = -192
	if (p ^ b.p[0]) >= 0 {
		w = 192
	}
	a1 := clamp(sat(w+b.a[0]*32640>>15), 15360-a2)
	b.a = [2]int32{a1, a2}
	b.p = [2]int32{p, b.p[0]}

	// The zeros (UPZERO), and what they predict next (FILTEZ).
	step := int32(128)
	if d == 0 {
		step = 0
	}
	sz := int32(0)
	before := d
	for i := range b.b {
		w := b.b[i] * 32640 >> 15
		if (b.d[i] ^ d) >= 0 {
			w += step
		} else {
			w -= step
		}
		b.b[i] = sat(w)
		b.d[i], before = before, b.d[i]
		sz += b.b[i] * sat(b.d[i]*2) >> 15
	}
	b.sz = sat(sz)

	// What the poles predict (FILTEP), and both together (PREDIC).
	b.r = [2]int32{r, b.r[0]}
	b.s = sat(sat(a1*sat(b.r[0]*2)>>15+a2*sat(b.r[1]*2)>>15) + b.sz)
}

// coder is the state that both ends have: of the lower and the higher band.
type coder struct {
	low, high band
	ready     bool
}

func (c *coder) start() {
	if !c.ready {
		c.low.det, c.high.det, c.ready = startLow, startHigh, true
	}
}

// adapt takes one code into both bands.
func (c *coder) adapt(code byte) {
	four := code & 0x3f >> 2
	d := c.low.det * inverse4[four] >> 15
	c.low.scale(weightLow[four], maxLogLow, shiftLow)
	c.low.adapt(d)

	two := code >> 6
	d = c.high.det * inverse2[two] >> 15
	c.high.scale(weightHigh[two], maxLogHigh, shiftHigh)
	c.high.adapt(d)
}

// Decoder decodes one stream. The zero value is ready.
type Decoder struct {
	coder
	join filter
}

// Bands decodes payload into one sample of each band per byte. low and high
// are at least as long as it.
func (d *Decoder) Bands(low, high []int16, payload []byte) {
	d.start()
	low, high = low[:len(payload)], high[:len(payload)]
	for i, code := range payload {
		l := clampBand(d.low.s + d.low.det*inverse6[code&0x3f]>>15)
		h := clampBand(d.high.s + d.high.det*inverse2[code>>6]>>15)
		low[i], high[i] = int16(l*2), int16(h*2)
		d.adapt(code)
	}
}

// Decode appends two samples at 16 kHz per byte.
func (d *Decoder) Decode(pcm []int16, payload []byte) []int16 {
	var low, high [1]int16
	for i := range payload {
		d.Bands(low[:], high[:], payload[i:i+1])
		first, second := d.join.both(int32(low[0])/2, int32(high[0])/2)
		pcm = append(pcm, first, second)
	}
	return pcm
}

// Encoder encodes one stream. The zero value is ready.
type Encoder struct {
	coder
	split filter
}

// Bands appends one byte per sample of the bands, which are equally long.
func (e *Encoder) Bands(payload []byte, low, high []int16) []byte {
	e.start()
	high = high[:len(low)]
	for i := range low {
		payload = append(payload, e.code(int32(low[i])>>1, int32(high[i])>>1))
	}
	return payload
}

// Encode appends one byte per two samples at 16 kHz; a last odd one is left out.
func (e *Encoder) Encode(payload []byte, pcm []int16) []byte {
	e.start()
	for i := 0; i+1 < len(pcm); i += 2 {
		payload = append(payload, e.code(e.split.halves(pcm[i], pcm[i+1])))
	}
	return payload
}

// Split writes the bands of samples at 16 kHz, half as many as there are of those.
func (e *Encoder) Split(low, high, pcm []int16) {
	for i := 0; i+1 < len(pcm); i += 2 {
		l, h := e.split.halves(pcm[i], pcm[i+1])
		low[i/2], high[i/2] = int16(clampBand(l)*2), int16(clampBand(h)*2)
	}
}

// Continue goes on where the encoder was whose stream d has decoded, so that a
// listener's decoder finds no seam. A d that has decoded its last 80 ms is near enough.
func (e *Encoder) Continue(d *Decoder) { e.coder = d.coder }

// code quantises one sample of each band.
func (e *Encoder) code(low, high int32) byte {
	diff := sat(low - e.low.s) // SUBTRA, QUANTL
	size := magnitude(diff)
	step := 0 // how many decision levels it reaches; they rise
	for jump := 16; jump > 0; jump /= 2 {
		if at := step + jump; at <= len(decision) && size >= decision[at-1]*e.low.det>>12 {
			step = at
		}
	}
	code := byte(61 - step) // table 17: up from 61
	if diff < 0 {
		if code = byte(63 - step); step > 1 {
			code = byte(33 - step) // and down from 63 and 62, and from 31 on
		}
	}

	diff = sat(high - e.high.s) // SUBTRA, QUANTH
	two := byte(3)
	if diff < 0 {
		two = 1
	}
	if magnitude(diff) >= decisionHigh*e.high.det>>12 {
		two--
	}
	code |= two << 6
	e.adapt(code)
	return code
}

// magnitude takes negative differences by their ones' complement, as the recommendation does.
func magnitude(diff int32) int32 {
	if diff < 0 {
		return ^diff
	}
	return diff
}

func sat(x int32) int32          { return min(max(x, -32768), 32767) }
func clamp(x, limit int32) int32 { return min(max(x, -limit), limit) }
func clampBand(x int32) int32    { return min(max(x, -bandMax-1), bandMax) }

// Meter follows how loud a stream is without decoding it. The zero value is ready.
type Meter struct {
	low   band // its scale factor only
	ready bool
}

// predicted is the power that the predictor takes out of speech, on average: what
// is coded is that much less. 6 dB.
const predicted = 4

// Power returns the mean square of the payload's samples, at the scale of 16
// bits, estimated from the steps of the lower band's quantiser: within 6 dB for
// speech, which is as good as a level needs to be.
func (m *Meter) Power(payload []byte) float64 {
	if !m.ready {
		m.low.det, m.ready = startLow, true
	}
	var sum uint64
	for _, code := range payload {
		d := m.low.det * inverse6[code&0x3f] >> 15
		sum += uint64(d * d)
		m.low.scale(weightLow[code&0x3f>>2], maxLogLow, shiftLow)
	}
	return float64(sum) / float64(max(len(payload), 1)) * 4 * predicted
}
