package g722

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// signal is two seconds at 16 kHz of all that is hard: vowels, hiss, a sweep
// over both bands, silence, and noise at full scale. Nothing in it depends on the
// machine: sines come from an integer recurrence.
func signal() []int16 {
	const n = 32000
	pcm := make([]int16, n)
	r := rand.New(rand.NewPCG(7, 22))
	noise := func(amplitude int) int { return r.IntN(2*amplitude+1) - amplitude }
	// A resonator rings at a pitch: x[n] = (2 cos w) x[n-1] - 0.98 x[n-2] + pulse, in 1/16384.
	var y1, y2 int64
	vowel := func(i, pitch int, c int64) int {
		pulse := int64(0)
		if i%pitch == 0 {
			pulse = 9000
		}
		y := (c*y1-16056*y2)>>14 + pulse
		y1, y2 = y, y1
		return int(min(max(y, -30000), 30000))
	}
	for i := range pcm {
		switch part := i / 3200; part {
		case 0, 3:
			pcm[i] = int16(vowel(i, 133, 31500))
		case 1:
			pcm[i] = int16(noise(3000))
		case 2:
			pcm[i] = int16(vowel(i, 71, 28000))
		case 4: // silence
		case 5: // a square wave that gets faster, up to 8 kHz
			if i/(1+(3200-i%3200)/100)%2 == 0 {
				pcm[i] = 20000
			} else {
				pcm[i] = -20000
			}
		case 6:
			pcm[i] = int16(noise(32767))
		case 7: // full scale square
			pcm[i] = int16(1-i/40%2*2) * 32767
		case 8:
			pcm[i] = int16(noise(8))
		default:
			pcm[i] = int16(vowel(i, 90, 24000) + noise(400))
		}
	}
	return pcm
}

func samples(b []byte) []int16 {
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return out
}

func toBytes(pcm []int16) []byte {
	var b []byte
	for _, x := range pcm {
		b = binary.LittleEndian.AppendUint16(b, uint16(x))
	}
	return b
}

// reference is what another implementation makes of signal, see testdata/README.
func reference(t *testing.T) (coded []byte, decoded []int16) {
	t.Helper()
	coded, err := os.ReadFile("testdata/signal.g722")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/signal.decoded.s16le")
	if err != nil {
		t.Fatal(err)
	}
	return coded, samples(raw)
}

func TestCodingIsBitExactWithTheReferenceVectors(t *testing.T) {
	coded, decoded := reference(t)
	var e Encoder
	got := e.Encode(nil, signal())
	if i := firstByte(got, coded); i >= 0 {
		t.Errorf("byte %d of %d differs", i, len(coded))
	}
	var d Decoder
	out := d.Decode(nil, coded)
	if i := firstByte(toBytes(out), toBytes(decoded)); i >= 0 {
		t.Errorf("decoded sample %d of %d differs", i/2, len(decoded))
	}
}

func firstByte(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	if len(a) != len(b) {
		return min(len(a), len(b))
	}
	return -1
}

func ffmpeg(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-v", "error", "-nostdin"}, args...)...)
	if stdin != nil {
		in := filepath.Join(t.TempDir(), "in")
		if err := os.WriteFile(in, stdin, 0o600); err != nil {
			t.Fatal(err)
		}
		for i, a := range cmd.Args {
			if a == "IN" {
				cmd.Args[i] = in
			}
		}
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, &complaint)
	}
	return out
}

// The vectors in testdata were made by the same commands; see its README.
func TestCodingIsBitExactWithFFmpegWhereItIsInstalled(t *testing.T) {
	if _, err := exec.LookPath("ffmpeg"); err != nil {
		t.Log("ffmpeg is not installed; the vectors in testdata were made with it")
		return
	}
	r := rand.New(rand.NewPCG(1, 1))
	random := make([]byte, 40000)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	coded := ffmpeg(t, toBytes(signal()), "-f", "s16le", "-ar", "16000", "-ac", "1", "-i", "IN", "-c:a", "g722", "-f", "g722", "-")
	var e Encoder
	if i := firstByte(e.Encode(nil, signal()), coded); i >= 0 {
		t.Errorf("byte %d differs", i)
	}
	for name, payload := range map[string][]byte{"what ffmpeg coded": coded, "any bytes": random} {
		want := samples(ffmpeg(t, payload, "-f", "g722", "-i", "IN", "-f", "s16le", "-"))
		var d Decoder
		if i := firstByte(toBytes(d.Decode(nil, payload)), toBytes(want)); i >= 0 {
			t.Errorf("%s: sample %d differs", name, i/2)
		}
	}
}

func rms(x []int16) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(max(len(x), 1)))
}

func TestBandsAreTheSignalHalvedInRate(t *testing.T) {
	coded, want := reference(t)
	// Split, coded and decoded as bands, and joined: the same bits.
	pcm := signal()
	low, high := make([]int16, len(pcm)/2), make([]int16, len(pcm)/2)
	var split, e Encoder
	split.Split(low, high, pcm)
	if i := firstByte(e.Bands(nil, low, high)[:9000], coded[:9000]); i >= 0 { // noise at full scale leaves the bands' range
		t.Errorf("byte %d differs", i)
	}
	var d Decoder
	d.Bands(low, high, coded)
	for i := range low {
		first, second := d.join.both(int32(low[i])/2, int32(high[i])/2)
		if first != want[2*i] || second != want[2*i+1] {
			t.Fatalf("sample %d differs", 2*i)
		}
	}
	// A tone of 1 kHz is in the lower band, at its own level; one of 6 kHz in the other.
	for _, c := range []struct {
		f         float64
		low, high float64
	}{{1000, 7071, 30}, {6000, 30, 7071}} {
		for i := range pcm {
			pcm[i] = int16(10000 * math.Sin(2*math.Pi*c.f*float64(i)/16000))
		}
		var e Encoder
		e.Split(low, high, pcm)
		if l, h := rms(low[100:]), rms(high[100:]); math.Abs(l-c.low) > 80 || math.Abs(h-c.high) > 80 {
			t.Errorf("%v Hz: %.0f in the lower band, %.0f in the higher", c.f, l, h)
		}
	}
}

// What the listener's decoder has heard before must not ring on: an encoder
// that knows nothing of it codes zeros.
func TestSilenceIsSilentAfterAnySound(t *testing.T) {
	coded, _ := reference(t)
	var e Encoder
	quiet := e.Encode(nil, make([]int16, 1280))
	for end := 160; end <= len(coded); end += 160 {
		var d Decoder
		d.Decode(nil, coded[:end])
		out := d.Decode(nil, quiet)
		if r := rms(out[960:]); r > 40 { // -58 dBov, after full scale noise
			t.Errorf("after %d bytes: %.0f 60 ms into the silence", end, r)
		}
	}
	var d Decoder
	if r := rms(d.Decode(nil, quiet)); r > 2 {
		t.Errorf("silence is %.0f", r)
	}
}

func TestAnEncoderThatContinuesAnothersStreamLeavesNoSeam(t *testing.T) {
	coded, want := reference(t)
	pcm := signal()
	const at = 15000
	for _, c := range []struct {
		heard int // bytes
		off   float64
	}{{at, 0}, {640, 0.15}} {
		var first, second Encoder
		first.Encode(nil, pcm[:2*at])
		second.split = first.split
		var near, listener Decoder
		near.Decode(nil, coded[at-c.heard:at])
		second.Continue(&near)
		listener.Decode(nil, coded[:at])
		out := listener.Decode(nil, second.Encode(nil, pcm[2*at:2*at+640]))
		for i := range out {
			out[i] -= want[2*at+i]
		}
		if r := rms(out) / rms(want[2*at:2*at+640]); r > c.off {
			t.Errorf("after %d bytes: off by %.2f of the signal", c.heard, r)
		}
	}
}

func TestNothingAllocates(t *testing.T) {
	pcm := signal()[:320]
	var e Encoder
	var d Decoder
	payload, out := make([]byte, 0, 160), make([]int16, 0, 320)
	if n := testing.AllocsPerRun(100, func() {
		payload = e.Encode(payload[:0], pcm)
		out = d.Decode(out[:0], payload)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkFrame is 20 ms there and back.
func BenchmarkFrame(b *testing.B) {
	pcm := signal()[:320]
	var e Encoder
	var d Decoder
	payload, low, high := make([]byte, 0, 160), make([]int16, 160), make([]int16, 160)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			payload = e.Encode(payload[:0], pcm)
		}
	})
	b.Run("decode to bands", func(b *testing.B) {
		for b.Loop() {
			d.Bands(low, high, payload)
		}
	})
}
