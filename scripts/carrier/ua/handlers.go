package ua

import (
	"context"
	"errors"
	"time"

	"github.com/emiago/sipgo/sip"
)

// allow is what the carrier understands.
const allow = "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REFER, NOTIFY"

// onInvite runs a whole call: it returns when the script has ended and the
// dialog is over, because sipgo ends the transaction with its handler.
func (c *Carrier) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if req.To() == nil || req.From() == nil || req.CallID() == nil || req.CSeq() == nil {
		c.respond(req, tx, sip.StatusBadRequest, "Bad Request")
		return
	}
	if _, inDialog := req.To().Params.Get("tag"); inDialog {
		c.onReinvite(req, tx)
		return
	}
	invited := Event{Kind: "INVITE", CallID: req.CallID().Value(), Number: req.Recipient.User}
	call, err := c.newCall(req, tx)
	if err != nil {
		c.events.add(invited)
		c.log.Warn("cannot take the call", "error", err)
		code, reason := sip.StatusInternalServerError, "Server Internal Error"
		if errors.Is(err, ErrOffer) {
			code, reason = sip.StatusNotAcceptableHere, "Not Acceptable Here"
		}
		c.respond(req, tx, code, reason)
		return
	}
	c.log.Info("call", "number", masked(call.Number))
	c.add(call)
	defer c.forget(call)
	c.events.add(invited)
	call.heedCancel()
	call.run(c.cfg.Script(call.Number))
}

// onReinvite answers an offer inside a dialog (RFC 3261 §14.2): hold, resume,
// another address, or a session refresh.
func (c *Carrier) onReinvite(req *sip.Request, tx sip.ServerTransaction) {
	call := c.find(req)
	if call == nil {
		c.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	c.events.add(Event{Kind: "REINVITE", CallID: call.CallID, Number: call.Number})
	body, err := call.renegotiate(req.Body())
	if err != nil {
		c.respond(req, tx, sip.StatusNotAcceptableHere, "Not Acceptable Here")
		return
	}
	acked := call.expectAck(req.CSeq().SeqNo)
	res := call.response(req, sip.StatusOK, "OK", body)
	call.settle(req, res)
	_ = tx.Respond(res)
	call.untilAcked(acked, func() { _ = tx.Respond(res) })
}

// onUpdate answers a session refresh or an offer outside INVITE (RFC 3311).
func (c *Carrier) onUpdate(req *sip.Request, tx sip.ServerTransaction) {
	call := c.find(req)
	if call == nil {
		c.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	c.events.add(Event{Kind: "UPDATE", CallID: call.CallID, Number: call.Number})
	var body []byte
	if len(req.Body()) > 0 {
		var err error
		if body, err = call.renegotiate(req.Body()); err != nil {
			c.respond(req, tx, sip.StatusNotAcceptableHere, "Not Acceptable Here")
			return
		}
	}
	res := call.response(req, sip.StatusOK, "OK", body)
	call.settle(req, res)
	_ = tx.Respond(res)
}

func (c *Carrier) onAck(req *sip.Request, _ sip.ServerTransaction) {
	call := c.find(req)
	if call == nil || req.CSeq() == nil {
		return
	}
	c.events.add(Event{Kind: "ACK", CallID: call.CallID, Number: call.Number})
	call.gotAck(req.CSeq().SeqNo)
}

func (c *Carrier) onBye(req *sip.Request, tx sip.ServerTransaction) {
	call := c.find(req)
	if call == nil {
		c.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	c.events.add(Event{Kind: "BYE", CallID: call.CallID, Number: call.Number})
	c.respond(req, tx, sip.StatusOK, "OK")
	call.end("BYE")
}

// onCancel sees only a CANCEL that matches no INVITE: the others sipgo hands to
// the transaction they cancel (RFC 3261 §9.2).
func (c *Carrier) onCancel(req *sip.Request, tx sip.ServerTransaction) {
	c.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
}

func (c *Carrier) onOptions(req *sip.Request, tx sip.ServerTransaction) {
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil)
	res.AppendHeader(sip.NewHeader("Allow", allow))
	res.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	_ = tx.Respond(res)
}

// onInDialog accepts requests that change nothing here, INFO among them.
func (c *Carrier) onInDialog(req *sip.Request, tx sip.ServerTransaction) {
	if call := c.find(req); call != nil {
		c.events.add(Event{Kind: req.Method.String(), CallID: call.CallID, Number: call.Number})
		c.respond(req, tx, sip.StatusOK, "OK")
		return
	}
	c.respond(req, tx, sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
}

func (c *Carrier) respond(req *sip.Request, tx sip.ServerTransaction, code int, reason string) {
	if err := tx.Respond(sip.NewResponseFromRequest(req, code, reason, nil)); err != nil {
		c.log.Debug("response not sent", "code", code, "error", err)
	}
}

// request sends a request of a dialog and waits for its final response.
func (c *Carrier) request(req *sip.Request, patience time.Duration) (*sip.Response, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.client.Do(ctx, req)
}
