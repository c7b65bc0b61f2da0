package leg

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestWhatIsOfferedFollowsThePolicy(t *testing.T) {
	for policy, want := range map[SRTP]struct {
		proto   string
		cryptos int
	}{SRTPOff: {"RTP/AVP", 0}, SRTPOptional: {"RTP/AVP", 2}, SRTPRequired: {"RTP/SAVP", 2}} {
		b := newBench(t)
		b.leg.Secure(policy)
		first := b.leg.Offer(nil)
		proto, values := cryptoLines(first)
		if proto != want.proto || len(values) != want.cryptos {
			t.Errorf("policy %d: %s with %q", policy, proto, values)
		}
		keys := make(map[string]bool)
		for _, v := range values {
			keys[strings.Fields(v)[2]] = true
		}
		if len(keys) != len(values) {
			t.Errorf("policy %d: one key for two suites: %q", policy, values)
		}
		if string(b.leg.Offer(nil)) != string(first) {
			t.Errorf("policy %d: the same offer reads another way the second time", policy)
		}
	}
}

func TestAnswersAreTakenOnlyAsThePolicyAllows(t *testing.T) {
	good := "a=crypto:1 " + sha80 + " inline:" + keyOf(1)
	for _, c := range []struct {
		name   string
		policy SRTP
		proto  string
		line   string
		err    error
		secure bool
	}{
		{"plain to a plain offer", SRTPOff, "RTP/AVP", "", nil, false},
		{"keys nobody offered", SRTPOff, "RTP/AVP", good, nil, false},
		{"SRTP nobody offered", SRTPOff, "RTP/SAVP", good, ErrSRTP, false},
		{"optional, and taken", SRTPOptional, "RTP/AVP", good, nil, true},
		{"optional, and taken with the secure profile", SRTPOptional, "RTP/SAVP", good, nil, true},
		{"optional, and not taken", SRTPOptional, "RTP/AVP", "", nil, false},
		{"optional, the tag of another suite", SRTPOptional, "RTP/AVP", "a=crypto:2 " + sha80 + " inline:" + keyOf(1), nil, false},
		{"required, and taken", SRTPRequired, "RTP/SAVP", good, nil, true},
		{"required, the smaller tag", SRTPRequired, "RTP/SAVP", "a=crypto:2 " + sha32 + " inline:" + keyOf(1), nil, true},
		{"required, but plain comes back", SRTPRequired, "RTP/AVP", "", ErrPlain, false},
		{"required, but without a key", SRTPRequired, "RTP/SAVP", "", ErrSRTP, false},
		{"required, a tag nobody offered", SRTPRequired, "RTP/SAVP", "a=crypto:9 " + sha80 + " inline:" + keyOf(1), ErrSRTP, false},
		{"required, but by DTLS", SRTPRequired, "UDP/TLS/RTP/SAVP", good, ErrSRTP, false},
	} {
		b := newBench(t)
		b.leg.Secure(c.policy)
		b.leg.Offer(nil)
		s, err := b.leg.Answer([]byte(sdpOf("198.51.100.7", "m=audio 30000 "+c.proto+" 8", c.line)))
		if !errors.Is(err, c.err) || err == nil && s.Secure != c.secure {
			t.Errorf("%s: secure %v, %v", c.name, s.Secure, err)
		}
	}
}

func TestOffersAreAnsweredAsThePolicyAllows(t *testing.T) {
	good := "a=crypto:7 " + sha32 + " inline:" + keyOf(1) + "|2^31|1:4"
	for _, c := range []struct {
		name   string
		policy SRTP
		lines  []string
		err    error
		proto  string // of the accepted stream
		secure bool
	}{
		{"plain", SRTPOff, []string{"m=audio 30000 RTP/AVP 8"}, nil, "RTP/AVP", false},
		{"SRTP is off", SRTPOff, []string{"m=audio 30000 RTP/SAVP 8", good}, ErrSRTP, "", false},
		{"optional, SRTP offered", SRTPOptional, []string{"m=audio 30000 RTP/SAVP 8", good}, nil, "RTP/SAVP", true},
		{"optional, keys in the plain profile", SRTPOptional, []string{"m=audio 30000 RTP/AVP 8", good}, nil, "RTP/AVP", true},
		{"optional, plain offered", SRTPOptional, []string{"m=audio 30000 RTP/AVP 8"}, nil, "RTP/AVP", false},
		{"optional, a suite we do not know", SRTPOptional, []string{"m=audio 30000 RTP/SAVP 8", "a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + keyOf(1)}, ErrSRTP, "", false},
		{"required, SRTP offered", SRTPRequired, []string{"m=audio 30000 RTP/SAVP 8", "a=crypto:1 UNKNOWN inline:" + keyOf(1), good}, nil, "RTP/SAVP", true},
		{"required, plain offered", SRTPRequired, []string{"m=audio 30000 RTP/AVP 8"}, ErrPlain, "", false},
		{"required, both offered", SRTPRequired, []string{"m=audio 30000 RTP/AVP 8", "m=audio 30002 RTP/SAVP 8", good}, nil, "RTP/SAVP", true},
	} {
		b := newBench(t)
		b.leg.Secure(c.policy)
		answer, s, err := b.leg.Accept([]byte(sdpOf("198.51.100.7", c.lines...)))
		if !errors.Is(err, c.err) || s.Secure != c.secure {
			t.Errorf("%s: secure %v, %v", c.name, s.Secure, err)
			continue
		}
		if err != nil {
			continue
		}
		_, values := cryptoLines(answer)
		if c.secure && (len(values) != 1 || !strings.HasPrefix(values[0], "7 "+sha32+" inline:")) || !c.secure && len(values) != 0 {
			t.Errorf("%s: %q", c.name, values)
		}
		if !strings.Contains(string(answer), fmt.Sprintf("m=audio %d %s 8", phonePort, c.proto)) {
			t.Errorf("%s:\n%s", c.name, answer)
		}
	}
}

func TestSecuredAudioReachesBothSidesAndForgedAudioNeither(t *testing.T) {
	for _, suite := range []string{sha80, sha32} {
		b, phone := secured(t, suite)
		var replay []byte
		for seq := range uint16(5) {
			replay = phone.encrypted(rtpPacket(8, seq, uint32(seq)*frame, 1))
			b.fromPhone(append([]byte(nil), replay...))
			b.fromSFU(rtpPacket(8, seq, uint32(seq)*frame, theWire.SSRCToPhone))
		}
		for i, p := range b.link.sent {
			if h, _ := parseRTP(p.data); len(p.data) != 172 || h.ssrc != theWire.SSRCFromPhone || p.data[20] != byte(i) {
				t.Errorf("%s: to the sfu: % x", suite, p.data[:24])
			}
		}
		if got := b.link.take(t); len(got) != 5 {
			t.Errorf("%s: %d packets to the sfu", suite, len(got))
		}
		if b.rtp.sent[0].data[20] == 0 && b.rtp.sent[1].data[20] == 1 {
			t.Errorf("%s: the payload travels in the clear", suite)
		}
		list, payloads := phone.heard()
		for i, h := range list {
			if h.seq != list[0].seq+uint16(i) || payloads[i][0] != byte(i) || len(payloads[i]) != 160 {
				t.Errorf("%s: packet %d: %+v", suite, i, h)
			}
		}

		forged := phone.encrypted(rtpPacket(8, 5, 5*frame, 1))
		forged[30] ^= 1
		b.fromPhone(forged)
		b.fromPhone(append([]byte(nil), replay...))
		b.fromPhone(rtpPacket(8, 6, 6*frame, 1)) // plain
		b.fromPhone([]byte{0x80})
		b.link.none(t)
		if s := b.leg.Stats(); s.Forged != 4 || s.Packets != 5 {
			t.Errorf("%s: %+v", suite, s)
		}
	}
}

func TestKeysAndReportsAreSecuredToo(t *testing.T) {
	b, phone := secured(t, sha80)
	b.fromPhone(phone.encrypted(rtpPacket(8, 1, 160, 1)))
	b.fromSFU(rtpPacket(8, 1, 160, theWire.SSRCToPhone))
	if err := b.leg.press([]byte{5}, b.now); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		b.leg.tick(b.now)
		b.now = b.now.Add(frameTime)
	}
	list, payloads := phone.heard()
	if last := len(list) - 1; len(list) != 8 || list[last].pt != 101 || payloads[last][0] != 5 || payloads[last][1]&endBit == 0 {
		t.Errorf("%d packets: %+v", len(list), list)
	}

	b.now = b.now.Add(10 * time.Second)
	b.leg.tick(b.now)
	if len(b.rtcp.sent) == 0 {
		t.Fatal("no report")
	}
	plain, err := phone.in.DecryptRTCP(nil, b.rtcp.sent[0].data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rtcp.Unmarshal(plain); err != nil {
		t.Error(err)
	}
	report, _ := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: b.leg.ssrc, FractionLost: 64}}}})
	b.rtcp.handler(append([]byte(nil), report...), phoneRTCP) // in the clear
	if s := b.leg.Stats(); s.RemoteLoss != 0 || s.Forged != 1 {
		t.Errorf("%+v", s)
	}
	sealed, err := phone.out.EncryptRTCP(nil, report, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.rtcp.handler(sealed, phoneRTCP)
	if s := b.leg.Stats(); s.RemoteLoss != 0.25 {
		t.Errorf("%+v", s)
	}
}

// The packet counters of SRTP go on as long as the keys do: a refresh must not
// begin them anew, and a new key must.
func TestARefreshKeepsTheKeysAndANewKeyBeginsANewStream(t *testing.T) {
	b, phone := secured(t, sha80)
	ssrc := b.leg.ssrc
	b.fromSFU(rtpPacket(8, 1, 160, theWire.SSRCToPhone))
	phone.heard()

	offer := func(key byte) []byte {
		answer, s, err := b.leg.Accept([]byte(sdpOf("198.51.100.7", "m=audio 30000 RTP/SAVP 8", "a=crypto:3 "+sha80+" inline:"+keyOf(key))))
		if err != nil || !s.Secure {
			t.Fatalf("%+v, %v", s, err)
		}
		return answer
	}
	again := offer(1)
	if string(offer(1)) != string(again) {
		t.Error("the same offer is answered in another way")
	}
	b.fromPhone(phone.encrypted(rtpPacket(8, 2, 320, 1)))
	b.link.one(t)
	b.fromSFU(rtpPacket(8, 2, 320, theWire.SSRCToPhone))
	if list, _ := phone.heard(); len(list) != 1 || list[0].ssrc != ssrc {
		t.Errorf("%+v", list)
	}

	_, before := cryptoLines(again)
	_, after := cryptoLines(offer(50))
	if before[0] == after[0] {
		t.Error("the phone has a new key, we have the old one")
	}
	phone.in, phone.out = contextOf(t, after[0]), contextOf(t, "3 "+sha80+" inline:"+keyOf(50))
	b.fromPhone(phone.encrypted(rtpPacket(8, 3, 480, 1)))
	b.link.one(t)
	b.fromSFU(rtpPacket(8, 3, 480, theWire.SSRCToPhone))
	if list, _ := phone.heard(); len(list) != 1 || list[0].ssrc == ssrc || list[0].seq > firstSeq+1 {
		t.Errorf("%+v", list)
	}

	// Our own re-INVITE keeps profile and key.
	proto, values := cryptoLines(b.leg.Offer(nil))
	if proto != "RTP/SAVP" || strings.Fields(values[0])[2] != strings.Fields(after[0])[2] {
		t.Errorf("%s %q", proto, values)
	}
}

func TestAMasterKeyIdentifierIsTakenOffEachPacket(t *testing.T) {
	b := newBench(t)
	b.leg.Secure(SRTPOptional)
	theirs := "1 " + sha80 + " inline:" + keyOf(9) + "|2^20|258:4"
	answer, s, err := b.leg.Accept([]byte(sdpOf("198.51.100.7", "m=audio 30000 RTP/SAVP 8", "a=crypto:"+theirs)))
	if err != nil || !s.Secure {
		t.Fatal(err)
	}
	_, ours := cryptoLines(answer)
	if strings.Contains(ours[0], "|") {
		t.Errorf("%q", ours)
	}
	phone := &securePhone{t, b, contextOf(t, ours[0]), contextOf(t, theirs)}
	p := phone.encrypted(rtpPacket(8, 1, 160, 1))
	if string(p[len(p)-14:len(p)-10]) != "\x00\x00\x01\x02" {
		t.Fatalf("% x", p[len(p)-14:])
	}
	b.fromPhone(p)
	b.link.one(t)
}

func TestCryptoAttributesThatCannotBeUsedAreNotUsed(t *testing.T) {
	key := keyOf(1)
	for _, bad := range []string{
		"", "1", "1 " + sha80, "x " + sha80 + " inline:" + key, "1234567890 " + sha80 + " inline:" + key,
		"1 AEAD_AES_128_GCM inline:" + key, "1 " + sha80 + " " + key, "1 " + sha80 + " inline:" + key[:39],
		"1 " + sha80 + " inline:" + key[:36], "1 " + sha80 + " inline:" + key + key,
		"1 " + sha80 + " inline:" + key + ";inline:" + key + "|2^31|2:4",
		"1 " + sha80 + " inline:" + key + " UNENCRYPTED_SRTP", "1 " + sha80 + " inline:" + key + " UNAUTHENTICATED_SRTP",
		"1 " + sha80 + " inline:" + key + " KDR=3", "1 " + sha80 + " inline:" + key + " FEC_ORDER=FEC_SRTP",
		"1 " + sha80 + " inline:" + key + "|2^31|1:0", "1 " + sha80 + " inline:" + key + "|2^31|300:1",
		"1 " + sha80 + " inline:" + key + "|2^31|1:999", "1 " + sha80 + " inline:" + key + "|2^31|a:4",
		"1 " + sha80 + " inline:" + key + "|1|1:1|1",
	} {
		if c, ok := parseCrypto(bad); ok {
			t.Errorf("%q was read as %+v", bad, c)
		}
	}
	for _, good := range []string{
		"1 " + sha80 + " inline:" + key, "123456789 " + strings.ToLower(sha32) + " inline:" + key + "|2^48",
		"0 " + sha80 + " inline:" + key + "|1:4", "1 " + sha80 + " inline:" + key + "|1048576|255:1 WSH=64 KDR=0 -x",
	} {
		if _, ok := parseCrypto(good); !ok {
			t.Errorf("%q was not read", good)
		}
	}
}

func TestASecuredPacketAllocatesNothing(t *testing.T) {
	b, phone := secured(t, sha80)
	b.hub.shared, b.leg.rtp = null{b.link}, null{b.rtp}
	b.hub.now = time.Now
	var packets [][]byte
	for seq := range uint16(1002) {
		packets = append(packets, phone.encrypted(rtpPacket(8, seq, uint32(seq)*frame, 1)))
	}
	out := rtpPacket(8, 0, 0, theWire.SSRCToPhone)
	var seq uint16
	if n := testing.AllocsPerRun(1000, func() {
		putHeader(out, rtpHeader{pt: 8, seq: seq, ts: uint32(seq) * frame, ssrc: theWire.SSRCToPhone})
		b.fromPhone(packets[seq])
		b.fromSFU(out)
		seq++
	}); n != 0 && !raceDetector { // which empties the pool that the library has its buffers in
		t.Errorf("%v allocations", n)
	}
	if s := b.leg.Stats(); s.Forwarded != 1001 || s.SentPackets != 1001 {
		t.Errorf("%+v", s)
	}
}

// FuzzCrypto: what is read as a crypto attribute can be used as one.
func FuzzCrypto(f *testing.F) {
	f.Add("1 " + sha80 + " inline:" + keyOf(1) + "|2^31|1:4 WSH=64")
	f.Add("2 " + sha32 + " inline:" + keyOf(1))
	f.Fuzz(func(t *testing.T, value string) {
		c, ok := parseCrypto(value)
		if !ok {
			return
		}
		if _, err := c.context(); err != nil {
			t.Errorf("%q: %v", value, err)
		}
		if again, ok := parseCrypto(c.String()); !ok || again.key != c.key || again.suite != c.suite {
			t.Errorf("%q is written as %q", value, c.String())
		}
	})
}
