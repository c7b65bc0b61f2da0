package fraud

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"dialroom/shared/number"
)

// Settings are what rules are made of. Caps of 0 are none.
type Settings struct {
	// Allow and Block are the prefixes and countries that may be dialled, and
	// that may not: "+49", "+" for every E.164 number, digits without "+" for
	// extensions, "DE". The closest of both lists decides, a tie refuses.
	Allow, Block []string
	// BlockTypes are the types that are not dialled, whatever the lists say.
	BlockTypes []string
	// Carried are the prefixes of all trunks. Those without "+" say which
	// extensions exist somewhere: "" is all of them, "6" is 6, 61, 610 …
	Carried []string
	// Own are the virtual numbers, which lead back to a room here.
	Own []string

	PerDay      PerDay
	PerMinute   PerMinute
	Concurrent  Concurrent
	Keys        map[string]Key // by id
	Rates       []Rate
	MaxDuration time.Duration // of any call; 0: no limit here
	TimeZone    string        // in which a day begins; "" is UTC
	HomeRegion  string        // whose short numbers for help are known too; "" is none

	RequireSigned bool // a page needs a signed link
}

// PerDay are the caps of one day.
type PerDay struct {
	Total, IP, Room, Number int     // calls
	Key                     int     // calls of each key that has no cap of its own
	Minutes                 float64 // of all calls together
	Spend                   float64 // of all calls together, in the currency of the rates
}

// PerMinute are the caps of one minute.
type PerMinute struct{ IP int }

// Concurrent are the caps of calls that run at the same time.
type Concurrent struct{ Total, IP int }

// Key is what one script's key may do.
type Key struct {
	Allow      []string // what it may dial of what may be dialled; empty is all of it
	PerDay     int
	PerMinute  int
	Concurrent int
}

// Rules decide about dials. They are safe for concurrent use.
type Rules struct {
	allow, block  *list
	blockTypes    []number.Type
	extensions    []string // prefixes
	own           map[string]bool
	perDay        PerDay
	perMinute     PerMinute
	concurrent    Concurrent
	keys          map[string]key
	rates         map[string]float64
	longestRate   int // in bytes
	currency      string
	maxDuration   time.Duration
	zone          *time.Location
	homeRegion    string
	requireSigned bool
}

type key struct {
	Key
	allow *list // nil: all
}

// New checks the settings and makes rules of them. An error names the entry
// that makes no sense.
func New(s Settings) (*Rules, error) {
	r := &Rules{own: map[string]bool{}, keys: map[string]key{}, perDay: s.PerDay, perMinute: s.PerMinute,
		concurrent: s.Concurrent, maxDuration: s.MaxDuration, homeRegion: s.HomeRegion, requireSigned: s.RequireSigned}
	if err := s.negative(); err != nil {
		return nil, err
	}
	var err error
	if r.allow, err = newList("allow", s.Allow); err != nil {
		return nil, err
	}
	if r.block, err = newList("block", s.Block); err != nil {
		return nil, err
	}
	for i, t := range s.BlockTypes {
		if !slices.Contains(number.BlockableTypes(), t) {
			return nil, fmt.Errorf("block_types[%d]: there is no type %q", i, t)
		}
		r.blockTypes = append(r.blockTypes, number.Type(t))
	}
	for i, p := range s.Carried {
		if !isPrefix(p) {
			return nil, fmt.Errorf("carried[%d]: expected a prefix, got %q", i, p)
		}
		if !strings.HasPrefix(p, "+") {
			r.extensions = append(r.extensions, p)
		}
	}
	for i, own := range s.Own {
		n, err := number.Parse(own, "")
		if err != nil {
			return nil, fmt.Errorf("own[%d]: %w", i, err)
		}
		r.own[n.String()] = true
	}
	for id, k := range s.Keys {
		one := key{Key: k}
		if len(k.Allow) > 0 {
			if one.allow, err = newList("keys."+id+".allow", k.Allow); err != nil {
				return nil, err
			}
		}
		r.keys[id] = one
	}
	if err := r.setRates(s.Rates); err != nil {
		return nil, err
	}
	if s.PerDay.Spend > 0 && len(s.Rates) == 0 {
		return nil, errors.New("per_day.spend: expected rates, without which there are no prices")
	}
	if s.HomeRegion != "" && !number.IsRegion(s.HomeRegion) {
		return nil, fmt.Errorf("home_region: there is no region %q", s.HomeRegion)
	}
	if r.zone, err = time.LoadLocation(s.TimeZone); err != nil {
		return nil, fmt.Errorf("time_zone: %w", err)
	}
	return r, nil
}

// HasKey reports whether id is that of a script's key.
func (r *Rules) HasKey(id string) bool {
	_, ok := r.keys[id]
	return ok
}

// negative finds what is below zero.
func (s *Settings) negative() error {
	below := func(name string, values ...float64) error {
		for _, v := range values {
			if !(v >= 0) { // also NaN
				return fmt.Errorf("%s: expected 0 or more, got %v", name, v)
			}
		}
		return nil
	}
	day := s.PerDay
	err := errors.Join(
		below("per_day", float64(day.Total), float64(day.IP), float64(day.Room), float64(day.Number), float64(day.Key), day.Minutes, day.Spend),
		below("per_minute", float64(s.PerMinute.IP)),
		below("concurrent", float64(s.Concurrent.Total), float64(s.Concurrent.IP)),
		below("max_duration", s.MaxDuration.Seconds()))
	for id, k := range s.Keys {
		err = errors.Join(err, below("keys."+id, float64(k.PerDay), float64(k.PerMinute), float64(k.Concurrent)))
	}
	return err
}
