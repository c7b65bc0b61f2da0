package sign

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// Verifier checks signed requests. Its methods may be called by any goroutine.
type Verifier struct {
	// Fixed after NewVerifier.
	keys  map[string]Key
	decoy []byte // stands in for an unknown key, so that both take the same time
	now   func() time.Time

	mu     sync.Mutex
	nonces *nonces // guarded by mu
	closed bool    // guarded by mu
}

// NewVerifier returns a verifier of requests signed with any of the keys.
// nonceFile is where the nonces seen are kept, so that a request is good once
// even across a restart; each process needs a file of its own, in a folder
// that exists. "" keeps them in memory only, which is for tests. start is when
// the process started; now is the clock, nil is the system's. The verifier
// must be closed.
func NewVerifier(keys []Key, nonceFile string, start time.Time, now func() time.Time) (*Verifier, error) {
	if now == nil {
		now = time.Now
	}
	v := &Verifier{keys: make(map[string]Key, len(keys)), decoy: make([]byte, 32), now: now}
	for _, k := range keys {
		if !isKeyID(k.ID) || len(k.Secret) == 0 {
			return nil, errNoKey
		}
		if _, twice := v.keys[k.ID]; twice {
			return nil, fmt.Errorf("sign: two keys with the id %s", k.ID)
		}
		v.keys[k.ID] = k
	}
	if _, err := io.ReadFull(rand.Reader, v.decoy); err != nil {
		return nil, err
	}
	var err error
	v.nonces, err = openNonces(nonceFile, start)
	return v, err
}

// Verify checks a request and returns the key it was signed with. path and
// rawQuery are as on the wire: still escaped, the query without its "?". body
// is nil or empty when there is none. Every error is [ErrUnauthorized] or, for a
// request of somebody with a key, [ErrStore]; see [Cause]. A request that passed
// does not pass again.
func (v *Verifier) Verify(method, path, rawQuery string, h http.Header, body []byte) (Key, error) {
	f, err := parse(h)
	if err != nil {
		return Key{}, &unauthorized{cause: err}
	}
	key, err := v.check(f, method, path, rawQuery, body)
	if err != nil {
		return Key{}, &unauthorized{keyID: f.keyID, cause: err}
	}
	return key, nil
}

func (v *Verifier) check(f fields, method, path, rawQuery string, body []byte) (Key, error) {
	if len(body) > MaxBody {
		return Key{}, errBody
	}
	if subtle.ConstantTimeCompare([]byte(f.digest), []byte(digestOf(body))) != 1 {
		return Key{}, errDigest
	}
	key, known := v.keys[f.keyID]
	if !known {
		key.Secret = v.decoy
	}
	want := mac(key.Secret, profileBase(method, path, rawQuery, f.digest, f.params))
	if same := hmac.Equal(want, f.signature); !known {
		return Key{}, errKey
	} else if !same {
		return Key{}, errMismatch
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return Key{}, errClosed
	}
	// The clock is read under the lock, so that a purge never sees a later
	// time than the age check of a request that comes after it.
	now := v.now()
	switch age := now.Sub(time.Unix(f.created, 0)); {
	case age > MaxAge:
		return Key{}, errStale
	case age < -MaxAge:
		return Key{}, errFuture
	}
	// Not f.keyID: that is a piece of the header, which would stay as long as the nonce.
	if err := v.nonces.use(key.ID, f.nonce, f.created, now); err != nil {
		return Key{}, err
	}
	return key, nil
}

// VerifyRequest is Verify for a request of net/http. It reads the body, up to
// MaxBody, and returns it. A body that cannot be read is an error of its own.
func (v *Verifier) VerifyRequest(r *http.Request) (Key, []byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return Key{}, nil, fmt.Errorf("sign: read body: %w", err)
	}
	key, err := v.Verify(r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header, body)
	return key, body, err
}

// Tidy forgets the nonces that are too old to matter. Every request does that;
// a process that gets none for a while may want its memory back all the same.
func (v *Verifier) Tidy() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.nonces.purge(v.now())
}

// Close closes the file of nonces; from then on every request is refused.
func (v *Verifier) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	v.closed = true
	if err := v.nonces.close(); err != nil {
		return errors.Join(errors.New("sign: close nonces"), err)
	}
	return nil
}
