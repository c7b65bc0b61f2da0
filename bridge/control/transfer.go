package control

import (
	"context"
	"errors"
	"net/http"
	"time"

	"dialroom/bridge/call"
	"dialroom/shared/wire"
)

// defaultRing is how long a transferred phone may ring where the sfu does not say.
const defaultRing = time.Minute

// transfer is POST /v1/calls/{id}/transfer: the phone is to call a number
// itself. That is a dial like any other, and the sfu has the last word before
// anything is sent.
func (s *Server) transfer(ctx context.Context, req request) (reply, error) {
	once := req
	// The same body for another call is another request.
	once.body = append([]byte("transfer "+req.id+"\n"), req.body...)
	if s.cfg.Agent.Draining() && !s.replies.has(once) {
		return reply{}, call.ErrClosed
	}
	return s.replies.once(ctx, once, func() (reply, error) { return s.refer(ctx, req) })
}

func (s *Server) refer(ctx context.Context, req request) (reply, error) {
	var wish wire.TransferRequest
	if err := wire.Decode(req.body, &wish); err != nil {
		return reply{}, err
	}
	if wish.Number == "" {
		return reply{}, &wire.BadBody{Text: "number: expected a number"}
	}
	room, trunkID, err := s.cfg.Agent.Referable(req.id)
	if err != nil {
		return reply{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, legTimeout)
	defer cancel()
	var granted wire.LegResponse
	err = s.cfg.SFU.Do(ctx, http.MethodPost, wire.PathLegs, wire.LegRequest{
		Room: room, Number: wish.Number, Trunk: trunkID, Key: req.key.ID,
		Direction: wire.Out, Media: s.cfg.Media.String(), Transfer: true,
	}, &granted)
	if err != nil {
		return reply{}, fromSFU(err)
	}
	placed, err := s.sendAway(req.id, trunkID, granted)
	if err != nil {
		s.cfg.Reporter.Report(wire.CallEvent{
			Seq: 1, ID: granted.ID, State: wire.Ended, Trunk: trunkID, Reason: ending(err), At: s.cfg.Clock.Now().UnixMilli(),
		})
		return reply{}, err
	}
	return reply{http.StatusAccepted, wire.CallResponse{Call: placed}}, nil
}

// sendAway takes the slot that the transferred call is to have on its phone's
// trunk, and sends the phone to the number that the sfu has checked.
func (s *Server) sendAway(id, trunkID string, granted wire.LegResponse) (wire.Call, error) {
	if !isCanonical(granted.Number) {
		return wire.Call{}, errNumber
	}
	order := call.Handover{ID: granted.ID, Number: granted.Number, Ring: defaultRing}
	if granted.Leg.MaxRing > 0 {
		order.Ring = time.Duration(granted.Leg.MaxRing) * time.Second
	}
	if trunkID != "" {
		slot, err := s.cfg.Trunks.First(granted.Number, trunkID)
		if err != nil {
			return wire.Call{}, err
		}
		order.Slot = slot
	}
	release := func() {
		if order.Slot != nil {
			order.Slot.Release()
		}
	}
	if !s.leases.begin(granted.ID, granted.Leg.Instance) {
		release()
		return wire.Call{}, call.ErrExists
	}
	placed, err := s.cfg.Agent.Refer(id, order)
	if err != nil {
		s.leases.end(granted.ID)
		release()
		if errors.Is(err, call.ErrUnknown) {
			err = call.ErrNotUp // it was there a moment ago
		}
	}
	return placed, err
}
