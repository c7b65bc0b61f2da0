package ua

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
)

// answerTime is how long a request inside a dialog may wait for its answer.
const answerTime = 10 * time.Second

// Reoffer sends a re-INVITE with our session description in the given direction
// ("sendrecv", "sendonly" to put the caller on hold), takes the answer, and
// returns the status. The call goes on whatever it is.
func (call *Call) Reoffer(direction string, headers ...sip.Header) (int, error) {
	call.mu.Lock()
	call.version++
	body := call.media.answer(call.offer, call.version, direction)
	call.mu.Unlock()
	req := call.inDialog(sip.INVITE)
	req.AppendHeader(call.contact(call.invite.Transport()))
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	for _, h := range headers {
		req.AppendHeader(h)
	}
	req.SetBody(body)
	res, err := call.carrier.request(req, answerTime)
	if err != nil {
		return 0, fmt.Errorf("re-INVITE: %w", err)
	}
	call.carrier.events.add(Event{Kind: "REOFFERED", CallID: call.CallID, Number: call.Number, Detail: fmt.Sprint(direction, " ", res.StatusCode)})
	if !res.IsSuccess() {
		return res.StatusCode, nil
	}
	ack := call.inDialog(sip.ACK)
	ack.CSeq().SeqNo = req.CSeq().SeqNo // RFC 3261 §13.2.2.4
	if err := call.carrier.client.WriteRequest(ack); err != nil {
		return res.StatusCode, fmt.Errorf("ACK: %w", err)
	}
	o, err := parseOffer(res.Body())
	if err == nil {
		err = call.media.follow(o)
	}
	return res.StatusCode, err
}

// Refer asks the caller to go on with another number of ours (RFC 3515) and
// returns the status. How the transfer went comes as NOTIFY events.
func (call *Call) Refer(number string) (int, error) {
	at := call.carrier.contactAddr(call.invite.Transport(), call.media.ip())
	req := call.inDialog(sip.REFER)
	req.AppendHeader(call.contact(call.invite.Transport()))
	req.AppendHeader(sip.NewHeader("Refer-To", fmt.Sprintf("<sip:%s@%s>", number, at)))
	res, err := call.carrier.request(req, answerTime)
	if err != nil {
		return 0, fmt.Errorf("REFER: %w", err)
	}
	call.carrier.events.add(Event{Kind: "REFERRED", CallID: call.CallID, Number: call.Number, Detail: fmt.Sprint(res.StatusCode)})
	return res.StatusCode, nil
}

// contact is where the other side's requests are to go.
func (call *Call) contact(transport string) *sip.ContactHeader {
	at := call.carrier.contactAddr(transport, call.media.ip())
	contact := &sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: call.Number, Host: at.Addr().String(), Port: int(at.Port())}}
	if transport = strings.ToLower(transport); transport != "udp" {
		contact.Address.UriParams = sip.NewParams()
		contact.Address.UriParams.Add("transport", transport)
	}
	return contact
}

// lists reports whether a list header of a request has an item.
func lists(req *sip.Request, header, item string) bool {
	for _, h := range req.GetHeaders(header) {
		for part := range strings.SplitSeq(h.Value(), ",") {
			if strings.EqualFold(strings.TrimSpace(part), item) {
				return true
			}
		}
	}
	return false
}

// branch sends a provisional response of another phone than the one that will
// answer: its To tag is its own (RFC 3261 §16.7).
func (call *Call) branch(tag string, code int, reason string, body []byte) {
	res := call.response(call.invite, code, reason, body)
	res.To().Params.Remove("tag")
	res.To().Params.Add("tag", tag)
	if err := call.tx.Respond(res); err != nil {
		call.carrier.log.Debug("provisional not sent", "code", code, "error", err)
	}
}

// holding: the line of somebody who keeps putting others on hold.
func holding(ctx context.Context, c *Call) {
	if !ring(ctx, c) {
		return
	}
	c.Media().Echo()
	if !c.Answer() {
		return
	}
	for wait(ctx, 5*time.Second) {
		if _, err := c.Reoffer("sendonly"); err != nil || !wait(ctx, 3*time.Second) {
			return
		}
		if _, err := c.Reoffer("sendrecv"); err != nil {
			return
		}
	}
}

// forking: a proxy that rings two phones.
func forking(ctx context.Context, c *Call) {
	first := sip.GenerateTagN(16)
	c.branch(first, sip.StatusRinging, "Ringing", nil)
	c.branch(first, sip.StatusSessionInProgress, "Session Progress", c.describe())
	c.Media().open()
	select {
	case <-c.Media().Play(audio.Tone(audio.Rate, 1500, 0.25, 425)):
	case <-ctx.Done():
		return
	}
	c.Ring()
	c.Progress()
	select {
	case <-c.Media().Play(speech.Goodbye()):
	case <-ctx.Done():
		return
	}
	c.Media().Echo()
	if c.Answer() {
		<-ctx.Done()
	}
}

// sessionTime is the session interval of timed calls: the least there may be (RFC 4028 §4).
const sessionTime = 90 * time.Second

// timed has the session run out unless it is refreshed, by the caller ("uac") or
// by us ("uas"), where the caller knows of such things (RFC 4028 §9).
func (call *Call) timed(refresher string) {
	if lists(call.invite, "Supported", "timer") {
		expires := fmt.Sprintf("%d;refresher=%s", sessionTime/time.Second, refresher)
		call.extra = []sip.Header{sip.NewHeader("Require", "timer"), sip.NewHeader("Session-Expires", expires)}
	}
}

// refreshed: a switch that has the caller say that it is still there.
func refreshed(ctx context.Context, c *Call) {
	if ring(ctx, c) {
		c.Media().Echo()
		c.timed("uac")
		if c.Answer() {
			<-ctx.Done()
		}
	}
}

// refreshing: a switch that asks every half interval whether the call is still there.
func refreshing(ctx context.Context, c *Call) {
	if !ring(ctx, c) {
		return
	}
	c.Media().Echo()
	c.timed("uas")
	if !c.Answer() {
		return
	}
	refresh := []sip.Header{
		sip.NewHeader("Supported", "timer"),
		sip.NewHeader("Session-Expires", fmt.Sprintf("%d;refresher=uac", sessionTime/time.Second)), // we are the caller of this one
	}
	for wait(ctx, c.carrier.cfg.RefreshEvery) {
		if status, err := c.Reoffer("sendrecv", refresh...); err != nil || status >= 300 {
			return
		}
	}
}

// passingOn: somebody who is not the one to talk to.
func passingOn(ctx context.Context, c *Call) {
	if !ring(ctx, c) || !c.Answer() {
		return
	}
	<-c.Media().Play(speech.Goodbye())
	if ctx.Err() != nil {
		return
	}
	if status, err := c.Refer("600"); err != nil || status >= 300 {
		return
	}
	wait(ctx, 30*time.Second) // the caller hangs up when the other phone has answered
}
