package control

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"dialroom/bridge/call"
	"dialroom/bridge/trunk"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// legTimeout bounds how long a script waits for the sfu's verdict.
const legTimeout = 8 * time.Second

// maxDigits is how many digits one request may send.
const maxDigits = 64

// placeCall is POST /v1/calls.
func (s *Server) placeCall(ctx context.Context, req request) (reply, error) {
	// That nothing is placed any more is no answer to keep: after the restart
	// the same request may well place its call.
	if s.cfg.Agent.Draining() && !s.replies.has(req) {
		return reply{}, call.ErrClosed
	}
	return s.replies.once(ctx, req, func() (reply, error) { return s.place(ctx, req) })
}

func (s *Server) place(ctx context.Context, req request) (reply, error) {
	var wish wire.CallRequest
	if err := wire.Decode(req.body, &wish); err != nil {
		return reply{}, err
	}
	if s.cfg.Agent.Draining() {
		return reply{}, call.ErrClosed
	}
	switch {
	case wish.Room == "":
		return reply{}, &wire.BadBody{Text: "room: expected the name of a room"}
	case wish.Number == "":
		return reply{}, &wire.BadBody{Text: "number: expected a number"}
	}
	if req.key.Role == sign.RoleSFU {
		return s.placeForSFU(wish)
	}
	if wish.Leg != nil || wish.ID != "" {
		return reply{}, errScriptLeg
	}
	return s.placeForScript(ctx, req.key.ID, wish)
}

// placeForSFU places a call whose leg the sfu has brought. Its own verdict is
// behind it.
func (s *Server) placeForSFU(wish wire.CallRequest) (reply, error) {
	if wish.Leg == nil || !isID(wish.ID) || wish.Leg.Instance == "" {
		return reply{}, errBadRequest
	}
	placed, err := s.start(wish)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusAccepted, wire.CallResponse{Call: placed, Media: s.cfg.Media.String()}}, nil
}

// placeForScript asks the sfu for its verdict and a leg, and places the call
// with the number that the sfu has checked, not the one that was sent.
func (s *Server) placeForScript(ctx context.Context, key string, wish wire.CallRequest) (reply, error) {
	if wish.Trunk != "" && !s.cfg.Trunks.Has(wish.Trunk) {
		return reply{}, trunk.ErrUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, legTimeout)
	defer cancel()
	var granted wire.LegResponse
	err := s.cfg.SFU.Do(ctx, http.MethodPost, wire.PathLegs, wire.LegRequest{
		Room: wish.Room, Number: wish.Number, Trunk: wish.Trunk, Name: wish.Name, Key: key,
		Direction: "out", Media: s.cfg.Media.String(),
	}, &granted)
	if err != nil {
		return reply{}, fromSFU(err)
	}
	wish.ID, wish.Number, wish.Leg = granted.ID, granted.Number, &granted.Leg
	placed, err := s.start(wish)
	if err != nil {
		// The sfu counts on this call; it has to learn that there is none.
		s.cfg.Reporter.Report(wire.CallEvent{
			Seq: 1, ID: wish.ID, State: wire.Ended, Trunk: wish.Trunk, Reason: ending(err),
			At: s.cfg.Clock.Now().UnixMilli(),
		})
		return reply{}, err
	}
	return reply{http.StatusAccepted, wire.CallResponse{Call: placed}}, nil
}

// start takes a trunk and places the call.
func (s *Server) start(wish wire.CallRequest) (wire.Call, error) {
	if !isCanonical(wish.Number) {
		return wire.Call{}, errNumber
	}
	if media, err := netip.ParseAddrPort(wish.Leg.Media); err != nil || media.Port() == 0 {
		return wire.Call{}, errBadRequest
	}
	order, inside, err := s.inside(wish)
	if err != nil {
		return wire.Call{}, err
	}
	slot, next := order.Slot, order.Next
	if !inside {
		next, err = s.cfg.Trunks.Ways(wish.Number, wish.Trunk)
	}
	if err == trunk.ErrNotCarried && wish.Trunk != "" {
		err = errPinned
	}
	if err != nil {
		return wire.Call{}, err
	}
	if !inside {
		slot = next()
	}
	if slot == nil { // every way is at a limit; the first says at which
		if slot, err = s.cfg.Trunks.First(wish.Number, wish.Trunk); err != nil {
			return wire.Call{}, err
		}
	}
	// The lease first: the call may end before Place returns.
	if !s.leases.begin(wish.ID, wish.Leg.Instance) {
		slot.Release()
		return wire.Call{}, call.ErrExists
	}
	placed, err := s.cfg.Agent.Place(call.Order{
		ID: wish.ID, Room: wish.Room, Number: wish.Number, Leg: *wish.Leg, Slot: slot, Next: next, Devices: order.Devices,
	})
	if err != nil {
		s.leases.end(wish.ID)
		return wire.Call{}, err
	}
	return placed, nil
}

// getCall is GET /v1/calls/{id}.
func (s *Server) getCall(_ context.Context, req request) (reply, error) {
	found, ok := s.cfg.Agent.Call(req.id)
	if !ok {
		return reply{}, call.ErrUnknown
	}
	answer := wire.CallResponse{Call: found}
	if req.key.Role == sign.RoleSFU {
		answer.Media = s.cfg.Media.String()
	}
	return reply{http.StatusOK, answer}, nil
}

// hangUp is DELETE /v1/calls/{id}. The call ends at once; its signalling may
// take a moment longer.
func (s *Server) hangUp(_ context.Context, req request) (reply, error) {
	reason := wire.HangupRoom
	if args := req.c.QueryArgs(); args.Has("reason") {
		reason = wire.Ending(args.Peek("reason"))
	}
	script := reason == wire.HangupRoom || reason == wire.RoomEmpty || reason == wire.Shutdown || reason == wire.MaxDuration
	if !script && (req.key.Role != sign.RoleSFU || !isRoomReason(reason)) {
		return reply{}, errReason
	}
	if err := s.cfg.Agent.Hangup(req.id, reason); err != nil {
		return reply{}, err
	}
	return reply{http.StatusNoContent, nil}, nil
}

// dtmf is POST /v1/calls/{id}/dtmf.
func (s *Server) dtmf(_ context.Context, req request) (reply, error) {
	var wish wire.DTMFRequest
	if err := wire.Decode(req.body, &wish); err != nil {
		return reply{}, err
	}
	if wish.Digits == "" || len(wish.Digits) > maxDigits || strings.Trim(wish.Digits, "0123456789*#ABCD") != "" {
		return reply{}, errDigits
	}
	if err := s.cfg.Agent.DTMF(req.id, wish.Digits); err != nil {
		return reply{}, err
	}
	return reply{http.StatusNoContent, nil}, nil
}

// listTrunks is GET /v1/trunks. With ?number= it has those that could carry
// it, and takes none of them; a number of the house needs none.
func (s *Server) listTrunks(_ context.Context, req request) (reply, error) {
	args := req.c.QueryArgs()
	if !args.Has("number") {
		return reply{http.StatusOK, wire.Trunks{Trunks: s.cfg.Trunks.List(), Draining: s.cfg.Agent.Draining()}}, nil
	}
	wanted := string(args.Peek("number"))
	if !isCanonical(wanted) {
		return reply{}, errNumber
	}
	trunk := string(args.Peek("trunk"))
	if _, inside, err := s.inside(wire.CallRequest{Number: wanted, Trunk: trunk}); err != nil {
		return reply{}, err
	} else if inside {
		return reply{http.StatusOK, wire.Trunks{Trunks: []wire.Trunk{}, Inside: true}}, nil
	}
	list, err := s.cfg.Trunks.Could(wanted, trunk)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, wire.Trunks{Trunks: list}}, nil
}

// lease is POST /v1/lease.
func (s *Server) lease(_ context.Context, req request) (reply, error) {
	var wish wire.LeaseRequest
	if err := wire.Decode(req.body, &wish); err != nil {
		return reply{}, err
	}
	if wish.Instance == "" {
		return reply{}, errBadRequest
	}
	known, dropped := s.leases.renew(wish)
	for _, id := range dropped {
		s.log.Warn("the sfu does not feed a call any more", "call", id)
		_ = s.cfg.Agent.Hangup(id, wire.RoomEmpty)
	}
	quality := make(map[string]wire.Quality, len(known))
	for _, id := range known {
		if q, ok := s.cfg.Agent.Quality(id); ok {
			quality[id] = q
		}
	}
	return reply{http.StatusOK, wire.LeaseResponse{Instance: s.cfg.Instance, Calls: known, Quality: quality}}, nil
}

// isID reports whether s can be a call id: it travels in paths and logs.
func isID(s string) bool {
	return len(s) >= 3 && len(s) <= 64 && strings.HasPrefix(s, "c_") && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// isCanonical reports whether s looks like what package number makes: E.164
// with a plus (at most 15 digits), or an extension. It travels into a
// Request-URI as it is, so nothing else may be in it, whoever vouches for it.
func isCanonical(s string) bool {
	digits, international := strings.CutPrefix(s, "+")
	least, most := 2, 6
	if international {
		least, most = 3, 15
	}
	return len(digits) >= least && len(digits) <= most && strings.Trim(digits, "0123456789") == ""
}
