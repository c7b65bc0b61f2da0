package ua

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Script is what happens when a number is called. ctx ends when the call does,
// whoever ended it. A call that is neither answered nor rejected when its
// script returns gets 480, an answered one is hung up.
type Script func(ctx context.Context, c *Call)

// Call is one INVITE and what came of it.
type Call struct {
	// fixed after newCall
	CallID string
	Number string // as dialled: the user part of the Request-URI
	From   string // the user part of From
	At     time.Time

	carrier *Carrier
	key     dialogKey
	invite  *sip.Request
	tx      sip.ServerTransaction
	offer   offer
	media   *Media
	ctx     context.Context
	cancel  context.CancelFunc

	digits chan<- byte  // guarded by media.mu
	extra  []sip.Header // of the answer; the script's before it answers

	// guarded by mu
	mu       sync.Mutex
	final    int    // the final response's status, 0 before it
	ending   string // how the call ended, "" while it lasts
	hungUp   bool   // our BYE is under way: none may follow
	cseq     uint32 // of our last request
	version  int    // of our session description
	acks     map[uint32]chan struct{}
	answered time.Time
}

// newCall reads the offer and opens the media socket, but sends nothing.
func (c *Carrier) newCall(req *sip.Request, tx sip.ServerTransaction) (*Call, error) {
	o, err := parseOffer(req.Body())
	if err != nil {
		return nil, err
	}
	remote, _ := req.From().Params.Get("tag")
	local := sip.GenerateTagN(16)
	call := &Call{
		CallID: req.CallID().Value(), Number: req.Recipient.User, From: req.From().Address.User, At: time.Now(),
		carrier: c, invite: req, tx: tx, offer: o,
		key:  dialogKey{req.CallID().Value(), local, remote},
		acks: map[uint32]chan struct{}{},
	}
	if call.media, err = c.openMedia(call, o); err != nil {
		return nil, err
	}
	call.ctx, call.cancel = context.WithCancel(c.ctx)
	return call, nil
}

// heedCancel ends the call when its INVITE is cancelled. sipgo answers both
// the CANCEL and, with 487, the INVITE.
func (call *Call) heedCancel() {
	cancelled := func(*sip.Request) {
		call.carrier.events.add(Event{Kind: "CANCEL", CallID: call.CallID, Number: call.Number})
		call.finish(sip.StatusRequestTerminated)
		call.end("CANCEL")
	}
	if !call.tx.OnCancel(cancelled) {
		cancelled(nil)
	}
}

// run plays the script and cleans up after it.
func (call *Call) run(script Script) {
	// Whoever ends the call: from then on nothing is sent, and nobody waits for sound to be.
	hushed := context.AfterFunc(call.ctx, call.media.hush)
	defer hushed()
	defer func() {
		call.cancel()
		call.media.close()
		call.save()
		call.carrier.events.add(Event{Kind: "ENDED", CallID: call.CallID, Number: call.Number, Detail: call.Ending()})
		call.carrier.log.Info("call over", "number", masked(call.Number), "ending", call.Ending(), "media", call.media.Stats())
	}()
	script(call.ctx, call)
	if call.Status() == 0 {
		call.Reject(sip.StatusTemporarilyUnavailable, "Temporarily Unavailable")
		return
	}
	call.Hangup()
}

// Status returns the final response to the INVITE, 0 before there is one.
func (call *Call) Status() int {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.final
}

// Ending returns how the call ended: "BYE" (the caller hung up), "CANCEL",
// "HANGUP" (we did), "REJECTED", "NO ACK", or "" while it lasts.
func (call *Call) Ending() string {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.ending
}

// Answered returns when the call was answered, zero if it was not.
func (call *Call) Answered() time.Time {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.answered
}

// Media returns the call's RTP.
func (call *Call) Media() *Media { return call.media }

// Header returns a header of the INVITE, "" when it has none.
func (call *Call) Header(name string) string {
	if h := call.invite.GetHeader(name); h != nil {
		return h.Value()
	}
	return ""
}

// Done is closed when the call is over.
func (call *Call) Done() <-chan struct{} { return call.ctx.Done() }

func (call *Call) end(how string) {
	call.mu.Lock()
	if call.ending == "" {
		call.ending = how
	}
	call.mu.Unlock()
	call.cancel()
}

// Ring sends 180 without a body: the caller plays its own ringback.
func (call *Call) Ring() { call.provisional(sip.StatusRinging, "Ringing", nil) }

// Progress sends 183 with our session description: early media follows.
func (call *Call) Progress() {
	call.provisional(sip.StatusSessionInProgress, "Session Progress", call.describe())
	call.media.open()
}

func (call *Call) provisional(code int, reason string, body []byte) {
	if call.Status() != 0 {
		return
	}
	if err := call.tx.Respond(call.response(call.invite, code, reason, body)); err != nil {
		call.carrier.log.Debug("provisional not sent", "code", code, "error", err)
	}
}

// Reject refuses the call with a status from 300 up.
func (call *Call) Reject(code int, reason string) { call.rejectWith(code, reason) }

func (call *Call) rejectWith(code int, reason string, headers ...sip.Header) {
	if !call.finish(code) {
		return
	}
	res := call.response(call.invite, code, reason, nil)
	for _, h := range headers {
		res.AppendHeader(h)
	}
	_ = call.tx.Respond(res)
	call.end("REJECTED")
	// The transaction keeps sending until its ACK comes; over UDP sipgo lets it
	// outlive this handler (RFC 3261 §17.2.1).
}

// finish claims the one final response of the INVITE.
func (call *Call) finish(code int) bool {
	call.mu.Lock()
	defer call.mu.Unlock()
	if call.final != 0 {
		return false
	}
	call.final = code
	if code == sip.StatusOK {
		call.answered = time.Now()
	}
	return true
}

// Answer sends 200 with our session description and returns when it was
// acknowledged, false when the call is over instead. Media flows from the 200.
func (call *Call) Answer() bool {
	acked := call.expectAck(call.invite.CSeq().SeqNo)
	if !call.finish(sip.StatusOK) {
		return false
	}
	res := call.response(call.invite, sip.StatusOK, "OK", call.describe())
	call.settle(call.invite, res)
	call.media.open()
	if err := call.tx.Respond(res); err != nil {
		call.end("NO ACK")
		return false
	}
	call.carrier.events.add(Event{Kind: "ANSWER", CallID: call.CallID, Number: call.Number})
	return call.untilAcked(acked, func() { _ = call.tx.Respond(res) })
}

// settle adds what the script has for the answer to it: to those of refreshes too
// (RFC 4028 §9), which say themselves that they are some.
func (call *Call) settle(req *sip.Request, res *sip.Response) {
	if req != call.invite && req.GetHeader("Session-Expires") == nil {
		return
	}
	for _, h := range call.extra {
		res.AppendHeader(h)
	}
}

// Timers of RFC 3261 table 4, in the values everybody uses.
const (
	t1 = 500 * time.Millisecond
	t2 = 4 * time.Second
)

// untilAcked repeats a 2xx until its ACK arrives. RFC 3261 §13.3.1.4: the
// interval doubles from T1 up to T2, over reliable transports too; without an
// ACK for 64*T1 the dialog is terminated with BYE.
func (call *Call) untilAcked(acked <-chan struct{}, again func()) bool {
	giveUp := time.NewTimer(64 * t1)
	defer giveUp.Stop()
	wait := t1
	repeat := time.NewTimer(wait)
	defer repeat.Stop()
	for {
		select {
		case <-acked:
			return true
		case <-repeat.C:
			again()
			wait = min(2*wait, t2)
			repeat.Reset(wait)
		case <-giveUp.C:
			call.bye()
			call.end("NO ACK")
			return false
		case <-call.ctx.Done():
			return false
		}
	}
}

func (call *Call) expectAck(cseq uint32) <-chan struct{} {
	call.mu.Lock()
	defer call.mu.Unlock()
	ch := make(chan struct{})
	call.acks[cseq] = ch
	return ch
}

func (call *Call) gotAck(cseq uint32) {
	call.mu.Lock()
	defer call.mu.Unlock()
	if ch := call.acks[cseq]; ch != nil {
		close(ch)
		delete(call.acks, cseq) // a repeated ACK closes nothing twice
	}
}

// Hangup sends BYE if the call is answered and nobody has ended it.
func (call *Call) Hangup() {
	call.mu.Lock()
	over := call.final != sip.StatusOK || call.ending != ""
	call.mu.Unlock()
	if over {
		return
	}
	call.bye()
	call.end("HANGUP")
}

func (call *Call) bye() {
	call.mu.Lock()
	again := call.hungUp
	call.hungUp = true
	call.mu.Unlock()
	if again {
		return
	}
	call.carrier.events.add(Event{Kind: "SENT BYE", CallID: call.CallID, Number: call.Number})
	if _, err := call.carrier.request(call.inDialog(sip.BYE), farewell); err != nil {
		call.carrier.log.Warn("BYE was not answered", "number", masked(call.Number), "error", err)
	}
}

// String names the call in errors and logs.
func (call *Call) String() string {
	return fmt.Sprintf("call to %s (%s)", masked(call.Number), call.CallID)
}

// masked keeps extensions, and of longer numbers the country and the last three digits.
func masked(number string) string {
	if len(number) <= 6 {
		return number
	}
	return number[:3] + "•••" + number[len(number)-3:]
}

// Digits returns a channel of the keys pressed from now on; keys pressed
// faster than it is read are lost after 64.
func (call *Call) Digits() <-chan byte {
	ch := make(chan byte, 64)
	call.media.mu.Lock()
	defer call.media.mu.Unlock()
	call.digits = ch
	return ch
}

// digit is called with the media's lock held.
func (call *Call) digit(d byte) {
	select {
	case call.digits <- d:
	default:
	}
}
