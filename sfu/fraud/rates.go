package fraud

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"dialroom/shared/number"
)

// maxRates bounds a price list. The longest of carriers have about 60,000 lines.
const maxRates = 500_000

// Rate is the price of a minute to the numbers that begin with Prefix.
type Rate struct {
	Prefix    string
	PerMinute float64
	Currency  string
}

// setRates takes the prices into the rules.
func (r *Rules) setRates(rates []Rate) error {
	r.rates = make(map[string]float64, len(rates))
	for i, rate := range rates {
		if rate.Prefix == "" || !isPrefix(rate.Prefix) {
			return fmt.Errorf("rates[%d]: expected a prefix such as \"+49\", got %q", i, rate.Prefix)
		}
		if _, twice := r.rates[rate.Prefix]; twice {
			return fmt.Errorf("rates[%d]: there is another price for %s", i, rate.Prefix)
		}
		if !(rate.PerMinute >= 0 && rate.PerMinute < 1e9) { // also no NaN
			return fmt.Errorf("rates[%d]: expected a price, got %v", i, rate.PerMinute)
		}
		if rate.Currency != rates[0].Currency {
			return fmt.Errorf("rates[%d]: expected one currency in all rates, got %q and %q", i, rates[0].Currency, rate.Currency)
		}
		r.rates[rate.Prefix] = rate.PerMinute
		r.longestRate = max(r.longestRate, len(rate.Prefix))
		r.currency = rate.Currency
	}
	return nil
}

// price returns what a minute to n costs, if the rates say so.
func (r *Rules) price(n number.Number) (perMinute float64, ok bool) {
	s := n.String()
	for i := min(len(s), r.longestRate); i > 0; i-- {
		if price, ok := r.rates[s[:i]]; ok {
			return price, true
		}
	}
	return 0, false
}

// ReadRates reads a price list: CSV with commas or semicolons, whose first
// line names the columns. prefix and per_minute must be among them, currency
// may, others are not read. A prefix may be written without its plus, as
// carriers do: such a list has no extensions. An error names the line.
func ReadRates(src io.Reader) ([]Rate, error) {
	all, err := io.ReadAll(src)
	if err != nil {
		return nil, err
	}
	text := strings.TrimPrefix(string(all), "\ufeff")
	lines := csv.NewReader(strings.NewReader(text))
	if head, _, _ := strings.Cut(text, "\n"); !strings.Contains(head, ",") {
		lines.Comma = ';'
	}
	lines.TrimLeadingSpace, lines.ReuseRecord = true, true
	head, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("line 1: expected the names of the columns, got nothing")
	} else if err != nil {
		return nil, err // names the line itself
	}
	prefix, perMinute, currency := slices.Index(head, "prefix"), slices.Index(head, "per_minute"), slices.Index(head, "currency")
	if prefix < 0 || perMinute < 0 {
		return nil, errors.New("line 1: expected columns with the names prefix and per_minute")
	}
	var rates []Rate
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return rates, nil
		} else if err != nil {
			return nil, err
		}
		line, _ := lines.FieldPos(0)
		if len(rates) == maxRates {
			return nil, fmt.Errorf("line %d: expected at most %d prices", line, maxRates)
		}
		rate := Rate{Prefix: "+" + strings.TrimPrefix(strings.TrimSpace(fields[prefix]), "+")}
		if !isPrefix(rate.Prefix) {
			return nil, fmt.Errorf("line %d: expected a prefix such as +49, got %q", line, fields[prefix])
		}
		rate.PerMinute, err = strconv.ParseFloat(strings.TrimSpace(fields[perMinute]), 64)
		if err != nil || !(rate.PerMinute >= 0 && rate.PerMinute < 1e9) {
			return nil, fmt.Errorf("line %d: expected a price such as 0.02, got %q", line, fields[perMinute])
		}
		if currency >= 0 {
			rate.Currency = strings.TrimSpace(fields[currency])
		}
		rates = append(rates, rate)
	}
}
