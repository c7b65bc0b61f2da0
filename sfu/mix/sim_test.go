package mix

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// speech makes n samples of something with the shape of speech: a gliding
// pitch with harmonics, syllables four times a second, hiss between some of them.
func speech(n int, pitch float64) []int16 {
	r := rand.New(rand.NewPCG(1, uint64(pitch)))
	out := make([]int16, n)
	phase := 0.0
	for i := range out {
		t := float64(i) / Rate
		phase += 2 * math.Pi * pitch * (1 + 0.15*math.Sin(2*math.Pi*0.7*t)) / Rate
		envelope := math.Pow(math.Max(0, math.Sin(2*math.Pi*2*t)), 0.6)
		x := 0.0
		for h, a := range []float64{1, 0.7, 0.5, 0.25, 0.3, 0.12, 0.08} {
			x += a * math.Sin(float64(h+1)*phase)
		}
		hiss := 0.0
		if math.Sin(2*math.Pi*2*t) < -0.7 {
			hiss = 300 * r.NormFloat64()
		}
		out[i] = int16(3500*envelope*x + hiss)
	}
	return out
}

// chirp sweeps from 200 to 900 Hz and back every 4 s at constant loudness: whatever
// is done to it wrongly is a step somewhere.
func chirp(n int) []int16 {
	out := make([]int16, n)
	phase := 0.0
	for i := range out {
		t := float64(i) / Rate
		f := 550 - 350*math.Cos(2*math.Pi*t/4)
		phase += 2 * math.Pi * f / Rate
		out[i] = int16(8000 * math.Sin(phase))
	}
	return out
}

// steepest returns the largest step between two samples.
func steepest(x []int16) int {
	top := 0
	for i := 1; i < len(x); i++ {
		top = max(top, abs(int(x[i])-int(x[i-1])))
	}
	return top
}

func abs(x int) int { return max(x, -x) }

func rms(x []int16) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}

// snr returns the signal to noise ratio in dB of got, compared sample by sample.
func snr(want, got []int16) float64 {
	signal, noise := 0.0, 1e-9
	for i := range got {
		d := float64(want[i]) - float64(got[i])
		signal += float64(want[i]) * float64(want[i])
		noise += d * d
	}
	return 10 * math.Log10(signal/noise)
}

// sender simulates one voice on its way to a JitterBuffer: packets made at
// the pace of its own clock, late, lost or doubled as told.
type sender struct {
	signal []int16 // repeated for ever
	codec  Codec
	ptime  int     // samples per packet
	ppm    float64 // how much faster its clock runs
	phase  time.Duration
	late   func(i int) time.Duration
	lost   func(i int) bool

	seq     uint16
	ts      uint32
	waiting []Packet
	coded   []byte
	made    int
	arrival map[uint32]int64 // by timestamp of the packet
}

// until makes what arrives before now and returns it in order of arrival.
func (s *sender) until(now int64) []Packet {
	for {
		period := float64(s.ptime) / Rate / (1 + s.ppm/1e6) * 1e9
		sent := int64(s.phase) + int64(float64(s.made)*period)
		if sent > now {
			break
		}
		i := s.made
		s.made++
		p := Packet{Seq: s.seq, Timestamp: s.ts, Codec: s.codec, At: sent}
		s.seq++
		s.ts += uint32(s.ptime)
		if s.lost != nil && s.lost(i) {
			continue
		}
		if s.late != nil {
			p.At += int64(s.late(i))
		}
		if s.coded == nil { // with as much of its beginning appended as a packet can need
			s.coded = s.codec.Encode(nil, append(s.signal[:len(s.signal):len(s.signal)], s.signal[:s.ptime]...))
		}
		at := i * s.ptime % len(s.signal)
		p.Payload = s.coded[at : at+s.ptime]
		s.waiting = append(s.waiting, p)
		if s.arrival != nil {
			s.arrival[p.Timestamp] = p.At
		}
	}
	var due, rest []Packet
	for _, p := range s.waiting {
		if p.At <= now {
			due = append(due, p)
		} else {
			rest = append(rest, p)
		}
	}
	s.waiting = rest
	for i := range due {
		for k := i; k > 0 && due[k].At < due[k-1].At; k-- {
			due[k], due[k-1] = due[k-1], due[k]
		}
	}
	return due
}

// listen plays d of the sender through a new buffer.
func listen(s *sender, d time.Duration, each func(j *JitterBuffer, now int64, frame []int16)) (*JitterBuffer, []int16) {
	j := NewJitterBuffer()
	var out []int16
	var frame [FrameSamples]int16
	for now := int64(FrameTime); now <= int64(d); now += int64(FrameTime) {
		for _, p := range s.until(now) {
			j.Push(&p)
		}
		j.Pull(now, frame[:])
		if each != nil {
			each(j, now, frame[:])
		}
		out = append(out, frame[:]...)
	}
	return j, out
}

// coded is what the signal is after having been coded once.
func coded(c Codec, x []int16) []int16 { return c.Decode(nil, c.Encode(nil, x)) }

// find returns where the beginning of want occurs exactly in got.
func find(t *testing.T, want, got []int16) int {
	t.Helper()
next:
	for at := 0; at+len(want) <= len(got); at++ {
		for i, x := range want {
			if got[at+i] != x {
				continue next
			}
		}
		return at
	}
	t.Fatal("the signal does not occur")
	return 0
}
