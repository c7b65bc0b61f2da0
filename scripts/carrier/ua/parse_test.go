package ua

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"dialroom/scripts/carrier/audio"
)

const plainOffer = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n"

func TestOffers(t *testing.T) {
	for _, tc := range []struct {
		name, sdp, addr string
		digits          uint8
		held            bool
	}{
		{"session address", plainOffer, "192.0.2.1:4000", 96, false},
		{"the stream's own address wins", plainOffer + "c=IN IP4 192.0.2.2\r\n", "192.0.2.2:4000", 96, false},
		{"IPv6", strings.ReplaceAll(plainOffer, "IP4 192.0.2.1", "IP6 2001:db8::1"), "[2001:db8::1]:4000", 96, false},
		{"lines end in LF alone", strings.ReplaceAll(plainOffer, "\r\n", "\n"), "192.0.2.1:4000", 96, false},
		{"held by direction", plainOffer + "a=sendonly\r\n", "192.0.2.1:4000", 96, true},
		{"held by address", strings.ReplaceAll(plainOffer, "c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0"), "0.0.0.0:4000", 96, true},
		{"video beside it", plainOffer + "m=video 5000 RTP/AVP 97\r\nc=IN IP4 192.0.2.9\r\na=inactive\r\n", "192.0.2.1:4000", 96, false},
		{"no telephone-event", strings.ReplaceAll(plainOffer, "telephone-event", "CN"), "192.0.2.1:4000", 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, err := parseOffer([]byte(tc.sdp))
			if err != nil {
				t.Fatal(err)
			}
			if o.addr != netip.MustParseAddrPort(tc.addr) || o.digits != tc.digits || o.held() != tc.held {
				t.Errorf("%+v", o)
			}
		})
	}
}

func TestOffersWeCannotAnswer(t *testing.T) {
	for name, sdp := range map[string]string{
		"empty":          "",
		"no audio":       "v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 5000 RTP/AVP 97\r\n",
		"stream is off":  strings.ReplaceAll(plainOffer, "audio 4000", "audio 0"),
		"SRTP by DTLS":   strings.ReplaceAll(plainOffer, "RTP/AVP", "UDP/TLS/RTP/SAVP"),
		"no address":     strings.ReplaceAll(plainOffer, "c=IN IP4 192.0.2.1\r\n", ""),
		"host name":      strings.ReplaceAll(plainOffer, "c=IN IP4 192.0.2.1", "c=IN IP4 example.com"),
		"no codec known": "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 18\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parseOffer([]byte(sdp)); !errors.Is(err, ErrOffer) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestStreamsWeDoNotTakeAreRefusedInTheirPlace(t *testing.T) {
	o, err := parseOffer([]byte("v=0\r\nc=IN IP4 192.0.2.1\r\nm=video 5000 RTP/AVP 97\r\nm=audio 4000 RTP/AVP 8\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	sdp := string(o.answer(1, 0, netip.MustParseAddrPort("127.0.0.1:6000"), audio.PCMA, 8, nil, ""))
	video, sound := strings.Index(sdp, "m=video 0 RTP/AVP 97\r\n"), strings.Index(sdp, "m=audio 6000 RTP/AVP 8\r\n")
	if video < 0 || sound < video {
		t.Errorf("answer is\n%s", sdp)
	}
}

func FuzzParseOffer(f *testing.F) {
	f.Add([]byte(plainOffer))
	f.Add([]byte("m=audio 1 RTP/AVP 8\nc=IN IP4 1.2.3.4\na=rtpmap:8 PCMA/8000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseOffer(b)
		if err != nil {
			return
		}
		codec, pt, ok := o.choose([]audio.Codec{audio.PCMA, audio.PCMU})
		if !ok {
			t.Fatal("accepted without a codec")
		}
		if _, err := parseOffer(o.answer(1, 0, netip.MustParseAddrPort("127.0.0.1:6000"), codec, pt, nil, "")); err != nil {
			t.Errorf("our own answer is not understood: %v", err)
		}
	})
}

func FuzzParseRTP(f *testing.F) {
	f.Add([]byte("\x80\x08\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x01payload"))
	f.Add([]byte("\xb1\x08\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x01\x00\x00\x00\x02\xbe\xde\x00\x01\x10\xff\x00\x00x\x01"))
	f.Add([]byte("\x80\xc8\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parseRTP(b); ok && len(p.Payload) > len(b)-12 {
			t.Error("payload longer than the packet")
		}
		d := digitReader{payloadType: 101}
		if p, ok := parseRTP(b); ok {
			d.read(p)
		}
	})
}

func TestAKeyPressIsKnownByItsTimestamp(t *testing.T) {
	press := func(code byte, ts uint32, marker bool) Packet {
		return Packet{Timestamp: ts, Marker: marker, Payload: []byte{code, 0, 0, 0xa0}}
	}
	for _, tc := range []struct {
		name string
		in   []Packet
		want string
	}{
		{"marked", []Packet{press(1, 100, true), press(1, 100, false)}, "1"},
		{"start lost", []Packet{press(1, 100, false), press(1, 100, false)}, "1"},
		{"the same key twice", []Packet{press(1, 100, true), press(1, 500, true)}, "11"},
		{"late packet of an earlier press", []Packet{press(1, 100, true), press(2, 500, true), press(1, 100, false)}, "12"},
		{"timestamps wrap", []Packet{press(1, 0xffffff00, true), press(2, 0x100, true)}, "12"},
		{"flash and other events are no keys", []Packet{press(16, 100, true)}, ""},
		{"too short", []Packet{{Payload: []byte{1}}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var d digitReader
			got := ""
			for _, p := range tc.in {
				if digit, ok := d.read(p); ok {
					got += string(digit)
				}
			}
			if got != tc.want {
				t.Errorf("read %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLongNumbersAreMaskedInLogs(t *testing.T) {
	for in, want := range map[string]string{"600": "600", "+4930123456": "+49•••456", "": ""} {
		if got := masked(in); got != want {
			t.Errorf("%q is logged as %q, want %q", in, got, want)
		}
	}
}

func TestSRTPIsSpokenAsTheCarrierIsToldTo(t *testing.T) {
	key := "a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^31\r\n"
	secure := strings.ReplaceAll(plainOffer, "RTP/AVP", "RTP/SAVP")
	for _, tc := range []struct {
		policy, offer string
		secure, fails bool
	}{
		{"", plainOffer, false, false},
		{"", plainOffer + key, true, false},
		{"", secure + key, true, false},
		{"", secure, false, true},
		{"off", plainOffer + key, false, false},
		{"off", secure + key, false, true},
		{"required", plainOffer, false, true},
		{"required", secure + key, true, false},
	} {
		c := &Carrier{cfg: Config{SRTP: tc.policy}}
		o, err := parseOffer([]byte(tc.offer))
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.secure(o, nil)
		if (p != nil) != tc.secure || (err != nil) != tc.fails {
			t.Errorf("%q: %v, %v for\n%s", tc.policy, p, err, tc.offer)
			continue
		}
		if p == nil {
			continue
		}
		if !strings.HasPrefix(p.attribute, "3 AES_CM_128_HMAC_SHA1_80 inline:") {
			t.Errorf("%q", p.attribute)
		}
		if again, err := c.secure(o, p); again != p || err != nil {
			t.Error("the same key makes another session")
		}
	}
}
