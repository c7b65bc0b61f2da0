package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"dialroom/bridge/call"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

const (
	// eventTimeout bounds one delivery of an event, to a process on the same
	// host.
	eventTimeout = 3 * time.Second

	// firstRetry and lastRetry bound the wait before an event is sent again.
	// It doubles in between.
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
)

// Reporter brings the events of calls to the sfu: in order per call, again
// until they arrive or the sfu counts as gone. A call that the sfu does not
// know is hung up.
type Reporter struct {
	// fixed after NewReporter
	sfu    SFU
	clock  call.Clock
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup // deliverers

	mu      sync.Mutex
	waiting map[string][]wire.CallEvent // guarded by mu; by call; an entry has a deliverer
	closed  bool                        // guarded by mu
	ended   func(id string)             // guarded by mu
	unknown func(id string)             // guarded by mu
}

// NewReporter returns a Reporter that sends to the sfu.
func NewReporter(sfu SFU, clock call.Clock, logger *slog.Logger) *Reporter {
	r := &Reporter{
		sfu: sfu, clock: clock, log: logger, waiting: make(map[string][]wire.CallEvent),
		ended: func(string) {}, unknown: func(string) {},
	}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// follow sets who is told that a call has ended, at once, and that the sfu
// does not know a call.
func (r *Reporter) follow(ended, unknown func(id string)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.unknown = ended, unknown
}

// Report sends an event when those of the same call before it have arrived.
// It does not block.
func (r *Reporter) Report(ev wire.CallEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ev.State == wire.Ended {
		r.ended(ev.ID)
	}
	if r.closed {
		return
	}
	queue, busy := r.waiting[ev.ID]
	r.waiting[ev.ID] = append(queue, ev)
	if !busy {
		r.wg.Go(func() { r.run(ev.ID) })
	}
}

// run delivers one call's events until none is left.
func (r *Reporter) run(id string) {
	for {
		r.mu.Lock()
		queue := r.waiting[id]
		if len(queue) == 0 || r.ctx.Err() != nil {
			delete(r.waiting, id)
			r.mu.Unlock()
			return
		}
		ev := queue[0]
		r.waiting[id] = queue[1:]
		r.mu.Unlock()
		r.deliver(ev)
	}
}

// deliver sends one event until it has arrived, or for as long as the sfu
// counts as alive without a sign of life.
func (r *Reporter) deliver(ev wire.CallEvent) {
	start := r.clock.Now()
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		ctx, cancel := context.WithTimeout(r.ctx, eventTimeout)
		err := r.sfu.Do(ctx, http.MethodPost, wire.PathEvents, ev, nil)
		cancel()
		var status *sign.StatusError
		switch {
		case err == nil || r.ctx.Err() != nil:
			return
		case errors.As(err, &status) && status.Status == http.StatusNotFound:
			if ev.State != wire.Ended {
				r.mu.Lock()
				unknown := r.unknown
				r.mu.Unlock()
				unknown(ev.ID)
			}
			return
		case r.clock.Now().Sub(start) >= wire.LeaseExpiry:
			r.log.Warn("an event did not reach the sfu", "call", ev.ID, "state", ev.State, "error", err)
			return
		}
		again := make(chan struct{})
		stop := r.clock.AfterFunc(wait, func() { close(again) })
		select {
		case <-again:
		case <-r.ctx.Done():
			stop()
			return
		}
	}
}

// Close waits for the events under way, at the latest until ctx ends, and
// drops the rest. Nothing is sent any more when it returns.
func (r *Reporter) Close(ctx context.Context) {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	delivered := make(chan struct{})
	go func() {
		defer close(delivered)
		r.wg.Wait()
	}()
	select {
	case <-delivered:
	case <-ctx.Done():
	}
	r.cancel()
	<-delivered
}
