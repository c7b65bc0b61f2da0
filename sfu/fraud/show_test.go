package fraud

import (
	"slices"
	"strings"
	"testing"

	"dialroom/shared/number"

	"github.com/nyaruka/phonenumbers"
)

// standardTypes are those that the settings block when they say nothing.
var standardTypes = []string{"premium_rate", "shared_cost", "personal", "uan", "satellite"}

func newRules(t testing.TB, s Settings) *Rules {
	t.Helper()
	r, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// judge parses what a stranger would send and judges it, with nothing counted.
func judge(t testing.TB, r *Rules, raw string) Verdict {
	t.Helper()
	return r.Judge(Dial{Number: parse(t, raw), Asker: Asker{Kind: Page}}, Counters{})
}

// exampleNumbers calls f with every example number of the numbering plans.
func exampleNumbers(f func(region string, t phonenumbers.PhoneNumberType, e164 string)) {
	for region := range phonenumbers.GetSupportedRegions() {
		for t := phonenumbers.FIXED_LINE; t <= phonenumbers.VOICEMAIL; t++ {
			if p := phonenumbers.GetExampleNumberForType(region, t); p != nil {
				f(region, t, phonenumbers.Format(p, phonenumbers.E164))
			}
		}
	}
	for code := range phonenumbers.GetSupportedGlobalNetworkCallingCodes() {
		p := phonenumbers.GetExampleNumberForNonGeoEntity(code)
		f(number.Global, phonenumbers.GetNumberType(p), phonenumbers.Format(p, phonenumbers.E164))
	}
}

func TestEveryExampleOfABlockedTypeInEveryRegionIsRefused(t *testing.T) {
	open := newRules(t, Settings{Allow: []string{"+"}, BlockTypes: standardTypes})
	blocked := map[phonenumbers.PhoneNumberType]bool{phonenumbers.PREMIUM_RATE: true, phonenumbers.SHARED_COST: true,
		phonenumbers.PERSONAL_NUMBER: true, phonenumbers.UAN: true}
	seen, regions := 0, map[string]bool{}
	exampleNumbers(func(region string, typ phonenumbers.PhoneNumberType, e164 string) {
		if !blocked[typ] && region != number.Global || strings.HasPrefix(e164, "+800") { // international freephone
			return
		}
		seen++
		regions[region] = true
		for name, raw := range map[string]string{
			"as it is": e164,
			"with one digit more, which a network ignores":    e164 + "7",
			"with three digits more, which a network ignores": e164 + "000",
		} {
			n, err := number.Parse(raw, "")
			if err != nil {
				continue // refused before it is judged
			}
			if p, _ := phonenumbers.Parse(raw, ""); raw != e164 && phonenumbers.IsValidNumber(p) {
				continue // the longer one is a number of its own
			}
			v := open.Judge(Dial{Number: n}, Counters{})
			if v.Refusal != BlockedType {
				t.Errorf("%s %v %s %s: %q (type %s)", region, typ, raw, name, v.Refusal, n.Type())
			}
			if v = open.Judge(Dial{Number: n, Link: true}, Counters{}); v.Refusal != BlockedType {
				t.Errorf("%s with a signed link: %q", raw, v.Refusal)
			}
		}
	})
	if seen < 300 || len(regions) < 150 {
		t.Errorf("only %d numbers of %d regions", seen, len(regions))
	}
}

func TestOrdinaryExamplesOfEveryRegionAreAllowedByTheirCountryAndByNoOther(t *testing.T) {
	rules := map[string]*Rules{}
	for region := range phonenumbers.GetSupportedRegions() {
		rules[region] = newRules(t, Settings{Allow: []string{region}, BlockTypes: standardTypes})
	}
	seen := 0
	exampleNumbers(func(region string, typ phonenumbers.PhoneNumberType, e164 string) {
		if typ != phonenumbers.FIXED_LINE && typ != phonenumbers.MOBILE && typ != phonenumbers.FIXED_LINE_OR_MOBILE || region == number.Global {
			return
		}
		seen++
		n := parse(t, e164)
		owner := region
		if n.Region() != region { // their plans share it: it belongs to the larger one
			owner = n.Region()
			if p, _ := phonenumbers.Parse(e164, ""); !phonenumbers.IsValidNumberForRegion(p, owner) || phonenumbers.GetCountryCodeForRegion(owner) != phonenumbers.GetCountryCodeForRegion(region) {
				t.Errorf("%s of %s is said to be of %s", e164, region, owner)
			}
		}
		for other, r := range rules {
			if v := r.Judge(Dial{Number: n}, Counters{}); v.Allowed() != (other == owner) {
				t.Errorf("%s of %s with allow [%s]: %q", e164, owner, other, v.Refusal)
			}
		}
	})
	if seen < 400 {
		t.Errorf("only %d numbers", seen)
	}
}

func TestTheUnitedStatesAndCanadaDoNotOpenTheCaribbean(t *testing.T) {
	r := newRules(t, Settings{Allow: []string{"US", "CA"}, BlockTypes: standardTypes})
	for _, allowed := range []string{"+12024561111", "+12125551234", "+14155552671", "+16135550123", "+14165551234", "+18085551234", "+18002345678"} {
		if v := judge(t, r, allowed); !v.Allowed() || v.Rule != "US" && v.Rule != "CA" {
			t.Errorf("%s: %+v", allowed, v)
		}
	}
	for _, refused := range []string{
		"+18765551234", "+16585551234", // Jamaica
		"+18095551234", "+18295551234", "+18495551234", // Dominican Republic
		"+12425551234", "+12465551234", "+12645551234", "+12685551234", "+12845551234", "+13455551234", "+14415551234",
		"+14735551234", "+16495551234", "+16645551234", "+17215551234", "+17585551234", "+17675551234", "+17845551234",
		"+18685551234", "+18695551234",
		"+17875551234", "+19395551234", "+13405551234", "+16715551234", "+16705551234", "+16845551234", // ISO codes of their own
		"+19002345678", "+19001234567", // pay per call, valid or not
		"+12129761234",  // pay per call by its exchange
		"+15002345678",  // personal
		"+10005551234",  // nobody's
		"+120245611112", // one digit too many is nobody's number
		"+4930123456",
	} {
		if v := judge(t, r, refused); v.Allowed() {
			t.Errorf("%s is allowed by %s", refused, v.Rule)
		}
	}
}

func TestNumbersOfNoCountryAreRefusedWhateverIsAllowed(t *testing.T) {
	r := newRules(t, Settings{Allow: []string{"+", "+88", "+8816", "+979", "+870"}, BlockTypes: standardTypes})
	for _, raw := range []string{"+870773111632", "+881612345678", "+88165", "+88212345", "+8821612345678", "+883510012345", "+979123456789", "+97912345", "+878101234567890"} {
		n, err := number.Parse(raw, "")
		if err != nil {
			continue
		}
		if v := r.Judge(Dial{Number: n, Link: true}, Counters{}); v.Refusal != BlockedType {
			t.Errorf("%s: %+v", raw, v)
		}
	}
	// +979 is at a premium rate and a global network: one of both types is enough.
	for _, one := range []string{"premium_rate", "satellite"} {
		r := newRules(t, Settings{Allow: []string{"+"}, BlockTypes: []string{one}})
		if v := judge(t, r, "+979123456789"); v.Refusal != BlockedType || v.Rule != one {
			t.Errorf("%s: %+v", one, v)
		}
	}
}

// Whatever a stranger sends: what is allowed is an ordinary number of a country that is.
func FuzzJudge(f *testing.F) {
	for _, seed := range []string{"+12024561111", " 19002345678", "0018765551234", "tel:+1-809-555-1234", "+490900112345699", "112", "+8816", "(202) 976-1234"} {
		f.Add(seed)
	}
	r := newRules(f, Settings{Allow: []string{"US", "CA", "+49"}, Block: []string{"+1212"}, BlockTypes: standardTypes, Carried: []string{"+", "6"}})
	f.Fuzz(func(t *testing.T, raw string) {
		n, err := number.Parse(raw, "US")
		if err != nil {
			return
		}
		v := r.Judge(Dial{Number: n}, Counters{})
		if !v.Allowed() {
			return
		}
		s, region := n.String(), n.Region()
		ordinary := region == "US" || region == "CA" || strings.HasPrefix(s, "+49") || n.IsExtension() && s[0] == '6'
		if !ordinary || strings.HasPrefix(s, "+1900") || strings.HasPrefix(s, "+1212") || slices.Contains(standardTypes, string(n.Type())) {
			t.Errorf("%q is allowed: %s of %q, %s, by %s", raw, n, region, n.Type(), v.Rule)
		}
	})
}
