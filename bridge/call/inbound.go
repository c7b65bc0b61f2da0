package call

import (
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// This file is what the states do with the far end's requests in a dialog.

// served says what a request of the far end was, as far as the states care.
type served bool

const (
	otherServed served = false
	byeServed   served = true
)

// reinvite is an INVITE inside the dialog that we accepted and that is not
// ACKed yet.
type reinvite struct {
	ev      request
	res     *sip.Response
	offered bool          // our 200 carries an offer; the ACK must answer it
	first   bool          // it is the INVITE that began the call
	wait    time.Duration // until the 200 is repeated
	waited  time.Duration
}

// serveAnswered serves a request in the confirmed dialog.
func (c *Call) serveAnswered(ev request) served {
	d := c.dialogOf(ev.req)
	if d == nil {
		c.refuse(ev, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return otherServed
	}
	if d != c.dialog {
		// A branch that lost; it is being hung up already.
		return c.serveEnding(ev)
	}
	if !c.acceptable(ev, d) {
		return otherServed
	}
	switch ev.req.Method {
	case sip.BYE:
		d.byed = true
		c.refuse(ev, sip.StatusOK, "OK")
		return byeServed
	case sip.INVITE:
		c.serveReinvite(ev, d)
	case sip.UPDATE:
		c.serveUpdate(ev, d)
	case sip.REFER:
		c.serveRefer(ev)
	case sip.NOTIFY:
		c.serveNotify(ev)
	default:
		c.serveOther(ev)
	}
	return otherServed
}

// serveEarly serves a request that comes before the answer.
func (c *Call) serveEarly(ev request) served {
	if ev.req.Method == sip.BYE && c.toUs(ev.req) {
		// The callee may not send this in an early dialog (RFC 3261 §15), so
		// it has overtaken the 200. Either way it wants no call.
		c.refuse(ev, sip.StatusOK, "OK")
		return byeServed
	}
	d := c.dialogOf(ev.req)
	if d == nil {
		c.refuse(ev, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return otherServed
	}
	if !c.acceptable(ev, d) {
		return otherServed
	}
	switch ev.req.Method {
	case sip.INVITE:
		// Our own INVITE is pending (RFC 3261 §14.2).
		c.refuse(ev, sip.StatusRequestPending, "Request Pending")
	case sip.UPDATE:
		if len(ev.req.Body()) > 0 && d.answer == nil {
			// Our offer has no answer yet (RFC 3311 §5.2).
			c.refuse(ev, sip.StatusRequestPending, "Request Pending")
			return otherServed
		}
		c.serveUpdate(ev, d)
	default:
		c.serveOther(ev)
	}
	return otherServed
}

// serveEnding serves a request after the ending: a BYE that crosses ours is
// fine, for everything else the call is gone.
func (c *Call) serveEnding(ev request) served {
	if ev.req.Method == sip.BYE && c.toUs(ev.req) {
		c.refuse(ev, sip.StatusOK, "OK")
		return otherServed
	}
	c.refuse(ev, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	return otherServed
}

// toUs reports whether a request carries our tag.
func (c *Call) toUs(req *sip.Request) bool {
	tag, _ := c.local.from.Params.Get("tag")
	return req.To().Params.GetOr("tag", "") == tag
}

// dialogOf returns the dialog a request belongs to, RFC 3261 §12.2.2, or nil.
func (c *Call) dialogOf(req *sip.Request) *dialog {
	if !c.toUs(req) {
		return nil
	}
	return c.forks[req.From().Params.GetOr("tag", "")]
}

// acceptable refuses what no method may do: come late, or require an
// extension.
func (c *Call) acceptable(ev request, d *dialog) bool {
	if !d.later(ev.req.CSeq().SeqNo) {
		// RFC 3261 §12.2.2: out of order.
		c.refuse(ev, sip.StatusInternalServerError, "Server Internal Error")
		return false
	}
	var unknown []string
	for _, h := range ev.req.GetHeaders("Require") {
		unknown = append(unknown, unsupported(h.Value())...)
	}
	if len(unknown) > 0 {
		// RFC 3261 §8.2.2.3.
		c.refuse(ev, sip.StatusBadExtension, "Bad Extension", sip.NewHeader("Unsupported", joined(unknown)))
		return false
	}
	if (ev.req.Method == sip.INVITE || ev.req.Method == sip.UPDATE) && tooShort(ev.req) {
		c.refuse(ev, statusIntervalTooSmall, "Session Interval Too Small", sip.NewHeader("Min-SE", inSeconds(minSession)))
		return false
	}
	return true
}

// serveReinvite answers a re-INVITE (RFC 3261 §14.2): hold, resume, another
// address, another codec, a session refresh, or an offer wanted from us.
func (c *Call) serveReinvite(ev request, d *dialog) {
	if r := c.refreshing; r != nil && !r.done && r.req.IsInvite() {
		// Glare: our own is under way (RFC 3261 §14.2).
		c.refuse(ev, sip.StatusRequestPending, "Request Pending")
		return
	}
	if r := c.reinvite; r != nil {
		if r.offered {
			// Our offer has no answer yet. Come back in a while (RFC 3261 §14.2).
			c.refuse(ev, sip.StatusInternalServerError, "Server Internal Error", sip.NewHeader("Retry-After", "2"))
			return
		}
		// The far end starts the next one only when the one before is through
		// (RFC 3261 §14.1), so its ACK has been overtaken.
		c.confirmed()
	}
	body, offered, ok := c.negotiate(ev)
	if !ok {
		return
	}
	if uri, ok := contact(ev.req); ok {
		d.target = uri // target refresh, RFC 3261 §12.2.2
	}
	res := c.accepted(ev.req, body)
	c.session.answer(c, ev.req, res)
	c.reinvite = &reinvite{ev: ev, res: res, offered: offered, wait: t1}
	c.arm(ackWait, t1)
	c.respond(ev, res)
}

// serveUpdate answers UPDATE (RFC 3311 §5.2): like a re-INVITE, but without
// ACK, and without a body it only refreshes.
func (c *Call) serveUpdate(ev request, d *dialog) {
	var body []byte
	if len(ev.req.Body()) > 0 {
		if r := c.refreshing; r != nil && !r.done && r.req.IsInvite() {
			c.refuse(ev, sip.StatusRequestPending, "Request Pending") // RFC 3311 §5.2
			return
		}
		var ok bool
		if body, _, ok = c.negotiate(ev); !ok {
			return
		}
	}
	if uri, ok := contact(ev.req); ok {
		d.target = uri
	}
	res := c.accepted(ev.req, body)
	if c.answeredAt.IsZero() {
		c.session.learn(ev.req) // a session has no timer before its answer
	} else {
		c.session.answer(c, ev.req, res)
	}
	c.respond(ev, res)
	close(ev.done)
}

// negotiate answers the offer in a request, or makes one where it has none.
// When it returns false the request has been refused.
func (c *Call) negotiate(ev request) (body []byte, offered, ok bool) {
	if len(ev.req.Body()) == 0 {
		return c.media.Offer(c.trunk.Codecs), true, true
	}
	if !isSDP(ev.req) {
		c.refuse(ev, sip.StatusUnsupportedMediaType, "Unsupported Media Type", sip.NewHeader("Accept", "application/sdp"))
		return nil, false, false
	}
	locate(c.media, &c.trunk, ev.req.Source())
	body, session, err := c.media.Accept(ev.req.Body())
	if err != nil {
		// The session stays as it was (RFC 3261 §14.2).
		c.log.Info("the far end's offer cannot be used", "error", err)
		c.refuse(ev, sip.StatusNotAcceptableHere, "Not Acceptable Here")
		return nil, false, false
	}
	c.sessionChanged(session.Codec)
	return body, false, true
}

// sessionChanged reports a codec that another offer brought, and gives a
// phone that comes back from hold time to send.
func (c *Call) sessionChanged(codec wire.Codec) {
	c.onHold = c.agent.clock.Now()
	if now := c.Snapshot(); now.Codec != codec {
		c.report(now.State, codec)
	}
}

// acked takes the ACK to our answer to a re-INVITE.
func (c *Call) acked(req *sip.Request) error {
	r := c.reinvite
	if r == nil || c.dialogOf(req) != c.dialog || req.CSeq().SeqNo != r.ev.req.CSeq().SeqNo {
		return nil
	}
	c.confirmed()
	if !r.offered {
		return nil
	}
	locate(c.media, &c.trunk, req.Source())
	session, err := c.media.Answer(req.Body())
	if err != nil {
		return err
	}
	if r.first {
		c.onHold = c.agent.clock.Now()
		c.visit.codec = session.Codec
		if c.visit.granted {
			c.report(wire.Answered, session.Codec)
		}
		return nil
	}
	c.sessionChanged(session.Codec)
	return nil
}

// isSDP reports whether a body is a session description, as far as it says.
func isSDP(req *sip.Request) bool {
	ct := req.ContentType()
	return ct == nil || strings.EqualFold(mediaType(ct.Value()), "application/sdp")
}

// confirmed ends the wait for the ACK to our answer.
func (c *Call) confirmed() {
	c.disarm(ackWait)
	close(c.reinvite.ev.done)
	c.reinvite = nil
}

// repeatAnswer sends our 200 to a re-INVITE again while no ACK comes, over
// any transport (RFC 3261 §13.3.1.4). It returns false after 64·T1.
func (c *Call) repeatAnswer() bool {
	r := c.reinvite
	if r == nil {
		return true
	}
	r.waited += r.wait
	if r.waited >= giveUpTime {
		return false
	}
	r.wait = min(2*r.wait, t2)
	c.arm(ackWait, r.wait)
	c.respond(r.ev, r.res)
	return true
}

// serveOther answers the methods that change nothing in a dialog.
func (c *Call) serveOther(ev request) {
	switch ev.req.Method {
	case sip.OPTIONS:
		c.refuse(ev, sip.StatusOK, "OK", capabilities()...)
	case sip.INFO:
		// Keys of the phone, a keep-alive, or a picture refresh. Refusing what
		// we do not act on would make some phones hang up.
		if key, ok := infoKey(ev.req); ok {
			c.tryPost(keyed{key})
		}
		c.refuse(ev, sip.StatusOK, "OK")
	case sip.NOTIFY:
		c.refuse(ev, sip.StatusCallTransactionDoesNotExists, "Subscription Does Not Exist")
	case sip.PRACK:
		if c.visit != nil {
			c.pracked(ev) // it has crossed our answer
			return
		}
		c.refuse(ev, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	default:
		status, reason := notAllowed(ev.req.Method)
		c.refuse(ev, status, reason, capabilities()...)
	}
}

// refuse sends a response without a body and is done with the request.
func (c *Call) refuse(ev request, status int, reason string, headers ...sip.Header) {
	res := sip.NewResponseFromRequest(ev.req, status, reason, nil)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	c.respond(ev, res)
	close(ev.done)
}

// accepted returns the 200 to a re-INVITE or an UPDATE.
func (c *Call) accepted(req *sip.Request, body []byte) *sip.Response {
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", body)
	res.AppendHeader(c.agent.contactFor(req))
	res.AppendHeader(sip.NewHeader("Allow", allowed))
	res.AppendHeader(sip.NewHeader("Supported", extensions))
	if len(body) > 0 {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	return res
}

func (c *Call) respond(ev request, res *sip.Response) {
	if err := ev.tx.Respond(res); err != nil {
		c.log.Debug("a response could not be sent", "method", string(ev.req.Method), "error", err)
	}
}

// mediaType cuts the parameters off a Content-Type.
func mediaType(value string) string {
	value, _, _ = strings.Cut(value, ";")
	return strings.TrimSpace(value)
}
