package dial

import (
	"context"
	"math"
	"net/http"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/shared/wire"
)

// lease is what run knows of the bridge process.
type lease struct {
	bridge string    // its instance
	heard  time.Time // when it last answered, or had no call of ours
}

// run renews the lease of all calls and ends those that have lost the bridge.
func (s *Service) run() {
	s.lease.heard = s.now()
	tick := time.NewTicker(wire.LeaseInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			s.overdue()
			s.exhausted()
			s.renew()
		}
	}
}

// overdue ends the calls whose ending did not come.
func (s *Service) overdue() {
	now := s.now()
	for _, c := range s.list() {
		c.mu.Lock()
		why := c.hangup
		late := why != "" && c.phase == placed && now.Sub(c.hangupAt) >= hangupWait
		if !c.confirmed && !c.grantedAt.IsZero() && now.Sub(c.grantedAt) >= wire.LeaseExpiry {
			why, late = wire.BridgeLost, true // it asked for a leg and never used it
		}
		c.mu.Unlock()
		if late {
			s.finish(c, outcome{state: wire.Ended, reason: string(why)})
		}
	}
}

// exhausted ends calls when the day's minutes or money are used up. Each was cut
// to what was left when it began; several at once use that up sooner.
func (s *Service) exhausted() {
	rules, calls := s.policy.Load().Rules, s.list()
	if rules == nil || len(calls) == 0 || !rules.Exhausted(fraud.Counters{MinutesToday: math.Inf(1), SpendToday: math.Inf(1)}) {
		return // there are no such caps
	}
	ctx, cancel := context.WithTimeout(s.ctx, reserveTimeout)
	defer cancel()
	now := s.now()
	counted, err := s.cfg.Ledger.Count(ctx, ledger.Reservation{At: now}, since(rules, now))
	if err != nil {
		s.log.Error("minutes not counted, calls run on to their own limits", "calls", len(calls), "error", err)
		return
	}
	noMinutes := rules.Exhausted(fraud.Counters{MinutesToday: counted.MinutesToday})
	noMoney := rules.Exhausted(fraud.Counters{SpendToday: counted.SpendToday})
	for _, c := range calls {
		if c.in {
			continue // it takes neither; one half of a direct call ends with the other
		}
		c.mu.Lock()
		costs := c.price > 0
		c.mu.Unlock()
		if noMinutes || noMoney && costs {
			c.log(s.log).Warn("hang up: the day's minutes or money are used up")
			s.hangUp(c, wire.MaxDuration)
		}
	}
}

// leased is a call in a lease, as it was when the lease was sent.
type leased struct {
	*call
	certain bool // the bridge had it by then
}

// renew tells the bridge which calls we feed and learns which of them it has.
func (s *Service) renew() {
	select {
	case <-s.leasing:
		defer func() { s.leasing <- struct{}{} }()
	case <-s.ctx.Done():
		return
	}
	var calls []leased
	ids := []string{}
	for _, c := range s.list() {
		c.mu.Lock()
		if c.phase != accepted && !c.over {
			calls = append(calls, leased{c, c.phase == placed && c.confirmed})
			ids = append(ids, c.id)
		}
		c.mu.Unlock()
	}
	if len(calls) == 0 {
		s.lease.heard = s.now()
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, wire.LeaseInterval)
	defer cancel()
	var resp wire.LeaseResponse
	err := s.cfg.Bridge.Do(ctx, http.MethodPost, wire.PathLease, wire.LeaseRequest{Instance: s.cfg.Instance, Calls: ids}, &resp)
	if err != nil {
		silent := s.now().Sub(s.lease.heard)
		s.log.Warn("lease not renewed", "calls", len(calls), "silent", silent, "error", err)
		if silent >= wire.LeaseExpiry && s.ctx.Err() == nil {
			s.lost(calls)
		}
		return
	}
	s.lease.heard = s.now()
	restarted := s.lease.bridge != "" && s.lease.bridge != resp.Instance
	s.lease.bridge = resp.Instance
	if restarted {
		s.log.Warn("the bridge was restarted")
	}
	s.compare(calls, resp.Calls, restarted)
	s.rate(calls, resp.Quality)
}

// compare ends the calls that the bridge no longer has. One missing for the
// first time may just have ended, with the event that says why under way; after
// a restart there is no such event.
func (s *Service) compare(calls []leased, has []string, restarted bool) {
	known := make(map[string]bool, len(has))
	for _, id := range has {
		known[id] = true
	}
	var gone []leased
	for _, c := range calls {
		c.mu.Lock()
		switch {
		case known[c.id]:
			c.confirmed, c.missing = true, false
		case c.certain && (restarted || c.missing):
			gone = append(gone, c)
		case c.certain:
			c.missing = true
		}
		c.mu.Unlock()
	}
	s.lost(gone)
}

// lost ends calls whose bridge is gone.
func (s *Service) lost(calls []leased) {
	for _, c := range calls {
		s.finish(c.call, outcome{state: wire.Ended, reason: string(wire.BridgeLost)})
	}
}
