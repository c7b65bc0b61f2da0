package call

import (
	"context"
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/leg"
	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// This file has the states of an inbound call before its answer:
//
//	arriving → alerting → answered → leaving → over
//	    └─ gated ─┘
//
// arriving asks the sfu for a leg, alerting rings until somebody is in the
// room, gated has been answered and waits for a PIN or a room's code.

// legTime bounds the wait for the sfu's verdict on an inbound call.
const legTime = 8 * time.Second

// arrive begins an inbound call.
func (c *Call) arrive() state {
	v := c.visit
	c.log.Info("call came in", "caller", number.Mask(v.Caller), "called", number.Mask(v.Called), "extension", v.Extension)
	if v.Line.gated() {
		return c.accept(c.gated)
	}
	c.askLeg(v.Line.Room)
	return c.arriving
}

// askLeg asks the sfu for a leg into a room.
func (c *Call) askLeg(room string) {
	c.visit.asking = true
	visitor := c.visit.Visit
	c.agent.wg.Go(func() {
		// Not the call's context: a leg that was granted has to be given back.
		ctx, cancel := context.WithTimeout(c.agent.ctx, legTime)
		defer cancel()
		grant, err := c.agent.receptionist().Leg(ctx, visitor, room)
		c.post(granted{grant, err})
	})
}

// admitted takes over what the sfu has granted.
func (c *Call) admitted(ev granted) error {
	v := c.visit
	v.asking = false
	if ev.err != nil {
		return ev.err
	}
	if !c.agent.rename(c, ev.grant.ID) {
		return ErrExists
	}
	v.granted = true
	c.log = c.agent.log.With("call", c.id, "room", ev.grant.Room, "trunk", c.trunk.ID)
	c.limits.duration = within(ev.grant.Leg.MaxDuration, defaultLong, maxLong)
	c.change(func(s *wire.Call) { s.ID, s.Room = ev.grant.ID, ev.grant.Room })
	return c.media.Attach(ev.grant.Leg)
}

// arriving: the sfu is asked.
func (c *Call) arriving(ev event) state {
	g, ok := ev.(granted)
	if !ok {
		return c.unmet(ev, c.arriving)
	}
	if err := c.admitted(g); err != nil {
		status, reason := sip.StatusServiceUnavailable, wire.TrunkFailed
		var refusal *Refusal
		if errors.As(err, &refusal) {
			status, reason = refusal.Status, refusal.Reason
		}
		c.log.Info("the caller is not let in", "status", status, "error", err)
		c.reject(status, reason)
		c.end(reason, status)
		return nil
	}
	if g.grant.Present || c.visit.Line.Announce {
		return c.accept(c.answered)
	}
	c.arm(ringing, c.limits.ring)
	c.change(func(s *wire.Call) { s.State = wire.Ringing })
	if c.visit.Line.Dial == "" {
		c.provision(sip.StatusRinging, "Ringing", nil)
	}
	return c.alerting
}

// alerting: it rings, until somebody is in the room.
func (c *Call) alerting(ev event) state {
	if p, ok := ev.(progress); ok {
		switch p.state {
		case wire.Answered:
			if prov := c.visit.prov; prov != nil && prov.answer {
				prov.then = wire.Answered // RFC 3262 §3: no 2xx before its PRACK
				return c.alerting
			}
			return c.accept(c.answered)
		case wire.Ringing:
			c.provision(sip.StatusRinging, "Ringing", nil)
		case wire.Early:
			if c.visit.answer == nil {
				break // the caller has made no offer: nothing can be played yet
			}
			c.provision(sip.StatusSessionInProgress, "Session Progress", c.visit.answer)
			c.report(wire.Early, c.visit.codec)
		}
		return c.alerting
	}
	return c.unmet(ev, c.alerting)
}

// unmet is what arriving and alerting have in common.
func (c *Call) unmet(ev event, stay state) state {
	switch ev := ev.(type) {
	case cancelled:
		c.visit.final = true // the library has said 487
		c.doneWithInvite()
		return c.dismissed(farewell(ev.req, false))
	case request:
		if c.serveVisitor(ev) == byeServed {
			// RFC 3261 §15: the caller may end an early dialog with BYE.
			c.reject(sip.StatusRequestTerminated, "")
			return c.dismissed(farewell(ev.req, false))
		}
	case expired:
		switch {
		case !c.due(ev):
		case ev.timer == ringing:
			c.reject(sip.StatusTemporarilyUnavailable, wire.NoAnswer)
			return c.dismissed(wire.NoAnswer)
		case ev.timer == provisionalWait:
			if !c.repeatProvisional() {
				c.reject(statusServerTimeout, wire.TrunkFailed)
				return c.dismissed(wire.TrunkFailed)
			}
		}
	case hangup:
		c.reject(statusOf(ev.reason), ev.reason)
		return c.dismissed(ev.reason)
	}
	return stay
}

// doneWithInvite lets go of the INVITE's transaction.
func (c *Call) doneWithInvite() {
	select {
	case <-c.visit.ev.done:
	default:
		close(c.visit.ev.done)
	}
}

// reject gives the INVITE its final response. reason is "" where the caller
// itself has ended the call.
func (c *Call) reject(status int, reason wire.Ending) {
	if c.visit.final {
		return
	}
	c.visit.final = true
	c.refuse(c.visit.ev, status, reasonOf(status), because(reason)...)
}

// because is Refused as a list.
func because(reason wire.Ending) []sip.Header {
	if h := Refused(reason); h != nil {
		return []sip.Header{h}
	}
	return nil
}

// dismissed ends a call before its answer. A leg that is being asked for has
// to be given back first.
func (c *Call) dismissed(reason wire.Ending) state {
	c.stopTimers()
	if !c.visit.asking {
		c.end(reason, 0)
		return nil
	}
	return func(ev event) state { return c.returning(ev, reason) }
}

// returning: the call is over and the sfu's verdict under way.
func (c *Call) returning(ev event, reason wire.Ending) state {
	switch ev := ev.(type) {
	case granted:
		_ = c.admitted(ev)
		c.end(reason, 0)
		return nil
	case request:
		c.serveEnding(ev)
	}
	return func(ev event) state { return c.returning(ev, reason) }
}

// accept answers the INVITE (RFC 3261 §13.3.1.4). next is where the call goes on.
func (c *Call) accept(next state) state {
	v := c.visit
	body, offered := v.answer, false
	switch {
	case v.settled:
		body = nil // the caller has our answer
	case body == nil:
		// The caller has made no offer, so we do; its ACK answers.
		body, offered = c.media.Offer(c.trunk.Codecs), true
	}
	v.final = true
	c.disarm(ringing)
	c.disarm(provisionalWait)
	res := c.accepted(v.ev.req, body)
	c.session.answer(c, v.ev.req, res)
	c.reinvite = &reinvite{ev: v.ev, res: res, offered: offered, first: true, wait: t1}
	c.arm(ackWait, t1)
	c.arm(duration, c.limits.duration)
	c.arm(silence, silenceTime)
	c.answeredAt = c.agent.clock.Now()
	c.change(func(s *wire.Call) { s.Code = sip.StatusOK })
	c.respond(v.ev, res)
	if v.granted && !offered {
		c.report(wire.Answered, v.codec)
	}
	if v.Line.Announce || v.Line.gated() {
		c.greet()
	}
	return next
}

// greet plays what the caller is to hear before the room.
func (c *Call) greet() {
	if c.visit.granted {
		c.media.Play(leg.PromptWait)
		return
	}
	c.media.Play(leg.PromptCode)
}

// gateTime is how long a caller may take to enter a code, and maxTries how
// often it may be wrong: a PIN of four digits is safe from the lucky.
const (
	gateTime = 45 * time.Second
	maxTries = 3
	maxCode  = 16
)

// gated: the caller hears us and has to press digits, ended by # or by being
// right.
func (c *Call) gated(ev event) state {
	v := c.visit
	switch ev := ev.(type) {
	case keyed:
		if v.asking {
			return c.gated
		}
		return c.enter(ev.key)
	case granted:
		if err := c.admitted(ev); err != nil {
			c.log.Info("the caller is not let in", "error", err)
			return c.hangUp(wire.TrunkFailed)
		}
		codec := c.visit.codec
		if codec == "" {
			codec = c.Snapshot().Codec
		}
		if c.reinvite == nil || !c.reinvite.offered {
			c.report(wire.Answered, codec)
		}
		if ev.grant.Present {
			c.media.Play(leg.PromptNone)
		} else {
			c.media.Play(leg.PromptWait)
		}
		return c.answered
	case hangup:
		if v.asking {
			c.why = reasonFor(ev.reason)
			c.bye(c.dialog)
			return c.dismissed(ev.reason)
		}
	}
	next := c.answered(ev)
	if next == nil || c.ended {
		return next
	}
	return c.gated
}

// enter takes one key of a PIN or a code.
func (c *Call) enter(key byte) state {
	v := c.visit
	if key != '#' {
		v.entered += string(key)
	}
	room, right := v.Line.choose(v.entered)
	switch {
	case right:
		c.media.Play(leg.PromptNone)
		c.askLeg(room)
		return c.gated
	case key != '#' && len(v.entered) < v.Line.longest():
		return c.gated
	}
	v.entered = ""
	if v.tries++; v.tries >= maxTries {
		c.log.Warn("a caller has pressed wrong codes", "caller", number.Mask(v.Caller))
		return c.hangUp(wire.Declined)
	}
	c.media.Play(leg.PromptAgain)
	return c.gated
}

// choose says which room the keys lead to, once they are complete: the PIN and
// after it, where there is a choice, a room's code.
func (l *Line) choose(keys string) (room string, right bool) {
	if len(keys) < len(l.PIN) || keys[:len(l.PIN)] != l.PIN {
		return "", false
	}
	rest := keys[len(l.PIN):]
	if len(l.Rooms) == 0 {
		return l.Room, rest == ""
	}
	room, right = l.Rooms[rest]
	return room, right
}

// longest is how many keys can make sense.
func (l *Line) longest() int {
	n := 0
	for code := range l.Rooms {
		n = max(n, len(code))
	}
	return min(n+len(l.PIN), maxCode)
}

// statusOf is the status that tells a caller why the room did not answer.
func statusOf(reason wire.Ending) int {
	switch reason {
	case wire.Busy:
		return sip.StatusBusyHere
	case wire.Declined:
		return sip.StatusGlobalDecline
	case wire.NotFound:
		return sip.StatusNotFound
	case wire.Shutdown, wire.TrunkFailed, wire.NoTrunk, wire.BridgeLost:
		return sip.StatusServiceUnavailable
	}
	return sip.StatusTemporarilyUnavailable
}

func reasonOf(status int) string {
	switch status {
	case sip.StatusBusyHere:
		return "Busy Here"
	case sip.StatusGlobalDecline:
		return "Decline"
	case sip.StatusNotFound:
		return "Not Found"
	case sip.StatusForbidden:
		return "Forbidden"
	case sip.StatusTemporarilyUnavailable:
		return "Temporarily Unavailable"
	case sip.StatusRequestTerminated:
		return "Request Terminated"
	case statusServerTimeout:
		return "Server Time-out"
	}
	return "Service Unavailable"
}
