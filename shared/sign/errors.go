package sign

import "errors"

// ErrUnauthorized is the one answer to every request that is not signed as it
// must be. Its text may travel to the sender.
var ErrUnauthorized = errors.New("the request is not signed as it must be")

// ErrStore is the answer to a request that is signed as it must be and cannot be
// remembered, on a full disk for example: it could come again, so it is refused.
// Only who has a key can see it.
var ErrStore = errors.New("the request cannot be remembered")

// ErrTooLarge refuses to sign a body of more than MaxBody.
var ErrTooLarge = errors.New("sign: body too large")

// Why a request is unauthorized, or cannot be signed; for logs only.
var (
	errNoKey    = errors.New("sign: the key has no id or no secret")
	errMissing  = errors.New("a signature field is missing")
	errForm     = errors.New("a signature field has another form than the profile's")
	errBody     = errors.New("body too large")
	errDigest   = errors.New("the digest is not the body's")
	errKey      = errors.New("unknown key")
	errMismatch = errors.New("wrong signature")
	errStale    = errors.New("signed too long ago")
	errFuture   = errors.New("signed in the future")
	errForgot   = errors.New("signed at a time whose nonces are no longer known")
	errReplay   = errors.New("nonce seen before")
	errFlood    = errors.New("more requests in the window than nonces are kept for")
	errClosed   = errors.New("the verifier is closed")
)

// unauthorized is ErrUnauthorized, or ErrStore, to everybody but the log.
type unauthorized struct {
	keyID string
	cause error
}

func (e *unauthorized) public() error {
	if errors.Is(e.cause, ErrStore) {
		return ErrStore
	}
	return ErrUnauthorized
}

func (e *unauthorized) Error() string   { return e.public().Error() }
func (e *unauthorized) Is(t error) bool { return t == e.public() }

// Cause says, for the log alone, why Verify refused; nil for other errors.
func Cause(err error) error {
	var u *unauthorized
	if errors.As(err, &u) {
		return u.cause
	}
	return nil
}

// KeyID returns the id a refused request claimed, for the log alone; it may be
// empty, and anybody can claim any. Ids have no characters that need escaping.
func KeyID(err error) string {
	var u *unauthorized
	if errors.As(err, &u) {
		return u.keyID
	}
	return ""
}
