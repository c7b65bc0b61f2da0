package number

import (
	"slices"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func mustParse(t testing.TB, raw string) Number {
	t.Helper()
	n, err := Parse(raw, "")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestANumberKnowsItsCountryAndWhatItIsFor(t *testing.T) {
	for _, c := range []struct {
		name, raw, region string
		kind              Type
	}{
		{"a German telephone", "+4930123456", "DE", FixedLine},
		{"a German mobile", "+4915123456789", "DE", Mobile},
		{"a German premium number", "+499001123456", "DE", PremiumRate},
		{"the same with its national zero", "+49 (0)900 1123456", "DE", PremiumRate},
		{"the same with digits behind it that a network ignores", "+49900112345699", "DE", PremiumRate},
		{"the same with both", "+490900112345699", "DE", PremiumRate},
		{"a German shared cost number", "+491801123456", "DE", SharedCost},
		{"a German personal number", "+4970012345678", "DE", Personal},
		{"a German free number", "+498001234567", "DE", TollFree},
		{"Washington", "+12024561111", "US", FixedOrMobile},
		{"Ottawa", "+16135550123", "CA", FixedOrMobile},
		{"Jamaica", "+18765123456", "JM", Mobile},
		{"Santo Domingo", "+18092345678", "DO", FixedOrMobile},
		{"Puerto Rico", "+17872345678", "PR", FixedOrMobile},
		{"a free number of North America", "+18002345678", "US", TollFree},
		{"pay per call in North America", "+19002345678", "US", PremiumRate},
		{"pay per call by its exchange", "+12129761234", "US", PremiumRate},
		{"a North American number in no plan", "+10005551234", "", Unknown},
		{"Jersey", "+441534123456", "JE", FixedLine},
		{"London", "+442079460958", "GB", FixedLine},
		{"a British personal number", "+447012345678", "GB", Personal},
		{"Moscow", "+74951234567", "RU", FixedLine},
		{"Astana", "+77172123456", "KZ", FixedLine},
		{"Inmarsat", "+870773111632", Global, Satellite},
		{"Iridium", "+881612345678", Global, Satellite},
		{"an international network", "+8821612345678", Global, Satellite},
		{"another one, no plan has the number", "+88399999", Global, Satellite},
		{"international premium rate", "+979123456789", Global, PremiumRate},
		{"international shared cost", "+80812345678", Global, SharedCost},
		{"international free", "+80012345678", Global, TollFree},
		{"universal personal", "+878101234567890", Global, Personal},
		{"a country code nobody has", "+99999123456", "", Unknown},
		{"an extension", "610", "", Extension},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := mustParse(t, c.raw)
			if n.Region() != c.region || n.Type() != c.kind {
				t.Errorf("%s: got %q %q, want %q %q", n, n.Region(), n.Type(), c.region, c.kind)
			}
			if !n.Is(c.kind) {
				t.Errorf("Is(%q) is false", c.kind)
			}
		})
	}
	if n := (Number{}); n.Type() != None || n.Region() != "" || n.IsEmergency("US") || n.IsCostlyShort() {
		t.Errorf("no number is %q of %q", n.Type(), n.Region())
	}
	if n := mustParse(t, "+979123456789"); !n.Is(Satellite) || n.Is(UAN) {
		t.Error("+979 is a global network")
	}
}

func TestEveryTypeOfTheLibraryHasAName(t *testing.T) {
	for region := range phonenumbers.GetSupportedRegions() {
		for typ := phonenumbers.FIXED_LINE; typ <= phonenumbers.VOICEMAIL; typ++ {
			p := phonenumbers.GetExampleNumberForType(region, typ)
			if p == nil {
				continue
			}
			n, err := Parse(phonenumbers.Format(p, phonenumbers.E164), "")
			if err != nil {
				continue // too short
			}
			if !slices.Contains(BlockableTypes(), string(n.Type())) || n.Type() == Unknown || !IsRegion(n.Region()) {
				t.Errorf("%s %v: %s is %q of %q", region, typ, n, n.Type(), n.Region())
			}
		}
	}
}

// Whoever dials 110 on a site wants the police or a desk; a page that was
// opened by a link must not find out which.
func TestWhatCallsForHelpIsKnown(t *testing.T) {
	for _, c := range []struct {
		digits, home string
		want         bool
	}{
		{"112", "", true}, {"911", "", true}, {"110", "", true}, {"999", "", true}, {"000", "", true},
		{"112", "DE", true}, {"110", "DE", true}, {"133", "AT", true}, {"133", "DE", false}, {"190", "BR", true},
		{"190", "", false}, {"610", "US", false}, {"1120", "DE", false}, {"9110", "US", false},
		{"+4930112", "DE", false}, {"+1212911911", "US", false},
	} {
		if got := mustParse(t, c.digits).IsEmergency(c.home); got != c.want {
			t.Errorf("%s at home in %q: %v", c.digits, c.home, got)
		}
	}
}

func TestDirectoryEnquiriesAreKnown(t *testing.T) {
	for digits, want := range map[string]bool{"11880": true, "118118": true, "11833": true, "1180": false, "118": false, "610": false, "+4911880": false} {
		if got := mustParse(t, digits).IsCostlyShort(); got != want {
			t.Errorf("%s: %v", digits, got)
		}
	}
}

func TestCountriesAndTheirCodes(t *testing.T) {
	for _, c := range []struct {
		region, code string
		shared       bool
	}{
		{"DE", "+49", false}, {"US", "+1", true}, {"JM", "+1", true}, {"KZ", "+7", true}, {"XK", "+383", false},
		{"UK", "", false}, {"", "", false}, {"de", "", false}, {Global, "", false}, {"+4", "", false},
	} {
		if code, shared := CallingCode(c.region); code != c.code || shared != c.shared || IsRegion(c.region) != (c.code != "") {
			t.Errorf("%q: %q %v", c.region, code, shared)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for name, raw := range map[string]string{"Germany": "+49 30 123456", "Canada": "+1 613 555 0123", "no plan": "+99 999 123 456 789", "extension": "610"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse(raw, "DE"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestAShortNumberBehindACountryCodeIsKnownForWhatItIs(t *testing.T) {
	for _, c := range []struct {
		name, raw, region string
		kind              Type
	}{
		{"German directory enquiries", "+4911833", "DE", ShortNumber},
		{"the same with the national zero that it does not have", "+49 (0)11833", "DE", ShortNumber},
		{"the same with digits behind it", "+4911833999", "DE", ShortNumber},
		{"Austrian directory enquiries, which the data does not have", "+43118877", "AT", ShortNumber},
		{"British directory enquiries", "+44118118", "", ShortNumber},
		{"French directory enquiries", "+33118218", "FR", ShortNumber},
		{"the German doctor on call", "+49116117", "DE", ShortNumber},
		{"help in Sweden", "+4690000", "SE", ShortNumber},
		{"a Swiss short number", "+4183111", "CH", ShortNumber},
		{"a service by text message in the United States", "+1762224", "", ShortNumber},
		{"Germany's premium numbers of old", "+49190812345", "DE", PremiumRate},
		{"Berlin", "+4930118331", "DE", FixedLine},
		{"a mobile with 118 in it", "+4915111833118", "DE", Mobile},
		{"Reading, whose area code is 118", "+441189012345", "GB", FixedLine},
	} {
		if n := mustParse(t, c.raw); n.Type() != c.kind || (c.region != "" && n.Region() != c.region) {
			t.Errorf("%s: %s is %q of %q, want %q", c.name, n, n.Type(), n.Region(), c.kind)
		}
	}
	// What calls for help is too short to be an E.164 number at all.
	for _, raw := range []string{"+49110", "+49112", "+1911", "+44999", "+351112"} {
		if n, err := Parse(raw, ""); err == nil {
			t.Errorf("%s is %s", raw, n)
		}
	}
}

// The library has an example of nearly every country's short numbers. None of
// them gets by as a number that nobody knows; some countries' plans have made
// other numbers of the same digits.
func TestNoExampleOfAShortNumberPassesAsUnknown(t *testing.T) {
	all, err := phonenumbers.ShortNumberMetadataCollection()
	if err != nil {
		t.Fatal(err)
	}
	short := 0
	for _, m := range all.Metadata {
		code, _ := CallingCode(m.GetId())
		for _, of := range []*phonenumbers.PhoneNumberDesc{m.GetShortCode(), m.GetPremiumRate(), m.GetEmergency()} {
			if of.GetExampleNumber() == "" || code == "" || m.GetId() == "ML" && of == m.GetPremiumRate() { // Mali's is in none of Mali's patterns
				continue
			}
			n, err := Parse(code+of.GetExampleNumber(), "")
			if err == nil && n.Type() == Unknown {
				t.Errorf("%s: %s is %q", m.GetId(), n, n.Type())
			}
			if n.Type() == ShortNumber {
				short++
			}
		}
	}
	if short < 10 {
		t.Errorf("only %d are known as short: has the data gone?", short)
	}
}
