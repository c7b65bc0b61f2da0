package call

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

func TestInboundCallRingsUntilSomebodyJoinsItsRoom(t *testing.T) {
	overEach(t, func(t *testing.T, far *carrier) {
		b, d := reception(t)
		c := calls(b, far, sdp(4000, "sendrecv"))
		c.hears(180)
		if rooms := d.rooms(); len(rooms) != 1 || rooms[0] != "reception" {
			t.Fatalf("asked for %v", rooms)
		}
		if err := b.agent.Progress("c_1", wire.Answered); err != nil {
			t.Fatal(err)
		}
		res := c.hears(200)
		if body := string(res.Body()); !strings.Contains(body, "m=audio") || !strings.Contains(body, "a=sendrecv") {
			t.Errorf("answered with\n%s", body)
		}
		if ev := b.event(wire.Answered); ev.ID != "c_1" || ev.Codec != wire.PCMA {
			t.Errorf("reported %+v", ev)
		}
		c.ack("")
		settle(t, b, func(c *Call) bool { return c.reinvite == nil })
		c.hangsUp()
	})
}

func TestInboundCallIntoARoomWithSomebodyIsAnsweredAtOnce(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t, func(d *desk) { d.present = true })
	c := calls(b, far, sdp(4000, "sendrecv", "PCMU"))
	c.hears(200)
	if ev := b.event(wire.Answered); ev.Codec != wire.PCMU {
		t.Errorf("reported %+v", ev)
	}
	c.ack("")
	c.hangsUp()
}

func TestOfferlessInviteIsAnsweredWithAnOffer(t *testing.T) {
	overEach(t, func(t *testing.T, far *carrier) {
		b, _ := reception(t, func(d *desk) { d.present = true })
		c := calls(b, far, "")
		if body := string(c.hears(200).Body()); !strings.Contains(body, "PCMA") || !strings.Contains(body, "telephone-event") {
			t.Fatalf("no offer of ours:\n%s", body)
		}
		c.ack(sdp(4000, "sendrecv", "PCMU"))
		if ev := b.event(wire.Answered); ev.Codec != wire.PCMU {
			t.Errorf("reported %+v", ev)
		}
		c.hangsUp()
	})
}

func TestCallerWhoGivesUpIsGone(t *testing.T) {
	overEach(t, func(t *testing.T, far *carrier) {
		b, _ := reception(t)
		c := calls(b, far, sdp(4000, "sendrecv"))
		c.hears(180)
		c.to(c.compose("CANCEL", 1, c.branch, ""))
		c.response(200)
		c.hears(487)
		c.to(c.compose("ACK", 1, c.branch, ""))
		b.ended(wire.HangupPhone)
		b.over()
	})
}

func TestCallerWhoGivesUpWhileTheRoomIsAskedForGivesTheLegBack(t *testing.T) {
	far := newCarrier(t, "udp")
	b, d := reception(t, func(d *desk) { d.hold = make(chan struct{}) })
	c := calls(b, far, sdp(4000, "sendrecv"))
	c.response(100)
	c.to(c.compose("CANCEL", 1, c.branch, ""))
	c.response(200)
	c.hears(487)
	close(d.hold)
	if ev := b.ended(wire.HangupPhone); ev.ID != "c_1" {
		t.Errorf("reported %+v", ev)
	}
	b.over()
}

func TestWhatACallerIsToldWhenTheRoomDoesNotAnswer(t *testing.T) {
	tests := []struct {
		name   string
		reason wire.Ending
		status int
		cause  int // Q.850, RFC 6432
	}{
		{"nobody came", wire.RoomEmpty, 480, 19},
		{"the room hung up", wire.HangupRoom, 480, 21},
		{"the number outside is busy", wire.Busy, 486, 17},
		{"it does not answer", wire.NoAnswer, 480, 19},
		{"it cannot be reached", wire.Unreachable, 480, 20},
		{"it declined", wire.Declined, 603, 21},
		{"there is no such number", wire.NotFound, 404, 1},
		{"no trunk is free", wire.NoTrunk, 503, 34},
		{"the trunk fails", wire.TrunkFailed, 503, 41},
		{"the house is closing", wire.Shutdown, 503, 41},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			far := newCarrier(t, "udp")
			b, _ := reception(t)
			c := calls(b, far, sdp(4000, "sendrecv"))
			c.hears(180)
			if err := b.agent.Hangup("c_1", test.reason); err != nil {
				t.Fatal(err)
			}
			if res := c.hears(test.status); cause(res) != test.cause {
				t.Errorf("Reason %v, want %d", res.GetHeader("Reason"), test.cause)
			}
			c.to(c.compose("ACK", 1, c.branch, ""))
			b.ended(test.reason)
			b.over()
		})
	}
}

func TestUnansweredInboundCallEndsAfterItsWait(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t)
	c := calls(b, far, sdp(4000, "sendrecv"))
	c.hears(180)
	settle(t, b, func(c *Call) bool { return c.timers[ringing] != nil })
	b.clock.advance(time.Minute)
	if res := c.hears(480); cause(res) != 19 {
		t.Errorf("Reason %v", res.GetHeader("Reason"))
	}
	b.ended(wire.NoAnswer)
	b.over()
}

func TestRefusedCallersHearWhy(t *testing.T) {
	far := newCarrier(t, "udp")
	b, d := reception(t, func(d *desk) { d.err = &Refusal{Status: 486, Reason: wire.Busy} })
	c := calls(b, far, sdp(4000, "sendrecv"))
	if res := c.hears(486); cause(res) != 17 {
		t.Errorf("Reason %v", res.GetHeader("Reason"))
	}
	c.to(c.compose("ACK", 1, c.branch, ""))
	<-b.agent.Drain()
	if len(d.rooms()) != 1 {
		t.Error("asked more than once")
	}
	b.over()
}

func TestByeWaitsForTheACKOfOurAnswer(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t, func(d *desk) { d.present = true })
	c := calls(b, far, sdp(4000, "sendrecv"))
	c.hears(200)
	b.event(wire.Answered)
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	settle(t, b, func(c *Call) bool { return c.timers[ackWait] != nil })
	b.clock.advance(t1)
	c.hears(200) // again, and no BYE
	c.ack("")
	bye, reply := c.request(sip.BYE)
	if bye.Recipient.String() != fmt.Sprintf("sip:carrier@%s;transport=udp", far.addr) {
		t.Errorf("BYE went to %s", bye.Recipient.String())
	}
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestTheSameInviteByTwoPathsIsOneCall(t *testing.T) {
	far := newCarrier(t, "udp")
	b, d := reception(t)
	c := calls(b, far, sdp(4000, "sendrecv"))
	c.hears(180)
	tag := c.tag
	c.tag, c.remote = "", ""
	c.to(c.compose("INVITE", 1, "z9hG4bKother", sdp(4000, "sendrecv")))
	c.response(482)
	c.to(c.compose("ACK", 1, "z9hG4bKother", ""))
	c.tag = tag
	c.to(c.compose("CANCEL", 1, c.branch, ""))
	c.response(200)
	c.hears(487)
	b.ended(wire.HangupPhone)
	if n := len(d.rooms()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestInboundCallFollowsTheRouteItCameBy(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t, func(d *desk) { d.present = true })
	route := fmt.Sprintf("<sip:%s;lr>", far.addr)
	c := calls(b, far, sdp(4000, "sendrecv"), "Record-Route: "+route, "Record-Route: <sip:10.9.9.9;lr>")
	if res := c.hears(200); len(res.GetHeaders("Record-Route")) != 2 {
		t.Error("the answer does not repeat Record-Route")
	}
	b.event(wire.Answered)
	c.ack("")
	settle(t, b, func(c *Call) bool { return c.reinvite == nil })
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply := c.request(sip.BYE)
	routes := bye.GetHeaders("Route")
	if len(routes) != 2 || routes[0].Value() != route || routes[1].Value() != "<sip:10.9.9.9;lr>" {
		t.Errorf("routes %v", routes)
	}
	reply(respond(bye, 200, "", ""))
	b.over()
}

// overEach runs a test over UDP and TCP.
func overEach(t *testing.T, f func(t *testing.T, far *carrier)) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			f(t, newCarrier(t, network))
		})
	}
}

func udpAddrOf(b *bridge) net.Addr { return net.UDPAddrFromAddrPort(b.agent.UDPAddr()) }

// dial connects a carrier to the bridge.
func (c *carrier) dial(b *bridge) {
	c.t.Helper()
	conn, err := net.Dial("tcp", b.agent.TCPAddr().String())
	if err != nil {
		c.t.Fatal(err)
	}
	c.serve(conn)
}

func TestACallerOfANumberThatLeadsNowhereHearsThatItIsUnallocated(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t, func(d *desk) { d.verdict = func(*sip.Request) Admission { return Admission{} } })
	c := calls(b, far, sdp(4000, "sendrecv"))
	if res := c.hears(404); cause(res) != 1 {
		t.Errorf("Reason %v", res.GetHeader("Reason"))
	}
	c.to(c.compose("ACK", 1, c.branch, ""))
}

// An INVITE's transaction lives on for 32 s after its call. At 500 calls a second
// those that were over were half of what the bridge held.
func TestACallThatIsOverIsNotHeldByItsTransaction(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t, func(d *desk) { d.present = true })
	c := calls(b, far, sdp(4000, "sendrecv"))
	c.hears(200)
	b.event(wire.Answered)
	c.ack("")
	of := func() weak.Pointer[Call] {
		call, _ := b.agent.find("c_1")
		return weak.Make(call)
	}()
	c.hangsUp()
	waitFor(t, "the collector takes it", func() bool {
		runtime.GC()
		return of.Value() == nil
	})
}
