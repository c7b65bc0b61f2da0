package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
	"dialroom/static"
)

func TestMain(m *testing.M) {
	Quiet()
	// Hertz keeps one clock for the Date field, for as long as the process lives.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/cloudwego/hertz/pkg/protocol.UpdateServerDate.func1"))
}

// fakeSockets echoes messages and tells the test who came.
type fakeSockets struct {
	came chan netip.Addr
	left chan error
}

func (f *fakeSockets) Serve(ctx context.Context, conn *websocket.Conn, client netip.Addr) {
	f.came <- client
	for {
		kind, msg, err := conn.Read(ctx)
		if err != nil {
			f.left <- err
			return
		}
		if err := conn.Write(ctx, kind, msg); err != nil {
			f.left <- err
			return
		}
	}
}

// fakeCalls answers what the test says.
type fakeCalls struct {
	mu    sync.Mutex
	err   error
	panic bool
	legs  []wire.LegRequest
	event []wire.CallEvent
}

func (f *fakeCalls) Grant(_ context.Context, req wire.LegRequest) (wire.LegResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.panic {
		panic("a defect")
	}
	f.legs = append(f.legs, req)
	return wire.LegResponse{ID: "c_1", Number: req.Number}, f.err
}

func (f *fakeCalls) Event(_ context.Context, e wire.CallEvent) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.event = append(f.event, e)
	return f.err
}

const bridgeSecret = "0123456789abcdef-bridge"

// site is a server and what a test needs to talk to it.
type site struct {
	*Server
	base    string
	sockets *fakeSockets
	calls   *fakeCalls
	http    *http.Client
}

func newSite(t *testing.T, change func(*Config)) *site {
	t.Helper()
	verifier, err := sign.NewVerifier([]sign.Key{
		{ID: "bridge", Role: sign.RoleBridge, Secret: []byte(bridgeSecret)},
		{ID: "crm", Role: sign.RoleScript, Secret: []byte("0123456789abcdef-script")},
	}, "", time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	st := &site{sockets: &fakeSockets{came: make(chan netip.Addr, 100), left: make(chan error, 100)}, calls: &fakeCalls{},
		http: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	cfg := Config{
		Listen:    "127.0.0.1:0",
		PublicURL: "http://call.example.org:8080",
		Files: fstest.MapFS{
			"index.html":   {Data: []byte("<title>landing</title>")},
			"room.html":    {Data: []byte("<title>room</title>")},
			"base.css":     {Data: []byte("body{}")},
			"icon.svg":     {Data: []byte("<svg/>")},
			"js/app.js":    {Data: []byte("export {}")},
			"js/notes.txt": {Data: []byte("text")},
		},
		Sockets:  st.sockets,
		Calls:    st.calls,
		Verifier: verifier,
	}
	if change != nil {
		change(&cfg)
	}
	if st.Server, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	scheme := "http"
	if cfg.TLS != nil {
		scheme = "https"
	}
	st.base = scheme + "://" + st.Addr().String()
	t.Cleanup(func() {
		st.http.CloseIdleConnections()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// do sends a request and returns the answer with its body read.
func (st *site) do(t *testing.T, method, path string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, st.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	resp, err := st.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestPagesAreServedWithTheirType(t *testing.T) {
	st := newSite(t, nil)
	for path, want := range map[string]struct{ contentType, body string }{
		"/":                            {"text/html; charset=utf-8", "<title>landing</title>"},
		"/?room=x&dial=%2B4930123456":  {"text/html; charset=utf-8", "<title>landing</title>"},
		"/index.html":                  {"text/html; charset=utf-8", "<title>landing</title>"},
		"/room.html?room=x&dial=%2B49": {"text/html; charset=utf-8", "<title>room</title>"},
		"/base.css":                    {"text/css; charset=utf-8", "body{}"},
		"/js/app.js":                   {"text/javascript; charset=utf-8", "export {}"},
		"/icon.svg":                    {"image/svg+xml", "<svg/>"},
	} {
		resp, body := st.do(t, "GET", path, nil)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != want.contentType || body != want.body {
			t.Errorf("%s: %d %s %q", path, resp.StatusCode, resp.Header.Get("Content-Type"), body)
		}
		if resp.Header.Get("Cache-Control") != "no-cache" || len(resp.Header.Get("Etag")) < 10 {
			t.Errorf("%s: %s, ETag %s", path, resp.Header.Get("Cache-Control"), resp.Header.Get("Etag"))
		}
		head, nothing := st.do(t, "HEAD", path, nil)
		if head.StatusCode != 200 || nothing != "" || head.ContentLength != int64(len(want.body)) || head.Header.Get("Content-Type") != want.contentType {
			t.Errorf("HEAD %s: %d, %d bytes, %s", path, head.StatusCode, head.ContentLength, head.Header.Get("Content-Type"))
		}
	}
}

func TestAPageTheBrowserHasIsNotSentAgain(t *testing.T) {
	st := newSite(t, nil)
	resp, _ := st.do(t, "GET", "/room.html", nil)
	etag := resp.Header.Get("Etag")
	for _, field := range []string{etag, `"other", ` + etag, "W/" + etag, "*"} {
		resp, body := st.do(t, "GET", "/room.html", http.Header{"If-None-Match": {field}})
		if resp.StatusCode != 304 || body != "" || resp.Header.Get("Etag") != etag {
			t.Errorf("%s: %d %q", field, resp.StatusCode, body)
		}
	}
	for _, field := range []string{`"other"`, strings.Trim(etag, `"`), ""} {
		if resp, _ := st.do(t, "GET", "/room.html", http.Header{"If-None-Match": {field}}); resp.StatusCode != 200 {
			t.Errorf("%s: %d", field, resp.StatusCode)
		}
	}
	if other, _ := st.do(t, "GET", "/", nil); other.Header.Get("Etag") == etag {
		t.Error("two pages have one ETag")
	}
}

func TestEveryAnswerCarriesTheSecurityHeaders(t *testing.T) {
	st := newSite(t, nil)
	for _, path := range []string{"/", "/room.html", "/icon.svg", "/nothing", "/healthz", "/ws"} {
		resp, _ := st.do(t, "GET", path, nil)
		csp := resp.Header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';",
			"connect-src 'self' ws://call.example.org:8080;", "media-src 'self' blob:", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: no %s in %s", path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", path, csp)
		}
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Server": ""} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
		if !strings.Contains(resp.Header.Get("Permissions-Policy"), "microphone=(self)") {
			t.Errorf("%s: %s", path, resp.Header.Get("Permissions-Policy"))
		}
	}
}

func TestScriptsAndStylesAreSentWithoutTheHeadersOfDocuments(t *testing.T) {
	st := newSite(t, nil)
	for _, path := range []string{"/js/app.js", "/base.css"} {
		resp, _ := st.do(t, "GET", path, nil)
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": "", "Permissions-Policy": "", "Server": ""} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s: %s: %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestWhatIsNotThereIsAPlain404(t *testing.T) {
	st := newSite(t, nil)
	for _, path := range []string{"/nothing", "/js", "/js/", "/room.html/", "/Room.html", "/../web.go", "/%2e%2e/web.go", "/js/../../x", "/embed.go"} {
		resp, body := st.do(t, "GET", path, nil)
		if resp.StatusCode != 404 || body != "There is nothing at this address.\n" || resp.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("%s: %d %q %s", path, resp.StatusCode, body, resp.Header.Get("Content-Type"))
		}
	}
	for request, allow := range map[string]string{"POST /room.html": "GET, HEAD", "GET /internal/v1/legs": "POST", "PUT /healthz": "GET, HEAD", "HEAD /ws": "GET"} {
		method, path, _ := strings.Cut(request, " ")
		if resp, _ := st.do(t, method, path, nil); resp.StatusCode != 405 || resp.Header.Get("Allow") != allow {
			t.Errorf("%s: %d, Allow: %s", request, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
}

func TestAMonitorThatAsksWithHEADIsToldTheSame(t *testing.T) {
	st := newSite(t, nil)
	for _, path := range []string{"/healthz", "/readyz", "/qr.svg?text=x"} {
		get, body := st.do(t, "GET", path, nil)
		head, nothing := st.do(t, "HEAD", path, nil)
		if head.StatusCode != get.StatusCode || nothing != "" || body == "" || head.ContentLength != int64(len(body)) {
			t.Errorf("%s: %d, and with HEAD %d, %d bytes, %q", path, get.StatusCode, head.StatusCode, head.ContentLength, nothing)
		}
	}
}

func TestHealthIsThatTheProcessIsUp(t *testing.T) {
	st := newSite(t, func(c *Config) { c.Ready = func(context.Context) []string { return []string{"draining"} } })
	if resp, body := st.do(t, "GET", "/healthz", nil); resp.StatusCode != 200 || body != "ok\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestReadinessSaysWhatIsMissing(t *testing.T) {
	var reasons []string
	st := newSite(t, func(c *Config) { c.Ready = func(context.Context) []string { return reasons } })
	if resp, body := st.do(t, "GET", "/readyz", nil); resp.StatusCode != 200 || body != "ready\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
	reasons = []string{"the ledger cannot be written", "100% of the bridge is gone"}
	if resp, body := st.do(t, "GET", "/readyz", nil); resp.StatusCode != 503 || body != "the ledger cannot be written\n100% of the bridge is gone\n" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestMetricsAreThoseOfTheMoment(t *testing.T) {
	st := newSite(t, func(c *Config) {
		c.Metrics = Metrics(func() Counts {
			return Counts{Rooms: 3, Participants: map[string]int{"browser": 4, "phone": 1}, Calls: map[string]int{"ringing": 2}, Sockets: 5,
				Placed: 7, Ended: map[string]uint64{"busy": 6}, Refused: map[string]uint64{"not-allowed": 8},
				In:      map[Origin]uint64{{By: "trunk", Trunk: "tr_1"}: 10, {By: "extension"}: 11},
				InEnded: map[string]uint64{"hangup-phone": 12}, Packets: map[string]uint64{"received": 9}}
		})
	})
	resp, body := st.do(t, "GET", "/metrics", nil)
	if resp.StatusCode != 200 {
		t.Fatalf("%d", resp.StatusCode)
	}
	for _, want := range []string{
		"dialroom_rooms 3\n", `dialroom_participants{kind="browser"} 4`, `dialroom_participants{kind="phone"} 1`,
		`dialroom_calls{state="ringing"} 2`, "dialroom_sockets 5\n", "dialroom_calls_placed_total 7\n", `dialroom_calls_ended_total{reason="busy"} 6`,
		`dialroom_dials_refused_total{reason="not-allowed"} 8`, `dialroom_packets_total{direction="received"} 9`,
		`dialroom_calls_in_total{by="trunk",trunk="tr_1"} 10`, `dialroom_calls_in_total{by="extension",trunk=""} 11`,
		`dialroom_calls_in_ended_total{reason="hangup-phone"} 12`,
		"process_cpu_seconds_total", "go_goroutines",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	manual, err := static.Files.ReadFile("docs/production.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (dialroom_\w+)`).FindAllStringSubmatch(body, -1) {
		if !strings.Contains(string(manual), "<code>"+line[1]+"</code>") {
			t.Errorf("%s is not in the manual", line[1])
		}
	}
}

func TestAPanicIsAnAnswerAndNotTheEnd(t *testing.T) {
	st := newSite(t, nil)
	st.calls.panic = true
	client := sign.NewClient(st.base, sign.Key{ID: "bridge", Secret: []byte(bridgeSecret)}, 5*time.Second, nil)
	defer client.Close()
	var status *sign.StatusError
	if err := client.Do(t.Context(), "POST", wire.PathLegs, wire.LegRequest{}, nil); !errors.As(err, &status) || status.Status != 500 ||
		strings.Contains(string(status.Body), "defect") {
		t.Errorf("got %v", err)
	}
	if resp, _ := st.do(t, "GET", "/healthz", nil); resp.StatusCode != 200 {
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestCloseDoesNotWaitForIdleConnections(t *testing.T) {
	st := newSite(t, nil)
	st.do(t, "GET", "/", nil) // the client keeps this connection
	raw, err := net.Dial("tcp", st.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	if _, err := raw.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n")); err != nil { // half a request
		t.Fatal(err)
	}
	started := time.Now()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > shutdownTimeout {
		t.Errorf("took %v", took)
	}
	if _, err := net.Dial("tcp", st.Addr().String()); err == nil {
		t.Error("still listening")
	}
}

func TestATakenAddressIsAnErrorOfNew(t *testing.T) {
	st := newSite(t, nil)
	cfg := st.cfg
	cfg.Listen = st.Addr().String()
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "listen for browsers") {
		t.Errorf("got %v", err)
	}
}

func TestSettingsThatCannotBeAreErrorsOfNew(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no public URL":          func(c *Config) { c.PublicURL = "" },
		"an origin of no scheme": func(c *Config) { c.AllowedOrigins = []string{"call.example.org"} },
		"no pages":               func(c *Config) { c.Files = fstest.MapFS{} },
		"a file of no known type": func(c *Config) {
			c.Files = fstest.MapFS{"a.exe": {Data: []byte("x")}}
		},
	} {
		cfg := Config{Listen: "127.0.0.1:0", PublicURL: "http://localhost", Files: fstest.MapFS{"index.html": {}}}
		change(&cfg)
		if s, err := New(cfg); err == nil {
			t.Errorf("%s: started", name)
			_ = s.Close()
		}
	}
}

func TestARequestTooLargeIsRefused(t *testing.T) {
	st := newSite(t, nil)
	raw, err := net.Dial("tcp", st.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	if _, err := io.WriteString(raw, "POST /internal/v1/legs HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(raw), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != 413 {
		t.Errorf("got %d", resp.StatusCode)
	}
}
