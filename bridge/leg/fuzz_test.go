package leg

import (
	"strings"
	"testing"
	"time"

	"dialroom/shared/wire"
)

// sdpSeeds are SDPs of the kinds that telephones, carriers and browsers send.
var sdpSeeds = []string{
	plain,
	plain + "a=sendonly\r\n",
	sdpOf("0.0.0.0", "m=audio 30000 RTP/AVP 8", "a=inactive"),
	sdpOf("2001:db8::7", "m=audio 30000 RTP/AVP 0 8 18 101", "a=rtpmap:101 telephone-event/8000", "a=ptime:20"),
	sdpOf("198.51.100.7", "m=audio 30000 RTP/SAVP 8", "m=image 5004 udptl t38", "m=video 0 RTP/AVP 96"),
	sdpOf("198.51.100.7", "m=audio 30000/2 RTP/AVPF 96 97", "a=rtpmap:96 G722/8000", "a=rtpmap:97 CN/8000", "a=rtcp:5 IN IP4 1.2.3.4"),
	"v=0\nm=audio 1 RTP/AVP 0\nc=IN IP4 1.2.3.4/127\n",
}

// FuzzSDP: whatever SDP comes, as an answer or an offer, there is no panic, and
// what was settled can be relied on.
func FuzzSDP(f *testing.F) {
	for _, s := range sdpSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		b := newBench(t)
		b.leg.Offer([]wire.Codec{wire.PCMA, wire.PCMU})
		check := func(s Session, err error) {
			if err != nil {
				return
			}
			if s.Codec != wire.PCMA && s.Codec != wire.PCMU {
				t.Errorf("codec %q", s.Codec)
			}
			if !s.Hold && !s.Remote.IsValid() {
				t.Error("we are to send, but nowhere")
			}
			if ip := s.Remote.Addr(); s.Remote.IsValid() && (ip.IsUnspecified() || ip.IsMulticast() || !ip.Is4()) {
				t.Errorf("remote %v", s.Remote)
			}
		}
		check(b.leg.Answer(src))
		answer, s, err := b.leg.Accept(src)
		check(s, err)
		if err == nil {
			theirs, _ := parse(src)
			ours, err := parse(answer)
			if err != nil || len(ours) != len(theirs) {
				t.Errorf("%d sections answered with %d, %v:\n%s", len(theirs), len(ours), err, answer)
			}
			if strings.Count(string(answer), "\na=ptime:") != 1 {
				t.Errorf("not one stream accepted:\n%s", answer)
			}
		}
	})
}

// FuzzRTPFromPhone: what leaves towards the sfu is well-formed and bears the leg's SSRC.
func FuzzRTPFromPhone(f *testing.F) {
	f.Add(rtpPacket(8, 1, 1, 1), uint16(20))
	f.Add(rtpPacket(101, 2, 1, 1)[:16], uint16(20))
	f.Add([]byte{0xb2, 0x88, 0, 9, 0, 0, 0, 99, 0, 0, 0, 1, 9, 9, 9, 9, 8, 8, 8, 8, 0xbe, 0xde, 0, 1, 7, 7, 7, 7, 1, 2}, uint16(0))
	f.Fuzz(func(t *testing.T, p []byte, later uint16) {
		b := answered(t, plain)
		b.fromPhone(rtpPacket(8, 0, 0, 1))
		b.fromPhone(append([]byte(nil), p...))
		b.now = b.now.Add(time.Duration(later) * time.Millisecond)
		b.fromPhone(append([]byte(nil), p...))
		b.fromPhone(rtpPacket(8, 1, 160, 1))
		for _, h := range b.link.take(t) {
			if h.ssrc != theWire.SSRCFromPhone || h.pt != 8 {
				t.Errorf("%+v", h)
			}
		}
		b.rtp.none(t)
		b.rtcp.handler(p, phoneRTCP)
	})
}

// FuzzRTPFromSFU: what leaves towards the phone is well-formed and one stream.
func FuzzRTPFromSFU(f *testing.F) {
	f.Add(rtpPacket(8, 1, 1, theWire.SSRCToPhone), uint16(20))
	f.Add([]byte{0x80}, uint16(0))
	f.Fuzz(func(t *testing.T, p []byte, later uint16) {
		b := answered(t, plain)
		b.fromSFU(rtpPacket(8, 0, 0, theWire.SSRCToPhone))
		b.fromSFU(append([]byte(nil), p...))
		b.now = b.now.Add(time.Duration(later) * time.Millisecond)
		b.leg.fromSFU(append([]byte(nil), p...), sfuAddr)
		for _, h := range b.rtp.take(t) {
			if h.ssrc != b.leg.ssrc || h.pt != 8 {
				t.Errorf("%+v", h)
			}
		}
		b.link.none(t)
	})
}
