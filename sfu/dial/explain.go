package dial

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/sfu/room"
	"dialroom/shared/number"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// This file answers questions about dials that nobody places. It goes through
// the steps of accept that only look, and changes nothing.

// Question is a dial to explain.
type Question struct {
	Number, Trunk, Room string
	Key                 string     // id of a script's key; "" when a page asks
	IP                  netip.Addr // of the page; zero when it does not matter
	Link                string     // token of a signed link
}

// Explanation is what would become of a dial, and why.
type Explanation struct {
	Number      string       `json:"number"`       // canonical, "" when it is none
	Type        string       `json:"type"`         // see number.Type
	Region      string       `json:"region"`       // ISO code of the country, "001" for global networks, "" for none
	Verdict     string       `json:"verdict"`      // Allowed or Refused
	Reason      string       `json:"reason"`       // a wire.Refusal, or wire.NoTrunk
	Text        string       `json:"text"`         // the same in words, as a visitor sees it
	Rule        string       `json:"rule"`         // what decided
	MaxDuration int          `json:"max_duration"` // seconds from answer that the call would get
	Price       float64      `json:"price"`        // of a minute
	Currency    string       `json:"currency"`
	Checks      []Check      `json:"checks"`
	Inside      bool         `json:"inside"` // a number of the house: no trunk is needed
	Trunks      []wire.Trunk `json:"trunks"` // that could carry it, in the order they would be tried
}

// Verdicts of an Explanation.
const (
	Allowed = "allowed"
	Refused = "refused"
)

// Check is one rule or cap.
type Check struct {
	Name    string  `json:"name"`    // the key of the settings
	Rule    string  `json:"rule"`    // the entry of a list that matched
	Counted bool    `json:"counted"` // it is a cap: Have counts against Limit
	Limit   float64 `json:"limit"`   // 0 is none
	Have    float64 `json:"have"`
	OK      bool    `json:"ok"`
	Refusal string  `json:"refusal"`
}

// Usage is what counts against the caps of everybody.
type Usage struct {
	DaySince time.Time `json:"day_since"`
	Caps     []Check   `json:"caps"`
}

func checksOf(checks []fraud.Check) []Check {
	list := make([]Check, 0, len(checks))
	for _, c := range checks {
		list = append(list, Check{Name: c.Name, Rule: c.Rule, Counted: isCap(c.Name), Limit: c.Limit, Have: c.Have, OK: c.OK, Refusal: c.Refusal})
	}
	return list
}

func isCap(name string) bool {
	return strings.Contains(name, ".per_") || strings.Contains(name, ".concurrent")
}

// ErrUnknownKey is returned for a question about a key that no script has: its
// requests are not answered at all.
var ErrUnknownKey = errors.New("no script has this key")

// Explain says what would become of a dial and why. It counts nothing, dials
// nothing and asks the bridge for its trunks only. Errors: ErrUnknownKey.
func (s *Service) Explain(ctx context.Context, q Question) (Explanation, error) {
	e := Explanation{Verdict: Allowed, Checks: []Check{}, Trunks: []wire.Trunk{}}
	policy := s.policy.Load()
	o := &order{asker: ledger.Asker{Kind: fraud.Page, IP: q.IP, Bucket: fraud.Bucket(q.IP)}, room: q.Room, number: q.Number, trunk: q.Trunk, token: q.Link}
	if q.Key != "" {
		if policy.Rules != nil && !policy.Rules.HasKey(q.Key) {
			return e, ErrUnknownKey
		}
		o.asker = ledger.Asker{Kind: fraud.Script, Key: q.Key}
	}
	if q.Link != "" {
		if link, err := s.cfg.Links.Parse(q.Link); err == nil {
			o.visitor = link.Name // nobody asks here who could have another
		}
	}
	refusal := s.read(o, policy)
	e.Number, e.Type, e.Region = o.canonical, string(o.parsed.Type()), o.parsed.Region()
	if refusal == "" && o.link != nil {
		refusal = s.linkRefusal(ctx, o.link.ID, o.link.Uses)
	}
	if refusal != "" {
		e.refuse(refusal, "")
	}
	if o.canonical == "" || policy.Rules == nil {
		return e, nil
	}
	now := s.now()
	counted, err := s.cfg.Ledger.Count(ctx, o.reservation("", q.Room, now), since(policy.Rules, now))
	if err != nil {
		s.log.Error("nothing counted to explain a dial by", "error", err)
		e.refuse(string(wire.GuardUnavailable), "")
	}
	v := policy.Rules.Judge(o.dial(now), countersOf(counted))
	e.Checks, e.Price, e.Currency = checksOf(v.Checks), v.Price, v.Currency
	if e.Verdict == Allowed {
		e.Rule, e.MaxDuration = v.Rule, int(v.MaxDuration/time.Second)
	}
	if !v.Allowed() {
		e.refuse(v.Refusal, v.Rule)
	}
	if refusal != string(wire.BadTrunk) {
		s.explainTrunks(ctx, &e, o)
	}
	return e, nil
}

// refuse makes a refusal of the explanation; the first one stands.
func (e *Explanation) refuse(reason, rule string) {
	if e.Verdict == Refused {
		return
	}
	e.Verdict, e.Reason, e.Text, e.Rule, e.MaxDuration = Refused, reason, wire.Words(reason), rule, 0
}

// explainTrunks asks the bridge which trunks could carry the number.
func (s *Service) explainTrunks(ctx context.Context, e *Explanation, o *order) {
	ctx, cancel := context.WithTimeout(ctx, hangupTimeout)
	defer cancel()
	query := url.Values{"number": {o.canonical}}
	if o.trunk != "" {
		query.Set("trunk", o.trunk)
	}
	var answer wire.Trunks
	err := s.cfg.Bridge.Do(ctx, http.MethodGet, wire.PathTrunks+"?"+query.Encode(), nil, &answer)
	if err != nil {
		e.refuse(trunkRefusal(err), "")
		return
	}
	e.Inside, e.Trunks = answer.Inside, append(e.Trunks, answer.Trunks...)
	full := !e.Inside
	for _, t := range e.Trunks {
		full = full && t.State != "up"
		if t.State == "up" && t.MaxDuration > 0 && e.MaxDuration > 0 {
			e.MaxDuration = min(e.MaxDuration, t.MaxDuration) // that of the trunk it would take
		}
		if t.State == "up" {
			break
		}
	}
	if full {
		e.refuse(string(wire.NoTrunk), "")
	}
}

// trunkRefusal says why the bridge has no trunk.
func trunkRefusal(err error) string {
	var status *sign.StatusError
	var body wire.Error
	if errors.As(err, &status) && json.Unmarshal(status.Body, &body) == nil && body.Reason != "" {
		return body.Reason
	}
	return string(wire.BridgeLost)
}

// Counters returns what counts against the caps of everybody.
func (s *Service) Counters(ctx context.Context) (Usage, error) {
	rules, now := s.policy.Load().Rules, s.now()
	if rules == nil {
		return Usage{}, errors.New("there are no rules")
	}
	periods := since(rules, now)
	counted, err := s.cfg.Ledger.Count(ctx, ledger.Reservation{At: now}, periods)
	if err != nil {
		return Usage{}, err
	}
	u := Usage{DaySince: periods.Day.UTC(), Caps: []Check{}}
	for _, c := range checksOf(rules.Judge(fraud.Dial{Now: now}, countersOf(counted)).Checks) {
		switch c.Name {
		case "fraud.concurrent.total", "fraud.per_day.total", "fraud.per_day.minutes", "fraud.per_day.spend":
			u.Caps = append(u.Caps, c)
		}
	}
	return u, nil
}

// Canonical brings a number into its one spelling, as a dial would. Errors are
// those of package number.
func (s *Service) Canonical(raw string) (string, error) {
	n, err := number.Parse(raw, s.policy.Load().HomeRegion)
	return n.String(), err
}

// LinkBook knows what became of links; *ledger.Ledger does.
type LinkBook interface {
	Link(ctx context.Context, id string) (ledger.Link, error)
}

// linkRefusal looks up whether a genuine link was revoked or is used up. uses is
// 0 when that does not matter.
func (s *Service) linkRefusal(ctx context.Context, id string, uses int) string {
	if s.cfg.LinkBook == nil {
		return ""
	}
	l, err := s.cfg.LinkBook.Link(ctx, id)
	switch {
	case errors.Is(err, ledger.ErrUnknownLink):
		return "" // minted elsewhere with the same secret
	case err != nil:
		s.log.Error("link not looked up", "link", id, "error", err)
		return string(wire.GuardUnavailable)
	case !l.Revoked.IsZero():
		return string(wire.LinkInvalid)
	case uses > 0 && l.Used >= uses:
		return string(wire.LinkUsed)
	}
	return ""
}

// Admit says what somebody with this link token is to a room, or why the link
// does not open it. A link whose calls are used up still does: its uses are
// calls. Errors: *RefusedError, room.ErrName.
func (s *Service) Admit(ctx context.Context, rawRoom, token string) (room.Role, error) {
	name, err := room.CleanName(rawRoom)
	if err != nil {
		return "", err
	}
	l, err := s.cfg.Links.Parse(token)
	refusal := ""
	switch {
	case err != nil || !l.Opens(name):
		refusal = string(wire.LinkInvalid)
	case l.Expired(s.now()):
		refusal = string(wire.LinkExpired)
	default:
		refusal = s.linkRefusal(ctx, l.ID, 0)
	}
	if refusal != "" {
		s.log.Info("the link does not open the room", "room", name, "reason", refusal, "link", l.ID)
		return "", &RefusedError{refusal}
	}
	if l.Owner {
		return room.Owner, nil
	}
	return room.Guest, nil
}
