package ua

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Dial calls a number at a SIP address over "udp", "tcp" or "tls", as caller,
// and returns the call once it is answered; the script runs on it from then on.
// ctx bounds the wait for the answer.
//
// The INVITE makes no offer: the far end does in its 200, and our ACK answers
// (RFC 3261 §13.2.1), so that media is the same as in a call that comes in.
func (c *Carrier) Dial(ctx context.Context, transport string, to netip.AddrPort, caller, number string, script Script) (*Call, error) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	c.inviting.Add(1)
	c.mu.Unlock()
	call, err := c.dial(ctx, transport, to, caller, number)
	if err != nil {
		c.inviting.Done()
		return nil, err
	}
	go func() {
		defer c.inviting.Done()
		defer c.forget(call)
		call.run(script)
	}()
	return call, nil
}

// dial places the call and acknowledges its answer.
func (c *Carrier) dial(ctx context.Context, transport string, to netip.AddrPort, caller, number string) (*Call, error) {
	req := c.newInvite(transport, to, caller, number)
	c.events.add(Event{Kind: "SENT INVITE", CallID: req.CallID().Value(), Number: number})
	res, err := c.client.Do(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("INVITE: %w", err)
	}
	if !res.IsSuccess() {
		return nil, fmt.Errorf("INVITE: answered %d", res.StatusCode)
	}
	o, err := parseOffer(res.Body())
	if err != nil {
		return nil, err
	}
	mirror := mirrored(req, res)
	if mirror.Contact() == nil {
		return nil, errors.New("INVITE: the answer has no Contact")
	}
	local, _ := req.From().Params.Get("tag")
	remote, _ := res.To().Params.Get("tag")
	call := &Call{
		CallID: req.CallID().Value(), Number: number, From: caller, At: time.Now(),
		carrier: c, invite: mirror, offer: o, final: sip.StatusOK, answered: time.Now(), cseq: req.CSeq().SeqNo,
		key:  dialogKey{req.CallID().Value(), local, remote},
		acks: map[uint32]chan struct{}{},
	}
	if call.media, err = c.openMedia(call, o); err != nil {
		return nil, err
	}
	call.ctx, call.cancel = context.WithCancel(c.ctx)
	c.add(call)
	c.events.add(Event{Kind: "ANSWERED", CallID: call.CallID, Number: number})
	ack := call.inDialog(sip.ACK)
	ack.CSeq().SeqNo = req.CSeq().SeqNo // RFC 3261 §13.2.2.4
	ack.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	ack.SetBody(call.describe())
	if err := c.client.WriteRequest(ack); err != nil {
		c.log.Warn("ACK not sent", "error", err)
	}
	call.media.open()
	return call, nil
}

func (c *Carrier) newInvite(transport string, to netip.AddrPort, caller, number string) *sip.Request {
	at := c.contactAddr(transport, to.Addr())
	host := func(user string, at netip.AddrPort) sip.Uri {
		return sip.Uri{Scheme: "sip", User: user, Host: at.Addr().String(), Port: int(at.Port())}
	}
	req := sip.NewRequest(sip.INVITE, host(number, to))
	from := &sip.FromHeader{Address: host(caller, at), Params: sip.NewParams()}
	from.Params.Add("tag", sip.GenerateTagN(16))
	contact := &sip.ContactHeader{Address: host(caller, at)}
	if transport != "udp" {
		contact.Address.UriParams = sip.NewParams()
		contact.Address.UriParams.Add("transport", transport)
	}
	id := sip.CallIDHeader(sip.GenerateTagN(24))
	hops := sip.MaxForwardsHeader(70)
	for _, h := range []sip.Header{
		from, &sip.ToHeader{Address: host(number, to), Params: sip.NewParams()}, &id,
		&sip.CSeqHeader{SeqNo: 1, MethodName: sip.INVITE}, &hops, contact, sip.NewHeader("Allow", allow),
	} {
		req.AppendHeader(h)
	}
	req.SetTransport(strings.ToUpper(transport))
	req.SetDestination(to.String())
	if transport == "udp" {
		req.Laddr = sip.Addr{IP: at.Addr().AsSlice(), Port: int(at.Port())}
	}
	return req
}

// mirrored is the INVITE as if the other side had sent it: the rest of a dialog
// does not ask who began it. The route set of a caller is the answer's
// Record-Route in reverse (RFC 3261 §12.1.2).
func mirrored(req *sip.Request, res *sip.Response) *sip.Request {
	m := sip.NewRequest(sip.INVITE, req.From().Address)
	m.AppendHeader(&sip.FromHeader{Address: res.To().Address, Params: res.To().Params})
	m.AppendHeader(&sip.ToHeader{Address: req.From().Address, Params: sip.NewParams()})
	routes := res.GetHeaders("Record-Route")
	for i := len(routes) - 1; i >= 0; i-- {
		m.AppendHeader(routes[i])
	}
	if contact := res.Contact(); contact != nil {
		m.AppendHeader(contact)
	}
	m.SetTransport(req.Transport())
	m.SetSource(res.Source())
	return m
}
