package audio

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"path/filepath"
	"testing"
)

func TestEveryG711CodeDecodesToASampleThatEncodesToIt(t *testing.T) {
	for _, c := range []Codec{PCMA, PCMU} {
		for b := range 256 {
			if c == PCMU && b == 0x7f {
				continue // µ-law has two zeros; minus zero encodes as plus zero
			}
			pcm := c.Decode(nil, []byte{byte(b)})
			if got := c.Encode(nil, pcm)[0]; got != byte(b) {
				t.Errorf("%s: %#02x decodes to %d, which encodes to %#02x", c, b, pcm[0], got)
			}
		}
	}
}

// The checksums are of the 256 codes in order as ffmpeg 7 decodes them, 16-bit little endian.
func TestEveryG711CodeDecodesAsFFmpegDecodesIt(t *testing.T) {
	for c, want := range map[Codec]string{
		PCMA: "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174",
		PCMU: "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827",
	} {
		sum := sha256.New()
		for b := range 256 {
			s := uint16(c.Decode(nil, []byte{byte(b)})[0])
			sum.Write([]byte{byte(s), byte(s >> 8)})
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != want {
			t.Errorf("%s: checksum %s", c, got)
		}
	}
}

func TestEveryDigitIsHeardInItsTone(t *testing.T) {
	for i := range Digits {
		low, high, ok := DTMF(Digits[i])
		if !ok {
			t.Fatalf("%c has no tone", Digits[i])
		}
		pcm := PCMA.Decode(nil, PCMA.Encode(nil, Tone(Rate, 100, 0.25, low, high)))
		if got, ok := HeardDigit(pcm, Rate); !ok || got != Digits[i] {
			t.Errorf("%c is heard as %c, %v", Digits[i], got, ok)
		}
	}
	for name, pcm := range map[string][]int16{
		"silence":         make([]int16, 800),
		"one tone only":   Tone(Rate, 100, 0.25, 697),
		"other loud tone": Tone(Rate, 100, 0.3, 697, 1209, 400, 500, 2000),
	} {
		if d, ok := HeardDigit(pcm, Rate); ok {
			t.Errorf("%s is heard as %c", name, d)
		}
	}
}

func TestLevelsAreThoseOfFullScaleSines(t *testing.T) {
	if got := Level(Tone(Rate, 1000, 0.5, 1000)); math.Abs(got+6.02) > 0.1 {
		t.Errorf("half scale is %.2f dB", got)
	}
	if got := Power(Tone(Rate, 1000, 0.5, 1000), Rate, 1000); math.Abs(got+6.02) > 0.1 {
		t.Errorf("power at its frequency is %.2f dB", got)
	}
	if got := Power(Tone(Rate, 1000, 0.5, 1000), Rate, 1500); got > -40 {
		t.Errorf("power beside it is %.2f dB", got)
	}
	if got := Level(make([]int16, 10)); !math.IsInf(got, -1) {
		t.Errorf("silence is %.2f dB", got)
	}
}

func TestResamplingKeepsTonesAndTheirLevel(t *testing.T) {
	for _, tc := range []struct{ from, to int }{{48000, 8000}, {8000, 48000}, {44100, 8000}} {
		pcm := Resample(Tone(tc.from, 1000, 0.5, 1000), tc.from, tc.to)
		if got := Power(pcm, tc.to, 1000); math.Abs(got+6.02) > 0.2 || len(pcm) != tc.to {
			t.Errorf("%d to %d: %.2f dB in %d samples", tc.from, tc.to, got, len(pcm))
		}
	}
	if got := Level(Resample(Tone(48000, 1000, 0.5, 6000), 48000, 8000)); got > -50 {
		t.Errorf("6 kHz is still there at 8000 Hz: %.1f dB", got)
	}
}

func TestAWAVFileIsReadBackAsWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.wav")
	w := WAV{Rate: 48000, Channels: 2, Samples: []int16{1, -2, 3, math.MaxInt16, math.MinInt16, 0}}
	if err := w.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadWAV(path)
	if err != nil || got.Rate != 48000 || got.Channels != 2 || len(got.Samples) != 6 || got.Samples[4] != math.MinInt16 {
		t.Errorf("read %+v, %v", got, err)
	}
}

func FuzzParseWAV(f *testing.F) {
	whole := WAV{Rate: Rate, Channels: 1, Samples: []int16{1, 2, 3}}.Bytes()
	f.Add(whole)
	f.Add(whole[:46])
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ParseWAV(b); err != nil && !errors.Is(err, ErrWAV) {
			t.Errorf("error is %v", err)
		}
	})
}
