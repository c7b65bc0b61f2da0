package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

func TestCallOfTheSFU(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	got := b.place("c_page", 10)
	if got.status != 202 || got.Call.ID != "c_page" || got.Call.Trunk != "tr_1" || got.Media == "" {
		t.Fatalf("answered %d %s", got.status, got.raw)
	}
	eventually(t, "answered", func() bool { return b.room.got("c_page") == "answered" })
	if invites := far.invited(); len(invites) != 1 || invites[0].Recipient.User != "+4989654321" {
		t.Errorf("the number in the INVITE: %v", invites)
	}
	if got := b.send(sfuKey, "GET", wire.PathCalls+"/c_page", ""); got.status != 200 || got.Call.State != wire.Answered || got.Call.Codec != wire.PCMA || got.Media == "" {
		t.Errorf("GET answered %d %s", got.status, got.raw)
	}
	if got := b.send(scriptKey, "GET", wire.PathCalls+"/c_page", ""); got.status != 200 || got.Media != "" {
		t.Errorf("a script's GET answered %d %s", got.status, got.raw)
	}
	if got := b.ask(sfuKey, "POST", wire.PathCalls+"/c_page/dtmf", wire.DTMFRequest{Digits: "12#"}); got.status != 204 {
		t.Errorf("digits answered %d %s", got.status, got.raw)
	}
	if got := b.send(sfuKey, "DELETE", wire.PathCalls+"/c_page?reason=room-empty", ""); got.status != 204 {
		t.Errorf("DELETE answered %d %s", got.status, got.raw)
	}
	eventually(t, "ended", func() bool { return b.room.got("c_page") == "answered, ended room-empty" })
	eventually(t, "BYE", func() bool { return far.hungUp() == 1 })
	if got := b.send(sfuKey, "GET", wire.PathCalls+"/c_page", ""); got.Call.State != wire.Ended || got.Call.Reason != wire.RoomEmpty {
		t.Errorf("GET after the end answered %s", got.raw)
	}
}

func TestCallOfAScript(t *testing.T) {
	far := newCarrier(t, 486)
	b := newBridge(t, far)
	got := b.send(scriptKey, "POST", wire.PathCalls, `{"room":"sales","number":"089 65 43 21","trunk":"tr_1","name":"CRM"}`)
	if got.status != 202 || got.Call.ID != "c_granted" || got.Call.Number != "+4989654321" || got.Media != "" {
		t.Fatalf("answered %d %s", got.status, got.raw)
	}
	asked := b.room.asked()
	if len(asked) != 1 || asked[0].Room != "sales" || asked[0].Number != "089 65 43 21" || asked[0].Trunk != "tr_1" ||
		asked[0].Name != "CRM" || asked[0].Key != "crm" || asked[0].Media == "" {
		t.Errorf("the sfu was asked %+v", asked)
	}
	eventually(t, "busy", func() bool { return b.room.got("c_granted") == "ended busy" })
	if invites := far.invited(); len(invites) != 1 || invites[0].Recipient.User != "+4989654321" {
		t.Errorf("not the number the sfu checked: %v", invites)
	}
}

func TestAnSFUThatServesHTTPSIsBelievedByTheCertificateOfTheSettings(t *testing.T) {
	b := newBridge(t, newCarrier(t, 486))
	src, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := url.Parse(b.m.cfg.Bridge.SFUURL)
	if err != nil {
		t.Fatal(err)
	}
	sfu := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(plain))
	defer sfu.Close()
	pinned := filepath.Join(t.TempDir(), "sfu.pem")
	for _, tc := range []struct {
		name   string
		der    []byte
		status int
	}{
		{"another one", append([]byte("x"), sfu.Certificate().Raw...), 503},
		{"its own", sfu.Certificate().Raw, 202},
	} {
		if err := os.WriteFile(pinned, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tc.der}), 0o600); err != nil {
			t.Fatal(err)
		}
		b.write(strings.Replace(string(src), fmt.Sprintf("%q", plain), fmt.Sprintf("%q", sfu.URL), 1) + fmt.Sprintf("sfu: {tls: {cert: %q, key: unread}}\n", pinned))
		b.restart()
		if got := b.send(scriptKey, "POST", wire.PathCalls, `{"room":"sales","number":"089 65 43 21"}`); got.status != tc.status {
			t.Errorf("%s: %d %s", tc.name, got.status, got.raw)
		}
	}
	eventually(t, "the ending", func() bool { return b.room.got("c_granted") == "ended busy" })
}

func TestRefusalsOfTheSFUArePassedOn(t *testing.T) {
	status := func(code int, body string) error { return &sign.StatusError{Status: code, Body: []byte(body)} }
	tests := []struct {
		name   string
		err    error
		status int
		reason string
	}{
		{"a refusal", status(403, `{"error":"refused","reason":"not-allowed","text":"No."}`), 403, "not-allowed"},
		{"a cap", status(429, `{"error":"refused","reason":"cap-day","text":"No."}`), 429, "cap-day"},
		{"a guard that is out of order", status(503, `{"error":"refused","reason":"guard-unavailable","text":"No."}`), 503, "guard-unavailable"},
		{"a bad room name", status(400, `{"error":"bad-request","text":"No."}`), 400, ""},
		{"our own signature not accepted is not the script's fault", status(401, `{"error":"unauthorized","text":"No."}`), 503, ""},
		{"an answer that is none", status(502, "<html>"), 503, ""},
		{"nobody there", errors.New("connection refused"), 503, ""},
	}
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b.room.grants(func(wire.LegRequest) (wire.LegResponse, error) { return wire.LegResponse{}, test.err })
			got := b.send(scriptKey, "POST", wire.PathCalls, `{"room":"r","number":"+4989654321"}`)
			if got.status != test.status || got.Reason != test.reason || got.Text == "" {
				t.Errorf("answered %d %s", got.status, got.raw)
			}
		})
	}
	if n := len(far.invited()); n != 0 {
		t.Errorf("%d INVITEs", n)
	}
}

func TestGrantedCallThatCannotBePlacedEndsForTheSFU(t *testing.T) {
	b := newBridge(t, newCarrier(t, 200))
	b.room.grants(func(wire.LegRequest) (wire.LegResponse, error) {
		return wire.LegResponse{ID: "c_granted", Number: "+1212555", Leg: *testLeg("sfu-1", 99)}, nil
	})
	got := b.send(scriptKey, "POST", wire.PathCalls, `{"room":"r","number":"+1212555"}`)
	if got.status != 503 || got.Reason != "no-trunk" {
		t.Errorf("answered %d %s", got.status, got.raw)
	}
	eventually(t, "the ending", func() bool { return b.room.got("c_granted") == "ended no-trunk" })
}

func TestWhoMayDoWhat(t *testing.T) {
	full := `{"id":"c_x","room":"r","number":"+4989654321","leg":{"media":"127.0.0.1:9","ssrc_from_phone":1,"ssrc_to_phone":2,"instance":"s","max_ring":9,"max_duration":9}}`
	lease := `{"instance":"sfu-1","calls":[]}`
	tests := []struct {
		name         string
		key          sign.Key
		method, path string
		body         string
		want         int
	}{
		{"a script may not bring a leg", scriptKey, "POST", "/v1/calls", full, 403},
		{"a script may not choose an id", scriptKey, "POST", "/v1/calls", `{"id":"c_x","room":"r","number":"+4989654321"}`, 403},
		{"the sfu must bring a leg", sfuKey, "POST", "/v1/calls", `{"id":"c_x","room":"r","number":"+4989654321"}`, 400},
		{"the bridge's key asks for no calls", bridgeKey1, "POST", "/v1/calls", full, 403},
		{"a forged signature", forgedKey, "POST", "/v1/calls", `{"room":"r","number":"+4989654321"}`, 401},
		{"a script renews no lease", scriptKey, "POST", "/v1/lease", lease, 403},
		{"the sfu renews leases", sfuKey, "POST", "/v1/lease", lease, 200},
		{"a script sees the trunks", scriptKey, "GET", "/v1/trunks", "", 200},
		{"a forged look at the trunks", forgedKey, "GET", "/v1/trunks", "", 401},
	}
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := b.send(test.key, test.method, test.path, test.body)
			if got.status != test.want || (test.want >= 400 && (got.Error.Error == "" || got.Text == "")) {
				t.Errorf("answered %d %s", got.status, got.raw)
			}
		})
	}
	if n := len(far.invited()); n != 0 {
		t.Errorf("%d INVITEs", n)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	legOf := func(edit func(*wire.CallRequest)) string {
		req := wire.CallRequest{ID: "c_x", Room: "r", Number: "+4989654321", Leg: testLeg("sfu-1", 50)}
		edit(&req)
		raw, _ := json.Marshal(req)
		return string(raw)
	}
	tests := []struct {
		name, method, path, body string
		status                   int
		reason                   string
	}{
		{"no JSON", "POST", "/v1/calls", "number=1", 400, ""},
		{"nothing", "POST", "/v1/calls", "", 400, ""},
		{"an unknown field", "POST", "/v1/calls", `{"room":"r","number":"+49","colour":"red"}`, 400, ""},
		{"two values", "POST", "/v1/calls", legOf(func(*wire.CallRequest) {}) + "{}", 400, ""},
		{"a list", "POST", "/v1/calls", "[]", 400, ""},
		{"no room", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Room = "" }), 400, ""},
		{"no number", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Number = "" }), 400, ""},
		{"a number that would break out of the Request-URI", "POST", "/v1/calls",
			legOf(func(r *wire.CallRequest) { r.Number = "+49891@evil.example" }), 400, "bad-number"},
		{"a number with a line break", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Number = "+49891\r\nX: y" }), 400, "bad-number"},
		{"a number that is not canonical", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Number = "0049891234567" }), 400, "bad-number"},
		{"an id that is none", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.ID = "c_../x" }), 400, ""},
		{"a leg without an address", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Leg.Media = "here" }), 400, ""},
		{"a leg without an sfu", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Leg.Instance = "" }), 400, ""},
		{"an unknown trunk", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Trunk = "tr_nope" }), 404, "bad-trunk"},
		{"a trunk that is switched off", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Trunk = "tr_off" }), 503, "no-trunk"},
		{"a pinned trunk for other numbers", "POST", "/v1/calls",
			legOf(func(r *wire.CallRequest) { r.Trunk, r.Number = "tr_1", "+12125550123" }), 403, "bad-trunk"},
		{"a number that no trunk carries", "POST", "/v1/calls", legOf(func(r *wire.CallRequest) { r.Number = "+12125550123" }), 503, "no-trunk"},
		{"a call nobody knows", "GET", "/v1/calls/c_nope", "", 404, ""},
		{"hanging up a call nobody knows", "DELETE", "/v1/calls/c_nope", "", 404, ""},
		{"hanging up for a reason that is none", "DELETE", "/v1/calls/c_nope?reason=whim", "", 400, ""},
		{"digits for a call nobody knows", "POST", "/v1/calls/c_nope/dtmf", `{"digits":"1"}`, 404, ""},
		{"digits that are none", "POST", "/v1/calls/c_nope/dtmf", `{"digits":"1x"}`, 400, ""},
		{"no digits", "POST", "/v1/calls/c_nope/dtmf", `{"digits":""}`, 400, ""},
		{"a lease of nobody", "POST", "/v1/lease", `{"calls":[]}`, 400, ""},
		{"a path that does not exist", "GET", "/v2/calls", "", 404, ""},
		{"a method that does not exist", "PUT", "/v1/calls", "", 405, ""},
	}
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := b.send(sfuKey, test.method, test.path, test.body)
			if got.status != test.status || got.Reason != test.reason || got.Error.Error == "" || got.Text == "" {
				t.Errorf("answered %d %s", got.status, got.raw)
			}
		})
	}
	if n := len(far.invited()); n != 0 {
		t.Errorf("%d INVITEs", n)
	}
}

func TestAScriptIsToldWhatItsRequestLacks(t *testing.T) {
	b := newBridge(t, newCarrier(t, 200))
	for body, want := range map[string]string{
		`{"room":"r"}`:                             "number: expected a number",
		`{"number":"610"}`:                         "room: expected the name of a room",
		`{"room":"r","number":610}`:                "number: expected a string, got number",
		`{"room":"r","number":"610","to":"+4930"}`: "to: unknown field",
		`room=r`: "body: expected one JSON object",
	} {
		if got := b.send(scriptKey, "POST", wire.PathCalls, body); got.status != 400 || got.Text != want {
			t.Errorf("%s: %d %s", body, got.status, got.raw)
		}
	}
}

func TestBodyOver64KiBIsRefused(t *testing.T) {
	b := newBridge(t, newCarrier(t, 200))
	for _, size := range []int{64<<10 + 1, 4 << 20} {
		req, err := http.NewRequest("POST", "http://"+b.m.control.Addr().String()+wire.PathCalls, bytes.NewReader(make([]byte, size)))
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.http.Do(req)
		if err != nil {
			continue // cut off while sending is as good
		}
		_ = res.Body.Close()
		if res.StatusCode < 400 {
			t.Errorf("%d bytes answered %d", size, res.StatusCode)
		}
	}
}

func TestMaxCalls(t *testing.T) {
	b := newBridge(t, newCarrier(t, 180))
	b.place("c_1", 10)
	b.place("c_2", 20)
	if got := b.place("c_3", 30); got.status != 503 || got.Reason != "no-trunk" {
		t.Errorf("a third call answered %d %s", got.status, got.raw)
	}
}

func TestSameIDIsAConflict(t *testing.T) {
	far := newCarrier(t, 180)
	b := newBridge(t, far)
	b.place("c_1", 10)
	if got := b.place("c_1", 20); got.status != 409 {
		t.Errorf("answered %d %s", got.status, got.raw)
	}
	b.send(sfuKey, "DELETE", wire.PathCalls+"/c_1", "")
	eventually(t, "one ending", func() bool { return strings.HasSuffix(b.room.got("c_1"), "ended hangup-room") })
	if list := b.m.trunks.List(); list[0].Calls > 1 {
		t.Errorf("the refused call holds a slot: %+v", list)
	}
}

func TestTrunksAreListedWithoutSecrets(t *testing.T) {
	b := newBridge(t, newCarrier(t, 200))
	got := b.send(scriptKey, "GET", wire.PathTrunks, "")
	var list struct{ Trunks []wire.Trunk }
	if err := json.Unmarshal(got.raw, &list); err != nil || len(list.Trunks) != 2 || list.Trunks[0].ID != "tr_1" || list.Trunks[1].State != "disabled" {
		t.Errorf("answered %s", got.raw)
	}
	if bytes.Contains(got.raw, []byte("hush")) || bytes.Contains(got.raw, []byte("127.0.0.1")) {
		t.Errorf("tells secrets: %s", got.raw)
	}
}

func TestDrainRefusesNewCalls(t *testing.T) {
	b := newBridge(t, newCarrier(t, 200))
	b.m.agent.Drain()
	if got := b.place("c_1", 10); got.status != 503 || got.Reason != "shutdown" {
		t.Errorf("the sfu's call answered %d %s", got.status, got.raw)
	}
	if got := b.send(scriptKey, "POST", wire.PathCalls, `{"room":"r","number":"+4989654321"}`); got.status != 503 || got.Reason != "shutdown" {
		t.Errorf("the script's call answered %d %s", got.status, got.raw)
	}
	if asked := b.room.asked(); len(asked) != 0 {
		t.Errorf("the sfu was asked for a leg: %+v", asked)
	}
	if got := b.send(sfuKey, "GET", wire.PathTrunks, ""); !strings.Contains(string(got.raw), `"draining":true`) {
		t.Errorf("the sfu, which says whether calls can be taken, is not told: %s", got.raw)
	}
}

func TestIdempotencyKey(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	with := func(key string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Idempotency-Key", key) }
	}
	body := `{"room":"r","number":"+4989654321"}`
	first := b.send(scriptKey, "POST", wire.PathCalls, body, with("k1"))
	again := b.send(scriptKey, "POST", wire.PathCalls, body, with("k1"))
	if first.status != 202 || again.status != 202 || !bytes.Equal(first.raw, again.raw) {
		t.Errorf("first %d %s, then %d %s", first.status, first.raw, again.status, again.raw)
	}
	if got := b.send(scriptKey, "POST", wire.PathCalls, `{"room":"r","number":"+4989654322"}`, with("k1")); got.status != 409 {
		t.Errorf("another body answered %d %s", got.status, got.raw)
	}
	if got := b.send(scriptKey, "POST", wire.PathCalls, body, with(strings.Repeat("k", 256))); got.status != 400 {
		t.Errorf("a long key answered %d %s", got.status, got.raw)
	}
	if asked := b.room.asked(); len(asked) != 1 {
		t.Errorf("the sfu was asked %d times", len(asked))
	}
	// Another client's key of the same name is another key: its call is asked
	// for (and fails here, for the room gives out one id only).
	if got := b.send(otherKey, "POST", wire.PathCalls, body, with("k1")); got.status == 202 {
		t.Errorf("another client got this one's answer: %s", got.raw)
	}
	if asked := b.room.asked(); len(asked) != 2 {
		t.Errorf("the sfu was asked %d times", len(asked))
	}
	eventually(t, "one INVITE", func() bool { return len(far.invited()) == 1 })
}

func TestIdempotencyKeyHoldsAcrossARestart(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	with := func(r *http.Request) { r.Header.Set("Idempotency-Key", "k1") }
	body := `{"room":"r","number":"+4989654321"}`
	first := b.send(scriptKey, "POST", wire.PathCalls, body, with)
	b.restart()
	again := b.send(scriptKey, "POST", wire.PathCalls, body, with)
	if first.status != 202 || again.status != 202 || !bytes.Equal(first.raw, again.raw) {
		t.Errorf("first %d %s, after the restart %d %s", first.status, first.raw, again.status, again.raw)
	}
	if got := b.send(scriptKey, "POST", wire.PathCalls, `{"room":"r","number":"+4989654322"}`, with); got.status != 409 {
		t.Errorf("another body answered %d %s", got.status, got.raw)
	}
	if asked := b.room.asked(); len(asked) != 1 {
		t.Errorf("the sfu was asked %d times", len(asked))
	}
}

func TestIdempotencyKeyHoldsForRequestsAtTheSameTime(t *testing.T) {
	b := newBridge(t, newCarrier(t, 200))
	release := make(chan struct{})
	b.room.grants(func(wire.LegRequest) (wire.LegResponse, error) {
		<-release
		return wire.LegResponse{ID: "c_granted", Number: "+4989654321", Leg: *testLeg("sfu-1", 99)}, nil
	})
	var wg sync.WaitGroup
	answers := make(chan answer, 8)
	for range 8 {
		wg.Go(func() {
			answers <- b.send(scriptKey, "POST", wire.PathCalls, `{"room":"r","number":"+4989654321"}`,
				func(r *http.Request) { r.Header.Set("Idempotency-Key", "k") })
		})
	}
	close(release)
	wg.Wait()
	for range 8 {
		if got := <-answers; got.status != 202 || got.Call.ID != "c_granted" {
			t.Errorf("answered %d %s", got.status, got.raw)
		}
	}
	if asked := b.room.asked(); len(asked) != 1 {
		t.Errorf("the sfu was asked %d times", len(asked))
	}
}
