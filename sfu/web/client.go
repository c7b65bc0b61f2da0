package web

import (
	"net/netip"
	"strings"
)

// clientIP finds who asks. remote is the other end of the connection;
// forwarded are the X-Forwarded-For fields in the order they came. The list is
// believed from its right end, entry by entry, only as long as the hop that
// wrote the entry is a trusted proxy: everything left of that anybody may have
// made up.
func clientIP(remote netip.Addr, forwarded []string, trusted []netip.Prefix) netip.Addr {
	client := remote.Unmap().WithZone("")
	entries := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(entries) - 1; i >= 0 && isIn(client, trusted); i-- {
		hop, ok := parseHop(strings.TrimSpace(entries[i]))
		if !ok {
			break // the proxy itself is all that is known
		}
		client = hop
	}
	return client
}

// parseHop reads one entry: an address, in brackets or not, with a port or not.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a.Unmap().WithZone(""), err == nil
}

func isIn(a netip.Addr, list []netip.Prefix) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
