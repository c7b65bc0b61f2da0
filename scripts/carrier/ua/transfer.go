package ua

import (
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// transferred is what a phone of ours gets to know when it calls the number it
// was sent to.
func transferred(number string) (status int, reason string) {
	switch number {
	case "602":
		return sip.StatusBusyHere, "Busy Here"
	case "604":
		return sip.StatusGlobalDecline, "Decline"
	}
	return sip.StatusOK, "OK"
}

// onRefer sends the phone of a call to another number (RFC 3515), and tells the
// caller how that goes. The second call is not really placed: nobody would hear it.
func (c *Carrier) onRefer(req *sip.Request, tx sip.ServerTransaction) {
	call := c.find(req)
	if call == nil {
		c.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	var to sip.Uri
	h := req.GetHeader("Refer-To")
	if h == nil || sip.ParseUri(strings.Trim(strings.TrimSpace(h.Value()), "<>"), &to) != nil {
		c.respond(req, tx, sip.StatusBadRequest, "Bad Request")
		return
	}
	c.events.add(Event{Kind: "REFER", CallID: call.CallID, Number: call.Number, Detail: to.User})
	_ = tx.Respond(call.response(req, sip.StatusAccepted, "Accepted", nil))
	status, reason := transferred(to.User)
	c.handlers.Go(func() {
		call.notify("active;expires=60", sip.StatusTrying, "Trying")
		if status == sip.StatusOK {
			call.notify("active;expires=60", sip.StatusRinging, "Ringing")
		}
		call.notify("terminated;reason=noresource", status, reason)
	})
}

// notify tells how a transfer stands (RFC 3515 §2.4.5).
func (call *Call) notify(state string, status int, reason string) {
	req := call.inDialog(sip.NOTIFY)
	req.AppendHeader(call.contact(call.invite.Transport()))
	req.AppendHeader(sip.NewHeader("Event", "refer"))
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	req.AppendHeader(sip.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", status, reason))
	res, err := call.carrier.request(req, answerTime)
	if err != nil {
		call.carrier.log.Warn("NOTIFY was not answered", "error", err)
		return
	}
	call.carrier.events.add(Event{Kind: "NOTIFIED", CallID: call.CallID, Number: call.Number, Detail: fmt.Sprint(res.StatusCode)})
}
