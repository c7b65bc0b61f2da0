package call

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
)

// This file sends what belongs to a trunk and to no call: REGISTER and
// OPTIONS.

const (
	// maxAttempts bounds how often one REGISTER is sent again for a reason
	// the carrier gives.
	maxAttempts = 3

	// longestMinExpires bounds what a 423 is believed.
	longestMinExpires = 24 * time.Hour
)

// refused is a final response that is no success.
type refused struct {
	status int
	reason string
}

func (e *refused) Error() string { return fmt.Sprintf("the far end answers %d %s", e.status, e.reason) }

// refusal makes an error of a final response, with the time to come again
// where it names one (RFC 3261 §20.33).
func refusal(res *sip.Response) error {
	err := &refused{res.StatusCode, quotable(res.Reason)}
	if wait := seconds(res, "Retry-After"); wait > 0 {
		return &trunk.RetryAfter{Err: err, Wait: wait}
	}
	return err
}

// seconds reads a header that begins with a number of seconds, 0 without.
func seconds(msg sip.Message, name string) time.Duration {
	headers := msg.GetHeaders(name)
	if len(headers) == 0 {
		return 0
	}
	digits := strings.TrimSpace(headers[0].Value())
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}

// Envoy speaks to the trunks for an [Agent] outside of calls. It is a
// trunk.Signaller.
type Envoy struct {
	*Agent // fixed after NewEnvoy

	mu       sync.Mutex
	bindings map[string]*binding // guarded by mu; by trunk id
}

// NewEnvoy returns the agent's envoy.
func NewEnvoy(a *Agent) *Envoy { return &Envoy{Agent: a, bindings: make(map[string]*binding)} }

// binding is what the REGISTERs of one trunk share: RFC 3261 §10.2.4 wants one
// Call-ID and a CSeq that counts.
type binding struct {
	trunk  trunk.Trunk
	id     identity
	callID string
	cseq   uint32
	creds  credentials
	by     hop // the way of the last REGISTER that was answered
}

// OnLost sets who is told when a connection breaks by which a trunk would have
// sent calls.
func (e *Envoy) OnLost(f func(trunkID string)) {
	e.Agent.mu.Lock()
	defer e.Agent.mu.Unlock()
	e.Agent.onLost = func(w hop) {
		var ids []string
		e.mu.Lock()
		for id, b := range e.bindings {
			if b.by.network == w.network && b.by.addr == w.addr {
				ids = append(ids, id)
			}
		}
		e.mu.Unlock()
		for _, id := range ids {
			f(id)
		}
	}
}

// bindingOf returns the trunk's binding, a new one where its settings have
// changed.
func (e *Envoy) bindingOf(t *trunk.Trunk) *binding {
	e.mu.Lock()
	defer e.mu.Unlock()
	b := e.bindings[t.ID]
	if b == nil || b.trunk.Host != t.Host || b.trunk.Proxy != t.Proxy || b.trunk.Transport != t.Transport ||
		b.trunk.Username != t.Username || b.trunk.Password != t.Password || b.trunk.FromUser != t.FromUser {
		b = &binding{trunk: *t, callID: rand.Text()}
		open := *t
		open.Private = false // the carrier must know whose account it is
		b.id = e.identify(&open)
		// The address-of-record is the account's, not the caller id's.
		b.id.from.DisplayName = ""
		if b.id.from.Address.User = t.FromUser; t.FromUser == "" {
			b.id.from.Address.User = t.Username
		}
		e.bindings[t.ID] = b
	}
	return b
}

// Register asks the trunk's carrier to send calls here for expires, or with
// zero not to do so any more (RFC 3261 §10.2), and returns what it has granted
// to this contact. A trunk's requests must come one after the other.
func (e *Envoy) Register(ctx context.Context, t trunk.Trunk, expires time.Duration) (time.Duration, error) {
	b := e.bindingOf(&t)
	b.creds.settled()
	for range maxAttempts {
		res, by, err := e.exchange(ctx, &t, &b.creds, func() *sip.Request {
			b.cseq++
			req := e.bare(sip.REGISTER, b.id, b.callID, b.cseq, &t)
			req.AppendHeader(&sip.ToHeader{Address: b.id.from.Address})
			req.AppendHeader(&sip.ContactHeader{Address: sip.Uri{User: contactOf(&t)}}) // filled in when the transport is known
			req.AppendHeader(sip.NewHeader("Expires", strconv.Itoa(int(expires/time.Second))))
			req.AppendHeader(sip.NewHeader("Allow", allowed))
			return req
		})
		if err != nil {
			return 0, err
		}
		e.mu.Lock()
		b.by = by
		e.mu.Unlock()
		switch {
		case res.StatusCode == 423:
			// RFC 3261 §10.2.8: too brief.
			least := seconds(res, "Min-Expires")
			if least <= expires || least > longestMinExpires {
				return 0, refusal(res)
			}
			expires = least
		case !res.IsSuccess():
			return 0, refusal(res)
		case expires == 0:
			return 0, nil
		default:
			if granted := grantedTo(res, contactOf(&t), expires); granted > 0 {
				return granted, nil
			}
			return 0, errors.New("the far end does not keep our registration")
		}
	}
	return 0, errors.New("the far end does not say how long a registration has to be")
}

// contactOf is the user of a registration's Contact. Calls that come by the
// registration have it in their Request-URI.
func contactOf(t *trunk.Trunk) string { return t.ID }

// grantedTo returns for how long the answer to a REGISTER keeps our contact: the
// expires of that contact, or the Expires of all, or what was asked for (RFC
// 3261 §10.2.4). The answer lists the contacts of everybody who has registered
// for the account.
func grantedTo(res *sip.Response, user string, asked time.Duration) time.Duration {
	listed := false
	for _, h := range res.GetHeaders("Contact") {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			continue
		}
		listed = true
		if c.Address.User != user {
			continue
		}
		if text, ok := c.Params.Get("expires"); ok {
			if n, err := strconv.ParseUint(text, 10, 32); err == nil {
				return time.Duration(n) * time.Second
			}
		}
		if res.GetHeader("Expires") != nil {
			return seconds(res, "Expires")
		}
		return asked
	}
	if listed {
		return 0 // others are registered, we are not
	}
	if all := seconds(res, "Expires"); all > 0 {
		return all
	}
	return asked
}

// Probe asks the trunk's host with OPTIONS how it is (RFC 3261 §11). Whatever
// it answers shows that somebody is there; 408 and 503 say that nobody is
// behind it.
func (e *Envoy) Probe(ctx context.Context, t trunk.Trunk) (time.Duration, error) {
	id, callID := e.identify(&t), rand.Text()
	start := e.clock.Now()
	res, _, err := e.exchange(ctx, &t, nil, func() *sip.Request {
		req := e.bare(sip.OPTIONS, id, callID, 1, &t)
		req.AppendHeader(&sip.ToHeader{Address: id.request})
		req.AppendHeader(&sip.ContactHeader{})
		req.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
		return req
	})
	if err != nil {
		return 0, err
	}
	if res.StatusCode == sip.StatusRequestTimeout || res.StatusCode == sip.StatusServiceUnavailable {
		return 0, refusal(res)
	}
	return e.clock.Now().Sub(start), nil
}

// bare returns a request outside any dialog to the trunk itself.
func (a *Agent) bare(method sip.RequestMethod, id identity, callID string, seq uint32, t *trunk.Trunk) *sip.Request {
	req := sip.NewRequest(method, *id.request.Clone())
	header := sip.CallIDHeader(callID)
	maxForwards := sip.MaxForwardsHeader(70)
	req.AppendHeader(&maxForwards)
	req.AppendHeader(sip.HeaderClone(&id.from))
	req.AppendHeader(&header)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	req.AppendHeader(sip.NewHeader("User-Agent", userAgent))
	if route := routeOf(t); route != nil {
		req.AppendHeader(route)
	}
	req.SetBody(nil)
	return req
}

// exchange sends a request to a trunk and returns the final response. An
// address that does not answer is followed by the next (RFC 3263 §4.3), a
// challenge by the request with credentials; creds nil answers none. The hop
// is the one that answered.
func (a *Agent) exchange(ctx context.Context, t *trunk.Trunk, creds *credentials, compose func() *sip.Request) (*sip.Response, hop, error) {
	hops, err := a.resolve(ctx, wayTo(t))
	if err != nil {
		return nil, hop{}, err
	}
	if len(hops) == 0 {
		return nil, hop{}, errNowhere
	}
	if a.cfg.Found != nil {
		addrs := make([]netip.Addr, len(hops))
		for i, h := range hops {
			addrs[i] = h.addr.Addr()
		}
		a.cfg.Found(t.ID, addrs)
	}
	for i := 0; i < len(hops); {
		req := compose()
		if creds != nil {
			creds.apply(req, t.Username, t.Password)
		}
		var res *sip.Response
		res, err = a.askOnce(ctx, req, hops[i], len(hops)-i)
		switch {
		case err != nil:
			i++
			continue
		case creds != nil && (res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired):
			if creds.learn(res, t.Username) == nil {
				continue // the same address again
			}
			*creds = nil // a new password, or the carrier's whim: start afresh next time
		}
		return res, hops[i], nil
	}
	return nil, hop{}, err
}

// askOnce sends one request to one address and waits for its final response.
// What is left of ctx's time is shared with the addresses still to be tried.
func (a *Agent) askOnce(ctx context.Context, req *sip.Request, to hop, share int) (*sip.Response, error) {
	if !a.enter() {
		return nil, ErrClosed
	}
	defer a.wg.Done()
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(share))
		defer cancel()
	}
	if !a.Supports(to.network) {
		return nil, ErrTransport
	}
	if err := a.prepare(ctx, req, to, false); err != nil {
		return nil, err
	}
	tx, err := a.txl.NewClientTransaction(ctx, req)
	if err != nil {
		return nil, err
	}
	defer tx.Terminate()
	if err := tx.Init(); err != nil {
		return nil, err
	}
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
		case <-tx.Done():
			return nil, fmt.Errorf("no answer: %w", tx.Err())
		case <-ctx.Done():
			return nil, fmt.Errorf("no answer: %w", ctx.Err())
		case <-a.ctx.Done():
			return nil, ErrClosed
		}
	}
}

// wayTo is where a trunk's requests go first.
func wayTo(t *trunk.Trunk) target {
	where := t.Host
	if t.Proxy != "" {
		where = t.Proxy
	}
	host, port := splitHost(where)
	return target{host: host, port: port, network: t.Transport}
}

// routeOf is the Route that takes a request to a trunk's outbound proxy (RFC
// 3261 §8.1.2), nil without one.
func routeOf(t *trunk.Trunk) *sip.RouteHeader {
	if t.Proxy == "" {
		return nil
	}
	host, port := splitHost(t.Proxy)
	uri := sip.Uri{Scheme: "sip", Host: host, Port: port}
	uri.UriParams.Add("lr", "")
	if t.Transport != udp {
		uri.UriParams.Add("transport", t.Transport)
	}
	return &sip.RouteHeader{Address: uri}
}
