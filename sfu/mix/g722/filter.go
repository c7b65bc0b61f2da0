package g722

// taps are one half of the quadrature mirror filter, which is symmetric
// (G.722 table 11).
var taps = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}

// filter is the quadrature mirror filter that splits a signal into bands or
// joins them: its last 24 samples, as pairs. For an encoder they are of the
// signal, for a decoder sums and differences of the bands.
type filter struct {
	even, odd [2 * len(taps)]int32 // each twice, so that a window is always in one piece
	at        int
}

// push adds a pair and returns what both polyphase halves make of it.
func (f *filter) push(even, odd int32) (a, b int32) {
	f.even[f.at], f.even[f.at+len(taps)] = even, even
	f.odd[f.at], f.odd[f.at+len(taps)] = odd, odd
	if f.at++; f.at == len(taps) {
		f.at = 0
	}
	evens, odds := f.even[f.at:f.at+len(taps)], f.odd[f.at:f.at+len(taps)] // oldest first
	for i, c := range taps {
		a += evens[i] * c
		b += odds[i] * taps[len(taps)-1-i]
	}
	return a, b
}

// halves returns one sample of each band for two of the signal.
func (f *filter) halves(first, second int16) (low, high int32) {
	a, b := f.push(int32(first), int32(second))
	return (b + a) >> 14, (b - a) >> 14
}

// both returns two samples of the signal for one of each band.
func (f *filter) both(low, high int32) (first, second int16) {
	a, b := f.push(low+high, low-high)
	return int16(sat(b >> 11)), int16(sat(a >> 11))
}
