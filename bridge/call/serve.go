package call

import (
	"github.com/emiago/sipgo/sip"
)

// This file is the agent's side of incoming messages: which call they belong
// to, and what those get that belong to none.

// serve takes every request that starts a server transaction. The library
// calls it in a goroutine of its own and ends the transaction, as far as it
// may, when serve returns.
func (a *Agent) serve(req *sip.Request, tx *sip.ServerTx) {
	defer tx.TerminateGracefully()
	if !a.enter() {
		return
	}
	defer a.wg.Done()
	switch {
	case !wellFormed(req):
		a.respond(req, tx, sip.StatusBadRequest, "Bad Request")
	case req.IsAck():
		if call := a.callOf(req); call != nil {
			call.post(ack{req})
		}
	case req.IsCancel():
		// The library has taken those that match a transaction.
		a.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	case req.To().Params.GetOr("tag", "") != "" && !begins(req):
		a.serveInside(req, tx)
	default:
		a.serveOutside(req, tx)
	}
}

// tagInvite gives an INVITE that begins something our tag. That has to happen
// before the library has the message: it makes a 100, and the answers to a
// CANCEL, from the request, at any time from then on. Laddr, which is for
// requests of our own, remembers that the tag is ours.
func tagInvite(msg sip.Message) {
	req, ok := msg.(*sip.Request)
	if !ok || !req.IsInvite() || req.To() == nil || req.To().Params.GetOr("tag", "") != "" {
		return
	}
	to := req.To()
	to.Params.Remove("tag") // an empty one
	req.Laddr.Hostname = newTag()
	to.Params.Add("tag", req.Laddr.Hostname)
}

// begins reports whether an INVITE's tag is one of tagInvite's.
func begins(req *sip.Request) bool {
	return req.IsInvite() && req.Laddr.Hostname != "" && req.To().Params.GetOr("tag", "") == req.Laddr.Hostname
}

// enter makes Close wait for a message in work. It returns false when it is
// too late.
func (a *Agent) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.wg.Add(1)
	}
	return !a.closed
}

// serveInside hands a request to its call and keeps the transaction until the
// call is done with it.
func (a *Agent) serveInside(req *sip.Request, tx *sip.ServerTx) {
	call := a.callOf(req)
	ev := request{req: req, tx: tx, done: make(chan struct{})}
	if call == nil || !call.post(ev) {
		a.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	a.attend(call, ev)
}

// attend keeps a request's transaction until its call is done with it.
func (a *Agent) attend(call *Call, ev request) {
	req, tx := ev.req, ev.tx
	for {
		select {
		case <-ev.done:
			return
		case <-tx.Done():
			return
		case req := <-tx.Acks():
			call.post(ack{req}) // from a far end that repeats the branch
		case <-call.done:
			select {
			case <-ev.done:
			default:
				// The call was over before it came to this.
				a.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
			}
			return
		}
	}
}

// serveOutside answers what belongs to no dialog.
func (a *Agent) serveOutside(req *sip.Request, tx *sip.ServerTx) {
	var unknown []string
	for _, h := range req.GetHeaders("Require") {
		unknown = append(unknown, unsupported(h.Value())...)
	}
	if len(unknown) > 0 && req.Method != sip.INVITE && req.Method != sip.REGISTER {
		// RFC 3261 §8.2.2.3. The others are asked who they are first.
		a.respond(req, tx, sip.StatusBadExtension, "Bad Extension", sip.NewHeader("Unsupported", joined(unknown)))
		return
	}
	switch req.Method {
	case sip.OPTIONS:
		a.respond(req, tx, sip.StatusOK, "OK", capabilities()...)
	case sip.INVITE:
		a.receive(req, tx)
	case sip.REGISTER:
		a.register(req, tx)
	case sip.BYE, sip.UPDATE, sip.INFO, sip.PRACK, sip.NOTIFY:
		// They exist in dialogs only.
		a.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	default:
		status, reason := notAllowed(req.Method)
		a.respond(req, tx, status, reason, capabilities()...)
	}
}

// stray takes responses that match no transaction: 200s of an INVITE whose
// transaction is over, and those of a transaction the library lost.
func (a *Agent) stray(res *sip.Response) {
	cseq, callID, from := res.CSeq(), res.CallID(), res.From()
	if cseq == nil || callID == nil || from == nil || cseq.MethodName != sip.INVITE {
		return
	}
	a.mu.Lock()
	call := a.dialogs[dialogKey(callID.Value(), from.Params.GetOr("tag", ""))]
	a.mu.Unlock()
	if call == nil {
		return
	}
	if tag, _ := call.local.from.Params.Get("tag"); from.Params.GetOr("tag", "") == tag {
		call.post(response{nil, res})
	}
}

func (a *Agent) callOf(req *sip.Request) *Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dialogs[dialogKey(req.CallID().Value(), req.To().Params.GetOr("tag", ""))]
}

func (a *Agent) respond(req *sip.Request, tx *sip.ServerTx, status int, reason string, headers ...sip.Header) {
	if req.IsAck() {
		return // RFC 3261 §17.2.1: an ACK has no response
	}
	res := sip.NewResponseFromRequest(req, status, reason, nil)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	if err := tx.Respond(res); err != nil {
		a.log.Debug("a response could not be sent", "status", status, "error", err)
	}
}

// wellFormed reports whether a request has what RFC 3261 §8.1.1 demands of
// every request. The rest of the package relies on it.
func wellFormed(req *sip.Request) bool {
	cseq := req.CSeq()
	return req.From() != nil && req.To() != nil && req.Via() != nil &&
		req.CallID() != nil && req.CallID().Value() != "" &&
		cseq != nil && cseq.MethodName == req.Method &&
		req.SipVersion == "SIP/2.0"
}

// capabilities are the headers that say what we can do (RFC 3261 §11.2).
func capabilities() []sip.Header {
	return []sip.Header{
		sip.NewHeader("Allow", allowed),
		sip.NewHeader("Accept", "application/sdp"),
		sip.NewHeader("User-Agent", userAgent),
	}
}

// notAllowed is the answer to a method that is not for us: known to SIP (RFC
// 3261 §21.4.6), or not even that (§21.5.2).
func notAllowed(method sip.RequestMethod) (status int, reason string) {
	switch method {
	case sip.REGISTER, sip.SUBSCRIBE, sip.NOTIFY, sip.REFER, sip.MESSAGE, sip.PUBLISH, sip.PRACK,
		sip.INVITE, sip.BYE, sip.UPDATE, sip.INFO, sip.OPTIONS:
		return sip.StatusMethodNotAllowed, "Method Not Allowed"
	}
	return sip.StatusNotImplemented, "Not Implemented"
}
