package call

import (
	"bytes"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// state is what a call does with an event: one function per state, and the
// next one is what it returns. nil is over. All transitions are in this file.
type state func(ev event) state

// start sends the INVITE.
func (c *Call) start() state {
	c.log.Info("call placed", "number", number.Mask(c.number))
	c.arm(firstResponse, c.patience())
	c.arm(ringing, c.limits.ring)
	c.invite = c.newInvite(c.media.Offer(c.trunk.Codecs))
	if c.target != nil {
		c.send(outgoing{req: c.invite, hop: c.target.hop()})
		return c.dialing
	}
	c.send(outgoing{req: c.invite, to: wayTo(&c.trunk), via: c.via})
	return c.dialing
}

// dialing: the INVITE is out and no phone has rung.
func (c *Call) dialing(ev event) state {
	if res := c.provisional(ev); res != nil {
		c.progress(res)
		switch {
		case c.hears(res):
			return c.early
		case res.StatusCode == sip.StatusRinging:
			c.report(wire.Ringing, "")
			return c.ringing
		}
		return c.dialing
	}
	return c.unanswered(ev, c.dialing)
}

// ringing: a phone rings, silently for us.
func (c *Call) ringing(ev event) state {
	if res := c.provisional(ev); res != nil {
		if c.hears(res) {
			return c.early
		}
		return c.ringing
	}
	return c.unanswered(ev, c.ringing)
}

// early: there is audio before the answer. Another branch's audio may replace
// it; a 180, late or of another branch, does not end it.
func (c *Call) early(ev event) state {
	if res := c.provisional(ev); res != nil {
		c.hears(res)
		return c.early
	}
	return c.unanswered(ev, c.early)
}

// unanswered is what dialing, ringing and early have in common.
func (c *Call) unanswered(ev event, stay state) state {
	switch ev := ev.(type) {
	case sent:
		c.noteSent(ev)
	case sendFailed:
		if ev.out.req.IsInvite() {
			c.log.Warn("the trunk cannot be reached", "error", ev.err)
			if next, ok := c.elsewhere(true); ok {
				return next
			}
			c.end(wire.TrunkFailed, 0)
			return nil
		}
	case txDone:
		// A timeout after a provisional response is a race inside the
		// library; the responses still come, as strays.
		if ev.tx == c.inviteTx && (!c.heard || !timedOut(ev.err)) {
			c.log.Warn("the trunk does not respond", "error", ev.err)
			if next, ok := c.elsewhere(true); ok {
				return next
			}
			c.end(wire.TrunkFailed, 0)
			return nil
		}
	case response:
		if c.toInvite(ev.res) {
			return c.final(ev, stay)
		}
	case request:
		if c.serveEarly(ev) == byeServed {
			c.end(farewell(ev.req, true), 0)
			return c.withdraw()
		}
	case expired:
		switch {
		case !c.due(ev):
		case ev.timer == firstResponse:
			if next, ok := c.elsewhere(true); ok {
				return next
			}
			if wait := firstResponseTime - c.agent.clock.Now().Sub(c.placed); wait > 0 {
				c.arm(firstResponse, wait) // there is no other way after all
				return stay
			}
			c.end(wire.TrunkFailed, 0)
			return c.withdraw()
		case ev.timer == onlyTrying:
			return c.retreat(stay)
		case ev.timer == ringing:
			c.end(wire.NoAnswer, 0)
			return c.withdraw()
		}
	case hangup:
		c.why = ev.why
		c.end(ev.reason, 0)
		return c.withdraw()
	}
	return stay
}

// final takes the final response to the INVITE.
func (c *Call) final(ev response, stay state) state {
	res := ev.res
	switch {
	case res.IsSuccess():
		return c.answer(res)
	case res.StatusCode == sip.StatusUnauthorized, res.StatusCode == sip.StatusProxyAuthRequired:
		err := c.creds.learn(res, c.trunk.Username)
		if err == nil {
			// The old transaction's end is none of the call's business any more.
			c.inviteTx, c.heard = nil, false
			c.disarm(onlyTrying)
			c.invite = c.again(c.invite)
			c.creds.apply(c.invite, c.trunk.Username, c.trunk.Password)
			c.arm(firstResponse, firstResponseTime)
			c.send(outgoing{req: c.invite, hop: c.inviteTo})
			return stay
		}
		c.log.Warn("the trunk refuses us", "error", err)
	case res.StatusCode == statusIntervalTooSmall && c.session.least == 0:
		// RFC 4028 §7.3: once more with the interval it wants.
		if c.session.learn(res); c.session.least > 0 {
			c.acknowledgeRefusal(ev)
			c.resend(c.inviteTo)
			return stay
		}
	case res.StatusCode == sip.StatusNotAcceptableHere || res.StatusCode == sip.StatusGlobalNotAcceptable:
		if c.insist() {
			c.acknowledgeRefusal(ev)
			c.resend(c.inviteTo)
			return stay
		}
	case res.StatusCode >= 300 && res.StatusCode < 400:
		if to, ok := c.redirected(res); ok {
			c.acknowledgeRefusal(ev)
			c.resendTo(to)
			return stay
		}
	}
	c.acknowledgeRefusal(ev)
	if worthAnotherWay(res.StatusCode) {
		if next, ok := c.elsewhere(false); ok {
			return next
		}
	}
	c.end(ending(res, c.Snapshot().State != wire.Dialing), res.StatusCode)
	return nil
}

// answer takes the first 200: it is ACKed at once, whatever it says, and the
// call is up if it holds an answer to our offer (RFC 3261 §13.2.2.4).
func (c *Call) answer(res *sip.Response) state {
	d := c.fork(res)
	if d == nil {
		c.end(wire.TrunkFailed, res.StatusCode)
		return c.withdraw()
	}
	c.acknowledge(d)
	if c.forked != nil && !c.forked.claim(c) {
		// Another device was faster.
		c.why = completedElsewhere
		c.end(wire.HangupRoom, 0)
		c.bye(d)
		return c.leave()
	}
	c.creds.settled()
	sdp := res.Body()
	if len(sdp) == 0 {
		sdp = d.answer // a 183 of the same branch said it already
	}
	codec := c.Snapshot().Codec
	if c.dialog != d || !bytes.Equal(sdp, d.answer) {
		locate(c.media, &c.trunk, res.Source())
		session, err := c.media.Answer(sdp)
		if err != nil {
			c.log.Warn("the answer's SDP cannot be used", "error", err)
			c.end(wire.TrunkFailed, res.StatusCode)
			c.bye(d)
			return c.leave()
		}
		codec = session.Codec
	}
	c.dialog = d
	c.disarm(firstResponse)
	c.disarm(onlyTrying)
	c.disarm(ringing)
	c.arm(duration, c.limits.duration)
	c.arm(silence, silenceTime)
	c.answeredAt = c.agent.clock.Now()
	c.session.settle(c, res)
	c.change(func(s *wire.Call) { s.Code = res.StatusCode })
	c.report(wire.Answered, codec)
	return c.answered
}

// answered: both sides talk.
func (c *Call) answered(ev event) state {
	if next, taken := c.midCall(ev); taken {
		return next
	}
	switch ev := ev.(type) {
	case sent:
		c.noteSent(ev)
	case sendFailed:
		c.log.Warn("a message could not be sent", "method", string(ev.out.req.Method), "error", ev.err)
		c.byeGone(ev.out.dialog, ev.out.req)
	case txDone:
		c.byeDone(ev.tx)
	case response:
		c.lateResponse(ev)
	case request:
		if c.serveAnswered(ev) == byeServed {
			c.end(farewell(ev.req, true), 0)
			return c.leave()
		}
	case ack:
		if err := c.acked(ev.req); err != nil {
			c.log.Warn("the answer in an ACK cannot be used", "error", err)
			return c.hangUp(wire.TrunkFailed)
		}
	case expired:
		switch {
		case !c.due(ev):
		case ev.timer == duration:
			return c.hangUp(wire.MaxDuration)
		case ev.timer == silence:
			if c.silent() {
				return c.hangUp(wire.MediaLost)
			}
		case ev.timer == ackWait:
			if !c.repeatAnswer() {
				return c.hangUp(wire.TrunkFailed)
			}
		}
	case keyed:
		c.keyPressed(ev.key)
	case hangup:
		return c.hangUp(ev.reason)
	}
	return c.answered
}

// hangUp ends an answered call with BYE (RFC 3261 §15.1.1).
func (c *Call) hangUp(reason wire.Ending) state {
	if r := c.reinvite; r != nil && r.first {
		return c.partWhenACKed(reason)
	}
	c.end(reason, 0)
	c.bye(c.dialog)
	return c.leave()
}

// withdraw takes back an INVITE that has no final response.
func (c *Call) withdraw() state {
	c.stopInvite()
	c.arm(giveUp, giveUpTime)
	if c.heard {
		c.cancelInvite()
	}
	return c.cancelling
}

// cancelling: the call has ended for the room; its INVITE is being taken back.
func (c *Call) cancelling(ev event) state {
	if res := c.provisional(ev); res != nil {
		// RFC 3261 §9.1: no CANCEL before a provisional response. Now there is one.
		c.cancelInvite()
		return c.cancelling
	}
	switch ev := ev.(type) {
	case sent:
		c.noteSent(ev)
	case sendFailed:
		// Neither INVITE nor CANCEL has anybody to go to.
		c.dropInvite()
		return nil
	case txDone:
		if ev.tx == c.inviteTx && (!c.heard || !timedOut(ev.err)) {
			return nil
		}
	case response:
		switch {
		case !c.toInvite(ev.res):
		case ev.res.IsSuccess():
			// The answer crossed our CANCEL, which is without effect then
			// (RFC 3261 §9.1, §15): the phone is off the hook and is hung up.
			c.refuseAnswer(ev.res)
			return c.leave()
		default:
			if ev.tx == nil {
				c.send(outgoing{req: refusalAck(c.invite, ev.res), hop: c.inviteTo})
			}
			return nil
		}
	case request:
		c.serveEnding(ev)
	case expired:
		if c.due(ev) && ev.timer == giveUp {
			// RFC 3261 §9.1: 64·T1 after CANCEL without a final response the
			// transaction counts as cancelled.
			c.dropInvite()
			return nil
		}
	}
	return c.cancelling
}

// leave waits for the BYEs that are on their way, if any.
func (c *Call) leave() state {
	if c.byes == 0 {
		return nil
	}
	c.arm(giveUp, giveUpTime)
	return c.leaving
}

// leaving: BYE is out and not confirmed.
func (c *Call) leaving(ev event) state {
	switch ev := ev.(type) {
	case sent:
		c.noteSent(ev)
	case sendFailed:
		c.byeGone(ev.out.dialog, ev.out.req)
	case txDone:
		c.byeDone(ev.tx)
	case response:
		c.lateResponse(ev)
	case request:
		c.serveEnding(ev)
	case hangup:
		if c.successor != nil {
			c.successor.post(ev)
		}
	case expired:
		if c.due(ev) && ev.timer == giveUp {
			return nil
		}
	}
	if c.byes == 0 {
		return nil
	}
	return c.leaving
}
