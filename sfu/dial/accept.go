package dial

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"dialroom/sfu/ledger"
	"dialroom/sfu/room"
	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// This file has the steps before anything is sent. Each may refuse.

// order is a wish to dial, whoever has it.
type order struct {
	asker               ledger.Asker
	room, number, trunk string // as they came
	name                string
	again               bool
	enter               func() (*room.Room, error)

	canonical string // the number, once it was understood
}

// accept takes an order through every step that comes before sending it. stale
// are calls that must have ended before.
func (s *Service) accept(ctx context.Context, o *order) (c *call, stale []string, err error) {
	if s.isDraining() {
		return nil, nil, s.refuse(ctx, o, string(wire.Shutdown))
	}
	n, err := number.Parse(o.number, "")
	if err != nil {
		return nil, nil, s.refuse(ctx, o, string(wire.BadNumber))
	}
	o.canonical = n.String()
	if !isTrunkID(o.trunk) {
		return nil, nil, s.refuse(ctx, o, string(wire.BadTrunk))
	}
	policy := s.policy.Load()
	if policy.Rules == nil {
		return nil, nil, s.refuse(ctx, o, string(wire.GuardUnavailable))
	}
	if _, house := policy.Numbers[o.canonical]; house {
		// A virtual number's room is in this house; nothing leaves it.
	} else if v := policy.Rules.Judge(n); !v.Allowed() {
		return nil, nil, s.refuse(ctx, o, v.Refusal)
	}
	r, err := o.enter()
	if errors.Is(err, room.ErrClosed) {
		return nil, nil, s.refuse(ctx, o, string(wire.RoomEmpty))
	} else if err != nil {
		return nil, nil, err
	}
	stale, err = r.Claim(o.asker.Participant, o.canonical, o.again)
	switch {
	case errors.Is(err, room.ErrAlreadyDialed):
		return nil, nil, s.refuse(ctx, o, string(wire.AlreadyDialed))
	case err != nil:
		return nil, nil, s.refuse(ctx, o, string(wire.RoomEmpty))
	}
	c = newCall(o, r, *policy, s.now())
	if why := s.add(c, stale); why != "" {
		return nil, nil, s.refuse(ctx, o, why)
	}
	if err := s.reserve(ctx, c); err != nil {
		s.log.Error("no reservation, no call", "room", c.room.Name(), "call", c.id, "error", err)
		r.Unclaim(o.asker.Participant, o.canonical)
		s.drop(c)
		return nil, nil, s.refuse(ctx, o, string(wire.GuardUnavailable))
	}
	if why := s.show(c); why != "" {
		return nil, nil, s.refuse(ctx, o, string(why))
	}
	c.log(s.log).Info("dialing", "number", number.Mask(c.number), "trunk", c.trunk, "asker", c.asker.Kind, "key", c.asker.Key)
	return c, stale, nil
}

// reserveTimeout bounds the wait for a disk that hangs. A reservation takes milliseconds.
const reserveTimeout = 5 * time.Second

// reserve writes the reservation; on any error the call must not go on.
func (s *Service) reserve(ctx context.Context, c *call) error {
	// A page that leaves now must not tear the write.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserveTimeout)
	defer cancel()
	err := s.cfg.Ledger.Reserve(ctx, ledger.Reservation{ID: c.id, At: c.at, Asker: c.asker,
		Room: c.room.Name(), Number: c.number, Trunk: c.trunk})
	if err == nil {
		return nil
	}
	// It may be on disk all the same, when the deadline met the commit.
	s.settle(c, ledger.Record{Ended: s.now(), Ending: string(wire.GuardUnavailable)})
	return err
}

// show makes the leg and tells the room. A call that was ended meanwhile, by
// Close, or whose room is gone is settled; the ending is returned.
func (s *Service) show(c *call) (why wire.Ending) {
	leg := s.cfg.NewLeg(c.id)
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		leg.Close()
		if !c.in {
			s.settle(c, ledger.Record{Ended: s.now(), Ending: string(wire.Shutdown)})
		}
		return wire.Shutdown
	}
	shown := room.Call{ID: c.id, Number: c.number, Trunk: c.trunk, State: wire.Dialing, Name: c.name, Anchor: c.anchor}
	if c.in {
		shown.State, shown.Direction = wire.Ringing, wire.In
	}
	c.leg, c.reserved = leg, !c.in
	err := c.room.AddCall(c.asker.Participant, shown)
	c.mu.Unlock()
	if err != nil {
		s.finish(c, outcome{state: wire.Ended, reason: string(wire.RoomEmpty)})
		return wire.RoomEmpty
	}
	return ""
}

// refuse records a refusal and returns it as an error.
func (s *Service) refuse(ctx context.Context, o *order, reason string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserveTimeout)
	defer cancel()
	s.log.Info("dial refused", "room", o.room, "number", number.Mask(o.canonical), "reason", reason, "asker", o.asker.Kind, "key", o.asker.Key)
	err := s.cfg.Ledger.Refused(ctx, ledger.Refusal{At: s.now(), Asker: o.asker, Room: o.room,
		Number: o.canonical, Trunk: o.trunk, Reason: reason})
	if err != nil {
		s.log.Error("refusal not recorded", "room", o.room, "error", err)
	}
	return &RefusedError{reason}
}

// newID returns a call id: 80 random bits.
func newID() string { return "c_" + strings.ToLower(rand.Text()[:16]) }

// isTrunkID reports whether a pinned trunk could be one: the bridge knows which are.
func isTrunkID(id string) bool {
	return len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	})
}
