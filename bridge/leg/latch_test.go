package leg

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"dialroom/shared/wire"
)

var (
	natHost  = netip.MustParseAddr("203.0.113.5")              // where the signalling came from
	natAddr  = netip.MustParseAddrPort("203.0.113.5:61000")    // what its NAT makes of the phone's RTP port
	natRTCP  = netip.MustParseAddrPort("203.0.113.5:61017")    // and of its RTCP port
	stranger = netip.MustParseAddrPort("198.51.100.200:30000") // somebody else
	private  = sdpOf("192.168.1.20", "m=audio 30000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000")
)

// natted is a bench whose phone is behind NAT and has answered.
func natted(t testing.TB) *bench {
	t.Helper()
	b := newBench(t)
	b.leg.Offer([]wire.Codec{wire.PCMA})
	b.leg.BehindNAT(natHost)
	if _, err := b.leg.Answer([]byte(private)); err != nil {
		t.Fatal(err)
	}
	return b
}

// say sends packets from an address, numbered from first on.
func (b *bench) say(from netip.AddrPort, first, n int, ssrc uint32) {
	for i := first; i < first+n; i++ {
		b.rtp.handler(rtpPacket(8, uint16(i), uint32(i)*frame, ssrc), from)
		b.now = b.now.Add(frameTime)
	}
}

// answersTo returns where audio of the room now goes.
func (b *bench) answersTo() netip.AddrPort {
	b.rtp.sent = nil
	b.fromSFU(rtpPacket(8, 1, uint32(b.now.UnixMilli())*8, theWire.SSRCToPhone))
	if len(b.rtp.sent) == 0 {
		return netip.AddrPort{}
	}
	return b.rtp.sent[0].to
}

func TestAPhoneBehindNATIsHeardFromWhereItsFirstPacketsCome(t *testing.T) {
	b := natted(t)
	b.say(natAddr, 0, 5, 1)
	if got := b.link.take(t); len(got) != 3 {
		t.Errorf("%d packets of the phone were passed on, want all after the second", len(got))
	}
	if to := b.answersTo(); to != natAddr {
		t.Errorf("audio goes to %v", to)
	}
	// Strict from now on, also against another port of the same host.
	other := netip.AddrPortFrom(natHost, 61002)
	b.say(other, 0, 20, 2)
	b.say(netip.MustParseAddrPort("192.168.1.20:30000"), 0, 20, 3)
	b.link.none(t)
	if to := b.answersTo(); to != natAddr {
		t.Errorf("audio goes to %v", to)
	}
	b.say(natAddr, 5, 1, 1)
	b.link.one(t)
}

func TestAPhoneThatIsWhereItsSDPSaysIsHeardAtOnceAndNobodyElseAfterwards(t *testing.T) {
	b := natted(t)
	said := netip.MustParseAddrPort("192.168.1.20:30000")
	b.say(said, 0, 1, 1)
	b.link.one(t)
	b.say(natAddr, 0, 20, 2)
	b.link.none(t)
	if to := b.answersTo(); to != said {
		t.Errorf("audio goes to %v", to)
	}
}

// rtpengine's hole of 2025: whoever sprays packets at all ports while calls are
// set up got their audio, and was heard.
func TestSprayingAtAllPortsIsNeverHeardAndNeverAnswered(t *testing.T) {
	for _, nat := range []bool{false, true} {
		b := newBench(t)
		spray := func() {
			for port := phonePort; port <= phonePort+1; port++ {
				s := b.net.sockets[netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port))]
				for i := range 50 {
					s.handler(rtpPacket(8, uint16(i), uint32(i)*frame, 66), stranger)
					s.handler(rtpPacket(0, uint16(i), uint32(i)*frame, 67), netip.AddrPortFrom(stranger.Addr(), uint16(1024+i)))
				}
				b.now = b.now.Add(frameTime)
			}
			b.leg.tick(b.now)
		}
		clean := func(when string) {
			t.Helper()
			if got := b.link.take(t); len(got) != 0 {
				t.Errorf("NAT %v, %s: %d packets were heard", nat, when, len(got))
			}
			for _, p := range append(b.rtp.sent, b.rtcp.sent...) {
				if p.to.Addr() == stranger.Addr() {
					t.Errorf("NAT %v, %s: %v was answered", nat, when, p.to)
				}
			}
			b.rtp.sent, b.rtcp.sent = nil, nil
		}
		spray()
		clean("before the call")
		b.leg.Offer([]wire.Codec{wire.PCMA})
		if nat {
			b.leg.BehindNAT(natHost)
		}
		spray()
		clean("before the answer")
		if _, err := b.leg.Answer([]byte(private)); err != nil {
			t.Fatal(err)
		}
		spray()
		b.fromSFU(rtpPacket(8, 1, 160, theWire.SSRCToPhone))
		clean("after the answer")
		phone := netip.MustParseAddrPort("192.168.1.20:30000")
		if nat {
			phone = natAddr
		}
		// While the phone begins to speak, between its packets.
		for i := range 5 {
			b.say(phone, i, 1, 1)
			for _, p := range b.link.sent {
				if p.data[rtpHeaderSize] > 5 {
					t.Error("another's payload")
				}
			}
			b.link.sent = nil
			spray()
			clean("while the phone begins")
		}
		b.say(phone, 5, 1, 1)
		b.link.one(t)
		if to := b.answersTo(); to != phone {
			t.Errorf("NAT %v: audio goes to %v", nat, to)
		}
		b.leg.Close()
		if s := b.net.sockets[netip.AddrPortFrom(netip.IPv4Unspecified(), phonePort)]; s != nil {
			t.Error("the port is open after the call")
		}
	}
}

func TestStrayPacketsOfTheRightHostDoNotKeepThePhoneOut(t *testing.T) {
	b := natted(t)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		// Other ports of the same NAT: single packets, no stream, a payload type nobody agreed on.
		from := netip.AddrPortFrom(natHost, uint16(20000+r.IntN(1000)))
		b.rtp.handler(rtpPacket(8, uint16(r.Uint32()), 1, r.Uint32()), from)
		b.rtp.handler(rtpPacket(96, uint16(i), 1, 9), from)
		b.rtp.handler([]byte("not RTP at all"), from)
	}
	b.link.none(t)
	b.say(natAddr, 0, 3, 1)
	b.link.one(t)
}

func TestANewAddressInAReINVITEIsLatchedOnAnewAndARefreshIsNot(t *testing.T) {
	b := natted(t)
	b.say(natAddr, 0, 3, 1)
	b.link.take(t)
	next := netip.AddrPortFrom(natHost, 62000)

	if _, _, err := b.leg.Accept([]byte(private)); err != nil { // a refresh
		t.Fatal(err)
	}
	b.say(next, 0, 10, 2)
	b.link.none(t)

	b.say(natAddr, 13, 1, 1)
	b.link.take(t)
	moved := sdpOf("192.168.1.20", "m=audio 30004 RTP/AVP 8")
	if _, _, err := b.leg.Accept([]byte(moved)); err != nil {
		t.Fatal(err)
	}
	b.say(next, 0, 3, 2)
	b.link.one(t)
	if to := b.answersTo(); to != next {
		t.Errorf("audio goes to %v", to)
	}

	// Its NAT has forgotten it: silence, and then the phone asks again.
	b.now = b.now.Add(silentFor + time.Second)
	if _, _, err := b.leg.Accept([]byte(moved)); err != nil {
		t.Fatal(err)
	}
	b.say(natAddr, 0, 3, 3)
	b.link.one(t)
}

func TestReportsFollowAPhoneBehindNAT(t *testing.T) {
	b := natted(t)
	b.say(natAddr, 0, 3, 1)
	b.now = b.now.Add(10 * time.Second)
	b.leg.tick(b.now)
	if len(b.rtcp.sent) != 1 || b.rtcp.sent[0].to != netip.AddrPortFrom(natHost, 61001) {
		t.Fatalf("%+v", b.rtcp.sent)
	}
	report := b.rtcp.sent[0].data
	b.rtcp.handler(append([]byte(nil), report...), stranger)
	b.rtcp.handler(append([]byte(nil), report...), natRTCP)
	b.rtcp.sent = nil
	b.now = b.now.Add(10 * time.Second)
	b.leg.tick(b.now)
	if b.rtcp.sent[0].to != natRTCP {
		t.Errorf("reports go to %v", b.rtcp.sent[0].to)
	}
}

func TestAnAuthenticPacketOfAPhoneBehindNATIsProofEnough(t *testing.T) {
	b := newBench(t)
	b.leg.Secure(SRTPRequired)
	b.leg.BehindNAT(natHost)
	theirs := "1 " + sha80 + " inline:" + keyOf(1)
	if _, _, err := b.leg.Accept([]byte(sdpOf("192.168.1.20", "m=audio 30000 RTP/SAVP 8", "a=crypto:"+theirs))); err != nil {
		t.Fatal(err)
	}
	b.say(netip.AddrPortFrom(natHost, 7), 0, 10, 5) // not encrypted
	b.link.none(t)
	phone := contextOf(t, theirs)
	p, err := phone.EncryptRTP(nil, rtpPacket(8, 1, 160, 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.rtp.handler(p, natAddr)
	b.link.one(t)
}
