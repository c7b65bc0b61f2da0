package call

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// Reliable provisional responses, RFC 3262, in both roles.

// provisional is a reliable response of ours that is not PRACKed yet.
type provisional struct {
	res    *sip.Response
	wait   time.Duration // until it is repeated
	waited time.Duration
	answer bool       // it holds our SDP answer
	then   wire.State // what has happened since
}

// reliable acknowledges a reliable provisional response to our INVITE with
// PRACK. It returns false for one that has been seen or comes too early
// (RFC 3262 §4).
func (c *Call) reliable(res *sip.Response) bool {
	if !lists(res, "Require", "100rel") {
		return true
	}
	h := res.GetHeader("RSeq")
	if h == nil {
		return true
	}
	n, err := strconv.ParseUint(strings.TrimSpace(h.Value()), 10, 32)
	d := c.fork(res)
	if err != nil || d == nil {
		return true
	}
	rseq := uint32(n)
	if d.rseq != 0 && rseq != d.rseq+1 {
		return false
	}
	d.rseq = rseq
	req := c.inside(d, sip.PRACK, c.nextSeq())
	req.AppendHeader(sip.NewHeader("RAck", fmt.Sprintf("%d %d INVITE", rseq, res.CSeq().SeqNo)))
	c.creds.apply(req, c.trunk.Username, c.trunk.Password)
	c.sendInside(d, req)
	return true
}

// provision sends a provisional response to an inbound call, reliably where the
// caller insists, or where it holds our answer and the caller can.
func (c *Call) provision(status int, reason string, body []byte) {
	v := c.visit
	if v.prov != nil || v.final {
		return // RFC 3262 §3: one after the other; what matters will come
	}
	res := c.accepted(v.ev.req, body)
	res.StatusCode, res.Reason = status, reason
	if v.requires || (body != nil && v.allows) {
		if v.provs++; v.provs == 1 {
			v.provs = 1 + uint32(len(c.tag)) // RFC 3262 §3: any number below 2^31
		}
		res.AppendHeader(sip.NewHeader("Require", "100rel"))
		res.AppendHeader(sip.NewHeader("RSeq", strconv.FormatUint(uint64(v.provs), 10)))
		v.prov = &provisional{res: res, wait: t1, answer: body != nil}
		c.arm(provisionalWait, t1)
	}
	c.respond(v.ev, res)
}

// repeatProvisional sends a reliable response again while no PRACK comes. It
// returns false after 64·T1 (RFC 3262 §3).
func (c *Call) repeatProvisional() bool {
	p := c.visit.prov
	if p == nil {
		return true
	}
	p.waited += p.wait
	if p.waited >= giveUpTime {
		return false
	}
	p.wait = min(2*p.wait, giveUpTime-p.waited)
	c.arm(provisionalWait, p.wait)
	c.respond(c.visit.ev, p.res)
	return true
}

// pracked takes a PRACK. It has to name the response that waits for it.
func (c *Call) pracked(ev request) {
	v := c.visit
	p := v.prov
	want := ""
	if p != nil {
		want = fmt.Sprintf("%s %d INVITE", p.res.GetHeader("RSeq").Value(), v.ev.req.CSeq().SeqNo)
	}
	got := ""
	if h := ev.req.GetHeader("RAck"); h != nil {
		got = strings.Join(strings.Fields(h.Value()), " ")
	}
	if p == nil || got != want {
		c.refuse(ev, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	c.refuse(ev, sip.StatusOK, "OK")
	v.prov = nil
	c.disarm(provisionalWait)
	if p.answer {
		v.settled = true
	}
	if p.then != "" && !v.final {
		then := p.then
		go c.post(progress{then})
	}
}

// serveVisitor serves a caller's request before our answer.
func (c *Call) serveVisitor(ev request) served {
	d := c.dialogOf(ev.req)
	if d == nil {
		c.refuse(ev, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return otherServed
	}
	if !c.acceptable(ev, d) {
		return otherServed
	}
	switch ev.req.Method {
	case sip.BYE:
		d.byed = true
		c.refuse(ev, sip.StatusOK, "OK")
		return byeServed
	case sip.PRACK:
		c.pracked(ev)
	case sip.INVITE:
		// RFC 3261 §14.2: the one before has no answer yet.
		c.refuse(ev, sip.StatusInternalServerError, "Server Internal Error", sip.NewHeader("Retry-After", "2"))
	case sip.UPDATE:
		if len(ev.req.Body()) > 0 && !c.visit.settled {
			// RFC 3311 §5.2: its first offer has no answer yet.
			c.refuse(ev, sip.StatusInternalServerError, "Server Internal Error", sip.NewHeader("Retry-After", "2"))
			return otherServed
		}
		c.serveUpdate(ev, d)
	default:
		c.serveOther(ev)
	}
	return otherServed
}
