package leg

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// report takes the one compound that was sent.
func (b *bench) report() []rtcp.Packet {
	b.t.Helper()
	if len(b.rtcp.sent) != 1 {
		b.t.Fatalf("%d reports were sent", len(b.rtcp.sent))
	}
	p := b.rtcp.sent[0]
	b.rtcp.sent = nil
	if p.to != phoneRTCP {
		b.t.Errorf("report to %v", p.to)
	}
	packets, err := rtcp.Unmarshal(p.data)
	if err != nil {
		b.t.Fatal(err)
	}
	if len(packets) != 2 {
		b.t.Fatalf("%d packets in the compound", len(packets))
	}
	if name := packets[1].(*rtcp.SourceDescription).Chunks[0]; name.Source != b.leg.ssrc || name.Items[0].Text != b.leg.cname {
		b.t.Errorf("%+v", name)
	}
	return packets
}

func TestReportsSayWhatWasSentAndHeard(t *testing.T) {
	b := answered(t, plain)
	due := b.leg.tick(b.now)
	if wait := due.Sub(b.now); wait < reportEvery/2 || wait > reportEvery*3/2 {
		t.Errorf("the first report is due in %v", wait)
	}
	for i := range uint16(8) { // two of ten are lost
		seq := 65530 + i
		if i >= 5 {
			seq += 2
		}
		b.now = b.now.Add(frameTime)
		b.fromPhone(rtpPacket(8, seq, uint32(seq)*frame, 77))
		b.fromSFU(rtpPacket(8, i, uint32(i)*frame, theWire.SSRCToPhone))
	}
	senderReport, err := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: 77, NTPTime: 0x1111_2222_3333_4444}})
	if err != nil {
		t.Fatal(err)
	}
	b.rtcp.handler(senderReport, phoneRTCP)

	b.leg.mu.Lock()
	b.leg.reports.due = b.now.Add(time.Second)
	b.leg.mu.Unlock()
	b.now = b.now.Add(time.Second)
	b.leg.tick(b.now)
	sr := b.report()[0].(*rtcp.SenderReport)
	if sr.SSRC != b.leg.ssrc || sr.PacketCount != 8 || sr.OctetCount != 8*160 || sr.NTPTime != ntp(b.now) || sr.RTPTime != b.leg.out.outTS+clockRate {
		t.Errorf("%+v", sr)
	}
	want := rtcp.ReceptionReport{SSRC: 77, FractionLost: 2 * 256 / 10, TotalLost: 2, LastSequenceNumber: 1<<16 | 3, LastSenderReport: 0x2222_3333, Delay: 1 << 16, Jitter: sr.Reports[0].Jitter}
	if sr.Reports[0] != want {
		t.Errorf("%+v, want %+v", sr.Reports[0], want)
	}

	// Nothing sent since: a receiver report. Nothing lost since: no fraction.
	b.now = b.now.Add(2 * reportEvery)
	b.leg.tick(b.now)
	rr := b.report()[0].(*rtcp.ReceiverReport)
	if rr.Reports[0].FractionLost != 0 || rr.Reports[0].TotalLost != 2 {
		t.Errorf("%+v", rr)
	}
	if s := b.leg.Stats(); s.Lost != 2 {
		t.Errorf("%+v", s)
	}
}

func TestThePhonesReportsTellHowItHearsUs(t *testing.T) {
	b := answered(t, plain)
	asked := uint32(ntp(b.now) >> 16)
	b.now = b.now.Add(300 * time.Millisecond)
	blocks := []rtcp.ReceptionReport{
		{SSRC: 4711, FractionLost: 255},
		{SSRC: b.leg.ssrc, FractionLost: 64, Jitter: 80, LastSenderReport: asked, Delay: 1 << 16 / 10},
	}
	p, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 77, Reports: blocks}})
	if err != nil {
		t.Fatal(err)
	}
	b.rtcp.handler(p, netip.MustParseAddrPort("203.0.113.66:30001"))
	if s := b.leg.Stats(); s.RemoteLoss != 0 || s.WrongSource != 1 {
		t.Errorf("a stranger's report was believed: %+v", s)
	}
	if at := b.leg.LastRTCP(); !at.IsZero() {
		t.Errorf("a stranger's report was a sign of life at %v", at)
	}
	b.rtcp.handler(p, phoneRTCP)
	if at := b.leg.LastRTCP(); at != b.now {
		t.Errorf("the phone's report was a sign of life at %v, not %v", at, b.now)
	}
	s := b.leg.Stats()
	if s.RemoteLoss != 0.25 || s.RemoteJitter != 10*time.Millisecond || s.RoundTrip.Round(time.Millisecond) != 200*time.Millisecond {
		t.Errorf("%+v", s)
	}
	b.rtcp.handler([]byte("not RTCP"), phoneRTCP)
	if b.leg.Stats().Invalid != 1 {
		t.Error("garbage was not counted")
	}
}

func TestReceptionAccountsAsRFC3550Does(t *testing.T) {
	start := time.Unix(0, 0)
	t.Run("an even stream has no jitter and no loss", func(t *testing.T) {
		var r reception
		for i := range 70_000 {
			r.note(rtpHeader{seq: uint16(i), ts: uint32(i) * frame, ssrc: 1}, start.Add(time.Duration(i)*frameTime), true)
		}
		if r.lost() != 0 || r.jitterTime() != 0 || r.extended() != 69_999 || r.fraction() != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("packets that come 10 ms early and late by turns have 20 ms of jitter", func(t *testing.T) {
		var r reception
		for i := range 1000 {
			at := start.Add(time.Duration(i) * frameTime)
			if i%2 == 1 {
				at = at.Add(10 * time.Millisecond)
			} else {
				at = at.Add(-10 * time.Millisecond)
			}
			r.note(rtpHeader{seq: uint16(i), ts: uint32(i) * frame, ssrc: 1}, at, true)
		}
		if j := r.jitterTime(); j < 19*time.Millisecond || j > 21*time.Millisecond {
			t.Errorf("%v", j)
		}
	})
	t.Run("silence suppression and another source are not jitter", func(t *testing.T) {
		var r reception
		r.note(rtpHeader{seq: 1, ts: 0, ssrc: 1}, start, true)
		r.note(rtpHeader{seq: 2, ts: 80_000, ssrc: 1}, start.Add(10*time.Second), true)
		r.note(rtpHeader{seq: 9, ts: 5, ssrc: 2}, start.Add(10*time.Second), true)
		if r.jitterTime() != 0 {
			t.Errorf("%v", r.jitterTime())
		}
	})
	t.Run("what an earlier source lost is remembered", func(t *testing.T) {
		var r reception
		for i, seq := range []uint16{1, 3, 4} {
			r.note(rtpHeader{seq: seq, ssrc: 1}, start.Add(time.Duration(i)), true)
		}
		r.note(rtpHeader{seq: 100, ssrc: 2}, start, true)
		if r.lost() != 1 {
			t.Errorf("%d", r.lost())
		}
	})
}
