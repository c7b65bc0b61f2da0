package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
)

// baresip is a telephone that somebody else has written. It answers at once,
// speaks the greeting, and writes down what it hears.
type baresip struct {
	process *stack.Process
	dir     string
	address string // SIP over UDP
	control string // where it takes commands
}

// manner is what a baresip does otherwise than usual.
type manner struct {
	user    string   // its address of record, without sip:; "" is at 127.0.0.1, registered nowhere
	account string   // parameters of its account
	codec   string   // its only one; "" is PCMA
	config  []string // more lines of its settings
}

// startBaresip starts one that answers to a number.
func startBaresip(t *testing.T, log *logBook, number string, more ...manner) *baresip {
	t.Helper()
	var m manner
	for _, m = range more {
	}
	if m.codec == "" {
		m.codec = "PCMA"
	}
	if m.user == "" {
		m.user, m.account = number+"@127.0.0.1", ";regint=0"+m.account
	}
	control := freePort(t)
	if prepared.baresip == "" {
		t.Skip("there is no baresip here")
	}
	b := &baresip{dir: t.TempDir(), address: fmt.Sprintf("%s:%d", hostIP(t), freePort(t)), control: fmt.Sprintf("127.0.0.1:%d", control)}
	said := filepath.Join(b.dir, "said.wav")
	if err := (audio.WAV{Rate: audio.Rate, Channels: 1, Samples: speech.Greeting()}).WriteFile(said); err != nil {
		t.Fatal(err)
	}
	for name, lines := range map[string][]string{
		"config": append([]string{
			"sip_listen " + b.address,
			"audio_source aufile," + said,
			"audio_player aubridge,nowhere",
			"audio_alert aubridge,nobody",
			"ausrc_srate 8000", "auplay_srate 8000", "audio_channels 1-1",
			"module_path " + modulePath(t),
			"module g711.so", "module aufile.so", "module aubridge.so", "module sndfile.so",
			"module_app account.so", "module_app menu.so", "module_app ctrl_tcp.so",
			fmt.Sprintf("ctrl_tcp_listen 127.0.0.1:%d", control),
			"snd_path " + b.dir,
		}, m.config...),
		"accounts": {fmt.Sprintf("<sip:%s>;answermode=auto;audio_codecs=%s%s", m.user, m.codec, m.account)},
		"contacts": {""},
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if b.process, err = stack.StartProcess("baresip", log, prepared.baresip, "-f", b.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.process.Stop)
	for {
		select {
		case line, ok := <-b.process.Lines():
			if !ok {
				<-b.process.Done()
				t.Fatalf("baresip does not start: %v", b.process.Failure())
			}
			if strings.Contains(line, "baresip is ready") {
				return b
			}
		case <-time.After(patience):
			t.Fatal("baresip is not ready")
		}
	}
}

// tell gives it a command of its menu.
func (b *baresip) tell(t *testing.T, command, params string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", b.control, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text, err := json.Marshal(map[string]string{"command": command, "params": params, "token": "t"})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(conn, "%d:%s,", len(text), text); err != nil { // a netstring
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if err != nil {
		t.Fatalf("baresip does not answer %q: %v", command, err)
	}
	t.Logf("baresip: %s %s: %s", command, params, answer[:n])
}

// heard is what it has written down so far, at the rate of telephones.
func (b *baresip) heard(t *testing.T) []int16 {
	t.Helper()
	w := b.written(t)
	if w.Rate != audio.Rate && len(w.Samples) > 0 {
		return audio.Resample(w.Samples, w.Rate, audio.Rate)
	}
	return w.Samples
}

// listened is how long it has written down.
func (b *baresip) listened(t *testing.T) time.Duration {
	t.Helper()
	w := b.written(t)
	return time.Duration(len(w.Samples)) * time.Second / time.Duration(max(w.Rate, 1))
}

// written is its recording.
func (b *baresip) written(t *testing.T) (w audio.WAV) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "*-dec.wav"))
	if err != nil || len(files) != 1 {
		return w
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	// While it is being written its header says that it is empty.
	if len(raw) < 44 {
		return w
	}
	for i := 40; i < 44; i++ {
		raw[i] = 0x7f
	}
	if w, err = audio.ParseWAV(raw); err != nil {
		t.Fatal(err)
	}
	return w
}

// forget throws away what it has written down.
func (b *baresip) forget(t *testing.T) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(b.dir, "dump-*.wav"))
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
}

// hostIP is an address of this machine that is not loopback: baresip uses no other.
func hostIP(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no network, which baresip needs")
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenPacket("udp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

// modulePath is where Debian has baresip's modules.
func modulePath(t *testing.T) string {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/baresip/modules", "/usr/lib/*/baresip/modules", "/usr/local/lib/baresip/modules"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return found[0]
		}
	}
	t.Skip("baresip's modules were not found")
	return ""
}

func TestBaresipAndTheBrowserHearEachOther(t *testing.T) {
	phone := startBaresip(t, &logBook{}, "610")
	w := newWorld(t, options{settings: func(c *config.Config) {
		// As an operator leaves it: every address, the right one chosen for each call.
		_, port, _ := net.SplitHostPort(c.Bridge.SIP.UDP)
		c.Bridge.SIP.UDP, c.Bridge.SIP.TCP = "0.0.0.0:"+port, ""
		c.Trunks[0].Host = phone.address
	}})
	p := newBrowser(w, nil).openTapped(link(t, "dial=610"))
	first := true
	atLeastOnce(t, func() []string {
		if !first {
			phone.forget(t)
			p.press("Call again")
		}
		p.awaitState("answered")
		if first {
			eventually(t, patience, "the page has received ten seconds of sound", func() bool {
				s := p.stats("phone")
				return len(s) == 1 && s[0].Packets > 500
			})
			// Its A-law differs from ours in the last bit, so what is heard is compared, not bytes.
			var pcm []int16
			for _, f := range p.frames("in", "PCMA") {
				pcm = audio.PCMA.Decode(pcm, f.Data)
			}
			for _, problem := range unlike(t, "the page", speech.Greeting(), pcm) {
				t.Error(problem)
			}
			if s := p.stats("phone"); len(s) != 1 || s[0].Lost != 0 {
				t.Errorf("the page receives %+v", s)
			}
			first = false
		}
		eventually(t, patience, "baresip has written down ten seconds", func() bool {
			return len(phone.heard(t)) > 10*audio.Rate
		})
		p.press("Hang up")
		p.awaitState("ended")
		heard := phone.heard(t)
		for len(heard) >= audio.Frame && audio.Level(heard[:audio.Frame]) < -50 {
			heard = heard[audio.Frame:]
		}
		return unlike(t, "baresip", speech.Greeting(), heard[min(len(heard), warmUp*audio.Frame):])
	})
}
