package call

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Transports.
const (
	udp = "udp"
	tcp = "tcp"
)

// defaultPort is SIP's over UDP and TCP (RFC 3261 §19.1.2).
const defaultPort = 5060

// Resolver looks names up; net.Resolver does.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// target is where a request is to go, before any lookup.
type target struct {
	host    string // name or address, without brackets
	port    int    // 0: not said
	network string
}

// splitHost reads "host", "host:port" or "[v6]:port".
func splitHost(s string) (host string, port int) {
	if h, p, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.Atoi(p); err == nil {
			return h, n
		}
	}
	return strings.Trim(s, "[]"), 0
}

// errNowhere means that a name has no address this agent can reach.
var errNowhere = errors.New("no address")

// resolve finds the addresses of t in the order they are to be tried.
//
// RFC 3263 §4.2: an address is used as it is; a port rules SRV out; otherwise
// SRV records come first, by their priority and weight, and the name's own
// addresses when it has none. The transport is fixed by then, so NAPTR
// (§4.1) is not asked.
func (a *Agent) resolve(ctx context.Context, t target) ([]hop, error) {
	if addr, err := netip.ParseAddr(t.host); err == nil {
		return []hop{{t.network, netip.AddrPortFrom(addr.Unmap(), portOr(t.port))}}, nil
	}
	if t.port == 0 {
		// The records come sorted by priority and shuffled by weight. One
		// that leads nowhere does not spoil the others.
		if _, records, err := a.cfg.Resolver.LookupSRV(ctx, "sip", t.network, t.host); err == nil {
			var hops []hop
			for _, record := range records {
				more, err := a.addresses(ctx, t.network, strings.TrimSuffix(record.Target, "."), int(record.Port))
				if err == nil {
					hops = append(hops, more...)
				}
			}
			if len(hops) > 0 {
				return hops, nil
			}
		}
	}
	return a.addresses(ctx, t.network, t.host, t.port)
}

func (a *Agent) addresses(ctx context.Context, network, host string, port int) ([]hop, error) {
	family := "ip4"
	if a.cfg.Public.Is6() {
		family = "ip6"
	}
	ips, err := a.cfg.Resolver.LookupNetIP(ctx, family, host)
	if err != nil {
		return nil, fmt.Errorf("looking up the far end's host: %w", err)
	}
	if len(ips) == 0 {
		return nil, errNowhere
	}
	hops := make([]hop, 0, len(ips))
	for _, ip := range ips {
		hops = append(hops, hop{network, netip.AddrPortFrom(ip.Unmap(), portOr(port))})
	}
	return hops, nil
}

func portOr(port int) uint16 {
	if port <= 0 || port > 65535 {
		return defaultPort
	}
	return uint16(port)
}
