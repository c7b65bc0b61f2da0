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
	"errors"
	"iter"
	"net/netip"
	"slices"
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

// Why there is no trunk for a call.
var (
	ErrUnknown    = errors.New("no trunk has this id")
	ErrDisabled   = errors.New("the trunk is switched off")
	ErrNotCarried = errors.New("no trunk carries this number")
	ErrNotAllowed = errors.New("no trunk that carries this number may be used for it")
	ErrFull       = errors.New("every trunk that carries this number is at max_calls")
	ErrTooFast    = errors.New("the trunk has had all the calls it may have in a minute")
)

// window is what "per minute" counts over: any 60 seconds, not those of a clock.
const window = time.Minute

// direction is that of a call.
type direction bool

const (
	out direction = false
	in  direction = true
)

// running is how many calls a trunk has.
type running struct{ in, out int }

func (r *running) add(d direction, n int) {
	if d == in {
		r.in += n
	} else {
		r.out += n
	}
}

// Table is the trunks in use and how many calls each has. It is safe for
// concurrent use.
type Table struct {
	now func() time.Time // fixed after NewTable

	mu     sync.Mutex
	trunks []Trunk                // guarded by mu; replaced as a whole, never edited
	calls  map[string]running     // guarded by mu; by trunk id
	begun  map[string][]time.Time // guarded by mu; of the last minute, by trunk id
	status map[string]status      // guarded by mu; by trunk id
	found  map[string]whereabouts // guarded by mu; by trunk id
	diary  *diary                 // guarded by mu; nil: calls are forgotten with the process
}

// NewTable returns a table of the given trunks. now is the clock.
func NewTable(trunks []Trunk, now func() time.Time) *Table {
	t := &Table{now: now, calls: make(map[string]running), begun: make(map[string][]time.Time),
		status: make(map[string]status), found: make(map[string]whereabouts)}
	t.Load(trunks)
	return t
}

// Load replaces the trunks. Running calls keep their slots, also on a trunk
// that is gone, and what was counted stays counted.
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
// other. Trunks that are at a limit are passed over when their turn comes. Every
// yielded slot belongs to the caller.
//
// The error tells why nothing could ever be yielded: ErrUnknown, ErrDisabled,
// ErrNotCarried or ErrNotAllowed.
func (t *Table) Choose(number, pinned string) (iter.Seq[*Slot], error) {
	candidates, err := t.candidates(number, pinned)
	if err != nil {
		return nil, err
	}
	return func(yield func(*Slot) bool) {
		for _, trunk := range candidates {
			slot, err := t.take(trunk, out)
			if err == nil && !yield(slot) {
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
			if slot, err := t.take(trunk, out); err == nil {
				return slot
			}
		}
		return nil
	}, nil
}

// First returns the best slot, or why there is none: an error of Choose, or the
// limit that the best trunk is at, ErrFull or ErrTooFast.
func (t *Table) First(number, pinned string) (*Slot, error) {
	candidates, err := t.candidates(number, pinned)
	if err != nil {
		return nil, err
	}
	for _, trunk := range candidates {
		slot, full := t.take(trunk, out)
		if full == nil {
			return slot, nil
		}
		if err == nil {
			err = full
		}
	}
	return nil, err
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

// Could returns the trunks that could carry number, in the order in which they
// would be tried. One that is at a limit says so in State. It takes no slot.
// Errors are those of Choose.
func (t *Table) Could(number, pinned string) ([]wire.Trunk, error) {
	candidates, err := t.candidates(number, pinned)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]wire.Trunk, 0, len(candidates))
	for i := range candidates {
		list = append(list, t.public(&candidates[i]))
	}
	return list, nil
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
		case !trunk.allows(number):
			return nil, ErrNotAllowed
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
	err := ErrNotCarried
	for _, trunk := range all {
		if !trunk.Enabled || trunk.carries(number) < 0 {
			continue
		}
		if !trunk.allows(number) {
			err = ErrNotAllowed
			continue
		}
		found = append(found, trunk)
	}
	if len(found) == 0 {
		return nil, err
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

// take counts one more call on trunk, unless it is at a limit, which is the error.
func (t *Table) take(trunk Trunk, d direction) (*Slot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.atLimit(&trunk, d); err != nil {
		return nil, err
	}
	t.count(trunk.ID, d, 1)
	if trunk.PerMinute > 0 && d == out {
		now := t.now()
		t.begun[trunk.ID] = append(t.begun[trunk.ID], now)
		t.diary.note(trunk.ID, now, t.begun)
	}
	var once sync.Once
	return &Slot{Trunk: trunk, release: func() { once.Do(func() { t.give(trunk.ID, d) }) }}, nil
}

// atLimit says which limit keeps trunk from one more call; mu is held. A call
// that comes in costs nothing, and is not one of those in a minute.
func (t *Table) atLimit(trunk *Trunk, d direction) error {
	n := t.calls[trunk.ID]
	switch {
	case trunk.MaxCalls > 0 && n.in+n.out >= trunk.MaxCalls,
		d == in && trunk.MaxIn > 0 && n.in >= trunk.MaxIn,
		d == out && trunk.MaxOut > 0 && n.out >= trunk.MaxOut:
		return ErrFull
	case d == out && trunk.PerMinute > 0 && t.lastMinute(trunk.ID) >= trunk.PerMinute:
		return ErrTooFast
	}
	return nil
}

// lastMinute counts the calls begun in the last minute and forgets older ones;
// mu is held. When the clock was set back, calls of "the future" count too.
func (t *Table) lastMinute(id string) int {
	recent := slices.DeleteFunc(t.begun[id], func(at time.Time) bool { return t.now().Sub(at) >= window })
	if len(recent) == 0 {
		delete(t.begun, id)
		return 0
	}
	t.begun[id] = recent
	return len(recent)
}

func (t *Table) give(id string, d direction) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(id, d, -1)
}

// count changes how many calls a trunk has; mu is held.
func (t *Table) count(id string, d direction, n int) {
	r := t.calls[id]
	if r.add(d, n); r == (running{}) {
		delete(t.calls, id)
	} else {
		t.calls[id] = r
	}
}
