package fraud

import (
	"slices"
	"strings"
	"testing"
)

func TestAPriceListIsRead(t *testing.T) {
	want := []Rate{{"+49", 0.02, "EUR"}, {"+4915", 0.1, "EUR"}}
	for name, src := range map[string]string{
		"as written":                "prefix,per_minute,currency\n+49,0.02,EUR\n+4915,0.1,EUR\n",
		"without the plus":          "prefix,per_minute,currency\n49,0.02,EUR\n4915,0.1,EUR\n",
		"from a spreadsheet":        "\ufeffprefix;per_minute;currency\r\n49;0.02;EUR\r\n4915;0.1;EUR\r\n",
		"with columns of a carrier": "name,prefix,currency,interval,per_minute\nGermany,49,EUR,60,0.02\n\"Germany, mobile\",4915,EUR,60, 0.10\n",
		"with an empty line":        "prefix,per_minute,currency\n49,0.02,EUR\n\n4915,0.1,EUR",
	} {
		got, err := ReadRates(strings.NewReader(src))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if got, err := ReadRates(strings.NewReader("prefix,per_minute\n49,1\n")); err != nil || len(got) != 1 || got[0].Currency != "" {
		t.Errorf("without a currency: %v, %v", got, err)
	}
}

func TestABrokenPriceListIsRefusedWithItsLine(t *testing.T) {
	for src, want := range map[string]string{
		"":                                   "line 1: expected the names of the columns, got nothing",
		"49,0.02\n":                          "line 1: expected columns with the names prefix and per_minute",
		"prefix,per_minute\n49,0.02\nx,1\n":  `line 3: expected a prefix such as +49, got "x"`,
		"prefix,per_minute\n49,free\n":       `line 2: expected a price such as 0.02, got "free"`,
		"prefix;per_minute\n49;0,02\n":       `line 2: expected a price such as 0.02, got "0,02"`,
		"prefix,per_minute\n49,-1\n":         `line 2: expected a price such as 0.02, got "-1"`,
		"prefix,per_minute\n49,NaN\n":        `line 2: expected a price such as 0.02, got "NaN"`,
		"prefix,per_minute\n49,+Inf\n":       `line 2: expected a price such as 0.02, got "+Inf"`,
		"prefix,per_minute\n++49,1\n":        `line 2: expected a prefix such as +49, got "++49"`,
		"prefix,per_minute\n49,1\n50\n":      "record on line 3: wrong number of fields",
		"prefix,per_minute\n\"49,1\n":        "parse error on line 2, column 7: extraneous or missing \" in quoted-field",
		"prefix,per_minute,\xff\n4\xff9,1,x": `line 2: expected a prefix such as +49, got "4\xff9"`,
	} {
		if _, err := ReadRates(strings.NewReader(src)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", src, err, want)
		}
	}
}

func TestRulesWithoutSenseAreErrors(t *testing.T) {
	for name, s := range map[string]Settings{
		"a country nobody has":      {Allow: []string{"UK"}},
		"a blocked word":            {Block: []string{"premium"}},
		"an unknown type":           {BlockTypes: []string{"premium"}},
		"a virtual number of words": {Own: []string{"reception"}},
		"a key's prefix":            {Keys: map[string]Key{"crm": {Allow: []string{"+4x"}}}},
		"a zone nobody has":         {TimeZone: "Mars/Base"},
		"a home nobody has":         {HomeRegion: "EU"},
		"a price for a country":     {Rates: []Rate{{Prefix: "DE", PerMinute: 1}}},
		"a price for nothing":       {Rates: []Rate{{PerMinute: 1}}},
		"two prices":                {Rates: []Rate{{Prefix: "+49", PerMinute: 1}, {Prefix: "+49", PerMinute: 2}}},
		"a price below 0":           {Rates: []Rate{{Prefix: "+49", PerMinute: -1}}},
		"two currencies":            {Rates: []Rate{{"+49", 1, "EUR"}, {"+1", 1, "USD"}}},
		"a cap of money, no price":  {PerDay: PerDay{Spend: 1}},
		"a cap below 0":             {PerDay: PerDay{Total: -1}},
		"money below 0":             {PerDay: PerDay{Spend: -1}, Rates: []Rate{{Prefix: "+", PerMinute: 1}}},
		"a key with a cap below 0":  {Keys: map[string]Key{"crm": {PerMinute: -1}}},
		"a longest call of less":    {MaxDuration: -1},
	} {
		if _, err := New(s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzReadRates(f *testing.F) {
	f.Add("prefix,per_minute,currency\n+49,0.02,EUR\n")
	f.Add("\ufeffprefix;per_minute\r\n49;1\r\n")
	f.Add("per_minute,prefix\n\"\n")
	f.Fuzz(func(t *testing.T, src string) {
		rates, err := ReadRates(strings.NewReader(src))
		if err != nil {
			return
		}
		for _, r := range rates {
			if !isPrefix(r.Prefix) || r.Prefix[0] != '+' || !(r.PerMinute >= 0) {
				t.Errorf("%+v", r)
			}
		}
	})
}
