// Package sign is the one way requests between the processes, and from scripts
// to the bridge, are signed: RFC 9421 HTTP Message Signatures with HMAC-SHA256,
// in one fixed profile, and RFC 9530 Content-Digest.
//
// A signed request carries exactly these three fields, once each:
//
//	Content-Digest: sha-256=:<base64 of the SHA-256 of the body>:
//	Signature-Input: sig1=("@method" "@path" "@query" "content-digest");created=<Unix seconds>;nonce="<base64url, at least 16 bytes>";keyid="<id>";alg="hmac-sha256"
//	Signature: sig1=:<base64 of the HMAC-SHA256 of the signature base>:
//
// [Request] and [Client] sign; a [Verifier] checks. A request passes the
// Verifier in this order: form of the fields, digest of the body, signature,
// age, nonce. Whatever is wrong, the caller learns nothing but
// [ErrUnauthorized]; [Cause] has the reason for the log.
//
// The package says who signed, not what they may do: callers compare
// [Key].Role and answer 403. It does not negotiate, and reads no other
// algorithm, label or set of components than those above.
package sign

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Roles of keys.
const (
	RoleSFU    = "sfu"
	RoleBridge = "bridge"
	RoleScript = "script"
)

// MaxBody is the largest body that is signed or verified, in bytes. The
// messages of package wire are far smaller.
const MaxBody = 64 << 10

// MaxAge is how far the time of signing may be off in either direction.
const MaxAge = 60 * time.Second

// nonceBytes is what a nonce of ours has: 128 bits never repeat by chance.
const nonceBytes = 16

// Header fields of a signed request.
const (
	headerDigest    = "Content-Digest"
	headerInput     = "Signature-Input"
	headerSignature = "Signature"
)

// Key is a shared secret and what its owner may do.
type Key struct {
	ID     string // letters, digits, dots, - and _; travels with the request
	Role   string // RoleSFU, RoleBridge or RoleScript
	Secret []byte
}

// component is one line of a signature base: an identifier as it is
// serialised, and its value (RFC 9421 §2.5).
type component struct{ id, value string }

// base builds the signature base (RFC 9421 §2.5) of the components; params is
// the serialised value of @signature-params.
func base(components []component, params string) []byte {
	var b bytes.Buffer
	for _, c := range components {
		b.WriteString(c.id)
		b.WriteString(": ")
		b.WriteString(c.value)
		b.WriteByte('\n')
	}
	b.WriteString(`"@signature-params": `)
	b.WriteString(params)
	return b.Bytes()
}

// covered is the component list every signature of the profile has.
const covered = `("@method" "@path" "@query" "content-digest")`

// profileBase builds the signature base of the profile. path and rawQuery are
// as on the wire: still escaped, the query without its "?".
func profileBase(method, path, rawQuery, digest, params string) []byte {
	if path == "" {
		path = "/" // RFC 9421 §2.2.6: an empty path is a single slash
	}
	return base([]component{
		{`"@method"`, method},
		{`"@path"`, path},
		{`"@query"`, "?" + rawQuery}, // RFC 9421 §2.2.7: "?" alone when there is none
		{`"content-digest"`, digest},
	}, params)
}

// mac returns the HMAC-SHA256 of a signature base (RFC 9421 §3.3.3).
func mac(secret, base []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write(base)
	return h.Sum(nil)
}

// digestOf returns the Content-Digest of a body (RFC 9530 §2); no body is an empty one.
func digestOf(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// params are the signature parameters in their fixed order.
func params(created int64, nonce, keyID string) string {
	var b strings.Builder
	b.WriteString(covered)
	b.WriteString(";created=")
	b.WriteString(strconv.FormatInt(created, 10))
	b.WriteString(`;nonce="`)
	b.WriteString(nonce)
	b.WriteString(`";keyid="`)
	b.WriteString(keyID)
	b.WriteString(`";alg="hmac-sha256"`)
	return b.String()
}

// Request signs a request with a fresh nonce: it sets Content-Digest,
// Signature-Input and Signature. body is what the request will carry, nil for
// none. The method, path and query must not change afterwards. It fails with
// [ErrTooLarge] and when the key has no id or secret.
func Request(req *http.Request, body []byte, key Key, now time.Time) error {
	if len(body) > MaxBody {
		return ErrTooLarge
	}
	if !isKeyID(key.ID) || len(key.Secret) == 0 {
		return errNoKey
	}
	var raw [nonceBytes]byte
	if _, err := io.ReadFull(rand.Reader, raw[:]); err != nil {
		return err
	}
	p := params(now.Unix(), base64.RawURLEncoding.EncodeToString(raw[:]), key.ID)
	digest := digestOf(body)
	sum := mac(key.Secret, profileBase(req.Method, req.URL.EscapedPath(), req.URL.RawQuery, digest, p))
	req.Header.Set(headerDigest, digest)
	req.Header.Set(headerInput, "sig1="+p)
	req.Header.Set(headerSignature, "sig1=:"+base64.StdEncoding.EncodeToString(sum)+":")
	return nil
}
