package number

import (
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// Type is what a number is for, which mostly says what it costs.
type Type string

// Types. FixedOrMobile is where a plan does not tell them apart (all of North
// America). Satellite also is every global network that bills like one.
const (
	None          Type = "" // of the zero Number
	Extension     Type = "extension"
	FixedLine     Type = "fixed_line"
	Mobile        Type = "mobile"
	FixedOrMobile Type = "fixed_line_or_mobile"
	TollFree      Type = "toll_free"
	PremiumRate   Type = "premium_rate"
	SharedCost    Type = "shared_cost"
	VoIP          Type = "voip"
	Personal      Type = "personal"
	Pager         Type = "pager"
	UAN           Type = "uan" // universal access number: one number of a company
	Voicemail     Type = "voicemail"
	Satellite     Type = "satellite"
	ShortNumber   Type = "short_number" // of its country, which is dialled there without a country code: help, directory enquiries, services by text message
	Unknown       Type = "unknown"      // in no numbering plan
)

// Global is the region of numbers that belong to no country (UN M.49: World).
const Global = "001"

// BlockableTypes lists the names of the types that settings may refuse: all that
// an E.164 number can have but [ShortNumber], which nobody has to name.
func BlockableTypes() []string {
	var names []string
	for _, t := range []Type{PremiumRate, SharedCost, Personal, UAN, Satellite, Pager, Voicemail, TollFree, VoIP,
		Mobile, FixedLine, FixedOrMobile, Unknown} {
		names = append(names, string(t))
	}
	return names
}

// Region is the ISO 3166 code of the country the number belongs to, [Global],
// or "" for extensions and where no plan knows it. Of the many countries of +1
// it is the one whose numbers begin so; what belongs to all of them, such as
// +1 800, is the region US, and of numbers that two countries share the larger
// one: Finland's mobile numbers are used on Åland too.
func (n Number) Region() string { return n.region }

// Type is what the number is for.
func (n Number) Type() Type { return n.kind }

// Is reports whether the number is of type t. Besides its [Number.Type] it can
// be a global network: +979 is at a premium rate and one of those.
func (n Number) Is(t Type) bool {
	return n.kind == t || t == Satellite && strings.HasPrefix(n.s, "+979")
}

// IsRegion reports whether code is the ISO code of a country with a numbering plan.
func IsRegion(code string) bool { return phonenumbers.GetCountryCodeForRegion(code) != 0 }

// CallingCode is the country code of a region with its plus, and whether other
// regions have the same one: "+1" and true for US. For no region it is "".
func CallingCode(region string) (code string, shared bool) {
	cc := phonenumbers.GetCountryCodeForRegion(region)
	if cc == 0 {
		return "", false
	}
	return "+" + strconv.Itoa(cc), len(phonenumbers.GetRegionCodesForCountryCode(cc)) > 1
}

// IsEmergency reports whether the digits of an extension call for help on a
// public network: everywhere, or in homeRegion when one is given.
func (n Number) IsEmergency(homeRegion string) bool {
	if !n.IsExtension() {
		return false
	}
	// GSM phones and most networks know 112 and 911 (3GPP TS 22.101 §10.1.1); the
	// others are those of so many countries that nobody should have them as a desk.
	if slices.Contains([]string{"000", "110", "112", "911", "999"}, n.s) {
		return true
	}
	return homeRegion != "" && phonenumbers.IsEmergencyNumber(n.s, homeRegion)
}

// directory is what directory enquiries begin with in most of Europe (ECTRA
// decision 97/01).
const directory = "118"

// IsCostlyShort reports whether the digits of an extension are a directory
// enquiry service, some of which take euros a minute: 118 and two or three digits.
func (n Number) IsCostlyShort() bool {
	return n.IsExtension() && strings.HasPrefix(n.s, directory) && (len(n.s) == 5 || len(n.s) == 6)
}

// inPlan returns the number that the numbering plans see in s, which has a plus
// or is written as in region.
func inPlan(s, region string) (Number, bool) {
	p, err := phonenumbers.Parse(s, region)
	if err != nil {
		return Number{}, false
	}
	n := Number{kind: typeOf(phonenumbers.GetNumberType(p))}
	if n.kind == Unknown { // which is what the library calls an invalid number
		return Number{}, false
	}
	n.s = phonenumbers.Format(p, phonenumbers.E164)
	if len(n.s) <= minE164 || len(n.s) > maxE164+1 || n.s[0] != '+' || n.s[1] == '0' {
		return Number{}, false
	}
	n.region = phonenumbers.GetRegionCodeForNumber(p)
	if t := globalType(n.s); t != None {
		n.region, n.kind = Global, t
	}
	// NANP: the exchange 976 is for pay-per-call services in every area code;
	// the plans' data has only 900.
	if len(n.s) == len("+12125551234") && strings.HasPrefix(n.s, "+1") && n.s[5:8] == "976" && n.kind == FixedOrMobile {
		n.kind = PremiumRate
	}
	return n, true
}

// outOfPlan returns the number s, which no plan has as it is.
func outOfPlan(s string) Number {
	if t := globalType(s); t != None {
		return Number{s, Global, t}
	}
	n := Number{s: s, kind: Unknown}
	if p, err := phonenumbers.Parse(s, ""); err == nil {
		n.region = phonenumbers.GetRegionCodeForNumber(p)
		if isShort(p) {
			n.kind = ShortNumber
			return n
		}
	}
	if strings.HasPrefix(s, "+49190") {
		n.kind = PremiumRate // Germany's until the end of 2005; the plans' data has forgotten them
		return n
	}
	// Networks ignore digits after a complete number, so a paid number with a
	// few digits more, which no plan knows, still is that paid number.
	for end := len(s) - 1; end > len("+49")+2; end-- {
		if p, err := phonenumbers.Parse(s[:end], ""); err == nil {
			if t := typeOf(phonenumbers.GetNumberType(p)); isCostly(t) {
				n.kind, n.region = t, phonenumbers.GetRegionCodeForNumber(p)
				break
			}
		}
	}
	return n
}

// isShort reports whether a number in no plan is a short one behind its country's
// code. Some carriers connect it, and directory enquiries connect onwards, to
// any number and at their own price; hence those with digits behind them too.
func isShort(p *phonenumbers.PhoneNumber) bool {
	return phonenumbers.IsValidShortNumber(p) || strings.HasPrefix(phonenumbers.GetNationalSignificantNumber(p), directory)
}

// globalType classifies country codes that belong to no country (ITU-T E.164
// list of assigned codes). Plans know only a few of their numbers, so the code decides.
func globalType(s string) Type {
	for _, code := range [...]struct {
		prefix string
		t      Type
	}{
		{"+870", Satellite}, // Inmarsat
		{"+881", Satellite}, // global mobile satellite systems
		{"+882", Satellite}, // international networks: at sea, in the air, satellites
		{"+883", Satellite}, // the same, longer
		{"+878", Personal},  // universal personal telecommunications
		{"+888", UAN},       // once for disaster relief
		{"+808", SharedCost},
		{"+979", PremiumRate},
		{"+800", TollFree},
	} {
		if strings.HasPrefix(s, code.prefix) {
			return code.t
		}
	}
	return None
}

// typeOf names a type of the library.
func typeOf(t phonenumbers.PhoneNumberType) Type {
	switch t {
	case phonenumbers.FIXED_LINE:
		return FixedLine
	case phonenumbers.MOBILE:
		return Mobile
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		return FixedOrMobile
	case phonenumbers.TOLL_FREE:
		return TollFree
	case phonenumbers.PREMIUM_RATE:
		return PremiumRate
	case phonenumbers.SHARED_COST:
		return SharedCost
	case phonenumbers.VOIP:
		return VoIP
	case phonenumbers.PERSONAL_NUMBER:
		return Personal
	case phonenumbers.PAGER:
		return Pager
	case phonenumbers.UAN:
		return UAN
	case phonenumbers.VOICEMAIL:
		return Voicemail
	}
	return Unknown
}

// isCostly says which types are worth disguising.
func isCostly(t Type) bool {
	switch t {
	case PremiumRate, SharedCost, Personal, UAN, Satellite:
		return true
	}
	return false
}
