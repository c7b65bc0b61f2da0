// Package audio is the sound the demo carrier and the tests work with: WAV
// files, telephone codecs, tones, and measures of likeness between two
// recordings.
//
// Everything is 16-bit mono PCM unless it says otherwise; telephone sound is
// at [Rate]. The code is independent of the media code of sfu and bridge on
// purpose: tests compare the two. Only G.722 is shared with them, which is compared
// with another implementation where it is.
package audio

import "math"

// Rate is the sampling rate of telephone sound, Hz; Frame is 20 ms of it, in samples.
const (
	Rate  = 8000
	Frame = 160
)

// Tone returns d milliseconds of a sum of sine waves, each at the given peak
// amplitude (1 is full scale), faded over 5 ms at both ends so that it does not click.
func Tone(rate, millis int, amplitude float64, hz ...float64) []int16 {
	pcm := make([]int16, rate*millis/1000)
	fade := rate * 5 / 1000
	for i := range pcm {
		var v float64
		for _, f := range hz {
			v += math.Sin(2 * math.Pi * f * float64(i) / float64(rate))
		}
		v *= amplitude
		if edge := min(i, len(pcm)-1-i); edge < fade {
			v *= float64(edge) / float64(fade)
		}
		pcm[i] = int16(math.Round(max(-1, min(1, v)) * math.MaxInt16))
	}
	return pcm
}

var (
	dtmfLow  = [4]float64{697, 770, 852, 941}
	dtmfHigh = [4]float64{1209, 1336, 1477, 1633}
)

// Digits are the sixteen DTMF digits in the order of their RFC 4733 event codes.
const Digits = "0123456789*#ABCD"

// keypad has the same digits where they stand on a telephone: rows share the
// low frequency, columns the high one (ITU-T Q.23).
const keypad = "123A456B789C*0#D"

// DTMF returns the two frequencies of a digit, false when it is not one.
func DTMF(digit byte) (low, high float64, ok bool) {
	for i := range keypad {
		if keypad[i] == digit {
			return dtmfLow[i/4], dtmfHigh[i%4], true
		}
	}
	return 0, 0, false
}

// Power returns the mean power of hz in pcm relative to a full-scale sine, in
// dB (Goertzel). Silence is -Inf.
func Power(pcm []int16, rate int, hz float64) float64 {
	w := 2 * math.Pi * hz / float64(rate)
	coeff := 2 * math.Cos(w)
	var s1, s2 float64
	for _, v := range pcm {
		s0 := float64(v)/math.MaxInt16 + coeff*s1 - s2
		s2, s1 = s1, s0
	}
	p := s1*s1 + s2*s2 - coeff*s1*s2
	n := float64(len(pcm))
	return 10 * math.Log10(4*p/(n*n))
}

// HeardDigit returns the DTMF digit whose tones dominate pcm, false when none do.
func HeardDigit(pcm []int16, rate int) (byte, bool) {
	best := func(group [4]float64) (int, float64) {
		at, top := 0, math.Inf(-1)
		for i, hz := range group {
			if p := Power(pcm, rate, hz); p > top {
				at, top = i, p
			}
		}
		return at, top
	}
	low, lp := best(dtmfLow)
	high, hp := best(dtmfHigh)
	// -35 dB is well under any sent tone and well over what speech leaves in both bands at once.
	if lp < -35 || hp < -35 || math.Abs(lp-hp) > 9 {
		return 0, false
	}
	if total := Level(pcm); total > max(lp, hp)+6 {
		return 0, false // most of the sound is something else
	}
	return keypad[4*low+high], true
}

// Level returns the level of pcm relative to a full-scale sine, in dB. Silence is -Inf.
func Level(pcm []int16) float64 {
	if len(pcm) == 0 {
		return math.Inf(-1)
	}
	var sum float64
	for _, v := range pcm {
		f := float64(v) / math.MaxInt16
		sum += f * f
	}
	return 10 * math.Log10(2*sum/float64(len(pcm)))
}

// Resample converts pcm between rates by a windowed sinc, good enough to
// compare recordings of speech.
func Resample(pcm []int16, from, to int) []int16 {
	if from == to || from <= 0 || to <= 0 {
		return pcm
	}
	common := gcd(from, to)
	steps, phases := from/common, to/common
	kernels := kernels(steps, phases)
	half := len(kernels[0]) / 2
	out := make([]int16, len(pcm)*phases/steps)
	for i := range out {
		// Output sample i lies at i*steps/phases of the input: a whole sample and one of the phases.
		at := i*steps/phases - half + 1
		var sum float64
		for k, w := range kernels[i*steps%phases] {
			if j := at + k; j >= 0 && j < len(pcm) {
				sum += float64(pcm[j]) * w
			}
		}
		out[i] = int16(math.Round(max(math.MinInt16, min(math.MaxInt16, sum))))
	}
	return out
}

// kernels are the weights of the input samples around an output sample, one
// list for each place between two of them that an output sample can have.
func kernels(steps, phases int) [][]float64 {
	const crossings = 24 // of zero, each side: over 60 dB of stop band
	cutoff := min(1, float64(phases)/float64(steps))
	width := crossings / cutoff
	half := int(math.Ceil(width))
	list := make([][]float64, phases)
	for phase := range list {
		list[phase] = make([]float64, 2*half)
		for k := range list[phase] {
			x := (float64(k-half+1) - float64(phase)/float64(phases)) * cutoff
			if math.Abs(x) < crossings {
				list[phase][k] = cutoff * sinc(x) * (0.5 + 0.5*math.Cos(math.Pi*x/crossings))
			}
		}
	}
	return list
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
