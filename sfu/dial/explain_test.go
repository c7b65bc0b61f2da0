package dial

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/sfu/room"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// trunkBridge knows trunks and takes nothing else.
type trunkBridge struct {
	t      *testing.T
	trunks []wire.Trunk
	inside bool
	err    error
	asked  string
}

func (b *trunkBridge) Do(_ context.Context, method, path string, in, out any) error {
	if method != http.MethodGet || in != nil {
		b.t.Errorf("explaining sent %s %s", method, path)
	}
	b.asked = path
	if b.err == nil {
		*out.(*wire.Trunks) = wire.Trunks{Trunks: b.trunks, Inside: b.inside}
	}
	return b.err
}

// linkShelf is what became of links.
type linkShelf map[string]ledger.Link

func (s linkShelf) Link(_ context.Context, id string) (ledger.Link, error) {
	l, ok := s[id]
	if !ok {
		return l, ledger.ErrUnknownLink
	}
	if l.Room == "broken" {
		return l, errors.New("disk full")
	}
	return l, nil
}

// asking is a Service that only answers questions.
type asking struct {
	*Service
	ledger *fakeLedger
	bridge *trunkBridge
	shelf  linkShelf
}

func newAsking(t *testing.T, s fraud.Settings) *asking {
	t.Helper()
	a := &asking{ledger: &fakeLedger{open: map[string]bool{}}, shelf: linkShelf{}, bridge: &trunkBridge{t: t, trunks: []wire.Trunk{
		{ID: "tr_full", State: "full", MaxDuration: 10}, {ID: "tr_1", State: "up", MaxDuration: 600}, {ID: "tr_2", State: "up", MaxDuration: 60}}}}
	rooms := room.New(room.Config{})
	a.Service = New(Config{Rooms: rooms, NewLeg: func(string) Leg { t.Error("explaining made a leg"); return nil }, Ledger: a.ledger, Bridge: a.bridge,
		Links: links.NewSigner(linkSecret), LinkBook: a.shelf, Policy: Policy{Rules: rules(t, s), HomeRegion: "DE"}})
	t.Cleanup(func() { a.Close(); rooms.Close() })
	return a
}

func token(t *testing.T, l links.Link) string {
	t.Helper()
	text, err := links.NewSigner(linkSecret).Mint(l)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestExplain(t *testing.T) {
	status := func(code int, body wire.Error) error {
		b, _ := json.Marshal(body)
		return &sign.StatusError{Status: code, Body: b}
	}
	link := links.Link{ID: links.NewID(), Room: "r", Number: phoneNumber, Name: "Ada", Uses: 2}
	german := fraud.Settings{Allow: []string{"DE"}, Block: []string{"+491"}, BlockTypes: []string{"premium_rate"}, MaxDuration: time.Hour, PerDay: fraud.PerDay{IP: 10}, Carried: []string{"610"}, Keys: map[string]fraud.Key{"crm": {}}}
	for _, tc := range []struct {
		name    string
		q       Question
		edit    func(*asking)
		reason  string
		rule    string
		longest int
	}{
		{"a number that may be dialled", Question{Number: "030 123456"}, nil, "", "DE", 600},
		{"by a trunk of its own", Question{Number: phoneNumber, Trunk: "tr_2"}, func(a *asking) { a.bridge.trunks = a.bridge.trunks[2:] }, "", "DE", 60},
		{"no number", Question{Number: "nobody"}, nil, "bad-number", "", 0},
		{"a trunk that cannot be one", Question{Number: phoneNumber, Trunk: "a b"}, nil, "bad-trunk", "", 0},
		{"another country", Question{Number: "+12125550123"}, nil, "not-allowed", "", 0},
		{"a blocked prefix", Question{Number: "+4915112345678"}, nil, "blocked", "+491", 0},
		{"a type that is not called", Question{Number: "+499001234567"}, nil, "blocked-type", "premium_rate", 0},
		{"a cap", Question{Number: phoneNumber, IP: netip.MustParseAddr("192.0.2.7")}, func(a *asking) { a.ledger.counters.Day.IP = 10 }, "cap-day", "fraud.per_day.ip", 0},
		{"a cap that a script does not have", Question{Number: phoneNumber, Key: "crm"}, func(a *asking) { a.ledger.counters.Day.IP = 10 }, "", "DE", 600},
		{"a ledger that cannot be read", Question{Number: phoneNumber}, func(a *asking) { a.ledger.broken = true }, "guard-unavailable", "", 0},
		{"no rules", Question{Number: phoneNumber}, func(a *asking) { a.SetPolicy(Policy{}) }, "guard-unavailable", "", 0},
		{"no trunk for it", Question{Number: phoneNumber}, func(a *asking) { a.bridge.err = status(503, wire.Error{Reason: "no-trunk"}) }, "no-trunk", "", 0},
		{"a trunk that does not exist", Question{Number: phoneNumber, Trunk: "tr_x"}, func(a *asking) { a.bridge.err = status(404, wire.Error{Reason: "bad-trunk"}) }, "bad-trunk", "", 0},
		{"every trunk at a limit", Question{Number: phoneNumber}, func(a *asking) { a.bridge.trunks = a.bridge.trunks[:1] }, "no-trunk", "", 0},
		{"a number of the house", Question{Number: "610"}, func(a *asking) { a.bridge.trunks, a.bridge.inside = nil, true }, "", "610", 3600},
		{"a desk phone that is not there", Question{Number: "610"}, func(a *asking) { a.bridge.err = status(503, wire.Error{Reason: "unreachable"}) }, "unreachable", "", 0},
		{"no bridge", Question{Number: phoneNumber}, func(a *asking) { a.bridge.err = errDown }, "bridge-lost", "", 0},
		{"a link", Question{Number: phoneNumber, Room: "r", Link: token(t, link)}, nil, "", "DE", 600},
		{"a link of another room", Question{Number: phoneNumber, Room: "x", Link: token(t, link)}, nil, "link-invalid", "", 0},
		{"a link that is used up", Question{Number: phoneNumber, Room: "r", Link: token(t, link)}, func(a *asking) { a.shelf[link.ID] = ledger.Link{Used: 2} }, "link-used", "", 0},
		{"a link that was revoked", Question{Number: phoneNumber, Room: "r", Link: token(t, link)}, func(a *asking) { a.shelf[link.ID] = ledger.Link{Revoked: time.Now()} }, "link-invalid", "", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := newAsking(t, german)
			if tc.edit != nil {
				tc.edit(a)
			}
			e, err := a.Explain(t.Context(), tc.q)
			verdict := Allowed
			if tc.reason != "" {
				verdict = Refused
			}
			if err != nil || e.Verdict != verdict || e.Reason != tc.reason || e.Rule != tc.rule || e.MaxDuration != tc.longest || (e.Text == "") != (tc.reason == "") {
				t.Errorf("%+v, %v", e, err)
			}
			if len(a.ledger.reserved)+len(a.ledger.refusals) > 0 {
				t.Error("explaining was written down")
			}
			if e.Number == phoneNumber && a.bridge.asked != "" && !strings.HasPrefix(a.bridge.asked, wire.PathTrunks+"?number=%2B4930123456") {
				t.Errorf("asked the bridge %s", a.bridge.asked)
			}
		})
	}
}

func TestAKeyThatNoScriptHasIsNotExplainedAsIfItMightDial(t *testing.T) {
	a := newAsking(t, lenient())
	if e, err := a.Explain(t.Context(), Question{Number: phoneNumber, Key: "crn"}); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestCountersOfEverybody(t *testing.T) {
	a := newAsking(t, fraud.Settings{PerDay: fraud.PerDay{Total: 200, Minutes: 600}, Concurrent: fraud.Concurrent{Total: 20}})
	a.ledger.counters = ledger.Counters{Day: ledger.Counts{Total: 7}, Running: ledger.Counts{Total: 2}, MinutesToday: 12.5}
	u, err := a.Counters(t.Context())
	got := map[string]float64{}
	for _, c := range u.Caps {
		got[c.Name] = c.Have
	}
	if err != nil || got["fraud.per_day.total"] != 7 || got["fraud.concurrent.total"] != 2 || got["fraud.per_day.minutes"] != 12.5 || u.DaySince.IsZero() {
		t.Errorf("%+v, %v", u, err)
	}
	a.ledger.broken = true
	if _, err := a.Counters(t.Context()); err == nil {
		t.Error("counted without a ledger")
	}
}

func TestAdmit(t *testing.T) {
	a := newAsking(t, lenient())
	now := time.Now().Truncate(time.Second)
	good := links.Link{ID: links.NewID(), Room: "r", Uses: 1, Number: phoneNumber}
	late := links.Link{ID: links.NewID(), Room: "r", Expires: now}
	revoked := links.Link{ID: links.NewID(), Room: "r"}
	broken := links.Link{ID: links.NewID(), Room: "r"}
	every := links.Link{ID: links.NewID(), Room: "r*"}
	a.shelf[good.ID] = ledger.Link{Used: 1}
	a.shelf[revoked.ID] = ledger.Link{Revoked: now}
	a.shelf[broken.ID] = ledger.Link{Room: "broken"}
	owner := good
	owner.Owner = true
	for _, tc := range []struct{ name, room, token, want string }{
		{"a good link, its calls used up", " r ", token(t, good), "guest"},
		{"a link for every room that begins so", "r2", token(t, every), "guest"},
		{"an owner's link", "r", token(t, owner), "owner"},
		{"an owner's link to another room", "x", token(t, owner), "link-invalid"},
		{"no link", "r", "", "link-invalid"},
		{"another room", "x", token(t, good), "link-invalid"},
		{"expired", "r", token(t, late), "link-expired"},
		{"revoked", "r", token(t, revoked), "link-invalid"},
		{"a ledger that cannot be read", "r", token(t, broken), "guard-unavailable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			role, err := a.Admit(t.Context(), tc.room, tc.token)
			got := string(role)
			if refused := (*RefusedError)(nil); errors.As(err, &refused) {
				got += refused.Reason
			}
			if got != tc.want {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
	if _, err := a.Admit(t.Context(), " ", token(t, good)); !errors.Is(err, room.ErrName) {
		t.Errorf("no room: %v", err)
	}
}
