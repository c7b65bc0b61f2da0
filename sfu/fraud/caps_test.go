package fraud

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// everyCap is a rule set in which each cap has a number of its own.
var everyCap = Settings{
	Allow: []string{"+"}, MaxDuration: 2 * time.Hour,
	PerDay:     PerDay{Total: 100, IP: 10, Room: 8, Number: 7, Key: 9, Minutes: 60, Spend: 3},
	PerMinute:  PerMinute{IP: 3},
	Concurrent: Concurrent{Total: 20, IP: 2},
	Keys:       map[string]Key{"own": {PerDay: 50, PerMinute: 5, Concurrent: 4}},
	Rates:      []Rate{{"+", 1, "EUR"}, {"+49", 0.1, "EUR"}, {"+4989", 0, "EUR"}},
}

func TestEachCapLetsInWhatFitsAndRefusesTheNext(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    string
		key     string
		last    Counters // the most that lets one more in
		full    Counters
		refusal string
		rule    string
	}{
		{"calls of the day", Page, "", Counters{Day: Counts{Total: 99}}, Counters{Day: Counts{Total: 100}}, CapDay, "fraud.per_day.total"},
		{"calls of the day, more than full", Page, "", Counters{}, Counters{Day: Counts{Total: 1000}}, CapDay, "fraud.per_day.total"},
		{"of a client", Page, "", Counters{Day: Counts{IP: 9}}, Counters{Day: Counts{IP: 10}}, CapDay, "fraud.per_day.ip"},
		{"of a room", Script, "x", Counters{Day: Counts{Room: 7}}, Counters{Day: Counts{Room: 8}}, CapDay, "fraud.per_day.room"},
		{"of a number", Link, "x", Counters{Day: Counts{Number: 6}}, Counters{Day: Counts{Number: 7}}, CapDay, "fraud.per_day.number"},
		{"of a key", Script, "x", Counters{Day: Counts{Key: 8}}, Counters{Day: Counts{Key: 9}}, CapDay, "fraud.per_day.key"},
		{"of a key with its own cap", Script, "own", Counters{Day: Counts{Key: 49}}, Counters{Day: Counts{Key: 50}}, CapDay, "keys.per_day"},
		{"of a key in a minute", Script, "own", Counters{Minute: Counts{Key: 4}}, Counters{Minute: Counts{Key: 5}}, CapMinute, "keys.per_minute"},
		{"of a key at once", Script, "own", Counters{Running: Counts{Key: 3}}, Counters{Running: Counts{Key: 4}}, CapConcurrent, "keys.concurrent"},
		{"of a client in a minute", Page, "", Counters{Minute: Counts{IP: 2}}, Counters{Minute: Counts{IP: 3}}, CapMinute, "fraud.per_minute.ip"},
		{"calls at once", Script, "x", Counters{Running: Counts{Total: 19}}, Counters{Running: Counts{Total: 20}}, CapConcurrent, "fraud.concurrent.total"},
		{"of a client at once", Link, "x", Counters{Running: Counts{IP: 1}}, Counters{Running: Counts{IP: 2}}, CapConcurrent, "fraud.concurrent.ip"},
		{"minutes of the day", Page, "", Counters{MinutesToday: 59.5}, Counters{MinutesToday: 60}, CapDay, "fraud.per_day.minutes"},
		{"minutes that are hardly any", Page, "", Counters{MinutesToday: 59.5}, Counters{MinutesToday: 59.9}, CapDay, "fraud.per_day.minutes"},
		{"money of the day", Page, "", Counters{SpendToday: 2.9}, Counters{SpendToday: 3.5}, CapDay, "fraud.per_day.spend"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRules(t, everyCap)
			d := Dial{Number: parse(t, "+4930123456"), Asker: Asker{Kind: c.kind, Key: c.key}, Link: c.kind == Link}
			if v := r.Judge(d, c.last); !v.Allowed() {
				t.Errorf("the last that fits: %+v", v)
			}
			if v := r.Judge(d, c.full); v.Refusal != c.refusal || v.Rule != c.rule {
				t.Errorf("got %q by %q, want %q by %q", v.Refusal, v.Rule, c.refusal, c.rule)
			}
			if v := newRules(t, Settings{Allow: []string{"+"}}).Judge(d, c.full); !v.Allowed() {
				t.Errorf("without caps: %+v", v)
			}
		})
	}
}

func TestAScriptHasNoAddressOfItsOwn(t *testing.T) {
	d := Dial{Number: parse(t, "+4930123456"), Asker: Asker{Kind: Script, Key: "x"}}
	full := Counters{Day: Counts{IP: 1000}, Minute: Counts{IP: 1000}, Running: Counts{IP: 1000}}
	if v := newRules(t, everyCap).Judge(d, full); !v.Allowed() {
		t.Errorf("%+v", v)
	}
}

func TestACallIsCutToWhatIsLeft(t *testing.T) {
	r := newRules(t, everyCap)
	for _, c := range []struct {
		name, number string
		counters     Counters
		want         time.Duration
		price        float64
	}{
		{"by minutes", "+4930123456", Counters{}, 30 * time.Minute, 0.1}, // 3 EUR at 0.10
		{"by minutes that are used", "+4930123456", Counters{MinutesToday: 48.5}, 11*time.Minute + 30*time.Second, 0.1},
		{"by money that is used", "+4930123456", Counters{SpendToday: 2.95}, 30 * time.Second, 0.1},
		{"by whole seconds", "+4930123456", Counters{MinutesToday: 50, SpendToday: 2.9333}, 40 * time.Second, 0.1},
		{"by the closest price", "+12024561111", Counters{}, 3 * time.Minute, 1},
		{"what costs nothing only by minutes", "+4989123456", Counters{SpendToday: 2.99}, time.Hour, 0},
		{"an extension only by minutes", "610", Counters{SpendToday: 2.99}, time.Hour, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := r.Judge(Dial{Number: parse(t, c.number), Asker: Asker{Kind: Page}, Link: true}, c.counters)
			if !v.Allowed() || v.MaxDuration != c.want || v.Price != c.price || v.Currency != "EUR" {
				t.Errorf("got %+v, want %v at %v", v, c.want, c.price)
			}
		})
	}
	without := newRules(t, Settings{Allow: []string{"+"}, MaxDuration: time.Hour})
	if v := judge(t, without, "+4930123456"); v.MaxDuration != time.Hour {
		t.Errorf("without caps: %v", v.MaxDuration)
	}
	if v := judge(t, newRules(t, Settings{Allow: []string{"+"}}), "+4930123456"); v.MaxDuration != 0 {
		t.Errorf("without any limit: %v", v.MaxDuration)
	}
}

func TestWhenTheMoneyIsGoneWhatCostsNothingIsStillDialled(t *testing.T) {
	r := newRules(t, everyCap)
	for _, spent := range []float64{3, 3.5} {
		for number, want := range map[string]string{"+4930123456": CapDay, "+4989123456": "", "610": ""} {
			v := r.Judge(Dial{Number: parse(t, number), Link: true}, Counters{SpendToday: spent})
			if v.Refusal != want {
				t.Errorf("%s after %v: %+v", number, spent, v)
			}
		}
	}
}

func TestWithACapOnMoneyANumberWithoutAPriceIsRefused(t *testing.T) {
	s := Settings{Allow: []string{"+"}, Carried: []string{""}, PerDay: PerDay{Spend: 3}, Rates: []Rate{{Prefix: "+49", PerMinute: 1}}}
	if v := judge(t, newRules(t, s), "+431234567890"); v.Refusal != NotAllowed {
		t.Errorf("%+v", v)
	}
	if v := judge(t, newRules(t, s), "610"); !v.Allowed() {
		t.Errorf("an extension: %+v", v)
	}
	s.PerDay.Spend = 0
	if v := judge(t, newRules(t, s), "+431234567890"); !v.Allowed() || v.Price != 0 {
		t.Errorf("without a cap: %+v", v)
	}
}

func TestRunningCallsEndWhenTogetherTheyUsedUpTheDay(t *testing.T) {
	r := newRules(t, everyCap)
	for c, want := range map[Counters]bool{
		{}: false, {MinutesToday: 59.99, SpendToday: 2.99}: false, {MinutesToday: 60}: true, {SpendToday: 3}: true, {MinutesToday: 61}: true,
	} {
		if r.Exhausted(c) != want {
			t.Errorf("%+v: %v", c, !want)
		}
	}
	if newRules(t, Settings{}).Exhausted(Counters{MinutesToday: 1e6, SpendToday: 1e6}) {
		t.Error("without caps")
	}
}

func TestAVerdictExplainsEveryRuleAndCounter(t *testing.T) {
	v := newRules(t, everyCap).Judge(Dial{Number: parse(t, "+4930123456"), Asker: Asker{Kind: Page}},
		Counters{Day: Counts{Total: 3, IP: 10}, Running: Counts{IP: 2}, MinutesToday: 5})
	if v.Refusal != CapConcurrent || v.Rule != "fraud.concurrent.ip" {
		t.Errorf("the first that refuses is not the reason: %+v", v)
	}
	var names, refusing []string
	for _, c := range v.Checks {
		names = append(names, c.Name)
		if !c.OK {
			refusing = append(refusing, c.Name)
		}
		if c.OK != (c.Refusal == "") {
			t.Errorf("%+v", c)
		}
	}
	want := "fraud.block fraud.block_types fraud.allow fraud.concurrent.total fraud.concurrent.ip fraud.per_minute.ip fraud.per_day.total " +
		"fraud.per_day.ip fraud.per_day.room fraud.per_day.number fraud.per_day.minutes fraud.rates fraud.per_day.spend"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !slices.Equal(refusing, []string{"fraud.concurrent.ip", "fraud.per_day.ip"}) {
		t.Errorf("refusing: %v", refusing)
	}
	if c := v.Checks[7]; c.Limit != 10 || c.Have != 10 {
		t.Errorf("%+v", c)
	}
}

func TestAClientIsOneBucket(t *testing.T) {
	for _, c := range []struct{ ip, want string }{
		{"192.0.2.7", "192.0.2.7"},
		{"::ffff:192.0.2.7", "192.0.2.7"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"2001:db8:1:2::", "2001:db8:1:2::/64"},
		{"2001:db8:1:3::1", "2001:db8:1:3::/64"},
		{"fe80::1%eth0", "fe80::/64"},
	} {
		if got := Bucket(netip.MustParseAddr(c.ip)); got != c.want {
			t.Errorf("%s: %s, want %s", c.ip, got, c.want)
		}
	}
	if got := Bucket(netip.Addr{}); got != "" {
		t.Errorf("no address: %q", got)
	}
	one := map[string]bool{}
	for i := range 65536 {
		one[Bucket(netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 7, 8: byte(i), 15: byte(i >> 8)}))] = true
	}
	if len(one) != 1 {
		t.Errorf("65,536 addresses of one /64 are %d buckets", len(one))
	}
}
