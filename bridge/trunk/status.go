package trunk

import (
	"time"

	"dialroom/shared/wire"
)

// status is what is known about how a trunk does. The zero value is a trunk
// nothing is known about, which is taken for good.
type status struct {
	silent     bool // the last requests had no answer
	latency    time.Duration
	registered wire.Registration // "" where no registration is kept
	problem    string            // what was last wrong, in our words; no secrets
}

// down reports whether calls had better go elsewhere. A trunk that is down is
// tried last, not never: there are hosts that answer INVITE and not OPTIONS.
func (s *status) down() bool {
	switch s.registered {
	case wire.Registered:
		return false // somebody there has just said yes to us
	case wire.Unregistered:
		return true // few carriers take calls from who is not registered
	}
	return s.silent
}

// Heard notes that a trunk's host has answered something, or that it has let
// a request time out. It comes from calls as well as from probes, so that the
// call after one that met silence goes another way at once.
func (t *Table) Heard(id string, answered bool) {
	t.note(id, func(s *status) {
		s.silent = !answered
		if answered && s.registered != wire.Unregistered {
			s.problem = ""
		}
	})
}

// note changes what is known about a trunk.
func (t *Table) note(id string, f func(*status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.status[id]
	f(&s)
	t.status[id] = s
}

// public is the trunk's face for everybody. t.mu is held.
func (t *Table) public(trunk *Trunk) wire.Trunk {
	s, n := t.status[trunk.ID], t.calls[trunk.ID]
	w := wire.Trunk{
		ID: trunk.ID, Name: trunk.Name, Priority: trunk.Priority, State: "up",
		Calls: n.in + n.out, CallsIn: n.in, MaxCalls: trunk.MaxCalls, MaxCallsIn: trunk.MaxIn, MaxCallsOut: trunk.MaxOut,
		Minute: t.lastMinute(trunk.ID), PerMinute: trunk.PerMinute, MaxDuration: int(trunk.MaxDuration / time.Second),
	}
	switch {
	case !trunk.Enabled:
		w.State = "disabled"
		return w
	case s.down():
		w.State = "down"
	case t.atLimit(trunk, out) != nil:
		w.State = "full"
	}
	w.LatencyMS = int(s.latency.Round(time.Millisecond) / time.Millisecond)
	w.Registration, w.Problem = s.registered, s.problem
	return w
}
