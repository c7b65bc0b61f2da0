package trunk

import "net/netip"

// keptFor is how many lookups an address is remembered that they no longer
// name: a pool of hosts answers with a few of them at a time. With a probe
// every 30 s that is an hour.
const keptFor = 120

// whereabouts are the addresses a trunk's host was found at.
type whereabouts struct {
	lookups int
	seen    map[netip.Addr]int // the lookup that named it last
}

// Found notes where a trunk's host is by DNS, so that its calls are known by
// where they come from.
func (t *Table) Found(id string, addrs []netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.found[id]
	if w.seen == nil {
		w.seen = make(map[netip.Addr]int)
	}
	w.lookups++
	for _, a := range addrs {
		w.seen[a.Unmap()] = w.lookups
	}
	for a, last := range w.seen {
		if w.lookups-last >= keptFor {
			delete(w.seen, a)
		}
	}
	t.found[id] = w
}

// from reports whether ip is one of the trunk's: as the settings say, or as
// DNS does. t.mu is held.
func (t *Table) from(trunk *Trunk, ip netip.Addr) bool {
	if trunk.sends(ip) {
		return true
	}
	_, ok := t.found[trunk.ID].seen[ip.Unmap()]
	return ok
}

// Registers returns the trunk whose registration named this user as its
// Contact: calls that come by the registration are addressed to it, and not to
// the number that was dialled.
func (t *Table) Registers(user string) (Trunk, bool) {
	trunk, ok := t.find(user)
	return trunk, ok && trunk.Enabled && trunk.Register
}
