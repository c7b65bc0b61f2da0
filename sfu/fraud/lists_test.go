package fraud

import (
	"testing"
)

func TestTheClosestOfBothListsDecidesAndATieRefuses(t *testing.T) {
	for _, c := range []struct {
		name         string
		allow, block []string
		number       string
		refusal      string
		rule         string
	}{
		{"blocked inside of what is allowed", []string{"+49"}, []string{"+4930"}, "+4930123456", Blocked, "+4930"},
		{"allowed inside of what is blocked", []string{"+49", "+493012"}, []string{"+4930"}, "+4930123456", "", "+493012"},
		{"beside what is blocked", []string{"+49"}, []string{"+4940"}, "+4930123456", "", "+49"},
		{"a tie refuses", []string{"+4930"}, []string{"+4930"}, "+4930123456", Blocked, "+4930"},
		{"everything allowed, one country blocked", []string{"+"}, []string{"DE"}, "+4930123456", Blocked, "DE"},
		{"everything blocked, one country allowed", []string{"DE"}, []string{"+"}, "+4930123456", "", "DE"},
		{"blocked and allowed by nothing", nil, []string{"+4930"}, "+4930123456", Blocked, "+4930"},
		{"a country is its code", []string{"DE"}, nil, "+4930123456", "", "DE"},
		{"a country has numbers that no plan has yet", []string{"DE"}, nil, "+4900000000", "", "DE"},
		{"a country and no other", []string{"DE"}, nil, "+431234567890", NotAllowed, ""},
		{"a country ties with its code", []string{"DE"}, []string{"+49"}, "+4930123456", Blocked, "+49"},
		{"a country ties with itself", []string{"DE"}, []string{"DE"}, "+4930123456", Blocked, "DE"},
		{"a part of +1 is closer than +1", []string{"US"}, []string{"+1"}, "+12024561111", "", "US"},
		{"the rest of +1 stays blocked", []string{"US"}, []string{"+1"}, "+16135550123", Blocked, "+1"},
		{"a blocked part of +1", []string{"+1"}, []string{"JM"}, "+18765123456", Blocked, "JM"},
		{"beside a blocked part of +1", []string{"+1"}, []string{"JM"}, "+12024561111", "", "+1"},
		{"an area code is closer than its country", []string{"US"}, []string{"+1202"}, "+12024561111", Blocked, "+1202"},
		{"an area code of a blocked country", []string{"+1202"}, []string{"US"}, "+12024561111", "", "+1202"},
		{"a number of no plan is in no allowed part of +1", []string{"US", "CA"}, nil, "+10005551234", NotAllowed, ""},
		{"a number of no plan may be in a blocked part of +1", []string{"+1"}, []string{"JM"}, "+10005551234", Blocked, "JM"},
		{"Kazakhstan is not Russia", []string{"RU"}, nil, "+77172123456", NotAllowed, ""},
		{"Russia is not Kazakhstan", []string{"KZ"}, nil, "+74951234567", NotAllowed, ""},
		{"Jersey is not Great Britain", []string{"GB"}, nil, "+441534123456", NotAllowed, ""},
		{"the longest of many", []string{"+4", "+493", "DE", "+49"}, nil, "+4930123456", "", "+493"},
		{"an extension is in no country", []string{"DE"}, nil, "49", NotAllowed, ""},
		{"a blocked extension", []string{"6"}, []string{"61"}, "610", Blocked, "61"},
		{"plus blocks no extension", []string{"6"}, []string{"+"}, "610", "", "6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judge(t, newRules(t, Settings{Allow: c.allow, Block: c.block}), c.number)
			if v.Refusal != c.refusal || v.Rule != c.rule {
				t.Errorf("got %q by %q, want %q by %q", v.Refusal, v.Rule, c.refusal, c.rule)
			}
		})
	}
}

func TestABlockedExtensionIsBlockedHoweverCloselyATrunkCarriesIt(t *testing.T) {
	r := newRules(t, Settings{Block: []string{"6"}, Carried: []string{"610"}})
	if v := judge(t, r, "610"); v.Refusal != Blocked {
		t.Errorf("%+v", v)
	}
}

func TestAVirtualNumberIsAllowed(t *testing.T) {
	r := newRules(t, Settings{Own: []string{"+49 30 123400"}, Block: []string{"+4940"}})
	if v := judge(t, r, "+4930123400"); !v.Allowed() || v.Rule != "+4930123400" {
		t.Errorf("%+v", v)
	}
	if v := judge(t, r, "+4930123401"); v.Refusal != NotAllowed {
		t.Errorf("its neighbour: %+v", v)
	}
}

// A trunk that carries all extensions would carry these too, to the police or
// at two euros a minute.
func TestShortNumbersOfThePublicNetworkAreNoExtensionsByAccident(t *testing.T) {
	everything := Settings{Allow: []string{"+", "1", "9"}, Carried: []string{""}, HomeRegion: "AT"}
	for digits, rule := range map[string]string{"112": "emergency", "110": "emergency", "911": "emergency", "133": "emergency",
		"11880": "directory_enquiries", "118118": "directory_enquiries"} {
		v := judge(t, newRules(t, everything), digits)
		if v.Refusal != BlockedType || v.Rule != rule {
			t.Errorf("%s: %+v", digits, v)
		}
		d := Dial{Number: parse(t, digits), Link: true, Asker: Asker{Kind: Link}}
		if v := newRules(t, everything).Judge(d, Counters{}); v.Refusal != BlockedType {
			t.Errorf("%s with a signed link: %+v", digits, v)
		}
		named := everything
		named.Allow = []string{digits}
		if v := judge(t, newRules(t, named), digits); !v.Allowed() {
			t.Errorf("%s, which the operator named: %+v", digits, v)
		}
	}
	for _, desk := range []string{"610", "1100", "1112", "118"} {
		if v := judge(t, newRules(t, everything), desk); !v.Allowed() {
			t.Errorf("%s: %+v", desk, v)
		}
	}
}

// Everything is allowed and no type is blocked: what passed then as a number that
// no plan knows connected onwards, to anywhere and at its own price.
func TestAShortNumberBehindItsCountryCodeIsRefusedEverywhere(t *testing.T) {
	everything := Settings{Allow: []string{"+"}, Carried: []string{""}}
	for name, text := range map[string]string{
		"German directory enquiries": "+4911833", "with digits behind it": "+4911833999", "with a zero": "+49 (0)11880",
		"Austrian": "+43118877", "British": "+44118118", "French": "+33118218", "Spanish": "+3411888", "Irish": "+35311850",
		"help in Sweden": "+4690000", "a Swiss one": "+4183111", "a text message service in North America": "+1762224",
	} {
		v := judge(t, newRules(t, everything), text)
		if v.Refusal != BlockedType || v.Rule != "short_number" {
			t.Errorf("%s: %+v", name, v)
		}
		d := Dial{Number: parse(t, text), Link: true, Asker: Asker{Kind: Link}}
		if v := newRules(t, everything).Judge(d, Counters{}); v.Refusal != BlockedType {
			t.Errorf("%s with a signed link: %+v", name, v)
		}
		named := everything
		named.Allow = []string{"+", d.Number.String()}
		if v := judge(t, newRules(t, named), text); !v.Allowed() {
			t.Errorf("%s, which the operator named: %+v", name, v)
		}
	}
	if v := judge(t, newRules(t, Settings{Allow: []string{"+"}, BlockTypes: standardTypes}), "+49190812345"); v.Refusal != BlockedType || v.Rule != "premium_rate" {
		t.Errorf("German 0190: %+v", v)
	}
	if v := judge(t, newRules(t, everything), "+99999123456"); !v.Allowed() {
		t.Errorf("a carrier's test number, which no plan has: %+v", v)
	}
}

func TestASignedLinkOpensItsNumberAndNothingElse(t *testing.T) {
	s := Settings{Allow: []string{"+49"}, Block: []string{"+48"}, BlockTypes: standardTypes, PerDay: PerDay{Number: 5}, RequireSigned: true}
	r := newRules(t, s)
	for _, c := range []struct {
		name, number string
		kind         string
		link         bool
		counters     Counters
		refusal      string
	}{
		{"a number that is not allowed", "+431234567890", Link, true, Counters{}, ""},
		{"the same without a link", "+431234567890", Page, false, Counters{}, NotAllowed},
		{"an allowed number without a link where one is needed", "+4930123456", Page, false, Counters{}, NotAllowed},
		{"an allowed number with a link", "+4930123456", Link, true, Counters{}, ""},
		{"a script needs no link", "+4930123456", Script, false, Counters{}, ""},
		{"an extension without a trunk", "610", Link, true, Counters{}, ""},
		{"a blocked number", "+48123456789", Link, true, Counters{}, Blocked},
		{"a blocked type", "+499001123456", Link, true, Counters{}, BlockedType},
		{"a cap", "+431234567890", Link, true, Counters{Day: Counts{Number: 5}}, CapDay},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := r.Judge(Dial{Number: parse(t, c.number), Asker: Asker{Kind: c.kind, Key: "x"}, Link: c.link}, c.counters)
			if v.Refusal != c.refusal {
				t.Errorf("got %+v, want %q", v, c.refusal)
			}
		})
	}
}

func TestAKeyMayDialOnlyWhatItsOwnListHas(t *testing.T) {
	r := newRules(t, Settings{Allow: []string{"+49", "+43"}, Carried: []string{"6"}, Keys: map[string]Key{"crm": {Allow: []string{"AT", "+48"}}, "ops": {}}})
	for _, c := range []struct{ kind, key, number, refusal string }{
		{Script, "crm", "+431234567890", ""},
		{Script, "crm", "+4930123456", NotAllowed},  // not the key's
		{Script, "crm", "+48123456789", NotAllowed}, // not the site's
		{Script, "crm", "610", NotAllowed},
		{Script, "ops", "+4930123456", ""},
		{Script, "ops", "610", ""},
		{Script, "unknown", "+4930123456", ""},
		{Link, "crm", "+4930123456", ""}, // a link that happens to have the id of a key
	} {
		v := r.Judge(Dial{Number: parse(t, c.number), Asker: Asker{Kind: c.kind, Key: c.key}}, Counters{})
		if v.Refusal != c.refusal {
			t.Errorf("%s %s %s: got %+v, want %q", c.kind, c.key, c.number, v, c.refusal)
		}
	}
}
