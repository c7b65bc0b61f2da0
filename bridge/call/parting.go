package call

import (
	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// partWhenACKed ends a call whose 200 has no ACK yet. The call is over for the
// room; BYE has to wait for the ACK (RFC 3261 §15), or for the end of the
// transaction.
func (c *Call) partWhenACKed(reason wire.Ending) state {
	c.end(reason, 0)
	c.arm(ackWait, c.reinvite.wait)
	return c.unconfirmed
}

// unconfirmed: hung up, and our 200 waits for its ACK.
func (c *Call) unconfirmed(ev event) state {
	switch ev := ev.(type) {
	case ack:
		r := c.reinvite
		if r == nil || c.dialogOf(ev.req) != c.dialog || ev.req.CSeq().SeqNo != r.ev.req.CSeq().SeqNo {
			return c.unconfirmed
		}
		c.confirmed()
		c.bye(c.dialog)
		return c.leave()
	case expired:
		if c.due(ev) && ev.timer == ackWait && !c.repeatAnswer() {
			c.bye(c.dialog)
			return c.leave()
		}
	case request:
		if ev.req.Method == sip.BYE && c.toUs(ev.req) {
			c.serveEnding(ev)
			return nil
		}
		c.serveEnding(ev)
	}
	return c.unconfirmed
}

// trying makes of a response one that says nothing.
func trying(res *sip.Response) *sip.Response {
	nothing := res.Clone()
	nothing.StatusCode = sip.StatusTrying
	return nothing
}

// tryPost hands the call an event unless it is too busy: for those who must
// not wait.
func (c *Call) tryPost(ev event) {
	select {
	case c.inbox <- ev:
	default:
	}
}
