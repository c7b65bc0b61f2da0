package call

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

func TestAReliableRingingIsPRACKedAndTheACKHasTheINVITEsNumber(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		d.say(180, "one", "", "Require: 100rel", "RSeq: 17")
		prack, reply := far.request(sip.PRACK)
		if rack := prack.GetHeader("RAck").Value(); rack != fmt.Sprintf("17 %d INVITE", d.invite.CSeq().SeqNo) {
			t.Errorf("RAck %s", rack)
		}
		b.event(wire.Ringing)
		reply(respond(prack, 200, "", ""))
		d.say(180, "one", "", "Require: 100rel", "RSeq: 17") // repeated: no second PRACK
		d.say(183, "one", sdp(4000, "sendrecv"), "Require: 100rel", "RSeq: 18")
		prack, reply = far.request(sip.PRACK)
		if rack := prack.GetHeader("RAck").Value(); !strings.HasPrefix(rack, "18 ") {
			t.Errorf("RAck %s", rack)
		}
		b.event(wire.Early)
		reply(respond(prack, 200, "", ""))
		d.say(200, "one", "")
		ack, _ := far.request(sip.ACK)
		if ack.CSeq().SeqNo != d.invite.CSeq().SeqNo {
			t.Errorf("the ACK has CSeq %d, the INVITE had %d", ack.CSeq().SeqNo, d.invite.CSeq().SeqNo)
		}
		b.event(wire.Answered)
		d.hangs(b)
	})
}

func TestACallerThatRequiresReliableRinging(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t)
	c := calls(b, far, sdp(4000, "sendrecv"), "Require: 100rel")
	ringing := c.hears(180)
	rseq := ringing.GetHeader("RSeq").Value()
	if !lists(ringing, "Require", "100rel") {
		t.Fatalf("not reliable:\n%s", ringing)
	}
	b.clock.advance(t1)
	if again := c.hears(180); again.GetHeader("RSeq").Value() != rseq {
		t.Error("repeated with another number")
	}
	c.ask("PRACK", "", "RAck: 1 1 INVITE")
	c.response(481)
	c.ask("PRACK", "", "RAck: "+rseq+" 1 INVITE")
	c.response(200)
	settle(t, b, func(c *Call) bool { return c.timers[provisionalWait] == nil })
	if err := b.agent.Progress("c_1", wire.Answered); err != nil {
		t.Fatal(err)
	}
	c.hears(200)
	b.event(wire.Answered)
	c.ack("")
	c.hangsUp()
}

func TestACallerThatNeverPRACKsIsRefused(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t)
	c := calls(b, far, sdp(4000, "sendrecv"), "Require: 100rel")
	c.hears(180)
	waited := time.Duration(0)
	for wait := t1; waited+wait < giveUpTime; wait *= 2 {
		settle(t, b, func(c *Call) bool { return c.timers[provisionalWait] != nil })
		b.clock.advance(wait)
		waited += wait
		c.hears(180)
	}
	settle(t, b, func(c *Call) bool { return c.timers[provisionalWait] != nil })
	b.clock.advance(giveUpTime - waited)
	c.hears(504)
	b.ended(wire.TrunkFailed)
	b.over()
}

func TestEarlyMediaOfADirectCallIsReliableAndNotAnsweredBeforeItsPRACK(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t, func(d *desk) { d.visit.Line.Dial = "+493012345" })
	c := calls(b, far, sdp(4000, "sendrecv"), "Supported: 100rel")
	waitFor(t, "the sfu's name", func() bool { return b.agent.Progress("c_1", wire.Early) == nil })
	early := c.hears(183)
	if !strings.Contains(string(early.Body()), "m=audio") {
		t.Error("no session in the 183")
	}
	b.event(wire.Early)
	if err := b.agent.Progress("c_1", wire.Answered); err != nil {
		t.Fatal(err)
	}
	settle(t, b, func(c *Call) bool { return c.visit.prov.then == wire.Answered })
	c.ask("PRACK", "", "RAck: "+early.GetHeader("RSeq").Value()+" 1 INVITE")
	c.response(200)
	if res := c.hears(200); len(res.Body()) != 0 {
		t.Error("the answer was said already")
	}
	b.event(wire.Answered)
	c.ack("")
	c.hangsUp()
}

func TestUpdateBeforeTheAnswer(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.say(183, "one", sdp(4000, "sendrecv"))
	b.event(wire.Early)
	d.ask("UPDATE", "one", sdp(4002, "sendrecv", "PCMU"))
	if res := far.response(200); !strings.Contains(string(res.Body()), "PCMU") {
		t.Errorf("answered\n%s", res.Body())
	}
	if ev := b.event(wire.Early); ev.Codec != wire.PCMU {
		t.Errorf("reported %+v", ev)
	}
	d.say(200, "one", "")
	far.request(sip.ACK)
	if ev := b.event(wire.Answered); ev.Codec != wire.PCMU {
		t.Errorf("reported %+v", ev)
	}
	d.hangs(b)
}
