package call

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// maxDevices bounds how many devices of one extension ring together.
const maxDevices = 10

// Target is a registered device: the address it named, and the way its
// REGISTER came, which is the one that leads through a NAT.
type Target struct {
	URI     sip.Uri
	Network string // transport
	Addr    netip.AddrPort
}

// group is one call that rings at several devices. Each has an INVITE, and so
// a Call, of its own; they share the leg and the call's id, and the first to
// answer has the call. For the sfu it is one call like any other.
type group struct {
	agent *Agent // fixed after placeGroup
	id    string
	media *leg.Leg
	slot  *trunk.Slot

	mu       sync.Mutex // guards what follows
	calls    []*Call
	winner   *Call
	seq      int
	left     int         // calls that have not ended
	reason   wire.Ending // the most telling of the endings so far
	code     int
	snapshot wire.Call
}

// placeGroup rings all devices of an order.
func (a *Agent) placeGroup(order Order) (wire.Call, error) {
	media, err := a.cfg.Hub.New(order.ID, order.Leg)
	if err != nil {
		return wire.Call{}, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	g := &group{agent: a, id: order.ID, media: media, slot: order.Slot, reason: wire.Unreachable}
	g.snapshot = wire.Call{ID: order.ID, Room: order.Room, Number: order.Number, Trunk: order.Slot.Trunk.ID, State: wire.Dialing}
	devices := order.Devices[:min(len(order.Devices), maxDevices)]
	for i := range devices {
		one := order
		one.ID = fmt.Sprintf("%s~%d", order.ID, i+1)
		call := newCall(a, one, media)
		call.forked, call.target = g, &devices[i]
		g.calls = append(g.calls, call)
	}
	g.left = len(g.calls)
	a.mu.Lock()
	switch {
	case a.closed || a.draining:
		err = ErrClosed
	case a.groups[g.id] != nil || a.calls[g.id] != nil || a.finished.has(g.id):
		err = ErrExists
	default:
		a.groups[g.id] = g
		for _, call := range g.calls {
			a.calls[call.id] = call
			a.dialogs[dialogKey(call.callID, call.tag)] = call
			a.callWG.Add(2) // for run and writeLoop
		}
	}
	a.mu.Unlock()
	if err != nil {
		for _, call := range g.calls {
			call.cancel()
		}
		media.Close()
		return wire.Call{}, err
	}
	for _, call := range g.calls {
		go call.writeLoop()
		go call.run()
	}
	return g.status(), nil
}

func (g *group) status() wire.Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.snapshot
}

// claim makes a call the one that was answered. It returns false when another
// device was faster.
func (g *group) claim(c *Call) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.winner != nil || g.left == 0 {
		return g.winner == c
	}
	g.winner = c
	c.listen()
	g.media.Advertise(g.agent.cfg.Hub.LocalFor(c.target.Addr.Addr())) // each device was told its own
	for _, other := range g.calls {
		if other != c {
			g.agent.wg.Go(func() { other.post(hangup{wire.HangupRoom, completedElsewhere}) })
		}
	}
	return true
}

// front is the call that stands for the group; nil while more than one rings.
func (g *group) front() *Call {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.winner == nil && len(g.calls) == 1 {
		return g.calls[0]
	}
	return g.winner
}

// hangUp ends every call of the group.
func (g *group) hangUp(reason wire.Ending) {
	g.mu.Lock()
	calls := slices.Clone(g.calls)
	g.mu.Unlock()
	for _, call := range calls {
		call.post(hangup{reason: reason})
	}
}

// hear takes an event of one of the calls and reports what it means for all.
func (g *group) hear(c *Call, ev wire.CallEvent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch ev.State {
	case wire.Ringing:
		if g.snapshot.State == wire.Dialing {
			g.report(ev)
		}
	case wire.Answered:
		if g.winner == c {
			g.report(ev)
		}
	case wire.Ended:
		g.left--
		if telling(ev.Reason) > telling(g.reason) {
			g.reason, g.code = ev.Reason, ev.Code
		}
		if g.winner == c {
			g.reason, g.code = ev.Reason, ev.Code
		}
		declined := ev.Reason == wire.Declined && g.winner == nil && g.left > 0
		if declined {
			// RFC 3261 §16.7: a 6xx speaks for all.
			for _, other := range g.calls {
				if other != c {
					g.agent.wg.Go(func() { other.post(hangup{reason: wire.Declined}) })
				}
			}
		}
		if g.winner == c || (g.winner == nil && g.left == 0) {
			ev.Reason, ev.Code = g.reason, g.code
			g.snapshot.Reason, g.snapshot.Code = ev.Reason, ev.Code
			g.media.Close()
			g.slot.Release()
			g.report(ev)
		}
		if g.left == 0 {
			g.agent.forgetGroup(g)
		}
	}
}

// report tells the sfu; mu is held.
func (g *group) report(ev wire.CallEvent) {
	g.seq++
	ev.Seq, ev.ID, ev.Trunk, ev.At = g.seq, g.id, g.snapshot.Trunk, g.agent.clock.Now().UnixMilli()
	g.snapshot.State = ev.State
	if ev.Codec != "" {
		g.snapshot.Codec = ev.Codec
	}
	g.agent.report(ev)
}

// telling orders endings by how much they say about the person.
func telling(reason wire.Ending) int {
	return slices.Index([]wire.Ending{
		wire.TrunkFailed, wire.Unreachable, wire.NotFound, wire.NoAnswer, wire.Busy, wire.HangupPhone, wire.Declined,
		wire.HangupRoom, wire.MaxDuration, wire.RoomEmpty, wire.Shutdown,
	}, reason)
}

// groupOf returns the group of a call id.
func (a *Agent) groupOf(id string) *group {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.groups[id]
}

func (a *Agent) forgetGroup(g *group) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.groups, g.id)
	a.finished.add(g.snapshot)
}

// hop is the way to the device.
func (t *Target) hop() hop { return hop{network: t.Network, addr: t.Addr} }
