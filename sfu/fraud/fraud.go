// Package fraud is FraudGuard: it says whether a number may be dialled now, and why not.
//
// [Rules] are made once from the settings and never change; package dial holds
// the ones in force and swaps them when the settings are read again. A verdict
// is a pure function of the rules, the dial and the counters of the ledger: no
// clock, no disk, no network.
//
//	lists    may this number be called from here at all?        (lists.go)
//	types    is it of a kind that is not called, such as premium rate?
//	caps     how many were there this day, this minute, at once?
//	minutes  how much of the day's minutes and money is left, and so how long may the call be?
//
// Nothing is allowed by default. An E.164 number needs a prefix or a country
// in the allow list; an extension is inside the house and is allowed when a
// trunk carries it. What calls for help or is a directory enquiry, though it
// looks like an extension (112, 11880), is not dialled unless the allow list
// has exactly it.
package fraud

import (
	"net/netip"
	"time"

	"dialroom/shared/number"
)

// Refusals, in the words of the protocol.
const (
	NotAllowed    = "not-allowed"
	Blocked       = "blocked"
	BlockedType   = "blocked-type"
	CapDay        = "cap-day"
	CapMinute     = "cap-minute"
	CapConcurrent = "cap-concurrent"
)

// Kinds of [Asker].
const (
	Page   = "page"
	Link   = "link" // a page with a signed link; its key is the link's id
	Script = "script"
)

// leastCall is the shortest call worth placing: when less is left of the day's
// minutes or money, there is nothing left.
const leastCall = 10 * time.Second

// Asker is who wants to dial.
type Asker struct {
	Kind string // Page, Link or Script
	Key  string // id of the key, or of the link
	IP   netip.Addr
}

// Dial is what is judged.
type Dial struct {
	Number number.Number
	Room   string
	Trunk  string // the one asked for, "" for any
	Asker  Asker
	Link   bool // a valid signed link pins exactly this number
	Now    time.Time
}

// Counts are how many calls there were: of everybody, and of those who share
// something with the dial in question.
type Counts struct {
	Total  int
	IP     int // from the same Bucket
	Room   int
	Number int
	Key    int
}

// Counters are what the ledger has counted since the [Rules.Windows] began.
// Calls that run count in all of them, whenever they began.
type Counters struct {
	Day     Counts
	Minute  Counts
	Running Counts // reserved and not settled

	MinutesToday float64 // from answer, of all calls of the day together
	SpendToday   float64 // the same minutes at their prices
}

// Check is one step of a verdict, for explaining it.
type Check struct {
	Name    string  // the key of the settings, such as "fraud.per_day.ip"
	Rule    string  // of a list or of the types: the entry that matched
	Limit   float64 // of a cap; 0 is none
	Have    float64 // what counts against the limit already
	OK      bool
	Refusal string // what it is refused with when not OK
}

// Verdict is what the rules say about a dial.
type Verdict struct {
	Refusal string // empty: it may be dialled
	// Rule is the entry that decided: a prefix or a country, a type, or the key
	// of a cap. It is "" when every extension is carried, and when nothing matched.
	Rule        string
	MaxDuration time.Duration // the longest the call may be; 0 when nothing limits it
	Checks      []Check       // all of them, in order, also those behind the one that refused
	Price       float64       // of a minute, by the rates; 0 when they do not say
	Currency    string
}

// Allowed reports whether the number may be dialled.
func (v Verdict) Allowed() bool { return v.Refusal == "" }

// add appends a check; the first that is not OK is the reason of the refusal.
func (v *Verdict) add(c Check) {
	if c.OK {
		c.Refusal = ""
	} else if v.Refusal == "" {
		v.Refusal, v.Rule = c.Refusal, c.Rule
		if c.Limit > 0 {
			v.Rule = c.Name
		}
	}
	v.Checks = append(v.Checks, c)
}

// Judge says whether d may be dialled when c is what happened so far. The zero
// Number may not.
func (r *Rules) Judge(d Dial, c Counters) Verdict {
	v := Verdict{Currency: r.currency, Checks: make([]Check, 0, 24)}
	r.judgeNumber(&v, d)
	r.judgeCaps(&v, d, c)
	r.judgeLeft(&v, d, c)
	return v
}

// judgeCaps looks at what is counted in calls.
func (r *Rules) judgeCaps(v *Verdict, d Dial, c Counters) {
	limit := func(name string, limit, have int, refusal string) {
		v.add(Check{Name: name, Limit: float64(limit), Have: float64(have), OK: limit == 0 || have < limit, Refusal: refusal})
	}
	// A script asks from this host, through the bridge: its key stands for it.
	script := d.Asker.Kind == Script
	limit("fraud.concurrent.total", r.concurrent.Total, c.Running.Total, CapConcurrent)
	if !script {
		limit("fraud.concurrent.ip", r.concurrent.IP, c.Running.IP, CapConcurrent)
		limit("fraud.per_minute.ip", r.perMinute.IP, c.Minute.IP, CapMinute)
	}
	limit("fraud.per_day.total", r.perDay.Total, c.Day.Total, CapDay)
	if !script {
		limit("fraud.per_day.ip", r.perDay.IP, c.Day.IP, CapDay)
	}
	limit("fraud.per_day.room", r.perDay.Room, c.Day.Room, CapDay)
	limit("fraud.per_day.number", r.perDay.Number, c.Day.Number, CapDay)
	if !script {
		return
	}
	key := r.keys[d.Asker.Key]
	limit("keys.concurrent", key.Concurrent, c.Running.Key, CapConcurrent)
	limit("keys.per_minute", key.PerMinute, c.Minute.Key, CapMinute)
	if key.PerDay > 0 {
		limit("keys.per_day", key.PerDay, c.Day.Key, CapDay)
	} else {
		limit("fraud.per_day.key", r.perDay.Key, c.Day.Key, CapDay)
	}
}

// judgeLeft looks at minutes and money, and cuts the call to what is left of them.
func (r *Rules) judgeLeft(v *Verdict, d Dial, c Counters) {
	v.MaxDuration = r.maxDuration
	cut := func(name string, limit, have, perMinute float64) {
		longest := time.Duration(1<<63 - 1)
		if minutes := (limit - have) / perMinute; minutes < longest.Minutes() { // else the price is next to nothing
			longest = time.Duration(minutes * float64(time.Minute)).Round(time.Millisecond).Truncate(time.Second)
		}
		v.add(Check{Name: name, Limit: limit, Have: have, OK: limit == 0 || longest >= leastCall, Refusal: CapDay})
		if limit > 0 && (v.MaxDuration == 0 || longest < v.MaxDuration) {
			v.MaxDuration = max(0, longest)
		}
	}
	cut("fraud.per_day.minutes", r.perDay.Minutes, c.MinutesToday, 1)
	price, ok := r.price(d.Number)
	v.Price = price
	if r.perDay.Spend > 0 {
		v.add(Check{Name: "fraud.rates", OK: ok || d.Number.IsExtension(), Refusal: NotAllowed})
	}
	if price > 0 {
		cut("fraud.per_day.spend", r.perDay.Spend, c.SpendToday, price)
	} else { // it costs nothing
		v.add(Check{Name: "fraud.per_day.spend", Limit: r.perDay.Spend, Have: c.SpendToday, OK: true})
	}
}

// Exhausted reports whether the day's minutes or money are used up, so that
// the calls that run must end now: each was cut to what was left when it
// began, and together they use that up sooner.
func (r *Rules) Exhausted(c Counters) bool {
	return r.perDay.Minutes > 0 && c.MinutesToday >= r.perDay.Minutes ||
		r.perDay.Spend > 0 && c.SpendToday >= r.perDay.Spend
}

// Bucket names the client an address stands for: an IPv4 address itself, of
// IPv6 the /64 in which one client picks its addresses (RFC 4291 §2.5.4, RFC
// 8981). The zero Addr is "".
func Bucket(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if !ip.Is6() {
		if !ip.IsValid() {
			return ""
		}
		return ip.String()
	}
	p, err := ip.Prefix(64)
	if err != nil {
		return "" // cannot be: 64 bits are in every IPv6 address
	}
	return p.String()
}
