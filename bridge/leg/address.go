package leg

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
)

// This file chooses the address that our SDP names. RTP leaves a socket that is
// bound to every address with the one of its route, and a far end that takes
// RTP only from where the SDP says drops it when that is another. So where no
// address is set, each call names the one of the route to its far end.

// LocalFor returns the address under which a far end gets our RTP.
func (h *Hub) LocalFor(to netip.Addr) netip.Addr {
	to = to.Unmap()
	if !h.byRoute || !to.IsValid() || to.IsUnspecified() || !h.reaches(to) {
		return h.publicIP
	}
	ip, err := LocalIP(to)
	if err != nil || ip.IsUnspecified() {
		return h.publicIP // there is no route now; there may be one when RTP flows
	}
	return ip
}

// Advertise changes the address that the leg's SDP names from now on.
func (l *Leg) Advertise(ip netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.local.ip = ip.Unmap()
}

// Readdress is for an SDP of ours that is about to leave for a far end which
// was not known when it was written. It returns the SDP as that far end has to
// see it; what follows in the call names the same address.
func (l *Leg) Readdress(text []byte, to netip.Addr) []byte {
	if !l.hub.byRoute {
		return text
	}
	ip := l.hub.LocalFor(to)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.local.ip = ip
	lines := bytes.SplitAfter(text, []byte("\n"))
	for i, line := range lines {
		// RFC 8866 §5.2, §5.7: o= ends with type and address, c= is nothing else.
		if !bytes.HasPrefix(line, []byte("o=")) && !bytes.HasPrefix(line, []byte("c=")) {
			continue
		}
		if at := bytes.Index(line, []byte("IN IP")); at >= 0 {
			kind, ip := l.local.named()
			lines[i] = append(line[:at:at], "IN "+kind+" "+ip+"\r\n"...)
		}
	}
	changed := bytes.Join(lines, nil)
	if bytes.Equal(l.local.text, text) {
		l.local.text = changed // it is the same version: nobody has seen another
	}
	return changed
}

// named returns the type of our address and the address, as SDP has them.
func (s *localSDP) named() (kind, ip string) {
	if s.ip.Is6() {
		return "IP6", s.ip.String()
	}
	return "IP4", s.ip.String()
}

// first chooses the address of a leg's first SDP, the answer to an offer that
// wants RTP at to; mu is held.
func (l *Leg) first(to netip.Addr) {
	if l.latch.host.IsValid() {
		to = l.latch.host // what a phone behind NAT says of itself leads nowhere
	}
	if l.local.text == nil && to.IsValid() && !to.IsUnspecified() && l.hub.byRoute {
		l.local.ip = l.hub.LocalFor(to)
	}
}

// LocalIP returns the address from which packets to a host leave this machine.
// Nothing is sent.
func LocalIP(to netip.Addr) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(to, 9)))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("route to %v: %w", to, err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone(""), nil
}

// defaultIP guesses what SDP can say when sockets are bound to every address:
// the address of the default route, or loopback on a machine that has none.
func defaultIP(bind netip.Addr) netip.Addr {
	// RFC 5737 §3 and RFC 3849: documentation addresses, never on the way anywhere else.
	probes := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	if bind.Is6() {
		probes = append(probes, netip.MustParseAddr("2001:db8::1"))
	}
	for _, to := range probes {
		if ip, err := LocalIP(to); err == nil {
			return ip
		}
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
