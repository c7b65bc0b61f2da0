package leg

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// event is one telephone-event packet as the phone gets it.
type event struct {
	seq      uint16
	ts       uint32
	marker   bool
	code     byte
	end      bool
	duration uint16
}

func TestKeysArePressedPacketForPacketAsRFC4733Says(t *testing.T) {
	b := answered(t, sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8 96", "a=rtpmap:96 telephone-event/8000"))
	b.fromSFU(rtpPacket(8, 500, 40000, theWire.SSRCToPhone))
	audio := b.rtp.one(t)

	b.now = b.now.Add(frameTime)
	if err := b.leg.DTMF("5d"); err != nil {
		t.Fatal(err)
	}
	var got []packet
	at := make(map[int]int) // packets by 20 ms step
	for step := range 22 {
		b.leg.tick(b.now)
		// The room goes on talking, and is not heard over the keys.
		if step < 19 {
			b.fromSFU(rtpPacket(8, 501+uint16(step), 40160+uint32(step)*frame, theWire.SSRCToPhone))
		}
		at[step] = len(b.rtp.sent) - len(got)
		got = b.rtp.sent
		b.now = b.now.Add(frameTime)
	}
	var events []event
	for _, p := range got {
		h, _ := parseRTP(p.data)
		if h.pt != 96 || h.ssrc != audio.ssrc || p.to != phoneAddr || h.end-h.start != eventSize {
			t.Fatalf("not an event of this stream: %+v to %v", h, p.to)
		}
		body := p.data[h.start:]
		if body[1]&0x7f != volume {
			t.Errorf("reserved bit and volume are %#x", body[1])
		}
		events = append(events, event{h.seq - audio.seq, h.ts - audio.ts, h.marker, body[0], body[1]&endBit != 0, be16(body[2:])})
	}
	want := []event{
		{1, 160, true, 5, false, 160},
		{2, 160, false, 5, false, 320},
		{3, 160, false, 5, false, 480},
		{4, 160, false, 5, false, 640},
		{5, 160, false, 5, true, 800},
		{6, 160, false, 5, true, 800},
		{7, 160, false, 5, true, 800},
		{8, 1760, true, 15, false, 160},
		{9, 1760, false, 15, false, 320},
		{10, 1760, false, 15, false, 480},
		{11, 1760, false, 15, false, 640},
		{12, 1760, false, 15, true, 800},
		{13, 1760, false, 15, true, 800},
		{14, 1760, false, 15, true, 800},
	}
	if len(events) != len(want) {
		t.Fatalf("%d packets, want %d: %+v", len(events), len(want), events)
	}
	for i := range want {
		if events[i] != want[i] {
			t.Errorf("packet %d: %+v, want %+v", i, events[i], want[i])
		}
	}
	for step, n := range at {
		if pressed := step%10 < 7 && step < 20; (n == 1) != pressed {
			t.Errorf("%d packets in step %d", n, step)
		}
	}

	// Then the room is heard again, right behind in numbers and in time.
	b.rtp.sent = nil
	b.fromSFU(rtpPacket(8, 521, 40000+21*frame, theWire.SSRCToPhone))
	if h := b.rtp.one(t); h.seq != audio.seq+15 || h.ts != audio.ts+21*frame || !h.marker || h.pt != 8 {
		t.Errorf("after the keys came %+v, before was %+v", h, audio)
	}
}

func TestAudioAfterKeysNeverGoesBackInTime(t *testing.T) {
	b := answered(t, plain)
	b.fromSFU(rtpPacket(8, 1, 1000, theWire.SSRCToPhone))
	before := b.rtp.one(t)
	if err := b.leg.DTMF("1"); err != nil {
		t.Fatal(err)
	}
	for range keySteps {
		b.leg.tick(b.now)
		b.now = b.now.Add(frameTime)
	}
	b.rtp.sent = nil
	b.fromSFU(rtpPacket(8, 2, 1160, theWire.SSRCToPhone)) // the sfu stalled meanwhile
	if h := b.rtp.one(t); h.ts != before.ts+160+800+160 || h.seq != before.seq+8 {
		t.Errorf("%+v after %+v", h, before)
	}
}

func TestKeysCanBePressedBeforeAnyAudioWasSent(t *testing.T) {
	b := answered(t, plain)
	if err := b.leg.DTMF("0"); err != nil {
		t.Fatal(err)
	}
	b.leg.tick(b.now)
	if h := b.rtp.one(t); h.pt != 101 || !h.marker {
		t.Errorf("%+v", h)
	}
}

func TestAStallDoesNotMakeABurstOfKeyPackets(t *testing.T) {
	b := answered(t, plain)
	if err := b.leg.DTMF("0"); err != nil {
		t.Fatal(err)
	}
	b.leg.tick(b.now)
	b.now = b.now.Add(3 * frameTime)
	if b.leg.tick(b.now); len(b.rtp.take(t)) != 4 {
		t.Error("three late packets are caught up with")
	}
	b.now = b.now.Add(time.Second)
	if b.leg.tick(b.now); len(b.rtp.take(t)) != 1 {
		t.Error("a second is not")
	}
}

func TestDTMFErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		bench  func() *bench
		digits string
		want   error
	}{
		{"a letter that is no key", func() *bench { return answered(t, plain) }, "12E", ErrBadDigit},
		{"before an answer", func() *bench { return newBench(t) }, "1", ErrNotTalking},
		{"on hold", func() *bench { b := answered(t, plain); b.accept(plain + "a=sendonly\r\n"); return b }, "1", ErrNotTalking},
		{"a phone without telephone-event", func() *bench { return answered(t, sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8")) }, "1", ErrNoEvents},
		{"too many", func() *bench { return answered(t, plain) }, strings.Repeat("1", 65), ErrManyDigits},
		{"none is no error", func() *bench { return answered(t, plain) }, "", nil},
		{"all there are", func() *bench { return answered(t, plain) }, "0123456789*#abcdABCD", nil},
	} {
		if err := c.bench().leg.DTMF(c.digits); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestHoldLetsGoOfTheKeys(t *testing.T) {
	b := answered(t, plain)
	if err := b.leg.DTMF("123"); err != nil {
		t.Fatal(err)
	}
	b.leg.tick(b.now)
	b.accept(plain + "a=sendonly\r\n")
	b.accept(plain)
	b.rtp.sent = nil
	b.now = b.now.Add(frameTime)
	b.leg.tick(b.now)
	b.rtp.none(t)
}

// Marker bits get lost, ends are repeated, and long keys come in segments:
// only the timestamp says what is one key.
func TestKeysOfThePhoneAreToldApartByTimestamp(t *testing.T) {
	type in struct {
		ts     uint32
		code   byte
		marker bool
	}
	for _, c := range []struct {
		name string
		in   []in
		want string
	}{
		{"one key, many packets, no marker", []in{{100, 1, false}, {100, 1, false}, {100, 1, false}}, "1"},
		{"the same key twice", []in{{100, 1, true}, {100, 1, false}, {2000, 1, false}, {2000, 1, false}}, "11"},
		{"a late end of the key before", []in{{100, 1, true}, {2000, 2, true}, {100, 1, false}, {2000, 2, false}}, "12"},
		{"a key held for more than eight seconds", []in{{100, 1, true}, {100 + 0xffff, 1, false}, {100 + 2*0xffff, 1, false}}, "1"},
		{"star, pound and letters", []in{{1, 10, true}, {2, 11, true}, {3, 12, true}, {4, 15, true}}, "*#AD"},
		{"flash and tones are not keys", []in{{1, 16, true}, {2, 36, true}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l listener
			var got []byte
			for _, p := range c.in {
				if k, ok := l.hear(rtpHeader{ts: p.ts, marker: p.marker}, []byte{p.code, 10, 0, 160}); ok {
					got = append(got, k)
				}
			}
			if string(got) != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	var l listener
	if _, ok := l.hear(rtpHeader{}, []byte{1, 2, 3}); ok {
		t.Error("half a payload was a key")
	}
}
