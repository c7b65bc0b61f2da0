package leg

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAnAddressThatIsSetIsNamedWhateverTheRoute(t *testing.T) {
	b := newBench(t)
	b.hub.bindIP = netip.IPv4Unspecified()
	loopback := netip.MustParseAddr("127.0.0.1")
	if ip := b.hub.LocalFor(loopback); ip != netip.MustParseAddr("192.0.2.10") {
		t.Errorf("LocalFor says %v", ip)
	}
	offer := b.leg.Offer(nil)
	if got := b.leg.Readdress(offer, loopback); string(got) != string(offer) {
		t.Errorf("changed to\n%s", got)
	}
	if answer := string(b.accept(sdpOf("127.0.0.1", "m=audio 30000 RTP/AVP 8"))); !strings.Contains(answer, "192.0.2.10") {
		t.Errorf("answered\n%s", answer)
	}
}

func TestWhereNoneIsSetTheRouteSaysWhich(t *testing.T) {
	route := func() *bench {
		b := newBench(t)
		b.hub.bindIP, b.hub.byRoute = netip.IPv4Unspecified(), true
		return b
	}
	for _, c := range []struct{ name, to, want string }{
		{"loopback", "127.0.0.1", "127.0.0.1"},
		{"an address that the socket cannot send to", "::1", "192.0.2.10"},
		{"nowhere, as on hold", "0.0.0.0", "192.0.2.10"},
	} {
		if ip := route().hub.LocalFor(netip.MustParseAddr(c.to)); ip.String() != c.want {
			t.Errorf("%s: %v, want %s", c.name, ip, c.want)
		}
	}
	t.Run("an offer, once it is known where it goes", func(t *testing.T) {
		b := route()
		got := string(b.leg.Readdress(b.leg.Offer(nil), netip.MustParseAddr("127.0.0.1")))
		if strings.Contains(got, "192.0.2.10") || strings.Count(got, "IN IP4 127.0.0.1\r\n") != 2 {
			t.Errorf("%s", got)
		}
		if again := string(b.leg.Offer(nil)); again != got {
			t.Errorf("then it is\n%s", again)
		}
	})
	t.Run("an answer, by where RTP is wanted", func(t *testing.T) {
		if answer := string(route().accept(sdpOf("127.0.0.1", "m=audio 30000 RTP/AVP 8"))); strings.Count(answer, "IN IP4 127.0.0.1\r\n") != 2 {
			t.Errorf("%s", answer)
		}
	})
	t.Run("an answer to a phone behind NAT, by where its SIP comes from", func(t *testing.T) {
		b := route()
		b.leg.BehindNAT(netip.MustParseAddr("127.0.0.1"))
		if answer := string(b.accept(sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8"))); strings.Count(answer, "IN IP4 127.0.0.1\r\n") != 2 {
			t.Errorf("%s", answer)
		}
	})
	t.Run("and it stays for the call", func(t *testing.T) {
		b := route()
		b.accept(sdpOf("127.0.0.1", "m=audio 30000 RTP/AVP 8"))
		if answer := string(b.accept(sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8"))); !strings.Contains(answer, "127.0.0.1") {
			t.Errorf("%s", answer)
		}
	})
}
