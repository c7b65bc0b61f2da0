package room

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what people may type. Lengths are in runes.
const (
	MaxRoomName = 128
	MaxName     = 64   // a display name; a longer one is cut
	MaxChat     = 2000 // one chat message; a longer one is refused
)

// ErrName is the cause of a refused room name.
var ErrName = errors.New("bad room name")

// CleanName returns the room name as everybody uses it: without control
// characters and surrounding space. Pages and scripts meet in a room through it.
func CleanName(raw string) (string, error) {
	name := strings.TrimSpace(clean(raw, ""))
	switch {
	case name == "":
		return "", fmt.Errorf("%w: empty", ErrName)
	case utf8.RuneCountInString(name) > MaxRoomName:
		return "", fmt.Errorf("%w: over %d characters", ErrName, MaxRoomName)
	}
	return name, nil
}

// cleanDisplayName never fails: a name is decoration.
func cleanDisplayName(raw string) string {
	name := strings.TrimSpace(clean(raw, ""))
	if runes := []rune(name); len(runes) > MaxName {
		name = strings.TrimSpace(string(runes[:MaxName]))
	}
	return name
}

// clean drops invalid UTF-8, control characters and the bidirectional controls
// with which one name can be made to look like another. keep lists control
// characters that stay.
func clean(s, keep string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case strings.ContainsRune(keep, r):
			return r
		case unicode.IsControl(r), r == utf8.RuneError,
			r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', // embeddings, overrides, isolates
			r == '\u2028', r == '\u2029': // line and paragraph separators
			return -1
		}
		return r
	}, s)
}

// newID returns a participant id: 80 random bits.
func newID() string { return "p_" + strings.ToLower(rand.Text()[:16]) }

// newToken returns a resume token: 130 random bits, not guessable.
func newToken() string { return rand.Text() }
