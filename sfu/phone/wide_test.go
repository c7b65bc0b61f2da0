package phone

import (
	"math"
	"slices"
	"testing"
	"time"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// likeness returns the best normalised correlation of want with got, over delays up to 100 ms.
func likeness(want, got []int16) (best float64) {
	n := min(len(want), len(got)) - mix.Rate/10
	for delay := range mix.Rate / 10 {
		var xy, xx, yy float64
		for i := 0; i < n; i += 3 {
			a, b := float64(want[i]), float64(got[i+delay])
			xy, xx, yy = xy+a*b, xx+a*a, yy+b*b
		}
		best = max(best, xy/math.Sqrt(xx*yy+1))
	}
	return best
}

func steepest(x []int16) (top int) {
	for i := 1; i < len(x); i++ {
		d := int(x[i]) - int(x[i-1])
		top = max(top, d, -d)
	}
	return top
}

func TestG722IsRelayedUntouched(t *testing.T) {
	s := newStage(t)
	l := s.leg(wire.G722)
	conf := s.hub.NewConference()
	conf.Add(l)
	s.run(95 * time.Millisecond)
	sp := s.speaker(room.G722, speech(10*mix.Rate, 120), 0)
	conf.SetSources(tracks(sp))
	s.run(3 * time.Second)
	heard := s.heard(l)
	continuous(t, heard, 40*time.Millisecond)
	heard = heard[slices.IndexFunc(heard, func(p sentPacket) bool { return slices.Equal(p.payload, sp.coded[:160]) }):]
	for i, p := range heard {
		if p.pt != ptG722 || !slices.Equal(p.payload, sp.coded[i*160:(i+1)*160]) {
			t.Fatalf("packet %d differs", i)
		}
	}
	if len(heard) < 149 {
		t.Errorf("%d packets", len(heard))
	}
}

func TestOneVoiceInAnotherCodecIsCodedAnewWithoutDelay(t *testing.T) {
	voice := speech(10*mix.Rate, 120)
	for _, c := range []struct {
		from room.Codec
		to   wire.Codec
	}{{room.PCMA, wire.G722}, {room.G722, wire.PCMA}, {room.G722, wire.PCMU}} {
		s := newStage(t)
		l := s.leg(c.to)
		conf := s.hub.NewConference()
		conf.Add(l)
		sp := s.speaker(c.from, voice, 3*ms)
		conf.SetSources(tracks(sp))
		s.run(4 * time.Second)
		heard := s.heard(l)
		continuous(t, heard, 40*time.Millisecond)
		if l.mode != relay {
			t.Errorf("%v to %v: mode %d", c.from, c.to, l.mode)
		}
		for _, p := range heard[10:] {
			if (p.at-sp.start)%frameTime != 3*ms {
				t.Fatalf("%v to %v: a packet was held", c.from, c.to)
			}
		}
		out, _ := legCodec(c.to)
		if x := likeness(voice[:3*mix.Rate], samples(mixCodec(out), heard)); x < 0.98 {
			t.Errorf("%v to %v: likeness %.3f", c.from, c.to, x)
		}
	}
}

// What a G.722 phone decodes depends on all it has heard before. The switches
// between silence, relay and mix must not be heard as jolts.
func TestAG722PhoneHearsNoJoltWhenTheSourceOfItsStreamChanges(t *testing.T) {
	for _, to := range []room.Codec{room.G722, room.PCMA} {
		s := newStage(t)
		l := s.leg(wire.G722)
		c := s.hub.NewConference()
		c.Add(l)
		a := s.speaker(to, speech(9*mix.Rate, 120), 5*ms)
		quiet := s.speaker(room.G722, make([]int16, mix.Rate), 9*ms)
		for i := range 12 {
			c.SetSources([][]*room.Track{tracks(a), tracks(a, quiet), tracks(a), nil}[i%4])
			s.run(700*time.Millisecond + time.Duration(i)*7*time.Millisecond)
		}
		heard := samples(mix.G722, s.heard(l))
		// A voice that begins or is cut off in its middle is a step by itself: of as much as it swings.
		loudest := 0
		for _, x := range a.signal {
			loudest = max(loudest, int(x))
		}
		if top := steepest(heard); top > loudest*11/10 {
			t.Errorf("%v: a step of %d, the voice reaches %d", to, top, loudest)
		}
		if r := rms(heard[len(heard)-mix.Rate/4:]); r > 40 {
			t.Errorf("%v: silence is %.0f", to, r)
		}
	}
}

func TestPacketsThatAreNot20msAreMadeSo(t *testing.T) {
	voice := speech(12*mix.Rate, 120)
	for _, ptime := range []int{80, 240, 320, 480} {
		for _, codec := range []room.Codec{room.PCMA, room.G722} {
			s := newStage(t)
			l := s.leg(wire.PCMA)
			conf := s.hub.NewConference()
			conf.Add(l)
			sp := s.speaker(codec, voice[:len(voice)/ptime*ptime], 3*ms)
			sp.ptime = ptime
			conf.SetSources(tracks(sp))
			s.run(4 * time.Second)
			heard := s.heard(l)
			for i, p := range heard[20:] {
				if len(p.payload) != mix.FrameSamples {
					t.Fatalf("%d samples, %v: packet %d has %d", ptime, codec, 20+i, len(p.payload))
				}
			}
			if x := likeness(voice[mix.Rate:4*mix.Rate], samples(mix.PCMA, heard)[mix.Rate:]); x < 0.97 {
				t.Errorf("%d samples, %v: likeness %.3f", ptime, codec, x)
			}
		}
	}
}

func TestTheTrailIsTheNewestPacketsOfOneCodecInOrder(t *testing.T) {
	var tr trail
	for _, c := range []struct {
		seq     uint16
		codec   room.Codec
		restart bool
		want    []uint16
	}{
		{10, room.G722, false, []uint16{10}},
		{11, room.G722, false, []uint16{10, 11}},
		{9, room.G722, false, []uint16{10, 11}}, // late
		{13, room.G722, false, []uint16{10, 11, 13}},
		{14, room.G722, false, []uint16{10, 11, 13, 14}},
		{15, room.G722, false, []uint16{11, 13, 14, 15}},
		{16, room.PCMA, false, []uint16{16}},
		{2, room.PCMA, true, []uint16{2}},
	} {
		tr.note(&room.Packet{Seq: c.seq, Codec: c.codec, Restart: c.restart, Payload: make([]byte, 160)})
		var got []uint16
		for _, p := range tr.oldestFirst(nil) {
			got = append(got, p.Seq)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("after %d: %v, want %v", c.seq, got, c.want)
		}
	}
}
