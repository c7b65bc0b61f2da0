package call

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// Reception decides about requests that begin something: who may, and where to.
type Reception interface {
	// Admit judges a request outside any dialog by who sends it. It must not block.
	Admit(req *sip.Request) Admission
	// Leg asks for the way into a room. It may take seconds; ctx ends when
	// the caller has given up. An error is a *Refusal or stands for 503.
	Leg(ctx context.Context, v Visit, room string) (Grant, error)
	// Transfer dials a number into a room for a phone in it, and returns the
	// new call. An error is as Leg's.
	Transfer(ctx context.Context, t Transfer) (call string, err error)
}

// Admission is the verdict on a request. The zero value is a plain "not found".
type Admission struct {
	Drop   bool          // no answer at all: strangers learn nothing
	Answer *sip.Response // this answer, and no more
	Visit  *Visit        // of an INVITE: let it in
}

// Visit is a call that somebody places to us.
type Visit struct {
	Caller    string // number or extension as far as it is one; "" when withheld
	Name      string // display name
	Called    string // what was called: a virtual number, an extension's digits, a room
	Extension string // the registered phone that calls; "" on a trunk
	Trunk     trunk.Trunk
	Slot      *trunk.Slot // released when the call is over; nil: none was taken
	Line      Line
	Transfer  string // the transfer of ours that has the phone dial Line.Dial; "" when it does so by itself
	House     bool   // one of our own calls: nothing of it leaves the house
}

// Line is what a called number leads to.
type Line struct {
	Room     string            // "" until it is chosen by code
	PIN      string            // digits to enter first; "" for none
	Rooms    map[string]string // code → room, where the caller chooses
	Announce bool              // answer at once and play something, instead of ringing
	Wait     time.Duration     // for the first browser
	Dial     string            // a number outside, for an extension's direct call
}

// gated reports whether the caller has to press something first.
func (l *Line) gated() bool { return l.PIN != "" || len(l.Rooms) > 0 }

// Grant is the way into a room.
type Grant struct {
	ID      string
	Room    string
	Leg     wire.Leg
	Present bool // somebody is there
}

// Refusal is a "no" with the status that says it best.
type Refusal struct {
	Status int
	Reason wire.Ending
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused with %d", r.Status) }

// visit is what a Call knows of how it came in. Owned by run.
type visit struct {
	Visit
	ev       request
	answer   []byte     // our SDP answer; nil while the caller has made no offer
	codec    wire.Codec // of that answer
	entered  string     // keys pressed so far
	tries    int        // wrong PINs
	granted  bool       // the sfu knows the call
	asking   bool       // it is being asked
	final    bool       // a final response went out
	provs    uint32     // last RSeq
	prov     *provisional
	settled  bool // our answer has been PRACKed: the 200 needs none
	requires bool // the caller insists on reliable provisional responses
	allows   bool // the caller understands them

	// way is how the INVITE's transaction finds the call. It outlives the call by
	// 32 s (RFC 6026 §7.1: timer L), and has no business with it then.
	way *atomic.Pointer[Call]
}

// Events of an inbound call.
type (
	// granted is the sfu's verdict.
	granted struct {
		grant Grant
		err   error
	}
	// cancelled says that the caller has given up.
	cancelled struct{ req *sip.Request }
	// progress is how the room's side of an inbound call stands.
	progress struct{ state wire.State }
	// keyed is a key pressed at the phone, of any call.
	keyed struct{ key byte }
)

// Attend sets who decides about inbound calls. Until then there are none.
func (a *Agent) Attend(r Reception) { a.reception.Store(&r) }

func (a *Agent) receptionist() Reception {
	if r := a.reception.Load(); r != nil {
		return *r
	}
	return nil
}

// Progress tells an inbound call how the room's side stands: ringing there,
// heard before the answer, or answered, which answers the caller.
func (a *Agent) Progress(id string, state wire.State) error {
	call, finished := a.find(id)
	if call == nil {
		if finished {
			return nil
		}
		return ErrUnknown
	}
	call.post(progress{state})
	return nil
}

// receive takes an INVITE outside any dialog.
func (a *Agent) receive(req *sip.Request, tx *sip.ServerTx) {
	r := a.receptionist()
	own := a.ownInvite(req)
	if r == nil {
		if own {
			// Our own INVITE came back to us (RFC 3261 §8.2.2.2).
			a.respond(req, tx, sip.StatusLoopDetected, "Loop Detected")
		}
		return // strangers are told nothing
	}
	verdict := r.Admit(req)
	switch {
	case verdict.Drop:
		return
	case verdict.Answer != nil:
		if err := tx.Respond(verdict.Answer); err != nil {
			a.log.Debug("a response could not be sent", "error", err)
		}
		return
	case verdict.Visit == nil && own:
		a.respond(req, tx, sip.StatusLoopDetected, "Loop Detected")
		return
	case verdict.Visit == nil:
		a.respond(req, tx, sip.StatusNotFound, "Not Found", Refused(wire.NotFound))
		return
	}
	if len(req.GetHeaders("Replaces")) > 0 {
		a.receiveReplacement(req, tx, verdict.Visit)
		return
	}
	verdict.Visit.Transfer = a.sentAway(verdict.Visit)
	call, err := a.welcome(req, tx, verdict.Visit)
	if err != nil {
		if verdict.Visit.Slot != nil {
			verdict.Visit.Slot.Release()
		}
		a.refuseVisit(req, tx, err)
		return
	}
	a.attend(call, call.visit.ev)
}

func (a *Agent) refuseVisit(req *sip.Request, tx *sip.ServerTx, err error) {
	switch {
	case errors.Is(err, ErrExists):
		// RFC 3261 §8.2.2.2: the same request by another path.
		a.respond(req, tx, sip.StatusLoopDetected, "Loop Detected")
	case errors.Is(err, errExtension):
		var required []string
		for _, h := range req.GetHeaders("Require") {
			required = append(required, unsupported(h.Value())...)
		}
		a.respond(req, tx, sip.StatusBadExtension, "Bad Extension", sip.NewHeader("Unsupported", joined(required)))
	case errors.Is(err, errInterval):
		a.respond(req, tx, statusIntervalTooSmall, "Session Interval Too Small", sip.NewHeader("Min-SE", inSeconds(minSession)))
	case errors.Is(err, errMediaType):
		a.respond(req, tx, sip.StatusUnsupportedMediaType, "Unsupported Media Type", sip.NewHeader("Accept", "application/sdp"))
	case errors.Is(err, errContact):
		a.respond(req, tx, sip.StatusBadRequest, "Bad Request")
	case errors.Is(err, errSession):
		a.respond(req, tx, sip.StatusNotAcceptableHere, "Not Acceptable Here")
	default:
		a.respond(req, tx, sip.StatusServiceUnavailable, "Service Unavailable", sip.NewHeader("Retry-After", "5"), Refused(wire.TrunkFailed))
	}
}

// Why an INVITE is refused before anybody is asked.
var (
	errExtension = errors.New("it requires an extension we do not have")
	errInterval  = errors.New("its session interval is too small")
	errMediaType = errors.New("its body is no session description")
	errContact   = errors.New("it has no usable Contact")
	errSession   = errors.New("its session description cannot be used")
)

// welcome makes the call of an INVITE and starts it.
func (a *Agent) welcome(req *sip.Request, tx *sip.ServerTx, v *Visit) (*Call, error) {
	for _, h := range req.GetHeaders("Require") {
		if len(unsupported(h.Value())) > 0 {
			return nil, errExtension
		}
	}
	if len(req.Body()) > 0 && !isSDP(req) {
		return nil, errMediaType
	}
	if tooShort(req) {
		return nil, errInterval
	}
	tag := req.To().Params.GetOr("tag", "")
	d := visitDialog(req)
	if d == nil {
		return nil, errContact
	}
	id := "in_" + newTag()
	media, err := a.cfg.Hub.New(id, a.cfg.Hub.Nowhere())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	media.SetCodecs(v.Trunk.Codecs)
	equip(media, &v.Trunk)
	locate(media, &v.Trunk, req.Source())
	if source, err := netip.ParseAddrPort(req.Source()); err == nil {
		media.Advertise(a.cfg.Hub.LocalFor(source.Addr())) // for an offer of ours; an answer knows better
	}
	in := &visit{Visit: *v, ev: request{req: req, tx: tx, done: make(chan struct{})}}
	in.requires, in.allows = lists(req, "Require", "100rel"), lists(req, "Supported", "100rel")
	if len(req.Body()) > 0 {
		answer, session, err := media.Accept(req.Body())
		if err != nil {
			media.Close()
			a.log.Info("the caller's offer cannot be used", "error", err)
			return nil, errSession
		}
		in.answer, in.codec = answer, session.Codec
	}
	slot := v.Slot
	if slot == nil {
		slot = trunk.Free(v.Trunk)
	}
	call := newCall(a, Order{
		ID: id, Room: v.Line.Room, Number: v.Caller, Slot: slot,
		Leg: wire.Leg{MaxRing: int(v.Line.Wait / time.Second)},
	}, media)
	call.visit = in
	call.callID = req.CallID().Value()
	call.local.from = sip.FromHeader{DisplayName: req.To().DisplayName, Address: *req.To().Address.Clone(), Params: req.To().Params.Clone()}
	call.forks[d.tag()], call.dialog = d, d
	call.session.learn(req)
	if err := a.enroll(call, tag); err != nil {
		media.Close()
		call.cancel()
		return nil, err
	}
	_ = tx.Respond(sip.NewResponseFromRequest(req, sip.StatusTrying, "Trying", nil))
	way := new(atomic.Pointer[Call])
	way.Store(call)
	in.way = way
	if !tx.OnCancel(func(cancel *sip.Request) {
		if call := way.Load(); call != nil {
			go call.post(cancelled{cancel})
		}
	}) {
		go call.post(cancelled{req}) // it is gone; what it said is lost
	}
	go call.writeLoop()
	go call.runFrom(call.arrive())
	return call, nil
}

// enroll puts an inbound call on the agent's lists, unless the same request
// made one already.
func (a *Agent) enroll(call *Call, tag string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.draining {
		return ErrClosed
	}
	merge := mergeKey(call.visit.ev.req)
	if a.merged[merge] {
		return ErrExists
	}
	a.merged[merge] = true
	a.calls[call.id] = call
	call.tag = tag
	a.dialogs[dialogKey(call.callID, tag)] = call
	a.callWG.Add(2) // for run and writeLoop
	return nil
}

// rename gives an inbound call the id that the sfu has minted.
func (a *Agent) rename(call *Call, id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls[id] != nil || a.finished.has(id) {
		return false
	}
	delete(a.calls, call.id)
	a.calls[id] = call
	call.id = id
	return true
}

// mergeKey identifies a request whatever way it took (RFC 3261 §8.2.2.2).
func mergeKey(req *sip.Request) string {
	return req.From().Params.GetOr("tag", "") + "\x00" + req.CallID().Value() + "\x00" + fmt.Sprint(req.CSeq().SeqNo)
}

// ownInvite reports whether an INVITE is one that a call of ours sent.
func (a *Agent) ownInvite(req *sip.Request) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dialogs[dialogKey(req.CallID().Value(), req.From().Params.GetOr("tag", ""))] != nil
}

// OwnInvite reports whether an INVITE comes from this agent itself: a call to
// a virtual number that does not leave the house.
func (a *Agent) OwnInvite(req *sip.Request) bool { return a.ownInvite(req) }

// visitDialog makes the dialog that an INVITE and our answer to it stand for
// (RFC 3261 §12.1.1); nil without a Contact to send to.
func visitDialog(req *sip.Request) *dialog {
	uri, ok := contact(req)
	if !ok {
		return nil
	}
	d := &dialog{
		remote: &sip.ToHeader{DisplayName: req.From().DisplayName, Address: *req.From().Address.Clone(), Params: req.From().Params.Clone()},
		target: uri, source: req.Source(), network: sip.NetworkToLower(req.Transport()),
	}
	d.later(req.CSeq().SeqNo)
	for _, h := range req.GetHeaders("Record-Route") {
		// RFC 3261 §12.1.1: in the order of the request.
		if route, ok := h.(*sip.RecordRouteHeader); ok && isSIP(&route.Address) {
			d.routes = append(d.routes, *route.Address.Clone())
		}
	}
	return d
}
