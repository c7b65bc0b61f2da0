package fraud

import (
	"fmt"
	"strings"

	"dialroom/shared/number"
)

// judgeNumber looks at the lists and the types: may this number be called
// from here at all?
func (r *Rules) judgeNumber(v *Verdict, d Dial) {
	n := d.Number
	allowed, allowRank := r.allow.match(n, false)
	blocked, blockRank := r.block.match(n, true)
	v.add(Check{Name: "fraud.block", Rule: blocked, OK: blockRank == 0 || allowRank > blockRank, Refusal: Blocked})

	kind := r.blockedType(n)
	v.add(Check{Name: "fraud.block_types", Rule: kind, OK: kind == "", Refusal: BlockedType})

	ok := allowRank > 0
	switch {
	case ok:
	case d.Link && n != (number.Number{}):
		allowed, ok = Link, true
	case r.own[n.String()]:
		allowed, ok = n.String(), true
	case n.IsExtension():
		allowed, ok = longest(r.extensions, n.String())
	}
	v.add(Check{Name: "fraud.allow", Rule: allowed, OK: ok, Refusal: NotAllowed})
	if v.Refusal == "" {
		v.Rule = allowed
	}
	if key := r.keys[d.Asker.Key]; d.Asker.Kind == Script && key.allow != nil {
		allowed, rank := key.allow.match(n, false)
		v.add(Check{Name: "keys.allow", Rule: allowed, OK: rank > 0, Refusal: NotAllowed})
	}
	if r.requireSigned && d.Asker.Kind != Script {
		v.add(Check{Name: "links.require_signed", OK: d.Link, Refusal: NotAllowed})
	}
}

// blockedType returns the type for which n is refused, or "".
func (r *Rules) blockedType(n number.Number) string {
	for _, t := range r.blockTypes {
		if n.Is(t) {
			return string(t)
		}
	}
	switch {
	case r.allow.has(n.String()), r.own[n.String()]:
		return "" // the operator named it: there it is a desk, or what it says
	case n.Is(number.ShortNumber):
		return string(number.ShortNumber)
	case n.IsEmergency(r.homeRegion):
		return "emergency"
	case n.IsCostlyShort():
		return "directory_enquiries"
	}
	return ""
}

// list is an allow or a block list.
type list struct {
	prefixes  map[string]bool
	longest   int // in bytes
	countries []country
}

// country is an entry such as DE, which is its country code, or US, which is a
// part of the numbers with its country code.
type country struct {
	iso    string
	code   string // "+1"
	shared bool   // other countries have it too
}

// newList makes a list of prefixes and ISO codes.
func newList(name string, entries []string) (*list, error) {
	l := &list{prefixes: map[string]bool{}}
	for i, e := range entries {
		if number.IsRegion(e) {
			c := country{iso: e}
			c.code, c.shared = number.CallingCode(e)
			l.countries = append(l.countries, c)
			continue
		}
		if e == "" || !isPrefix(e) {
			return nil, fmt.Errorf("%s[%d]: expected a prefix such as \"+49\", \"+\" for every number, or a country such as DE, got %q", name, i, e)
		}
		l.prefixes[e] = true
		l.longest = max(l.longest, len(e))
	}
	return l, nil
}

// has reports whether the list has exactly this entry.
func (l *list) has(entry string) bool { return l.prefixes[entry] }

// match returns the entry that fits n most closely, and how closely: 0 is not
// at all, a longer prefix is more than a shorter one. A country is as close as
// its country code, and closer when it has only a part of that code's numbers.
//
// With suspect, a number in no numbering plan is of every country it could
// belong to; otherwise of none when they share a country code.
func (l *list) match(n number.Number, suspect bool) (entry string, rank int) {
	s := n.String()
	for i := min(len(s), l.longest); i > 0; i-- {
		if l.prefixes[s[:i]] {
			entry, rank = s[:i], 2*i
			break
		}
	}
	for _, c := range l.countries {
		fits := strings.HasPrefix(s, c.code)
		r := 2 * len(c.code)
		if c.shared {
			fits = fits && (n.Region() == c.iso || suspect && n.Region() == "")
			r++
		}
		if fits && r > rank {
			entry, rank = c.iso, r
		}
	}
	return entry, rank
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
