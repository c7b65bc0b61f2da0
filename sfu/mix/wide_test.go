package mix

import (
	"math"
	"testing"
	"time"

	"dialroom/sfu/mix/g722"
)

// wideband makes a voice with both bands: speech below, and hiss that comes and
// goes with it above. It is at 16 kHz.
func wideband(n int, pitch float64) []int16 {
	low := speech(n/2, pitch)
	out := make([]int16, n)
	for i := range out {
		x := float64(low[i/2])
		out[i] = int16(0.8*x + 0.2*math.Abs(x)*math.Sin(2*math.Pi*5200*float64(i)/(2*Rate)))
	}
	return out
}

// wideSender sends a wideband signal as G.722.
func wideSender(signal []int16, ptime int, phase time.Duration) *sender {
	var e g722.Encoder
	s := &sender{codec: G722, ptime: ptime, phase: phase, signal: make([]int16, len(signal)/2)}
	s.coded = e.Encode(nil, signal)
	s.coded = append(s.coded, s.coded[:ptime]...)
	return s
}

func highPower(x []int16) float64 {
	low, high := make([]int16, len(x)/2), make([]int16, len(x)/2)
	new(g722.Encoder).Split(low, high, x)
	return rms(high)
}

func TestAWidebandVoiceIsPlayedBitExactInBothBands(t *testing.T) {
	s := wideSender(wideband(12*Rate, 130), 160, 8*time.Millisecond)
	var want, high [6 * Rate]int16
	new(g722.Decoder).Bands(want[:], high[:], s.coded[:6*Rate])
	var gotHigh []int16
	j, got := listen(s, patience-5*FrameTime, func(j *JitterBuffer, _ int64, _ []int16) {
		frame := j.High()
		if frame == nil {
			frame = make([]int16, FrameSamples)
		}
		gotHigh = append(gotHigh, frame...)
	})
	at := find(t, want[800:1600], got) - 800
	for i := 800; i < len(got)-at; i++ {
		if got[at+i] != want[i] || gotHigh[at+i] != high[i] {
			t.Fatalf("sample %d differs; %+v", i, j.Stats())
		}
	}
}

func TestWidebandPhonesHearEachOtherInWidebandAndNarrowbandPhonesTheLowerBand(t *testing.T) {
	a := wideSender(wideband(16*Rate, 110), 160, 3*time.Millisecond)
	b := wideSender(wideband(16*Rate, 190), 160, 11*time.Millisecond)
	c := &sender{signal: speech(8*Rate, 150), codec: PCMA, ptime: 160, phase: 7 * time.Millisecond}
	g := meet(a, b, c)
	la, lc := g.m.AddListener(G722, g.voices[0]), g.m.AddListener(PCMA, g.voices[2])
	only := g.m.AddListener(G722, nil)
	var forA, forAll, forC []int16
	var da, dall g722.Decoder
	g.run(4*time.Second, func(int64) {
		forA, forAll = da.Decode(forA, la.Payload()), dall.Decode(forAll, only.Payload())
		forC = PCMA.Decode(forC, lc.Payload())
	})
	half := func(x []int16) []int16 {
		low, high := make([]int16, len(x)/2), make([]int16, len(x)/2)
		new(g722.Encoder).Split(low, high, x)
		return low
	}
	decoded := func(s *sender) []int16 {
		low, high := make([]int16, 3*Rate), make([]int16, 3*Rate)
		new(g722.Decoder).Bands(low, high, s.coded[:3*Rate])
		return low
	}
	if x := correlation(decoded(a), half(forA)); x > 0.12 {
		t.Errorf("a hears itself: %.2f", x)
	}
	for name, x := range map[string]float64{
		"a hears b":   correlation(decoded(b), half(forA)),
		"a hears c":   correlation(c.signal[:3*Rate], half(forA)),
		"all hear a":  correlation(decoded(a), half(forAll)),
		"c hears a":   correlation(decoded(a), forC),
		"c hears b":   correlation(decoded(b), forC),
		"all hear c ": correlation(c.signal[:3*Rate], half(forAll)),
	} {
		if x < 0.4 {
			t.Errorf("%s: %.2f", name, x)
		}
	}
	if h := highPower(forA[2*Rate:]); h < 200 {
		t.Errorf("the higher band is gone: %.0f", h)
	}
}

func TestAWidebandVoiceKeepsItsHigherBandInStepThroughLossAndDrift(t *testing.T) {
	// The same tone in both bands, so that each sample of the higher must be that of the lower.
	var e g722.Encoder
	low := chirp(4 * Rate)
	for i := range low {
		low[i] /= 2
	}
	s := &sender{codec: G722, ptime: 160, signal: low, ppm: 200, phase: 9 * time.Millisecond}
	s.coded = e.Bands(nil, low, low)
	s.coded = append(s.coded, s.coded[:160]...)
	s.lost = func(i int) bool { return i >= 14000 && i%67 == 66 }
	var off, power float64
	j, _ := listen(s, 5*time.Minute, func(j *JitterBuffer, now int64, frame []int16) {
		if now < int64(time.Second) {
			return
		}
		for i, x := range j.High() {
			d := float64(x) - float64(frame[i])
			off, power = off+d*d, power+float64(frame[i])*float64(frame[i])
		}
	})
	if st := j.Stats(); st.Lost == 0 || st.Stretched+st.Shrunk == 0 {
		t.Fatalf("nothing happened: %+v", st)
	}
	if r := math.Sqrt(off / power); r > 0.35 { // what two bits can do, and no more
		t.Errorf("the bands are apart by %.2f", r)
	}
}

func TestTheLevelOfG722IsNearWhatDecodingWouldSay(t *testing.T) {
	for _, gain := range []float64{1, 0.1, 0.01} {
		x := wideband(4*Rate, 140)
		for i := range x {
			x[i] = int16(float64(x[i]) * gain)
		}
		payload := new(g722.Encoder).Encode(nil, x)
		var m Meter
		var g Meter
		for at := 1600; at+1600 <= len(payload); at += 1600 {
			low, high := make([]int16, at+1600), make([]int16, at+1600)
			new(g722.Decoder).Bands(low, high, payload[:at+1600])
			want := int(g.Level(PCMU, PCMU.Encode(nil, low[at:])))
			if at == 1600 {
				m.Level(G722, payload[:at])
			}
			if got := int(m.Level(G722, payload[at:at+1600])); abs(got-want) > 15 && (got < 60 || want < 60) { // -60 dBov is silence to everybody
				t.Errorf("gain %v at %d: -%d dBov, decoded it is -%d", gain, at, got, want)
			}
		}
	}
	quiet := new(g722.Encoder).Encode(nil, make([]int16, 640))
	if got := new(Meter).Level(G722, quiet); got < 65 {
		t.Errorf("silence is -%d dBov", got)
	}
}

func TestAWidebandTickDoesNotAllocate(t *testing.T) {
	s := wideSender(wideband(16*Rate, 110), 160, 3*time.Millisecond)
	g := meet(s, &sender{signal: speech(8*Rate, 150), codec: PCMA, ptime: 160, phase: 7 * time.Millisecond})
	g.m.AddListener(G722, g.voices[1])
	g.m.AddListener(PCMA, nil)
	packets := s.until(int64(7 * time.Second))
	now, k := int64(0), 0
	if n := testing.AllocsPerRun(300, func() {
		now += int64(FrameTime)
		g.voices[0].Push(&packets[k])
		k++
		g.m.Tick(now)
	}); n != 0 {
		t.Errorf("%v allocations per tick", n)
	}
}

// BenchmarkTickG722 is one tick of three G.722 phones.
func BenchmarkTickG722(b *testing.B) {
	var senders []*sender
	for i := range 3 {
		senders = append(senders, wideSender(wideband(16*Rate, 110+60*float64(i)), 160, time.Duration(3+5*i)*time.Millisecond))
	}
	g := meet(senders...)
	for _, v := range g.voices {
		g.m.AddListener(G722, v)
	}
	b.ReportAllocs()
	now, k := int64(0), 0
	for b.Loop() {
		now += int64(FrameTime)
		for i, v := range g.voices {
			at := k % 300 * 160
			v.Push(&Packet{Seq: uint16(k), Timestamp: uint32(k) * 160, Codec: G722, Payload: senders[i].coded[at : at+160], At: now - int64(5*time.Millisecond)})
		}
		k++
		g.m.Tick(now)
	}
}
