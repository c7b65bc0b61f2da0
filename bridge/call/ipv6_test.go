package call

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// newCarrier6 is a carrier on the IPv6 loopback address.
func newCarrier6(t *testing.T, network string) *carrier {
	t.Helper()
	c := &carrier{t: t, network: network, got: make(chan incoming, 64), seen: make(map[string]bool)}
	if network == udp {
		pc, err := net.ListenPacket("udp6", "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		c.pc, c.addr = pc, addrPort(pc.LocalAddr())
		c.wg.Go(c.readUDP)
	} else {
		ln, err := net.Listen("tcp6", "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		c.ln, c.addr = ln, addrPort(ln.Addr())
		c.wg.Go(c.accept)
	}
	t.Cleanup(c.close)
	return c
}

func TestCallOverIPv6(t *testing.T) {
	for _, network := range []string{udp, tcp} {
		for _, host := range []string{"[::1]", "carrier.example"} {
			t.Run(network+" to "+host, func(t *testing.T) {
				far := newCarrier6(t, network)
				b := newBridge(t, func(c *Config) {
					c.UDP, c.TCP, c.Public = "[::1]:0", "[::1]:0", netip.IPv6Loopback()
					c.Resolver = names{ip: map[string]string{"carrier.example": "::1"}}
				})
				b.place("c_1", far, func(tr *trunk.Trunk) { tr.Host = host + ":" + port(far.addr) })
				d := far.invited()
				local := b.agent.UDPAddr()
				if network == tcp {
					local = b.agent.TCPAddr()
				}
				if got, want := d.invite.Recipient.String(), "sip:4989654321@"+host+":"+port(far.addr); got != want {
					t.Errorf("Request-URI %s, want %s", got, want)
				}
				raw := d.invite.String()
				for _, want := range []string{
					fmt.Sprintf("Via: SIP/2.0/%s [::1]:%d;", sip.NetworkToUpper(network), local.Port()),
					fmt.Sprintf("<sip:dialroom@[::1]:%d", local.Port()),
				} {
					if !bytes.Contains([]byte(raw), []byte(want)) {
						t.Errorf("no %q in\n%s", want, raw)
					}
				}
				d.say(180, "one", "")
				b.event(wire.Ringing)
				if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
					t.Fatal(err)
				}
				b.ended(wire.HangupRoom)
				cancel, reply := far.request(sip.CANCEL)
				reply(respond(cancel, 200, "one", ""))
				d.say(487, "one", "")
				far.request(sip.ACK)
				b.over()
			})
		}
	}
}
