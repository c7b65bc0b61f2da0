package number

import (
	"errors"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestEverySpellingIsOneNumber(t *testing.T) {
	for _, c := range []struct {
		name, raw, region, want string
	}{
		{"canonical", "+4930123456", "", "+4930123456"},
		{"spaces", "+49 30 123 456", "", "+4930123456"},
		{"a forgotten %2B arrives as a leading space", " 4930123456", "", "+4930123456"},
		{"a %2B escaped twice", "%2B4930123456", "", "+4930123456"},
		{"dashes, dots and slashes", "+49-30/123.456", "", "+4930123456"},
		{"brackets", "(+49) [30] 123456", "", "+4930123456"},
		{"a national zero in brackets", "+49 (0)30 123456", "", "+4930123456"},
		{"an Italian zero is part of the number", "+39 06 6982 1234", "", "+390669821234"},
		{"typographic dashes and narrow spaces", "+49\u00a030\u2013123\u202f456", "", "+4930123456"},
		{"full-width digits and plus", "\uff0b\uff14\uff19\uff13\uff10\uff11\uff12\uff13\uff14\uff15\uff16", "", "+4930123456"},
		{"Arabic digits", "+٤٩٣٠١٢٣٤٥٦", "", "+4930123456"},
		{"marks copied from a page", "\u202a+49 30 123456\u202c", "", "+4930123456"},
		{"tel: URI", "tel:+49-30-123456", "", "+4930123456"},
		{"TEL: with a forgotten %2B", "TEL: 4930123456", "", "+4930123456"},
		{"00 prefix", "0049 30 123456", "", "+4930123456"},
		{"00 prefix behind a space", " 004930123456", "", "+4930123456"},
		{"011 in North America", "011 49 30 123456", "US", "+4930123456"},
		{"0011 in Australia", "0011 49 30 123456", "AU", "+4930123456"},
		{"001 in Korea", "001 64 9300 9000", "KR", "+6493009000"},
		{"the same digits elsewhere", "001 649 300 9000", "DE", "+16493009000"},
		{"00 in North America", "0049 30 123456", "US", "+4930123456"},
		{"a national number at home behind a stray space", " 2024561111", "US", "+12024561111"},
		{"a forgotten %2B at home", " 4930123456", "US", "+4930123456"},
		{"a national number at home", "030 123456", "DE", "+4930123456"},
		{"a North American number at home", "(202) 456-1111", "US", "+12024561111"},
		{"a carrier's test number in no plan", "+99999123456", "", "+99999123456"},
		{"the longest E.164 number", "+999123456789012", "", "+999123456789012"},
		{"an extension", "610", "", "610"},
		{"an extension with a stray space", " 610 ", "", "610"},
		{"an extension is never a national number (jitsi-meet #2943)", "3000", "US", "3000"},
		{"an extension keeps its leading zeros", "0049", "DE", "0049"},
		{"the shortest extension", "11", "", "11"},
		{"the longest extension", "123456", "DE", "123456"},
		{"a tel: extension", "tel:610", "", "610"},
		{"full-width extension", "６１０", "", "610"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.raw, c.region)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != c.want {
				t.Errorf("Parse(%q, %q) = %q, want %q", c.raw, c.region, got, c.want)
			}
			if ext := !strings.HasPrefix(c.want, "+"); got.IsExtension() != ext {
				t.Errorf("IsExtension() = %v, want %v", got.IsExtension(), ext)
			}
		})
	}
}

func TestWhatIsNotANumberIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, raw, region string
		want              error
	}{
		{"nothing", "", "", ErrBadEmpty},
		{"only separators", " - ", "", ErrBadEmpty},
		{"only a plus", "+", "", ErrBadEmpty},
		{"another host", "+4930123456@evil.example", "", ErrBadCharacter},
		{"URI parameters", "+4930123456;ext=5", "", ErrBadCharacter},
		{"a phone-context", "tel:610;phone-context=example.net", "", ErrBadCharacter},
		{"URI headers", "+4930123456?X-Evil=1", "", ErrBadCharacter},
		{"a dial string's options", "+4930123456&+4930654321", "", ErrBadCharacter},
		{"two numbers", "+4930123456,+4930654321", "", ErrBadCharacter},
		{"a pause", "+4930123456p123", "", ErrBadCharacter},
		{"a SIP URI", "sip:610@example.net", "", ErrBadCharacter},
		{"angle brackets", "<+4930123456>", "", ErrBadCharacter},
		{"a new header", "+4930123456\r\nX-Evil: 1", "", ErrBadCharacter},
		{"a tab", "\t4930123456", "", ErrBadCharacter},
		{"a NUL", "+4930123456\x00", "", ErrBadCharacter},
		{"broken UTF-8", "+4930123456\xff", "", ErrBadCharacter},
		{"a vanity number", "+1800FLOWERS", "", ErrBadCharacter},
		{"an extension with letters", "6l0", "", ErrBadCharacter},
		{"a feature code", "*72", "", ErrBadCharacter},
		{"an MMI code", "#31#4930123456", "", ErrBadCharacter},
		{"a plus in the middle", "49+30123456", "", ErrBadCharacter},
		{"two pluses", "++4930123456", "", ErrBadCharacter},
		{"an escape in the middle", "+49%2030123456", "", ErrBadCharacter},
		{"a digit of a script we do not read", "+49३०123456", "", ErrBadCharacter},
		{"one digit", "6", "", ErrBadLength},
		{"an emergency number dressed up", "+49112", "", ErrBadLength},
		{"sixteen digits", "+9991234567890123", "", ErrBadLength},
		{"thousands of digits", strings.Repeat("1", 5000), "", ErrBadLength},
		{"thousands of spaces", strings.Repeat(" ", 5000), "", ErrBadLength},
		{"no country starts with 0", "+0301234567", "", ErrBadCountry},
		{"000", "000301234567", "", ErrBadCountry},
		{"a national number without a home", "030 123456", "", ErrBadCountry},
		{"a national number behind a space", " 030123456", "", ErrBadCountry},
		{"no country code, no plus", "4930123456", "", ErrBadCountry},
		{"a national number that is in no plan", "0000000", "US", ErrBadCountry},
		{"00 before a number of no plan, which may be 0011 of Australia", "0011 61 2 12345678", "", ErrBadCountry},
		{"the same in Germany", "0011 61 2 12345678", "DE", ErrBadCountry},
		{"a national number of another country", "030 1234567890123", "US", ErrBadCountry},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse(c.raw, c.region)
			if !errors.Is(err, c.want) || !errors.Is(err, ErrBad) {
				t.Errorf("Parse(%q, %q) = %q, %v; want %v", c.raw, c.region, got, err, c.want)
			}
			if got != (Number{}) {
				t.Errorf("a refused number has the value %q", got)
			}
		})
	}
}

// Every example number of every region, in every spelling a person there would use.
func TestExampleNumbersOfEveryRegion(t *testing.T) {
	types := []phonenumbers.PhoneNumberType{phonenumbers.FIXED_LINE, phonenumbers.MOBILE, phonenumbers.TOLL_FREE,
		phonenumbers.PREMIUM_RATE, phonenumbers.SHARED_COST, phonenumbers.VOIP, phonenumbers.PERSONAL_NUMBER, phonenumbers.UAN}
	seen := 0
	for region := range phonenumbers.GetSupportedRegions() {
		for _, typ := range types {
			p := phonenumbers.GetExampleNumberForType(region, typ)
			if p == nil {
				continue
			}
			want := phonenumbers.Format(p, phonenumbers.E164)
			if len(want) <= minE164 {
				continue // shorter than anything a carrier routes by its country code
			}
			seen++
			national := phonenumbers.Format(p, phonenumbers.NATIONAL)
			for spelling, raw := range map[string]string{
				"E.164":         want,
				"international": phonenumbers.Format(p, phonenumbers.INTERNATIONAL),
				"00":            "00" + want[1:],
				"lost plus":     " " + want[1:],
				"full-width":    strings.Map(fullWidth, want),
			} {
				got, err := Parse(raw, "")
				if err != nil || got.String() != want {
					t.Errorf("%s %v, %s: Parse(%q) = %q, %v; want %q", region, typ, spelling, raw, got, err, want)
				}
			}
			// A national spelling is that number, an extension by its length, or refused; never another number.
			got, err := Parse(national, region)
			if err == nil && !got.IsExtension() && got.String() != want {
				t.Errorf("%s %v: Parse(%q, %q) = %q, want %q", region, typ, national, region, got, want)
			}
		}
	}
	if seen < 1000 {
		t.Errorf("only %d example numbers", seen)
	}
}

func fullWidth(r rune) rune {
	if r == '+' {
		return '\uff0b'
	}
	return r - '0' + '\uff10'
}

func TestMaskShowsNoWholeNumber(t *testing.T) {
	for raw, want := range map[string]string{
		"+4930123456":      "+4930•••456",
		"+493012345":       "+4930•••345",
		"+2901234":         "+290•••4",
		"4930123456":       "4930•••456",
		"610":              "610",
		"":                 "•••",
		"1":                "•••",
		"+610":             "•••",
		"alice@example.eu": "•••",
		"+49\n30":          "•••",
	} {
		if got := Mask(raw); got != want {
			t.Errorf("Mask(%q) = %q, want %q", raw, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"+4930123456", " 4930123456", "610", "tel:+49-30-123456", "0049 (0)30 1", "030 123456",
		"+1 (202) 456-1111", "+5501511123456789", "+390669821234", "０１２", "+4930123456;ext=5", "%2B49", "\x00", "011493012345"} {
		for _, region := range []string{"", "DE", "US", "BR"} {
			f.Add(seed, region)
		}
	}
	f.Fuzz(func(t *testing.T, raw, region string) {
		n, err := Parse(raw, region)
		if err != nil {
			if !errors.Is(err, ErrBad) || n != (Number{}) {
				t.Fatalf("Parse(%q) = %q, %v", raw, n, err)
			}
			return
		}
		s := n.String()
		digits := strings.TrimPrefix(s, "+")
		if strings.Trim(digits, "0123456789") != "" {
			t.Fatalf("Parse(%q) = %q: not digits", raw, s)
		}
		if n.IsExtension() && (len(s) < minExtension || len(s) > maxExtension) || !n.IsExtension() && (len(digits) < minE164 || len(digits) > maxE164) {
			t.Fatalf("Parse(%q) = %q: length", raw, s)
		}
		for _, r := range []string{"", region, "DE", "US"} {
			if again, err := Parse(s, r); err != nil || again != n {
				t.Fatalf("Parse(%q) = %q, but Parse(%q, %q) = %q, %v", raw, s, s, r, again, err)
			}
		}
		if !n.IsExtension() && strings.Contains(Mask(s), digits) {
			t.Fatalf("Mask(%q) = %q", s, Mask(s))
		}
	})
}
