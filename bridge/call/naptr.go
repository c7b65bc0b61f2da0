package call

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// NAPTR is a naming authority pointer, RFC 3403 §4.1.
type NAPTR struct {
	Order       uint16
	Preference  uint16
	Flags       string
	Service     string // "SIP+D2U"
	Replacement string
}

// NAPTRResolver is a [Resolver] that knows NAPTR records too.
type NAPTRResolver interface {
	LookupNAPTR(ctx context.Context, name string) ([]NAPTR, error)
}

// services that RFC 3263 §4.1 gives the transports.
func naptrService(network string) string {
	switch network {
	case udp:
		return "SIP+D2U"
	case tcp:
		return "SIP+D2T"
	}
	return "SIPS+D2T"
}

// replacements returns the names of the SRV records that the NAPTR records of
// t name for its transport, best first.
func (a *Agent) replacements(ctx context.Context, t target) []string {
	resolver, ok := a.cfg.Resolver.(NAPTRResolver)
	if !ok {
		return nil
	}
	records, err := resolver.LookupNAPTR(ctx, t.host)
	if err != nil {
		return nil
	}
	slices.SortStableFunc(records, func(x, y NAPTR) int {
		return cmp.Or(cmp.Compare(x.Order, y.Order), cmp.Compare(x.Preference, y.Preference))
	})
	var names []string
	for _, r := range records {
		if strings.EqualFold(r.Flags, "s") && strings.EqualFold(r.Service, naptrService(t.network)) && len(names) < maxHops {
			names = append(names, strings.TrimSuffix(r.Replacement, "."))
		}
	}
	return names
}
