package web

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

const siteOrigin = "http://call.example.org:8080"

// dial opens a WebSocket as a browser on a page of that origin does.
func (st *site) dial(t *testing.T, header http.Header) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(st.base, "http")+"/ws",
		&websocket.DialOptions{HTTPClient: st.http, HTTPHeader: header})
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return conn, resp, err
}

func (st *site) mustDial(t *testing.T) *websocket.Conn {
	t.Helper()
	conn, _, err := st.dial(t, http.Header{"Origin": {siteOrigin}})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestAWebSocketIsHandedOverAndWorksBothWays(t *testing.T) {
	st := newSite(t, nil)
	conn := st.mustDial(t)
	if got := <-st.sockets.came; got != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("client %v", got)
	}
	for _, msg := range [][]byte{[]byte(`{"type":"ping"}`), bytes.Repeat([]byte("x"), 16<<10)} {
		if err := conn.Write(t.Context(), websocket.MessageText, msg); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || !bytes.Equal(got, msg) {
			t.Fatalf("%d bytes came back, %v", len(got), err)
		}
	}
	if st.Sockets() != 1 {
		t.Errorf("%d open", st.Sockets())
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	<-st.sockets.left
}

func TestThe101HasNoContentLength(t *testing.T) {
	st := newSite(t, nil)
	raw, err := net.Dial("tcp", st.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	_, err = raw.Write([]byte("GET /ws HTTP/1.1\r\nHost: x\r\nOrigin: " + siteOrigin + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := raw.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	// The key and its answer are those of RFC 6455 §1.3.
	want := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nUpgrade: websocket\r\n\r\n"
	if got := string(buf[:n]); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	_ = raw.Close()
	<-st.sockets.left
}

func TestOnlyPagesOfThisSiteMayConnect(t *testing.T) {
	st := newSite(t, func(c *Config) { c.AllowedOrigins = []string{"https://CRM.example.org:443"} })
	for name, c := range map[string]struct {
		origin []string
		ok     bool
	}{
		"the page's own":         {[]string{siteOrigin}, true},
		"one that is listed":     {[]string{"https://crm.example.org"}, true},
		"another port":           {[]string{"http://call.example.org"}, false},
		"another scheme":         {[]string{"https://call.example.org:8080"}, false},
		"another host":           {[]string{"http://evil.example.org:8080"}, false},
		"one that begins so":     {[]string{siteOrigin + ".evil.example.org"}, false},
		"a page without a place": {[]string{"null"}, false},
		"none":                   {nil, false},
		"two":                    {[]string{siteOrigin, "http://evil.example.org"}, false},
	} {
		_, resp, err := st.dial(t, http.Header{"Origin": c.origin})
		if c.ok != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if !c.ok && resp.StatusCode != 403 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
}

func TestTheClientOfASocketIsFoundBehindAProxy(t *testing.T) {
	st := newSite(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	if _, _, err := st.dial(t, http.Header{"Origin": {siteOrigin}, "X-Forwarded-For": {"192.0.2.99, 2001:db8::1"}}); err != nil {
		t.Fatal(err)
	}
	if got := <-st.sockets.came; got != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("client %v", got)
	}
}

func TestWhatIsNoUpgradeIsAnAnswer(t *testing.T) {
	st := newSite(t, nil)
	if resp, _ := st.do(t, "GET", "/ws", http.Header{"Origin": {siteOrigin}}); resp.StatusCode != 426 {
		t.Errorf("got %d", resp.StatusCode)
	}
	if st.Sockets() != 0 {
		t.Errorf("%d open", st.Sockets())
	}
}

func TestCloseEndsTheConversations(t *testing.T) {
	st := newSite(t, nil)
	conn := st.mustDial(t)
	<-st.sockets.came
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-st.sockets.left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, _, err := conn.Read(t.Context()); err == nil {
		t.Error("still open")
	}
}

func TestClientsAreFoundBehindTrustedProxiesOnly(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, remote string
		forwarded    []string
		want         string
	}{
		{"no proxy", "192.0.2.1", nil, "192.0.2.1"},
		{"a stranger who forges", "192.0.2.1", []string{"198.51.100.7"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1", []string{"192.0.2.1"}, "192.0.2.1"},
		{"one proxy and a forged entry", "10.0.0.1", []string{"198.51.100.7, 192.0.2.1"}, "192.0.2.1"},
		{"a forged entry that looks trusted", "10.0.0.1", []string{"10.9.9.9, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies", "10.0.0.1", []string{"192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"two fields are one list", "10.0.0.1", []string{"198.51.100.7", "192.0.2.1"}, "192.0.2.1"},
		{"a proxy without the field", "10.0.0.1", nil, "10.0.0.1"},
		{"an entry that is no address", "10.0.0.1", []string{"192.0.2.1, unknown"}, "10.0.0.1"},
		{"an empty entry", "10.0.0.1", []string{"192.0.2.1,"}, "10.0.0.1"},
		{"an entry with a port", "10.0.0.1", []string{"192.0.2.1:5123"}, "192.0.2.1"},
		{"IPv6 in brackets", "fd00::1", []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{"IPv6 without a port", "fd00::1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv4 in IPv6", "::ffff:10.0.0.1", []string{"::ffff:192.0.2.1"}, "192.0.2.1"},
		{"a zone is no other client", "fd00::1", []string{"fe80::1%eth0"}, "fe80::1"},
		{"only proxies", "10.0.0.1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
	} {
		if got := clientIP(netip.MustParseAddr(c.remote), c.forwarded, trusted); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s: got %v, want %s", c.name, got, c.want)
		}
	}
}

// FuzzClientIP shows that no X-Forwarded-For panics or is believed without a trusted proxy.
func FuzzClientIP(f *testing.F) {
	f.Add("192.0.2.1, [2001:db8::1]:5")
	f.Add(",,%,[]:")
	f.Fuzz(func(t *testing.T, field string) {
		stranger, proxy := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("10.0.0.1")
		trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
		if got := clientIP(stranger, []string{field}, trusted); got != stranger {
			t.Errorf("got %v", got)
		}
		if got := clientIP(proxy, []string{field}, trusted); !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Errorf("got %v", got)
		}
	})
}

func TestPagesAndSocketsWorkOverTLS(t *testing.T) {
	st := newSite(t, func(c *Config) { c.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}} })
	st.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if resp, body := st.do(t, "GET", "/room.html", nil); resp.StatusCode != 200 || resp.TLS == nil || !strings.Contains(body, "room") {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	conn := st.mustDial(t)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(t.Context()); err != nil || string(got) != "hello" {
		t.Errorf("%q %v", got, err)
	}
	_ = conn.CloseNow()
	<-st.sockets.left

	plain := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}
	defer plain.CloseIdleConnections()
	resp, err := plain.Get("http://" + st.Addr().String() + "/")
	if err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode == 200 {
			t.Error("a TLS server answers in plain text")
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestThePolicyNamesTheSocketOfThePublicURL(t *testing.T) {
	for public, want := range map[string]string{
		"http://localhost:8080":    "connect-src 'self' ws://localhost:8080;",
		"https://call.example.org": "connect-src 'self' wss://call.example.org;",
	} {
		u, err := url.Parse(public)
		if err != nil {
			t.Fatal(err)
		}
		if got := contentSecurityPolicy(u, nil); !strings.Contains(got, want) {
			t.Errorf("%s: %s", public, got)
		}
	}
}
