package leg

import (
	"net/netip"
	"testing"
	"time"
)

func TestRTPFromASourceTheSDPDidNotNameIsNeverHeardAndNeverAnswered(t *testing.T) {
	b := answered(t, plain)
	for _, from := range []string{
		"203.0.113.66:30000", // another host
		"198.51.100.7:30002", // another port of the right host
		"198.51.100.7:30001", // its RTCP port
		"127.0.0.1:41000",    // the sfu, at the wrong door
	} {
		for seq := range uint16(20) {
			b.rtp.handler(rtpPacket(8, seq, uint32(seq)*frame, 5), netip.MustParseAddrPort(from))
		}
	}
	b.link.none(t)
	b.rtp.none(t)
	if s := b.leg.Stats(); s.WrongSource != 80 || s.Packets != 0 || !b.leg.LastRTP().IsZero() {
		t.Errorf("%+v, last RTP %v", s, b.leg.LastRTP())
	}
	b.fromSFU(rtpPacket(8, 1, 1, theWire.SSRCToPhone))
	if to := b.rtp.sent[0].to; to != phoneAddr {
		t.Errorf("the attacker at %v was given the room's audio", to)
	}
	b.fromPhone(rtpPacket(8, 1, 1, 1))
	b.link.one(t)
}

func TestBeforeAnAnswerNothingIsSentAndNobodyIsHeard(t *testing.T) {
	b := newBench(t)
	b.leg.Offer(nil)
	b.fromPhone(rtpPacket(8, 1, 1, 1))
	b.fromSFU(rtpPacket(8, 1, 1, theWire.SSRCToPhone))
	b.now = b.now.Add(time.Minute)
	b.leg.tick(b.now)
	b.link.none(t)
	b.rtp.none(t)
	if len(b.rtcp.sent) != 0 {
		t.Error("RTCP was sent")
	}
}

func TestRTPFromTheSfusPortIsTakenOnlyFromTheSfuAndOnlyForItsLeg(t *testing.T) {
	b := answered(t, plain)
	b.link.handler(rtpPacket(8, 1, 1, theWire.SSRCToPhone), netip.MustParseAddrPort("127.0.0.1:41001"))
	b.link.handler(rtpPacket(8, 1, 1, theWire.SSRCFromPhone), sfuAddr)
	b.link.handler([]byte("short"), sfuAddr)
	b.fromSFU(rtpPacket(0, 1, 1, theWire.SSRCToPhone)) // PCMU was not negotiated
	b.rtp.none(t)
	if s := b.leg.Stats(); s.WrongSource != 1 || s.Unwanted != 1 || b.hub.Stray() != 2 {
		t.Errorf("%+v, %d strays", s, b.hub.Stray())
	}
}

func TestPayloadsAreNotTouchedAndHeadersAreOurs(t *testing.T) {
	b := answered(t, plain)
	payload := []byte{1, 2, 3, 4, 5}
	// Two contributing sources, a header extension of one word, three bytes of padding.
	long := append([]byte{0xb2, 0x88, 0, 9, 0, 0, 0, 99, 0, 0, 0, 1, 9, 9, 9, 9, 8, 8, 8, 8, 0xbe, 0xde, 0, 1, 7, 7, 7, 7}, payload...)
	long = append(long, 0, 0, 3)
	b.fromPhone(append([]byte(nil), long...))
	copy(long[8:], []byte{0x70, 0x70, 0x70, 0x70})
	b.fromSFU(long)
	for name, s := range map[string]*socket{"to the sfu": b.link, "to the phone": b.rtp} {
		p := s.sent[0].data
		if h := s.one(t); !h.marker || h.pt != 8 || h.end-h.start != len(payload) || string(p[h.start:h.end]) != string(payload) {
			t.Errorf("%s: % x", name, p)
		} else if s == b.link && h.ssrc != theWire.SSRCFromPhone || s == b.rtp && h.ssrc != b.leg.ssrc {
			t.Errorf("%s: SSRC %x", name, h.ssrc)
		}
	}
}

func TestPacketsThatAreNotRTPAreCountedAndDropped(t *testing.T) {
	b := answered(t, plain)
	good := rtpPacket(8, 1, 1, 1)
	for name, p := range map[string][]byte{
		"empty":                       {},
		"half a header":               good[:11],
		"no payload":                  good[:12],
		"version 1":                   append([]byte{0x40}, good[1:]...),
		"more sources than bytes":     append([]byte{0x8f}, good[1:20]...),
		"an extension past the end":   append([]byte{0x90}, append(append([]byte(nil), good[1:12]...), 0, 0, 0xff, 0xff, 1)...),
		"half an extension header":    append([]byte{0x90}, append(append([]byte(nil), good[1:12]...), 0, 0)...),
		"more padding than payload":   append([]byte{0xa0}, append(append([]byte(nil), good[1:12]...), 1, 2, 3, 200)...),
		"padding of no bytes":         append([]byte{0xa0}, append(append([]byte(nil), good[1:12]...), 1, 2, 3, 0)...),
		"nothing left beside padding": append([]byte{0xa0}, append(append([]byte(nil), good[1:12]...), 0, 0, 3)...),
	} {
		before := b.leg.Stats().Invalid
		b.fromPhone(p)
		if b.leg.Stats().Invalid != before+1 {
			t.Errorf("%s was not counted as invalid", name)
		}
	}
	b.link.none(t)
}

// A phone that presses keys or falls silent leaves no hole in the stream to
// the browsers: there a hole is a lost packet, to be concealed.
func TestKeysAndComfortNoiseOfThePhoneAreNotPassedOnAsAudio(t *testing.T) {
	b := answered(t, plain)
	var keys []byte
	b.leg.OnKey(func(k byte) { keys = append(keys, k) })
	in := []struct {
		pt uint8
		ts uint32
	}{{8, 0}, {8, 160}, {101, 320}, {101, 320}, {101, 320}, {13, 480}, {8, 800}, {77, 960}, {8, 960}}
	for i, p := range in {
		b.now = b.now.Add(frameTime)
		pkt := rtpPacket(p.pt, uint16(65533+i), p.ts, 1)
		if p.pt == 101 {
			pkt[rtpHeaderSize] = 11 // "#"
		}
		b.fromPhone(pkt)
	}
	got := b.link.take(t)
	if len(got) != 4 {
		t.Fatalf("%d packets", len(got))
	}
	for i, want := range []uint32{0, 160, 800, 960} {
		if got[i].seq != got[0].seq+uint16(i) || got[i].ts != got[0].ts+want {
			t.Errorf("packet %d: %+v after %+v", i, got[i], got[0])
		}
	}
	if !got[2].marker || got[1].marker {
		t.Error("the marker belongs on the first packet after a pause")
	}
	if s := b.leg.Stats(); s.Events != 3 || s.Noise != 1 || s.Unwanted != 1 || s.Forwarded != 4 || s.Lost != 0 {
		t.Errorf("%+v", s)
	}
	if string(keys) != "#" {
		t.Errorf("keys %q", keys)
	}
	if b.leg.LastRTP() != b.now {
		t.Error("LastRTP")
	}
}

func TestStreamToTheSfuIsContinuous(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		after    time.Duration
		seq      uint16
		ts, ssrc uint32
		pt       uint8
		// Relative to the packet before; seq 0 and drop: not passed on.
		wantSeq    int
		wantTS     int
		wantMarker bool
		drop       bool
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"in order, over the wrap of both counters", []step{
			{20 * ms, 65535, 0xffffff60, 1, 8, 0, 0, true, false},
			{20 * ms, 0, 0, 1, 8, 1, 160, false, false},
			{20 * ms, 1, 160, 1, 8, 1, 160, false, false},
		}},
		{"lost packets stay lost", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{60 * ms, 13, 1480, 1, 8, 3, 480, false, false},
		}},
		{"late and repeated packets keep their place", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{40 * ms, 12, 1320, 1, 8, 2, 320, false, false},
			{1 * ms, 11, 1160, 1, 8, -1, -160, false, false},
			{1 * ms, 12, 1320, 1, 8, 1, 160, false, false},
		}},
		{"another SSRC goes on where the last one was", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{50 * ms, 900, 77, 2, 8, 1, 400, true, false},
			{20 * ms, 901, 237, 2, 8, 1, 160, false, false},
		}},
		{"another codec goes on where the last one was", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{20 * ms, 11, 9999, 1, 0, 1, 160, true, false},
			{20 * ms, 12, 10159, 1, 0, 1, 160, false, false},
		}},
		{"a sequence number that jumps is another source", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{20 * ms, 20010, 1160, 1, 8, 1, 160, true, false},
		}},
		{"a timestamp that falls back is another source", []step{
			{20 * ms, 10, 100000, 1, 8, 0, 0, true, false},
			{20 * ms, 11, 160, 1, 8, 1, 160, true, false},
		}},
		{"silence suppression may be as long as it likes", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{time.Minute, 11, 481000, 1, 8, 1, 480000, false, false},
		}},
		{"a timestamp that runs off is another source", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{20 * ms, 11, 481000, 1, 8, 1, 160, true, false},
		}},
		{"a burst after a stall is passed on as it comes", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{3000 * ms, 11, 1160, 1, 8, 1, 160, false, false},
			{0, 12, 1320, 1, 8, 1, 160, false, false},
		}},
		{"a packet from before a key that came late is dropped", []step{
			{20 * ms, 10, 1000, 1, 8, 0, 0, true, false},
			{20 * ms, 12, 1320, 1, 101, 0, 0, false, true},
			{20 * ms, 13, 1480, 1, 8, 1, 480, true, false},
			{0, 11, 1160, 1, 8, 0, 0, false, true},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := answered(t, sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8 0 101", "a=rtpmap:101 telephone-event/8000"))
			var last rtpHeader
			for i, s := range c.steps {
				b.now = b.now.Add(s.after)
				b.fromPhone(rtpPacket(s.pt, s.seq, s.ts, s.ssrc))
				if s.drop {
					b.link.none(t)
					continue
				}
				h := b.link.one(t)
				if i > 0 && (h.seq != last.seq+uint16(s.wantSeq) || h.ts != last.ts+uint32(s.wantTS)) || h.marker != s.wantMarker {
					t.Errorf("packet %d is %+v, after %+v; want %+d, %+d, marker %v", i, h, last, s.wantSeq, s.wantTS, s.wantMarker)
				}
				if h.ssrc != theWire.SSRCFromPhone {
					t.Errorf("SSRC %x", h.ssrc)
				}
				last = h
			}
		})
	}
}

func TestLatePacketsAreRecognisedHoursAfterTheLastCut(t *testing.T) {
	b := answered(t, plain)
	for i := range 200_000 {
		b.now = b.now.Add(frameTime)
		b.fromPhone(rtpPacket(8, uint16(i), uint32(i)*frame, 1))
		if i%100 == 99 {
			b.fromPhone(rtpPacket(8, uint16(i-2), uint32(i-2)*frame, 1))
		}
		b.link.sent = b.link.sent[:0]
	}
	if s := b.leg.Stats(); s.Late != 0 || s.Forwarded != 202_000 {
		t.Errorf("%+v", s)
	}
}

func TestAfterCloseNothingMoves(t *testing.T) {
	b := answered(t, plain)
	fromPhone, fromSFU := b.rtp.handler, b.leg.fromSFU
	b.leg.Close()
	b.leg.Close()
	fromPhone(rtpPacket(8, 1, 1, 1), phoneAddr)
	fromSFU(rtpPacket(8, 1, 1, theWire.SSRCToPhone), sfuAddr)
	b.link.handler(rtpPacket(8, 1, 1, theWire.SSRCToPhone), sfuAddr)
	b.link.none(t)
	b.rtp.none(t)
	if _, err := b.leg.Answer([]byte(plain)); err != ErrClosed {
		t.Error(err)
	}
	if _, _, err := b.leg.Accept([]byte(plain)); err != ErrClosed {
		t.Error(err)
	}
	if err := b.leg.DTMF("1"); err != ErrClosed {
		t.Error(err)
	}
}

// null is a socket that forgets.
type null struct{ *socket }

func (null) WriteTo([]byte, netip.AddrPort) error { return nil }

func TestARelayedPacketAllocatesNothing(t *testing.T) {
	b := answered(t, plain)
	b.hub.shared, b.leg.rtp = null{b.link}, null{b.rtp}
	b.hub.now = time.Now
	var seq uint16
	in, out := rtpPacket(8, 0, 0, 1), rtpPacket(8, 0, 0, theWire.SSRCToPhone)
	if n := testing.AllocsPerRun(1000, func() {
		seq++
		putHeader(in, rtpHeader{pt: 8, seq: seq, ts: uint32(seq) * frame, ssrc: 1})
		putHeader(out, rtpHeader{pt: 8, seq: seq, ts: uint32(seq) * frame, ssrc: theWire.SSRCToPhone})
		b.fromPhone(in)
		b.fromSFU(out)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if s := b.leg.Stats(); s.Forwarded != 1001 || s.SentPackets != 1001 {
		t.Errorf("%+v", s)
	}
}

func BenchmarkRelay(b *testing.B) {
	h := answered(b, plain)
	h.hub.shared, h.leg.rtp = null{h.link}, null{h.rtp}
	h.hub.now = time.Now
	in, out := rtpPacket(8, 0, 0, 1), rtpPacket(8, 0, 0, theWire.SSRCToPhone)
	b.ReportAllocs()
	for i := range b.N {
		putHeader(in, rtpHeader{pt: 8, seq: uint16(i), ts: uint32(i) * frame, ssrc: 1})
		putHeader(out, rtpHeader{pt: 8, seq: uint16(i), ts: uint32(i) * frame, ssrc: theWire.SSRCToPhone})
		h.fromPhone(in)
		h.fromSFU(out)
	}
}
