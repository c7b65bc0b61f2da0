package call

import (
	"net"
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// Self is this agent as the target of a call: a virtual number that one of our
// own rooms has dialled.
func (a *Agent) Self(number string) Target {
	network, addr := udp, a.UDPAddr()
	if a.udp == nil {
		network, addr = tcp, a.TCPAddr()
	}
	if addr.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(a.cfg.Public, addr.Port())
	}
	return Target{
		URI:     sip.Uri{Scheme: "sip", User: number, Host: addr.Addr().String(), Port: int(addr.Port())},
		Network: network, Addr: addr,
	}
}

// KeepOpen sends a phone behind a NAT an empty message (RFC 5626 §4.4.1), which
// the phone ignores and the NAT does not. Over TCP and TLS the phone itself
// keeps its connection up.
func (a *Agent) KeepOpen(network string, addr netip.AddrPort) {
	if network != udp || a.udp == nil {
		return
	}
	if _, err := a.udp.WriteTo([]byte("\r\n\r\n"), net.UDPAddrFromAddrPort(addr)); err != nil {
		a.log.Debug("a phone's path was not kept open", "error", err)
	}
}
