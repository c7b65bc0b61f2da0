package registrar

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"dialroom/shared/number"
)

const (
	// nonceLife is how long a challenge may be answered: longer than any
	// retransmission takes.
	nonceLife = 30 * time.Second

	// After maxFailures wrong answers within failureSpan an address is banned
	// for banTime. A phone with a mistyped password stays below for a while; a
	// guesser gets some 70 tries an hour.
	maxFailures = 10
	failureSpan = time.Minute
	banTime     = 10 * time.Minute

	// maxRemembered bounds what strangers can make us remember.
	maxRemembered = 100_000
)

// failures counts an address's wrong answers.
type failures struct {
	count  int
	since  time.Time
	banned time.Time // until then
}

// authenticate checks a request's digest answer (RFC 3261 §22.4, RFC 7616) for
// the extension it names. Without a good one it returns the answer to send, or
// nil and nil where there is to be none.
func (r *Registrar) authenticate(req *sip.Request, from netip.Addr, user string) (*Extension, *sip.Response) {
	now := r.cfg.Now()
	network := networkOf(from)
	if r.banned(network, now) {
		return nil, nil
	}
	creds := r.credentials(req)
	if creds == nil {
		return nil, r.challenge(req, from, now, false)
	}
	good, stale := r.checkNonce(creds.Nonce, from, now)
	if !good {
		// Nothing is said of the password, and nothing counted: the answer may
		// be a replay, or not come from this address at all.
		return nil, r.challenge(req, from, now, stale)
	}
	r.mu.Lock()
	ext, exists := r.extensions[creds.Username]
	account := r.accounts[creds.Username]
	r.mu.Unlock()
	if !exists {
		account = r.decoy
	}
	right := matches(req, creds, account)
	own := equal(creds.Username, user)
	if !right || !exists || !own {
		r.failed(network, now)
		return nil, r.challenge(req, from, now, false)
	}
	r.forgive(network)
	return &ext, nil
}

// credentials returns the digest answer for our realm, nil without one.
func (r *Registrar) credentials(req *sip.Request) *digest.Credentials {
	for _, h := range req.GetHeaders("Authorization") {
		value := strings.TrimSpace(h.Value())
		if len(value) < 7 || !strings.EqualFold(value[:7], "digest ") {
			continue
		}
		c, err := digest.ParseCredentials("Digest " + value[7:])
		if err == nil && c.Realm == r.cfg.Realm {
			return c
		}
	}
	return nil
}

// matches computes what the right answer would be (RFC 7616 §3.4.1) from an
// account's hash, and compares. It works as hard for the decoy's.
func matches(req *sip.Request, c *digest.Credentials, account string) bool {
	if c.QOP != "auth" || c.Nc < 1 || c.Cnonce == "" || (c.Algorithm != "" && !strings.EqualFold(c.Algorithm, "MD5")) {
		return false
	}
	want := hash(account, c.Nonce, fmt.Sprintf("%08x", c.Nc), c.Cnonce, c.QOP, hash(req.Method.String(), c.URI))
	return equal(strings.ToLower(c.Response), want)
}

// accountOf is the hash that stands for a password (A1 of RFC 7616 §3.4.2).
func accountOf(user, realm, password string) string { return hash(user, realm, password) }

// hash is MD5, because that is what phones speak.
func hash(parts ...string) string {
	sum := md5.Sum([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(sum[:])
}

// challenge is the 401 that everybody gets who has not shown a password.
func (r *Registrar) challenge(req *sip.Request, from netip.Addr, now time.Time, stale bool) *sip.Response {
	res := sip.NewResponseFromRequest(req, sip.StatusUnauthorized, "Unauthorized", nil)
	value := `Digest realm="` + r.cfg.Realm + `", nonce="` + r.nonce(from, now) + `", algorithm=MD5, qop="auth"`
	if stale {
		value += ", stale=TRUE"
	}
	res.AppendHeader(sip.NewHeader("WWW-Authenticate", value))
	return res
}

// nonce makes a nonce that needs no memory: when, something random, and a MAC
// over both and the address.
func (r *Registrar) nonce(from netip.Addr, now time.Time) string {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], uint64(now.UnixMilli()))
	rand.Read(raw[8:])
	return base64.RawURLEncoding.EncodeToString(append(raw[:], r.mac(raw[:], from)...))
}

func (r *Registrar) mac(raw []byte, from netip.Addr) []byte {
	h := hmac.New(sha256.New, r.secret)
	h.Write(raw)
	addr := from.As16()
	h.Write(addr[:])
	return h.Sum(nil)[:16]
}

// checkNonce takes a nonce out of use. It is good once: stale says that it was
// ours, and is not any more (RFC 7616 §3.3).
func (r *Registrar) checkNonce(nonce string, from netip.Addr, now time.Time) (good, stale bool) {
	raw, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(raw) != 32 || !hmac.Equal(raw[16:], r.mac(raw[:16], from)) {
		return false, false
	}
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(raw))))
	if age < 0 || age > nonceLife {
		return false, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	if _, known := r.used[nonce]; known || len(r.used) >= maxRemembered {
		return false, true
	}
	r.used[nonce] = now.Add(nonceLife)
	return true, false
}

// sweep forgets what has run out, now and then; mu is held.
func (r *Registrar) sweep(now time.Time) {
	if now.Sub(r.swept) < nonceLife {
		return
	}
	r.swept = now
	for nonce, until := range r.used {
		if now.After(until) {
			delete(r.used, nonce)
		}
	}
	for network, f := range r.failures {
		if now.Sub(f.since) > failureSpan && now.After(f.banned) {
			delete(r.failures, network)
		}
	}
}

func (r *Registrar) banned(network netip.Prefix, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.failures[network]
	return f != nil && now.Before(f.banned)
}

// failed counts a wrong answer.
func (r *Registrar) failed(network netip.Prefix, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.failures[network]
	if f == nil {
		if len(r.failures) >= maxRemembered {
			return
		}
		f = &failures{since: now}
		r.failures[network] = f
	}
	if now.Sub(f.since) > failureSpan {
		f.count, f.since = 0, now
	}
	if f.count++; f.count >= maxFailures {
		f.banned = now.Add(banTime)
		r.log.Warn("an address is guessing passwords and gets no answer for a while", "network", network, "for", banTime)
	}
}

func (r *Registrar) forgive(network netip.Prefix) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.failures, network)
}

// networkOf is whom a ban hits: an IPv4 address, an IPv6 /64.
func networkOf(addr netip.Addr) netip.Prefix {
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits)
	return network
}

func masked(n string) string { return number.Mask(n) }
