package call

import "time"

// timer names a call's timers.
type timer int

const (
	firstResponse timer = iota // nothing came back from the trunk's host
	ringing                    // the phone rings too long
	giveUp                     // CANCEL or BYE is not confirmed
	duration                   // the call is too long
	silence                    // no RTP from the phone
	ackWait                    // our answer to their re-INVITE is not ACKed

	provisionalWait // our reliable provisional response is not PRACKed
	refreshDue      // the session is ours to refresh
	sessionOver     // the far end has not refreshed it
	parting         // what is left of a hang-up that has to wait
	handingOver     // a phone has not reached the number it was sent to
	onlyTrying      // the host has said 100 and nothing else
)

const (
	// firstResponseTime is how long the trunk's host may say nothing at all
	// to an INVITE. Over UDP it has been sent five times by then (0, 0.5,
	// 1.5, 3.5 and 7.5 s, RFC 3261 §17.1.1.2), and whoever waits in the room
	// wants to know.
	firstResponseTime = 8 * time.Second

	// giveUpTime is 64·T1: RFC 3261 §9.1 for the INVITE after its CANCEL,
	// §17.1.2.2 for BYE.
	giveUpTime = 32 * time.Second

	// silenceTime is how long an answered phone that is not on hold may send
	// nothing at all. One that is gone without a BYE must not be paid for more
	// than 15 s longer. A pause of a phone with silence suppression is shorter:
	// it refreshes its comfort noise, or sends reports, every few seconds.
	silenceTime = 12 * time.Second

	// mutedTime is how long it may send reports and no RTP: who has muted a
	// phone that then stops sending is still there, listening.
	mutedTime = time.Minute

	// t1 and t2 are RFC 3261's (§17.1.1.1): the first and the longest wait
	// before our 200 to a re-INVITE is repeated (§13.3.1.4).
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// deadline is a running timer. Its address tells a timer that was set again
// from the one before.
type deadline struct{ stop func() }

// arm starts a timer, instead of one of the same name that may run.
func (c *Call) arm(t timer, d time.Duration) {
	c.disarm(t)
	by := &deadline{}
	by.stop = c.agent.clock.AfterFunc(d, func() { c.post(expired{t, by}) })
	c.timers[t] = by
}

func (c *Call) disarm(t timer) {
	if by := c.timers[t]; by != nil {
		by.stop()
		delete(c.timers, t)
	}
}

func (c *Call) stopTimers() {
	for t := range c.timers {
		c.disarm(t)
	}
}

// due reports whether an expired timer is still the running one, and takes it
// off the list.
func (c *Call) due(ev expired) bool {
	if c.timers[ev.timer] != ev.by {
		return false
	}
	delete(c.timers, ev.timer)
	return true
}
