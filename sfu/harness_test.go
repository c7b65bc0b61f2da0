package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"dialroom/sfu/web"
	"dialroom/shared/config"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

func TestMain(m *testing.M) {
	web.Quiet()
	goleak.VerifyTestMain(m,
		// Hertz keeps one clock for the Date field, for as long as the process lives.
		goleak.IgnoreAnyFunction("github.com/cloudwego/hertz/pkg/protocol.UpdateServerDate.func1"))
}

const (
	sfuSecret    = "0123456789abcdef-sfu"
	bridgeSecret = "0123456789abcdef-bridge"
	patience     = 20 * time.Second
)

// fakeBridge takes calls and does nothing with them but tell the test.
type fakeBridge struct {
	*httptest.Server
	verifier *sign.Verifier
	placed   chan wire.CallRequest
	hungUp   chan string // path and query of DELETE

	mu       sync.Mutex
	calls    []string
	down     bool
	draining bool
}

func newFakeBridge(t *testing.T) *fakeBridge {
	t.Helper()
	v, err := sign.NewVerifier([]sign.Key{{ID: "sfu", Role: sign.RoleSFU, Secret: []byte(sfuSecret)}}, "", time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &fakeBridge{verifier: v, placed: make(chan wire.CallRequest, 10), hungUp: make(chan string, 10)}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Server.Close)
	return b
}

func (b *fakeBridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, body, err := b.verifier.VerifyRequest(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.down:
		w.WriteHeader(http.StatusServiceUnavailable)
	case err != nil || key.Role != sign.RoleSFU:
		w.WriteHeader(http.StatusUnauthorized)
	case r.Method == "GET" && r.URL.Path == wire.PathTrunks:
		_ = json.NewEncoder(w).Encode(wire.Trunks{Draining: b.draining, Trunks: []wire.Trunk{{ID: "tr_1", Name: "main", Priority: 10, State: "up", MaxCalls: 10}}})
	case r.Method == "POST" && r.URL.Path == wire.PathCalls:
		var req wire.CallRequest
		_ = json.Unmarshal(body, &req)
		b.calls = append(b.calls, req.ID)
		b.placed <- req
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(wire.CallResponse{Call: wire.Call{ID: req.ID, State: wire.Dialing}, Media: "127.0.0.1:9"})
	case r.Method == "POST" && r.URL.Path == wire.PathLease:
		_ = json.NewEncoder(w).Encode(wire.LeaseResponse{Instance: "b_1", Calls: b.calls})
	case r.Method == "DELETE":
		b.hungUp <- r.URL.RequestURI()
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (b *fakeBridge) setDown(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

// site is a running sfu with a bridge that does what the test says.
type site struct {
	*Main
	t      *testing.T
	path   string
	bridge *fakeBridge
	events *sign.Client // what the bridge signs with
}

// settings is a settings file for a test; more is added to it.
func settings(dir, bridgeURL, fraud string) string {
	return fmt.Sprintf(`data_dir: %s
sfu:
  listen: "127.0.0.1:0"
  public_url: "http://call.example.org"
  media: {udp_port: 0, tcp_port: 0, public_ip: "127.0.0.1"}
  bridge_url: %s
  turn: {url: "turn:turn.example.org:3478", secret: "a secret of the turn server"}
keys:
  - {id: sfu, role: sfu, secret: %s}
  - {id: bridge, role: bridge, secret: %s}
  - {id: crm, role: script, secret: "a secret of the scripts"}
fraud:
  allow: [%s]
`, dir, bridgeURL, sfuSecret, bridgeSecret, fraud)
}

// writeSettings writes a settings file and returns its path.
func writeSettings(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dialroom.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newSite(t *testing.T) *site {
	t.Helper()
	return newSiteWith(t, func(text string) string { return text })
}

// newSiteWith is newSite with settings that a test has edited.
func newSiteWith(t *testing.T, edit func(string) string) *site {
	t.Helper()
	b := newFakeBridge(t)
	path := writeSettings(t, edit(settings(t.TempDir(), b.URL, `"+49"`)))
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Main: NewMain(path, cfg, slog.New(slog.DiscardHandler)), t: t, path: path, bridge: b}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	s.events = sign.NewClient(s.URL(), sign.Key{ID: "bridge", Secret: []byte(bridgeSecret)}, patience, nil)
	t.Cleanup(func() {
		s.events.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// get returns status and body of a page.
func (s *site) get(path string) (int, string) {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get(s.URL() + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// event reports a change of a call as the bridge does.
func (s *site) event(e wire.CallEvent) {
	s.t.Helper()
	e.At = time.Now().UnixMilli()
	if err := s.events.Do(s.t.Context(), "POST", wire.PathEvents, e, nil); err != nil {
		s.t.Fatal(err)
	}
}

// visitor is a browser as far as the WebSocket goes.
type visitor struct {
	t    *testing.T
	conn *websocket.Conn
	ctx  context.Context
}

func (s *site) visitor(room string) *visitor {
	s.t.Helper()
	return s.visit(map[string]any{"type": "join", "room": room, "name": "Ada"})
}

// visit connects and sends a join.
func (s *site) visit(join map[string]any) *visitor {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	s.t.Cleanup(cancel)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(s.URL(), "http")+"/ws",
		&websocket.DialOptions{HTTPClient: client, HTTPHeader: http.Header{"Origin": {"http://call.example.org"}}})
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	s.t.Cleanup(func() { _ = conn.CloseNow() })
	v := &visitor{t: s.t, conn: conn, ctx: ctx}
	v.send(join)
	return v
}

func (v *visitor) send(msg map[string]any) {
	v.t.Helper()
	b, err := json.Marshal(msg)
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.conn.Write(v.ctx, websocket.MessageText, b); err != nil {
		v.t.Fatal(err)
	}
}

// message is what the tests look at in any message.
type message struct {
	Type, ID, State, Reason, Text, Role string
	Code                                any // of an error a word, of a call a number
	ICEServers                          []struct {
		URLs                 []string
		Username, Credential string
	}
}

// await reads on to the first message that is as wanted.
func (v *visitor) await(what string, wanted func(message) bool) message {
	v.t.Helper()
	for {
		_, b, err := v.conn.Read(v.ctx)
		if err != nil {
			v.t.Fatalf("waiting for %s: %v", what, err)
		}
		var m message
		if err := json.Unmarshal(b, &m); err != nil {
			v.t.Fatalf("%v in %s", err, b)
		}
		if wanted(m) {
			return m
		}
	}
}

// listen hands on every message until the connection ends.
func (v *visitor) listen(to chan<- message) {
	defer close(to)
	for {
		_, b, err := v.conn.Read(v.ctx)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(b, &m) == nil {
			to <- m
		}
	}
}

// call waits for a call to be in a state.
func (v *visitor) call(state wire.State) message {
	v.t.Helper()
	return v.await("a call that is "+string(state), func(m message) bool { return m.Type == "call" && m.State == string(state) })
}

// soon receives from a channel, or fails.
func soon[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("did not happen: %s", what)
	}
	return v
}

// fakeLedger is writable, or says why not.
type fakeLedger struct{ err error }

func (f *fakeLedger) Writable(context.Context) error { return f.err }
