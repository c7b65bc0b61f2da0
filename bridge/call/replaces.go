package call

import (
	"context"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// INVITE with Replaces, RFC 3891: another phone takes the place of one that is
// in a call with us. That is how an attended transfer ends where we are its
// target, and how somebody takes a call to the phone on another desk. For the
// sfu the call goes on: same id, same leg, same record.
//
// Only who could have placed the call may take it over: a phone of the house one
// of the house, a trunk where its settings allow transfers one of its own.

// replaces names the dialog to take over, from our side.
type replaces struct {
	callID, local, remote string
	earlyOnly             bool
}

// parseReplaces reads a Replaces header (RFC 3891 §6.1).
func parseReplaces(value string) (r replaces, ok bool) {
	fields := strings.Split(value, ";")
	r.callID = strings.TrimSpace(fields[0])
	for _, field := range fields[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "to-tag":
			if r.local != "" {
				return r, false
			}
			r.local = value
		case "from-tag":
			if r.remote != "" {
				return r, false
			}
			r.remote = value
		case "early-only":
			r.earlyOnly = true
		}
	}
	return r, r.callID != "" && r.local != "" && r.remote != ""
}

// takeover asks a call to give its dialog up for another. The answer is the
// call that goes on, or a status.
type takeover struct {
	req    *sip.Request
	tx     *sip.ServerTx
	visit  *Visit
	wish   replaces
	answer chan<- takeoverAnswer
}

type takeoverAnswer struct {
	call   *Call
	status int
	reason string
}

// receiveReplacement takes an INVITE with Replaces from somebody who may call.
func (a *Agent) receiveReplacement(req *sip.Request, tx *sip.ServerTx, v *Visit) {
	give := func(status int, reason string) {
		if v.Slot != nil {
			v.Slot.Release()
		}
		a.respond(req, tx, status, reason)
	}
	headers := req.GetHeaders("Replaces")
	wish, ok := parseReplaces(headers[0].Value())
	if !ok || len(headers) > 1 {
		give(sip.StatusBadRequest, "Bad Request") // RFC 3891 §3
		return
	}
	a.mu.Lock()
	call := a.dialogs[dialogKey(wish.callID, wish.local)]
	a.mu.Unlock()
	answer := make(chan takeoverAnswer, 1)
	if call == nil || !call.post(takeover{req, tx, v, wish, answer}) {
		give(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
		return
	}
	var said takeoverAnswer
	select {
	case said = <-answer:
	case <-call.done:
		select {
		case said = <-answer:
		default:
			said = takeoverAnswer{nil, sip.StatusGlobalDecline, "Decline"}
		}
	}
	if said.call == nil {
		give(said.status, said.reason)
		return
	}
	a.attend(said.call, said.call.visit.ev)
}

// mayTake reports whether a visitor may take this call's dialog over.
func (c *Call) mayTake(v *Visit) bool {
	if c.target != nil || (c.visit != nil && c.visit.Extension != "") {
		return v.Extension != ""
	}
	return v.Extension == "" && !v.House && v.Trunk.ID == c.trunk.ID && c.trunk.Transfer
}

// takenOver gives this call's dialog up for a visitor's. It is done in any
// state; stay is the one to remain in where there is nothing to take.
func (c *Call) takenOver(ev takeover, stay state) state {
	refuse := func(status int, reason string) state {
		ev.answer <- takeoverAnswer{nil, status, reason}
		return stay
	}
	switch {
	case c.dialog == nil || c.dialog.tag() != ev.wish.remote:
		return refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	case c.ended:
		return refuse(sip.StatusGlobalDecline, "Decline") // RFC 3891 §3
	case !c.mayTake(ev.visit):
		return refuse(sip.StatusForbidden, "Forbidden")
	case c.answeredAt.IsZero() || (c.visit != nil && !c.visit.granted):
		// RFC 3891 §3: an early dialog that the far end began is nobody's to
		// take, and one that we began has a phone that rings for us.
		return refuse(sip.StatusCallTransactionDoesNotExists, "Call/Transaction Does Not Exist")
	case ev.wish.earlyOnly:
		return refuse(sip.StatusBusyHere, "Busy Here") // RFC 3891 §3
	case c.reinvite != nil || (c.refreshing != nil && !c.refreshing.done):
		return refuse(sip.StatusRequestPending, "Request Pending")
	case tooShort(ev.req):
		return refuse(statusIntervalTooSmall, "Session Interval Too Small")
	}
	s, status, reason := c.replacement(ev)
	if s == nil {
		return refuse(status, reason)
	}
	c.log.Info("another phone takes the call over", "caller", number.Mask(ev.visit.Caller), "extension", ev.visit.Extension)
	// From here on the successor speaks for the call.
	c.endReferral()
	c.partHandover(wire.HangupRoom)
	c.ended, c.why = true, completedElsewhere
	c.stopTimers()
	if c.forked == nil {
		c.slot.Release()
	}
	first := s.accept(s.answered)
	go s.writeLoop()
	go s.runFrom(first)
	ev.answer <- takeoverAnswer{call: s}
	c.bye(c.dialog)
	return c.leave()
}

// replacement makes the call that takes the place of this one, or says why not.
func (c *Call) replacement(ev takeover) (s *Call, status int, reason string) {
	a, v, req := c.agent, *ev.visit, ev.req
	d := visitDialog(req)
	if d == nil {
		return nil, sip.StatusBadRequest, "Bad Request"
	}
	v.Line = Line{} // it comes into no room but this one
	in := &visit{Visit: v, ev: request{req: req, tx: ev.tx, done: make(chan struct{})}, granted: true}
	if len(req.Body()) > 0 {
		if !isSDP(req) {
			return nil, sip.StatusUnsupportedMediaType, "Unsupported Media Type"
		}
		equip(c.media, &v.Trunk)
		locate(c.media, &v.Trunk, req.Source())
		answer, session, err := c.media.Accept(req.Body())
		if err != nil {
			equip(c.media, &c.trunk)
			return nil, sip.StatusNotAcceptableHere, "Not Acceptable Here"
		}
		in.answer, in.codec = answer, session.Codec
	}
	slot := v.Slot
	if slot == nil {
		slot = trunk.Free(v.Trunk)
	}
	now := c.Snapshot()
	tag := req.To().Params.GetOr("tag", "")
	s = newCall(a, Order{ID: c.id, Room: now.Room, Number: c.number, Slot: slot}, c.media)
	s.visit, s.tag, s.callID = in, tag, req.CallID().Value()
	s.local.from = sip.FromHeader{DisplayName: req.To().DisplayName, Address: *req.To().Address.Clone(), Params: req.To().Params.Clone()}
	s.forks[d.tag()], s.dialog = d, d
	s.session.learn(req)
	s.events, s.forked, s.placed = c.events, c.forked, c.placed
	s.limits.duration = max(c.limits.duration-a.clock.Now().Sub(c.answeredAt), time.Second)
	s.snapshot.State, s.snapshot.Codec, s.snapshot.Code = now.State, now.Codec, now.Code
	a.mu.Lock()
	merge := mergeKey(req)
	if a.closed || a.merged[merge] {
		a.mu.Unlock()
		s.cancel()
		return nil, sip.StatusServiceUnavailable, "Service Unavailable"
	}
	a.merged[merge] = true
	c.successor = s
	a.enlist(s)
	a.callWG.Add(2) // for run and writeLoop
	a.mu.Unlock()
	if g := c.forked; g != nil {
		g.replace(c, s)
	}
	// This call is not in the list any more, so nobody else tells it.
	c.unlisted = context.AfterFunc(a.ctx, func() { c.post(abandon{}) })
	c.media.OnKey(func(key byte) { s.tryPost(keyed{key}) })
	return s, 0, ""
}

// replace puts a call in the place of another.
func (g *group) replace(old, by *Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, c := range g.calls {
		if c == old {
			g.calls[i] = by
		}
	}
	if g.winner == old {
		g.winner = by
	}
}
