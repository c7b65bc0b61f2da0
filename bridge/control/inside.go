package control

import (
	"context"
	"errors"
	"net/http"

	"dialroom/bridge/call"
	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// This file has what calls within the house and inbound calls need.

// errNobody says that no device of an extension is registered.
var errNobody = errors.New("no device of the extension is registered")

// Lease begins the lease of an inbound call that the sfu has granted.
func (s *Server) Lease(id, instance string) bool { return s.leases.begin(id, instance) }

// progress is POST /v1/calls/{id}/progress.
func (s *Server) progress(_ context.Context, req request) (reply, error) {
	var wish wire.ProgressRequest
	if err := wire.Decode(req.body, &wish); err != nil {
		return reply{}, err
	}
	switch wish.State {
	case wire.Ringing, wire.Early, wire.Answered:
	default:
		return reply{}, errBadRequest
	}
	if err := s.cfg.Agent.Progress(req.id, wish.State); err != nil {
		return reply{}, err
	}
	return reply{http.StatusNoContent, nil}, nil
}

// inside finds the way to a number of the house. A pinned trunk leads outside.
func (s *Server) inside(wish wire.CallRequest) (order call.Order, inside bool, err error) {
	if s.cfg.Inside == nil || wish.Trunk != "" {
		return call.Order{}, false, nil
	}
	devices, as, inside := s.cfg.Inside(wish.Number, wish.Room)
	switch {
	case !inside:
		return call.Order{}, false, nil
	case len(devices) == 0:
		return call.Order{}, true, errNobody
	}
	return call.Order{Devices: devices, Slot: trunk.Free(as)}, true, nil
}

// isRoomReason reports whether a reason is one for which the sfu may end a call: the room's own,
// and for one half of a direct call whatever became of the other.
func isRoomReason(reason wire.Ending) bool {
	switch reason {
	case wire.HangupRoom, wire.RoomEmpty, wire.Shutdown, wire.MaxDuration,
		wire.HangupPhone, wire.Busy, wire.NoAnswer, wire.Declined, wire.Unreachable, wire.NotFound,
		wire.TrunkFailed, wire.NoTrunk, wire.MediaLost, wire.BridgeLost, wire.Transferred:
		return true
	}
	return false
}

// PlaceFor dials a number into a room for a phone that is in it. by names the
// phone in the sfu's records. The sfu judges the number as any other.
func (s *Server) PlaceFor(ctx context.Context, by, room, number string) (id string, err error) {
	placed, err := s.placeForScript(ctx, "transfer "+by, wire.CallRequest{Room: room, Number: number})
	if err != nil {
		status, body := answerTo(err)
		return "", &call.Refusal{Status: sipStatus(status), Reason: wire.Ending(body.Reason)}
	}
	return placed.body.(wire.CallResponse).Call.ID, nil
}

// sipStatus says an HTTP status in SIP.
func sipStatus(status int) int {
	switch status {
	case http.StatusForbidden, http.StatusNotFound:
		return status
	case http.StatusTooManyRequests:
		return 486
	}
	return http.StatusServiceUnavailable
}
