package call

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// Session timers, RFC 4028: both sides agree on an interval within which the
// session is refreshed by a re-INVITE or an UPDATE, and on who does it. A
// session that is not refreshed is over.

const (
	// sessionTime is the interval we ask for: RFC 4028 §4 recommends 30 min.
	sessionTime = 30 * time.Minute

	// minSession is the shortest we take part in, and the shortest there may
	// be (RFC 4028 §4).
	minSession = 90 * time.Second

	// extensions are the option tags we understand.
	extensions = "timer, 100rel, replaces"
)

// session is a call's session timer. Owned by run.
type session struct {
	interval time.Duration // 0: the session needs no refresh
	ours     bool          // we refresh
	least    time.Duration // the far end's Min-SE
	update   bool          // the far end takes UPDATE
}

// refresh is a re-INVITE or UPDATE of ours.
type refresh struct {
	req   *sip.Request
	tx    *sip.ClientTx
	ack   *sip.Request
	tries int
	done  bool // it has its final response; only repeats come
}

// sessionExpires reads Session-Expires (RFC 4028 §4). refresher is "uac",
// "uas" or "".
func sessionExpires(msg sip.Message) (interval time.Duration, refresher string) {
	for _, name := range []string{"Session-Expires", "x"} {
		h := first(msg, name)
		if h == nil {
			continue
		}
		fields := strings.Split(h.Value(), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(fields[0]), 10, 31)
		if err != nil {
			return 0, ""
		}
		for _, field := range fields[1:] {
			name, value, _ := strings.Cut(field, "=")
			if strings.EqualFold(strings.TrimSpace(name), "refresher") {
				refresher = strings.ToLower(strings.TrimSpace(value))
			}
		}
		return time.Duration(n) * time.Second, refresher
	}
	return 0, ""
}

// lists reports whether a header that is a list of tokens has one of them.
func lists(msg sip.Message, header, token string) bool {
	names := []string{header}
	if header == "Supported" {
		names = append(names, "k") // RFC 3261 §7.3.3
	}
	for _, name := range names {
		for _, h := range msg.GetHeaders(name) {
			for value := range strings.SplitSeq(h.Value(), ",") {
				if strings.EqualFold(strings.TrimSpace(value), token) {
					return true
				}
			}
		}
	}
	return false
}

// unsupported returns the option tags of a Require header that we do not have.
func unsupported(value string) []string {
	var list []string
	for tag := range strings.SplitSeq(value, ",") {
		switch tag = strings.TrimSpace(tag); strings.ToLower(tag) {
		case "", "timer", "100rel", "replaces":
		default:
			list = append(list, tag)
		}
	}
	return list
}

func joined(list []string) string { return strings.Join(list, ", ") }

func inSeconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// tooShort reports whether a request asks for an interval that has to be
// refused (RFC 4028 §9): only one that understands 422 can be told.
func tooShort(req *sip.Request) bool {
	interval, _ := sessionExpires(req)
	return interval > 0 && interval < minSession && lists(req, "Supported", "timer")
}

// learn takes from the far end's message what it can do.
func (s *session) learn(msg sip.Message) {
	if first(msg, "Allow") != nil {
		s.update = lists(msg, "Allow", "UPDATE")
	}
	if h := first(msg, "Min-SE"); h != nil {
		text, _, _ := strings.Cut(h.Value(), ";")
		if n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 31); err == nil {
			s.least = max(s.least, min(time.Duration(n)*time.Second, 24*time.Hour))
		}
	}
}

// request writes what we ask for into a request of ours (RFC 4028 §7.1).
func (s *session) request(req *sip.Request) {
	for _, name := range []string{"Session-Expires", "Min-SE"} {
		req.RemoveHeader(name)
	}
	interval := max(sessionTime, s.least)
	value := inSeconds(interval)
	if s.interval > 0 {
		// RFC 4028 §7.4: a refresh keeps interval and roles.
		value = inSeconds(max(s.interval, s.least)) + ";refresher=uac"
	}
	req.AppendHeader(sip.NewHeader("Session-Expires", value))
	if s.least > minSession {
		req.AppendHeader(sip.NewHeader("Min-SE", inSeconds(s.least)))
	}
}

// answer settles the interval with our 2xx to the far end's INVITE or UPDATE
// (RFC 4028 §9), and writes it there.
func (s *session) answer(c *Call, req *sip.Request, res *sip.Response) {
	s.learn(req)
	interval, refresher := sessionExpires(req)
	supports := lists(req, "Supported", "timer")
	switch {
	case interval == 0 && s.interval > 0:
		interval = s.interval
	case interval == 0 && !c.answeredAt.IsZero():
		return // the far end has no timers, and has been fine without
	case interval == 0:
		interval = sessionTime
	}
	interval = max(interval, minSession, s.least)
	if !supports {
		refresher = "uas" // it cannot; we do (RFC 4028 §9, table 2)
	} else if refresher != "uas" {
		refresher = "uac"
	}
	s.interval, s.ours = interval, refresher == "uas"
	if supports {
		res.AppendHeader(sip.NewHeader("Session-Expires", inSeconds(interval)+";refresher="+refresher))
		if refresher == "uac" {
			res.AppendHeader(sip.NewHeader("Require", "timer"))
		}
	}
	s.arm(c)
}

// settle takes the interval from the far end's 2xx to our INVITE or UPDATE
// (RFC 4028 §7.2). Without one the far end does not know session timers, and
// there is nothing to wait for.
func (s *session) settle(c *Call, res *sip.Response) {
	s.learn(res)
	interval, refresher := sessionExpires(res)
	if interval == 0 {
		s.interval, s.ours = 0, false
	} else {
		s.interval, s.ours = max(interval, minSession), refresher != "uas"
	}
	s.arm(c)
}

// arm sets the timers: we refresh after half of the interval (RFC 4028 §7.4),
// and give up on a far end that does not shortly before its end (§10).
func (s *session) arm(c *Call) {
	c.disarm(refreshDue)
	c.disarm(sessionOver)
	if s.interval == 0 {
		return
	}
	if s.ours {
		c.arm(refreshDue, s.interval/2)
		c.arm(sessionOver, s.interval)
		return
	}
	c.arm(sessionOver, s.interval-min(32*time.Second, s.interval/3))
}

// refreshSession sends the refresh: an UPDATE where the far end takes it,
// which leaves the media alone, and a re-INVITE otherwise.
func (c *Call) refreshSession() {
	if r := c.refreshing; (r != nil && !r.done) || c.reinvite != nil {
		c.arm(refreshDue, 2*time.Second) // RFC 3261 §14.1: one at a time
		return
	}
	c.creds.settled()
	c.refreshing = &refresh{}
	c.sendRefresh()
}

func (c *Call) sendRefresh() {
	method := sip.INVITE
	if c.session.update {
		method = sip.UPDATE
	}
	req := c.inside(c.dialog, method, c.nextSeq())
	req.AppendHeader(&sip.ContactHeader{}) // filled in when the transport is known
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	req.AppendHeader(sip.NewHeader("Supported", extensions))
	c.session.request(req)
	if method == sip.INVITE {
		withSDP(req, c.media.Offer(c.trunk.Codecs))
	}
	c.creds.apply(req, c.trunk.Username, c.trunk.Password)
	r := c.refreshing
	r.req, r.tx = req, nil
	r.tries++
	c.sendInside(c.dialog, req)
}

// maxRefreshTries bounds how often one refresh is sent again for a reason the
// far end gives.
const maxRefreshTries = 5

// toRefresh reports whether a response belongs to our refresh.
func (c *Call) toRefresh(res *sip.Response) bool {
	if c.refreshing == nil {
		return false
	}
	cseq, of := res.CSeq(), c.refreshing.req.CSeq()
	return cseq != nil && cseq.SeqNo == of.SeqNo && cseq.MethodName == of.MethodName
}

// refreshed takes a response to our refresh. It returns false when the session
// is over.
func (c *Call) refreshed(res *sip.Response) bool {
	r := c.refreshing
	switch status := res.StatusCode; {
	case res.IsProvisional():
	case res.IsSuccess():
		if r.req.IsInvite() {
			if r.ack == nil {
				r.ack = c.newAck(c.dialog, r.req)
			}
			c.sendInside(c.dialog, r.ack) // every repeat is ACKed (RFC 3261 §13.2.2.4)
		}
		if r.done {
			return true
		}
		r.done = true
		if uri, ok := contact(res); ok {
			c.dialog.target = uri
		}
		if r.req.IsInvite() {
			if session, err := c.media.Answer(res.Body()); err == nil {
				c.sessionChanged(session.Codec)
			} else {
				c.log.Warn("the answer to our refresh cannot be used", "error", err)
			}
		}
		c.session.settle(c, res)
		c.log.Debug("session refreshed", "interval", c.session.interval)
	case r.done:
	case status == sip.StatusUnauthorized, status == sip.StatusProxyAuthRequired:
		if c.creds.learn(res, c.trunk.Username) == nil && r.tries < maxRefreshTries {
			c.sendRefresh()
			return true
		}
		r.done = true
	case status == statusIntervalTooSmall && r.tries < maxRefreshTries:
		c.session.learn(res)
		c.sendRefresh()
	case status == sip.StatusRequestPending:
		// Glare (RFC 3261 §14.1): who has chosen the Call-ID waits longer.
		r.done = true
		c.arm(refreshDue, c.glareWait())
	case status == sip.StatusCallTransactionDoesNotExists, status == sip.StatusRequestTimeout:
		return false // RFC 3261 §12.2.1.2: the dialog is gone
	case r.req.Method == sip.UPDATE && r.tries < maxRefreshTries:
		c.session.update = false // then by re-INVITE
		c.sendRefresh()
	default:
		// The session stays as it is until its interval is over.
		r.done = true
	}
	return true
}

// glareWait is the wait after a 491, in steps of 10 ms: 2.1 to 4 s for the
// owner of the Call-ID, up to 2 s for the other side.
func (c *Call) glareWait() time.Duration {
	if c.visit == nil {
		return 2100*time.Millisecond + time.Duration(rand.IntN(191))*10*time.Millisecond
	}
	return time.Duration(1+rand.IntN(200)) * 10 * time.Millisecond
}

// midCall takes the events of an answered call that have to do with keeping it
// up. It returns false for all others.
func (c *Call) midCall(ev event) (next state, taken bool) {
	if c.handoverEvent(ev) {
		return c.answered, true
	}
	r := c.refreshing
	switch ev := ev.(type) {
	case sent:
		if r != nil && ev.out.req == r.req {
			r.tx = ev.tx
			return c.answered, true
		}
	case sendFailed:
		if r != nil && ev.out.req == r.req {
			c.log.Warn("the session could not be refreshed", "error", ev.err)
			r.done = true
			c.arm(refreshDue, 10*time.Second)
			return c.answered, true
		}
	case txDone:
		if r != nil && ev.tx == r.tx && !r.done && timedOut(ev.err) {
			return c.hangUp(wire.Unreachable), true // RFC 4028 §10
		}
	case response:
		if c.toRefresh(ev.res) {
			if !c.refreshed(ev.res) {
				return c.hangUp(wire.HangupPhone), true
			}
			return c.answered, true
		}
	case expired:
		if c.timers[ev.timer] != ev.by {
			return nil, false
		}
		switch ev.timer {
		case refreshDue:
			c.due(ev)
			c.refreshSession()
			return c.answered, true
		case sessionOver:
			c.due(ev)
			c.log.Warn("the far end has not refreshed the session", "interval", c.session.interval)
			return c.hangUp(wire.Unreachable), true
		}
	case referred, referralNews:
		c.referralEvent(ev)
		return c.answered, true
	case cancelled, progress, granted:
		return c.answered, true // too late
	}
	return nil, false
}

// Statuses the library has no names for.
const (
	statusIntervalTooSmall = 422 // RFC 4028 §6
	statusServerTimeout    = 504 // RFC 3261 §21.5.5
)

// first returns a message's first header of that name, or nil.
func first(msg sip.Message, name string) sip.Header {
	if headers := msg.GetHeaders(name); len(headers) > 0 {
		return headers[0]
	}
	return nil
}
