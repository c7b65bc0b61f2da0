package mix

import (
	"math"

	"dialroom/sfu/mix/g722"
)

// Meter says how loud the payloads of one stream are. The zero value is ready.
type Meter struct {
	g722 g722.Meter
}

// Level returns the loudness of the next payload in -dBov (RFC 6464 §3: 0 is a
// full-scale square wave, 127 silence). It is exact for G.711 and an estimate
// for G.722, which is not decoded for it.
func (m *Meter) Level(c Codec, payload []byte) uint8 {
	if len(payload) == 0 {
		return 127
	}
	var mean float64
	if c == G722 {
		mean = m.g722.Power(payload)
	} else {
		mean = c.power(payload)
	}
	// A-law has no zero: its smallest step, ±8, is how it codes silence.
	if mean <= 64 {
		return 127
	}
	return uint8(max(0, -10*math.Log10(mean/(1<<30))))
}
