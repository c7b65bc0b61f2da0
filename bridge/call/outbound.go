package call

import (
	"cmp"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// This file is what the states do with our own requests and their responses.

// toInvite reports whether a response belongs to the INVITE that counts, not
// to one that was challenged before.
func (c *Call) toInvite(res *sip.Response) bool {
	cseq := res.CSeq()
	return c.invite != nil && cseq != nil && cseq.MethodName == sip.INVITE && cseq.SeqNo == c.invite.CSeq().SeqNo
}

// provisional returns the provisional response to our INVITE that ev is, or
// nil.
func (c *Call) provisional(ev event) *sip.Response {
	r, ok := ev.(response)
	if !ok || !r.res.IsProvisional() || !c.toInvite(r.res) {
		return nil
	}
	if !c.heard {
		c.agent.heard(c.trunk.ID, true)
	}
	c.heard = true
	c.disarm(firstResponse)
	if r.res.StatusCode != sip.StatusTrying {
		c.fork(r.res)
		if !c.reliable(r.res) {
			return trying(r.res)
		}
	}
	return r.res
}

// fork returns the dialog a response to our INVITE belongs to, a new one for a
// tag not seen before. nil: it makes no dialog, or there are too many.
func (c *Call) fork(res *sip.Response) *dialog {
	to := res.To()
	if to == nil {
		return nil
	}
	if d := c.forks[to.Params.GetOr("tag", "")]; d != nil {
		d.update(res)
		return d
	}
	most := maxForks
	if res.IsSuccess() {
		most = 2 * maxForks // an answer must be ACKed, however many rang
	}
	d := newDialog(res, c.invite.Recipient)
	if d == nil || len(c.forks) >= most {
		return nil
	}
	c.forks[d.tag()] = d
	return d
}

// hears takes the SDP of a 183 (or of a 180 that has one) and reports early
// media. It returns false when the response brings no audio. The first SDP of
// a branch is its answer; repeats say nothing new (RFC 3261 §13.2.1).
func (c *Call) hears(res *sip.Response) bool {
	if len(res.Body()) == 0 || res.StatusCode == sip.StatusTrying || c.forked != nil {
		return false
	}
	d := c.fork(res)
	if d == nil || d.answer != nil {
		return false
	}
	locate(c.media, &c.trunk, res.Source())
	session, err := c.media.Answer(res.Body())
	if err != nil {
		c.log.Warn("early media cannot be used", "error", err)
		return false
	}
	d.answer = res.Body()
	c.dialog = d
	if now := c.Snapshot(); now.State != wire.Early || now.Codec != session.Codec {
		c.report(wire.Early, session.Codec)
	}
	return true
}

// noteSent remembers the transaction of a request that left.
func (c *Call) noteSent(ev sent) {
	switch ev.out.req.Method {
	case sip.INVITE:
		if ev.out.req == c.invite {
			c.inviteTx, c.inviteTo = ev.tx, ev.hop
			if !ev.out.hop.addr.IsValid() {
				if c.rest = ev.out.rest; len(c.rest) > 0 && c.timers[firstResponse] != nil {
					c.arm(firstResponse, c.patience())
				}
			}
		}
	case sip.BYE:
		c.byeTxs[ev.tx] = ev.out.dialog
	}
}

// acknowledge sends the ACK to a dialog's 200, or sends it again.
func (c *Call) acknowledge(d *dialog) {
	if d.ack == nil {
		d.ack = c.newAck(d, c.invite)
	}
	c.sendInside(d, d.ack)
}

// refuseAnswer ends the dialog of a 200 that is not wanted: another branch's
// (RFC 3261 §13.2.2.4), or one that crossed our CANCEL. It has to be ACKed
// before it can be hung up.
func (c *Call) refuseAnswer(res *sip.Response) {
	d := c.fork(res)
	if d == nil {
		return
	}
	c.acknowledge(d)
	c.bye(d)
}

// lateResponse takes what comes after the first 200: its repeats, other
// branches' answers and the responses to our BYEs.
func (c *Call) lateResponse(ev response) {
	switch {
	case c.toInvite(ev.res) && ev.res.IsSuccess():
		to := ev.res.To()
		if to == nil {
			return
		}
		if d := c.forks[to.Params.GetOr("tag", "")]; d != nil && d.ack != nil {
			c.acknowledge(d) // RFC 3261 §13.2.2.4: every repeat of the 200 is ACKed
			return
		}
		c.refuseAnswer(ev.res)
	case !ev.res.IsProvisional():
		c.byeResponse(ev)
	}
}

// bye sends BYE in a dialog, once.
func (c *Call) bye(d *dialog) {
	if d.byed {
		return
	}
	d.byed = true
	c.byes++
	c.creds.settled()
	c.sendBye(d)
}

func (c *Call) sendBye(d *dialog) {
	req := c.inside(d, sip.BYE, c.nextSeq())
	// A dialog that is hung up while the call goes on is a branch that lost.
	req.AppendHeader(sip.NewHeader("Reason", cmp.Or(c.why, completedElsewhere)))
	c.creds.apply(req, c.trunk.Username, c.trunk.Password)
	c.sendInside(d, req)
}

// byeResponse takes the final response to a BYE: sent again with credentials
// when challenged, otherwise the dialog is over, whatever it says (RFC 3261
// §15.1.1).
func (c *Call) byeResponse(ev response) {
	d, ok := c.byeTxs[ev.tx]
	if !ok {
		return
	}
	if ev.res.StatusCode == sip.StatusUnauthorized || ev.res.StatusCode == sip.StatusProxyAuthRequired {
		if c.creds.learn(ev.res, c.trunk.Username) == nil {
			delete(c.byeTxs, ev.tx)
			c.sendBye(d)
			return
		}
	}
	c.byeDone(ev.tx)
}

// byeDone crosses a BYE off when its transaction is over.
func (c *Call) byeDone(tx *sip.ClientTx) {
	if _, ok := c.byeTxs[tx]; ok {
		delete(c.byeTxs, tx)
		c.byes--
	}
}

// byeGone crosses a BYE off that could not be sent.
func (c *Call) byeGone(d *dialog, req *sip.Request) {
	if req.Method != sip.BYE {
		return
	}
	for tx, of := range c.byeTxs {
		if of == d {
			delete(c.byeTxs, tx) // an attempt at another address before
		}
	}
	c.byes--
}

// cancelInvite sends CANCEL, once, where the INVITE went.
func (c *Call) cancelInvite() {
	if c.cancelled || c.inviteTx == nil {
		return
	}
	c.cancelled = true
	c.arm(giveUp, giveUpTime)
	req := newCancel(c.invite)
	req.AppendHeader(sip.NewHeader("Reason", c.why))
	c.send(outgoing{req: req, hop: c.inviteTo})
}

// dropInvite forgets the INVITE's transaction.
func (c *Call) dropInvite() {
	if c.inviteTx != nil {
		c.inviteTx.Terminate()
	}
}

// press sends digits to the phone.
func (c *Call) press(digits string) error {
	if s := c.Snapshot().State; s != wire.Early && s != wire.Answered {
		return ErrNoAudio
	}
	return c.media.DTMF(digits)
}

// silent reports whether the phone has sent nothing for silenceTime, or no RTP
// for mutedTime, and otherwise sets the timer for when it could have. A phone
// that has put us on hold owes us nothing.
func (c *Call) silent() bool {
	now := c.agent.clock.Now()
	last := c.answeredAt
	if rtp := c.media.LastRTP(); rtp.After(last) {
		last = rtp
	}
	if c.media.Held() {
		c.onHold = now
	}
	if c.onHold.After(last) {
		last = c.onHold
	}
	rest := mayRest(now, last, c.media.LastRTCP())
	if rest <= 0 {
		return true
	}
	c.arm(silence, max(rest, 10*time.Millisecond))
	return false
}

// mayRest is how long a phone may stay as silent as it is.
func mayRest(now, lastRTP, lastRTCP time.Time) time.Duration {
	sign := lastRTP
	if lastRTCP.After(sign) {
		sign = lastRTCP
	}
	return min(mutedTime-now.Sub(lastRTP), silenceTime-now.Sub(sign))
}
