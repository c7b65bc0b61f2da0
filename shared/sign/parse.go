package sign

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// Bounds of what a signature may bring along. The nonce of the profile has at
// least 16 bytes; more than 64 serve nobody.
const (
	minNonce  = 16
	maxNonce  = 64
	maxKeyID  = 64
	maxDigits = 11 // of created: enough until the year 5138
)

// fields is a signature as it was received, taken apart but not yet believed.
type fields struct {
	digest    string // Content-Digest, as received
	params    string // the value of @signature-params, as received
	signature []byte
	created   int64
	nonce     string
	keyID     string
}

// parse takes the fields of a signed request apart. It accepts exactly the
// one serialisation the profile has, so what is received is what was signed.
func parse(h http.Header) (fields, error) {
	var f fields
	input, err := single(h, headerInput)
	if err != nil {
		return f, err
	}
	sig, err := single(h, headerSignature)
	if err != nil {
		return f, err
	}
	if f.digest, err = single(h, headerDigest); err != nil {
		return f, err
	}

	var ok bool
	if f.params, ok = strings.CutPrefix(input, "sig1="); !ok {
		return f, errForm
	}
	rest, ok := strings.CutPrefix(f.params, covered+";created=")
	if !ok {
		return f, errForm
	}
	digits, rest, ok := strings.Cut(rest, `;nonce="`)
	if !ok || !isCount(digits) {
		return f, errForm
	}
	f.created, _ = strconv.ParseInt(digits, 10, 64) // isCount leaves nothing to fail
	if f.nonce, rest, ok = strings.Cut(rest, `";keyid="`); !ok || !isNonce(f.nonce) {
		return f, errForm
	}
	if f.keyID, ok = strings.CutSuffix(rest, `";alg="hmac-sha256"`); !ok || !isKeyID(f.keyID) {
		return f, errForm
	}

	encoded, ok := strings.CutPrefix(sig, "sig1=:")
	if !ok {
		return f, errForm
	}
	if encoded, ok = strings.CutSuffix(encoded, ":"); !ok {
		return f, errForm
	}
	if f.signature, err = base64.StdEncoding.Strict().DecodeString(encoded); err != nil || strings.ContainsAny(encoded, "\r\n") {
		return f, errForm
	}
	return f, nil
}

// single returns the one value of a header field. Two fields, even equal ones,
// would leave open which of them was signed.
func single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	switch {
	case len(values) == 0:
		return "", errMissing
	case len(values) > 1:
		return "", errForm
	}
	return values[0], nil
}

// isCount reports whether s is a canonical non-negative integer (RFC 9651 §3.3.1).
func isCount(s string) bool {
	if len(s) == 0 || len(s) > maxDigits || (s[0] == '0' && len(s) > 1) {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// isNonce reports whether s is base64url (RFC 4648 §5, with or without
// padding) of at least 16 bytes.
func isNonce(s string) bool {
	unpadded := strings.TrimRight(s, "=")
	if len(s) != len(unpadded) && len(s)%4 != 0 || strings.ContainsAny(s, "\r\n") {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(unpadded)
	return err == nil && len(raw) >= minNonce && len(raw) <= maxNonce
}

// isKeyID reports whether s can be a key's id.
func isKeyID(s string) bool {
	if len(s) == 0 || len(s) > maxKeyID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
