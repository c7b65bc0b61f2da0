package dial

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"dialroom/sfu/ledger"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// This file lets calls in. An inbound call costs nothing, so no guard judges
// it and a ledger that cannot be written keeps nobody out: the bridge has matched it to a trunk, a registered phone or a room of
// this house. A registered phone that wants a number outside is a dial like any
// other: its direct call is two legs in a room of their own.

// directWait is how long the room of a direct call may stand without one.
const directWait = 10 * time.Second

// maxVisit bounds how long the bridge may have a caller wait for a browser.
const maxVisit = time.Hour

// admit grants the leg of an inbound call. Errors are those of Grant.
func (s *Service) admit(ctx context.Context, req wire.LegRequest) (wire.LegResponse, error) {
	v := req.Visitor
	if v == nil {
		v = &wire.Visitor{}
	}
	media, err := netip.ParseAddrPort(req.Media)
	if err != nil {
		return wire.LegResponse{}, fmt.Errorf("the bridge's media address: %w", err)
	}
	if s.isDraining() {
		return wire.LegResponse{}, &RefusedError{string(wire.Shutdown)}
	}
	if v.Dial != "" {
		return s.admitDirect(ctx, req, media)
	}
	if _, err := room.CleanName(req.Room); err != nil {
		return wire.LegResponse{}, err
	}
	r, err := s.cfg.Rooms.OpenFor(req.Room, visitWait(v.Wait))
	if err != nil {
		return wire.LegResponse{}, err
	}
	if v.House && s.houseLoop(r, req.Number, v.Called) {
		return wire.LegResponse{}, &RefusedError{string(wire.NotAllowed)}
	}
	c := s.newVisit(req, r)
	if err := s.enter(c, media); err != nil {
		return wire.LegResponse{}, err
	}
	present := r.Present()
	if !present {
		r.WhenPresent(c.id, func() { s.spawn(func() { s.progress(c, wire.Answered) }) })
	}
	return wire.LegResponse{ID: c.id, Number: c.number, Leg: s.wireLeg(c), Room: r.Name(), Present: present}, nil
}

// admitDirect grants a registered phone its leg to a number: FraudGuard has the
// last word, and the number is dialled before the phone hears anything.
func (s *Service) admitDirect(ctx context.Context, req wire.LegRequest, media netip.AddrPort) (wire.LegResponse, error) {
	o := order{
		asker:   ledger.Asker{Kind: "extension", Key: req.Visitor.Extension},
		room:    "direct-" + newID()[2:],
		number:  req.Visitor.Dial,
		follows: req.Visitor.Transfer,
		again:   true, // a person has dialled it
	}
	o.enter = func() (*room.Room, error) { return s.cfg.Rooms.OpenFor(o.room, directWait) }
	out, stale, err := s.accept(ctx, &o)
	if err != nil {
		return wire.LegResponse{}, err
	}
	in := s.newVisit(req, out.room)
	in.anchor = true
	in.link(out)
	if err := s.enter(in, media); err != nil {
		s.hangUp(out, wire.HangupRoom)
		return wire.LegResponse{}, err
	}
	select {
	case <-out.done: // it was ended before it had its other half
		s.hangUp(in, wire.HangupRoom)
	default:
	}
	s.spawn(func() { s.place(out, stale) })
	return wire.LegResponse{ID: in.id, Number: in.number, Leg: s.wireLeg(in), Room: in.room.Name()}, nil
}

// newVisit is newCall for a call that comes in.
func (s *Service) newVisit(req wire.LegRequest, r *room.Room) *call {
	o := &order{asker: visitorOf(req), canonical: req.Number, trunk: req.Trunk, name: req.Name}
	if o.name == "" && o.canonical == "" {
		o.name = "Unknown caller"
	}
	c := newCall(o, r, *s.policy.Load(), s.now())
	c.in, c.carrier = true, req.Trunk
	if v := req.Visitor; v != nil {
		c.called = v.Called
	}
	return c
}

// visitorOf says for the record by which way a call came in.
func visitorOf(req wire.LegRequest) ledger.Asker {
	switch v := req.Visitor; {
	case v != nil && v.House:
		return ledger.Asker{Kind: "room"}
	case v != nil && v.Extension != "":
		return ledger.Asker{Kind: "extension", Key: v.Extension}
	}
	return ledger.Asker{Kind: "trunk", Key: req.Trunk}
}

// enter registers a visit, shows it to the room and gives it its leg.
func (s *Service) enter(c *call, media netip.AddrPort) error {
	if why := s.add(c, nil); why != "" {
		return &RefusedError{why}
	}
	if why := s.show(c); why != "" {
		return &RefusedError{string(why)}
	}
	if why := s.send(c); why != "" {
		return &RefusedError{string(why)}
	}
	if why := s.granted(c, media); why != "" {
		return &RefusedError{string(why)}
	}
	c.mu.Lock()
	if !c.over {
		s.note(c, c.record())
	}
	c.mu.Unlock()
	c.log(s.log).Info("a call comes in", "trunk", c.trunk, "direct", c.peer.Load() != nil)
	return nil
}

// houseLoop reports whether a room has dialled its own number: both ends of
// the call would be in one room and howl.
func (s *Service) houseLoop(r *room.Room, caller, called string) bool {
	for _, c := range s.list() {
		if c.room == r && !c.in && c.number == called && !c.leaving.Load() {
			return true
		}
	}
	return false
}

func visitWait(seconds int) time.Duration {
	wait := time.Duration(seconds) * time.Second
	if wait <= 0 || wait > maxVisit {
		return maxVisit
	}
	return wait
}

// link makes two calls one: what becomes of the one that was dialled is told
// to the one that came in, and they end together.
func (c *call) link(other *call) {
	c.peer.Store(other)
	other.peer.Store(c)
}

// progress tells the bridge how an inbound call goes on.
func (s *Service) progress(c *call, state wire.State) {
	select {
	case <-c.ready: // the bridge knows it
	case <-c.done:
		return
	case <-s.ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, placeTimeout)
	defer cancel()
	err := s.cfg.Bridge.Do(ctx, http.MethodPost, wire.PathCalls+"/"+c.id+"/progress", wire.ProgressRequest{State: state}, nil)
	if err != nil && !errors.Is(err, context.Canceled) {
		c.log(s.log).Warn("the caller was not told", "state", string(state), "error", err)
	}
}

// tellPeer passes on what became of the dialled half of a direct call.
func (s *Service) tellPeer(c *call, state wire.State) {
	peer := c.peer.Load()
	if peer == nil || c.in {
		return
	}
	switch state {
	case wire.Ringing, wire.Early, wire.Answered:
		s.spawn(func() { s.progress(peer, state) })
	}
}

// endPeer ends the other half of a direct call.
func (s *Service) endPeer(c *call, reason string) {
	if peer := c.peer.Load(); peer != nil {
		s.spawn(func() { s.hangUp(peer, wire.Ending(reason)) })
	}
}
