package control

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"dialroom/shared/wire"
)

// maxReplies is how many answers are kept: hours at the rate scripts dial,
// and under 2 MB.
const maxReplies = 4096

// maxKey is how long an Idempotency-Key may be.
const maxKey = 255

// replies remembers the answers to requests with an Idempotency-Key: whoever
// did not get an answer may ask again and places no second call, also after
// the process was restarted or killed (replystore.go).
type replies struct {
	log *slog.Logger

	mu    sync.Mutex
	known map[replyKey]*remembered // guarded by mu
	order []replyKey               // guarded by mu; oldest first
	store *replyStore              // guarded by mu; nil keeps nothing on disk
}

// replyKey is the SHA-256 of a signing key's id and an Idempotency-Key: two
// clients may well choose the same, and the file is to tell nobody what it was.
type replyKey [sha256.Size]byte

func keyOf(req request, header string) replyKey {
	return sha256.Sum256([]byte(req.key.ID + "\n" + header)) // a key id has no line break
}

// remembered is one request and, once done is closed, its answer.
type remembered struct {
	body  [sha256.Size]byte
	done  chan struct{}
	reply reply
	err   error
}

// interrupted is the answer to a request whose first answer is not known: the
// process died while it was made. Its call, if there was one, died with it.
func interrupted() reply {
	return reply{http.StatusServiceUnavailable, wire.Error{Error: "unavailable", Reason: string(wire.Shutdown),
		Text: "The bridge was stopped while it placed this call. Ask again with another Idempotency-Key."}}
}

// openReplies loads the answers kept at path; "" keeps them in memory only.
func openReplies(path string, log *slog.Logger) (*replies, error) {
	r := &replies{log: log, known: make(map[replyKey]*remembered)}
	if path == "" {
		return r, nil
	}
	var err error
	if r.store, err = openReplyStore(path, r.restore, log); err != nil {
		return nil, fmt.Errorf("the answers to scripts: %w", err)
	}
	if err := r.store.rewrite(r.entries()); err != nil {
		return nil, fmt.Errorf("the answers to scripts: %w", err)
	}
	return r, nil
}

// restore takes one entry of the file.
func (r *replies) restore(key replyKey, body [sha256.Size]byte, answer *reply) {
	entry := r.known[key]
	if entry == nil {
		entry = &remembered{body: body, done: make(chan struct{}), reply: interrupted()}
		close(entry.done)
		r.known[key] = entry
		r.order = append(r.order, key)
	}
	if answer != nil {
		entry.reply = *answer
	} else {
		entry.body, entry.reply = body, interrupted() // the key was forgotten and came again
	}
	for len(r.order) > maxReplies {
		r.forgetOne()
	}
}

// entries lists what a new file must hold; mu is held.
func (r *replies) entries() []storedReply {
	list := make([]storedReply, 0, len(r.order))
	for _, key := range r.order {
		entry := r.known[key]
		stored := storedReply{key: key, body: entry.body}
		select {
		case <-entry.done:
			stored.answer = asReply(entry)
		default:
		}
		list = append(list, stored)
	}
	return list
}

// asReply is the answer as it went out, errors included.
func asReply(m *remembered) *reply {
	if m.err == nil {
		return &m.reply
	}
	status, body := answerTo(m.err)
	return &reply{status, body}
}

// has reports whether the answer to a request is known, or being made.
func (r *replies) has(req request) bool {
	header := string(req.c.GetHeader("Idempotency-Key"))
	r.mu.Lock()
	defer r.mu.Unlock()
	return header != "" && r.known[keyOf(req, header)] != nil
}

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
	key := keyOf(req, header)
	first, mine, err := r.claim(key, sha256.Sum256(req.body))
	if err != nil {
		return reply{}, err
	}
	if mine {
		first.answer(f)
		r.keep(key, first)
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

// claim finds the request's entry, or makes one, which is on disk when claim
// returns: from then on no other request with this key places a call.
func (r *replies) claim(key replyKey, body [sha256.Size]byte) (entry *remembered, mine bool, err error) {
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
	if r.store != nil {
		if err := r.store.claim(key, body, r.entries); err != nil {
			return nil, false, errors.Join(errStore, err)
		}
	}
	entry = &remembered{body: body, done: make(chan struct{})}
	r.known[key] = entry
	r.order = append(r.order, key)
	return entry, true, nil
}

// keep writes an answer to the file. An answer that cannot be written is one
// that a restart forgets; the claim before it still keeps a second call away.
func (r *replies) keep(key replyKey, m *remembered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.store == nil {
		return
	}
	if err := r.store.answer(storedReply{key: key, body: m.body, answer: asReply(m)}); err != nil {
		r.log.Error("an answer to a script is not kept", "error", err)
	}
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

// close closes the file; what is answered later is not kept.
func (r *replies) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.store != nil {
		r.store.close()
		r.store = nil
	}
}
