package mix

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestVoiceOnACleanNetworkIsPlayedBitExact(t *testing.T) {
	signal := speech(3*Rate, 120)
	want := coded(PCMA, signal)
	for _, ptime := range []int{80, 160, 320, 480} {
		for _, phase := range []time.Duration{2 * time.Millisecond, 6 * time.Millisecond, 14 * time.Millisecond, 17 * time.Millisecond} {
			for _, start := range []uint16{0, 65530} { // the second wraps
				s := &sender{signal: signal, codec: PCMA, ptime: ptime, phase: phase, seq: start, ts: uint32(start) << 16}
				j, out := listen(s, patience-5*FrameTime, nil) // until delay may be given back
				// The frame in which it begins may hold silence first.
				at := find(t, want[:320], out)
				n := len(out) - at
				for i := range n {
					if out[at+i] != want[i] {
						t.Fatalf("ptime %d, phase %v: sample %d differs; %+v", ptime, phase, i, j.Stats())
					}
				}
				if at > ptime+2*FrameSamples {
					t.Errorf("ptime %d, phase %v: begins after %d samples", ptime, phase, at)
				}
			}
		}
	}
}

func TestReorderedAndDoubledPacketsArePlayedOnceAndInOrder(t *testing.T) {
	s := &sender{signal: speech(8*Rate, 150), codec: PCMU, ptime: 160, phase: 7 * time.Millisecond}
	j := NewJitterBuffer()
	var out []int16
	var frame [FrameSamples]int16
	var held *Packet
	for now := int64(FrameTime); now <= int64(4*time.Second); now += int64(FrameTime) {
		for _, p := range s.until(now + int64(60*time.Millisecond)) { // all come 60 ms before they are due
			if p.Seq%7 == 3 {
				held = &p // overtaken by the next
				continue
			}
			j.Push(&p)
			j.Push(&p)
			if held != nil {
				j.Push(held)
				held = nil
			}
		}
		j.Pull(now, frame[:])
		out = append(out, frame[:]...)
	}
	st := j.Stats()
	if st.Lost+st.Stalled+st.Late != 0 || st.Duplicates == 0 {
		t.Errorf("%+v", st)
	}
	want := coded(PCMU, s.signal)
	at := find(t, want[:320], out)
	for i := range 8000 { // before delay is given back
		if out[at+i] != want[i] {
			t.Fatalf("sample %d differs", i)
		}
	}
}

func TestFivePercentLossIsConcealedBetterThanSilence(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	gone := map[int]bool{}
	s := &sender{signal: speech(20*Rate, 130), codec: PCMU, ptime: 160, phase: 8 * time.Millisecond,
		lost: func(i int) bool { gone[i] = i > 5 && r.Float64() < 0.05; return gone[i] }}
	j, out := listen(s, 18*time.Second, nil)
	want := coded(PCMU, s.signal)
	at := find(t, want[:320], out)
	out = out[at : at+16*Rate]
	silent := append([]int16(nil), want[:len(out)]...)
	for i := range gone {
		if gone[i] && (i+1)*160 <= len(silent) {
			clear(silent[i*160 : (i+1)*160])
		}
	}
	got, floor := snr(want, out), snr(want, silent)
	t.Logf("SNR %.1f dB, with silence instead %.1f dB; %+v", got, floor, j.Stats())
	if got < floor+3 {
		t.Errorf("SNR %.1f dB, silence would be %.1f", got, floor)
	}
	if top, limit := steepest(out), steepest(want)*11/10; top > limit {
		t.Errorf("steepest step %d, the signal's own is %d", top, limit)
	}
	if d := rms(out) / rms(want[:len(out)]); d < 0.95 || d > 1.05 {
		t.Errorf("level is %.3f of what it was", d)
	}
}

func TestBurstsOfFivePacketsAreAllHeardOnceTheDelayHasGrown(t *testing.T) {
	s := &sender{signal: speech(20*Rate, 130), codec: PCMA, ptime: 160, phase: 2 * time.Millisecond,
		late: func(i int) time.Duration { return time.Duration((4-i%5)*b2i(i >= 50)) * FrameTime }}
	var settled JitterStats
	j, out := listen(s, 15*time.Second, func(j *JitterBuffer, now int64, _ []int16) {
		if now == int64(3*time.Second) {
			settled = j.Stats()
		}
	})
	st := j.Stats()
	t.Logf("%+v", st)
	if lost := st.Lost + st.Stalled - settled.Lost - settled.Stalled; lost != 0 {
		t.Errorf("%d samples missing after three seconds", lost)
	}
	if st.Late+st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
	if j.Buffered() > 1200 {
		t.Errorf("holds %d samples", j.Buffered())
	}
	_ = out
}

func TestJitterUpTo30msIsAbsorbedAndGivenBackAfterwards(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	s := &sender{signal: speech(20*Rate, 130), codec: PCMA, ptime: 160, phase: 5 * time.Millisecond,
		late: func(i int) time.Duration {
			if i < 20 || i > 1000 {
				return 0
			}
			return time.Duration(r.IntN(30_000)) * time.Microsecond
		}}
	stalled := uint64(0)
	deepest := 0
	j, _ := listen(s, 40*time.Second, func(j *JitterBuffer, now int64, _ []int16) {
		if now == int64(10*time.Second) {
			stalled = j.Stats().Stalled
		}
		deepest = max(deepest, j.Buffered())
	})
	st := j.Stats()
	t.Logf("%+v, deepest %d, at the end %d", st, deepest, j.Buffered())
	if more := st.Stalled - stalled; more > 320 {
		t.Errorf("%d samples stalled after the first ten seconds", more)
	}
	if deepest > 800 {
		t.Errorf("held %d samples", deepest)
	}
	if j.Buffered() > 200 {
		t.Errorf("still holds %d samples", j.Buffered())
	}
}

func TestHalfAnHourOfClockDriftAddsLessThan60msAndNoClick(t *testing.T) {
	for _, ppm := range []float64{-200, 200} {
		r := rand.New(rand.NewPCG(3, 3))
		s := &sender{signal: chirp(4 * Rate), codec: PCMU, ptime: 160, ppm: ppm, phase: 9 * time.Millisecond,
			late:    func(int) time.Duration { return time.Duration(r.IntN(2000)) * time.Microsecond },
			arrival: map[uint32]int64{}}
		limit := steepest(coded(PCMU, s.signal)) * 115 / 100
		var last int16
		var worst time.Duration
		var sum time.Duration
		n, top := 0, 0
		quietest := 1e9
		j, _ := listen(s, 30*time.Minute, func(j *JitterBuffer, now int64, frame []int16) {
			if began, ok := j.Began(); ok {
				ts := began - began%160
				at, ok := s.arrival[ts]
				if ok {
					d := time.Duration(now-at) - time.Duration(began-ts)*time.Second/Rate
					worst, sum = max(worst, d), sum+d
					n++
				}
				delete(s.arrival, ts-1600)
			}
			if now == int64(time.Second) {
				last = frame[FrameSamples-1]
			} else if now > int64(time.Second) {
				for _, x := range frame {
					top = max(top, abs(int(x)-int(last)))
					last = x
				}
				quietest = min(quietest, rms(frame))
			}
		})
		st := j.Stats()
		t.Logf("%+.0f ppm: delay mean %v, worst %v; steepest step %d of %d; quietest frame %.0f; %+v", ppm, sum/time.Duration(n), worst, top, limit, quietest, st)
		if worst > 60*time.Millisecond {
			t.Errorf("%+.0f ppm: delay %v", ppm, worst)
		}
		if top > limit {
			t.Errorf("%+.0f ppm: a step of %d, the signal's own are below %d", ppm, top, limit)
		}
		if st.Stalled+st.Lost+st.Dropped+st.Late > 0 {
			t.Errorf("%+.0f ppm: %+v", ppm, st)
		}
		if quietest < 4000 {
			t.Errorf("%+.0f ppm: a frame faded to %.0f", ppm, quietest)
		}
		if st.Stretched+st.Shrunk < 2000 {
			t.Errorf("%+.0f ppm: playout did not follow: %+v", ppm, st)
		}
	}
}

func TestPausesOfASilentSenderCostNothing(t *testing.T) {
	// Silence suppression: the timestamps go on, the packets do not.
	for _, pause := range []int{5, 20, 45, 500} {
		s := &sender{signal: speech(8*Rate, 130), codec: PCMU, ptime: 160, phase: 8 * time.Millisecond,
			lost: func(i int) bool { return i >= 100 && i < 100+pause }}
		j, out := listen(s, 16*time.Second, nil)
		want := coded(PCMU, s.signal)
		at := find(t, want[:320], out)
		// After the pause and the crossfade it must be exact again, at the same delay.
		from := (100 + pause + 1) * 160
		for i := from; i < from+8000; i++ {
			if out[at+i] != want[i%len(want)] {
				t.Fatalf("pause of %d packets: sample %d differs; %+v", pause, i, j.Stats())
			}
		}
	}
}

func TestANewStreamOrAJumpInTimeIsFollowedAtOnce(t *testing.T) {
	jumps := map[string]func(*Packet, int){
		"timestamps jump ahead":     func(p *Packet, i int) { p.Timestamp += 7_000_000 },
		"timestamps jump back":      func(p *Packet, i int) { p.Timestamp -= 7_000_000 },
		"numbers start over":        func(p *Packet, i int) { p.Seq -= 30_000; p.Timestamp += 1 << 30 },
		"a restart is told":         func(p *Packet, i int) { p.Seq += 3; p.Timestamp += 5; p.Restart = i == 100 },
		"numbers jump but not time": func(p *Packet, i int) { p.Seq += 20_000 },
	}
	for name, jump := range jumps {
		s := &sender{signal: speech(8*Rate, 130), codec: PCMU, ptime: 160, phase: 8 * time.Millisecond}
		j := NewJitterBuffer()
		var out []int16
		var frame [FrameSamples]int16
		i := 0
		for now := int64(FrameTime); now <= int64(4*time.Second); now += int64(FrameTime) {
			for _, p := range s.until(now) {
				if i >= 100 {
					jump(&p, i)
				}
				i++
				j.Push(&p)
			}
			j.Pull(now, frame[:])
			out = append(out, frame[:]...)
		}
		want := coded(PCMU, s.signal)
		at := find(t, want[:320], out)
		if len(out) < at+4*Rate-320 {
			t.Fatalf("%s: begins at %d", name, at)
		}
		tail := find(t, want[103*160:150*160], out) // exact again after two packets
		if d := tail - (at + 103*160); d < 0 || d > 320 {
			t.Errorf("%s: comes %d samples later; %+v", name, d, j.Stats())
		}
		if top := steepest(out); top > steepest(want)*11/10 {
			t.Errorf("%s: a step of %d", name, top)
		}
	}
}

func TestAFrozenNetworkNeverLeavesMoreThanTheBound(t *testing.T) {
	s := &sender{signal: speech(20*Rate, 130), codec: PCMU, ptime: 160, phase: 8 * time.Millisecond,
		late: func(i int) time.Duration {
			return time.Duration(max(0, 100+40-i)) * FrameTime * time.Duration(b2i(i >= 100))
		}}
	deepest := 0
	j, _ := listen(s, 30*time.Second, func(j *JitterBuffer, now int64, _ []int16) { deepest = max(deepest, j.Buffered()) })
	t.Logf("%+v, deepest %d, at the end %d", j.Stats(), deepest, j.Buffered())
	if deepest > maxBuffered || j.Buffered() > 480 {
		t.Errorf("deepest %d, at the end %d", deepest, j.Buffered())
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAPrimedBufferGoesOnWithoutASeam(t *testing.T) {
	s := &sender{signal: speech(8*Rate, 130), codec: PCMA, ptime: 160}
	want := coded(PCMA, s.signal)
	packets := s.until(int64(3 * time.Second))
	for phase := 2 * time.Millisecond; phase < FrameTime; phase += 3 * time.Millisecond {
		j := NewJitterBuffer()
		j.Prime(packets[50])
		var out []int16
		var frame [FrameSamples]int16
		next := 51
		for now := packets[50].At + int64(phase); len(out) < Rate; now += int64(FrameTime) {
			for ; packets[next].At <= now; next++ {
				j.Push(&packets[next])
			}
			if j.Pull(now, frame[:]) || len(out) > 0 {
				out = append(out, frame[:]...)
			}
		}
		for i, x := range out[:6400] {
			if x != want[51*160+i] {
				t.Fatalf("phase %v: sample %d differs; %+v", phase, i, j.Stats())
			}
		}
	}
}

func TestFlushHandsOverExactlyWhatWasNotPlayed(t *testing.T) {
	s := &sender{signal: speech(8*Rate, 130), codec: PCMA, ptime: 160, phase: 3 * time.Millisecond,
		late: func(i int) time.Duration { return time.Duration(i%3) * 15 * time.Millisecond }}
	want := coded(PCMA, s.signal)
	j, _ := listen(s, 2*time.Second, nil)
	position := j.position()
	got := map[uint32]int16{}
	rest, ok := j.Flush(func(ts uint32, pcm, _ []int16) {
		for i, x := range pcm {
			got[ts+uint32(i)] = x
		}
	})
	if !ok || rest.Timestamp != position || rest.Seq != j.highest {
		t.Errorf("Flush returned %+v, %v", rest, ok)
	}
	if len(got) == 0 {
		t.Fatal("nothing was waiting")
	}
	for i := range len(got) {
		if x := got[position+uint32(i)]; x != want[int(position)+i] {
			t.Fatalf("sample %d differs", i)
		}
	}
}

func FuzzJitterBuffer(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x00\x00\xa0\xa0\x01\x00\x02\x00\x00\x01\x40\xa0\x02"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\x50\x01\x00\x00\x00\x00\x00\x4f\x50\x01\x80\x00\x80\x00\x00\x00\xff\x05"))
	f.Fuzz(func(t *testing.T, data []byte) {
		j := NewJitterBuffer()
		var frame [FrameSamples]int16
		var payload [2 * MaxPayload]byte
		now := int64(0)
		for len(data) >= 8 {
			b := data[:8]
			data = data[8:]
			p := Packet{
				Seq:       uint16(b[0])<<8 | uint16(b[1]),
				Timestamp: uint32(b[2])<<24 | uint32(b[3])<<16 | uint32(b[4])<<8 | uint32(b[5]),
				Payload:   payload[:3*int(b[6])],
				Codec:     Codec(b[7] & 3),
				Restart:   b[7]&4 != 0,
				At:        now + int64(b[7]>>4)*int64(time.Millisecond),
			}
			if b[7]&8 != 0 {
				j.Prime(p)
			} else {
				j.Push(&p)
			}
			if b[7]&16 != 0 {
				j.Pull(now, frame[:])
				now += int64(FrameTime)
			}
			if j.Buffered() > maxBuffered {
				t.Fatalf("holds %d samples", j.Buffered())
			}
		}
		for range 60 {
			j.Pull(now, frame[:])
			now += int64(FrameTime)
		}
		j.Flush(func(uint32, []int16, []int16) {})
	})
}
