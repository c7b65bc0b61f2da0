package trunk

import (
	"errors"
	"iter"
	"net/netip"
	"slices"
	"sort"
	"sync"
	"time"

	"dialroom/shared/wire"
)

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
