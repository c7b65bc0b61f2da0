package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dialroom/shared/config"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

func TestTheProcessServesPagesAndIsReady(t *testing.T) {
	s := newSite(t)
	for path, want := range map[string]string{"/": "<", "/room.html?room=x&dial=%2B49301": "<", "/healthz": "ok\n", "/readyz": "ready\n"} {
		if code, body := s.get(path); code != 200 || !strings.HasPrefix(body, want) {
			t.Errorf("%s: %d %.80q", path, code, body)
		}
	}
}

func TestADialGoesFromThePageToTheBridgeAndItsEventsBack(t *testing.T) {
	s := newSite(t)
	v := s.visitor("sales")
	v.await("welcome", func(m message) bool { return m.Type == "welcome" })
	v.send(map[string]any{"type": "dial", "number": " 4930123456"}) // a forgotten %2B
	placed := soon(t, "the bridge gets the call", s.bridge.placed)
	if placed.Number != "+4930123456" || placed.Room != "sales" || placed.Leg == nil || placed.Leg.MaxRing != 60 || placed.Leg.MaxDuration != 7200 {
		t.Errorf("placed %+v with %+v", placed, placed.Leg)
	}
	s.event(wire.CallEvent{Seq: 1, ID: placed.ID, State: wire.Ringing, Trunk: "tr_1"})
	v.call(wire.Ringing)
	s.event(wire.CallEvent{Seq: 2, ID: placed.ID, State: wire.Answered, Codec: wire.PCMA})
	v.call(wire.Answered)
	_, metrics := s.get("/metrics")
	for _, want := range []string{"dialroom_rooms 1\n", `dialroom_participants{kind="phone"} 1`, `dialroom_participants{kind="browser"} 1`,
		`dialroom_calls{state="answered"} 1`, "dialroom_calls_placed_total 1\n", "dialroom_sockets 1\n", `dialroom_packets_total{direction="to-phones"}`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	s.event(wire.CallEvent{Seq: 3, ID: placed.ID, State: wire.Ended, Reason: wire.HangupPhone})
	if m := v.call(wire.Ended); m.Reason != "hangup-phone" || m.Text != wire.Words("hangup-phone") {
		t.Errorf("ended with %+v", m)
	}
	_, metrics = s.get("/metrics")
	if !strings.Contains(metrics, `dialroom_calls_ended_total{reason="hangup-phone"} 1`) {
		t.Error("the ending is not in the metrics")
	}
}

func TestADialThatIsNotAllowedNeverReachesTheBridge(t *testing.T) {
	s := newSite(t)
	v := s.visitor("sales")
	v.send(map[string]any{"type": "dial", "number": "+12025550123"})
	if m := v.call(wire.Refused); m.Reason != "not-allowed" {
		t.Errorf("refused with %+v", m)
	}
	if _, metrics := s.get("/metrics"); !strings.Contains(metrics, `dialroom_dials_refused_total{reason="not-allowed"} 1`) {
		t.Error("the refusal is not in the metrics")
	}
	if len(s.bridge.placed) != 0 {
		t.Error("the bridge got a call")
	}
}

func TestACallThatComesInIsInTheMetricsByItsTrunk(t *testing.T) {
	s := newSite(t)
	var granted wire.LegResponse
	err := s.events.Do(t.Context(), "POST", wire.PathLegs, wire.LegRequest{Room: "reception", Number: "+4989654321", Trunk: "tr_1",
		Direction: wire.In, Media: "127.0.0.1:9", Visitor: &wire.Visitor{Called: "+4930123400", Wait: 60}}, &granted)
	if err != nil {
		t.Fatal(err)
	}
	s.event(wire.CallEvent{Seq: 1, ID: granted.ID, State: wire.Answered, Codec: wire.PCMU})
	s.event(wire.CallEvent{Seq: 2, ID: granted.ID, State: wire.Ended, Reason: wire.HangupPhone})
	_, metrics := s.get("/metrics")
	for _, want := range []string{`dialroom_calls_in_total{by="trunk",trunk="tr_1"} 1`, `dialroom_calls_in_ended_total{reason="hangup-phone"} 1`, "dialroom_calls_placed_total 0\n"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if strings.Contains(metrics, "4989654321") || strings.Contains(metrics, "reception") {
		t.Error("the metrics say who has called whom")
	}
}

func TestTheBridgeGetsALegForAScript(t *testing.T) {
	s := newSite(t)
	var granted wire.LegResponse
	err := s.events.Do(t.Context(), "POST", wire.PathLegs, wire.LegRequest{Room: "sales", Number: "+4930123456", Key: "crm", Media: "127.0.0.1:9"}, &granted)
	if err != nil || granted.Number != "+4930123456" || granted.Leg.Media == "" {
		t.Fatalf("got %+v, %v", granted, err)
	}
	s.event(wire.CallEvent{Seq: 1, ID: granted.ID, State: wire.Answered, Codec: wire.PCMU})
	v := s.visitor("sales")
	v.await("welcome", func(m message) bool { return m.Type == "welcome" })
	s.event(wire.CallEvent{Seq: 2, ID: granted.ID, State: wire.Ended, Reason: wire.HangupPhone})
	v.call(wire.Ended)

	var status *sign.StatusError
	err = s.events.Do(t.Context(), "POST", wire.PathLegs, wire.LegRequest{Room: "sales", Number: "+1202", Media: "127.0.0.1:9"}, nil)
	if !asStatus(err, &status) || status.Status != 403 {
		t.Errorf("a number that is none: %v", err)
	}
}

func asStatus(err error, into **sign.StatusError) bool {
	e, ok := err.(*sign.StatusError)
	*into = e
	return ok
}

func TestReadinessTellsWhatIsMissing(t *testing.T) {
	s := newSite(t)
	s.bridge.setDown(true)
	if code, body := s.get("/readyz"); code != 503 || body != "the bridge cannot be reached\n" {
		t.Errorf("without a bridge: %d %q", code, body)
	}
	s.Drain()
	if code, body := s.get("/readyz"); code != 503 || body != "draining: no new calls are taken\n" {
		t.Errorf("draining: %d %q", code, body)
	}
	if code, _ := s.get("/healthz"); code != 200 {
		t.Errorf("not healthy: %d", code)
	}
}

func TestReadinessIsNotAskedAgainForEveryStranger(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	b := newFakeBridge(t)
	client := sign.NewClient(b.URL, sign.Key{ID: "sfu", Secret: []byte(sfuSecret)}, patience, nil)
	defer client.Close()
	r := &readiness{ledger: &fakeLedger{}, bridge: client, draining: func() bool { return false }, noRules: func() bool { return false }, now: func() time.Time { return now }}
	if got := r.reasons(t.Context()); len(got) != 0 {
		t.Errorf("at first: %v", got)
	}
	b.setDown(true)
	if got := r.reasons(t.Context()); len(got) != 0 {
		t.Errorf("within the same second: %v", got)
	}
	now = now.Add(readyFor)
	r.ledger = &fakeLedger{err: os.ErrPermission}
	if got := r.reasons(t.Context()); !reflect.DeepEqual(got, []string{"the ledger cannot be written", "the bridge cannot be reached"}) {
		t.Errorf("later: %v", got)
	}
	b.setDown(false)
	now, r.ledger = now.Add(readyFor), &fakeLedger{}
	b.mu.Lock()
	b.draining = true
	b.mu.Unlock()
	if got := r.reasons(t.Context()); !reflect.DeepEqual(got, []string{"the bridge is being stopped: it takes no new calls"}) {
		t.Errorf("while the bridge waits for its last call: %v", got)
	}
	now = now.Add(readyFor)
	client.Key.Secret = []byte("another secret of 16 bytes")
	if got := r.reasons(t.Context()); len(got) != 1 || !strings.Contains(got[0], "same keys and time") {
		t.Errorf("with other keys: %v", got)
	}
}

func TestSIGTERMLetsTheCallThatRunsGoOn(t *testing.T) {
	s := newSite(t)
	v := s.visitor("sales")
	v.send(map[string]any{"type": "dial", "number": "+4930123456"})
	placed := soon(t, "the bridge gets the call", s.bridge.placed)
	s.event(wire.CallEvent{Seq: 1, ID: placed.ID, State: wire.Answered, Codec: wire.PCMA})
	v.call(wire.Answered)

	signals, over := make(chan os.Signal, 2), make(chan struct{})
	go func() {
		s.Wait(signals)
		close(over)
	}()
	signals <- syscall.SIGTERM
	// New dials are refused as soon as the process says that it drains.
	for {
		if code, _ := s.get("/readyz"); code == 503 {
			break
		}
	}
	v.send(map[string]any{"type": "dial", "number": "+4930999999"})
	if m := v.call(wire.Refused); m.Reason != "shutdown" {
		t.Errorf("refused with %+v", m)
	}
	var status *sign.StatusError
	err := s.events.Do(t.Context(), "POST", wire.PathLegs, wire.LegRequest{Room: "x", Number: "+4930123456", Media: "127.0.0.1:9"}, nil)
	if !asStatus(err, &status) || status.Status != 503 {
		t.Errorf("a script's dial: %v", err)
	}
	select {
	case <-over:
		t.Error("ended while a call was running")
	default:
	}
	s.event(wire.CallEvent{Seq: 2, ID: placed.ID, State: wire.Ended, Reason: wire.HangupPhone})
	soon(t, "the process ends with its last call", over)
}

func TestASecondSIGTERMHangsUpWithinTwoSeconds(t *testing.T) {
	s := newSite(t)
	v := s.visitor("sales")
	v.send(map[string]any{"type": "dial", "number": "+4930123456"})
	placed := soon(t, "the bridge gets the call", s.bridge.placed)
	heard := make(chan message, 100)
	go v.listen(heard)
	signals := make(chan os.Signal, 2)
	signals <- syscall.SIGTERM
	signals <- syscall.SIGTERM
	started := time.Now()
	s.Wait(signals)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if got, want := soon(t, "the bridge hangs up", s.bridge.hungUp), "/v1/calls/"+placed.ID+"?reason=shutdown"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var last message
	for m := range heard {
		if m.Type == "call" {
			last = m
		}
	}
	if last.State != "ended" || last.Reason != "shutdown" {
		t.Errorf("the page hears %+v", last)
	}
}

func TestSIGHUPChangesWhatMayBeDialled(t *testing.T) {
	s := newSite(t)
	v := s.visitor("sales")
	try := func(number string) string {
		v.send(map[string]any{"type": "dial", "number": number, "again": true})
		m := v.await("a call", func(m message) bool { return m.Type == "call" && (m.State == "refused" || m.State == "dialing") })
		return m.State
	}
	write := func(text string) {
		if err := os.WriteFile(s.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Reload()
	}
	if got := try("+12025550123"); got != "refused" {
		t.Errorf("before: %s", got)
	}
	write(settings(t.TempDir(), s.bridge.URL, `"+1"`) + "speed: 3\n")
	if got := try("+4930123456"); got != "dialing" {
		t.Errorf("with a file that is broken elsewhere the old rules do not stay: %s", got)
	}
	write(settings(t.TempDir(), s.bridge.URL, `"+1"`))
	if got := try("+12025550123"); got != "dialing" {
		t.Errorf("after: %s", got)
	}
	if got := try("+4930123457"); got != "refused" {
		t.Errorf("what is no longer allowed: %s", got)
	}
}

func TestRulesThatCannotBeReadAtAReloadCloseTheGuard(t *testing.T) {
	s := newSite(t)
	v := s.visitor("sales")
	good := settings(t.TempDir(), s.bridge.URL, `"+49"`)
	reload := func(text string) {
		if err := os.WriteFile(s.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Reload()
	}
	for i, c := range []struct{ name, broken string }{
		{"a list that is none", strings.Replace(good, `["+49"]`, "everything", 1)},
		{"a file that is not YAML", "fraud: ["},
		{"an empty file", ""},
		{"prices that are not there", good + "  rates_file: /no/such/prices.csv\n"},
		{"a cap of nothing", good + "  per_day: {total: 0}\n"},
		{"a rule and a stray word", "speed: 3\n" + good + "  block: [nowhere]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			number := fmt.Sprint("+493012345", i)
			dial := func() message {
				v.send(map[string]any{"type": "dial", "number": number})
				return v.await("a verdict", func(m message) bool { return m.Type == "call" && (m.State == "refused" || m.State == "dialing") })
			}
			reload(c.broken)
			if m := dial(); m.Reason != "guard-unavailable" {
				t.Errorf("dialled with %+v", m)
			}
			if code, body := s.get("/readyz"); code != 503 || body != "the rules about what may be dialled cannot be read\n" {
				t.Errorf("readiness: %d %q", code, body)
			}
			reload(good + "  per_minute: {ip: off}\n  concurrent: {ip: off}\n  per_day: {room: off}\n")
			if m := dial(); m.State != "dialing" {
				t.Errorf("with good rules again: %+v", m)
			}
			if code, body := s.get("/readyz"); code != 200 {
				t.Errorf("readiness: %d %q", code, body)
			}
		})
	}
}

func TestPagesGetTURNCredentialsThatExpire(t *testing.T) {
	s := newSite(t)
	m := s.visitor("sales").await("welcome", func(m message) bool { return m.Type == "welcome" })
	if len(m.ICEServers) != 1 || m.ICEServers[0].URLs[0] != "turn:turn.example.org:3478" {
		t.Fatalf("got %+v", m.ICEServers)
	}
	until, _, _ := strings.Cut(m.ICEServers[0].Username, ":")
	seconds, err := strconv.ParseInt(until, 10, 64)
	if left := time.Until(time.Unix(seconds, 0)); err != nil || left < turnLife-time.Minute || left > turnLife {
		t.Errorf("%s: good for %v", m.ICEServers[0].Username, left)
	}
	h := hmac.New(sha1.New, []byte("a secret of the turn server"))
	h.Write([]byte(m.ICEServers[0].Username))
	if want := base64.StdEncoding.EncodeToString(h.Sum(nil)); m.ICEServers[0].Credential != want {
		t.Errorf("password %s, want %s", m.ICEServers[0].Credential, want)
	}
	if got := iceServers(config.TURN{}, time.Now()); got != nil {
		t.Errorf("without a TURN server: %v", got)
	}
}

func TestATakenPortIsAClearErrorAndLeavesNothingRunning(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	text := strings.Replace(settings(t.TempDir(), "http://127.0.0.1:9", ""), "127.0.0.1:0", taken.Addr().String(), 1)
	var errs bytes.Buffer
	if code := command([]string{"--config", writeSettings(t, text)}, &bytes.Buffer{}, &errs); code != 1 {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(errs.String(), "sfu.listen: ") || !strings.Contains(errs.String(), "address already in use") {
		t.Errorf("said %s", &errs)
	}
}

func TestCheckSaysWhatIsWrongWithTheSettings(t *testing.T) {
	good := settings("/nonexistent/never/made", "http://127.0.0.1:9", `"+49"`)
	for _, c := range []struct {
		name, text, want string
		code             int
	}{
		{"nothing", good, "", 0},
		{"an unknown key", good + "speed: 3\n", "dialroom.yaml:14: speed: unknown key", 1},
		{"a certificate that is not there", strings.Replace(good, "  turn:", "  tls: {cert: no.pem, key: no.pem}\n  turn:", 1), "dialroom.yaml:7: sfu.tls: expected a certificate and its key: open no.pem", 1},
		{"prices that are not there", good + "  rates_file: no.csv\n", "dialroom.yaml:14: fraud.rates_file: expected a readable CSV of prices: open no.csv", 1},
	} {
		var out, errs bytes.Buffer
		path := writeSettings(t, c.text)
		if code := command([]string{"--config", path, "--check"}, &out, &errs); code != c.code {
			t.Errorf("%s: exit %d: %s", c.name, code, &errs)
		}
		if !strings.HasPrefix(errs.String(), c.want) || (c.code == 0) != (out.String() == path+": the settings are in order\n") {
			t.Errorf("%s: said %s%s", c.name, &out, &errs)
		}
	}
}

func TestACommandLineThatIsWrongIsSaidSo(t *testing.T) {
	for name, args := range map[string][]string{
		"an unknown flag":   {"--speed", "3"},
		"an extra argument": {"--check", "dialroom.yaml"},
	} {
		var errs bytes.Buffer
		if code := command(args, &bytes.Buffer{}, &errs); code != 2 || errs.Len() == 0 {
			t.Errorf("%s: exit %d, %s", name, code, &errs)
		}
	}
	var errs bytes.Buffer
	if code := command([]string{"--config", "/no/such/file"}, &bytes.Buffer{}, &errs); code != 1 || !strings.Contains(errs.String(), "/no/such/file") {
		t.Errorf("a file that is not there: exit %d, %s", code, &errs)
	}
}

func TestChangesThatNeedARestartAreNamed(t *testing.T) {
	a, b := config.Default(), config.Default()
	b.SFU.Listen, b.SFU.Media.UDPPort, b.Fraud.Allow, b.DataDir = ":1", 5, []string{"+"}, "x"
	if got, want := needRestart(&a, &b), []string{"data_dir", "sfu.listen", "sfu.media"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCloseBeforeRunAndTwiceIsHarmless(t *testing.T) {
	cfg := config.Default()
	m := NewMain("", &cfg, slog.New(slog.DiscardHandler))
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
