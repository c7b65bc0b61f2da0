// Package number turns what somebody typed, pasted or put into a link into the
// one number that is checked, written to the ledger and dialled.
//
// A raw string enters [Parse] once, where it comes from outside; from there on
// only the [Number] travels, unchanged, to the INVITE. So what was checked is
// what is dialled. A Number is either an E.164 number with its "+" or an
// internal extension of two to six digits, which is never rewritten.
//
// Parse refuses what it does not understand instead of guessing: anything that
// could mean more than digits to a SIP stack (@ ; & , letters, control
// characters) is an error, never stripped. The Number knows its country and
// what it is for ([Number.Region], [Number.Type]). Whether it may be dialled
// is not decided here (package fraud).
package number

import (
	"errors"
	"strings"
)

// Lengths in digits.
const (
	minExtension = 2
	maxExtension = 6
	minE164      = 7  // the shortest assigned: +290 and +683 with four digits
	maxE164      = 15 // E.164 §6.2.1
	maxRaw       = 64 // runes; 15 digits with a separator around each and "tel:" are well below
)

// ErrBad is what errors.Is finds in every error of Parse.
var ErrBad = errors.New("not a number that can be dialled")

// Errors of Parse; each also is ErrBad. Their texts may be shown to a visitor.
var (
	ErrBadEmpty     error = &badError{"there is no number"}
	ErrBadCharacter error = &badError{"the number has characters that do not belong in a phone number"}
	ErrBadLength    error = &badError{"the number has too few or too many digits"}
	ErrBadCountry   error = &badError{"the number needs its country code, such as +49 30 123456"}
)

type badError struct{ text string }

func (e *badError) Error() string        { return e.text }
func (e *badError) Is(target error) bool { return target == ErrBad }

// Number is a number in its one canonical spelling. The zero Number is none.
type Number struct {
	s      string
	region string // with kind: what s is, by the numbering plans
	kind   Type
}

// String returns the canonical spelling: "+" and 7 to 15 digits, or 2 to 6
// digits without "+" for an extension.
func (n Number) String() string { return n.s }

// IsExtension reports whether the number is an internal one.
func (n Number) IsExtension() bool { return n.s != "" && n.s[0] != '+' }

// Parse reads one dialled number. Understood are separators (space - . / and
// brackets), full-width and Arabic digits, "tel:", "+", 00, a plus that was
// lost in a link (it arrives as a leading space, or still escaped as %2B), and
// extensions. What is written with 00 must be in a numbering plan. homeRegion
// ("DE", "US") is the country whose national numbers and international prefix
// are understood too; empty means none.
//
// Numbers the numbering plans know are brought into the plan's form, so that
// "+49 (0)30 …" and "+49 30 …" are one number. A number with a country code
// that no plan lists is kept as it is: plans change, and carriers have test
// numbers.
//
// Parse(n.String(), r) returns n for every n it returned and every r.
func Parse(raw, homeRegion string) (Number, error) {
	s, err := scan(raw)
	if err != nil {
		return Number{}, err
	}
	digits := s.digits
	international := s.plus
	switch {
	case digits == "":
		return Number{}, ErrBadEmpty
	case international:
	case len(digits) <= maxExtension:
		if len(digits) < minExtension {
			return Number{}, ErrBadLength
		}
		return Number{s: digits, kind: Extension}, nil
	case strings.HasPrefix(digits, "00"):
		return parse00(digits, homeRegion)
	case s.space && digits[0] != '0':
		// The + of an unescaped link was decoded as a space; unless only the
		// home's plan knows the number, then the space is a stray one.
		_, known := inPlan("+"+digits, "")
		_, home := inPlan(digits, homeRegion)
		international = known || !home
	}
	if international {
		return parseE164(digits)
	}
	return parseNational(digits, homeRegion)
}

func parseE164(digits string) (Number, error) {
	if len(digits) < minE164 {
		return Number{}, ErrBadLength
	}
	if digits[0] == '0' {
		return Number{}, ErrBadCountry // E.164 §6.2.1: no country code starts with 0
	}
	raw := "+" + digits
	if planned, ok := inPlan(raw, ""); ok {
		// Only a spelling that stays as it is may be canonical: a plan could
		// strip a national prefix from its own output once more.
		if planned.s == raw {
			return planned, nil
		}
		if again, ok := inPlan(planned.s, ""); ok && again == planned {
			return planned, nil
		}
	}
	if len(digits) > maxE164 {
		return Number{}, ErrBadLength
	}
	return outOfPlan(raw), nil
}

// parse00 reads a number behind an international prefix that begins with 00.
// For most of the world that is 00 itself, but it is 0011 in Australia and 001
// in Korea; so the home's plan is asked first, and what then is in no plan is
// refused: it may have been another country's prefix.
func parse00(digits, region string) (Number, error) {
	if region != "" {
		if planned, ok := inPlan(digits, region); ok {
			return parseE164(planned.s[1:])
		}
	}
	if planned, ok := inPlan("+"+digits[2:], ""); ok {
		return parseE164(planned.s[1:])
	}
	return Number{}, ErrBadCountry
}

func parseNational(digits, region string) (Number, error) {
	if region == "" {
		return Number{}, ErrBadCountry
	}
	planned, ok := inPlan(digits, region)
	if !ok {
		return Number{}, ErrBadCountry
	}
	return parseE164(planned.s[1:])
}

// scanned is a raw number without what only serves the eye.
type scanned struct {
	plus   bool   // a + stood before the first digit
	space  bool   // the first thing was a space
	digits string // ASCII
}

func scan(raw string) (scanned, error) {
	var out scanned
	if len(raw) > 4*maxRaw { // before any work: four bytes a rune at most
		return out, ErrBadLength
	}
	raw = trimScheme(raw)
	digits := make([]byte, 0, maxE164+2)
	first := true
	for _, r := range raw {
		if d, ok := digit(r); ok {
			if digits = append(digits, d); len(digits) > maxE164+4 { // 00, 011 and a (0) go later
				return out, ErrBadLength
			}
		} else if r == '+' || r == '\uff0b' {
			if out.plus || len(digits) > 0 {
				return out, ErrBadCharacter
			}
			out.plus = true
		} else if isSpace(r) {
			out.space = out.space || first
		} else if !isSeparator(r) {
			return out, ErrBadCharacter
		}
		first = false
	}
	out.digits = string(digits)
	return out, nil
}

// trimScheme takes away "tel:" (RFC 3966) and puts back a plus that was
// escaped once too often.
func trimScheme(raw string) string {
	raw = strings.TrimPrefix(raw, "\ufeff")
	if len(raw) >= 4 && strings.EqualFold(raw[:4], "tel:") {
		raw = raw[4:]
	}
	if len(raw) >= 3 && strings.EqualFold(raw[:3], "%2B") {
		raw = "+" + raw[3:]
	}
	return raw
}

// digit maps the decimal digits people type to ASCII.
func digit(r rune) (byte, bool) {
	for _, zero := range [...]rune{'0', '\uff10', '\u0660', '\u06f0'} { // ASCII, full-width, Arabic, Persian
		if r >= zero && r <= zero+9 {
			return byte('0' + r - zero), true
		}
	}
	return 0, false
}

// isSpace knows the spaces that text carries. Tabs and line ends are control
// characters and refused.
func isSpace(r rune) bool {
	return r == ' ' || r == '\u00a0' || r >= '\u2000' && r <= '\u200a' || r == '\u202f' || r == '\u3000'
}

// isSeparator knows RFC 3966's visual separators, the slash of German numbers
// and their typographic and full-width forms.
func isSeparator(r rune) bool {
	return strings.ContainsRune("-.()[]/"+
		"\u2010\u2011\u2012\u2013\u2014\u2015\u2212"+ // hyphens, dashes, minus
		"\uff0d\uff0e\uff08\uff09\uff0f"+ // full-width
		"\u2060\u200e\u200f\u202a\u202c\ufeff", r) // marks that come along when copied from a page
}

// Mask makes a number fit for a log: "+4930•••456". What is not a number
// becomes "•••"; extensions name a desk of the house, not a person, and stay.
func Mask(s string) string {
	const dots = "•••"
	digits := strings.TrimPrefix(s, "+")
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return dots
		}
	}
	switch n := len(digits); {
	case digits == s && n >= minExtension && n <= maxExtension:
		return s
	case n >= 9:
		return s[:len(s)-n+4] + dots + s[len(s)-3:]
	case n >= minE164:
		return s[:len(s)-n+3] + dots + s[len(s)-1:]
	}
	return dots
}
