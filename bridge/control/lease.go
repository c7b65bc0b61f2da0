package control

import (
	"slices"
	"sync"
	"time"

	"dialroom/bridge/call"
	"dialroom/shared/wire"
)

// settling is how old a call must be before a lease without it ends it: a
// lease request and the call's own may have passed each other on the way.
const settling = 2 * wire.LeaseInterval

// maxRetired bounds how many dead sfu processes are remembered.
const maxRetired = 16

// leases are the calls that the sfu has to keep alive.
type leases struct {
	clock  call.Clock
	expire func(id string) // called for a call that was not renewed

	mu      sync.Mutex
	calls   map[string]*lease // guarded by mu
	current string            // guarded by mu; the sfu process that renewed last
	retired []string          // guarded by mu; the ones before it
}

type lease struct {
	instance string
	since    time.Time
	stop     func()
}

func newLeases(clock call.Clock, expire func(id string)) *leases {
	return &leases{clock: clock, expire: expire, calls: make(map[string]*lease)}
}

// begin starts a call's lease. It returns false when the call has one.
func (ls *leases) begin(id, instance string) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.calls[id] != nil {
		return false
	}
	l := &lease{instance: instance, since: ls.clock.Now()}
	ls.calls[id] = l
	ls.arm(id, l)
	return true
}

// end ends a call's lease: the call is over.
func (ls *leases) end(id string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.calls[id]; l != nil {
		l.stop()
		delete(ls.calls, id)
	}
}

// renew renews the leases of the calls that are listed. It returns which calls
// of the process there are, and those that have to be hung up: calls of the
// process that it does not list, and calls of any other process, which is gone.
func (ls *leases) renew(req wire.LeaseRequest) (known, dropped []string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	known = []string{}
	if slices.Contains(ls.retired, req.Instance) {
		// A late request of a process that has been replaced ends nothing.
		return known, nil
	}
	if req.Instance != ls.current {
		if ls.current != "" {
			ls.retired = append(ls.retired, ls.current)
			ls.retired = ls.retired[max(0, len(ls.retired)-maxRetired):]
		}
		ls.current = req.Instance
	}
	listed := make(map[string]bool, len(req.Calls))
	for _, id := range req.Calls {
		listed[id] = true
	}
	now := ls.clock.Now()
	for id, l := range ls.calls {
		switch {
		case l.instance != req.Instance:
			dropped = append(dropped, id)
		case listed[id]:
			l.stop()
			ls.arm(id, l)
			known = append(known, id)
		case now.Sub(l.since) >= settling:
			dropped = append(dropped, id)
		default:
			known = append(known, id)
		}
	}
	slices.Sort(known)
	slices.Sort(dropped)
	return known, dropped
}

// arm sets the time by which the call has to be renewed; mu is held.
func (ls *leases) arm(id string, l *lease) {
	l.stop = ls.clock.AfterFunc(wire.LeaseExpiry, func() {
		ls.mu.Lock()
		mine := ls.calls[id] == l
		ls.mu.Unlock()
		if mine {
			ls.expire(id)
		}
	})
}

func (ls *leases) close() {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for id, l := range ls.calls {
		l.stop()
		delete(ls.calls, id)
	}
}
