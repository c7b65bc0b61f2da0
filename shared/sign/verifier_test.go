package sign

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// received is a request as a server sees it; the tests alter it.
type received struct {
	method, path, query string
	header              http.Header
	body                []byte
}

func signed(t *testing.T, now time.Time) *received {
	t.Helper()
	body := []byte(`{"room":"r","number":"+4930123456"}`)
	req := newRequest(t, "POST", "http://localhost/v1/calls?a=b", body)
	if err := Request(req, body, testKey(), now); err != nil {
		t.Fatal(err)
	}
	return &received{"POST", "/v1/calls", "a=b", req.Header, body}
}

func (r *received) verify(v *Verifier) error {
	_, err := v.Verify(r.method, r.path, r.query, r.header, r.body)
	return err
}

// replace alters one header field.
func replace(field, old, new string) func(*received) {
	return func(r *received) {
		r.header.Set(field, strings.Replace(r.header.Get(field), old, new, 1))
	}
}

// resign signs altered parameters with the right key, so that nothing but
// their form can be wrong.
func resign(alter func(params string) string) func(*received) {
	return func(r *received) {
		p := alter(strings.TrimPrefix(r.header.Get("Signature-Input"), "sig1="))
		sum := mac(testKey().Secret, profileBase(r.method, r.path, r.query, r.header.Get("Content-Digest"), p))
		r.header.Set("Signature-Input", "sig1="+p)
		r.header.Set("Signature", "sig1=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
}

func resignReplace(old, new string) func(*received) {
	return resign(func(p string) string { return strings.Replace(p, old, new, 1) })
}

func resignNonce(nonce string) func(*received) {
	return resign(func(p string) string {
		before, after, _ := strings.Cut(p, `;nonce="`)
		_, after, _ = strings.Cut(after, `"`)
		return before + `;nonce="` + nonce + `"` + after
	})
}

func TestEveryAlterationOfASignedRequestIsRefused(t *testing.T) {
	input, sig, digest := "Signature-Input", "Signature", "Content-Digest"
	for _, c := range []struct {
		name  string
		alter func(*received)
		cause error
	}{
		{"another method", func(r *received) { r.method = "PUT" }, errMismatch},
		{"the method in lower case", func(r *received) { r.method = "post" }, errMismatch},
		{"another path", func(r *received) { r.path = "/v1/calls/x" }, errMismatch},
		{"a trailing slash", func(r *received) { r.path = "/v1/calls/" }, errMismatch},
		{"the path escaped otherwise", func(r *received) { r.path = "/v1/c%61lls" }, errMismatch},
		{"another query", func(r *received) { r.query = "a=c" }, errMismatch},
		{"no query", func(r *received) { r.query = "" }, errMismatch},
		{"a longer query", func(r *received) { r.query = "a=b&" }, errMismatch},
		{"another body", func(r *received) { r.body[0] = ' ' }, errDigest},
		{"a longer body", func(r *received) { r.body = append(r.body, '\n') }, errDigest},
		{"no body", func(r *received) { r.body = nil }, errDigest},
		{"a body too large", func(r *received) { r.body = make([]byte, MaxBody+1) }, errBody},
		{"another body with its digest", func(r *received) {
			r.body = []byte("{}")
			r.header.Set(digest, digestOf(r.body))
		}, errMismatch},
		{"another key id", replace(input, `keyid="crm"`, `keyid="sfu"`), errMismatch},
		{"an unknown key id", replace(input, `keyid="crm"`, `keyid="xyz"`), errKey},
		{"a later time", replace(input, "1700000000", "1700000001"), errMismatch},
		{"another nonce", replace(input, `nonce="`, `nonce="AA`), errMismatch},
		{"a signature of zeros", func(r *received) {
			r.header.Set(sig, "sig1=:"+base64.StdEncoding.EncodeToString(make([]byte, 32))+":")
		}, errMismatch},
		{"a shortened signature", func(r *received) {
			r.header.Set(sig, "sig1=:"+base64.StdEncoding.EncodeToString(make([]byte, 31))+":")
		}, errMismatch},
		{"an empty signature", func(r *received) { r.header.Set(sig, "sig1=::") }, errMismatch},

		{"no Signature", func(r *received) { r.header.Del(sig) }, errMissing},
		{"no Signature-Input", func(r *received) { r.header.Del(input) }, errMissing},
		{"no Content-Digest", func(r *received) { r.header.Del(digest) }, errMissing},
		{"Signature twice", func(r *received) { r.header.Add(sig, r.header.Get(sig)) }, errForm},
		{"Signature-Input twice", func(r *received) { r.header.Add(input, r.header.Get(input)) }, errForm},
		{"Content-Digest twice", func(r *received) { r.header.Add(digest, r.header.Get(digest)) }, errForm},
		{"two signatures in one field", func(r *received) { r.header.Set(sig, r.header.Get(sig)+", "+r.header.Get(sig)) }, errForm},
		{"another label in Signature", replace(sig, "sig1", "sig2"), errForm},
		{"another label in Signature-Input", replace(input, "sig1", "sig2"), errForm},
		{"a signature that is not base64", func(r *received) { r.header.Set(sig, "sig1=:!!!!:") }, errForm},
		{"a signature without its colon", func(r *received) { r.header.Set(sig, strings.TrimSuffix(r.header.Get(sig), ":")) }, errForm},
		{"another digest algorithm", replace(digest, "sha-256", "sha-512"), errDigest},
		{"a second digest", func(r *received) { r.header.Set(digest, r.header.Get(digest)+", sha-512=:AAAA:") }, errDigest},

		// From here on the signature is right and only the form is not the profile's.
		{"a component less", resignReplace(` "@query"`, ""), errForm},
		{"a component more", resignReplace(`"content-digest")`, `"content-digest" "date")`), errForm},
		{"components in another order", resignReplace(`"@method" "@path"`, `"@path" "@method"`), errForm},
		{"no body covered", resignReplace(` "content-digest"`, ""), errForm},
		{"parameters in another order", resign(func(p string) string {
			return strings.Replace(p, `;keyid="crm";alg="hmac-sha256"`, `;alg="hmac-sha256";keyid="crm"`, 1)
		}), errForm},
		{"no alg", resignReplace(`;alg="hmac-sha256"`, ""), errForm},
		{"another alg", resignReplace(`hmac-sha256"`, `hmac-sha512"`), errForm},
		{"no keyid", resignReplace(`;keyid="crm"`, ""), errForm},
		{"a keyid with a quote", resignReplace(`keyid="crm"`, `keyid="c\"rm"`), errForm},
		{"an empty keyid", resignReplace(`keyid="crm"`, `keyid=""`), errForm},
		{"a parameter more", resignReplace(`"crm";`, `"crm";tag="x";`), errForm},
		{"an expires parameter", resignReplace(";created=1700000000", ";created=1700000000;expires=1700000060"), errForm},
		{"white space between parameters", resignReplace(";keyid", "; keyid"), errForm},
		{"created with a leading zero", resignReplace("created=17", "created=017"), errForm},
		{"created with a sign", resignReplace("created=17", "created=+17"), errForm},
		{"created as a decimal", resignReplace("created=1700000000", "created=1700000000.0"), errForm},
		{"created too long", resignReplace("created=1700000000", "created=1700000000000000000000"), errForm},
		{"no created", resignReplace(";created=1700000000", ""), errForm},
		{"no nonce", resign(func(p string) string {
			before, after, _ := strings.Cut(p, `;nonce="`)
			return before + after[strings.Index(after, `"`)+1:]
		}), errForm},
		{"a nonce of 15 bytes", resignNonce(base64.RawURLEncoding.EncodeToString(make([]byte, 15))), errForm},
		{"a nonce of 65 bytes", resignNonce(base64.RawURLEncoding.EncodeToString(make([]byte, 65))), errForm},
		{"a nonce of another alphabet", resignNonce("++++++++++++++++++++++"), errForm},
		{"signed 61 s ago", resignReplace("1700000000", "1699999939"), errStale},
		{"signed 61 s ahead", resignReplace("1700000000", "1700000061"), errFuture},
	} {
		t.Run(c.name, func(t *testing.T) {
			sfu := Key{ID: "sfu", Role: RoleSFU, Secret: []byte("another secret of the tests")}
			v := newVerifier(t, "", testNow, testKey(), sfu)
			r := signed(t, testNow())
			c.alter(r)
			err := r.verify(v)
			if !errors.Is(err, ErrUnauthorized) || err.Error() != ErrUnauthorized.Error() {
				t.Errorf("got %v, want the one generic error", err)
			}
			if Cause(err) != c.cause {
				t.Errorf("cause %v, want %v", Cause(err), c.cause)
			}
		})
	}
}

func TestWhatTheProfileLeavesOpenIsAccepted(t *testing.T) {
	for name, alter := range map[string]func(*received){
		"as it is":            func(*received) {},
		"signed 60 s ago":     resignReplace("1700000000", "1699999940"),
		"signed 60 s ahead":   resignReplace("1700000000", "1700000060"),
		"a padded nonce":      resignNonce(base64.URLEncoding.EncodeToString(make([]byte, 16))),
		"a nonce of 64 bytes": resignNonce(base64.RawURLEncoding.EncodeToString(make([]byte, 64))),
		"other fields beside": func(r *received) { r.header.Set("X-Forwarded-For", "192.0.2.1") },
		"an empty path as / ": func(r *received) { r.path = "/"; resign(func(p string) string { return p })(r); r.path = "" },
	} {
		r := signed(t, testNow())
		alter(r)
		if err := r.verify(newVerifier(t, "", testNow)); err != nil {
			t.Errorf("%s: %v", name, Cause(err))
		}
	}
}

func TestTheLogLearnsWhichKeyWasClaimed(t *testing.T) {
	v := newVerifier(t, "", testNow)
	r := signed(t, testNow())
	r.method = "PUT"
	if err := r.verify(v); KeyID(err) != "crm" {
		t.Errorf("got %q", KeyID(err))
	}
	if KeyID(errMismatch) != "" || Cause(errMismatch) != nil {
		t.Error("another error has a key or a cause")
	}
}

func TestARequestIsGoodOnce(t *testing.T) {
	v := newVerifier(t, "", testNow)
	r := signed(t, testNow())
	if err := r.verify(v); err != nil {
		t.Fatal(Cause(err))
	}
	if err := r.verify(v); Cause(err) != errReplay {
		t.Errorf("the second time: %v", Cause(err))
	}
}

func TestARefusedRequestDoesNotUseUpItsNonce(t *testing.T) {
	v := newVerifier(t, "", testNow)
	r := signed(t, testNow())
	r.method = "PUT"
	if err := r.verify(v); Cause(err) != errMismatch {
		t.Fatal(Cause(err))
	}
	r.method = "POST"
	if err := r.verify(v); err != nil {
		t.Error(Cause(err))
	}
}

func TestOneRequestSentByManyAtOncePassesOnce(t *testing.T) {
	v := newVerifier(t, "", testNow)
	r := signed(t, testNow())
	var wg sync.WaitGroup
	passed := make(chan bool, 32)
	for range cap(passed) {
		wg.Go(func() { passed <- r.verify(v) == nil })
	}
	wg.Wait()
	close(passed)
	n := 0
	for ok := range passed {
		if ok {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d passed", n)
	}
}

func TestTwoKeysOfARoleBothPassWhileOneIsExchanged(t *testing.T) {
	old := Key{ID: "sfu-1", Role: RoleSFU, Secret: []byte("the old secret of the sfu")}
	new := Key{ID: "sfu-2", Role: RoleSFU, Secret: []byte("the new secret of the sfu")}
	v := newVerifier(t, "", testNow, old, new)
	for _, key := range []Key{old, new} {
		req := newRequest(t, "GET", "http://localhost/v1/trunks", nil)
		if err := Request(req, nil, key, testNow()); err != nil {
			t.Fatal(err)
		}
		got, err := v.Verify("GET", "/v1/trunks", "", req.Header, nil)
		if err != nil || got.ID != key.ID || got.Role != RoleSFU {
			t.Errorf("%s: %v %v", key.ID, got.ID, Cause(err))
		}
	}
}

func TestKeysThatCannotBeToldApartAreNotTaken(t *testing.T) {
	for name, keys := range map[string][]Key{
		"an id twice":    {testKey(), testKey()},
		"no secret":      {{ID: "a"}},
		"an id of quote": {{ID: `"`, Secret: []byte("x")}},
	} {
		if _, err := NewVerifier(keys, "", testNow(), testNow); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAClosedVerifierRefusesEverything(t *testing.T) {
	v := newVerifier(t, "", testNow)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if err := signed(t, testNow()).verify(v); Cause(err) != errClosed {
		t.Errorf("got %v", Cause(err))
	}
}

// FuzzVerify shows that no header fields panic, and that none pass.
func FuzzVerify(f *testing.F) {
	f.Add("sig1="+params(1700000000, "AAAAAAAAAAAAAAAAAAAAAA", "crm"), "sig1=:AAAA:", digestOf(nil))
	f.Add(`sig1=();created=1`, `sig1=`, `sha-256=::`)
	f.Add(`sig1=("@method" "@path" "@query" "content-digest");created=;nonce="";keyid="";alg="hmac-sha256"`, `sig1=::`, "")
	v, err := NewVerifier([]Key{testKey()}, "", testNow(), testNow)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, input, signature, digest string) {
		r := &received{header: http.Header{"Signature-Input": {input}, "Signature": {signature}, "Content-Digest": {digest}}}
		if err := r.verify(v); !errors.Is(err, ErrUnauthorized) {
			t.Errorf("got %v", err)
		}
		if parsed, err := parse(r.header); err == nil && parsed.params != params(parsed.created, parsed.nonce, parsed.keyID) {
			t.Errorf("%q is not the profile's form of %+v", input, parsed)
		}
	})
}
