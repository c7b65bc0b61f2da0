// Package trunk holds the ways to the telephone network and decides which of
// them carries a call.
//
// The [Table] is loaded from the settings, and again when they are reloaded.
// A call asks it with [Table.Choose], which yields the trunks that can carry
// the number, best first, each as a [Slot] that already counts against the
// trunk's max_calls. The call keeps the slot it uses until it is over and
// gives the others back.
//
// A [Keeper] looks after the trunks: it keeps registrations alive, asks the
// hosts how they are, and notes in the table what it finds ([Table.Heard]).
//
// The package sends nothing and knows no SIP: the messages, and the retry on
// the next trunk, are package call's.
package trunk

import (
	"errors"
	"iter"
	"net/netip"
	"sort"
	"strings"
	"sync"
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
	MaxCalls   int // concurrent calls; 0 is no limit

	SRTP string // "off" or "", "optional", "required"
	NAT  bool   // its phones may send from elsewhere than they say

	Sources []netip.Prefix // where its calls come from, beside Host

	Transfer bool // its phones may have a number dialled into their room (REFER)
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

// Why there is no trunk for a call.
var (
	ErrUnknown    = errors.New("no trunk has this id")
	ErrDisabled   = errors.New("the trunk is switched off")
	ErrNotCarried = errors.New("no trunk carries this number")
	ErrFull       = errors.New("every trunk that carries this number is at max_calls")
)

// Table is the trunks in use and how many calls each has. It is safe for
// concurrent use.
type Table struct {
	mu     sync.Mutex
	trunks []Trunk                // guarded by mu; replaced as a whole, never edited
	calls  map[string]int         // guarded by mu; by trunk id
	status map[string]status      // guarded by mu; by trunk id
	found  map[string]whereabouts // guarded by mu; by trunk id
}

// NewTable returns a table of the given trunks.
func NewTable(trunks []Trunk) *Table {
	t := &Table{calls: make(map[string]int), status: make(map[string]status), found: make(map[string]whereabouts)}
	t.Load(trunks)
	return t
}

// Load replaces the trunks. Running calls keep their slots, also on a trunk
// that is gone.
func (t *Table) Load(trunks []Trunk) {
	sorted := append([]Trunk(nil), trunks...)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Priority < sorted[j].Priority })
	t.mu.Lock()
	defer t.mu.Unlock()
	before := make(map[string]string, len(t.trunks))
	for _, trunk := range t.trunks {
		before[trunk.ID] = trunk.Host + " " + trunk.Proxy
	}
	t.trunks = sorted
	known, found := make(map[string]status, len(sorted)), make(map[string]whereabouts, len(sorted))
	for _, trunk := range sorted {
		known[trunk.ID] = t.status[trunk.ID]
		if before[trunk.ID] == trunk.Host+" "+trunk.Proxy {
			found[trunk.ID] = t.found[trunk.ID]
		}
	}
	t.status, t.found = known, found
}

// Slot is room for one call on one trunk.
type Slot struct {
	Trunk   Trunk
	release func()
}

// Release gives the slot back. It may be called more than once.
func (s *Slot) Release() { s.release() }

// Choose yields a slot on each trunk that can carry number, best first: the
// lowest priority value, and among equals the longer matching prefix. Trunks
// that are down come after all others. With pinned set it is that trunk and no
// other. Trunks at their max_calls are passed over when their turn comes. Every yielded slot belongs to the caller.
//
// The error tells why nothing could ever be yielded: ErrUnknown, ErrDisabled
// or ErrNotCarried.
func (t *Table) Choose(number, pinned string) (iter.Seq[*Slot], error) {
	candidates, err := t.candidates(number, pinned)
	if err != nil {
		return nil, err
	}
	return func(yield func(*Slot) bool) {
		for _, trunk := range candidates {
			slot, ok := t.take(trunk)
			if ok && !yield(slot) {
				return
			}
		}
	}, nil
}

// Ways returns a function that takes the slots Choose would yield, one with
// each call, and nil when there is no more. It holds nothing in between.
func (t *Table) Ways(number, pinned string) (next func() *Slot, err error) {
	candidates, err := t.candidates(number, pinned)
	if err != nil {
		return nil, err
	}
	return func() *Slot {
		for len(candidates) > 0 {
			trunk := candidates[0]
			candidates = candidates[1:]
			if slot, ok := t.take(trunk); ok {
				return slot
			}
		}
		return nil
	}, nil
}

// First returns the best slot, or why there is none.
func (t *Table) First(number, pinned string) (*Slot, error) {
	slots, err := t.Choose(number, pinned)
	if err != nil {
		return nil, err
	}
	for slot := range slots {
		return slot, nil
	}
	return nil, ErrFull
}

// Has reports whether a trunk has this id.
func (t *Table) Has(id string) bool {
	_, ok := t.find(id)
	return ok
}

// Trusts reports whether requests from ip come from a trunk: its host is at
// this address, or it is in its allowed sources.
func (t *Table) Trusts(ip netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.trunks {
		if trunk := &t.trunks[i]; trunk.Enabled && t.from(trunk, ip) {
			return true
		}
	}
	return false
}

// List returns the public face of all trunks, best priority first.
func (t *Table) List() []wire.Trunk {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]wire.Trunk, 0, len(t.trunks))
	for i := range t.trunks {
		list = append(list, t.public(&t.trunks[i]))
	}
	return list
}

// candidates returns the trunks that may carry number, in order.
func (t *Table) candidates(number, pinned string) ([]Trunk, error) {
	if pinned != "" {
		trunk, ok := t.find(pinned)
		switch {
		case !ok:
			return nil, ErrUnknown
		case !trunk.Enabled:
			return nil, ErrDisabled
		case trunk.carries(number) < 0:
			return nil, ErrNotCarried
		}
		return []Trunk{trunk}, nil
	}
	t.mu.Lock()
	all := t.trunks
	down := make(map[string]bool)
	for id, s := range t.status {
		down[id] = s.down()
	}
	t.mu.Unlock()
	var found []Trunk
	for _, trunk := range all {
		if trunk.Enabled && trunk.carries(number) >= 0 {
			found = append(found, trunk)
		}
	}
	if len(found) == 0 {
		return nil, ErrNotCarried
	}
	// all is sorted by priority already; the stable sort keeps the order of
	// the settings file where priority and prefix are equal.
	sort.SliceStable(found, func(i, j int) bool {
		if a, b := down[found[i].ID], down[found[j].ID]; a != b {
			return b
		}
		if found[i].Priority != found[j].Priority {
			return found[i].Priority < found[j].Priority
		}
		return found[i].carries(number) > found[j].carries(number)
	})
	return found, nil
}

func (t *Table) find(id string) (Trunk, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, trunk := range t.trunks {
		if trunk.ID == id {
			return trunk, true
		}
	}
	return Trunk{}, false
}

// take counts one more call on trunk, unless it has max_calls already.
func (t *Table) take(trunk Trunk) (*Slot, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if trunk.MaxCalls > 0 && t.calls[trunk.ID] >= trunk.MaxCalls {
		return nil, false
	}
	t.calls[trunk.ID]++
	var once sync.Once
	return &Slot{Trunk: trunk, release: func() { once.Do(func() { t.give(trunk.ID) }) }}, true
}

func (t *Table) give(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls[id]--; t.calls[id] <= 0 {
		delete(t.calls, id)
	}
}
