// Package links makes and reads signed links: a token in a room's address that
// says which room, number, trunk and name the address may have, until when, and
// for how many calls.
//
// An operator mints a [Link]; its token travels as link=… in the address, and
// the page hands it over when it joins. [Signer.Verify] holds what a page asks
// for against what the token pins, so an address that was edited is refused:
//
//	token   = base64url(payload ‖ HMAC-SHA256(secret, domain ‖ payload))
//	payload = version ‖ id ‖ expiry ‖ uses ‖ room ‖ number ‖ trunk ‖ name
//
// The version is 1, or 2 for a link that makes its visitor an owner of the room.
//
// The signature is over the whole payload and compared in constant time; a token
// has exactly one spelling. How many calls a link has had, and whether it was
// revoked, is the ledger's to know; nothing is counted and nothing is kept here.
package links

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// domain keeps a signature from meaning anything elsewhere that the same
	// secret may be used.
	domain = "dialroom signed link\x00"

	forGuests = 1 // versions of a payload
	forOwners = 2

	idBytes = 10 // 80 random bits: links are told apart by it, not protected

	// MaxToken is the longest token in characters, far above a link with the
	// longest names; it bounds the work for a stranger.
	MaxToken = 4096

	// maxField bounds room, number, trunk and name, in bytes: 128 characters of
	// four bytes each, as a room's name may have.
	maxField = 512

	// EveryRoom ends the room of a link that is for every room whose name begins
	// as it does: each click on such a link has a room of its own.
	EveryRoom = "*"

	// MaxUses is the most calls a link may be counted for.
	MaxUses = 1_000_000
)

// Why a link does not let pass. Their texts are for logs; visitors get the words
// of [Refusal].
var (
	ErrInvalid = errors.New("the link is not valid")
	ErrExpired = errors.New("the link has expired")
	ErrUsed    = errors.New("the link has been used up")
)

// Refusal returns the refusal of the protocol for an error of this package, ""
// for any other.
func Refusal(err error) string {
	switch {
	case errors.Is(err, ErrExpired):
		return "link-expired"
	case errors.Is(err, ErrUsed):
		return "link-used"
	case errors.Is(err, ErrInvalid):
		return "link-invalid"
	}
	return ""
}

// Link is what a token says. Empty fields and zero values are pinned as well,
// but for Name, Expires and Uses.
type Link struct {
	ID      string
	Room    string    // as package room cleans it; it may end in EveryRoom
	Number  string    // canonical; "" opens the room and dials nothing
	Trunk   string    // "" leaves the choice to the bridge
	Name    string    // "": the visitor chooses
	Expires time.Time // whole seconds; zero is never
	Uses    int       // calls; 0 is any number
	Owner   bool      // who comes with it may mute and remove others
}

// Wish is what an address asks for beside its token.
type Wish struct{ Room, Number, Trunk, Name string }

// Pins reports whether the link is for exactly this wish.
func (l Link) Pins(w Wish) bool {
	return l.Opens(w.Room) && l.Number == w.Number && l.Trunk == w.Trunk && (l.Name == "" || l.Name == w.Name)
}

// Opens reports whether the link is for this room.
func (l Link) Opens(room string) bool {
	if begin, every := strings.CutSuffix(l.Room, EveryRoom); every {
		return len(room) > len(begin) && strings.HasPrefix(room, begin)
	}
	return room == l.Room
}

// Expired reports whether the link's time is over.
func (l Link) Expired(now time.Time) bool { return !l.Expires.IsZero() && !now.Before(l.Expires) }

// NewID returns the id of a new link.
func NewID() string {
	b := make([]byte, idBytes)
	_, _ = rand.Read(b) // it never fails
	return idText(b)
}

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

func idText(b []byte) string { return "l_" + strings.ToLower(idEncoding.EncodeToString(b)) }

func idOf(text string) ([]byte, bool) {
	digits, ok := strings.CutPrefix(text, "l_")
	if !ok {
		return nil, false
	}
	b, err := idEncoding.DecodeString(strings.ToUpper(digits))
	return b, err == nil && len(b) == idBytes && idText(b) == text
}

// Signer mints and reads tokens with one secret. A nil Signer, which is that of
// settings without a secret, knows no link. It may be used by any goroutine.
type Signer struct{ secret []byte }

// NewSigner returns the signer of a secret, nil when there is none.
func NewSigner(secret string) *Signer {
	if secret == "" {
		return nil
	}
	return &Signer{[]byte(secret)}
}

// Mint returns the token of a link. The link must be as it is to be compared:
// room cleaned, number canonical. Errors say which field cannot be in a token.
func (s *Signer) Mint(l Link) (string, error) {
	if s == nil {
		return "", errors.New("links: there is no secret to sign with")
	}
	id, ok := idOf(l.ID)
	if !ok {
		return "", fmt.Errorf("links: %q is no id of a link", l.ID)
	}
	if l.Room == "" || l.Room == EveryRoom {
		return "", errors.New("links: a link needs a room")
	}
	if l.Uses < 0 || l.Uses > MaxUses {
		return "", fmt.Errorf("links: uses are from 0 to %d", MaxUses)
	}
	expires := int64(0)
	if !l.Expires.IsZero() {
		if expires = l.Expires.Unix(); expires <= 0 || l.Expires.Nanosecond() != 0 {
			return "", errors.New("links: an expiry is a whole second after 1970")
		}
	}
	version := byte(forGuests)
	if l.Owner {
		version = forOwners
	}
	payload := append([]byte{version}, id...)
	payload = binary.AppendUvarint(payload, uint64(expires))
	payload = binary.AppendUvarint(payload, uint64(l.Uses))
	for _, field := range []string{l.Room, l.Number, l.Trunk, l.Name} {
		if len(field) > maxField || !utf8.ValidString(field) {
			return "", fmt.Errorf("links: a field has over %d bytes, or is no text", maxField)
		}
		payload = binary.AppendUvarint(payload, uint64(len(field)))
		payload = append(payload, field...)
	}
	return base64.RawURLEncoding.EncodeToString(append(payload, s.mac(payload)...)), nil
}

func (s *Signer) mac(payload []byte) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write([]byte(domain))
	h.Write(payload)
	return h.Sum(nil)
}

// Parse reads a token that this signer's secret has signed. It does not look at
// the expiry. The only error is ErrInvalid.
func (s *Signer) Parse(token string) (Link, error) {
	if s == nil || len(token) > MaxToken {
		return Link{}, ErrInvalid
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	// The decoder is lenient about line breaks and unused bits.
	if err != nil || len(raw) <= sha256.Size || base64.RawURLEncoding.EncodeToString(raw) != token {
		return Link{}, ErrInvalid
	}
	payload, mac := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if !hmac.Equal(mac, s.mac(payload)) {
		return Link{}, ErrInvalid
	}
	return decode(payload)
}

// Verify reads a token and holds a wish against it. Errors: ErrInvalid when the
// token is not genuine or does not pin the wish, ErrExpired.
func (s *Signer) Verify(token string, w Wish, now time.Time) (Link, error) {
	l, err := s.Parse(token)
	switch {
	case err != nil:
		return Link{}, err
	case !l.Pins(w):
		return Link{}, ErrInvalid
	case l.Expired(now):
		return Link{}, ErrExpired
	}
	return l, nil
}

// decode reads a payload whose signature was right.
func decode(payload []byte) (Link, error) {
	r := reader{rest: payload}
	version := r.take(1)[0]
	if r.bad || version != forGuests && version != forOwners {
		return Link{}, ErrInvalid
	}
	l := Link{ID: idText(r.take(idBytes)), Owner: version == forOwners}
	if seconds := r.count(1 << 40); seconds > 0 {
		l.Expires = time.Unix(int64(seconds), 0).UTC()
	}
	l.Uses = int(r.count(MaxUses))
	for _, field := range []*string{&l.Room, &l.Number, &l.Trunk, &l.Name} {
		*field = string(r.take(int(r.count(maxField))))
	}
	if r.bad || len(r.rest) > 0 || l.Room == "" || l.Room == EveryRoom {
		return Link{}, ErrInvalid
	}
	return l, nil
}

// reader takes a payload apart; after the first thing that does not fit it is bad.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.rest) {
		r.bad = true
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) count(most uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad || n <= 0 || v > most {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
