package mix

import (
	"math"
	"testing"
)

func TestEveryByteSurvivesDecodingAndEncoding(t *testing.T) {
	for i := range 256 {
		b := byte(i)
		if got := PCMA.Encode(nil, PCMA.Decode(nil, []byte{b})); got[0] != b {
			t.Errorf("PCMA %#02x becomes %#02x", b, got[0])
		}
		// µ-law has two zeros; the negative one is not sent (G.711 table 2b, note).
		if got := PCMU.Encode(nil, PCMU.Decode(nil, []byte{b})); got[0] != b && b != 0x7f {
			t.Errorf("PCMU %#02x becomes %#02x", b, got[0])
		}
	}
}

func TestValuesOfTheRecommendation(t *testing.T) {
	for _, c := range []struct {
		codec Codec
		b     byte
		x     int16
	}{
		{PCMU, 0xff, 0}, {PCMU, 0x80, 32124}, {PCMU, 0x00, -32124}, {PCMU, 0xfe, 8}, {PCMU, 0x7e, -8}, {PCMU, 0xf0, 120}, {PCMU, 0xef, 132},
		{PCMA, 0xd5, 8}, {PCMA, 0x55, -8}, {PCMA, 0xaa, 32256}, {PCMA, 0x2a, -32256}, {PCMA, 0xc5, 264}, {PCMA, 0xf5, 528},
	} {
		if x := c.codec.Decode(nil, []byte{c.b}); x[0] != c.x {
			t.Errorf("codec %d: %#02x is %d, want %d", c.codec, c.b, x[0], c.x)
		}
	}
}

// The recommendation's decision values are those of 13 and 14 bits and, where the step
// changes, not in the middle: "nearest" is meant with that much grace.
func TestSamplesAreCodedToTheNearestStep(t *testing.T) {
	for _, codec := range []Codec{PCMU, PCMA} {
		var all [256]byte
		for i := range all {
			all[i] = byte(i)
		}
		steps := codec.Decode(nil, all[:])
		for x := math.MinInt16; x <= math.MaxInt16; x += 3 {
			got := abs(x - int(codec.Decode(nil, codec.Encode(nil, []int16{int16(x)}))[0]))
			best := got
			for _, s := range steps {
				best = min(best, abs(x-int(s)))
			}
			if got > best+abs(x)/60+8 {
				t.Fatalf("codec %d: %d is %d off, %d would do", codec, x, got, best)
			}
		}
	}
}

func TestTranscodingIsOneTableLookup(t *testing.T) {
	tone := chirp(800)
	for _, c := range []struct{ from, to Codec }{{PCMA, PCMU}, {PCMU, PCMA}} {
		table := Transcode(c.from, c.to)
		in := c.from.Encode(nil, tone)
		out := make([]byte, len(in))
		for i, b := range in {
			out[i] = table[b]
		}
		if s := snr(tone, c.to.Decode(nil, out)); s < 31 {
			t.Errorf("%d to %d: SNR %.1f dB", c.from, c.to, s)
		}
		if x := c.to.Decode(nil, []byte{table[c.from.Silence()]}); abs(int(x[0])) > 8 {
			t.Errorf("%d to %d: silence becomes %d", c.from, c.to, x[0])
		}
	}
	if Transcode(PCMA, PCMA) != nil {
		t.Error("the same codec needs no table")
	}
}

func TestLevelIsInDecibelsBelowOverload(t *testing.T) {
	for _, codec := range []Codec{PCMU, PCMA} {
		for _, c := range []struct {
			amplitude float64
			want      int
		}{{32000, 3}, {3200, 23}, {320, 43}, {0, 127}} {
			x := make([]int16, 160)
			for i := range x {
				x[i] = int16(c.amplitude * math.Sin(2*math.Pi*float64(i)/16))
			}
			if got := int(new(Meter).Level(codec, codec.Encode(nil, x))); abs(got-c.want) > 1 {
				t.Errorf("codec %d, amplitude %v: %d, want %d", codec, c.amplitude, got, c.want)
			}
		}
	}
	if new(Meter).Level(PCMA, nil) != 127 {
		t.Error("nothing must be silence")
	}
}
