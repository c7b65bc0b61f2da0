package call

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// Blind transfer by us, RFC 3515: our REFER asks a phone to call a number
// itself, and its NOTIFYs say what becomes of that. When the other phone has
// answered, ours is hung up: it is gone from the room.
//
// Whoever asks for it has asked FraudGuard first, as for any dial, because it is
// one: a carrier bills us for the call it places in our phone's stead. To the sfu
// it is a call without audio that ends when the transfer does; what comes of
// it then is out of our sight.

// Handover is a call that a phone is to place instead of us.
type Handover struct {
	ID     string // of the call that the sfu has granted
	Number string // canonical
	Ring   time.Duration
	Slot   *trunk.Slot // of the trunk the phone is on; nil: a phone of the house, which dials as itself
}

// Why a phone cannot be sent to another number.
var (
	ErrNotUp       = errors.New("the call is not answered")
	ErrNoTransfer  = errors.New("the phone's trunk may not transfer")
	ErrTransferred = errors.New("a transfer is under way")
)

// handover is one under way. Owned by the call's run, but for snapshot.
type handover struct {
	Handover
	call      *Call
	extension string       // of a phone of the house
	req       *sip.Request // the REFER
	tx        *sip.ClientTx
	tries     int
	accepted  bool
	rang      bool
	seq       int

	snapshot wire.Call // guarded by the agent's mu
}

// maxRefers bounds how often one REFER is sent again with other credentials.
const maxRefers = 3

// inCall has a call do something, and returns what it says.
func (a *Agent) inCall(id string, f func(c *Call) error) error {
	call, finished := a.find(id)
	if g := a.groupOf(id); g != nil {
		if call = g.front(); call == nil {
			return ErrNotUp
		}
	}
	if call == nil {
		if finished {
			return ErrNotUp
		}
		return ErrUnknown
	}
	reply := make(chan error, 1)
	if !call.post(do(func() { reply <- f(call) })) {
		return ErrNotUp
	}
	select {
	case err := <-reply:
		return err
	case <-call.done:
		return ErrNotUp
	}
}

// Referable reports whether a phone may be sent to another number now, and the
// trunk that would bill us for it: "" for a phone of the house.
func (a *Agent) Referable(id string) (room, trunkID string, err error) {
	err = a.inCall(id, func(c *Call) error {
		room, trunkID = c.Snapshot().Room, c.trunk.ID
		if c.extension() != "" {
			trunkID = ""
		}
		return c.referable()
	})
	return room, trunkID, err
}

// Refer sends a phone to another number, and returns how that stands. The slot
// is the agent's unless an error is returned.
func (a *Agent) Refer(id string, h Handover) (wire.Call, error) {
	var placed wire.Call
	err := a.inCall(id, func(c *Call) (err error) {
		placed, err = c.refer(h)
		return err
	})
	return placed, err
}

func (c *Call) referable() error {
	switch {
	case c.ended || c.dialog == nil || c.answeredAt.IsZero():
		return ErrNotUp
	case !c.mayTransfer():
		return ErrNoTransfer
	case c.handing != nil || c.referral != nil:
		return ErrTransferred
	}
	return nil
}

func (c *Call) refer(order Handover) (wire.Call, error) {
	if err := c.referable(); err != nil {
		return wire.Call{}, err
	}
	h := &handover{Handover: order, call: c, snapshot: wire.Call{
		ID: order.ID, Room: c.Snapshot().Room, Number: order.Number, State: wire.Dialing,
	}}
	if order.Slot != nil {
		h.snapshot.Trunk = order.Slot.Trunk.ID
	} else {
		h.extension = c.extension()
	}
	a := c.agent
	a.mu.Lock()
	if a.handovers[h.ID] != nil || a.calls[h.ID] != nil || a.finished.has(h.ID) {
		a.mu.Unlock()
		return wire.Call{}, ErrExists
	}
	a.handovers[h.ID] = h
	a.mu.Unlock()
	c.handing = h
	c.creds.settled()
	c.arm(handingOver, h.Ring)
	c.log.Info("the phone is sent to another number", "to", number.Mask(h.Number), "transfer", h.ID)
	c.sendRefer()
	c.tellHandover(wire.CallEvent{State: wire.Dialing})
	return h.snapshot, nil
}

func (c *Call) sendRefer() {
	h := c.handing
	req := c.inside(c.dialog, sip.REFER, c.nextSeq())
	req.AppendHeader(&sip.ContactHeader{}) // filled in when the transport is known
	to := c.local.request
	if to.User = h.Number; h.Slot != nil {
		to.User = h.Slot.Trunk.User(h.Number)
	} else {
		to = c.agent.Self(h.Number).URI
	}
	req.AppendHeader(sip.NewHeader("Refer-To", "<"+to.String()+">"))
	req.AppendHeader(sip.NewHeader("Referred-By", "<"+c.local.from.Address.String()+">")) // RFC 3892
	c.creds.apply(req, c.trunk.Username, c.trunk.Password)
	h.req, h.tx = req, nil
	h.tries++
	c.sendInside(c.dialog, req)
}

// handoverEvent takes what has to do with a REFER of ours. It returns false for
// everything else.
func (c *Call) handoverEvent(ev event) bool {
	h := c.handing
	if h == nil {
		return false
	}
	switch ev := ev.(type) {
	case sent:
		if ev.out.req == h.req {
			h.tx = ev.tx
			return true
		}
	case sendFailed:
		if ev.out.req == h.req {
			c.endHandover(wire.TrunkFailed, 0)
			return true
		}
	case txDone:
		if h.tx != nil && ev.tx == h.tx {
			if !h.accepted {
				c.endHandover(wire.Unreachable, 0)
			}
			return true
		}
	case response:
		if cseq := ev.res.CSeq(); cseq != nil && cseq.MethodName == sip.REFER {
			if cseq.SeqNo == h.req.CSeq().SeqNo {
				c.referAnswered(ev.res)
			}
			return true
		}
	case expired:
		if ev.timer == handingOver && c.due(ev) {
			c.endHandover(wire.NoAnswer, 0)
			return true
		}
	}
	return false
}

// referAnswered takes a response to our REFER (RFC 3515 §2.4.2).
func (c *Call) referAnswered(res *sip.Response) {
	h := c.handing
	switch status := res.StatusCode; {
	case res.IsProvisional():
	case res.IsSuccess():
		h.accepted = true
	case status == sip.StatusUnauthorized, status == sip.StatusProxyAuthRequired:
		if h.tries < maxRefers && c.creds.learn(res, c.trunk.Username) == nil {
			c.sendRefer()
			return
		}
		c.endHandover(wire.TrunkFailed, status)
	default:
		c.endHandover(ending(res, false), status)
	}
}

// serveNotify takes a NOTIFY on a REFER of ours (RFC 3515 §2.4.4, §2.4.5).
func (c *Call) serveNotify(ev request) {
	h := c.handing
	event := first(ev.req, "Event")
	if event == nil {
		event = first(ev.req, "o")
	}
	if event == nil || !isReferEvent(event.Value(), h) {
		c.refuse(ev, sip.StatusCallTransactionDoesNotExists, "Subscription Does Not Exist") // RFC 6665 §4.1.3
		return
	}
	c.refuse(ev, sip.StatusOK, "OK")
	h.accepted = true // it may overtake the 202
	over := false
	if state := first(ev.req, "Subscription-State"); state != nil {
		over = strings.HasPrefix(strings.ToLower(strings.TrimSpace(state.Value())), "terminated")
	}
	switch status := fragment(ev.req.Body()); {
	case status >= 200 && status <= 299:
		c.endHandover(wire.Transferred, status)
		// Its part is done (RFC 5589 §6.1).
		c.agent.wg.Go(func() { c.post(hangup{reason: wire.Transferred}) })
	case status >= 300:
		c.endHandover(ending(sip.NewResponse(status, ""), h.rang), status)
	case over:
		c.endHandover(wire.Unreachable, 0) // nobody will tell us
	case status > 100 && !h.rang:
		h.rang = true
		c.tellHandover(wire.CallEvent{State: wire.Ringing, Code: status})
	}
}

// isReferEvent reports whether an Event header is of our REFER.
func isReferEvent(value string, h *handover) bool {
	name, params, _ := strings.Cut(value, ";")
	if h == nil || !strings.EqualFold(strings.TrimSpace(name), "refer") {
		return false
	}
	for param := range strings.SplitSeq(params, ";") {
		key, id, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(key), "id") && strings.TrimSpace(id) != fmt.Sprint(h.req.CSeq().SeqNo) {
			return false
		}
	}
	return true
}

// fragment reads the status of a message/sipfrag (RFC 3420), 0 without one.
func fragment(body []byte) int {
	line, _, _ := strings.Cut(string(body), "\n")
	fields := strings.Fields(line)
	if len(fields) < 2 || !strings.EqualFold(fields[0], "SIP/2.0") {
		return 0
	}
	status, err := strconv.Atoi(fields[1])
	if err != nil || status < 100 || status > 699 {
		return 0
	}
	return status
}

// endHandover closes the book on a transfer. The call it was to end goes on.
func (c *Call) endHandover(reason wire.Ending, code int) {
	h := c.handing
	if h == nil {
		return
	}
	c.handing = nil
	c.disarm(handingOver)
	if h.Slot != nil {
		h.Slot.Release()
	}
	c.log.Info("the transfer is over", "transfer", h.ID, "reason", reason, "code", code)
	a := c.agent
	c.tell(h, wire.CallEvent{State: wire.Ended, Reason: reason, Code: code})
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.handovers, h.ID)
	a.finished.add(h.snapshot)
}

// partHandover ends a transfer with its call: a phone that has taken our REFER
// and hangs up is on its way.
func (c *Call) partHandover(reason wire.Ending) {
	if h := c.handing; h != nil && h.accepted && reason == wire.HangupPhone {
		reason = wire.Transferred
	}
	c.endHandover(reason, 0)
}

// sentAway finds the transfer that may have a desk phone dial a number. Most
// phones take it from our Refer-To as it is, others write 00 for the plus: the
// sfu, which can read numbers, decides whether it is the one.
func (a *Agent) sentAway(v *Visit) (id string) {
	if v.Extension == "" || v.Line.Dial == "" {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for of, h := range a.handovers {
		if h.extension != v.Extension {
			continue
		}
		if id = of; h.Number == v.Line.Dial {
			break
		}
	}
	return id
}

// dropHandover gives a transfer up. What the phone does about it is its own
// affair: a REFER cannot be taken back.
func (a *Agent) dropHandover(id string, reason wire.Ending) bool {
	a.mu.Lock()
	h := a.handovers[id]
	a.mu.Unlock()
	if h == nil {
		return false
	}
	h.call.post(do(func() {
		if h.call.handing == h {
			h.call.endHandover(reason, 0)
		}
	}))
	return true
}

func (c *Call) tellHandover(ev wire.CallEvent) { c.tell(c.handing, ev) }

// tell reports how a transfer stands.
func (c *Call) tell(h *handover, ev wire.CallEvent) {
	h.seq++
	a := c.agent
	ev.Seq, ev.ID, ev.Trunk, ev.At = h.seq, h.ID, h.snapshot.Trunk, a.clock.Now().UnixMilli()
	a.mu.Lock()
	h.snapshot.State, h.snapshot.Reason, h.snapshot.Code = ev.State, ev.Reason, ev.Code
	a.mu.Unlock()
	a.report(ev)
}
