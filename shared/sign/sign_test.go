package sign

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/yaronf/httpsign"
)

// testKey signs in tests.
func testKey() Key {
	return Key{ID: "crm", Role: RoleScript, Secret: []byte("a secret of the tests, 32 bytes.")}
}

// testNow is when the tests of this package happen, but for those with another library.
func testNow() time.Time { return time.Unix(1_700_000_000, 0) }

func newRequest(t *testing.T, method, target string, body []byte) *http.Request {
	t.Helper()
	req, err := http.NewRequest(method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func newVerifier(t *testing.T, file string, now func() time.Time, keys ...Key) *Verifier {
	t.Helper()
	if len(keys) == 0 {
		keys = []Key{testKey()}
	}
	v, err := NewVerifier(keys, file, now(), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

// RFC 9421 B.2.5, "Signing a Request Using hmac-sha256".
func TestTheVectorOfRFC9421B25(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==")
	if err != nil {
		t.Fatal(err)
	}
	got := base([]component{
		{`"date"`, "Tue, 20 Apr 2021 02:07:55 GMT"},
		{`"@authority"`, "example.com"},
		{`"content-type"`, "application/json"},
	}, `("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`)
	want := `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"`
	if string(got) != want {
		t.Errorf("signature base:\n%s\nwant\n%s", got, want)
	}
	if sum := base64.StdEncoding.EncodeToString(mac(secret, got)); sum != "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=" {
		t.Errorf("signature %s", sum)
	}
}

func TestTheFieldsAreExactlyThoseOfTheProfile(t *testing.T) {
	req := newRequest(t, "POST", "http://localhost:8090/v1/calls?a=b%20c", []byte(`{"room":"r"}`))
	if err := Request(req, []byte(`{"room":"r"}`), testKey(), testNow()); err != nil {
		t.Fatal(err)
	}
	if got := req.Header.Get("Content-Digest"); got != "sha-256=:eSzyYUhRekHtfZr1Y8ZaKEv0U8Mby9XXfJAKqj0BI+4=:" {
		t.Errorf("Content-Digest: %s", got)
	}
	input := req.Header.Get("Signature-Input")
	nonce := input[strings.Index(input, `nonce="`)+7:][:22]
	if want := `sig1=("@method" "@path" "@query" "content-digest");created=1700000000;nonce="` + nonce + `";keyid="crm";alg="hmac-sha256"`; input != want {
		t.Errorf("Signature-Input: %s\nwant %s", input, want)
	}
	if raw, err := base64.RawURLEncoding.DecodeString(nonce); err != nil || len(raw) != 16 {
		t.Errorf("nonce %q: %d bytes, %v", nonce, len(raw), err)
	}
	want := mac(testKey().Secret, []byte(`"@method": POST
"@path": /v1/calls
"@query": ?a=b%20c
"content-digest": `+req.Header.Get("Content-Digest")+`
"@signature-params": `+strings.TrimPrefix(input, "sig1=")))
	if got := req.Header.Get("Signature"); got != "sig1=:"+base64.StdEncoding.EncodeToString(want)+":" {
		t.Errorf("Signature: %s", got)
	}
}

func TestARequestWithoutABodyCarriesTheDigestOfTheEmptyBody(t *testing.T) {
	req := newRequest(t, "GET", "http://localhost:8090/v1/trunks", nil)
	if err := Request(req, nil, testKey(), testNow()); err != nil {
		t.Fatal(err)
	}
	if got := req.Header.Get("Content-Digest"); got != "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:" {
		t.Errorf("got %s", got)
	}
}

func TestTwoSignaturesNeverShareANonce(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		req := newRequest(t, "GET", "http://localhost/", nil)
		if err := Request(req, nil, testKey(), testNow()); err != nil {
			t.Fatal(err)
		}
		seen[req.Header.Get("Signature-Input")] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d of 100 differ", len(seen))
	}
}

func TestWhatCannotBeSignedIsNotSigned(t *testing.T) {
	req := newRequest(t, "POST", "http://localhost/", nil)
	if err := Request(req, make([]byte, MaxBody+1), testKey(), testNow()); err != ErrTooLarge {
		t.Errorf("a body too large: %v", err)
	}
	for name, key := range map[string]Key{
		"no id":                     {Secret: []byte("x")},
		"no secret":                 {ID: "a"},
		"an id that needs escaping": {ID: `a"b`, Secret: []byte("x")},
	} {
		if err := Request(req, nil, key, testNow()); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if len(req.Header) != 0 {
		t.Errorf("left %v", req.Header)
	}
}

// profileFields are the covered components as the other library names them.
func profileFields() httpsign.Fields {
	return httpsign.Headers("@method", "@path", "@query", "content-digest")
}

func TestAnotherImplementationVerifiesWhatWeSign(t *testing.T) {
	body := []byte(`{"room":"r","number":"+4930123456"}`)
	for _, target := range []string{"http://localhost/v1/calls", "http://localhost/v1/calls?a=b&c=%2B", "http://localhost/"} {
		req := newRequest(t, "POST", target, body)
		if err := Request(req, body, testKey(), time.Now()); err != nil {
			t.Fatal(err)
		}
		theirs, err := httpsign.NewHMACSHA256Verifier(padded(testKey().Secret), httpsign.NewVerifyConfig().SetKeyID("crm").
			SetAllowedAlgs([]string{"hmac-sha256"}), profileFields())
		if err != nil {
			t.Fatal(err)
		}
		if err := httpsign.VerifyRequest("sig1", *theirs, req); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		received := io.NopCloser(bytes.NewReader(body))
		if err := httpsign.ValidateContentDigestHeader(req.Header.Values("Content-Digest"), &received, []string{"sha-256"}); err != nil {
			t.Errorf("%s: digest: %v", target, err)
		}
	}
}

// The other library writes alg before keyid, which the profile refuses by its
// form. Behind the parser the same request verifies: the signature base and
// the signature are those of RFC 9421, not only our own.
func TestWeVerifyWhatAnotherImplementationSigns(t *testing.T) {
	body := []byte(`{"room":"r","number":"+4930123456"}`)
	for _, target := range []string{"http://localhost/v1/calls", "http://localhost/v1/calls?a=b&c=%2B", "http://localhost/"} {
		req := newRequest(t, "POST", target, body)
		toDigest := io.NopCloser(bytes.NewReader(body))
		digest, err := httpsign.GenerateContentDigestHeader(&toDigest, []string{httpsign.DigestSha256})
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Digest", digest)
		nonce := base64.RawURLEncoding.EncodeToString([]byte(target + "0123456789abcdef")[:24])
		theirs, err := httpsign.NewHMACSHA256Signer(padded(testKey().Secret),
			httpsign.NewSignConfig().SetKeyID("crm").SetNonce(nonce).SignAlg(true), profileFields())
		if err != nil {
			t.Fatal(err)
		}
		input, signature, err := httpsign.SignRequest("sig1", *theirs, req)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Signature-Input", input)
		req.Header.Set("Signature", signature)

		key := testKey()
		key.Secret = padded(key.Secret)
		v := newVerifier(t, "", time.Now, key)
		if _, err := v.Verify("POST", req.URL.EscapedPath(), req.URL.RawQuery, req.Header, body); Cause(err) != errForm {
			t.Errorf("%s: parameters in another order: %v", target, Cause(err))
		}
		inOrder := http.Header{"Content-Digest": {digest}, "Signature": {signature}, "Signature-Input": {strings.Replace(input,
			`;alg="hmac-sha256";keyid="crm"`, `;keyid="crm";alg="hmac-sha256"`, 1)}}
		f, err := parse(inOrder)
		if err != nil {
			t.Fatalf("%s: %v in %s", target, err, input)
		}
		f.params = strings.TrimPrefix(input, "sig1=")
		if got, err := v.check(f, "POST", req.URL.EscapedPath(), req.URL.RawQuery, body); err != nil || got.ID != "crm" {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// padded lengthens a secret to the 64 bytes the other library insists on.
// HMAC pads its key with zeros to a block of 64 (RFC 2104 §2), so it is the same key.
func padded(secret []byte) []byte {
	return append(bytes.Clone(secret), make([]byte, 64-len(secret))...)
}

func TestOpenSSLComputesTheSameSignature(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Log("no openssl on this machine: nothing to compare with")
		return
	}
	signed := profileBase("POST", "/v1/calls", "a=b", digestOf([]byte("{}")), params(1700000000, "AAAAAAAAAAAAAAAAAAAAAA", "crm"))
	cmd := exec.Command(openssl, "dgst", "-sha256", "-mac", "HMAC", "-macopt", "hexkey:"+hex.EncodeToString(testKey().Secret), "-binary")
	cmd.Stdin = bytes.NewReader(signed)
	sum, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sum, mac(testKey().Secret, signed)) {
		t.Errorf("openssl says %x", sum)
	}
}

func TestAServerOfNetHTTPSeesWhatTheClientSigned(t *testing.T) {
	v := newVerifier(t, "", time.Now)
	answers := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, body, err := v.VerifyRequest(r)
		if err == nil && (key.ID != "crm" || key.Role != RoleScript || string(body) != `{"n":1}`) {
			t.Errorf("got %s %s %s", key.ID, key.Role, body)
		}
		answers <- err
	}))
	defer server.Close()
	for _, path := range []string{"", "/", "/v1/calls", "/v1/calls?x=%2B&y", "/a%2Fb/%E2%82%AC?", "/a b"} {
		c := NewClient(server.URL+"/", testKey(), 5*time.Second, nil)
		defer c.Close()
		path = strings.ReplaceAll(path, " ", "%20")
		if err := c.Do(t.Context(), "POST", path, map[string]int{"n": 1}, nil); err != nil {
			t.Fatal(err)
		}
		if err := <-answers; err != nil {
			t.Errorf("%q: %v", path, Cause(err))
		}
	}
}
