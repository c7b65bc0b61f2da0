package call

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/emiago/sipgo/sip"
)

// connectTime bounds looking up and connecting to one far end. A host that
// takes longer is as good as down, and somebody is waiting.
const connectTime = 5 * time.Second

// hopTime is the same where there is another address to try.
const hopTime = 2 * time.Second

// udpMost is the longest request that goes by UDP while there is TCP, in
// bytes (RFC 3261 §18.1.1).
const udpMost = 1300

// viaHeadroom is what address adds to a request that was measured before: Via
// and the filled-in Contact.
const viaHeadroom = 200

// outgoing is a request to send.
type outgoing struct {
	req    *sip.Request
	to     target // looked up, unless hop is set
	hop    hop    // exactly there
	via    []hop  // or one of these, instead of looking to up
	rest   []hop  // what of these was not tried
	source string // over TCP: the connection the far end's messages come by, as a last resort
	dialog *dialog
}

// send queues a request for writeLoop. What is over the outbox's size is not
// worth sending: it is a repeated ACK, and its 200 will come again.
func (c *Call) send(out outgoing) {
	select {
	case c.outbox <- &out:
	default:
		c.log.Warn("too many messages wait to be sent, one dropped", "method", string(out.req.Method))
	}
}

// sendInside sends a request in a dialog on the dialog's way.
func (c *Call) sendInside(d *dialog, req *sip.Request) {
	if way, ok := c.direct(d); ok {
		c.send(outgoing{req: req, hop: way, dialog: d})
		return
	}
	to := d.next()
	to.alias = wayTo(&c.trunk).host // a carrier's other hosts may have the one certificate
	c.send(outgoing{req: req, to: to, source: d.source, dialog: d})
}

// writeLoop sends what run queues, in order, until the call is over.
func (c *Call) writeLoop() {
	defer c.agent.callWG.Done()
	for {
		select {
		case out := <-c.outbox:
			c.transmit(*out)
		case <-c.done:
			return
		}
	}
}

// transmit sends one request to the first address that takes it, and tells
// run.
func (c *Call) transmit(out outgoing) {
	parent := c.ctx
	if out.req.IsInvite() {
		parent = c.inviteCtx
	}
	ctx, cancel := context.WithTimeout(parent, connectTime)
	defer cancel() // of the lookup
	hops, err := c.hops(ctx, out)
	if len(hops) == 0 && err == nil {
		err = errNowhere
	}
	for i, to := range hops {
		out.rest = hops[i+1:]
		if !c.agent.Supports(to.network) {
			err = ErrTransport
			continue
		}
		if err = c.tryOne(parent, out, to); err == nil {
			return
		}
		c.log.Debug("sending failed", "method", string(out.req.Method), "to", to.addr, "network", to.network, "error", err)
	}
	c.post(sendFailed{out, err})
}

// tryOne sends a request to one address in bounded time, less when there is
// another to try.
func (c *Call) tryOne(parent context.Context, out outgoing, to hop) error {
	bound := connectTime
	if len(out.rest) > 0 {
		bound = hopTime
	}
	ctx, cancel := context.WithTimeout(parent, bound)
	defer cancel()
	return c.transmitTo(ctx, out, to)
}

// hops returns where out may go, in order.
func (c *Call) hops(ctx context.Context, out outgoing) ([]hop, error) {
	if out.hop.addr.IsValid() {
		return []hop{out.hop}, nil
	}
	if len(out.via) > 0 {
		return out.via, nil
	}
	hops, err := c.agent.resolve(ctx, out.to)
	if out.to.network == udp && c.agent.Supports(tcp) && len(out.req.String())+viaHeadroom > udpMost {
		// RFC 3261 §18.1.1: too long for UDP goes by TCP, and by UDP after all
		// where nobody listens on TCP.
		var first []hop
		for _, h := range hops {
			first = append(first, hop{network: tcp, addr: h.addr})
		}
		hops = append(first, hops...)
	}
	if out.source != "" && out.to.network != udp {
		// A Contact behind a NAT leads nowhere; the connection it speaks to
		// us by does.
		if addr, parseErr := netip.ParseAddrPort(out.source); parseErr == nil {
			hops, err = append(hops, hop{network: out.to.network, addr: addr, name: out.to.alias}), nil
		}
	}
	return hops, err
}

// transmitTo sends one request to one address. A request that starts a
// transaction gets a goroutine that brings its responses to run.
func (c *Call) transmitTo(ctx context.Context, out outgoing, to hop) error {
	a, req := c.agent, out.req
	if req.IsInvite() && out.dialog == nil && len(req.Body()) > 0 {
		req.SetBody(c.media.Readdress(req.Body(), to.addr.Addr()))
	}
	if err := a.prepare(ctx, req, to, out.dialog != nil || out.hop.addr.IsValid()); err != nil {
		forgetVia(req)
		return err
	}
	if req.IsAck() {
		conn, err := a.tpl.ClientRequestConnection(ctx, req)
		if err != nil {
			return err
		}
		defer conn.TryClose()
		if err := conn.WriteMsg(req); err != nil {
			return err
		}
		c.post(sent{out: out, hop: to})
		return nil
	}
	tx, err := a.txl.NewClientTransaction(ctx, req)
	if err == nil && ctx.Err() != nil {
		tx.Terminate() // hung up while connecting: nothing is sent
		err = ctx.Err()
	}
	if err != nil {
		forgetVia(req)
		return err
	}
	// Further 200s, of the same phone or another, come only this way.
	tx.OnRetransmission(func(res *sip.Response) { c.post(response{tx, res}) })
	c.post(sent{out: out, tx: tx, hop: to})
	if err := tx.Init(); err != nil {
		tx.Terminate()
		forgetVia(req)
		return err
	}
	a.wg.Go(func() { c.readLoop(tx) })
	return nil
}

// forgetVia prepares a request for the next address, where it is another
// transaction. CANCEL has no transaction of its own to choose.
func forgetVia(req *sip.Request) {
	if !req.IsCancel() {
		req.RemoveHeader("Via")
	}
}

// readLoop brings a transaction's responses to run until it is over. It does
// not stop with the call: the library waits for every response to be taken.
func (c *Call) readLoop(tx *sip.ClientTx) {
	for {
		select {
		case res := <-tx.Responses():
			c.post(response{tx, res})
		case <-tx.Done():
			c.post(txDone{tx, tx.Err()})
			return
		}
	}
}

// timedOut reports whether a transaction ended because nobody answered.
func timedOut(err error) bool { return errors.Is(err, sip.ErrTransactionTimeout) }
