package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

const (
	// readyFor is how long an answer about readiness is used again: anybody may
	// ask, and must not make the disk and the bridge work for it.
	readyFor = time.Second

	// readyTimeout is how long the ledger and the bridge may take to answer.
	readyTimeout = 2 * time.Second
)

// readiness finds out whether calls can be taken.
type readiness struct {
	// Fixed.
	ledger   interface{ Writable(context.Context) error }
	bridge   *sign.Client
	draining func() bool
	noRules  func() bool // the rules cannot be read
	now      func() time.Time

	mu    sync.Mutex // guards what follows; held while asking, so that one asks at a time
	asked time.Time
	last  []string
}

// reasons says in plain words what keeps the process from taking calls.
func (r *readiness) reasons(context.Context) []string {
	if r.draining() {
		return []string{"draining: no new calls are taken"}
	}
	if r.noRules() {
		return []string{"the rules about what may be dialled cannot be read"}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.asked.IsZero() && r.now().Sub(r.asked) < readyFor {
		return r.last
	}
	// The answer serves others too, so it does not end with the one who asked.
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	r.last = nil
	if err := r.ledger.Writable(ctx); err != nil {
		r.last = append(r.last, "the ledger cannot be written")
	}
	var answer wire.Trunks
	if err := r.bridge.Do(ctx, http.MethodGet, wire.PathTrunks, nil, &answer); err != nil {
		reason := "the bridge cannot be reached"
		var status *sign.StatusError
		if errors.As(err, &status) && status.Status == http.StatusUnauthorized {
			reason = "the bridge does not accept our signature: do both processes have the same keys and time?"
		}
		r.last = append(r.last, reason)
	} else if answer.Draining {
		r.last = append(r.last, "the bridge is being stopped: it takes no new calls")
	}
	r.asked = r.now()
	return r.last
}
