package dial

import (
	"time"

	"dialroom/sfu/ledger"
	"dialroom/shared/wire"
)

// A phone that is sent to another number places that call itself. It is
// reserved here like any dial, before the phone hears of it, as a call without
// audio. What follows depends on whose phone it is.
//
// A desk phone dials that number by this house, as an extension: the same dial
// comes back, and takes over what was reserved.
//
// A trunk's phone is connected by its carrier, and nobody tells us when that
// call is over. What cannot be seen counts as the most it can be: it has its
// longest duration on the books from the moment it is out of our sight, and
// runs for the caps until that is over.

// longest is how long a call may be where nothing limits it: the most that the
// bridge lets any call last.
const longest = 24 * time.Hour

// inherit makes a desk phone's dial the call that the phone was sent to place.
// It reports whether there is such a one; it is handed on once.
func (s *Service) inherit(c *call, o *order) bool {
	if o.follows == "" {
		return false
	}
	sent := s.lookup(o.follows)
	if sent == nil || !sent.transfer || sent.trunk != "" || sent.number != c.number {
		return false
	}
	sent.mu.Lock()
	defer sent.mu.Unlock()
	if sent.over || sent.hangup != "" || !sent.reserved {
		return false
	}
	sent.reserved = false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entry, c.maxDuration, c.price = sent.entry, sent.maxDuration, sent.price
	return true
}

// goneFromSight completes the record of a call that a carrier has been asked to
// place in our stead, unless it is known that nothing has come of that.
func (c *call) goneFromSight(o outcome, r *ledger.Record) {
	if !c.transfer || c.trunk == "" || o.code >= 300 {
		return
	}
	switch wire.Ending(o.reason) {
	case wire.TrunkFailed, wire.NoTrunk: // the phone was not asked
		return
	}
	most := c.maxDuration
	if most <= 0 {
		most = longest
	}
	if r.Answered.IsZero() {
		r.Answered = r.Ended
	}
	r.Unseen = r.Ended.Add(most)
}
