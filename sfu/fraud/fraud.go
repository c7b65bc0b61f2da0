// Package fraud is FraudGuard: it says whether a number may be dialled, and why not.
//
// [Rules] are made once from the settings and never change; package dial holds
// the ones in force and swaps them when the settings are read again. A verdict
// is a pure function of the rules and the number: no clock, no disk, no network.
//
// Nothing is allowed by default. An E.164 number needs a prefix in the allow
// list; an extension is inside the house and is allowed when a trunk carries it.
package fraud

import (
	"fmt"
	"strings"

	"dialroom/shared/number"
)

// NotAllowed is the refusal of a number that no rule covers; the text is the
// one of the protocol.
const NotAllowed = "not-allowed"

// Settings are what rules are made of.
type Settings struct {
	// Allow are the prefixes that may be dialled: "+49", "+" for every E.164
	// number, or digits without "+" for extensions.
	Allow []string
	// Carried are the prefixes of all trunks. Those without "+" say which
	// extensions exist somewhere: "" is all of them, "6" is 6, 61, 610 …
	Carried []string
}

// Rules decide about numbers. They are safe for concurrent use.
type Rules struct {
	allow      []string
	extensions []string
}

// New checks the settings and makes rules of them. An error names the entry
// that is not a prefix.
func New(s Settings) (*Rules, error) {
	r := &Rules{}
	for i, p := range s.Allow {
		if p == "" || !isPrefix(p) {
			return nil, fmt.Errorf("allow[%d]: expected a prefix such as \"+49\", or \"+\" for every number, got %q", i, p)
		}
		r.allow = append(r.allow, p)
	}
	for i, p := range s.Carried {
		if !isPrefix(p) {
			return nil, fmt.Errorf("carried[%d]: expected a prefix, got %q", i, p)
		}
		if !strings.HasPrefix(p, "+") {
			r.extensions = append(r.extensions, p)
		}
	}
	return r, nil
}

// Verdict is what the rules say about a number.
type Verdict struct {
	Refusal string // empty: it may be dialled
	Rule    string // the prefix that decided, the longest that matched; "" when none did or every extension is carried
}

// Allowed reports whether the number may be dialled.
func (v Verdict) Allowed() bool { return v.Refusal == "" }

// Judge says whether n may be dialled. The zero Number may not.
func (r *Rules) Judge(n number.Number) Verdict {
	if p, ok := longest(r.allow, n.String()); ok {
		return Verdict{Rule: p}
	}
	if n.IsExtension() {
		if p, ok := longest(r.extensions, n.String()); ok {
			return Verdict{Rule: p}
		}
	}
	return Verdict{Refusal: NotAllowed}
}

// longest returns the longest of the prefixes that s begins with.
func longest(prefixes []string, s string) (best string, ok bool) {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) && (!ok || len(p) > len(best)) {
			best, ok = p, true
		}
	}
	return best, ok
}

func isPrefix(p string) bool {
	return strings.Trim(strings.TrimPrefix(p, "+"), "0123456789") == ""
}
