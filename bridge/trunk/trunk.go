// Package trunk holds the ways to the telephone network and decides which of
// them carries a call.
//
// The [Table] is loaded from the settings, and again when they are reloaded.
// A call asks it with [Table.Choose], which yields the trunks that can carry
// the number, best first, each as a [Slot] that already counts against the
// trunk's limits. The call keeps the slot it uses until it is over and
// gives the others back.
//
// The limits (calls at once, calls in a minute, numbers, length) hold whoever
// asks and whatever the sfu thinks: they are what a broken sfu can cost at most.
//
// A [Keeper] looks after the trunks: it keeps registrations alive, asks the
// hosts how they are, and notes in the table what it finds ([Table.Heard]).
//
// The package sends nothing and knows no SIP: the messages, and the retry on
// the next trunk, are package call's.
package trunk

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"dialroom/shared/wire"
)

// Dial formats: how a canonical number is written in the Request-URI.
const (
	// E164 writes the digits without the plus: +4930123 → 4930123. Most
	// carriers expect it.
	E164 = "e164"
	// Plus writes the number as it is: +4930123.
	Plus = "plus"
	// National writes it by the trunk's own rules: +4930123 → 030123.
	National = "national"
)

// Rule rewrites the beginning of a number.
type Rule struct{ From, To string }

// Trunk is one way to the telephone network, as the settings describe it.
type Trunk struct {
	ID       string
	Name     string
	Priority int // lowest first
	Enabled  bool

	Host      string // host, host:port, or a domain with SRV records
	Proxy     string // where requests go instead, host or host:port; "" is Host
	Transport string // "udp", "tcp" or "tls"
	Username  string // digest user
	Password  string

	Register   bool          // keep a registration with the carrier
	ProbeEvery time.Duration // between two OPTIONS; 0 is none

	FromUser    string // user of the From header; empty: the caller id
	FromHost    string // host of the From header; empty: Host
	FromDisplay string
	CallerID    string // canonical number
	Private     bool   // the callee is not to see who calls

	Prefixes   []string // what it can carry; "" is everything, extensions too
	DialFormat string   // E164, Plus or National
	Rules      []Rule   // of National; the longest From that fits is applied
	Codecs     []wire.Codec

	SRTP string // "off" or "", "optional", "required"
	NAT  bool   // its phones may send from elsewhere than they say

	Sources []netip.Prefix // where its calls come from, beside Host

	Transfer bool // its phones may have a number dialled into their room (REFER)

	// Hard limits; the zero value of each is none.
	MaxCalls        int           // concurrent calls, both directions together
	MaxIn, MaxOut   int           // concurrent calls of one direction
	PerMinute       int           // calls placed in any 60 seconds
	AllowedPrefixes []string      // of the numbers it may be used for, whatever it can carry
	MaxDuration     time.Duration // of a call, from its answer
}

// User returns number as this trunk wants to see it. Extensions are never
// rewritten.
func (t *Trunk) User(number string) string {
	if !strings.HasPrefix(number, "+") {
		return number
	}
	switch t.DialFormat {
	case Plus:
		return number
	case National:
		if rule, ok := longest(t.Rules, number, func(r Rule) string { return r.From }); ok {
			return rule.To + strings.TrimPrefix(number, rule.From)
		}
	}
	return strings.TrimPrefix(number, "+")
}

// Shorten cuts the longest time a call may have to the trunk's own limit.
func (t *Trunk) Shorten(d time.Duration) time.Duration {
	if t.MaxDuration > 0 {
		return min(d, t.MaxDuration)
	}
	return d
}

// allows reports whether the operator lets this trunk be used for number.
func (t *Trunk) allows(number string) bool {
	return len(t.AllowedPrefixes) == 0 ||
		slices.ContainsFunc(t.AllowedPrefixes, func(p string) bool { return strings.HasPrefix(number, p) })
}

// Canonical is User the other way round: what this trunk calls a number, as
// we do. It is a guess where a trunk writes numbers without a plus, and has to
// be looked up, not believed.
func (t *Trunk) Canonical(user string) string {
	if strings.HasPrefix(user, "+") || user == "" || strings.Trim(user, "0123456789") != "" {
		return user
	}
	if t.DialFormat == National {
		if rule, ok := longest(t.Rules, user, func(r Rule) string { return r.To }); ok {
			return rule.From + strings.TrimPrefix(user, rule.To)
		}
	}
	return "+" + user
}

// longest returns the rule whose text is the longest beginning of number.
func longest(rules []Rule, number string, text func(Rule) string) (best Rule, ok bool) {
	for _, r := range rules {
		if strings.HasPrefix(number, text(r)) && (!ok || len(text(r)) > len(text(best))) {
			best, ok = r, true
		}
	}
	return best, ok
}

// carries returns the length of the longest prefix that covers number, or -1.
func (t *Trunk) carries(number string) int {
	best := -1
	for _, p := range t.Prefixes {
		if strings.HasPrefix(number, p) && len(p) > best {
			best = len(p)
		}
	}
	return best
}
