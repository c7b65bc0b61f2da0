package trunk

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"dialroom/shared/wire"
)

const (
	// registerFor is how long a registration is asked for. The carrier has
	// the last word. Ten minutes bound how long a carrier that lost its
	// memory, or our address, sends no calls.
	registerFor = 10 * time.Minute

	// A registration that fails is tried again after firstRetry, then after
	// twice as long each time up to lastRetry, for ever.
	firstRetry = 4 * time.Second
	lastRetry  = 5 * time.Minute

	// longestRetryAfter bounds what a Retry-After is believed.
	longestRetryAfter = 30 * time.Minute

	// shortestRefresh keeps a carrier that grants seconds from making us
	// busy with it.
	shortestRefresh = 5 * time.Second

	// exchangeTime bounds one REGISTER or OPTIONS with its challenge: as
	// long as a transaction lives (64·T1, RFC 3261 §17.1.2.2).
	exchangeTime = 32 * time.Second

	// probeTime bounds an OPTIONS: sent four times by then over UDP.
	probeTime = 5 * time.Second

	// A trunk that misses one probe is asked again after againSoon; after
	// missesDown it is down and asked every whileDown.
	againSoon  = 2 * time.Second
	missesDown = 2
	whileDown  = 10 * time.Second

	// believedBack is how long a trunk that is not probed is passed over
	// after a call that was not answered.
	believedBack = time.Minute

	// goodbyeTime is what the carriers get to hear that we leave.
	goodbyeTime = 300 * time.Millisecond
)

// Signaller sends what a keeper wants sent; package call's Agent does.
type Signaller interface {
	// Register asks the trunk's registrar to send calls here for that long,
	// or with zero no longer, and returns what was granted.
	Register(ctx context.Context, t Trunk, expires time.Duration) (granted time.Duration, err error)
	// Probe sends OPTIONS and returns how long any answer took. 503 is an
	// error, like silence.
	Probe(ctx context.Context, t Trunk) (latency time.Duration, err error)
}

// Clock tells the time and calls back later, so that tests need not wait.
type Clock interface {
	Now() time.Time
	AfterFunc(d time.Duration, f func()) (stop func())
}

// RetryAfter is an error of a [Signaller] that says when to come again.
type RetryAfter struct {
	Err  error
	Wait time.Duration
}

func (e *RetryAfter) Error() string { return e.Err.Error() }

func (e *RetryAfter) Unwrap() error { return e.Err }

// Keeper looks after the trunks of a table: it keeps registrations alive and
// asks with OPTIONS whether somebody is there. Each trunk has goroutines of
// its own, so a host that swallows everything keeps nobody else waiting.
type Keeper struct {
	// fixed after NewKeeper
	table *Table
	out   Signaller
	clock Clock
	log   *slog.Logger
	wg    sync.WaitGroup

	// guarded by mu
	mu     sync.Mutex
	wards  map[string]*ward
	closed bool
}

// ward is one trunk that is looked after.
type ward struct {
	trunk  Trunk
	cancel context.CancelFunc
	ask    chan struct{} // probe now: a call was not answered
	again  chan struct{} // register now: the way to the carrier has broken
}

// NewKeeper returns a keeper that looks after nothing until Load.
func NewKeeper(table *Table, out Signaller, clock Clock, log *slog.Logger) *Keeper {
	return &Keeper{table: table, out: out, clock: clock, log: log, wards: make(map[string]*ward)}
}

// Load sets the trunks to look after. What has not changed goes on
// undisturbed; a trunk that is gone is unregistered.
func (k *Keeper) Load(trunks []Trunk) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	keep := make(map[string]bool)
	for _, t := range trunks {
		if old := k.wards[t.ID]; old != nil && reflect.DeepEqual(old.trunk, t) {
			keep[t.ID] = true
		}
	}
	for id, w := range k.wards {
		if !keep[id] {
			w.cancel()
			delete(k.wards, id)
		}
	}
	for _, t := range trunks {
		if keep[t.ID] || !t.Enabled {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		w := &ward{trunk: t, cancel: cancel, ask: make(chan struct{}, 1), again: make(chan struct{}, 1)}
		k.wards[t.ID] = w
		k.table.note(t.ID, func(s *status) {
			*s = status{}
			if t.Register {
				s.registered = wire.Registering
			}
		})
		if t.Register {
			k.wg.Go(func() { k.keepRegistered(ctx, w) })
		}
		if t.ProbeEvery > 0 {
			k.wg.Go(func() { k.keepProbing(ctx, w) })
		}
	}
}

// Renew registers again at once where a registration is kept: the connection
// the carrier would have sent calls by is gone.
func (k *Keeper) Renew(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if w := k.wards[id]; w != nil {
		select {
		case w.again <- struct{}{}:
		default:
		}
	}
}

// Heard notes that a trunk's host has answered a call, or has let it time out.
// Then it is asked at once how it is; one that may not be asked is believed to
// be back after a while.
func (k *Keeper) Heard(id string, answered bool) {
	k.table.Heard(id, answered)
	if answered {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.wards[id]
	switch {
	case w == nil:
	case w.trunk.ProbeEvery > 0:
		select {
		case w.ask <- struct{}{}:
		default:
		}
	default:
		k.clock.AfterFunc(believedBack, func() { k.table.Heard(id, true) })
	}
}

// Close stops looking after the trunks and takes their registrations back, as
// far as the carriers answer at once.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	for _, w := range k.wards {
		w.cancel()
	}
	k.mu.Unlock()
	k.wg.Wait()
}

// keepRegistered registers, and registers again at four fifths of what was
// granted, for ever.
func (k *Keeper) keepRegistered(ctx context.Context, w *ward) {
	t := w.trunk
	log := k.log.With("trunk", t.ID)
	var until time.Time // the registration holds that long
	retry := firstRetry
	for {
		asked := k.clock.Now()
		granted, err := k.register(ctx, t, registerFor)
		fresh := until.IsZero() || retry != firstRetry
		if err == nil {
			until = asked.Add(granted)
		}
		if ctx.Err() != nil {
			break
		}
		var wait time.Duration
		if err == nil {
			if fresh {
				log.Info("registered", "for", granted)
			}
			retry = firstRetry
			wait = max(granted*4/5, shortestRefresh)
			k.table.note(t.ID, func(s *status) { s.registered, s.problem, s.silent = wire.Registered, "", false })
		} else {
			wait = k.afterFailure(err, &retry)
			gone := !k.clock.Now().Before(until)
			log.Warn("registering has failed", "error", err, "again_in", wait, "still_registered", !gone)
			k.table.note(t.ID, func(s *status) {
				s.problem = err.Error()
				if gone {
					s.registered = wire.Unregistered
				}
			})
			if !gone {
				// It may run out before the next attempt.
				wait = min(wait, max(until.Sub(k.clock.Now()), shortestRefresh))
			}
		}
		if !k.sleep(ctx, wait, w.again) {
			break
		}
	}
	if !until.IsZero() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
		defer cancel()
		if _, err := k.out.Register(bye, t, 0); err != nil {
			log.Info("the carrier has not confirmed that we are gone", "error", err)
		}
	}
}

func (k *Keeper) register(ctx context.Context, t Trunk, expires time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	return k.out.Register(ctx, t, expires)
}

// afterFailure returns how long to wait and makes the next wait longer. A
// tenth is left to chance, so that a carrier that comes back is not met by
// everybody at once.
func (k *Keeper) afterFailure(err error, retry *time.Duration) time.Duration {
	wait := *retry
	*retry = min(2*wait, lastRetry)
	wait -= time.Duration(rand.Int64N(int64(wait / 10)))
	var later *RetryAfter
	if errors.As(err, &later) {
		wait = max(wait, min(later.Wait, longestRetryAfter))
	}
	return wait
}

// keepProbing asks the trunk's host again and again how it is.
func (k *Keeper) keepProbing(ctx context.Context, w *ward) {
	t := w.trunk
	misses := 0
	for {
		latency, err := k.probe(ctx, t)
		if ctx.Err() != nil {
			return
		}
		wait := t.ProbeEvery
		if err == nil {
			if misses >= missesDown {
				k.log.Info("the trunk answers again", "trunk", t.ID, "latency", latency)
			}
			misses = 0
			k.table.Heard(t.ID, true)
			k.table.note(t.ID, func(s *status) { s.latency = latency })
		} else {
			misses++
			wait = min(againSoon, t.ProbeEvery)
			if misses == missesDown {
				k.log.Warn("the trunk does not answer", "trunk", t.ID, "error", err)
			}
			if misses >= missesDown {
				wait = min(whileDown, t.ProbeEvery)
				k.table.note(t.ID, func(s *status) { s.silent, s.latency, s.problem = true, 0, err.Error() })
			}
		}
		if !k.sleep(ctx, wait, w.ask) {
			return
		}
	}
}

func (k *Keeper) probe(ctx context.Context, t Trunk) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	return k.out.Probe(ctx, t)
}

// sleep waits for d, or until early says something. It returns false when ctx
// has ended.
func (k *Keeper) sleep(ctx context.Context, d time.Duration, early <-chan struct{}) bool {
	rung := make(chan struct{})
	stop := k.clock.AfterFunc(d, func() { close(rung) })
	defer stop()
	select {
	case <-rung:
		return true
	case <-early:
		return true
	case <-ctx.Done():
		return false
	}
}
