package number

import (
	"errors"
	"strings"
	"testing"
)

// The promise: any spelling of a number is that one number or is refused.
// Thirty numbers of all continents and kinds, each in more than twenty.
func TestThirtyNumbersInTwentySpellingsAreThirtyNumbers(t *testing.T) {
	numbers := []struct {
		e164, home   string
		idd          string // what is dialled at home before a country code
		national     string // as it is dialled at home
		area, subscr string // the two halves behind the country code
	}{
		{"+4930123456", "DE", "00", "030123456", "30", "123456"},
		{"+4915123456789", "DE", "00", "015123456789", "151", "23456789"},
		{"+4989636480", "DE", "00", "089636480", "89", "636480"},
		{"+499001123456", "DE", "00", "09001123456", "900", "1123456"},
		{"+431234567890", "AT", "00", "01234567890", "1", "234567890"},
		{"+41446681800", "CH", "00", "0446681800", "44", "6681800"},
		{"+41791234567", "CH", "00", "0791234567", "79", "1234567"},
		{"+442079460958", "GB", "00", "02079460958", "20", "79460958"},
		{"+447400123456", "GB", "00", "07400123456", "7400", "123456"},
		{"+33142685300", "FR", "00", "0142685300", "1", "42685300"},
		{"+390669821234", "IT", "00", "0669821234", "06", "69821234"},
		{"+34912345678", "ES", "00", "912345678", "91", "2345678"},
		{"+351212345678", "PT", "00", "212345678", "21", "2345678"},
		{"+48123456789", "PL", "00", "123456789", "12", "3456789"},
		{"+420212345678", "CZ", "00", "212345678", "2", "12345678"},
		{"+4532123456", "DK", "00", "32123456", "32", "123456"},
		{"+46812345678", "SE", "00", "0812345678", "8", "12345678"},
		{"+358501234567", "FI", "00", "0501234567", "50", "1234567"},
		{"+12024561111", "US", "011", "2024561111", "202", "4561111"},
		{"+16135550123", "CA", "011", "6135550123", "613", "5550123"},
		{"+18765123456", "JM", "011", "8765123456", "876", "5123456"},
		{"+19002345678", "US", "011", "9002345678", "900", "2345678"},
		{"+525512345678", "MX", "00", "5512345678", "55", "12345678"},
		{"+551123456789", "BR", "00", "1123456789", "11", "23456789"},
		{"+61212345678", "AU", "0011", "0212345678", "2", "12345678"},
		{"+6493009000", "NZ", "00", "093009000", "9", "3009000"},
		{"+81312345678", "JP", "010", "0312345678", "3", "12345678"},
		{"+862161234567", "CN", "00", "02161234567", "21", "61234567"},
		{"+912227654321", "IN", "00", "02227654321", "22", "27654321"},
		{"+27211234567", "ZA", "00", "0211234567", "21", "1234567"},
	}
	if len(numbers) != 30 {
		t.Fatalf("%d numbers", len(numbers))
	}
	wide := func(s string) string { return strings.Map(fullWidth, s) }
	arabic := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '+' {
				return r
			}
			return r - '0' + '\u0660'
		}, s)
	}
	for _, n := range numbers {
		digits := n.e164[1:]
		cc := strings.TrimSuffix(digits, n.area+n.subscr)
		if cc == digits {
			t.Fatalf("%s is not made of %s and %s", n.e164, n.area, n.subscr)
		}
		mid := len(n.subscr) / 2
		spellings := []struct {
			raw     string
			refused bool // by design; everything else must be the number
		}{
			{n.e164, false},
			{"+" + cc + " " + n.area + " " + n.subscr, false},
			{"+" + cc + "-" + n.area + "-" + n.subscr, false},
			{"+" + cc + " (" + n.area + ") " + n.subscr[:mid] + "-" + n.subscr[mid:], false},
			{"+" + cc + "." + n.area + "." + n.subscr, false},
			{"+" + cc + "/" + n.area + "/" + n.subscr, false},
			{"+" + cc + "\u00a0" + n.area + "\u2009" + n.subscr, false},
			{"+" + cc + "\u2013" + n.area + "\u2011" + n.subscr, false},
			{"\u202a" + n.e164 + "\u202c", false},
			{"  " + n.e164 + "  ", false},
			{" " + digits, false}, // a %2B that was forgotten
			{"%2B" + digits, false},
			{"%2b" + digits, false},
			{"tel:" + n.e164, false},
			{"TEL:+" + cc + "-" + n.area + "-" + n.subscr, false},
			{"tel:%2B" + digits, false},
			{"00" + digits, false},
			{n.idd + digits, false},
			{n.idd + " " + cc + " " + n.area + " " + n.subscr, false},
			{wide(n.e164), false},
			{wide("00" + digits), false},
			{arabic(n.e164), false},
			{n.national, false},
			{n.national[:3] + " " + n.national[3:], false},
			{"sip:" + n.e164 + "@example.net", true},
			{n.e164 + ";ext=5", true},
			{"tel:" + n.e164 + ";phone-context=example.net", true},
			{n.e164 + "&" + n.e164, true},
			{n.e164 + "," + n.e164, true},
			{n.e164 + "\r\n", true},
			{n.e164 + "\x00", true},
			{"+" + n.e164, true},
			{n.e164 + "p1", true},
			{n.e164 + "#", true},
		}
		for _, s := range spellings {
			got, err := Parse(s.raw, n.home)
			switch {
			case s.refused && !errors.Is(err, ErrBad):
				t.Errorf("%s: Parse(%q) = %q, %v; want a refusal", n.e164, s.raw, got, err)
			case !s.refused && (err != nil || got.String() != n.e164):
				t.Errorf("%s: Parse(%q, %q) = %q, %v", n.e164, s.raw, n.home, got, err)
			}
			// Without a home it may be refused, but never is another number.
			if got, err := Parse(s.raw, ""); err == nil && got.String() != n.e164 {
				t.Errorf("%s: Parse(%q) = %q", n.e164, s.raw, got)
			}
		}
	}
}
