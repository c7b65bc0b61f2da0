package leg

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"dialroom/shared/wire"
)

func TestOfferSaysWhatWeSpeakAndWhere(t *testing.T) {
	b := newBench(t)
	got := string(b.leg.Offer([]wire.Codec{wire.PCMA, wire.PCMU, "OPUS"}))
	head, rest, _ := strings.Cut(got, "s=-\r\n")
	want := "c=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n" +
		"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
	if rest != want {
		t.Errorf("got\n%s\nwant\n%s", rest, want)
	}
	if !strings.HasPrefix(head, "v=0\r\no=- ") || !strings.HasSuffix(head, " 1 IN IP4 192.0.2.10\r\n") {
		t.Errorf("head is %q", head)
	}
	if string(b.leg.LocalSDP()) != got {
		t.Error("LocalSDP is not what was offered")
	}
}

// origin returns the session id and version of our SDP.
func origin(t *testing.T, sdp []byte) (id, version string) {
	t.Helper()
	f := strings.Fields(strings.Split(string(sdp), "\r\n")[1])
	return f[1], f[2]
}

func TestVersionGoesUpByOneWhenSomethingChangesAndOnlyThen(t *testing.T) {
	b := newBench(t)
	codecs := []wire.Codec{wire.PCMA, wire.PCMU}
	id, _ := origin(t, b.leg.Offer(codecs))
	for _, step := range []struct {
		name string
		sdp  func() []byte
		want string
	}{
		{"the same offer again", func() []byte { return b.leg.Offer(codecs) }, "1"},
		{"other codecs", func() []byte { return b.leg.Offer(codecs[:1]) }, "2"},
		{"hold", func() []byte { return b.accept(plain + "a=sendonly\r\n") }, "3"},
		{"hold repeated", func() []byte { return b.accept(plain + "a=sendonly\r\n") }, "3"},
		{"resume", func() []byte { return b.accept(plain) }, "4"},
	} {
		gotID, got := origin(t, step.sdp())
		if got != step.want || gotID != id {
			t.Errorf("%s: o= has %s %s, want %s %s", step.name, gotID, got, id, step.want)
		}
	}
}

func (b *bench) accept(offer string) []byte {
	b.t.Helper()
	answer, _, err := b.leg.Accept([]byte(offer))
	if err != nil {
		b.t.Fatalf("%v in\n%s", err, offer)
	}
	return answer
}

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer string
		want   Session
	}{
		{"an ordinary phone", plain, Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP, TelephoneEvent: true,
		}},
		{"static payload types need no rtpmap", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 0"), Session{
			Codec: wire.PCMU, Remote: phoneAddr, RTCP: phoneRTCP,
		}},
		{"the far end's preference counts", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 0 8"), Session{
			Codec: wire.PCMU, Remote: phoneAddr, RTCP: phoneRTCP,
		}},
		{"encoding names are case-insensitive", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8 97", "a=rtpmap:8 pcma/8000/1", "a=rtpmap:97 Telephone-Event/8000"), Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP, TelephoneEvent: true,
		}},
		{"telephone-event at another clock rate is not ours", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8 97", "a=rtpmap:97 telephone-event/48000"), Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP,
		}},
		{"an rtpmap overrides a static payload type", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8 0", "a=rtpmap:8 L16/8000"), Session{
			Codec: wire.PCMU, Remote: phoneAddr, RTCP: phoneRTCP,
		}},
		{"c= of the section goes before c= of the session", sdpOf("203.0.113.1", "m=audio 30000 RTP/AVP 8", "c=IN IP4 198.51.100.7"), Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP,
		}},
		{"direction of the session holds where the section says none", sdpOf("198.51.100.7", "a=sendonly", "m=audio 30000 RTP/AVP 8"), Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP, Direction: RecvOnly, Hold: true,
		}},
		{"direction of the section goes before that of the session", sdpOf("198.51.100.7", "a=inactive", "m=audio 30000 RTP/AVP 8", "a=sendrecv"), Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP,
		}},
		{"ptime and maxptime are noted", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8", "a=ptime:30", "a=maxptime:60"), Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP, PTime: 30 * time.Millisecond, MaxPTime: 60 * time.Millisecond,
		}},
		{"RTCP lives where a=rtcp says", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8", "a=rtcp:30099 IN IP4 198.51.100.8"), Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: netip.MustParseAddrPort("198.51.100.8:30099"),
		}},
		{"a fax section, a missing t= and bare line ends do not matter",
			"v=0\no=- 99999999999999999999999 1 IN IP4 x\ns=\nu=::bad\nc=IN IP4 198.51.100.7\nm=audio 30000 RTP/AVP 8\nm=image 0 udptl t38\n",
			Session{Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP}},
		{"AVPF is RTP too", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVPF 8"), Session{
			Codec: wire.PCMA, Remote: phoneAddr, RTCP: phoneRTCP,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.leg.Offer([]wire.Codec{wire.PCMA, wire.PCMU})
			got, err := b.leg.Answer([]byte(c.answer))
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestSDPThatCannotBeUsedIsATypedErrorAndChangesNothing(t *testing.T) {
	lines := make([]string, 9_995)
	for i := range lines {
		lines[i] = "a=x"
	}
	for _, c := range []struct {
		name string
		sdp  string
		want error
	}{
		{"nothing", "", ErrSDPSyntax},
		{"not SDP", "<html>", ErrSDPSyntax},
		{"SDP that does not begin with v=", "o=- 1 1 IN IP4 1.2.3.4\r\n", ErrSDPSyntax},
		{"a second v=", plain + "v=0\r\n", ErrSDPSyntax},
		{"an m-line without formats", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP"), ErrSDPSyntax},
		{"a port that is none", sdpOf("198.51.100.7", "m=audio 99999 RTP/AVP 8"), ErrSDPSyntax},
		{"10,000 lines", sdpOf("198.51.100.7", lines...), ErrSDPTooLong},
		{"more than 64 KiB", plain + "a=" + strings.Repeat("x", 64<<10), ErrSDPTooLong},
		{"no section", sdpOf("198.51.100.7"), ErrNoAudio},
		{"video only", sdpOf("198.51.100.7", "m=video 30000 RTP/AVP 96"), ErrNoAudio},
		{"audio rejected", sdpOf("198.51.100.7", "m=audio 0 RTP/AVP 8"), ErrNoAudio},
		{"audio over something that is not RTP", sdpOf("198.51.100.7", "m=audio 30000 FOO/BAR 8"), ErrNoAudio},
		{"no common codec", sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 18 101", "a=rtpmap:101 telephone-event/8000"), ErrNoCodec},
		{"SRTP", sdpOf("198.51.100.7", "m=audio 30000 RTP/SAVP 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x"), ErrSRTP},
		{"DTLS-SRTP", sdpOf("198.51.100.7", "m=audio 30000 UDP/TLS/RTP/SAVPF 8"), ErrSRTP},
		{"a name for an address", sdpOf("phone.example.net", "m=audio 30000 RTP/AVP 8"), ErrAddress},
		{"multicast", sdpOf("224.2.1.1/127", "m=audio 30000 RTP/AVP 8"), ErrAddress},
		{"broadcast", sdpOf("255.255.255.255", "m=audio 30000 RTP/AVP 8"), ErrAddress},
		{"no address", "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\nm=audio 30000 RTP/AVP 8\r\n", ErrAddress},
		{"IPv6 when we only have IPv4", sdpOf("2001:db8::7", "m=audio 30000 RTP/AVP 8"), ErrAddress},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := answered(t, plain)
			begin := time.Now()
			if _, err := b.leg.Answer([]byte(c.sdp)); !errors.Is(err, c.want) {
				t.Errorf("as an answer: %v, want %v", err, c.want)
			}
			before := string(b.leg.LocalSDP())
			if _, _, err := b.leg.Accept([]byte(c.sdp)); !errors.Is(err, c.want) {
				t.Errorf("as an offer: %v, want %v", err, c.want)
			}
			if took := time.Since(begin); took > 50*time.Millisecond {
				t.Errorf("took %v", took)
			}
			if string(b.leg.LocalSDP()) != before {
				t.Error("our SDP has changed")
			}
			b.fromPhone(rtpPacket(8, 1, 1, 1))
			b.link.one(t)
		})
	}
}

func TestAnswerWithoutAnOfferIsAnError(t *testing.T) {
	b := newBench(t)
	if _, err := b.leg.Answer([]byte(plain)); !errors.Is(err, ErrNoOffer) {
		t.Error(err)
	}
	b.accept(plain)
	if _, err := b.leg.Answer([]byte(plain)); !errors.Is(err, ErrNoOffer) {
		t.Errorf("after we answered: %v", err)
	}
}

func TestAcceptAnswersEverySection(t *testing.T) {
	b := newBench(t)
	answer := string(b.accept(sdpOf("198.51.100.7",
		"m=video 5000 RTP/AVP 96 97", "a=rtpmap:96 H264/90000",
		"m=audio 0 RTP/AVP 8",
		"m=audio 5002 RTP/SAVP 8",
		"m=audio 30000 RTP/AVPF 18 96 0 98 99", "a=rtpmap:96 PCMA/8000", "a=rtpmap:98 telephone-event/16000", "a=rtpmap:99 telephone-event/8000",
		"m=audio 5006 RTP/AVP 8",
		"m=image 5004 udptl t38")))
	_, got, _ := strings.Cut(answer, "t=0 0\r\n")
	want := "m=video 0 RTP/AVP 96 97\r\nm=audio 0 RTP/AVP 8\r\nm=audio 0 RTP/SAVP 8\r\n" +
		"m=audio 20000 RTP/AVPF 96 99\r\na=rtpmap:96 PCMA/8000\r\na=rtpmap:99 telephone-event/8000\r\na=fmtp:99 0-15\r\na=ptime:20\r\na=sendrecv\r\n" +
		"m=audio 0 RTP/AVP 8\r\nm=image 0 udptl t38\r\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// The dynamic payload type is the phone's; towards the sfu it is the static one.
	b.fromPhone(rtpPacket(96, 1, 1, 1))
	if h := b.link.one(t); h.pt != 8 {
		t.Errorf("payload type %d to the sfu", h.pt)
	}
	b.fromSFU(rtpPacket(8, 1, 1, theWire.SSRCToPhone))
	if h := b.rtp.one(t); h.pt != 96 {
		t.Errorf("payload type %d to the phone", h.pt)
	}
}

func TestAcceptOffersNoTelephoneEventThatWasNotOffered(t *testing.T) {
	b := newBench(t)
	if answer := string(b.accept(sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 0 8"))); strings.Contains(answer, "telephone-event") || !strings.Contains(answer, "RTP/AVP 0\r\n") {
		t.Error(answer)
	}
}

func TestAcceptChoosesOnlyFromTheCodecsOfTheTrunk(t *testing.T) {
	b := newBench(t)
	b.leg.SetCodecs([]wire.Codec{wire.PCMA})
	if answer := string(b.accept(sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 0 8"))); !strings.Contains(answer, "RTP/AVP 8\r\n") {
		t.Error(answer)
	}
}

func TestIPv6(t *testing.T) {
	b := newBench(t)
	b.hub.bindIP = netip.IPv6Unspecified()
	b.leg.Advertise(netip.MustParseAddr("2001:db8::10"))
	if offer := string(b.leg.Offer(nil)); !strings.Contains(offer, "c=IN IP6 2001:db8::10\r\n") {
		t.Error(offer)
	}
	s, err := b.leg.Answer([]byte(sdpOf("2001:db8::7", "m=audio 30000 RTP/AVP 8")))
	if err != nil || s.Remote != netip.MustParseAddrPort("[2001:db8::7]:30000") {
		t.Errorf("%+v, %v", s, err)
	}
	// Sockets bound to every address reach IPv4 too.
	if _, err := b.leg.Answer([]byte(plain)); err != nil {
		t.Error(err)
	}
}

func TestHold(t *testing.T) {
	for _, c := range []struct {
		name      string
		offer     string
		want      Direction
		fromPhone bool // the phone's audio (music on hold) reaches the room
	}{
		{"sendonly is answered recvonly, and its music is heard", plain + "a=sendonly\r\n", RecvOnly, true},
		{"inactive is answered inactive", plain + "a=inactive\r\n", Inactive, false},
		{"0.0.0.0 is a hold even when it says sendrecv", sdpOf("0.0.0.0", "m=audio 30000 RTP/AVP 8", "a=sendrecv"), RecvOnly, false},
		{"0.0.0.0 and inactive is inactive", sdpOf("0.0.0.0", "m=audio 30000 RTP/AVP 8", "a=inactive"), Inactive, false},
		{"0.0.0.0 and recvonly leaves nothing", sdpOf("0.0.0.0", "m=audio 30000 RTP/AVP 8", "a=recvonly"), Inactive, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := answered(t, plain)
			b.fromSFU(rtpPacket(8, 100, 16000, theWire.SSRCToPhone))
			last := b.rtp.one(t)

			answer, s, err := b.leg.Accept([]byte(c.offer))
			if err != nil {
				t.Fatal(err)
			}
			if !s.Hold || s.Direction != c.want || !strings.Contains(string(answer), "a="+c.want.String()+"\r\n") {
				t.Errorf("session %+v, answer\n%s", s, answer)
			}
			if !b.leg.Held() {
				t.Error("not held")
			}
			for i := range uint16(50) {
				b.now = b.now.Add(frameTime)
				b.fromSFU(rtpPacket(8, 101+i, 16000+frame*(1+uint32(i)), theWire.SSRCToPhone))
			}
			b.rtp.none(t)
			b.fromPhone(rtpPacket(8, 1, 1, 1))
			if got := len(b.link.take(t)) == 1; got != c.fromPhone {
				t.Errorf("phone heard: %v", got)
			}

			// Resume, to another address, and the stream goes on without a hole in its numbers.
			if answer := b.accept(sdpOf("198.51.100.9", "m=audio 31000 RTP/AVP 8")); !strings.Contains(string(answer), "a=sendrecv\r\n") {
				t.Errorf("resume answered\n%s", answer)
			}
			if b.leg.Held() {
				t.Error("still held")
			}
			b.now = b.now.Add(frameTime)
			b.fromSFU(rtpPacket(8, 151, 16000+frame*51, theWire.SSRCToPhone))
			if to := b.rtp.sent[0].to; to != netip.MustParseAddrPort("198.51.100.9:31000") {
				t.Errorf("sent to %v", to)
			}
			if h := b.rtp.one(t); h.seq != last.seq+1 || h.ts != last.ts+51*frame || !h.marker || h.ssrc != last.ssrc {
				t.Errorf("after %+v came %+v", last, h)
			}
		})
	}
}

func TestAPhoneThatOnlyListensIsNotExpectedToSend(t *testing.T) {
	b := answered(t, plain)
	if answer := string(b.accept(plain + "a=recvonly\r\n")); !strings.Contains(answer, "a=sendonly\r\n") {
		t.Error(answer)
	}
	b.fromSFU(rtpPacket(8, 1, 1, theWire.SSRCToPhone))
	b.rtp.one(t)
	if !b.leg.Held() {
		t.Error("silence would count as a lost phone")
	}
}

func TestTheAnswerOfThe200ReplacesThatOfThe183(t *testing.T) {
	b := answered(t, plain)
	b.fromPhone(rtpPacket(8, 1, 160, 1))
	first := b.link.one(t)

	later := netip.MustParseAddrPort("203.0.113.5:4000")
	s, err := b.leg.Answer([]byte(sdpOf("203.0.113.5", "m=audio 4000 RTP/AVP 0")))
	if err != nil || s.Codec != wire.PCMU || s.Remote != later {
		t.Fatalf("%+v, %v", s, err)
	}
	b.now = b.now.Add(100 * time.Millisecond)
	b.fromPhone(rtpPacket(8, 2, 320, 1)) // the old branch is heard no more
	b.link.none(t)
	b.rtp.handler(rtpPacket(0, 7000, 9, 2), later)
	if h := b.link.one(t); h.pt != 0 || h.seq != first.seq+1 || h.ts != first.ts+800 || !h.marker {
		t.Errorf("after %+v came %+v", first, h)
	}
	b.fromSFU(rtpPacket(0, 1, 1, theWire.SSRCToPhone))
	if to := b.rtp.sent[0].to; to != later {
		t.Errorf("sent to %v", to)
	}
}

func TestOfferDuringACallKeepsTheSessionUntilItIsAnswered(t *testing.T) {
	b := answered(t, plain)
	offer := string(b.leg.Offer([]wire.Codec{wire.PCMA, wire.PCMU}))
	if !strings.Contains(offer, "a=sendrecv") {
		t.Error(offer)
	}
	b.fromPhone(rtpPacket(8, 1, 1, 1))
	b.link.one(t)
	if _, err := b.leg.Answer([]byte(sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 0"))); err != nil {
		t.Fatal(err)
	}
	b.fromPhone(rtpPacket(0, 2, 161, 1))
	if h := b.link.one(t); h.pt != 0 || !h.marker {
		t.Errorf("%+v", h)
	}
}

func TestEveryCodecOfTheAnswerMayBeSentByThePhone(t *testing.T) {
	b := answered(t, sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8 0"))
	b.fromPhone(rtpPacket(8, 1, 160, 1))
	b.fromPhone(rtpPacket(0, 2, 320, 1))
	b.fromPhone(rtpPacket(9, 3, 480, 1)) // G722 was not in it
	got := b.link.take(t)
	if pts := []uint8{got[0].pt, got[1].pt}; len(got) != 2 || !slices.Equal(pts, []uint8{8, 0}) || !got[1].marker || got[1].seq != got[0].seq+1 {
		t.Errorf("%+v", got)
	}
}
