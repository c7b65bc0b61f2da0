package web

import (
	"net/netip"
	"strings"
	"sync"
)

// maxSocketsPerIP is how many WebSockets one address may have open: an office
// of fifty people behind one address can be in calls at once, a script that
// opens thousands cannot.
const maxSocketsPerIP = 50

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

// bucket is what caps count by: an IPv4 address, or the /64 an IPv6 address is
// in, because that is what one customer gets.
func bucket(a netip.Addr) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails only for the zero Addr, whose bucket is the zero Prefix
	return p
}

// capacity counts what is open per bucket.
type capacity struct {
	max int

	mu     sync.Mutex
	open   map[netip.Prefix]int // guarded by mu
	sum    int                  // guarded by mu
	closed bool                 // guarded by mu
}

func newCapacity(limit int) *capacity {
	return &capacity{max: limit, open: map[netip.Prefix]int{}}
}

// take takes a place for a and starts wg, or says why there is none.
func (c *capacity) take(a netip.Addr, wg *sync.WaitGroup) error {
	b := bucket(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return errClosing
	case c.open[b] >= c.max:
		return errTooManySockets
	}
	c.open[b]++
	c.sum++
	wg.Add(1)
	return nil
}

func (c *capacity) release(a netip.Addr, wg *sync.WaitGroup) {
	b := bucket(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[b]--; c.open[b] == 0 {
		delete(c.open, b)
	}
	c.sum--
	wg.Done()
}

func (c *capacity) total() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum
}

// close refuses everybody from now on.
func (c *capacity) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}
