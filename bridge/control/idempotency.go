package control

import (
	"context"
	"crypto/sha256"
	"sync"
)

// maxReplies is how many answers are kept: hours at the rate scripts dial,
// and under 2 MB.
const maxReplies = 4096

// maxKey is how long an Idempotency-Key may be.
const maxKey = 255

// replies remembers the answers to requests with an Idempotency-Key: whoever
// did not get an answer may ask again and places no second call.
type replies struct {
	mu    sync.Mutex
	known map[string]*remembered // guarded by mu; by key id and Idempotency-Key
	order []string               // guarded by mu; oldest first
}

// remembered is one request and, once done is closed, its answer.
type remembered struct {
	body  [sha256.Size]byte
	done  chan struct{}
	reply reply
	err   error
}

func newReplies() *replies { return &replies{known: make(map[string]*remembered)} }

// once calls f for the first request with its Idempotency-Key. The same
// request gets the same answer again, and waits for it where it is still
// being made; another request with the key is errReused.
func (r *replies) once(ctx context.Context, req request, f func() (reply, error)) (reply, error) {
	header := string(req.c.GetHeader("Idempotency-Key"))
	if header == "" {
		return f()
	}
	if len(header) > maxKey {
		return reply{}, errKeyLength
	}
	// Two clients may well choose the same key.
	first, mine, err := r.claim(req.key.ID+"\n"+header, sha256.Sum256(req.body))
	if err != nil {
		return reply{}, err
	}
	if mine {
		first.answer(f)
	}
	select {
	case <-first.done:
		return first.reply, first.err
	case <-ctx.Done():
		return reply{}, ctx.Err()
	}
}

// answer makes the answer. Who waits for it is let go even if f panics.
func (m *remembered) answer(f func() (reply, error)) {
	defer close(m.done)
	m.err = errInternal
	m.reply, m.err = f()
}

func (r *replies) claim(key string, body [sha256.Size]byte) (entry *remembered, mine bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if entry := r.known[key]; entry != nil {
		if entry.body != body {
			return nil, false, errReused
		}
		return entry, false, nil
	}
	if len(r.order) >= maxReplies && !r.forgetOne() {
		return nil, false, errCrowded
	}
	entry = &remembered{body: body, done: make(chan struct{})}
	r.known[key] = entry
	r.order = append(r.order, key)
	return entry, true, nil
}

// forgetOne drops the oldest answer. Requests under way stay: without them
// the same request could place a second call.
func (r *replies) forgetOne() bool {
	for i, key := range r.order {
		select {
		case <-r.known[key].done:
			delete(r.known, key)
			r.order = append(r.order[:i], r.order[i+1:]...)
			return true
		default:
		}
	}
	return false
}
