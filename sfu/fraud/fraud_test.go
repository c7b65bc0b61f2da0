package fraud

import (
	"net/netip"
	"testing"
	"time"

	"dialroom/shared/number"
)

func parse(t testing.TB, raw string) number.Number {
	t.Helper()
	n, err := number.Parse(raw, "")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings Settings
		number   string
		want     Verdict
	}{
		{"nothing is allowed by default", Settings{}, "+4930123456", Verdict{Refusal: NotAllowed}},
		{"a trunk that carries everything allows no number", Settings{Carried: []string{"+", ""}}, "+4930123456", Verdict{Refusal: NotAllowed}},
		{"a prefix allows what it begins", Settings{Allow: []string{"+49"}}, "+4930123456", Verdict{Rule: "+49"}},
		{"a prefix allows nothing else", Settings{Allow: []string{"+49"}}, "+4830123456", Verdict{Refusal: NotAllowed}},
		{"the whole number is a prefix", Settings{Allow: []string{"+4930123456"}}, "+4930123456", Verdict{Rule: "+4930123456"}},
		{"a prefix longer than the number", Settings{Allow: []string{"+49301234567"}}, "+4930123456", Verdict{Refusal: NotAllowed}},
		{"plus is every E.164 number", Settings{Allow: []string{"+"}}, "+99999123456", Verdict{Rule: "+"}},
		{"plus is no extension", Settings{Allow: []string{"+"}}, "610", Verdict{Refusal: NotAllowed}},
		{"the longest prefix is named", Settings{Allow: []string{"+", "+4930", "+49"}}, "+4930123456", Verdict{Rule: "+4930"}},
		{"no extension without a trunk that carries it", Settings{Carried: []string{"+"}}, "610", Verdict{Refusal: NotAllowed}},
		{"an extension on a trunk for all of them", Settings{Carried: []string{"+", ""}}, "610", Verdict{}},
		{"an extension on a trunk for its prefix", Settings{Carried: []string{"6"}}, "610", Verdict{Rule: "6"}},
		{"an extension beside a trunk's prefix", Settings{Carried: []string{"7"}}, "610", Verdict{Refusal: NotAllowed}},
		{"digits in the allow list are extensions", Settings{Allow: []string{"61"}}, "610", Verdict{Rule: "61"}},
		{"digits in the allow list are no country code", Settings{Allow: []string{"49"}}, "+4930123456", Verdict{Refusal: NotAllowed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rules, err := New(c.settings)
			if err != nil {
				t.Fatal(err)
			}
			got := rules.Judge(Dial{Number: parse(t, c.number)}, Counters{})
			if got.Refusal != c.want.Refusal || got.Rule != c.want.Rule {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestNoNumberIsNotAllowed(t *testing.T) {
	rules, err := New(Settings{Allow: []string{"+"}, Carried: []string{""}})
	if err != nil {
		t.Fatal(err)
	}
	if v := rules.Judge(Dial{Link: true}, Counters{}); v.Allowed() {
		t.Errorf("got %+v", v)
	}
}

func TestWhatIsNoPrefixIsAnError(t *testing.T) {
	for _, s := range []Settings{
		{Allow: []string{""}},
		{Allow: []string{"+49", "49 30"}},
		{Allow: []string{"*"}},
		{Allow: []string{"++49"}},
		{Carried: []string{"+49x"}},
	} {
		if _, err := New(s); err == nil {
			t.Errorf("New(%+v) has no error", s)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	rules, err := New(Settings{Allow: []string{"US", "CA", "DE", "+4179"}, Block: []string{"+4918", "JM", "RU"}, Carried: []string{"+", "6"},
		BlockTypes: []string{"premium_rate", "shared_cost", "personal", "uan", "satellite"}, MaxDuration: time.Hour,
		PerDay: PerDay{Total: 200, IP: 10, Room: 5, Number: 5, Key: 50, Minutes: 600, Spend: 20}, PerMinute: PerMinute{IP: 3}, Concurrent: Concurrent{Total: 20, IP: 2},
		Rates: []Rate{{"+1", 0.01, "EUR"}, {"+49", 0.02, "EUR"}}})
	if err != nil {
		b.Fatal(err)
	}
	d := Dial{Number: parse(b, "+16135550123"), Room: "sales", Asker: Asker{Kind: Page, IP: netip.MustParseAddr("192.0.2.7")}, Now: time.Now()}
	counted := Counters{MinutesToday: 3, SpendToday: 1}
	b.Run("verdict", func(b *testing.B) {
		for b.Loop() {
			if v := rules.Judge(d, counted); !v.Allowed() {
				b.Fatal(v)
			}
		}
	})
	b.Run("with reading the number", func(b *testing.B) {
		for b.Loop() {
			d := d
			d.Number = parse(b, "+49 (0)30 123456")
			if v := rules.Judge(d, counted); !v.Allowed() {
				b.Fatal(v)
			}
		}
	})
}
