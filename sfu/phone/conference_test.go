package phone

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

func TestFromConnectOnThePhoneIsAlwaysSentSomething(t *testing.T) {
	s := newStage(t)
	l := s.hub.NewLeg("p")
	s.run(100 * time.Millisecond)
	if n := len(s.heard(l)); n != 0 {
		t.Fatalf("%d packets before Connect", n)
	}
	if err := l.Connect(wire.PCMA, bridgeAddr); err != nil {
		t.Fatal(err)
	}
	s.run(time.Second)
	c := s.hub.NewConference()
	c.Add(l)
	s.run(time.Second)
	c.Remove(l)
	s.run(time.Second)
	c.Add(l)
	c.Close()
	s.run(time.Second)
	heard := s.heard(l)
	continuous(t, heard, 20*time.Millisecond)
	if n := len(heard); n < 199 || n > 200 {
		t.Errorf("%d packets in four seconds", n)
	}
	for _, p := range heard {
		if p.pt != ptPCMA || p.payload[0] != 0xd5 || len(p.payload) != 160 || p.to != bridgeAddr {
			t.Fatalf("%+v", p)
		}
	}
	if !heard[0].marker || heard[1].marker {
		t.Error("the first packet and no other bears the marker")
	}
	l.Close()
	l.Close()
	s.run(time.Second)
	if len(s.heard(l)) != len(heard) {
		t.Error("packets after Close")
	}
}

func TestRelayIsBitExactInTheSameCodecAndOneTableInTheOther(t *testing.T) {
	voice := speech(10*mix.Rate, 120)
	for _, c := range []struct {
		from room.Codec
		to   wire.Codec
	}{{room.PCMA, wire.PCMA}, {room.PCMU, wire.PCMU}, {room.PCMA, wire.PCMU}, {room.PCMU, wire.PCMA}} {
		s := newStage(t)
		l := s.leg(c.to)
		conf := s.hub.NewConference()
		conf.Add(l)
		s.run(95 * time.Millisecond)
		sp := s.speaker(c.from, voice, 0)
		conf.SetSources(tracks(sp))
		s.run(9 * time.Second)
		out, _ := legCodec(c.to)
		want := mixCodec(c.from).Encode(nil, sp.signal)
		if table := mix.Transcode(mixCodec(c.from), mixCodec(out)); table != nil {
			for i, b := range want {
				want[i] = table[b]
			}
		}
		heard := s.heard(l)
		continuous(t, heard, 40*time.Millisecond)
		heard = heard[slices.IndexFunc(heard, func(p sentPacket) bool { return slices.Equal(p.payload, want[:160]) }):]
		for i, p := range heard {
			if !slices.Equal(p.payload, want[i*160:(i+1)*160]) {
				t.Fatalf("%v to %v: packet %d differs", c.from, c.to, i)
			}
			if at := sp.start + int64(i)*frameTime; p.at != max(at, sp.start+ms) {
				t.Fatalf("%v to %v: packet %d was held for %v", c.from, c.to, i, time.Duration(p.at-at))
			}
		}
		if len(heard) < 449 {
			t.Errorf("%v to %v: %d packets", c.from, c.to, len(heard))
		}
	}
}

func TestRelayKeepsLossesAndOrderAndSendsNothingTwice(t *testing.T) {
	s := newStage(t)
	l := s.leg(wire.PCMU)
	c := s.hub.NewConference()
	c.Add(l)
	track := &room.Track{}
	c.SetSources([]*room.Track{track})
	payload := make([]byte, 160)
	send := func(seqs ...uint16) {
		for _, seq := range seqs {
			payload[0] = byte(seq)
			track.Forward(&room.Packet{Seq: seq, Timestamp: uint32(int16(seq)) * 160, Codec: room.PCMU, Payload: payload, At: s.now})
		}
	}
	send(65533, 65534, 2, 65535, 0, 2, 0, 3, 65000)
	var got []int
	heard := s.heard(l)
	for _, p := range heard {
		got = append(got, int(int16(p.seq-heard[0].seq)))
		if d := p.timestamp - heard[0].timestamp; d != 160*uint32(p.seq-heard[0].seq) {
			t.Errorf("sequence +%d has timestamp +%d", p.seq-heard[0].seq, d)
		}
	}
	// 0 came again: its first was overtaken, so nothing here knows; the phone does by its number.
	if want := []int{0, 1, 5, 2, 3, 3, 6}; !slices.Equal(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestWhatANetworkHeldBackIsSentAsItIsAndTheDelayDoesNotGrow(t *testing.T) {
	const first = 50 // the first frame that is held back
	for _, held := range []int{60, 100, 220, 400, 900} {
		s := newStage(t)
		l := s.leg(wire.PCMU)
		c := s.hub.NewConference()
		c.Add(l)
		sp := s.speaker(room.PCMU, speech(8*mix.Rate, 120), 7*ms)
		sp.late = func(i int) int64 {
			if i < first {
				return 0
			}
			// All that is held back comes at one moment.
			return max(0, int64(held)*ms-int64(i-first)*frameTime)
		}
		c.SetSources(tracks(sp))
		s.run(200 * mix.FrameTime)
		heard := s.heard(l)
		if held < int(stalled/ms) && l.Stats().Sent.Silence > 0 {
			t.Errorf("held for %d ms: %d frames of silence were put in", held, l.Stats().Sent.Silence)
		}
		begin, end := heard[first-10], heard[len(heard)-1]
		delay := time.Duration(end.at-begin.at) - time.Duration(end.timestamp-begin.timestamp)*time.Second/mix.Rate
		if delay != 0 {
			t.Errorf("held for %d ms: what follows is %v later than before", held, delay)
		}
		want := mix.PCMU.Encode(nil, sp.signal)
		for i, p := range heard[len(heard)-100:] {
			k := (sp.made - 100 + i) * 160
			if !slices.Equal(p.payload, want[k%len(want):][:160]) {
				t.Fatalf("held for %d ms: packet %d from the end differs", held, 100-i)
			}
		}
	}
}

func TestAVoiceThatStopsIsReplacedBySilenceUntilItReturns(t *testing.T) {
	voice := speech(8*mix.Rate, 120)
	for _, gone := range []int{2, 4, 7, 60, 1000} {
		s := newStage(t)
		l := s.leg(wire.PCMU)
		c := s.hub.NewConference()
		c.Add(l)
		sp := s.speaker(room.PCMU, voice, 7*ms)
		sp.muted = func(i int) bool { return i >= 50 && i < 50+gone }
		c.SetSources(tracks(sp))
		s.run(time.Duration(gone+200) * mix.FrameTime)
		heard := s.heard(l)
		longest := time.Duration(0)
		for i := 1; i < len(heard); i++ {
			longest = max(longest, time.Duration(heard[i].at-heard[i-1].at))
			if heard[i].seq-heard[i-1].seq > 1+uint16(gone) || heard[i].seq == heard[i-1].seq {
				t.Errorf("gone for %d: sequence %d after %d", gone, heard[i].seq, heard[i-1].seq)
			}
			if d := int32(heard[i].timestamp - heard[i-1].timestamp); d < 160 || d > 160*15 {
				t.Errorf("gone for %d: timestamp goes on by %d", gone, d)
			}
		}
		if longest > time.Duration(stalled)+3*mix.FrameTime {
			t.Errorf("gone for %d: nothing was sent for %v", gone, longest)
		}
		// The stream's clock is the wall's.
		first, last := heard[0], heard[len(heard)-1]
		off := time.Duration(last.at-first.at) - time.Duration(last.timestamp-first.timestamp)*time.Second/mix.Rate
		if off < -30*time.Millisecond || off > 30*time.Millisecond {
			t.Errorf("gone for %d: the timestamps are off by %v", gone, off)
		}
		want := mix.PCMU.Encode(nil, sp.signal)
		for i, p := range heard[len(heard)-100:] {
			k := (sp.made - 100 + i) * 160
			if !slices.Equal(p.payload, want[k%len(want):][:160]) {
				t.Fatalf("gone for %d: packet %d from the end differs", gone, 100-i)
			}
		}
	}
}

// The silent second speaker turns the relay into a mix of one and back. Every
// sample of the first must reach the phone once, in order.
func TestRelayToMixToRelayLosesAndRepeatsNothing(t *testing.T) {
	voice := speech(10*mix.Rate, 120)
	for phase := 2 * ms; phase <= 18*ms; phase += ms {
		for _, other := range []int64{3 * ms, 11 * ms} {
			t.Run(fmt.Sprintf("packets %v and %v after the tick", time.Duration(phase), time.Duration(other)), func(t *testing.T) {
				s := newStage(t)
				l := s.leg(wire.PCMU)
				c := s.hub.NewConference()
				c.Add(l)
				a := s.speaker(room.PCMU, voice, phase)
				b := s.speaker(room.PCMU, make([]int16, mix.Rate), other)
				c.SetSources(tracks(a))
				s.run(1013 * time.Millisecond)
				for range 3 {
					c.SetSources(tracks(a, b))
					s.run(1507 * time.Millisecond)
					c.SetSources(tracks(a))
					s.run(703 * time.Millisecond)
				}
				heard := s.heard(l)
				continuous(t, heard, 40*time.Millisecond)
				pcm, want := samples(mix.PCMU, heard), coded(mix.PCMU, a.signal)
				at := find(want[:320], pcm)
				if at < 0 {
					t.Fatal("the voice is not there")
				}
				// Until its end is far from anything that was switched.
				n := len(pcm) - at
				for i := range n {
					if pcm[at+i] != want[i] {
						t.Fatalf("sample %d of %d differs", i, n)
					}
				}
				if n < 7*mix.Rate {
					t.Errorf("only %d samples arrived", n)
				}
			})
		}
	}
}

func TestMixIsAtItsLevelAndLessThan45msLate(t *testing.T) {
	s := newStage(t)
	l := s.leg(wire.PCMA)
	c := s.hub.NewConference()
	c.Add(l)
	a := s.speaker(room.PCMU, speech(8*mix.Rate, 120), 7*ms)
	b := s.speaker(room.PCMA, make([]int16, mix.Rate), 13*ms)
	c.SetSources(tracks(a, b))
	s.run(7 * time.Second)
	heard := s.heard(l)
	continuous(t, heard, 20*time.Millisecond)
	pcm := samples(mix.PCMA, heard[200:300])
	// Where in the voice is the middle of what was heard then?
	best, at := 0.0, 0
	for shift := 3 * mix.Rate; shift < 5*mix.Rate; shift++ {
		xy := 0.0
		for i := 0; i < len(pcm); i += 11 {
			xy += float64(pcm[i]) * float64(a.signal[shift+i])
		}
		if xy > best {
			best, at = xy, shift
		}
	}
	relayedAt := a.start + a.phase + int64(at)*frameTime/mix.FrameSamples
	if d := time.Duration(heard[200].at - relayedAt); d < 0 || d > 45*time.Millisecond {
		t.Errorf("the mix is %v later than the relay", d)
	} else {
		t.Logf("the mix is %v later than the relay", d)
	}
	if db := 20 * math.Log10(rms(pcm)/rms(a.signal[at:at+len(pcm)])); math.Abs(db) > 1 {
		t.Errorf("%.2f dB off", db)
	}
}

func TestTwoBrowsersAndTwoPhonesHearTheOtherThree(t *testing.T) {
	s := newStage(t)
	c := s.hub.NewConference()
	var phones []*Leg
	voices := [4][]int16{}
	for i := range voices {
		voices[i] = speech(10*mix.Rate, []float64{105, 140, 187, 250}[i])
	}
	a, b := s.speaker(room.PCMU, voices[0], 3*ms), s.speaker(room.PCMA, voices[1], 9*ms)
	sources := tracks(a, b)
	for i, codec := range []wire.Codec{wire.PCMA, wire.PCMU} {
		l := s.leg(codec)
		c.Add(l)
		phones = append(phones, l)
		sp := s.speaker(room.PCMA, voices[2+i], int64(6+8*i)*ms)
		sp.track = l.Track() // what the phone says comes by its leg
		sources = append(sources, sp.track)
	}
	c.SetSources(sources)
	s.run(5 * time.Second)
	for i, l := range phones {
		out, _ := legCodec([]wire.Codec{wire.PCMA, wire.PCMU}[i])
		pcm := samples(mixCodec(out), s.heard(l))
		continuous(t, s.heard(l), 20*time.Millisecond)
		for v, voice := range voices {
			top := 0.0
			for delay := 0; delay < 1600; delay += 4 {
				var xy, xx, yy float64
				for k := 0; k < 3*mix.Rate; k += 3 {
					x, y := float64(voice[k]), float64(pcm[k+delay])
					xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
				}
				top = max(top, math.Abs(xy)/math.Sqrt(xx*yy))
			}
			if own := v == 2+i; own && top > 0.1 || !own && top < 0.4 {
				t.Errorf("phone %d, voice %d: correlation %.2f", i, v, top)
			}
		}
	}
}

func TestAPhoneIsNeverItsOwnSource(t *testing.T) {
	s := newStage(t)
	c := s.hub.NewConference()
	l := s.leg(wire.PCMA)
	c.Add(l)
	c.SetSources([]*room.Track{l.Track()})
	if l.Track().Heard() {
		t.Error("nobody hears it, so nothing should be attached")
	}
	a := s.speaker(room.PCMA, speech(mix.Rate, 120), 5*ms)
	c.SetSources([]*room.Track{a.track, l.Track()})
	if l.mode != relay {
		t.Errorf("one other voice is mode %d", l.mode)
	}
}

func TestAChangeOfCodecKeepsTheStream(t *testing.T) {
	s := newStage(t)
	c := s.hub.NewConference()
	l := s.leg(wire.PCMA)
	c.Add(l)
	a, b := s.speaker(room.PCMA, speech(9*mix.Rate, 120), 5*ms), s.speaker(room.PCMA, speech(9*mix.Rate, 150), 9*ms)
	for _, sources := range [][]*room.Track{nil, tracks(a), tracks(a, b)} {
		c.SetSources(sources)
		for _, codec := range []wire.Codec{wire.PCMU, wire.G722, wire.PCMA} {
			if err := l.Connect(codec, bridgeAddr); err != nil {
				t.Fatal(err)
			}
			s.run(300 * time.Millisecond)
			heard := s.heard(l)
			if _, pt := legCodec(codec); heard[len(heard)-1].pt != pt {
				t.Errorf("%s is sent as payload type %d", codec, heard[len(heard)-1].pt)
			}
		}
	}
	continuous(t, s.heard(l), 40*time.Millisecond)
	if err := l.Connect("G729", bridgeAddr); err == nil {
		t.Error("G729 cannot be sent")
	}
}

func TestRoomsThatDoNotMixCostNoTick(t *testing.T) {
	s := newStage(t)
	w := s.hub.workers[0]
	var confs []room.Conference
	a := s.speaker(room.PCMA, speech(9*mix.Rate, 120), 5*ms)
	for range 1000 {
		c := s.hub.NewConference()
		c.SetSources(tracks(a))
		confs = append(confs, c)
	}
	s.run(time.Second)
	if _, busy := w.step(s.now); busy {
		t.Error("a thousand rooms without a phone want a tick")
	}
	if a.track.Heard() {
		t.Error("a room without a phone is attached to its voices")
	}
	l := s.leg(wire.PCMA)
	confs[7].Add(l)
	s.run(time.Second)
	if every, some := len(w.confs[everyTick]), len(w.confs[coarse]); every != 0 || some != 1 {
		t.Errorf("relaying: %d rooms tick, %d are looked at", every, some)
	}
	l.Close()
	if _, busy := w.step(s.now); busy {
		t.Error("a tick is planned although the last phone is gone")
	}
}
