package call

import (
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// quietly moves the clock in steps that silence does not end a call in: the far
// end is on hold.
func (d *dialogue) quietly(b *bridge, total time.Duration) {
	d.t.Helper()
	for left := total; left > 0; left -= 10 * time.Second {
		b.clock.advance(min(left, 10*time.Second))
		settle(d.t, b, func(c *Call) bool { return c.timers[silence] != nil || c.ended })
	}
}

// timed brings up a call with a session timer; the far end holds.
func timed(t *testing.T, b *bridge, far *carrier, headers ...string) *dialogue {
	t.Helper()
	b.place("c_1", far)
	d := far.invited()
	if d.invite.GetHeader("Session-Expires").Value() != "1800" || !lists(d.invite, "Supported", "timer") {
		t.Errorf("asked for no session timer:\n%s", d.invite)
	}
	d.say(200, "one", sdp(4000, "sendonly"), headers...)
	far.request(sip.ACK)
	b.event(wire.Answered)
	return d
}

// A call died after 15 or 30 minutes there (livekit/sip PR 582, feature-server
// #1122): nobody refreshed it.
func TestACallOf35MinutesSurvives(t *testing.T) {
	t.Run("we refresh by UPDATE", func(t *testing.T) {
		far := newCarrier(t, "udp")
		b := newBridge(t)
		d := timed(t, b, far, "Session-Expires: 600;refresher=uac", "Require: timer", "Allow: INVITE, ACK, BYE, UPDATE")
		for range 7 {
			d.quietly(b, 5*time.Minute)
			update, reply := far.request(sip.UPDATE)
			if se := update.GetHeader("Session-Expires").Value(); se != "600;refresher=uac" {
				t.Errorf("refreshed with %s", se)
			}
			if len(update.Body()) != 0 {
				t.Error("a refresh by UPDATE needs no SDP")
			}
			reply(respond(update, 200, "", "", "Session-Expires: 600;refresher=uac"))
			settle(t, b, func(c *Call) bool { return c.refreshing.done })
		}
		d.hangs(b)
	})
	t.Run("we refresh by re-INVITE", func(t *testing.T) {
		far := newCarrier(t, "udp")
		b := newBridge(t)
		d := timed(t, b, far, "Session-Expires: 600;refresher=uac", "Allow: INVITE, ACK, BYE")
		for range 7 {
			d.quietly(b, 5*time.Minute)
			invite, reply := far.request(sip.INVITE)
			if !strings.Contains(string(invite.Body()), "m=audio") {
				t.Error("a re-INVITE without our session")
			}
			reply(respond(invite, 200, "", sdp(4000, "sendonly"), d.contactLine(), "Session-Expires: 600;refresher=uac"))
			ack, _ := far.request(sip.ACK)
			if ack.CSeq().SeqNo != invite.CSeq().SeqNo {
				t.Errorf("ACK has CSeq %d for INVITE %d", ack.CSeq().SeqNo, invite.CSeq().SeqNo)
			}
			settle(t, b, func(c *Call) bool { return c.refreshing.done })
		}
		d.hangs(b)
	})
	t.Run("the far end refreshes", func(t *testing.T) {
		far := newCarrier(t, "udp")
		b := newBridge(t)
		d := timed(t, b, far, "Session-Expires: 600;refresher=uas")
		for range 7 {
			d.quietly(b, 5*time.Minute)
			d.ask("UPDATE", "one", "", "Supported: timer", "Session-Expires: 600;refresher=uac")
			if res := far.response(200); res.GetHeader("Session-Expires").Value() != "600;refresher=uac" || !lists(res, "Require", "timer") {
				t.Errorf("answered\n%s", res)
			}
		}
		d.hangs(b)
	})
	t.Run("a caller refreshes by re-INVITE", func(t *testing.T) {
		far := newCarrier(t, "udp")
		b, _ := reception(t, func(d *desk) { d.present = true })
		c := calls(b, far, sdp(4000, "sendonly"), "Supported: timer", "Session-Expires: 600")
		if se := c.hears(200).GetHeader("Session-Expires").Value(); se != "600;refresher=uac" {
			t.Errorf("answered with %s", se)
		}
		b.event(wire.Answered)
		c.ack("")
		settle(t, b, func(c *Call) bool { return c.reinvite == nil })
		d := &dialogue{carrier: far}
		for range 7 {
			d.quietly(b, 5*time.Minute)
			c.ask("INVITE", sdp(4000, "sendonly"), "Supported: timer", "Session-Expires: 600;refresher=uac")
			c.response(200)
			c.to(c.compose("ACK", c.cseq, "z9hG4bKa", ""))
			settle(t, b, func(c *Call) bool { return c.reinvite == nil })
		}
		c.hangsUp()
	})
}

func TestAFarEndThatNeverRefreshesIsEndedAtItsInterval(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := timed(t, b, far, "Session-Expires: 600;refresher=uas")
	d.quietly(b, 600*time.Second-33*time.Second)
	if c, _ := b.agent.Call("c_1"); c.State != wire.Answered {
		t.Fatalf("the call is %s before its interval is over", c.State)
	}
	b.clock.advance(2 * time.Second)
	b.ended(wire.Unreachable)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestACallerWithoutTimersIsRefreshedByUs(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t, func(d *desk) { d.present = true })
	c := calls(b, far, sdp(4000, "sendonly"))
	if c.hears(200).GetHeader("Session-Expires") != nil {
		t.Error("a caller that knows no timers was told of one")
	}
	b.event(wire.Answered)
	c.ack("")
	settle(t, b, func(c *Call) bool { return c.reinvite == nil })
	(&dialogue{carrier: far}).quietly(b, 15*time.Minute)
	invite, reply := far.request(sip.INVITE)
	reply(respond(invite, 481, "", ""))
	far.request(sip.ACK)
	b.ended(wire.HangupPhone) // its dialog is gone
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 481, "", ""))
	b.over()
}

func TestTooShortASessionIs422(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t)
	c := calls(b, far, sdp(4000, "sendrecv"), "Supported: timer", "Session-Expires: 30")
	if res := c.hears(422); res.GetHeader("Min-SE").Value() != "90" {
		t.Errorf("refused with\n%s", res)
	}
}

func TestACarrierThatWantsALongerSessionGetsIt(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.say(422, "one", "", "Min-SE: 3600")
	far.request(sip.ACK)
	again, reply := far.request(sip.INVITE)
	if se, least := again.GetHeader("Session-Expires").Value(), again.GetHeader("Min-SE").Value(); se != "3600" || least != "3600" {
		t.Errorf("asked again for %s, at least %s", se, least)
	}
	reply(respond(again, 486, "two", ""))
	far.request(sip.ACK)
	b.ended(wire.Busy)
	b.over()
}

func TestGlareIsResolvedByWaiting(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := timed(t, b, far, "Session-Expires: 600;refresher=uac", "Allow: INVITE, ACK, BYE")
	d.quietly(b, 5*time.Minute)
	invite, reply := far.request(sip.INVITE)
	branch := d.ask("INVITE", "one", sdp(4000, "sendonly")) // theirs crosses ours
	far.response(491)
	d.reply(d.compose("ACK", "one", "", d.cseq, branch))
	reply(respond(invite, 491, "", ""))
	far.request(sip.ACK)
	settle(t, b, func(c *Call) bool { return c.timers[refreshDue] != nil })
	b.clock.advance(4 * time.Second)
	invite, reply = far.request(sip.INVITE)
	reply(respond(invite, 200, "", sdp(4000, "sendonly"), d.contactLine(), "Session-Expires: 600;refresher=uac"))
	far.request(sip.ACK)
	d.hangs(b)
}
