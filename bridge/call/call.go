// Package call is the bridge's SIP user agent and the state machine of one
// call. Messages, transactions and transports are sipgo's; dialogs are ours.
//
// An [Agent] listens on UDP and TCP. [Agent.Place] makes a Call with a
// goroutine of its own (run) that owns all of the call's state. Whatever
// happens to the call is an event in its inbox: a response to its INVITE, a
// request of the far end, a timer, a hang-up, digits. The state it is in is a
// function (states.go) that takes the event and returns the next state:
//
//	dialing → ringing → early → answered → leaving → over
//	    └────────┴────────┴→ cancelling ──────┘
//
// A second goroutine (writeLoop) sends what run tells it to, in order, because
// looking up a host or connecting may block. Every change is reported as a
// wire.CallEvent, the ending exactly once and at once; the signalling that is
// left then (CANCEL, BYE, the 200 that crosses either) goes on in cancelling
// and leaving until the far end has confirmed.
//
// sipgo hands each message to a goroutine of its own, so their order is lost.
// The states are written for that: nothing goes back from early to ringing,
// and what comes after the answer changes nothing.
//
// A call that comes in (visit.go) is a Call too, in states of its own until it
// is answered (arriving.go); a [Reception] says whether it may and where to. An
// extension with several devices is several Calls that are one to the sfu
// (ring.go).
//
// The package does not choose trunks or decide who may call whom; RTP and SDP
// are package leg's.
package call

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// inboxSize is how many events may wait for a call's goroutine before their
// senders do. A call sees a few dozen in its life.
const inboxSize = 32

// outboxSize is how many messages may wait for a call's writeLoop: an INVITE
// with its retries, ACK and BYE for maxForks answers, and a CANCEL fit.
const outboxSize = 4*maxForks + 8

// Call is one call on one trunk.
type Call struct {
	// fixed after newCall
	agent      *Agent
	log        *slog.Logger
	id         string
	number     string
	trunk      trunk.Trunk
	callID     string // Call-ID, RFC 3261 §8.1.1.4
	media      *leg.Leg
	limits     limits
	inbox      chan event
	outbox     chan *outgoing  // pointers: a call lives on for 32 s after its end
	done       chan struct{}   // closed when run returns
	ctx        context.Context // ends with run
	cancel     context.CancelFunc
	inviteCtx  context.Context // ends when the INVITE is no longer wanted
	stopInvite context.CancelFunc

	// owned by run
	next       func() *trunk.Slot // other trunks to try; nil: none
	via        []hop              // addresses to try; nil: the trunk's, looked up
	rest       []hop              // the trunk's addresses that were not tried
	detour     *detour            // to take when this attempt is taken back
	successor  *Call              // places the call another way
	unlisted   func() bool        // stops what tells a call with a successor that the agent closes
	placed     time.Time
	slot       *trunk.Slot
	local      identity
	tag        string // ours; fixed once the call is on the agent's lists
	visit      *visit // of an inbound call
	session    session
	refreshing *refresh // our own re-INVITE or UPDATE under way
	forked     *group   // the devices that ring together; nil: one INVITE
	target     *Target  // a device, instead of the trunk's host
	redirects  int
	insisted   bool                // SRTP was offered in the secure profile after the plain one was refused
	referral   *referral           // a transfer the phone has asked for
	handing    *handover           // a transfer we have asked the phone for
	cseq       uint32              // our last CSeq
	creds      credentials         // digest answers for this call
	invite     *sip.Request        // the last INVITE
	inviteTx   *sip.ClientTx       // its transaction; nil before it was sent
	inviteTo   hop                 // where it went
	forks      map[string]*dialog  // by remote tag
	dialog     *dialog             // the one that won
	timers     map[timer]*deadline // running timers
	events     int                 // wire.CallEvent.Seq of the last
	heard      bool                // a provisional response came
	cancelled  bool                // CANCEL went out
	ended      bool                // the ending was reported
	why        string              // Reason of our BYE or CANCEL; "" while there is none of ours
	byes       int                 // BYEs without a final response
	byeTxs     map[*sip.ClientTx]*dialog
	reinvite   *reinvite // theirs, answered by us, not yet ACKed
	answeredAt time.Time
	onHold     time.Time // when the phone was last seen on hold, or its session changed

	// guarded by mu
	mu       sync.Mutex
	snapshot wire.Call
}

// limits are a call's time limits.
type limits struct {
	ring, duration time.Duration
}

// Bounds on what the sfu may ask for: a broken sfu must not make calls that
// ring or run for ever.
const (
	defaultRing = 60 * time.Second
	maxRing     = 5 * time.Minute // longer than any network rings
	defaultLong = 2 * time.Hour
	maxLong     = 24 * time.Hour
)

func within(seconds int, fallback, most time.Duration) time.Duration {
	if seconds <= 0 {
		return fallback
	}
	if seconds >= int(most/time.Second) {
		return most
	}
	return time.Duration(seconds) * time.Second
}

func newCall(a *Agent, order Order, media *leg.Leg) *Call {
	c := &Call{
		agent: a, id: order.ID, number: order.Number, trunk: order.Slot.Trunk, slot: order.Slot,
		next: order.Next, placed: a.clock.Now(),
		callID: rand.Text(), media: media,
		limits: limits{
			ring:     within(order.Leg.MaxRing, defaultRing, maxRing),
			duration: order.Slot.Trunk.Shorten(within(order.Leg.MaxDuration, defaultLong, maxLong)),
		},
		inbox: make(chan event, inboxSize), outbox: make(chan *outgoing, outboxSize), done: make(chan struct{}),
		forks: make(map[string]*dialog), byeTxs: make(map[*sip.ClientTx]*dialog), timers: make(map[timer]*deadline),
		snapshot: wire.Call{
			ID: order.ID, Room: order.Room, Number: order.Number, Trunk: order.Slot.Trunk.ID, State: wire.Dialing,
		},
	}
	equip(media, &c.trunk)
	c.listen()
	c.log = a.log.With("call", c.id, "room", order.Room, "trunk", c.trunk.ID)
	c.ctx, c.cancel = context.WithCancel(a.ctx)
	c.inviteCtx, c.stopInvite = context.WithCancel(c.ctx)
	c.local = a.identify(&c.trunk)
	c.tag, _ = c.local.from.Params.Get("tag")
	return c
}

// Snapshot returns how the call stands.
func (c *Call) Snapshot() wire.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snapshot
}

// event is something that happens to a call: response, sent, sendFailed,
// txDone, request, ack, expired, hangup, do or abandon.
type event any

type (
	// response is a response to one of our requests.
	response struct {
		tx  *sip.ClientTx // nil: it matched no transaction
		res *sip.Response
	}
	// sent says that a request left, and where to. It comes before any
	// response to it.
	sent struct {
		out outgoing
		tx  *sip.ClientTx // nil for an ACK
		hop hop
	}
	// sendFailed says that a request could not leave.
	sendFailed struct {
		out outgoing
		err error
	}
	// txDone says that a transaction of ours is over.
	txDone struct {
		tx  *sip.ClientTx
		err error
	}
	// request is one of the far end's. Whoever handles it closes done when
	// nothing is left to be said in its transaction.
	request struct {
		req  *sip.Request
		tx   *sip.ServerTx
		done chan struct{}
	}
	// ack is the far end's ACK to an answer of ours.
	ack struct{ req *sip.Request }
	// expired is a timer that ran out.
	expired struct {
		timer timer
		by    *deadline
	}
	// hangup is the room's wish.
	hangup struct {
		reason wire.Ending
		why    string // Reason for the phone, "" for the ending's
	}
	// do is done in any state, with the call's state at hand.
	do func()
	// abandon drops the call without a word.
	abandon struct{}
)

// post hands the call an event. It returns false when the call is over.
func (c *Call) post(ev event) bool {
	select {
	case c.inbox <- ev:
		return true
	case <-c.done:
		return false
	}
}

// run owns the call: one event after the other, until there is no next state.
func (c *Call) run() { c.runFrom(c.start()) }

func (c *Call) runFrom(next state) {
	defer c.agent.callWG.Done()
	for next != nil {
		switch ev := (<-c.inbox).(type) {
		case do:
			ev()
		case abandon:
			next = nil
		case takeover:
			next = c.takenOver(ev, next)
		default:
			next = next(ev)
		}
	}
	c.end(wire.Shutdown, 0) // only abandon leaves this to be done
	if c.visit != nil {
		c.doneWithInvite()
		if c.visit.way != nil {
			c.visit.way.Store(nil)
		}
	}
	if c.unlisted != nil {
		c.unlisted()
	}
	c.stopTimers()
	c.cancel()
	close(c.done)
	c.agent.forget(c)
}

// report tells the sfu how the call stands now.
func (c *Call) report(state wire.State, codec wire.Codec) {
	c.change(func(s *wire.Call) { s.State, s.Codec = state, codec })
	c.emit(wire.CallEvent{State: state, Codec: codec})
}

// listen makes the keys of the leg's phone events of this call.
func (c *Call) listen() { c.media.OnKey(func(key byte) { c.tryPost(keyed{key}) }) }

// keyPressed tells the room.
func (c *Call) keyPressed(key byte) {
	now := c.Snapshot()
	c.emit(wire.CallEvent{State: now.State, Codec: now.Codec, Digits: string(key)})
}

// end closes the book on the call: the audio stops, the trunk's slot is free
// and the reason is reported. Only the first ending counts.
func (c *Call) end(reason wire.Ending, code int) {
	if c.ended {
		return
	}
	c.ended = true
	if c.why == "" {
		c.why = reasonFor(reason)
	}
	c.stopTimers()
	c.endReferral()
	c.partHandover(reason)
	stats := c.media.Stats()
	c.forgetDetour()
	if c.forked == nil {
		c.media.Close()
		c.slot.Release()
	}
	c.change(func(s *wire.Call) { s.State, s.Reason, s.Code = wire.Ended, reason, code })
	c.emit(wire.CallEvent{State: wire.Ended, Reason: reason, Code: code})
	c.log.Info("call ended", "reason", reason, "code", code, "number", number.Mask(c.number), "media", stats)
}

func (c *Call) change(f func(*wire.Call)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.snapshot)
}

func (c *Call) emit(ev wire.CallEvent) {
	if c.visit != nil && !c.visit.granted {
		return // nobody knows of it
	}
	if c.forked != nil {
		c.forked.hear(c, ev)
		return
	}
	c.events++
	ev.Seq, ev.ID, ev.Trunk, ev.At = c.events, c.id, c.trunk.ID, c.agent.clock.Now().UnixMilli()
	c.agent.report(ev)
}
