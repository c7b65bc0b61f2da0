package call

import (
	"crypto/rand"
	"net/netip"
	"strings"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
)

const (
	userAgent = "Dialroom"

	// allowed is what the far end may send us in a dialog, and what an
	// OPTIONS gets to know. UPDATE is there for session timers (RFC 4028
	// §7.4); we announce no extension we do not speak.
	allowed = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK, REFER, NOTIFY"

	contactUser = "dialroom"
)

// identity is who we are in a call's messages.
type identity struct {
	from     sip.FromHeader // with our tag
	asserted *sip.Uri       // for P-Asserted-Identity, or nil
	request  sip.Uri        // Request-URI of the INVITE without its user
}

// identify says who a trunk wants us to be.
//
// The user of From is the trunk's from.user, or the caller id, or the digest
// user. Where from.user is set beside a caller id, From identifies the account
// and the caller id goes into P-Asserted-Identity, as SIPconnect 2.0 §10 asks
// of a PBX. Where the callee is not to see who calls, From is anonymous (RFC
// 3323 §4.1.1.3) and P-Asserted-Identity tells the carrier alone.
func (a *Agent) identify(t *trunk.Trunk) identity {
	host, port := splitHost(t.Host)
	id := identity{request: sip.Uri{Scheme: "sip", Host: host, Port: port}}
	from := sip.Uri{Scheme: "sip", User: t.FromUser, Host: host}
	if t.FromHost != "" {
		from.Host, _ = splitHost(t.FromHost) // RFC 3261 §19.1.1: no port in From
	}
	caller := t.User(t.CallerID)
	if from.User == "" {
		from.User = caller
	} else if caller != "" && caller != from.User {
		id.asserted = &sip.Uri{Scheme: "sip", User: caller, Host: from.Host}
	}
	if from.User == "" {
		from.User = t.Username
	}
	if from.User == "" {
		from.User = contactUser
	}
	id.from = sip.FromHeader{DisplayName: quotable(t.FromDisplay), Address: from}
	if t.Private {
		id.asserted = &sip.Uri{Scheme: "sip", User: from.User, Host: from.Host}
		if caller != "" {
			id.asserted.User = caller
		}
		id.from = sip.FromHeader{DisplayName: "Anonymous", Address: sip.Uri{Scheme: "sip", User: "anonymous", Host: "anonymous.invalid"}}
	}
	id.from.Params.Add("tag", newTag())
	return id
}

// newTag returns a random tag; RFC 3261 §19.3 wants at least 32 bits.
func newTag() string { return rand.Text()[:16] }

// newBranch returns a transaction's branch, RFC 3261 §8.1.1.7.
func newBranch() string { return sip.RFC3261BranchMagicCookie + rand.Text() }

// quotable leaves out what would end a quoted string.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' || r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// base returns a request with the headers every request of this call has but
// To, which depends on the dialog, and Via and Contact, which depend on the
// transport ([Call.address]).
func (c *Call) base(method sip.RequestMethod, uri sip.Uri, seq uint32) *sip.Request {
	req := sip.NewRequest(method, uri)
	callID := sip.CallIDHeader(c.callID)
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&maxForwards)
	req.AppendHeader(sip.HeaderClone(&c.local.from))
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(sip.NewHeader("User-Agent", userAgent))
	return req
}

// newInvite returns the INVITE with an SDP offer, RFC 3261 §13.2.1.
func (c *Call) newInvite(offer []byte) *sip.Request {
	uri := c.local.request
	uri.User = c.trunk.User(c.number)
	if c.target != nil {
		uri = *c.target.URI.Clone()
	}
	req := c.base(sip.INVITE, uri, c.nextSeq())
	req.AppendHeader(&sip.ToHeader{Address: sip.Uri{Scheme: "sip", User: c.trunk.User(c.number), Host: uri.Host}})
	req.AppendHeader(&sip.ContactHeader{}) // filled in when the transport is known
	req.AppendHeader(sip.NewHeader("Allow", allowed))
	req.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	req.AppendHeader(sip.NewHeader("Supported", extensions))
	c.session.request(req)
	if route := routeOf(&c.trunk); route != nil {
		req.AppendHeader(route)
	}
	if c.local.asserted != nil {
		req.AppendHeader(sip.NewHeader("P-Asserted-Identity", "<"+c.local.asserted.String()+">"))
	}
	if c.trunk.Private {
		req.AppendHeader(sip.NewHeader("Privacy", "id")) // RFC 3323 §4.2, RFC 3325 §9.3
	}
	return withSDP(req, offer)
}

// again returns the INVITE once more as a new transaction, with credentials:
// same Call-ID, same tag, next CSeq (RFC 3261 §22.2).
func (c *Call) again(invite *sip.Request) *sip.Request {
	req := invite.Clone()
	req.SetDestination("")
	req.RemoveHeader("Via")
	req.CSeq().SeqNo = c.nextSeq()
	return req
}

// newCancel returns the CANCEL for an INVITE, RFC 3261 §9.1: everything that
// identifies the transaction is the same, the branch included.
func newCancel(invite *sip.Request) *sip.Request {
	req := sip.NewRequest(sip.CANCEL, *invite.Recipient.Clone())
	req.AppendHeader(invite.Via().Clone())
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&maxForwards)
	sip.CopyHeaders("Route", invite, req)
	for _, h := range []sip.Header{invite.From(), invite.To(), invite.CallID()} {
		req.AppendHeader(sip.HeaderClone(h))
	}
	req.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	req.AppendHeader(sip.NewHeader("User-Agent", userAgent))
	req.SetBody(nil)
	return req
}

// inside returns a request in a dialog, RFC 3261 §12.2.1.1.
func (c *Call) inside(d *dialog, method sip.RequestMethod, seq uint32) *sip.Request {
	uri, routes := d.route()
	req := c.base(method, uri, seq)
	req.AppendHeader(sip.HeaderClone(d.remote))
	for _, route := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: *route.Clone()})
	}
	req.SetBody(nil)
	return req
}

// newAck returns the ACK to a dialog's 200, RFC 3261 §13.2.2.4: the INVITE's
// CSeq number and, as it cannot be challenged, the INVITE's credentials
// (§22.1).
func (c *Call) newAck(d *dialog, invite *sip.Request) *sip.Request {
	req := c.inside(d, sip.ACK, invite.CSeq().SeqNo)
	for _, name := range []string{authorization, proxyAuthorization} {
		sip.CopyHeaders(name, invite, req)
	}
	return req
}

// refusalAck returns the ACK to a final response other than 2xx that no
// transaction wanted, RFC 3261 §17.1.1.3.
func refusalAck(invite *sip.Request, res *sip.Response) *sip.Request {
	req := newCancel(invite)
	req.Method = sip.ACK
	req.CSeq().MethodName = sip.ACK
	if to := res.To(); to != nil {
		req.ReplaceHeader(sip.HeaderClone(to))
	}
	return req
}

func (c *Call) nextSeq() uint32 {
	c.cseq++
	return c.cseq
}

func withSDP(req *sip.Request, body []byte) *sip.Request {
	req.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	req.SetBody(body)
	return req
}

// address completes a request for the transport it will take: Via, Contact
// and the destination that the library uses instead of looking one up.
func (a *Agent) address(req *sip.Request, to hop) {
	if req.IsCancel() || req.Via() != nil {
		// CANCEL and the ACK that goes with it carry the INVITE's Via, and a
		// repeated ACK its own.
	} else {
		req.PrependHeader(a.via(to))
	}
	if old := req.Contact(); old != nil {
		contact := a.contact(to)
		if old.Address.User != "" {
			contact.Address.User = old.Address.User // a registration's
		}
		req.ReplaceHeader(contact)
	}
	req.SetTransport(sip.NetworkToUpper(to.network))
	req.SetDestination(to.addr.String())
	if to.network == udp {
		// Without this the library sends from a port of its own.
		local := a.UDPAddr()
		req.Laddr = sip.Addr{IP: local.Addr().AsSlice(), Port: int(local.Port())}
	} else {
		req.Laddr = sip.Addr{}
	}
}

// via returns the top Via of a new transaction. rport lets a response find its
// way back through a NAT (RFC 3581).
func (a *Agent) via(to hop) *sip.ViaHeader {
	host, port := a.advertised(to)
	via := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: sip.NetworkToUpper(to.network), Host: host, Port: port,
	}
	via.Params.Add("branch", newBranch())
	via.Params.Add("rport", "")
	return via
}

// contact returns where the far end reaches us in this dialog. It names the
// transport, without which its requests would come over UDP.
func (a *Agent) contact(to hop) *sip.ContactHeader {
	host, port := a.advertised(to)
	uri := sip.Uri{Scheme: "sip", User: contactUser, Host: host, Port: port}
	if to.network != udp {
		uri.UriParams.Add("transport", to.network)
	}
	return &sip.ContactHeader{Address: uri}
}

// contactFor is contact for the answer to a request.
func (a *Agent) contactFor(req *sip.Request) *sip.ContactHeader {
	source, _ := netip.ParseAddrPort(req.Source()) // without one it is Public
	return a.contact(hop{network: sip.NetworkToLower(req.Transport()), addr: source})
}

// advertised is where somebody at to reaches us.
func (a *Agent) advertised(to hop) (host string, port int) {
	local := a.UDPAddr()
	switch to.network {
	case tcp:
		local = a.TCPAddr()
	case tlsNetwork:
		local = a.TLSAddr()
	}
	return a.localFor(to.addr.Addr()).String(), int(local.Port())
}

// localFor is the address of ours that somebody at to reaches.
func (a *Agent) localFor(to netip.Addr) netip.Addr {
	to = to.Unmap()
	if !a.cfg.ByRoute || !to.IsValid() || to.Is6() && a.cfg.Public.Is4() {
		return a.cfg.Public
	}
	if ip, err := leg.LocalIP(to); err == nil && !ip.IsUnspecified() {
		return ip
	}
	return a.cfg.Public
}
