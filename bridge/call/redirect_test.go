package call

import (
	"fmt"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

func TestARedirectionToAnotherHostForTheSameNumberIsFollowed(t *testing.T) {
	far, other := newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.reply(respond(d.invite, 302, "zero", "", fmt.Sprintf("Contact: <sip:4989654321@%s>", other.addr)))
	far.request(sip.ACK)
	again := other.invited()
	if again.invite.Recipient.User != "4989654321" || again.invite.CallID().Value() != d.invite.CallID().Value() {
		t.Errorf("invited %s", again.invite.StartLine())
	}
	again.say(200, "one", sdp(4000, "sendrecv"))
	other.request(sip.ACK)
	b.event(wire.Answered)
	again.hangs(b)
}

// TestARedirectionToAnotherNumberIsNot: the number that was checked is the
// number that is dialled (CVE-2010-0685).
func TestARedirectionToAnotherNumberIsNot(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.reply(respond(d.invite, 302, "one", "", fmt.Sprintf("Contact: <sip:49900123456@%s>", far.addr)))
	far.request(sip.ACK)
	b.ended(wire.Unreachable)
	b.over()
	far.nothing()
}

func TestRedirectionsInACircleEnd(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	for range maxRedirects + 1 {
		d := far.invited()
		d.reply(respond(d.invite, 302, "one", "", fmt.Sprintf("Contact: <sip:4989654321@%s>", far.addr)))
		far.request(sip.ACK)
	}
	b.ended(wire.Unreachable)
	b.over()
}
