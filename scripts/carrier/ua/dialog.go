package ua

import (
	"cmp"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// inDialog builds a request of the dialog the INVITE created, as the called
// side does (RFC 3261 §12.1.1, §12.2.1.1).
func (call *Call) inDialog(method sip.RequestMethod) *sip.Request {
	call.mu.Lock()
	call.cseq++
	seq := call.cseq
	call.mu.Unlock()

	target := call.invite.From().Address
	if contact := call.invite.Contact(); contact != nil {
		target = contact.Address
	}
	req := sip.NewRequest(method, target)
	from := &sip.FromHeader{Address: call.invite.To().Address, Params: sip.NewParams()}
	from.Params.Add("tag", call.key.local)
	to := &sip.ToHeader{Address: call.invite.From().Address, Params: sip.NewParams()}
	to.Params.Add("tag", call.key.remote)
	id := sip.CallIDHeader(call.CallID)
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(from)
	req.AppendHeader(to)
	req.AppendHeader(&id)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(&hops)
	// The route set of the called side is Record-Route in the order received.
	routes := call.invite.GetHeaders("Record-Route")
	for _, rr := range routes {
		req.AppendHeader(sip.NewHeader("Route", rr.Value()))
	}
	req.SetTransport(call.invite.Transport())
	if call.invite.Transport() == "TCP" || call.invite.Transport() == "TLS" {
		req.SetDestination(call.invite.Source()) // the connection the call came over
	} else if call.carrier.udp != nil {
		// From the address the call came to, not from a port of the moment.
		addr := call.carrier.Addr("udp")
		req.Laddr = sip.Addr{IP: addr.Addr().AsSlice(), Port: int(addr.Port())}
		if len(routes) > 0 {
			if first, ok := routes[0].(*sip.RecordRouteHeader); ok { // a loose router is asked first
				req.SetDestination(net.JoinHostPort(first.Address.Host, strconv.Itoa(cmp.Or(first.Address.Port, 5060))))
			}
		}
	}
	return req
}

// response builds a response of this call's dialog.
func (call *Call) response(req *sip.Request, code int, reason string, body []byte) *sip.Response {
	res := sip.NewResponseFromRequest(req, code, reason, body)
	if to := res.To(); to != nil {
		if to.Params == nil {
			to.Params = sip.NewParams()
		}
		to.Params.Remove("tag")
		to.Params.Add("tag", call.key.local)
	}
	if code < 300 {
		res.AppendHeader(call.contact(req.Transport()))
		res.AppendHeader(sip.NewHeader("Allow", allow))
	}
	if body != nil {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	return res
}

// contactAddr is where requests of a dialog reach us.
func (c *Carrier) contactAddr(transport string, fallback netip.Addr) netip.AddrPort {
	at := c.Addr(strings.ToLower(transport))
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(fallback, at.Port())
	}
	return at
}

// describe returns our answer to the offer, always the same until it is renegotiated.
func (call *Call) describe() []byte {
	call.mu.Lock()
	defer call.mu.Unlock()
	return call.media.answer(call.offer, call.version, "")
}

// renegotiate takes a new offer and returns the new answer.
func (call *Call) renegotiate(body []byte) ([]byte, error) {
	o, err := parseOffer(body)
	if err != nil {
		return nil, err
	}
	if err := call.media.follow(o); err != nil {
		return nil, err
	}
	call.mu.Lock()
	defer call.mu.Unlock()
	call.offer = o
	call.version++
	return call.media.answer(o, call.version, ""), nil
}
