package dial

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/sfu/room"
	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// This file has the steps before anything is sent. Each may refuse.

// order is a wish to dial, whoever has it.
type order struct {
	asker               ledger.Asker
	room, number, trunk string // as they came
	token               string // of a signed link
	visitor             string // the name of who asks, which a link may pin
	name                string // of the phone in the room
	again               bool
	added               bool   // somebody has typed the number
	transfer            bool   // a phone is sent to the number, and dials it itself
	follows             string // the transfer that has sent the phone that dials
	enter               func() (*room.Room, error)

	parsed    number.Number // the number, once it was understood
	canonical string
	link      *links.Link // the signed link, once it was found to be good
}

// accept takes an order through every step that comes before sending it. stale
// are calls that must have ended before.
func (s *Service) accept(ctx context.Context, o *order) (c *call, stale []string, err error) {
	policy := s.policy.Load()
	refusal := s.read(o, policy) // also while draining: the answer names the number
	if s.isDraining() {
		refusal = string(wire.Shutdown)
	}
	if refusal != "" {
		return nil, nil, s.refuse(ctx, o, refusal)
	}
	if v := policy.Rules.Judge(o.dial(s.now()), fraud.Counters{}); !v.Allowed() {
		return nil, nil, s.refuse(ctx, o, v.Refusal)
	}
	r, err := o.enter()
	if errors.Is(err, room.ErrClosed) {
		return nil, nil, s.refuse(ctx, o, string(wire.RoomEmpty))
	} else if err != nil {
		return nil, nil, err
	}
	claim := r.Claim
	// Somebody else in the room may have dialled it, or it has called here: it is
	// called again, not added.
	if known := slices.ContainsFunc(r.Calls(), func(c room.Call) bool { return c.Number == o.canonical }); !known && !policy.AddPhone {
		if o.added {
			return nil, nil, s.refuse(ctx, o, string(wire.NotAllowed))
		}
		claim = r.ClaimOnly
	}
	stale, err = claim(o.asker.Participant, o.canonical, o.again)
	switch {
	case errors.Is(err, room.ErrOtherNumber):
		return nil, nil, s.refuse(ctx, o, string(wire.NotAllowed))
	case errors.Is(err, room.ErrAlreadyDialed):
		return nil, nil, s.refuse(ctx, o, string(wire.AlreadyDialed))
	case err != nil:
		return nil, nil, s.refuse(ctx, o, string(wire.RoomEmpty))
	}
	c = newCall(o, r, *policy, s.now())
	if why := s.add(c, stale); why != "" {
		return nil, nil, s.refuse(ctx, o, why)
	}
	if why := s.reserve(ctx, c, o, policy.Rules); why != "" {
		r.Unclaim(o.asker.Participant, o.canonical)
		s.drop(c)
		return nil, nil, s.refuse(ctx, o, why)
	}
	if why := s.show(c); why != "" {
		return nil, nil, s.refuse(ctx, o, string(why))
	}
	c.log(s.log).Info("dialing", "number", number.Mask(c.number), "trunk", c.trunk, "asker", c.asker.Kind, "key", c.asker.Key, "link", c.asker.Link)
	return c, stale, nil
}

// read makes sense of an order's number, trunk and link. It returns the refusal
// of what makes none.
func (s *Service) read(o *order, policy *Policy) (refusal string) {
	if o.token != "" {
		o.asker.Kind = fraud.Link
	}
	var err error
	badTrunk := !isTrunkID(o.trunk)
	if badTrunk {
		o.trunk = "" // whatever that is, it is neither written down nor sent back
	}
	if o.parsed, err = number.Parse(o.number, policy.HomeRegion); err != nil {
		return string(wire.BadNumber)
	}
	o.canonical = o.parsed.String()
	if badTrunk {
		return string(wire.BadTrunk)
	}
	if policy.Rules == nil {
		return string(wire.GuardUnavailable)
	}
	if o.token == "" {
		return ""
	}
	// Whoever comes with a link gets what it pins and nothing else, also where the
	// rules would let anybody dial that.
	link, err := s.cfg.Links.Verify(o.token, links.Wish{Room: o.room, Number: o.canonical, Trunk: o.trunk, Name: o.visitor}, s.now())
	if err != nil {
		return links.Refusal(err)
	}
	o.link, o.asker.Link = &link, link.ID
	return ""
}

// dial is the order as FraudGuard sees it.
func (o *order) dial(now time.Time) fraud.Dial {
	asker := fraud.Asker{Kind: o.asker.Kind, Key: o.asker.Key, IP: o.asker.IP}
	if o.link != nil {
		asker.Key = o.link.ID
	}
	return fraud.Dial{Number: o.parsed, Room: o.room, Trunk: o.trunk, Asker: asker, Link: o.link != nil, Now: now}
}

// reservation is the order as the ledger sees it.
func (o *order) reservation(id, room string, at time.Time) ledger.Reservation {
	r := ledger.Reservation{ID: id, At: at, Asker: o.asker, Room: room, Number: o.canonical, Trunk: o.trunk}
	if l := o.link; l != nil {
		r.Link = &ledger.Link{ID: l.ID, Room: l.Room, Number: l.Number, Trunk: l.Trunk, Name: l.Name, Expires: l.Expires, Uses: l.Uses, Owner: l.Owner}
	}
	return r
}

// countersOf are the ledger's counters as FraudGuard reads them.
func countersOf(c ledger.Counters) fraud.Counters {
	return fraud.Counters{Day: fraud.Counts(c.Day), Minute: fraud.Counts(c.Minute), Running: fraud.Counts(c.Running),
		MinutesToday: c.MinutesToday, SpendToday: c.SpendToday}
}

// since is when the periods began that the rules count.
func since(r *fraud.Rules, now time.Time) ledger.Since {
	day, minute := r.Windows(now)
	return ledger.Since{Day: day, Minute: minute}
}

// reserveTimeout bounds the wait for a disk that hangs. A reservation takes milliseconds.
const reserveTimeout = 5 * time.Second

// reserve has the call judged by what is counted and writes the reservation. It
// returns why the call must not go on.
func (s *Service) reserve(ctx context.Context, c *call, o *order, rules *fraud.Rules) (refusal string) {
	if s.inherit(c, o) {
		return ""
	}
	// A page that leaves now must not tear the write.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserveTimeout)
	defer cancel()
	err := s.cfg.Ledger.Reserve(ctx, o.reservation(c.id, c.room.Name(), c.at), since(rules, c.at), func(counted ledger.Counters) (ledger.Terms, error) {
		v := rules.Judge(o.dial(c.at), countersOf(counted))
		if !v.Allowed() {
			return ledger.Terms{}, &RefusedError{v.Refusal}
		}
		c.mu.Lock()
		c.maxDuration, c.price = v.MaxDuration, v.Price
		c.mu.Unlock()
		return ledger.Terms{MaxDuration: v.MaxDuration, Rate: v.Price}, nil
	})
	var refused *RefusedError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Reason
	case errors.Is(err, ledger.ErrLinkUsed):
		return string(wire.LinkUsed)
	case errors.Is(err, ledger.ErrLinkRevoked):
		return string(wire.LinkInvalid)
	}
	s.log.Error("no reservation, no call", "room", c.room.Name(), "call", c.id, "error", err)
	return string(wire.GuardUnavailable)
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
	shown := room.Call{ID: c.id, Number: c.number, Trunk: c.trunk, State: wire.Dialing, Name: c.name, Anchor: c.anchor, Added: c.added}
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
	s.log.Info("dial refused", "room", o.room, "number", number.Mask(o.canonical), "reason", reason, "asker", o.asker.Kind, "key", o.asker.Key, "link", o.asker.Link)
	r := ledger.Refusal{At: s.now(), Asker: o.asker, Room: o.room, Number: o.canonical, Trunk: o.trunk, Reason: reason}
	record := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserveTimeout)
		defer cancel()
		if err := s.cfg.Ledger.Refused(ctx, r); err != nil {
			s.log.Error("refusal not recorded", "room", o.room, "error", err)
		}
	}
	if reason == string(wire.GuardUnavailable) {
		s.spawn(record) // nobody waits for a ledger that may be the reason
	} else {
		record()
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
