package mix

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"

	"dialroom/sfu/mix/g722"
)

// opusSpeech returns the packets of recorded speech and their sound at 16 kHz.
func opusSpeech(t testing.TB) (packets [][]byte, pcm []int16) {
	t.Helper()
	b, err := os.ReadFile("testdata/speech.opus")
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 2 {
		n := int(binary.BigEndian.Uint16(b))
		packets, b = append(packets, b[2:2+n]), b[2+n:]
	}
	raw, err := os.ReadFile("testdata/speech.s16le")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(raw); i += 2 {
		pcm = append(pcm, int16(binary.LittleEndian.Uint16(raw[i:])))
	}
	return packets, pcm
}

func newRendition(t testing.TB) *Rendition {
	t.Helper()
	r, err := NewRendition()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestOpusSpeechIsHeardAsG722(t *testing.T) {
	packets, want := opusSpeech(t)
	r := newRendition(t)
	var d g722.Decoder
	var heard []int16
	for i, p := range packets {
		out, ok := r.Convert(&Packet{Seq: uint16(65530 + i), Timestamp: ^uint32(0) - 2000 + uint32(i)*960, Payload: p, At: int64(i)}, 30)
		if !ok || len(out.Payload) != FrameSamples || out.Codec != G722 || out.Seq != uint16(65530+i) || out.At != int64(i) {
			t.Fatalf("packet %d: %v, %+v", i, ok, out)
		}
		if first := (int64(^uint32(0)) - 2000) / 6; out.Timestamp != uint32((int64(^uint32(0))-2000+int64(i)*960)/6) || out.Timestamp-uint32(first) > uint32(i+1)*160 {
			t.Fatalf("packet %d: timestamp %d", i, out.Timestamp)
		}
		heard = d.Decode(heard, out.Payload)
	}
	half := func(x []int16) []int16 {
		low, high := make([]int16, len(x)/2), make([]int16, len(x)/2)
		new(g722.Encoder).Split(low, high, x)
		return low
	}
	best := 0.0
	for delay := range 200 { // Opus' own, some 6 ms, and the filters'
		best = max(best, snr(half(want)[:12000], half(heard)[delay:delay+12000]))
	}
	if best < 12 { // G.722 has some 20 dB, of which the alignment to whole samples takes a part
		t.Errorf("SNR %.1f dB", best)
	}
}

func TestOpusIsDecodedOnlyWhileSomebodySpeaks(t *testing.T) {
	packets, _ := opusSpeech(t)
	r := newRendition(t)
	decoded := 0
	r.decoder = counting{r.decoder, &decoded}
	seq, next := uint16(0), uint16(0)
	say := func(n int, level uint8, payload func(int) []byte) (sent int) {
		for i := range n {
			seq++
			out, ok := r.Convert(&Packet{Seq: seq, Timestamp: uint32(seq) * 960, Payload: payload(i)}, level)
			if !ok {
				continue
			}
			sent++
			if next != 0 && out.Seq != next {
				t.Errorf("sequence %d, want %d: what is left out on purpose is not lost", out.Seq, next)
			}
			if out.Timestamp != uint32(seq)*160 {
				t.Errorf("timestamp %d", out.Timestamp)
			}
			next = out.Seq + 1
		}
		return sent
	}
	speech := func(i int) []byte { return packets[i%len(packets)] }
	if n := say(20, 80, speech); n != 0 {
		t.Errorf("%d packets of a quiet room", n)
	}
	if n := say(20, 30, speech); n != 20 {
		t.Errorf("%d of 20 packets of speech", n)
	}
	if n := say(100, 80, speech); n >= 2*hangover || n < hangover/2 {
		t.Errorf("%d packets after the last word", n)
	}
	say(5, 30, speech)
	if n := say(50, 127, func(int) []byte { return []byte{0x78} }); n != 0 {
		t.Errorf("%d packets of nothing (DTX)", n)
	}
	if decoded >= 70 {
		t.Errorf("%d packets were decoded", decoded)
	}
	// A browser that tells no levels is heard whenever it sends sound.
	r = newRendition(t)
	next = 0
	if n := say(30, 127, speech); n != 30 {
		t.Errorf("%d of 30 packets without a level", n)
	}
}

type counting struct {
	opusDecoder
	n *int
}

func (c counting) DecodeToInt16(p []byte, pcm []int16) (int, error) {
	*c.n++
	return c.opusDecoder.DecodeToInt16(p, pcm)
}

func TestLostOpusPacketsStayLostAndLateOnesAreDropped(t *testing.T) {
	packets, _ := opusSpeech(t)
	r := newRendition(t)
	var got []uint16
	for _, seq := range []uint16{1, 2, 5, 4, 5, 6} {
		if out, ok := r.Convert(&Packet{Seq: seq, Timestamp: uint32(seq) * 960, Payload: packets[seq]}, 30); ok {
			got = append(got, out.Seq)
		}
	}
	if len(got) != 4 || got[2] != 5 || got[3] != 6 {
		t.Errorf("%v", got)
	}
	out, ok := r.Convert(&Packet{Seq: 9000, Timestamp: 5, Restart: true, Payload: packets[0]}, 30)
	if !ok || !out.Restart || out.Seq != 9000 {
		t.Errorf("%v, %+v", ok, out)
	}
}

type panicking struct{}

func (panicking) DecodeToInt16([]byte, []int16) (int, error) { panic("bug") }

func TestABugOfTheDecoderCostsOnePacket(t *testing.T) {
	packets, _ := opusSpeech(t)
	r := newRendition(t)
	good := r.decoder
	r.decoder = panicking{}
	if _, ok := r.Convert(&Packet{Seq: 1, Payload: packets[0]}, 30); ok || r.Errors() != 1 {
		t.Error("the bug was sent on")
	}
	r.decoder = good
	if _, ok := r.Convert(&Packet{Seq: 2, Timestamp: 960, Payload: packets[1]}, 30); !ok {
		t.Error("the next packet is lost too")
	}
}

// FuzzRendition: whatever a browser sends as Opus, what comes out is whole G.722 packets.
func FuzzRendition(f *testing.F) {
	packets, _ := opusSpeech(f)
	f.Add(packets[10], uint8(30))
	f.Add([]byte{0x78}, uint8(127))
	f.Add([]byte{0xff, 0x3f, 0, 0}, uint8(0))
	f.Fuzz(func(t *testing.T, p []byte, level uint8) {
		r := newRendition(t)
		for i := range uint16(3) {
			if out, ok := r.Convert(&Packet{Seq: i, Timestamp: uint32(i) * 960, Payload: p}, level&0x7f); ok && (len(out.Payload) == 0 || len(out.Payload) > MaxPayload) {
				t.Errorf("%d bytes", len(out.Payload))
			}
		}
	})
}

// BenchmarkRendition is one packet of speech.
func BenchmarkRendition(b *testing.B) {
	packets, _ := opusSpeech(b)
	r := newRendition(b)
	b.ReportAllocs()
	i := rand.IntN(5)
	for b.Loop() {
		i++
		r.Convert(&Packet{Seq: uint16(i), Timestamp: uint32(i) * 960, Payload: packets[i%len(packets)]}, 30)
	}
}
