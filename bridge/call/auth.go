package call

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// Headers of digest authentication, RFC 3261 §22.
const (
	authorization      = "Authorization"
	proxyAuthorization = "Proxy-Authorization"
)

// credential answers one challenger: a proxy or the far end itself.
type credential struct {
	challenge *digest.Challenge
	count     int // requests sent with this nonce (nc, RFC 7616 §3.4)
	tries     int // challenges answered in the current request
}

// credentials are the answers a call has given, by header name. Later
// requests of the call carry them too, so that a BYE need not be challenged.
type credentials map[string]*credential

var (
	errNoPassword  = errors.New("the far end wants a password and the trunk has none")
	errNoChallenge = errors.New("the far end's challenge has no algorithm we know")
	errRejected    = errors.New("the far end does not accept the trunk's password")
)

// learn takes the challenges of a 401 or 407. A second challenge in one
// request means that the password was wrong, unless it says that only the
// nonce had aged (stale, RFC 7616 §3.3) — which is believed once.
func (cs *credentials) learn(res *sip.Response, username string) error {
	if username == "" {
		return errNoPassword
	}
	from, header := "WWW-Authenticate", authorization
	if res.StatusCode == sip.StatusProxyAuthRequired {
		from, header = "Proxy-Authenticate", proxyAuthorization
	}
	challenge := findChallenge(res.GetHeaders(from))
	if challenge == nil {
		return errNoChallenge
	}
	if *cs == nil {
		*cs = make(credentials)
	}
	old := (*cs)[header]
	if old == nil {
		(*cs)[header] = &credential{challenge: challenge, tries: 1}
		return nil
	}
	if old.tries > 0 && (!challenge.Stale || old.tries > 1 || challenge.Nonce == old.challenge.Nonce) {
		return errRejected
	}
	(*cs)[header] = &credential{challenge: challenge, tries: old.tries + 1}
	return nil
}

// settled forgets how often the current request was challenged; the next one
// starts afresh.
func (cs credentials) settled() {
	for _, c := range cs {
		c.tries = 0
	}
}

// findChallenge returns the first digest challenge we can answer (RFC 7616
// §3.7: the first one that is understood).
func findChallenge(headers []sip.Header) *digest.Challenge {
	for _, h := range headers {
		challenge, err := digest.ParseChallenge(strings.TrimSpace(h.Value()))
		if err != nil {
			continue
		}
		challenge.Algorithm = strings.ToUpper(challenge.Algorithm)
		for i, qop := range challenge.QOP {
			challenge.QOP[i] = strings.TrimSpace(qop)
		}
		if digest.CanDigest(challenge) {
			return challenge
		}
	}
	return nil
}

// apply puts the credentials into a request in place of older ones.
func (cs credentials) apply(req *sip.Request, username, password string) {
	for header, c := range cs {
		c.count++
		answer, err := digest.Digest(c.challenge, digest.Options{
			Method:   req.Method.String(),
			URI:      req.Recipient.String(),
			Count:    c.count,
			Username: username,
			Password: password,
			GetBody:  func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(req.Body())), nil },
		})
		if err != nil {
			continue // learn took only what can be answered
		}
		req.RemoveHeader(header)
		req.AppendHeader(sip.NewHeader(header, answer.String()))
	}
}
