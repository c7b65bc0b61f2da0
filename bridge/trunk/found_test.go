package trunk

import (
	"net/netip"
	"testing"
	"time"
)

// An ordinary carrier is a name in the settings, and its calls come from
// wherever that name leads.
func TestTrunkIsKnownByTheAddressesOfItsName(t *testing.T) {
	named := tr("a", 10, "+")
	named.Host = "sip.example.net"
	table := NewTable([]Trunk{named}, time.Now)
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	known := func(ip netip.Addr) bool {
		slot, ok := table.Inbound(ip, nil)
		if slot != nil {
			slot.Release()
		}
		if ok != table.Trusts(ip) {
			t.Errorf("Inbound and Trusts do not agree about %s", ip)
		}
		return ok
	}
	if known(one) {
		t.Error("known before anybody has looked")
	}
	table.Found("a", []netip.Addr{one})
	table.Found("a", []netip.Addr{netip.MustParseAddr("::ffff:192.0.2.2")})
	if !known(one) || !known(two) || known(two.Next()) {
		t.Error("one of a pool is forgotten, or a neighbour is known")
	}
	for range keptFor {
		table.Found("a", []netip.Addr{two})
	}
	if known(one) || !known(two) {
		t.Error("an address the name has not led to for long is still known")
	}
	moved := named
	moved.Host = "sip.example.org"
	table.Load([]Trunk{moved})
	if known(two) {
		t.Error("the addresses of the host before the reload are still known")
	}
}

func TestCallsToARegistrationBelongToItsTrunk(t *testing.T) {
	off := disabled(registering("off"))
	table := NewTable([]Trunk{registering("a"), tr("plain", 10, "+"), off}, time.Now)
	for user, want := range map[string]bool{"a": true, "plain": false, "off": false, "nobody": false, "": false} {
		if _, ok := table.Registers(user); ok != want {
			t.Errorf("%q: %v", user, ok)
		}
	}
}
