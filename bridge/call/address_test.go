package call

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	sockets "dialroom/shared/udp"
	"dialroom/shared/wire"
)

// everywhere makes a bridge listen on every address of the host, without
// having been told which one others see.
func everywhere(t *testing.T, bind string) func(*Config) {
	t.Helper()
	poller, err := sockets.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	hub, err := leg.NewHub(leg.Config{
		Poller: poller, Listen: netip.MustParseAddrPort("127.0.0.1:0"), MinPort: 30000, MaxPort: 39999,
		BindIP: netip.MustParseAddr(bind), ByRoute: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		hub.Close()
		_ = poller.Close()
	})
	return func(c *Config) {
		c.UDP, c.TCP = net.JoinHostPort(bind, "0"), net.JoinHostPort(bind, "0")
		c.Public, c.ByRoute, c.Hub = netip.MustParseAddr("198.51.100.1"), true, hub // a guess that is wrong everywhere
		if c.Public.Is4() && netip.MustParseAddr(bind).Is6() {
			c.Public = netip.MustParseAddr("2001:db8::1")
		}
	}
}

// hostAddress is this host's address on its default route, or its loopback
// address where it has none.
func hostAddress() netip.Addr {
	if ip, err := leg.LocalIP(netip.MustParseAddr("192.0.2.1")); err == nil {
		return ip
	}
	return netip.MustParseAddr("127.0.0.1")
}

// newCarrierAt is a carrier on UDP at an address of this host.
func newCarrierAt(t *testing.T, ip netip.Addr) *carrier {
	t.Helper()
	pc, err := net.ListenPacket("udp", netip.AddrPortFrom(ip, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	c := &carrier{t: t, network: udp, got: make(chan incoming, 64), seen: make(map[string]bool), pc: pc, addr: addrPort(pc.LocalAddr())}
	c.wg.Go(c.readUDP)
	t.Cleanup(c.close)
	return c
}

// phoneAt is a phone's RTP socket and its session description.
func phoneAt(t *testing.T, ip netip.Addr) (*net.UDPConn, string) {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	description := sdp(conn.LocalAddr().(*net.UDPAddr).Port, "sendrecv")
	if ip.Is6() {
		return conn, strings.ReplaceAll(description, "IN IP4 127.0.0.1", "IN IP6 "+ip.String())
	}
	return conn, strings.ReplaceAll(description, "IN IP4 127.0.0.1", "IN IP4 "+ip.String())
}

// saidIn returns where a session description wants RTP.
func saidIn(t *testing.T, description string) netip.AddrPort {
	t.Helper()
	var ip netip.Addr
	var port int
	for line := range strings.Lines(description) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "c="):
			ip = netip.MustParseAddr(f[2])
			if want := map[bool]string{true: "IP6", false: "IP4"}[ip.Is6()]; f[1] != want {
				t.Errorf("%s is said to be %s", ip, f[1])
			}
		case strings.HasPrefix(line, "o=") && ip.IsValid() && f[5] != ip.String():
			t.Errorf("two addresses in\n%s", description)
		case strings.HasPrefix(line, "m=audio"):
			if _, err := fmt.Sscan(f[1], &port); err != nil {
				t.Fatal(err)
			}
		}
	}
	return netip.AddrPortFrom(ip, uint16(port))
}

// sentFrom presses a key and returns where its RTP comes from.
func sentFrom(t *testing.T, b *bridge, id string, phone *net.UDPConn) netip.AddrPort {
	t.Helper()
	if err := b.agent.DTMF(id, "5"); err != nil {
		t.Fatal(err)
	}
	if err := phone.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, from, err := phone.ReadFromUDPAddrPort(make([]byte, 2000))
	if err != nil {
		t.Fatal(err)
	}
	return netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
}

// Bound to every address, RTP leaves with the one of its route. A far end that
// is strict about sources hears us only if that is the one in our SDP.
func TestABridgeOnEveryAddressNamesTheOneThatItsRTPComesFrom(t *testing.T) {
	loopback, loopback6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	for _, test := range []struct {
		bind string
		far  netip.Addr
	}{
		{"0.0.0.0", loopback}, {"0.0.0.0", hostAddress()}, {"::", loopback}, {"::", hostAddress()}, {"::", loopback6},
	} {
		t.Run(fmt.Sprintf("on %s a call to %v", test.bind, test.far), func(t *testing.T) {
			far := newCarrierAt(t, test.far)
			b := newBridge(t, everywhere(t, test.bind))
			b.place("c_1", far)
			d := far.invited()
			local := netip.AddrPortFrom(test.far, b.agent.UDPAddr().Port()).String()
			for _, want := range []string{"Via: SIP/2.0/UDP " + local + ";", "<sip:dialroom@" + local} {
				if !strings.Contains(d.invite.String(), want) {
					t.Errorf("no %q in\n%s", want, d.invite.String())
				}
			}
			phone, answer := phoneAt(t, test.far)
			d.say(200, "one", answer)
			far.request("ACK")
			b.event(wire.Answered)
			if said, is := saidIn(t, string(d.invite.Body())), sentFrom(t, b, "c_1", phone); said != is || is.Addr() != test.far {
				t.Errorf("SDP says %v, RTP comes from %v", said, is)
			}
			// What the call says later is the same, and no newer version for it.
			d.ask("INVITE", "one", "")
			ok := far.response(200)
			if string(ok.Body()) != string(d.invite.Body()) {
				t.Errorf("offered first\n%s\nand later\n%s", d.invite.Body(), ok.Body())
			}
			d.ask("ACK", "one", answer)
		})
		t.Run(fmt.Sprintf("on %s a call from %v", test.bind, test.far), func(t *testing.T) {
			for _, late := range []bool{false, true} {
				far := newCarrierAt(t, test.far)
				b := newBridge(t, everywhere(t, test.bind))
				b.table = trunk.NewTable([]trunk.Trunk{{ID: "tr_in", Enabled: true, Host: test.far.String(), Prefixes: []string{""}, Codecs: []wire.Codec{wire.PCMA}}}, b.clock.Now)
				slot, err := b.table.First("610", "")
				if err != nil {
					t.Fatal(err)
				}
				b.agent.Attend(&desk{present: true, visit: Visit{Caller: "+4989654321", Trunk: slot.Trunk, Slot: slot, Line: Line{Room: "reception", Wait: time.Minute}}})
				phone, offer := phoneAt(t, test.far)
				first, then := offer, ""
				if late {
					first, then = then, first
				}
				c := &caller{carrier: far, b: b, branch: "z9hG4bKin1", cseq: 1}
				to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(test.far, b.agent.UDPAddr().Port()))
				if _, err := far.pc.WriteTo(c.compose("INVITE", 1, c.branch, first), to); err != nil {
					t.Fatal(err)
				}
				ok := c.hears(200)
				if want := "sip:dialroom@" + to.AddrPort().String(); !strings.HasPrefix(c.remote, want) {
					t.Errorf("Contact %s, want %s", c.remote, want)
				}
				if _, err := far.pc.WriteTo(c.compose("ACK", 1, "z9hG4bKinack", then), to); err != nil {
					t.Fatal(err)
				}
				ev := b.event(wire.Answered)
				if said, is := saidIn(t, string(ok.Body())), sentFrom(t, b, ev.ID, phone); said != is || is.Addr() != test.far {
					t.Errorf("late offer %v: SDP says %v, RTP comes from %v", late, said, is)
				}
			}
		})
	}
}
