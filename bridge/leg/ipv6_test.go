package leg

import (
	"net/netip"
	"testing"

	"dialroom/shared/wire"
)

// sixth is a bench whose phone is on IPv6 and has answered from where its SDP says.
func sixth(t *testing.T, nat netip.Addr) (b *bench, phone netip.AddrPort) {
	t.Helper()
	b = newBench(t)
	b.hub.bindIP = netip.IPv6Unspecified()
	b.leg.Offer([]wire.Codec{wire.PCMA})
	if nat.IsValid() {
		b.leg.BehindNAT(nat)
	}
	if _, err := b.leg.Answer([]byte(sdpOf("2001:db8::7", "m=audio 30000 RTP/AVP 8"))); err != nil {
		t.Fatal(err)
	}
	return b, netip.MustParseAddrPort("[2001:db8::7]:30000")
}

func TestRTPOverIPv6IsTakenOnlyFromWhereTheSDPSays(t *testing.T) {
	b, phone := sixth(t, netip.Addr{})
	for _, from := range []string{"[2001:db8::7]:30002", "[2001:db8::8]:30000", "[fe80::7%eth0]:30000", "198.51.100.7:30000"} {
		b.say(netip.MustParseAddrPort(from), 0, 5, 9)
		b.link.none(t)
		if to := b.answersTo(); to != phone {
			t.Errorf("after packets of %s audio goes to %v", from, to)
		}
	}
	b.say(phone, 0, 1, 1)
	b.link.one(t)
}

func TestALatchOverIPv6ClosesBehindTheFirstSource(t *testing.T) {
	host := netip.MustParseAddr("2001:db8:1::5")
	b, phone := sixth(t, host)
	behind := netip.AddrPortFrom(host, 61000)
	b.say(netip.MustParseAddrPort("[2001:db8:1::6]:61000"), 0, 20, 9) // a neighbour in its /64 is a stranger
	b.link.none(t)
	b.say(behind, 0, 5, 1)
	if got := b.link.take(t); len(got) != 3 {
		t.Errorf("%d packets of the phone were passed on, want all after the second", len(got))
	}
	b.say(netip.AddrPortFrom(host, 61002), 0, 20, 2)
	b.say(phone, 0, 20, 3)
	b.link.none(t)
	if to := b.answersTo(); to != behind {
		t.Errorf("audio goes to %v", to)
	}
}
