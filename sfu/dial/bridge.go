package dial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// How long the bridge gets to answer. It answers a POST before any SIP happens.
const (
	placeTimeout  = 5 * time.Second
	hangupTimeout = 3 * time.Second
)

// hangupWait is how long a call that was hung up may take to end by itself: the
// BYE or CANCEL and its answer. Then it is over for us, and falls out of the lease.
const hangupWait = 4 * time.Second

// maxDigits is how many DTMF digits may wait, more than any menu asks for.
const maxDigits = 64

// ErrDigits refuses DTMF that is none, or too much at once.
var ErrDigits = errors.New("expected up to 64 digits of 0-9 * # A-D")

// ErrNotConnected refuses DTMF before the phone can hear it.
var ErrNotConnected = errors.New("the call is not connected")

// place sends an accepted call to the bridge.
func (s *Service) place(c *call, stale []string) {
	s.endStale(stale)
	if s.send(c) != "" {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, placeTimeout)
	defer cancel()
	leg := s.wireLeg(c)
	var resp wire.CallResponse
	err := s.cfg.Bridge.Do(ctx, http.MethodPost, wire.PathCalls,
		wire.CallRequest{ID: c.id, Room: c.room.Name(), Number: c.number, Trunk: c.trunk, Name: c.name, Leg: &leg}, &resp)
	var media netip.AddrPort
	if err == nil {
		if media, err = netip.ParseAddrPort(resp.Media); err != nil {
			err = fmt.Errorf("the bridge's media address: %w", err)
		}
	}
	if err != nil {
		s.notPlaced(c, err)
		return
	}
	c.mu.Lock()
	c.phase, c.confirmed, c.media = placed, true, media
	if c.carrier == "" {
		c.tried(resp.Call.Trunk, wire.Dialing, 0, s.now())
	}
	why := c.hangup
	if c.over && why == "" && !c.gone {
		why = wire.HangupRoom // given up while the answer was under way
	}
	close(c.ready)
	c.mu.Unlock()
	if why != "" {
		s.sendHangup(c, why)
	}
}

// notPlaced ends a call that the bridge did not take, as far as we know.
func (s *Service) notPlaced(c *call, err error) {
	c.log(s.log).Warn("the bridge did not take the call", "error", err)
	o := placeOutcome(err)
	var status *sign.StatusError
	answered := errors.As(err, &status)
	c.mu.Lock()
	why := c.hangup
	c.mu.Unlock()
	if why != "" && !answered {
		o.reason = string(why)
	}
	defer s.hold()() // until the bridge is told
	s.finish(c, o)
	if !answered {
		s.sendHangup(c, wire.HangupRoom) // it may have taken the call and not managed to say so
	}
}

// placeOutcome says what a failed POST means for the call.
func placeOutcome(err error) outcome {
	var status *sign.StatusError
	if !errors.As(err, &status) {
		return outcome{state: wire.Ended, reason: string(wire.BridgeLost)}
	}
	var body wire.Error
	_ = json.Unmarshal(status.Body, &body) // without one the status decides
	reason := func(otherwise string) string {
		if body.Reason != "" {
			return body.Reason
		}
		return otherwise
	}
	switch status.Status {
	case http.StatusForbidden:
		return outcome{state: wire.Refused, reason: reason(string(wire.NotAllowed))}
	case http.StatusNotFound:
		return outcome{state: wire.Refused, reason: reason(string(wire.BadTrunk))}
	case http.StatusTooManyRequests:
		return outcome{state: wire.Refused, reason: reason(string(wire.CapConcurrent))}
	default:
		if body.Reason == string(wire.GuardUnavailable) {
			return outcome{state: wire.Refused, reason: body.Reason}
		}
		return outcome{state: wire.Ended, reason: reason(string(wire.TrunkFailed))}
	}
}

// send marks a call as on its way, from where it is in every lease. It returns
// the ending when the call was hung up meanwhile, and then is over.
func (s *Service) send(c *call) (why wire.Ending) {
	select {
	case <-s.leasing: // the lease under way does not have this call
		defer func() { s.leasing <- struct{}{} }()
	case <-s.ctx.Done():
		s.finish(c, outcome{state: wire.Ended, reason: string(wire.Shutdown)})
		return wire.Shutdown
	}
	c.mu.Lock()
	why = c.hangup
	if c.over && why == "" {
		why = wire.Shutdown
	}
	if why == "" {
		c.phase = sent
	}
	c.mu.Unlock()
	if why != "" {
		s.finish(c, outcome{state: wire.Ended, reason: string(why)})
	}
	return why
}

// granted marks a call as the bridge's that asked for it, with the bridge's RTP
// address. It returns the ending when the call was hung up meanwhile.
func (s *Service) granted(c *call, media netip.AddrPort) (why wire.Ending) {
	c.mu.Lock()
	c.phase, c.media, c.grantedAt = placed, media, s.now()
	why = c.hangup
	close(c.ready)
	c.mu.Unlock()
	if why != "" {
		s.finish(c, outcome{state: wire.Ended, reason: string(why)})
	}
	return why
}

// wireLeg describes the call's leg to the bridge.
func (s *Service) wireLeg(c *call) wire.Leg {
	leg := c.leg.Wire()
	leg.Instance = s.cfg.Instance
	leg.MaxRing = int(c.maxRing / time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	leg.MaxDuration = int(c.maxDuration / time.Second)
	return leg
}

// endStale ends calls that vanished browsers left behind, before the number is dialled anew.
func (s *Service) endStale(ids []string) {
	for _, id := range ids {
		c := s.lookup(id)
		if c == nil {
			continue
		}
		s.hangUp(c, wire.RoomEmpty)
		timeout := time.NewTimer(hangupWait)
		select {
		case <-c.done:
		case <-timeout.C:
			s.finish(c, outcome{state: wire.Ended, reason: string(wire.RoomEmpty)})
		case <-s.ctx.Done():
		}
		timeout.Stop()
	}
}

// Hangup ends a call because somebody in its room, or an operator, says so. It
// does not wait for the ending. Errors: ErrUnknownCall.
func (s *Service) Hangup(id, participant string) error {
	c := s.lookup(id)
	if c == nil {
		return ErrUnknownCall
	}
	c.log(s.log).Info("hang up", "participant", participant)
	s.hangUp(c, wire.HangupRoom)
	return nil
}

// Orphaned ends a call whose room has ended (room.Config.OnCallOrphaned). It does not block.
func (s *Service) Orphaned(id string, why wire.Ending) {
	if c := s.lookup(id); c != nil {
		s.spawn(func() { s.hangUp(c, why) })
	}
}

// hangUp ends a call once, as far as it got.
func (s *Service) hangUp(c *call, why wire.Ending) {
	c.mu.Lock()
	if c.over || c.hangup != "" {
		c.mu.Unlock()
		return
	}
	c.hangup, c.hangupAt = why, s.now()
	c.leaving.Store(true)
	at := c.phase
	c.mu.Unlock()
	switch at {
	case accepted: // nothing was sent
		s.finish(c, outcome{state: wire.Ended, reason: string(why)})
	case sent: // place hangs up once it knows whether the bridge has the call
	case placed:
		s.spawn(func() { s.sendHangup(c, why) })
	}
}

// sendHangup tells the bridge to end a call; its event will say that it did.
func (s *Service) sendHangup(c *call, why wire.Ending) {
	defer s.hold()()
	ctx, cancel := context.WithTimeout(s.ctx, hangupTimeout)
	defer cancel()
	path := wire.PathCalls + "/" + c.id + "?" + url.Values{"reason": {string(why)}}.Encode()
	err := s.cfg.Bridge.Do(ctx, http.MethodDelete, path, nil, nil)
	var status *sign.StatusError
	switch {
	case err == nil:
	case errors.As(err, &status) && status.Status == http.StatusNotFound:
		s.finish(c, outcome{state: wire.Ended, reason: string(why)}) // nothing is left to hang up
	default:
		c.log(s.log).Warn("hang up not delivered", "error", err) // the lease runs out instead
	}
}

// DTMF sends digits to the phone, in the order of the calls of DTMF and without
// waiting. Errors: ErrUnknownCall, ErrNotConnected, ErrDigits.
func (s *Service) DTMF(id, digits string) error {
	digits = strings.ToUpper(digits)
	if !isDigits(digits) {
		return ErrDigits
	}
	c := s.lookup(id)
	if c == nil {
		return ErrUnknownCall
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return ErrUnknownCall
	case c.state != wire.Early && c.state != wire.Answered:
		return ErrNotConnected
	case len(c.digits)+len(digits) > maxDigits:
		return ErrDigits
	}
	c.digits += digits
	if !c.digitsBusy {
		c.digitsBusy = true
		s.spawn(func() { s.sendDigits(c) })
	}
	return nil
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789*#ABCD") == "" }

// sendDigits sends what waits until nothing does.
func (s *Service) sendDigits(c *call) {
	for {
		c.mu.Lock()
		digits := c.digits
		c.digits = ""
		c.digitsBusy = digits != "" && !c.over
		more := c.digitsBusy
		c.mu.Unlock()
		if !more {
			return
		}
		ctx, cancel := context.WithTimeout(s.ctx, placeTimeout)
		err := s.cfg.Bridge.Do(ctx, http.MethodPost, wire.PathCalls+"/"+c.id+"/dtmf", wire.DTMFRequest{Digits: digits}, nil)
		cancel()
		if err != nil {
			c.log(s.log).Warn("digits not sent", "count", len(digits), "error", err)
		}
	}
}
