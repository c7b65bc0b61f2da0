package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dialroom/shared/config"
	"dialroom/shared/wire"
)

func TestCommandLine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := fmt.Sprintf(settings, dir, "http://127.0.0.1:8080", 5060)
	tests := []struct {
		name string
		args []string
		code int
		says string
	}{
		{"settings in order", []string{"--check", "--config", write("good.yaml", good)}, 0, "the settings are in order"},
		{"an unknown key has its line", []string{"--check", "--config", write("bad.yaml", good+"colour: red\n")}, 1, "bad.yaml:16: colour"},
		{"a trunk whose transport is not listened on",
			[]string{"--check", "--config", write("tcp.yaml", strings.Replace(good, "name: main,", "name: main, transport: tcp,", 1))},
			1, "tcp.yaml:14: trunks[0].transport: expected bridge.sip.tcp to be set"},
		{"no file", []string{"--check", "--config", filepath.Join(dir, "none.yaml")}, 1, "none.yaml"},
		{"a certificate that is not there", []string{"--check", "--config", write("cert.yaml", strings.Replace(good, "  sip: {", "  sip: {tls_cert: no.pem, tls_key: no.pem, ", 1))},
			1, "cert.yaml:6: bridge.sip.tls_cert: expected a certificate and its key: open no.pem"},
		{"authorities that are not there", []string{"--check", "--config", write("ca.yaml", strings.Replace(good, "  sip: {", "  sip: {tls_ca: no.pem, ", 1))},
			1, "ca.yaml:6: bridge.sip.tls_ca: expected a PEM file: open no.pem"},
		{"help", []string{"--help"}, 0, "-check"},
		{"an unknown flag", []string{"--colour"}, 2, "colour"},
		{"an argument too many", []string{"now"}, 2, "now"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if code := start(test.args, &out, &out); code != test.code || !strings.Contains(out.String(), test.says) {
				t.Errorf("exit %d, said %q", code, out.String())
			}
		})
	}
}

func TestTakenPortIsAClearError(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	cfg := *b.m.cfg
	cfg.Bridge.SIP.UDP = b.m.agent.UDPAddr().String()
	second := NewMain(b.path, &cfg, b.m.log)
	if err := second.Run(); err == nil || !strings.Contains(err.Error(), "SIP over UDP") {
		t.Errorf("got %v", err)
	}
}

func TestFirstSignalWaitsForTheLastCall(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.place("c_1", 10)
	eventually(t, "answered", func() bool { return b.room.got("c_1") == "answered" })
	signals := make(chan os.Signal, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.m.obey(signals)
	}()
	signals <- syscall.SIGTERM
	eventually(t, "draining", b.m.agent.Draining)
	if got := b.place("c_2", 20); got.status != 503 || got.Reason != "shutdown" {
		t.Errorf("a new call answered %d %s", got.status, got.raw)
	}
	if got := b.send(sfuKey, "GET", wire.PathCalls+"/c_1", ""); got.Call.State != wire.Answered {
		t.Errorf("the running call is %s", got.raw)
	}
	select {
	case <-done:
		t.Fatal("gone with a call up")
	default:
	}
	b.send(sfuKey, "DELETE", wire.PathCalls+"/c_1", "")
	<-done
}

func TestSecondSignalHangsUpWithinTwoSeconds(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.place("c_1", 10)
	eventually(t, "answered", func() bool { return b.room.got("c_1") == "answered" })
	signals := make(chan os.Signal, 2)
	signals <- syscall.SIGTERM
	signals <- syscall.SIGINT
	start := time.Now()
	b.m.obey(signals)
	b.m.Close()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
	if far.hungUp() != 1 {
		t.Error("no BYE")
	}
	if got := b.room.got("c_1"); got != "answered, ended shutdown" {
		t.Errorf("the sfu heard %q", got)
	}
}

func TestCloseCancelsARingingCall(t *testing.T) {
	far := newCarrier(t, 180)
	b := newBridge(t, far)
	b.place("c_1", 10)
	eventually(t, "ringing", func() bool { return b.room.got("c_1") == "ringing" })
	b.m.Close()
	if far.cancelled() != 1 {
		t.Error("no CANCEL")
	}
}

func TestReload(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	old, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	b.place("c_1", 10)
	eventually(t, "answered", func() bool { return b.room.got("c_1") == "answered" })

	b.write(string(old) + "colour: red\n")
	b.m.Reload()
	if !b.m.trunks.Has("tr_1") || !strings.Contains(b.log.text(), "old ones stay") {
		t.Error("a broken file was put into use")
	}

	b.write(strings.NewReplacer("tr_1", "tr_new", "40000-49999", "40000-49000").Replace(string(old)))
	b.m.Reload()
	if b.m.trunks.Has("tr_1") || !b.m.trunks.Has("tr_new") {
		t.Error("the new trunks are not in use")
	}
	if !strings.Contains(b.log.text(), "[bridge.rtp]") {
		t.Error("does not say that the ports need a restart")
	}
	if got := b.send(sfuKey, "GET", wire.PathCalls+"/c_1", ""); got.Call.State != wire.Answered {
		t.Errorf("the running call is %s", got.raw)
	}
	b.send(sfuKey, "DELETE", wire.PathCalls+"/c_1", "")
	eventually(t, "ended", func() bool { return b.room.got("c_1") == "answered, ended hangup-room" })
}

func TestLogsHaveNoNumbersAndNoSecrets(t *testing.T) {
	far := newCarrier(t, 486)
	b := newBridge(t, far)
	b.place("c_1", 10)
	eventually(t, "ended", func() bool { return b.room.got("c_1") == "ended busy" })
	// What a stranger sends does not end up there either.
	conn := far.conn
	for _, text := range []string{"garbage about +4989654321", "INVITE sip:+4989654321@x SIP/2.0\r\n\r\n"} {
		if _, err := conn.WriteTo([]byte(text), udpAddr(b)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the garbage", func() bool { return strings.Contains(b.log.text(), "unreadable SIP message") })
	b.m.Close()
	for _, secret := range []string{"4989654321", "hush", "long enough"} {
		if strings.Contains(b.log.text(), secret) {
			t.Errorf("%q is in the log:\n%s", secret, b.log.text())
		}
	}
	if !strings.Contains(b.log.text(), "+4989") {
		t.Error("not even a masked number is in the log")
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		name           string
		edit           func(*config.Bridge)
		sip, rtp, bind string // sip and rtp "" is that of the default route
	}{
		{"where SIP listens", func(b *config.Bridge) { b.SIP.UDP = "127.0.0.1:5060" }, "127.0.0.1", "127.0.0.1", "127.0.0.1"},
		{"TCP alone", func(b *config.Bridge) { b.SIP.UDP, b.SIP.TCP = "", "127.0.0.2:5060" }, "127.0.0.2", "127.0.0.2", "127.0.0.2"},
		{"the public address of SIP is RTP's too", func(b *config.Bridge) { b.SIP.PublicIP = "192.0.2.1" }, "192.0.2.1", "192.0.2.1", "0.0.0.0"},
		{"RTP has one of its own", func(b *config.Bridge) { b.SIP.PublicIP, b.RTP.PublicIP = "192.0.2.1", "192.0.2.2" }, "192.0.2.1", "192.0.2.2", "0.0.0.0"},
		{"everywhere", func(*config.Bridge) {}, "", "", "0.0.0.0"},
	}
	route := routeIP(netip.IPv4Unspecified()).String()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := config.Default().Bridge
			test.edit(&b)
			for what, c := range map[string][2]string{
				"SIP": {sipAddress(b).String(), test.sip}, "RTP": {rtpAddress(b).String(), test.rtp}, "bind": {bindAddress(b).String(), test.bind},
			} {
				if want := c[1]; c[0] != want && !(want == "" && c[0] == route) {
					t.Errorf("%s is %s, want %s", what, c[0], want)
				}
			}
		})
	}
}

func TestCodecsKeepTheOrderOfTheSettings(t *testing.T) {
	if got := codecsOf([]string{"G722", "PCMU", "PCMA"}); !slices.Equal(got, []wire.Codec{wire.G722, wire.PCMU, wire.PCMA}) {
		t.Errorf("%v", got)
	}
}
