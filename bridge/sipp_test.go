package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// scenarios is where SIPp's scenarios are.
const scenarios = "../scripts/sipp"

// houseSettings has a carrier, a desk phone and numbers. The arguments are the
// data folder, the sfu's URL and the carrier's host.
const houseSettings = `
data_dir: %s
bridge:
  listen: "127.0.0.1:0"
  sfu_url: %q
  sip: {udp: "127.0.0.1:0", tcp: "127.0.0.1:0"}
  rtp: {ports: "40000-49999"}
keys:
  - {id: sfu, role: sfu, secret: "sfu secret, long enough for anybody"}
  - {id: bridge, role: bridge, secret: "bridge secret, long enough for all"}
  - {id: crm, role: script, secret: "script secret, long enough for all"}
trunks:
  - {id: tr_1, name: main, host: "%s", prefixes: ["+"], dial_format: plus, probe_every: 0s, transfer: true}
extensions:
  - {number: "610", password: "correct-horse", name: front desk}
numbers:
  - {number: "+4930123400", room: reception}
  - {number: "+4930123401", room: board, pin: "4711"}
`

// nowhere is a carrier that is not there (RFC 5737).
const nowhere = "192.0.2.1"

// newHouse is a bridge with those settings whose sfu grants every leg. present
// is whether somebody is in every room.
func newHouse(t *testing.T, carrier string, present bool) *bridge {
	t.Helper()
	b := &bridge{t: t, clock: newFakeClock(), log: &logs{}, http: &http.Client{Transport: &http.Transport{}}}
	var url string
	b.room, url = newRoom(t)
	b.room.grants(func(req wire.LegRequest) (wire.LegResponse, error) {
		return wire.LegResponse{ID: "c_in", Number: req.Number, Room: req.Room, Present: present, Leg: *testLeg("sfu-1", 500)}, nil
	})
	b.path = filepath.Join(t.TempDir(), "dialroom.yaml")
	b.write(fmt.Sprintf(houseSettings, t.TempDir(), url, carrier))
	cfg, err := load(b.path)
	if err != nil {
		t.Fatal(err)
	}
	b.m = NewMain(b.path, cfg, slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	b.m.clock = b.clock
	if err := b.m.Run(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.m.Close()
		b.http.CloseIdleConnections()
	})
	return b
}

// sipp is one run of a scenario.
type sipp struct {
	t    *testing.T
	name string
	port int
	cmd  *exec.Cmd
	out  bytes.Buffer
	done chan error
	once sync.Once
}

func freeUDP(t *testing.T) int {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port
}

// mediaPort is one that SIPp can have for audio, with the next even one for
// video, which it opens too. It is below those that sockets get by themselves.
func mediaPort(t *testing.T) int {
	t.Helper()
	free := func(port int) bool {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}
	for range 1000 {
		if port := 10000 + 4*rand.IntN(2400); free(port) && free(port+2) {
			return port
		}
	}
	t.Fatal("no free ports for SIPp")
	return 0
}

// startSIPp runs a scenario; to is the bridge's SIP address, or "" for one that
// waits to be called.
func startSIPp(t *testing.T, name, to, called string, port int, args ...string) *sipp {
	t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		t.Skip("there is no sipp here")
	}
	file, err := filepath.Abs(filepath.Join(scenarios, name+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	s := &sipp{t: t, name: name, port: port, done: make(chan error, 1)}
	args = append([]string{"-sf", file, "-i", "127.0.0.1", "-p", fmt.Sprint(port), "-mp", fmt.Sprint(mediaPort(t)), "-m", "1",
		"-nostdin", "-timeout", "60s", "-timeout_error", "-trace_err", "-error_file", filepath.Join(t.TempDir(), "errors"), "-s", called}, args...)
	if to != "" {
		args = append(args, to)
	}
	s.cmd = exec.Command(path, args...)
	s.cmd.Dir = t.TempDir()
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	s.cmd.Env = append(os.Environ(), "TERM=dumb")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	t.Cleanup(func() { s.once.Do(func() { _ = s.cmd.Process.Kill(); <-s.done }) })
	return s
}

// wait wants the scenario to end well.
func (s *sipp) wait() {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.once.Do(func() {})
		if err != nil {
			text := s.out.String()
			if raw, readErr := os.ReadFile(s.cmd.Args[indexOf(s.cmd.Args, "-error_file")+1]); readErr == nil {
				text = string(raw)
			}
			s.t.Errorf("the scenario %s: %v\n%s", s.name, err, tail(text))
		}
	case <-time.After(30 * time.Second):
		s.t.Errorf("the scenario %s does not end", s.name)
	}
}

func indexOf(list []string, s string) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return -1
}

func tail(s string) string { return s[max(0, len(s)-3000):] }

// TestSIPpCallsIn runs every scenario in which SIPp is the caller.
func TestSIPpCallsIn(t *testing.T) {
	tests := []struct {
		scenario, called string
		present          bool
		joins            bool   // somebody joins once it rings
		want             string // what the sfu hears of it
	}{
		{"call", "+4930123400", true, false, "answered, ended hangup-phone"},
		{"call_waits", "+4930123400", false, true, "answered, ended hangup-phone"},
		{"call_gives_up", "+4930123400", false, false, "ended hangup-phone"},
		{"call_late_offer", "+4930123400", true, false, "answered, ended hangup-phone"},
		{"call_hold", "+4930123400", true, false, "answered, ended hangup-phone"},
		{"call_timer", "+4930123400", true, false, "answered, ended hangup-phone"},
		{"call_timer_too_short", "+4930123400", true, false, ""},
		{"call_prack", "+4930123400", false, true, "answered, ended hangup-phone"},
		{"call_pin", "+4930123401", true, false, "answered, ended hangup-phone"},
		{"call_nowhere", "+4930123499", true, false, ""},
		{"call_replaces", "dialroom", true, false, ""},
		{"phone_calls", "+4930123400", true, false, "answered, ended hangup-phone"},
	}
	for _, test := range tests {
		t.Run(test.scenario, func(t *testing.T) {
			t.Parallel()
			carrier := "127.0.0.1"
			if strings.HasPrefix(test.scenario, "phone") {
				carrier = nowhere // a call from here is no carrier's then
			}
			b := newHouse(t, carrier, test.present)
			s := startSIPp(t, test.scenario, b.m.agent.UDPAddr().String(), test.called, freeUDP(t))
			if test.joins {
				eventually(t, "it rings", func() bool {
					return b.ask(sfuKey, "POST", wire.PathCalls+"/c_in/progress", wire.ProgressRequest{State: wire.Answered}).status == 204
				})
			}
			s.wait()
			eventually(t, "the sfu knows", func() bool { return b.room.got("c_in") == test.want })
		})
	}
}

// TestSIPpIsCalled runs every scenario in which SIPp is the far end.
func TestSIPpIsCalled(t *testing.T) {
	tests := []struct {
		scenario string
		hangup   bool          // by the room, once answered
		wait     time.Duration // simulated, before that
		want     string
	}{
		{"answer", true, 0, "ringing, answered, ended hangup-room"},
		{"answer_prack", true, 0, "early, answered, ended hangup-room"},
		{"answer_timer", true, 48 * time.Second, "answered, ended hangup-room"},
		{"answer_hold", false, 0, "answered, ended hangup-phone"},
		{"answer_busy", false, 0, "ended busy"},
		{"answer_reason", false, 0, "answered, ended trunk-failed"},
		{"answer_early_update", true, 0, "early, answered, ended hangup-room"},
	}
	for _, test := range tests {
		t.Run(test.scenario, func(t *testing.T) {
			t.Parallel()
			port := freeUDP(t)
			b := newHouse(t, fmt.Sprintf("127.0.0.1:%d", port), true)
			s := startSIPp(t, test.scenario, "", "610", port)
			b.place("c_1", 10)
			if test.hangup {
				eventually(t, "answered", func() bool { return strings.Contains(b.room.got("c_1"), "answered") })
				if test.wait > 0 {
					for range test.wait / (4 * time.Second) {
						b.clock.advance(4 * time.Second)
						b.ask(sfuKey, "POST", wire.PathLease, wire.LeaseRequest{Instance: "sfu-1", Calls: []string{"c_1"}})
					}
					eventually(t, "refreshed", func() bool { return strings.Contains(b.log.text(), "session refreshed") })
				}
				b.send(sfuKey, "DELETE", wire.PathCalls+"/c_1", "")
			}
			s.wait()
			eventually(t, "the sfu knows", func() bool { return b.room.got("c_1") == test.want })
		})
	}
}

func TestSIPpIsSentToAnotherNumber(t *testing.T) {
	port := freeUDP(t)
	b := newHouse(t, fmt.Sprintf("127.0.0.1:%d", port), true)
	s := startSIPp(t, "answer_refer", "", "610", port)
	b.place("c_1", 10)
	eventually(t, "answered", func() bool { return b.room.got("c_1") == "answered" })
	b.room.grants(func(req wire.LegRequest) (wire.LegResponse, error) {
		return wire.LegResponse{ID: "c_away", Number: "+49892222222", Leg: *testLeg("sfu-1", 20)}, nil
	})
	eventually(t, "its ACK has come, and it is sent away", func() bool { return b.transfer(scriptKey, "c_1", "089 2222222").status == 202 })
	s.wait()
	eventually(t, "the sfu knows", func() bool {
		return b.room.got("c_away") == "dialing, ringing, ended transferred" && b.room.got("c_1") == "answered, ended transferred"
	})
}

// The host says 100 for fifteen seconds and no more. The phone behind the next
// trunk is the only one that rings.
func TestSIPpThatSwallowsACallIsCancelledAndTheNextTrunkTaken(t *testing.T) {
	port, second := freeUDP(t), newCarrier(t, 486)
	b := newHouse(t, nowhere, true)
	way := func(id string, priority, port int) trunk.Trunk {
		return trunk.Trunk{
			ID: id, Enabled: true, Priority: priority, Host: fmt.Sprintf("127.0.0.1:%d", port), Transport: "udp",
			Prefixes: []string{"+"}, DialFormat: trunk.Plus, Codecs: []wire.Codec{wire.PCMA},
		}
	}
	b.m.trunks.Load([]trunk.Trunk{way("tr_1", 1, port), way("tr_2", 2, second.port())})
	s := startSIPp(t, "answer_trying", "", "610", port)
	eventually(t, "SIPp listens", func() bool {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	b.place("c_1", 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.wait()
	}()
	tick := time.NewTicker(250 * time.Millisecond) // a second of the call
	defer tick.Stop()
	for {
		select {
		case <-done:
			eventually(t, "the sfu knows", func() bool { return b.room.got("c_1") == "dialing, ended busy" })
			if n := len(second.invited()); n != 1 {
				t.Errorf("the second trunk has got %d INVITEs", n)
			}
			return
		case <-tick.C:
			b.clock.advance(time.Second)
			b.ask(sfuKey, "POST", wire.PathLease, wire.LeaseRequest{Instance: "sfu-1", Calls: []string{"c_1"}})
		}
	}
}

func TestSIPpRegistersAndIsRung(t *testing.T) {
	b := newHouse(t, nowhere, true)
	port := freeUDP(t)
	startSIPp(t, "phone_registers", b.m.agent.UDPAddr().String(), "610", port).wait()
	if list := b.m.registrar.Bindings("610"); len(list) != 1 || int(list[0].Source.Port()) != port {
		t.Fatalf("registered %+v", list)
	}
	phone := startSIPp(t, "answer", "", "610", port)
	placed := b.ask(sfuKey, "POST", wire.PathCalls, wire.CallRequest{ID: "c_610", Room: "room", Number: "610", Leg: testLeg("sfu-1", 20)})
	if placed.status != 202 {
		t.Fatalf("not placed: %s", placed.raw)
	}
	eventually(t, "answered", func() bool { return strings.Contains(b.room.got("c_610"), "answered") })
	b.send(sfuKey, "DELETE", wire.PathCalls+"/c_610", "")
	phone.wait()
	startSIPp(t, "phone_unregisters", b.m.agent.UDPAddr().String(), "610", freeUDP(t)).wait()
	got := b.ask(sfuKey, "POST", wire.PathCalls, wire.CallRequest{ID: "c_gone", Room: "room", Number: "610", Leg: testLeg("sfu-1", 30)})
	if got.status != 503 || got.Reason != string(wire.Unreachable) {
		t.Errorf("a phone that is gone: %d %s", got.status, got.raw)
	}
}

// TestAVirtualNumberDialledFromARoomDoesNotLeaveTheHouse has no carrier to
// leave by.
func TestAVirtualNumberDialledFromARoomDoesNotLeaveTheHouse(t *testing.T) {
	b := newHouse(t, nowhere, true)
	placed := b.ask(sfuKey, "POST", wire.PathCalls, wire.CallRequest{ID: "c_out", Room: "sales", Number: "+4930123400", Leg: testLeg("sfu-1", 20)})
	if placed.status != 202 {
		t.Fatalf("not placed: %s", placed.raw)
	}
	eventually(t, "both ends talk", func() bool {
		return strings.Contains(b.room.got("c_out"), "answered") && strings.Contains(b.room.got("c_in"), "answered")
	})
	asked := b.room.asked()
	if len(asked) != 1 || asked[0].Room != "reception" || asked[0].Name != "sales" || !asked[0].Visitor.House {
		t.Errorf("asked for %+v", asked)
	}
	b.send(sfuKey, "DELETE", wire.PathCalls+"/c_out", "")
	eventually(t, "both ends are over", func() bool {
		return strings.Contains(b.room.got("c_out"), "ended hangup-room") && strings.Contains(b.room.got("c_in"), "ended hangup-phone")
	})
}
