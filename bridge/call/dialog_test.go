package call

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// hangsUp ends the answered call, with a BYE that arrives there.
func (b *bridge) hangsUp(at *carrier) {
	b.t.Helper()
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		b.t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply := at.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestRequestsInTheDialogFollowTheRouteSet(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		// The trunk's edge sends us to another host, by way of two proxies.
		edge := newCarrier(t, far.network)
		rr := fmt.Sprintf("Record-Route: <sip:core.invalid;lr>, <sip:%s;lr;transport=%s>", edge.addr, far.network)
		d.reply(respond(d.invite, 200, "one", sdp(4000, "sendrecv"),
			"Contact: <sip:gateway@gateway.invalid:5080>", rr))
		ack, _ := edge.request(sip.ACK)
		b.event(wire.Answered)
		if got := ack.Recipient.String(); got != "sip:gateway@gateway.invalid:5080" {
			t.Errorf("Request-URI %s", got)
		}
		var routes []string
		for _, h := range ack.GetHeaders("Route") {
			routes = append(routes, h.Value())
		}
		want := fmt.Sprintf("<sip:%s;lr;transport=%s> <sip:core.invalid;lr>", edge.addr, far.network)
		if got := strings.Join(routes, " "); got != want {
			t.Errorf("Route %s, want %s", got, want)
		}
		b.hangsUp(edge)
		far.nothing()
	})
}

// sipgo #59: calls died after 32 s because the ACK went where the INVITE had
// gone, and not to the host that had answered.
func TestACallThatAnotherHostHasAnsweredIsACKedAndHungUpThere(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		gateway := newCarrier(t, far.network)
		d.reply(respond(d.invite, 200, "one", sdp(4000, "sendrecv"), fmt.Sprintf("Contact: <sip:gw@%s;transport=%s>", gateway.addr, far.network)))
		gateway.request(sip.ACK)
		b.event(wire.Answered)
		// Its 200 comes again: so does the ACK, to the same place.
		d.reply(respond(d.invite, 200, "one", sdp(4000, "sendrecv"), fmt.Sprintf("Contact: <sip:gw@%s;transport=%s>", gateway.addr, far.network)))
		gateway.request(sip.ACK)
		b.hangsUp(gateway)
		far.nothing()
	})
}

// What a call sends arrives in the order in which it was decided, each once:
// carrier.request fails on anything else that comes.
func TestABYENeverOvertakesTheACKBeforeIt(t *testing.T) {
	for range 20 {
		transports(t, func(t *testing.T, b *bridge, far *carrier) {
			b.place("c_1", far)
			far.invited().say(200, "one", sdp(4000, "sendrecv"))
			b.event(wire.Answered)
			if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
				t.Fatal(err)
			}
			b.ended(wire.HangupRoom)
			far.request(sip.ACK)
			bye, reply := far.request(sip.BYE)
			reply(respond(bye, 200, "", ""))
			b.over()
			far.nothing()
		})
	}
}

func TestContactBehindANATIsReachedByItsConnection(t *testing.T) {
	far := newCarrier(t, "tcp")
	b := newBridge(t, func(c *Config) { c.Resolver = names{} })
	b.place("c_1", far)
	d := far.invited()
	// A name only the far end knows; nothing can connect there.
	d.reply(respond(d.invite, 200, "one", sdp(4000, "sendrecv"), "Contact: <sip:x@private.invalid;transport=tcp>"))
	far.request(sip.ACK)
	b.event(wire.Answered)
	b.hangsUp(far)
}

func uri(s string) sip.Uri {
	var u sip.Uri
	if err := sip.ParseUri(s, &u); err != nil {
		panic(err)
	}
	return u
}

func TestRoute(t *testing.T) {
	tests := []struct {
		name   string
		routes []string
		uri    string
		want   string
	}{
		{"without a route set the target is both", nil, "sip:gw@192.0.2.9", ""},
		{"a loose router gets the target in the Request-URI", []string{"sip:a.example;lr", "sip:b.example;lr"},
			"sip:gw@192.0.2.9", "sip:a.example;lr sip:b.example;lr"},
		{"a strict router gets itself there, and the target at the end", []string{"sip:a.example", "sip:b.example;lr"},
			"sip:a.example", "sip:b.example;lr sip:gw@192.0.2.9"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := &dialog{target: uri("sip:gw@192.0.2.9")}
			for _, r := range test.routes {
				d.routes = append(d.routes, uri(r))
			}
			got, routes := d.route()
			var list []string
			for i := range routes {
				list = append(list, routes[i].String())
			}
			if got.String() != test.uri || strings.Join(list, " ") != test.want {
				t.Errorf("got %s by %v", got.String(), list)
			}
		})
	}
}

func TestNextHop(t *testing.T) {
	tests := []struct {
		name, target, route, network string
		want                         target
	}{
		{"the target's host and port", "sip:x@192.0.2.9:5080", "", udp, target{host: "192.0.2.9", port: 5080, network: udp}},
		{"the first route before the target", "sip:x@192.0.2.9", "sip:proxy.example;lr", udp, target{host: "proxy.example", port: 0, network: udp}},
		{"the transport it names", "sip:x@192.0.2.9;transport=TCP", "", udp, target{host: "192.0.2.9", port: 0, network: tcp}},
		{"otherwise the transport the dialog came by", "sip:x@192.0.2.9", "", tcp, target{host: "192.0.2.9", port: 0, network: tcp}},
		{"a transport nobody speaks is overlooked", "sip:x@192.0.2.9;transport=carrier-pigeon", "", udp, target{host: "192.0.2.9", port: 0, network: udp}},
		{"TLS where the transport says so", "sip:x@192.0.2.9;transport=tls", "", tcp, target{host: "192.0.2.9", port: 0, network: tlsNetwork}},
		{"sips is TLS whatever else it says", "sips:x@192.0.2.9;transport=tcp", "", udp, target{host: "192.0.2.9", port: 0, network: tlsNetwork}},
		{"maddr says where it really is", "sip:x@example.net;maddr=192.0.2.7", "", udp, target{host: "192.0.2.7", port: 0, network: udp}},
		{"an IPv6 address loses its brackets", "sip:x@[2001:db8::1]:5060", "", udp, target{host: "2001:db8::1", port: 5060, network: udp}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := &dialog{target: uri(test.target), network: test.network}
			if test.route != "" {
				d.routes = []sip.Uri{uri(test.route)}
			}
			if got := d.next(); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	base := trunk.Trunk{Host: "sip.example.net:5080", DialFormat: trunk.E164}
	tests := []struct {
		name       string
		edit       func(*trunk.Trunk)
		from, says string
	}{
		{"the caller id in the trunk's dial format", func(t *trunk.Trunk) { t.CallerID = "+4930123456" },
			"<sip:4930123456@sip.example.net>", ""},
		{"with its plus where the trunk wants one", func(t *trunk.Trunk) { t.CallerID, t.DialFormat = "+4930123456", trunk.Plus },
			"<sip:+4930123456@sip.example.net>", ""},
		{"from.user identifies the account, the caller id is asserted",
			func(t *trunk.Trunk) { t.FromUser, t.FromHost, t.CallerID = "acct", "example.org", "+4930123456" },
			"<sip:acct@example.org>", "sip:4930123456@example.org"},
		{"the digest user for want of anything else", func(t *trunk.Trunk) { t.Username = "user7" },
			"<sip:user7@sip.example.net>", ""},
		{"a name of our own for want of even that", func(*trunk.Trunk) {}, "<sip:dialroom@sip.example.net>", ""},
		{"a display name cannot break out of its quotes", func(t *trunk.Trunk) { t.FromDisplay = "a\" <sip:evil@x>\r\nX: y" },
			`"a <sip:evil@x>X: y" <sip:dialroom@sip.example.net>`, ""},
	}
	a := &Agent{cfg: Config{Public: netip.MustParseAddr("127.0.0.1")}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			tr := base
			test.edit(&tr)
			id := a.identify(&tr)
			from, _, _ := strings.Cut(id.from.Value(), ";tag=")
			says := ""
			if id.asserted != nil {
				says = id.asserted.String()
			}
			if from != test.from || says != test.says {
				t.Errorf("From %s, asserted %q", from, says)
			}
		})
	}
}
