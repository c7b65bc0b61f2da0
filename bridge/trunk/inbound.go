package trunk

import "net/netip"

// Inbound takes room for a call that comes in from ip. known is whether the
// address belongs to a trunk: it is its host, or in its allowed sources. A
// trunk at its max_calls or max_calls_in gives no slot. Among several trunks of one carrier it
// is the first that has room; the caller may prefer one with prefer.
func (t *Table) Inbound(ip netip.Addr, prefer func(*Trunk) bool) (slot *Slot, known bool) {
	t.mu.Lock()
	var found []Trunk
	for i := range t.trunks {
		if trunk := &t.trunks[i]; trunk.Enabled && t.from(trunk, ip) {
			if prefer != nil && prefer(trunk) {
				found = append([]Trunk{*trunk}, found...)
			} else {
				found = append(found, *trunk)
			}
		}
	}
	t.mu.Unlock()
	for _, trunk := range found {
		if slot, err := t.take(trunk, in); err == nil {
			return slot, true
		}
	}
	return nil, len(found) > 0
}

// sends reports whether calls from ip are this trunk's.
func (t *Trunk) sends(ip netip.Addr) bool {
	ip = ip.Unmap()
	for _, network := range t.Sources {
		if network.Contains(ip) {
			return true
		}
	}
	host, err := netip.ParseAddr(t.Host)
	if err != nil {
		hostPort, err := netip.ParseAddrPort(t.Host)
		if err != nil {
			return false
		}
		host = hostPort.Addr()
	}
	return host.Unmap() == ip
}

// Free is a slot that counts against nothing: on a registered phone, or within
// the house.
func Free(t Trunk) *Slot { return &Slot{Trunk: t, release: func() {}} }
