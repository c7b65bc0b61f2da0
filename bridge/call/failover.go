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
// taken when the host says nothing, cannot be reached, or answers 408 or 5xx;
// whatever else it answers is an answer.
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
	if c.ended || c.successor != nil || c.Snapshot().State != wire.Dialing {
		return nil, false
	}
	slot, hops := c.slot, c.rest
	if len(hops) == 0 {
		if silent {
			c.agent.heard(c.trunk.ID, false)
		}
		if slot = c.another(); slot == nil {
			return nil, false
		}
	}
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
