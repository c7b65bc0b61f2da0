package call

import (
	"context"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// This file is how a call goes another way: to the next address of its trunk
// (RFC 3263 §4.3), and then to the next trunk.
//
// Nobody's telephone must ring twice. So there is another way only while
// nothing was heard that a person may have caused: no ringing, no audio. It is
// taken when the host says nothing, or nothing but 100, cannot be reached, or
// answers 408 or 5xx; whatever else it answers is an answer.
//
// The other way is another Call with the same id, which takes over the media,
// the time that is left and the numbering of the events. The one before stays,
// in the state replaced and without a voice, to take its INVITE back should
// the host find its tongue after all.

// hurryTime is how long a host may say nothing when there is another way. A
// proxy says 100 within 200 ms (RFC 3261 §17.2.1); over UDP the INVITE has
// been sent four times by then.
const hurryTime = 4 * time.Second

// patience is how long this call waits for the first word of the host.
func (c *Call) patience() time.Duration {
	if c.next != nil || len(c.rest) > 0 {
		return hurryTime
	}
	return firstResponseTime
}

// worthAnotherWay reports whether a final response is of the network and not
// of a person.
func worthAnotherWay(status int) bool {
	return status == sip.StatusRequestTimeout || status >= 500 && status <= 599
}

// elsewhere places the call another way if it may and there is one. silent
// says that the host did not answer.
func (c *Call) elsewhere(silent bool) (state, bool) {
	slot, hops := c.onward(silent)
	if slot == nil {
		return nil, false
	}
	return c.depart(slot, hops, silent)
}

// onward takes the slot of the way to try next; nil where there is none.
func (c *Call) onward(silent bool) (slot *trunk.Slot, hops []hop) {
	if c.ended || c.successor != nil || c.Snapshot().State != wire.Dialing {
		return nil, nil
	}
	if len(c.rest) > 0 {
		return c.slot, c.rest
	}
	if silent {
		c.agent.heard(c.trunk.ID, false)
	}
	return c.another(), nil
}

// depart places the call another way. It returns false when the agent is closing.
func (c *Call) depart(slot *trunk.Slot, hops []hop, silent bool) (state, bool) {
	if !c.succeed(slot, hops) {
		if slot != c.slot {
			slot.Release()
		}
		return nil, false
	}
	if slot != c.slot {
		c.slot.Release()
	}
	// From here on the successor speaks for the call.
	c.ended, c.why = true, goneElsewhere
	if !silent {
		c.cancelled = true // there is a final response: nothing to take back
	}
	c.stopTimers()
	c.stopInvite()
	c.dropInvite() // or it would be sent again, and ring after all
	c.arm(giveUp, giveUpTime)
	return c.replaced, true
}

// tryingTime is how long a host may have nothing to say but 100 when there is
// another way. ITU-T E.721 wants the ringing of 95 % of international calls to
// begin within 11 s; who has not got further after 15 has lost the call. With no
// other way the ringing time is the bound.
const tryingTime = 15 * time.Second

// cancelTime is how long a host that says nothing but 100 gets to confirm our
// CANCEL before the call goes on without it: over UDP it has been sent three
// times by then.
const cancelTime = 2 * time.Second

// progress minds a host that has said 100, until it says more.
func (c *Call) progress(res *sip.Response) {
	switch {
	case res.StatusCode != sip.StatusTrying:
		c.disarm(onlyTrying)
	case c.timers[onlyTrying] == nil && len(c.forks) == 0 && (c.next != nil || len(c.rest) > 0):
		c.arm(onlyTrying, tryingTime)
	}
}

// detour is the way to take once this attempt is taken back.
type detour struct {
	slot *trunk.Slot
	hops []hop
	rang bool // a phone has rung after all: there is none to take
}

// retreat takes back an INVITE of which nothing was heard but 100, if there is
// another way. This one is cancelled before that is taken: no phone may ring
// twice.
func (c *Call) retreat(stay state) state {
	slot, hops := c.onward(true)
	if slot == nil {
		return stay
	}
	c.log.Warn("the trunk takes the call and does nothing with it")
	c.detour = &detour{slot: slot, hops: hops}
	c.why = goneElsewhere
	c.cancelInvite()
	c.arm(giveUp, cancelTime)
	return c.retreating
}

// retreating: CANCEL is out, and the next way is taken when it is confirmed.
func (c *Call) retreating(ev event) state {
	if res := c.provisional(ev); res != nil {
		c.detour.rang = c.detour.rang || res.StatusCode != sip.StatusTrying
		return c.retreating
	}
	switch ev := ev.(type) {
	case response:
		switch status := ev.res.StatusCode; {
		case !c.toInvite(ev.res):
		case ev.res.IsSuccess():
			// It has crossed our CANCEL, and is what everybody was waiting for.
			c.forgetDetour()
			c.disarm(giveUp)
			c.why = ""
			return c.answer(ev.res)
		case status == sip.StatusRequestTerminated || worthAnotherWay(status):
			c.acknowledgeRefusal(ev)
			return c.takeDetour(true)
		default:
			c.acknowledgeRefusal(ev)
			c.end(ending(ev.res, c.detour.rang), status)
			return nil
		}
		return c.retreating
	case sendFailed:
		return c.takeDetour(false)
	case txDone:
		if ev.tx == c.inviteTx && !timedOut(ev.err) {
			return c.takeDetour(true)
		}
		return c.retreating
	case expired:
		if ev.timer == giveUp && c.due(ev) {
			return c.takeDetour(false)
		}
	}
	return c.unanswered(ev, c.retreating)
}

// takeDetour goes on. confirmed says that the INVITE has its final response.
func (c *Call) takeDetour(confirmed bool) state {
	d := c.detour
	if !d.rang {
		c.detour = nil // depart takes or releases the slot
		if next, ok := c.depart(d.slot, d.hops, true); ok {
			return next
		}
	}
	c.end(wire.TrunkFailed, 0)
	if confirmed {
		return nil
	}
	return c.withdraw()
}

// forgetDetour gives the next way's slot back.
func (c *Call) forgetDetour() {
	if d := c.detour; d != nil && d.slot != c.slot {
		d.slot.Release()
	}
	c.detour = nil
}

// another takes the next trunk's slot.
func (c *Call) another() *trunk.Slot {
	if c.next == nil {
		return nil
	}
	for slot := c.next(); slot != nil; slot = c.next() {
		if c.agent.Supports(slot.Trunk.Transport) {
			return slot
		}
		slot.Release()
	}
	c.next = nil
	return nil
}

// succeed makes the successor and starts it. It returns false when the agent
// is closing.
func (c *Call) succeed(slot *trunk.Slot, hops []hop) bool {
	a, now := c.agent, c.Snapshot()
	s := newCall(a, Order{ID: c.id, Room: now.Room, Number: c.number, Slot: slot, Next: c.next}, c.media)
	s.limits = c.limits
	s.limits.duration = slot.Trunk.Shorten(c.limits.duration)
	s.limits.ring = max(c.limits.ring-a.clock.Now().Sub(c.placed), time.Second)
	s.events, s.via = c.events, hops
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		s.cancel()
		return false
	}
	c.successor = s
	a.enlist(s)
	a.callWG.Add(2) // for run and writeLoop
	a.mu.Unlock()
	// The predecessor is not in the list any more, so nobody else tells it. Its
	// own context would be the wrong one to stop this by: it ends with the agent's.
	c.unlisted = context.AfterFunc(a.ctx, func() { c.post(abandon{}) })
	c.log.Info("the call goes another way", "next", slot.Trunk.ID, "address", len(hops) > 0)
	if slot.Trunk.ID != c.trunk.ID {
		s.report(wire.Dialing, "")
	}
	go s.writeLoop()
	go s.run()
	return true
}

// replaced: a successor places the call. What still comes to this attempt is
// taken back; what the room wants is passed on.
func (c *Call) replaced(ev event) state {
	if res := c.provisional(ev); res != nil {
		c.cancelInvite()
		return c.replaced
	}
	switch ev := ev.(type) {
	case sent:
		c.noteSent(ev)
		if ev.out.req.IsInvite() {
			c.dropInvite() // it left while we were deciding
		}
	case txDone:
		c.byeDone(ev.tx)
	case sendFailed:
		c.byeGone(ev.out.dialog, ev.out.req)
	case response:
		switch {
		case !c.toInvite(ev.res):
			c.lateResponse(ev)
		case ev.res.IsSuccess():
			c.refuseAnswer(ev.res)
		case ev.tx == nil:
			c.send(outgoing{req: refusalAck(c.invite, ev.res), hop: c.inviteTo})
		}
	case request:
		c.serveEnding(ev)
	case hangup:
		c.successor.post(ev)
	case expired:
		if c.due(ev) && ev.timer == giveUp {
			return nil
		}
	}
	return c.replaced
}

// heard tells whoever chooses trunks whether a host has answered.
func (a *Agent) heard(id string, answered bool) {
	if a.cfg.Heard != nil {
		a.cfg.Heard(id, answered)
	}
}
