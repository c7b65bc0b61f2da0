package ua

import (
	"crypto/rand"
	"crypto/subtle"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// authority challenges and checks like a carrier that knows its customers
// (RFC 3261 §22, RFC 7616 with MD5 as everybody still uses).
type authority struct {
	user, password string

	mu     sync.Mutex
	nonces map[string]bool // handed out and not used yet
}

const realm = "carrier.dialroom.example"

// challenge returns the headers of a 407.
func (a *authority) challenge() sip.Header {
	nonce := rand.Text()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.nonces == nil {
		a.nonces = map[string]bool{}
	}
	a.nonces[nonce] = true
	c := digest.Challenge{Realm: realm, Nonce: nonce, Algorithm: "MD5", QOP: []string{"auth"}}
	return sip.NewHeader("Proxy-Authenticate", c.String())
}

// accepts reports whether req carries the right answer to one of our challenges. A nonce is good once.
func (a *authority) accepts(req *sip.Request) bool {
	h := req.GetHeader("Proxy-Authorization")
	if h == nil {
		return false
	}
	cred, err := digest.ParseCredentials(h.Value())
	if err != nil || cred.Username != a.user || cred.Realm != realm {
		return false
	}
	a.mu.Lock()
	fresh := a.nonces[cred.Nonce]
	delete(a.nonces, cred.Nonce)
	a.mu.Unlock()
	if !fresh {
		return false
	}
	want, err := digest.Digest(
		&digest.Challenge{Realm: realm, Nonce: cred.Nonce, Algorithm: "MD5", QOP: []string{"auth"}},
		digest.Options{
			Method: req.Method.String(), URI: cred.URI, Username: a.user, Password: a.password,
			Cnonce: cred.Cnonce, Count: cred.Nc,
		})
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(want.Response), []byte(cred.Response)) == 1
}
