package phone

import (
	"math/rand/v2"
	"testing"
	"time"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// People mute and unmute, come and go at random moments on a network that is
// uneven: whatever happens, each phone has one stream whose numbers go on with the clock.
func TestAnySwitchingLeavesOneContinuousStream(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := newStage(t)
		c := s.hub.NewConference()
		codecs := []wire.Codec{wire.PCMA, wire.PCMU, wire.G722}
		legs := []*Leg{s.leg(codecs[seed%3]), s.leg(codecs[seed/3%3])}
		var all []*room.Track
		for i := range 3 {
			sp := s.speaker([]room.Codec{room.PCMA, room.PCMU, room.G722}[r.IntN(3)], speech(4*mix.Rate, 100+40*float64(i)), r.Int64N(frameTime))
			delays := rand.New(rand.NewPCG(seed, uint64(i)))
			jitter := make([]int64, 4096)
			for k := range jitter {
				jitter[k] = delays.Int64N(8 * ms)
			}
			sp.late = func(i int) int64 { return jitter[i%len(jitter)] }
			if i == 2 {
				sp.track = legs[1].Track()
			}
			all = append(all, sp.track)
		}
		c.Add(legs[0])
		for range 60 {
			switch r.IntN(8) {
			case 0:
				c.Add(legs[1])
			case 1:
				c.Remove(legs[1])
			default:
				n := r.IntN(4)
				list := append([]*room.Track(nil), all...)
				r.Shuffle(3, func(i, j int) { list[i], list[j] = list[j], list[i] })
				c.SetSources(list[:n])
			}
			s.run(time.Duration(1+r.IntN(300)) * time.Millisecond)
		}
		for i, l := range legs {
			heard := s.heard(l)
			first := heard[0]
			for k := 1; k < len(heard); k++ {
				a, b := heard[k-1], heard[k]
				if b.seq != a.seq+1 {
					t.Errorf("seed %d, leg %d, packet %d: sequence %d after %d", seed, i, k, b.seq, a.seq)
				}
				if hole := int(int32(b.timestamp - a.timestamp - uint32(len(a.payload)))); hole < 0 || hole > 800 {
					t.Errorf("seed %d, leg %d, packet %d: a hole of %d samples", seed, i, k, hole)
				}
				if d := time.Duration(b.at - a.at); d > 80*time.Millisecond {
					t.Errorf("seed %d, leg %d, packet %d: nothing for %v", seed, i, k, d)
				}
				off := time.Duration(b.at-first.at) - time.Duration(int32(b.timestamp-first.timestamp))*time.Second/mix.Rate
				if off < -80*time.Millisecond || off > 65*time.Millisecond {
					t.Fatalf("seed %d, leg %d, packet %d: timestamps are %v off the clock", seed, i, k, off)
				}
			}
		}
	}
}
