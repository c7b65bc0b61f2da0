// Package dial is the one way a call starts, whoever asks for it.
//
//	page:   Dial  → number → link → verdict → claim → verdict and reservation → leg → POST to the bridge
//	script: Grant → the same steps, and the bridge that asked gets the leg
//
// FraudGuard judges twice: at once, by what is known without counting, so that
// what may never be called costs nothing; and by the ledger's counters, in the
// transaction that writes the reservation, so that no two dials share the last
// call of a cap. Nothing is sent before the reservation is on disk, and any doubt
// about the guard or the ledger is a refusal. The number is normalised once
// (package number); that value is judged, reserved and dialled.
//
// From then on a [Service] follows the call: events of the bridge move it
// through its states (call.go), the room is told, the leg is connected, and a
// lease renewed every two seconds keeps it alive on the other side (lease.go).
// However a call ends, and whoever notices first, it ends once: the room learns
// the reason, the leg is closed, the ledger is settled.
//
// There is no SIP and no media here, and no rule about what may be dialled.
package dial

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// Bridge sends signed requests to the bridge; *sign.Client does.
type Bridge interface {
	// Do sends in as JSON and reads the answer into out; either may be nil. An
	// answer other than 2xx is a *sign.StatusError.
	Do(ctx context.Context, method, path string, in, out any) error
}

// Ledger is the durable record; *ledger.Ledger is one.
type Ledger interface {
	Counter
	Recorder
	// Note has the record of an inbound call written as it stands. It does not
	// wait for that, and nothing waits for it: such a call costs nothing.
	Note(ledger.Call)
}

// Counter is the side of the ledger that guards the caps.
type Counter interface {
	Reserve(ctx context.Context, r ledger.Reservation, since ledger.Since, judge func(ledger.Counters) (ledger.Terms, error)) error
	Count(ctx context.Context, r ledger.Reservation, since ledger.Since) (ledger.Counters, error)
}

// Recorder is the side that remembers.
type Recorder interface {
	Answered(ctx context.Context, id string, at time.Time)
	Settle(ctx context.Context, id string, r ledger.Record) error
	Refused(context.Context, ledger.Refusal) error
}

// Leg is the media link of one call; *phone.Leg is one.
type Leg interface {
	room.Leg
	// Wire returns the sfu's end: address and SSRCs.
	Wire() wire.Leg
	// Connect lets RTP to the phone flow from now on. A later call changes the
	// codec; one the sfu cannot carry is an error.
	Connect(codec wire.Codec, bridge netip.AddrPort) error
	Close()
}

// Policy is what may change while calls run.
type Policy struct {
	Rules      *fraud.Rules // nil: nothing can be checked, so nothing is dialled
	MaxRing    time.Duration
	HomeRegion string            // whose national spellings are understood; "" is none
	AddPhone   bool              // pages may dial other numbers than that of their link
	Numbers    map[string]string // virtual numbers and their rooms: dialling one costs nothing
}

// Config is what a Service needs. Every field but Links, LinkBook, Now and Logger is required.
type Config struct {
	Rooms    *room.Manager
	NewLeg   func(call string) Leg
	Ledger   Ledger
	Bridge   Bridge
	Links    *links.Signer // reads signed links; nil: there are none
	LinkBook LinkBook      // knows which were revoked, for Explain and Admit; nil: none was
	Instance string        // names this process towards the bridge; a restart must change it
	Policy   Policy
	Now      func() time.Time
	Logger   *slog.Logger
}

// Service places calls and follows them to their ending.
type Service struct {
	cfg    Config // fixed after New
	log    *slog.Logger
	now    func() time.Time
	policy atomic.Pointer[Policy]

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // run and every goroutine of spawn

	// leasing holds one token. It is taken while a lease is under way and, briefly,
	// to send a call off: so no lease that lacks a call can reach the bridge after it.
	leasing chan struct{}
	lease   lease // owned by run

	mu       sync.Mutex // guards what follows; a call's lock may be held when it is taken
	calls    map[string]*call
	hangups  int // requests to hang up that the bridge has not answered
	draining bool
	closed   bool
	idle     chan struct{} // closed when draining and without calls and hangups
}

// New returns a running Service; Close ends it.
func New(cfg Config) *Service {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, log: cfg.Logger, now: cfg.Now,
		leasing: make(chan struct{}, 1), calls: map[string]*call{}, idle: make(chan struct{})}
	s.SetPolicy(cfg.Policy)
	s.leasing <- struct{}{}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.wg.Go(s.run)
	return s
}

// SetPolicy changes the rules for the calls to come.
func (s *Service) SetPolicy(p Policy) { s.policy.Store(&p) }

// MayAddPhone reports whether pages may dial other numbers than that of their link.
func (s *Service) MayAddPhone() bool { return s.policy.Load().AddPhone }

// ErrUnknownCall is returned for calls that do not exist, or no longer.
var ErrUnknownCall = errors.New("no such call")

// RefusedError is our own "no", before anything was sent. Reason is a
// wire.Refusal, or wire.Shutdown while the process ends, or wire.RoomEmpty when
// the room has just ended.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return "refused: " + e.Reason }

// Text says the reason in one plain sentence.
func (e *RefusedError) Text() string { return wire.Words(e.Reason) }

// Request is a page's wish to dial.
type Request struct {
	Room        string
	Participant string // who asks
	Number      string // as it came
	Trunk       string // this one and no other, "" for any
	Link        string // the token of the signed link it came with, "" for none
	Name        string // the participant's
	Again       bool   // a person pressed "call again"
	Add         bool   // a person has typed the number, which is not the link's
	IP          netip.Addr
}

// Dial starts a call for a page and returns it: in state dialing, after which
// the room hears of every change, or in state refused, which only the page that
// asked needs to know. It waits for the disk, not for the bridge.
func (s *Service) Dial(ctx context.Context, req Request) room.Call {
	o := order{
		asker:   ledger.Asker{Kind: fraud.Page, IP: req.IP, Bucket: fraud.Bucket(req.IP), Participant: req.Participant},
		room:    req.Room,
		number:  req.Number,
		trunk:   req.Trunk,
		token:   req.Link,
		visitor: req.Name,
		again:   req.Again || req.Add,
		added:   req.Add,
		enter: func() (*room.Room, error) {
			if r := s.cfg.Rooms.Get(req.Room); r != nil {
				return r, nil
			}
			return nil, room.ErrClosed
		},
	}
	if req.Add {
		o.token = "" // the guard judges a typed number as that of somebody without a link
	}
	c, stale, err := s.accept(ctx, &o)
	if err != nil {
		var refused *RefusedError
		if !errors.As(err, &refused) {
			refused = &RefusedError{string(wire.GuardUnavailable)}
			s.log.Error("dial failed", "room", req.Room, "error", err)
		}
		return room.Call{ID: newID(), Number: o.canonical, Trunk: o.trunk, State: wire.Refused,
			Reason: refused.Reason, Text: refused.Text()}
	}
	s.spawn(func() { s.place(c, stale) })
	return room.Call{ID: c.id, Number: c.number, Trunk: c.trunk, State: wire.Dialing}
}

// Grant gives the bridge a leg for a call that a script asked it for. The room
// is opened when needed. Errors: *RefusedError, room.ErrName and the other
// errors of room.Manager.Open.
func (s *Service) Grant(ctx context.Context, req wire.LegRequest) (wire.LegResponse, error) {
	switch req.Direction {
	case "", wire.Out:
	case wire.In:
		return s.admit(ctx, req)
	default:
		return wire.LegResponse{}, &RefusedError{string(wire.NotAllowed)}
	}
	if _, err := room.CleanName(req.Room); err != nil {
		return wire.LegResponse{}, err
	}
	media, err := netip.ParseAddrPort(req.Media)
	if err != nil {
		return wire.LegResponse{}, fmt.Errorf("the bridge's media address: %w", err)
	}
	c, stale, err := s.accept(ctx, &order{
		asker:    ledger.Asker{Kind: fraud.Script, Key: req.Key},
		room:     req.Room,
		number:   req.Number,
		trunk:    req.Trunk,
		name:     req.Name,
		transfer: req.Transfer,
		again:    true, // a script asks on purpose; Idempotency-Key keeps it from asking twice
		enter:    func() (*room.Room, error) { return s.cfg.Rooms.Open(req.Room) },
	})
	if err != nil {
		return wire.LegResponse{}, err
	}
	s.endStale(stale)
	if why := s.send(c); why != "" {
		return wire.LegResponse{}, &RefusedError{string(why)}
	}
	if why := s.granted(c, media); why != "" {
		return wire.LegResponse{}, &RefusedError{string(why)}
	}
	return wire.LegResponse{ID: c.id, Number: c.number, Leg: s.wireLeg(c)}, nil
}

// add registers a call, unless one to the same number is already under way in
// its room or no call may start any more; then it returns the refusal.
func (s *Service) add(c *call, stale []string) (refusal string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return string(wire.Shutdown)
	}
	for _, other := range s.calls {
		if c.in {
			break // two people may call from one number, and be called there
		}
		if other.in {
			continue
		}
		if other.room == c.room && other.number == c.number && !slices.Contains(stale, other.id) && !other.leaving.Load() {
			return string(wire.AlreadyDialed)
		}
	}
	s.calls[c.id] = c
	return ""
}

// drop unregisters a call.
func (s *Service) drop(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.calls, c.id)
	s.signalIdle()
}

func (s *Service) lookup(id string) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[id]
}

// list returns the registered calls.
func (s *Service) list() []*call {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*call, 0, len(s.calls))
	for _, c := range s.calls {
		list = append(list, c)
	}
	return list
}

// Active is the number of calls that have not ended.
func (s *Service) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// spawn runs f in a goroutine that Close waits for. After Close it does nothing.
func (s *Service) spawn(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.wg.Go(f)
	}
}
