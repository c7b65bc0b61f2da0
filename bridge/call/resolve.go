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
	udp        = "udp"
	tcp        = "tcp"
	tlsNetwork = "tls"
)

// SIP's ports (RFC 3261 §19.1.2).
const (
	defaultPort    = 5060
	defaultTLSPort = 5061
)

// maxHops bounds the addresses one name may have us try.
const maxHops = 16

// Resolver looks names up; net.Resolver does. SRV records come sorted by
// priority and shuffled by weight. One that is a [NAPTRResolver] is asked for
// these first.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// target is where a request is to go, before any lookup.
type target struct {
	host    string // name or address, without brackets
	port    int    // 0: not said
	network string
	alias   string // the name a TLS certificate may have instead of host
}

// hop is one way to the far end: a transport and an address.
type hop struct {
	network string // udp, tcp or tls
	addr    netip.AddrPort
	name    string // what a TLS certificate must be for
	alias   string // or this
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

// lookUp finds the addresses of t in the order they are to be tried.
//
// RFC 3263 §4.2: an address is used as it is; a port rules SRV out; otherwise
// SRV records come first, by their priority and weight, and the name's own
// addresses when it has none. The settings or the URI say the transport, so of
// the NAPTR records (§4.1) only those of that transport count, and what they
// do is to name the SRV records.
func (a *Agent) lookUp(ctx context.Context, t target) ([]hop, error) {
	port := t.port
	if port <= 0 || port > 65535 {
		if port = defaultPort; t.network == tlsNetwork {
			port = defaultTLSPort
		}
	}
	if addr, err := netip.ParseAddr(t.host); err == nil {
		return []hop{{t.network, netip.AddrPortFrom(addr.Unmap(), uint16(port)), t.host, t.alias}}, nil
	}
	if t.port == 0 {
		// A record that leads nowhere does not spoil the others.
		var hops []hop
		for _, record := range a.services(ctx, t) {
			if len(hops) >= maxHops || ctx.Err() != nil {
				break
			}
			more, err := a.addresses(ctx, t, strings.TrimSuffix(record.Target, "."), int(record.Port))
			if err == nil {
				hops = append(hops, more...)
			}
		}
		if len(hops) > 0 {
			return hops[:min(len(hops), maxHops)], nil
		}
	}
	return a.addresses(ctx, t, t.host, port)
}

// services returns the SRV records of a name and a transport.
func (a *Agent) services(ctx context.Context, t target) []*net.SRV {
	for _, name := range a.replacements(ctx, t) {
		// The records' own name: no service and protocol are put before it.
		if _, records, err := a.cfg.Resolver.LookupSRV(ctx, "", "", name); err == nil && len(records) > 0 {
			return records
		}
	}
	service, proto := "sip", t.network
	if t.network == tlsNetwork {
		service, proto = "sips", tcp // RFC 3263 §4.1
	}
	_, records, err := a.cfg.Resolver.LookupSRV(ctx, service, proto, t.host)
	if err != nil {
		return nil
	}
	return records
}

// addresses looks up one host of t.
func (a *Agent) addresses(ctx context.Context, t target, host string, port int) ([]hop, error) {
	family := "ip4"
	switch {
	case a.cfg.Public.Is6() && a.cfg.ByRoute:
		family = "ip" // a socket bound to [::] reaches both
	case a.cfg.Public.Is6():
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
		hops = append(hops, hop{t.network, netip.AddrPortFrom(ip.Unmap(), uint16(port)), t.host, t.alias})
	}
	return hops, nil
}
