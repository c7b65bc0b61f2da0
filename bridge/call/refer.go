package call

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// Blind transfer by a phone, RFC 3515: its REFER names a number, which is
// dialled into the phone's room as anybody's dial is, and NOTIFY tells the
// phone what becomes of it. The phone then hangs up, or takes its part in the
// room.

// Transfer is a phone's wish to have a number in its room.
type Transfer struct {
	Room   string
	Number string // as the phone wrote it
	By     string // the extension, or the trunk it is on
}

// referral is a transfer under way. Owned by the call's run.
type referral struct {
	id   uint32 // CSeq of the REFER
	mute bool   // the phone does not want to be told
	call string // the call it has led to; "" while that is being placed
}

type (
	// referred says what the sfu thinks of a transfer.
	referred struct {
		call string
		err  error
	}
	// referralNews is an event of the call that a transfer has led to.
	referralNews struct{ ev wire.CallEvent }
)

// mayTransfer reports whether this phone's REFER is listened to: desk phones'
// are, carriers' where the settings say so. A direct call has no room that
// outlives its caller.
func (c *Call) mayTransfer() bool {
	if c.visit != nil && c.visit.Line.Dial != "" {
		return false
	}
	return c.extension() != "" || c.trunk.Transfer
}

// extension returns whose desk phone this is, "" for a trunk's.
func (c *Call) extension() string {
	switch {
	case c.visit != nil:
		return c.visit.Extension
	case c.target != nil:
		return c.number
	}
	return ""
}

// serveRefer answers a REFER (RFC 3515 §2.4.2).
func (c *Call) serveRefer(ev request) {
	to := ev.req.GetHeaders("Refer-To")
	if len(to) == 0 {
		to = ev.req.GetHeaders("r")
	}
	if len(to) != 1 {
		c.refuse(ev, sip.StatusBadRequest, "Bad Request")
		return
	}
	digits, ok := referTarget(to[0].Value())
	switch {
	case c.referral != nil:
		c.refuse(ev, sip.StatusRequestPending, "Request Pending")
		return
	case !ok || !c.mayTransfer():
		c.refuse(ev, sip.StatusGlobalDecline, "Decline")
		return
	}
	mute := false
	res := sip.NewResponseFromRequest(ev.req, sip.StatusAccepted, "Accepted", nil)
	if h := ev.req.GetHeader("Refer-Sub"); h != nil && strings.EqualFold(strings.TrimSpace(h.Value()), "false") {
		mute = true // RFC 4488
		res.AppendHeader(sip.NewHeader("Refer-Sub", "false"))
	}
	res.AppendHeader(c.agent.contactFor(ev.req))
	c.respond(ev, res)
	close(ev.done)
	c.log.Info("the phone transfers", "to", number.Mask(digits))
	c.referral = &referral{id: ev.req.CSeq().SeqNo, mute: mute}
	c.notify(sip.StatusTrying, "Trying", false)
	wish := Transfer{Room: c.Snapshot().Room, Number: digits, By: cmp.Or(c.extension(), c.trunk.ID)}
	c.agent.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.agent.ctx, legTime)
		defer cancel()
		id, err := "", error(&Refusal{Status: sip.StatusServiceUnavailable})
		if r := c.agent.receptionist(); r != nil {
			id, err = r.Transfer(ctx, wish)
		}
		c.post(referred{id, err})
	})
}

// referTarget reads the number of a Refer-To. Only a plain call to a number is
// understood: no other method, and nobody's call to replace.
func referTarget(value string) (digits string, ok bool) {
	text := strings.TrimSpace(value)
	if i := strings.IndexByte(text, '<'); i >= 0 {
		text, _, _ = strings.Cut(text[i+1:], ">")
	}
	var uri sip.Uri
	if sip.ParseUri(text, &uri) != nil {
		return "", false
	}
	if method, has := uri.UriParams.Get("method"); has && !strings.EqualFold(method, "INVITE") {
		return "", false
	}
	if len(uri.Headers) > 0 || uri.User == "" || strings.Trim(strings.TrimPrefix(uri.User, "+"), "0123456789") != "" {
		return "", false
	}
	return uri.User, true
}

// referralEvent takes what has become of a transfer.
func (c *Call) referralEvent(ev event) {
	r := c.referral
	if r == nil {
		return
	}
	switch ev := ev.(type) {
	case referred:
		if ev.err != nil {
			status := sip.StatusServiceUnavailable
			var refusal *Refusal
			if errors.As(ev.err, &refusal) {
				status = refusal.Status
			}
			c.log.Info("the transfer is refused", "status", status, "error", ev.err)
			c.notify(status, reasonOf(status), true)
			return
		}
		r.call = ev.call
		now := c.agent.watch(ev.call, func(news wire.CallEvent) { go c.post(referralNews{news}) })
		c.referralState(now)
	case referralNews:
		if ev.ev.ID == r.call {
			c.referralState(wire.Call{ID: ev.ev.ID, State: ev.ev.State, Reason: ev.ev.Reason})
		}
	}
}

func (c *Call) referralState(now wire.Call) {
	switch now.State {
	case wire.Ringing, wire.Early:
		c.notify(sip.StatusRinging, "Ringing", false)
	case wire.Answered:
		c.notify(sip.StatusOK, "OK", true)
	case wire.Ended:
		status := statusOf(now.Reason)
		c.notify(status, reasonOf(status), true)
	}
}

// notify tells the phone how its transfer stands (RFC 3515 §2.4.4). The last
// one ends the subscription, and the transfer.
func (c *Call) notify(status int, reason string, last bool) {
	r := c.referral
	if last {
		c.endReferral()
	}
	if r.mute {
		return
	}
	req := c.inside(c.dialog, sip.NOTIFY, c.nextSeq())
	req.AppendHeader(&sip.ContactHeader{}) // filled in when the transport is known
	req.AppendHeader(sip.NewHeader("Event", "refer;id="+strconv.FormatUint(uint64(r.id), 10)))
	state := "active;expires=60"
	if last {
		state = "terminated;reason=noresource"
	}
	req.AppendHeader(sip.NewHeader("Subscription-State", state))
	req.AppendHeader(sip.NewHeader("Content-Type", "message/sipfrag;version=2.0"))
	req.SetBody(fmt.Appendf(nil, "SIP/2.0 %d %s\r\n", status, reason))
	c.creds.apply(req, c.trunk.Username, c.trunk.Password)
	c.sendInside(c.dialog, req)
}

func (c *Call) endReferral() {
	if c.referral != nil {
		c.agent.unwatch(c.referral.call)
		c.referral = nil
	}
}

// watch has f told of a call's events, and returns how it stands.
func (a *Agent) watch(id string, f func(wire.CallEvent)) wire.Call {
	a.mu.Lock()
	a.watchers[id] = f
	a.mu.Unlock()
	now, ok := a.Call(id)
	if !ok {
		now = wire.Call{ID: id, State: wire.Ended, Reason: wire.TrunkFailed}
	}
	return now
}

func (a *Agent) unwatch(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.watchers, id)
}

// report tells the sfu of an event, and who else watches the call.
func (a *Agent) report(ev wire.CallEvent) {
	a.cfg.Report(ev)
	a.mu.Lock()
	watcher := a.watchers[ev.ID]
	a.mu.Unlock()
	if watcher != nil {
		watcher(ev)
	}
}
