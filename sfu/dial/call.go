package dial

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"dialroom/sfu/ledger"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// phase is how far a call has got on its way to the bridge.
type phase uint8

const (
	accepted phase = iota // nothing was sent
	sent                  // the bridge may have it
	placed                // the bridge has said so, or the leg was granted
)

// call is one call from its acceptance to its ending. Its lock may be held when
// the room's, and that of the Service, are taken.
type call struct {
	id, number, trunk, name string // fixed after newCall; trunk is the pinned one
	room                    *room.Room
	asker                   ledger.Asker
	at                      time.Time
	maxRing                 time.Duration

	in       bool                 // somebody calls us
	called   string               // what they called
	added    bool                 // a page dialled a number that somebody had typed
	transfer bool                 // a phone was sent to the number, and dials it itself
	anchor   bool                 // the room lives as long as the call
	peer     atomic.Pointer[call] // the other half of a direct call

	leaving atomic.Bool   // it is being hung up
	ready   chan struct{} // closed when placed: media is known
	done    chan struct{} // closed when over

	mu          sync.Mutex // guards what follows
	entry       string     // the ledger's id of the call
	maxDuration time.Duration
	price       float64 // of a minute, by the rates
	phase       phase
	reserved    bool
	over        bool
	leg         Leg
	media       netip.AddrPort // the bridge's end of the leg
	state       wire.State
	seq         int // of the last event
	codec       wire.Codec
	carrier     string // the trunk that carries it
	attempts    []ledger.Attempt
	answered    time.Time

	confirmed  bool      // the bridge is known to have it
	missing    bool      // the last lease did not name it
	gone       bool      // the bridge has said that it ended
	grantedAt  time.Time // of a script's call
	hangup     wire.Ending
	hangupAt   time.Time
	digits     string // to be sent
	digitsBusy bool   // a goroutine sends them
}

func newCall(o *order, r *room.Room, p Policy, now time.Time) *call {
	id := newID()
	return &call{id: id, entry: id, number: o.canonical, trunk: o.trunk, name: o.name, room: r, asker: o.asker, added: o.added, transfer: o.transfer, at: now,
		maxRing: p.MaxRing, state: wire.Dialing,
		ready: make(chan struct{}), done: make(chan struct{})}
}

func (c *call) log(l *slog.Logger) *slog.Logger { return l.With("room", c.room.Name(), "call", c.id) }

// Event moves a call to where the bridge says it is. Late and repeated events
// change nothing. Errors: ErrUnknownCall, whereupon the bridge hangs up, and
// ctx's when the call is not placed in time.
func (s *Service) Event(ctx context.Context, ev wire.CallEvent) error {
	c := s.lookup(ev.ID)
	if c == nil {
		return unlessEnded(ev)
	}
	if ev.State == wire.Early || ev.State == wire.Answered {
		// The event may overtake the answer that names the bridge's RTP address.
		select {
		case <-c.ready:
		case <-c.done:
			return ErrUnknownCall
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return unlessEnded(ev)
	}
	if ev.Seq <= c.seq {
		c.mu.Unlock()
		return nil
	}
	c.seq, c.confirmed = ev.Seq, true
	if ev.Digits != "" {
		c.mu.Unlock()
		s.pressed(c, ev.Digits)
		return nil
	}
	c.tried(ev.Trunk, ev.State, ev.Code, s.now())
	unanswered := c.answered.IsZero()
	var err error
	switch ev.State {
	case wire.Dialing:
		c.onDialing()
	case wire.Ringing:
		c.onRinging(ev)
	case wire.Early:
		err = c.onEarly(ev)
	case wire.Answered:
		err = c.onAnswered(ev, s.now())
	case wire.Ended:
		c.gone = true
	}
	answered, entry := c.answered, c.entry
	if c.in && unanswered && !answered.IsZero() {
		s.note(c, c.record())
	}
	c.mu.Unlock()
	if !c.in && unanswered && !answered.IsZero() {
		s.cfg.Ledger.Answered(ctx, entry, answered)
	}
	if err == nil {
		s.tellPeer(c, ev.State)
	}
	switch {
	case err != nil:
		// Nobody could hear anything; as an unknown call the bridge hangs it up.
		c.log(s.log).Error("phone not connected", "codec", string(ev.Codec), "error", err)
		s.finish(c, outcome{state: wire.Ended, reason: string(wire.MediaLost)})
		return ErrUnknownCall
	case ev.State == wire.Ended:
		s.onEnded(c, ev)
	}
	return nil
}

// pressed takes keys pressed at the phone: the room is told, and the other half
// of a direct call, which may be a machine that asks for them, hears them.
func (s *Service) pressed(c *call, digits string) {
	if !isDigits(digits) {
		return
	}
	c.room.Pressed(c.id, digits)
	if peer := c.peer.Load(); peer != nil {
		if err := s.DTMF(peer.id, digits); err != nil {
			c.log(s.log).Debug("keys not passed on", "error", err)
		}
	}
}

// tried notes the trunk that carries the call now and the last SIP status it
// gave. With a new trunk that is dialled comes the status of the one before.
func (c *call) tried(trunk string, state wire.State, code int, now time.Time) {
	last := len(c.attempts) - 1
	if trunk != "" && (last < 0 || c.attempts[last].Trunk != trunk) {
		if state == wire.Dialing && last >= 0 && code != 0 {
			c.attempts[last].Code, code = code, 0
		}
		c.carrier = trunk
		c.attempts = append(c.attempts, ledger.Attempt{Trunk: trunk, At: now})
		last++
	}
	if last >= 0 && code != 0 {
		c.attempts[last].Code = code
	}
}

// unlessEnded answers an event of a call that is gone: the bridge must hang it
// up, unless that is what the event says.
func unlessEnded(ev wire.CallEvent) error {
	if ev.State == wire.Ended {
		return nil
	}
	return ErrUnknownCall
}

// The states. Each function is called with the call's lock held and obeys the
// order of wire's states: nothing goes back.

// onDialing: another trunk is tried.
func (c *call) onDialing() {
	c.room.UpdateCall(c.id, room.CallUpdate{Trunk: c.carrier})
}

func (c *call) onRinging(ev wire.CallEvent) {
	if c.state == wire.Dialing {
		c.state = wire.Ringing
	}
	c.room.UpdateCall(c.id, room.CallUpdate{State: wire.Ringing, Trunk: c.carrier, Code: ev.Code})
}

// onEarly: the carrier plays something before the answer.
func (c *call) onEarly(ev wire.CallEvent) error {
	if c.state == wire.Answered {
		return nil
	}
	c.state = wire.Early
	return c.connect(ev)
}

// onAnswered may come again: a later answer can change the codec.
func (c *call) onAnswered(ev wire.CallEvent, now time.Time) error {
	if c.state != wire.Answered {
		c.state, c.answered = wire.Answered, now
	}
	return c.connect(ev)
}

// connect lets the phone hear and be heard. From the answer on it always gets RTP.
func (c *call) connect(ev wire.CallEvent) error {
	if ev.Codec != "" {
		c.codec = ev.Codec
	}
	if err := c.leg.Connect(c.codec, c.media); err != nil {
		return err
	}
	c.room.UpdateCall(c.id, room.CallUpdate{State: c.state, Trunk: c.carrier, Code: ev.Code, Leg: c.leg, Codec: c.codec})
	return nil
}

func (s *Service) onEnded(c *call, ev wire.CallEvent) {
	reason := ev.Reason
	if reason == "" {
		reason = wire.TrunkFailed
	}
	s.finish(c, outcome{state: wire.Ended, reason: string(reason), code: ev.Code})
}

// outcome is how a call ends: wire.Ended with an ending, or wire.Refused with a refusal.
type outcome struct {
	state  wire.State
	reason string
	code   int // the last SIP status
}

// finish ends a call. Whoever comes first ends it, everybody after changes nothing.
func (s *Service) finish(c *call, o outcome) {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.over = true
	leg, reserved := c.leg, c.reserved
	record := c.record()
	record.Ended, record.Ending, record.Code = s.now(), o.reason, o.code
	c.goneFromSight(o, &record)
	c.room.UpdateCall(c.id, room.CallUpdate{State: o.state, Trunk: c.carrier, Reason: o.reason, Code: o.code, Text: wire.Words(o.reason)})
	if c.in {
		s.note(c, record)
	}
	c.mu.Unlock()

	if o.state == wire.Refused {
		c.room.Unclaim(c.asker.Participant, c.number)
	}
	if leg != nil {
		leg.Close()
	}
	if reserved {
		s.settle(c, record)
	}
	c.log(s.log).Info("call over", "state", string(o.state), "reason", o.reason, "code", o.code, "trunk", record.Carrier, "talked", talked(record))
	close(c.done)
	s.drop(c)
	s.endPeer(c, o.reason)
}

// record is how a call has gone so far; its lock is held.
func (c *call) record() ledger.Record {
	return ledger.Record{Carrier: c.carrier, Answered: c.answered, Attempts: c.attempts}
}

// note has an inbound call written down as it stands. Its lock is held, so that
// the last note is the last.
func (s *Service) note(c *call, r ledger.Record) {
	r.Attempts = nil // nothing was tried: somebody called us
	s.cfg.Ledger.Note(ledger.Call{
		Reservation: ledger.Reservation{ID: c.id, At: c.at, Asker: c.asker, Room: c.room.Name(), Number: c.number, Called: c.called},
		Record:      r,
	})
}

// settleTimeout bounds the wait for a disk that hangs.
const settleTimeout = 5 * time.Second

// settle writes how a call ended. A ledger that cannot write now does so later.
func (s *Service) settle(c *call, r ledger.Record) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	defer cancel()
	c.mu.Lock()
	entry := c.entry
	c.mu.Unlock()
	if err := s.cfg.Ledger.Settle(ctx, entry, r); err != nil {
		c.log(s.log).Error("call not settled", "error", err)
	}
}

func talked(r ledger.Record) time.Duration {
	if r.Answered.IsZero() {
		return 0
	}
	return r.Ended.Sub(r.Answered).Round(time.Millisecond)
}
