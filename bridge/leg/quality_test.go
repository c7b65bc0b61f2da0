package leg

import (
	"testing"
	"time"

	"github.com/pion/rtcp"

	"dialroom/shared/wire"
)

func TestQualityTellsLossJitterAndSilenceOfTheLastSeconds(t *testing.T) {
	b := newBench(t)
	if _, ok := b.leg.Quality(); ok {
		t.Error("there is no session yet")
	}
	b = answered(t, plain)
	if q, ok := b.leg.Quality(); !ok || q.Mute || q.Codec != wire.PCMA {
		t.Errorf("%+v", q)
	}
	seq := 0
	second := func(lose int) wire.Quality {
		for i := range 50 {
			seq++
			b.now = b.now.Add(frameTime)
			if i >= lose {
				b.fromPhone(rtpPacket(8, uint16(seq), uint32(seq)*frame, 1))
			}
		}
		q, _ := b.leg.Quality()
		return q
	}
	if q := second(0); q.Loss != 0 || q.MOS < 4.2 {
		t.Errorf("a good line: %+v", q)
	}
	if q := second(5); q.Loss != 0.1 || q.MOS > 3.5 || q.MOS < 2 {
		t.Errorf("a tenth lost: %+v", q)
	}
	if q := second(0); q.Loss != 0 {
		t.Errorf("what was lost before counts again: %+v", q)
	}
	b.now = b.now.Add(muteAfter)
	if q, _ := b.leg.Quality(); !q.Mute || q.MOS != 1 {
		t.Errorf("nothing comes: %+v", q)
	}
	if _, _, err := b.leg.Accept([]byte(plain + "a=inactive\r\n")); err != nil {
		t.Fatal(err)
	}
	if q, _ := b.leg.Quality(); q.Mute {
		t.Error("a phone on hold is not mute")
	}
	if _, _, err := b.leg.Accept([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if q, _ := b.leg.Quality(); q.Mute {
		t.Error("it has just come back from hold")
	}
}

func TestQualityTakesThePhonesReportsAndForgetsOldOnes(t *testing.T) {
	b := answered(t, plain)
	report := func(loss uint8) {
		p, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 9, Reports: []rtcp.ReceptionReport{{SSRC: b.leg.ssrc, FractionLost: loss, Jitter: 80}}}})
		if err != nil {
			t.Fatal(err)
		}
		b.rtcp.handler(p, phoneRTCP)
	}
	report(64)
	if q, _ := b.leg.Quality(); q.FarLoss != 0.25 || q.FarJitter != 10 || q.Deaf || q.MOS > 2.5 {
		t.Errorf("%+v", q)
	}
	report(255)
	if q, _ := b.leg.Quality(); !q.Deaf || q.MOS != 1 {
		t.Errorf("%+v", q)
	}
	b.now = b.now.Add(staleReport)
	b.fromPhone(rtpPacket(8, 1, 1, 1))
	if q, _ := b.leg.Quality(); q.Deaf || q.FarLoss != 0 || q.MOS < 4 {
		t.Errorf("%+v", q)
	}
}

func TestMOSFallsWithLossAndDelay(t *testing.T) {
	for _, c := range []struct {
		loss  float64
		delay time.Duration
		want  float64
	}{{0, 0, 4.4}, {0, 150 * time.Millisecond, 4.3}, {0, 400 * time.Millisecond, 3.1}, {0.02, 50 * time.Millisecond, 4.2}, {0.2, 50 * time.Millisecond, 2.6}, {1, 0, 1.2}} {
		if got := mos(c.loss, c.delay); got < c.want-0.15 || got > c.want+0.15 {
			t.Errorf("%v lost, %v: %v, want %v", c.loss, c.delay, got, c.want)
		}
	}
}
