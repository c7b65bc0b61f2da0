package call

import (
	"net/netip"

	"github.com/emiago/sipgo/sip"
)

// maxRedirects bounds how often one call follows a 3xx.
const maxRedirects = 3

// redirected returns where a 3xx (RFC 3261 §21.3) sends the call. Only another
// host for the same number is followed: the number that was checked is the
// number that is dialled.
func (c *Call) redirected(res *sip.Response) (to target, ok bool) {
	uri, ok := contact(res)
	if !ok || c.target != nil || c.redirects >= maxRedirects || uri.User != c.invite.Recipient.User {
		return target{}, false
	}
	c.redirects++
	d := dialog{target: uri, network: c.inviteTo.network}
	c.log.Info("the trunk sends the call elsewhere", "host", uri.Host)
	c.invite.Recipient = uri
	return d.next(), true
}

// resend sends the INVITE once more, as a new transaction.
func (c *Call) resend(to hop) {
	c.renew()
	c.send(outgoing{req: c.invite, hop: to})
}

func (c *Call) resendTo(to target) {
	c.renew()
	c.send(outgoing{req: c.invite, to: to})
}

func (c *Call) renew() {
	// The old transaction's end is none of the call's business any more.
	c.inviteTx, c.heard = nil, false
	c.disarm(onlyTrying)
	c.invite = c.again(c.invite)
	c.session.request(c.invite)
	c.arm(firstResponse, firstResponseTime)
}

// acknowledgeRefusal sends the ACK to a refusal that no transaction wanted.
func (c *Call) acknowledgeRefusal(ev response) {
	if ev.tx == nil {
		c.send(outgoing{req: refusalAck(c.invite, ev.res), hop: c.inviteTo})
	}
}

// direct is the way to a phone behind a NAT: the one its messages come by,
// whatever its Contact says. Trunks are on the open network.
func (c *Call) direct(d *dialog) (hop, bool) {
	if len(d.routes) > 0 || (c.target == nil && (c.visit == nil || c.visit.Extension == "")) {
		return hop{}, false
	}
	addr, err := netip.ParseAddrPort(d.source)
	if err != nil {
		return hop{}, false
	}
	return hop{network: d.network, addr: addr}, true
}

// register hands REGISTER to whoever keeps the extensions.
func (a *Agent) register(req *sip.Request, tx *sip.ServerTx) {
	var verdict Admission
	if r := a.receptionist(); r != nil {
		verdict = r.Admit(req)
	} else {
		status, reason := notAllowed(req.Method)
		a.respond(req, tx, status, reason, capabilities()...)
		return
	}
	switch {
	case verdict.Drop:
	case verdict.Answer != nil:
		if err := tx.Respond(verdict.Answer); err != nil {
			a.log.Debug("a response could not be sent", "error", err)
		}
	default:
		status, reason := notAllowed(req.Method)
		a.respond(req, tx, status, reason, capabilities()...)
	}
}
