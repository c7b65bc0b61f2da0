// Package stack runs Dialroom's processes on a machine that gave no ports and
// no settings: it builds them, writes a settings file with generated secrets
// and free ports, starts them, waits until they are ready, and stops them.
//
// The demo, the end-to-end tests and the load generator share it. It starts
// the real binaries as they are shipped; it never reaches inside them.
package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"dialroom/shared/config"
)

// ScriptKey is the id of the key for scripts/dial.sh in the settings made here.
const ScriptKey = "demo"

// Options is what a stack shall be like.
type Options struct {
	Dir     string    // for settings, data and nothing else; must exist
	Web     string    // host:port of the pages; empty: a free port of loopback
	Log     io.Writer // what the processes print, line by line with their name
	Trunks  []config.Trunk
	Change  func(*config.Config) // the last word on the settings, may be nil
	Verbose bool
}

// Stack is the pair of processes.
type Stack struct {
	URL      string // of the pages, "http://localhost:8080"
	Settings string // path of the settings file
	Config   config.Config
	SFU      *Process
	Bridge   *Process

	opt Options
	bin Binaries
}

// Binaries are paths of the built programs.
type Binaries struct{ SFU, Bridge string }

// Build builds both processes into dir, with the race detector if race is true.
// It must run inside the module.
func Build(ctx context.Context, dir string, race bool) (Binaries, error) {
	b := Binaries{SFU: filepath.Join(dir, "sfu"), Bridge: filepath.Join(dir, "bridge")}
	return b, errors.Join(
		BuildProgram(ctx, b.SFU, "dialroom/sfu", race),
		BuildProgram(ctx, b.Bridge, "dialroom/bridge", race))
}

// BuildProgram builds one package of this module into the file path.
func BuildProgram(ctx context.Context, path, pkg string, race bool) error {
	args, env := []string{"build", "-o", path}, "CGO_ENABLED=0"
	if race {
		args, env = append(args, "-race"), "CGO_ENABLED=1"
	}
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Env = append(os.Environ(), env)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// New chooses ports and writes the settings; nothing is started.
func New(bin Binaries, opt Options) (*Stack, error) {
	s := &Stack{opt: opt, bin: bin, Settings: filepath.Join(opt.Dir, "dialroom.yaml")}
	if err := s.settings(); err != nil {
		return nil, err
	}
	if opt.Change != nil {
		opt.Change(&s.Config)
	}
	return s, s.Write()
}

func (s *Stack) settings() error {
	ports, err := freePorts(4) // at once: one after the other may well be the same
	if err != nil {
		return err
	}
	media, control, sip := ports[0], ports[1], ports[2]
	web := s.opt.Web
	if web == "" {
		web = fmt.Sprintf("127.0.0.1:%d", ports[3])
	}
	_, port, err := net.SplitHostPort(web)
	if err != nil {
		return fmt.Errorf("address of the pages: %w", err)
	}
	s.URL = "http://localhost:" + port
	first, err := freeRange(rtpPorts)
	if err != nil {
		return err
	}

	c := config.Default()
	c.DataDir = filepath.Join(s.opt.Dir, "data")
	c.SFU.Listen, c.SFU.PublicURL = web, s.URL
	c.SFU.Media.UDPPort, c.SFU.Media.TCPPort = media, media
	c.Bridge.Listen = fmt.Sprintf("127.0.0.1:%d", control)
	c.SFU.BridgeURL = "http://" + c.Bridge.Listen
	c.Bridge.SFUURL = "http://127.0.0.1:" + port
	c.Bridge.SIP.UDP = fmt.Sprintf("127.0.0.1:%d", sip)
	c.Bridge.SIP.TCP = c.Bridge.SIP.UDP
	c.Bridge.RTP.Ports = fmt.Sprintf("%d-%d", first, first+rtpPorts-1)
	c.Keys = []config.Key{
		{ID: "sfu", Role: "sfu", Secret: rand.Text()},
		{ID: "bridge", Role: "bridge", Secret: rand.Text()},
		{ID: ScriptKey, Role: "script", Secret: rand.Text()},
	}
	// Everybody here is one client on loopback, who may call as often as it likes.
	c.Fraud.PerDay, c.Fraud.PerMinute, c.Fraud.Concurrent = config.PerDay{}, config.PerMinute{}, config.Concurrent{}
	c.Trunks = s.opt.Trunks
	s.Config = c
	return nil
}

// Trunk is a trunk that carries every number, extensions too, to a SIP address
// over "udp" or "tcp".
func Trunk(id, host, transport string) config.Trunk {
	return config.Trunk{
		ID: id, Name: id, Priority: 10, Enabled: true, Host: host, Transport: transport,
		Prefixes: []string{""}, DialFormat: "e164", Codecs: []string{"PCMA", "PCMU", "G722"},
		SRTP: "off", MaxCalls: 1000,
	}
}

// Write writes Config to the settings file, for its owner only: it has secrets.
func (s *Stack) Write() error {
	b, err := yaml.Marshal(s.Config)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	return os.WriteFile(s.Settings, b, 0o600)
}

// Secret returns the secret of a key of the settings, "" when there is none.
func (s *Stack) Secret(id string) string {
	for _, k := range s.Config.Keys {
		if k.ID == id {
			return k.Secret
		}
	}
	return ""
}

// Start starts both processes and returns when they can take calls.
func (s *Stack) Start(ctx context.Context) error {
	if err := s.StartBridge(); err != nil {
		return err
	}
	if err := s.StartSFU(); err != nil {
		return err
	}
	return s.Ready(ctx)
}

// StartSFU starts the sfu process, again if there was one.
func (s *Stack) StartSFU() (err error) {
	s.SFU, err = StartProcess("sfu", s.opt.Log, s.bin.SFU, "--config", s.Settings)
	return err
}

// StartBridge starts the bridge process, again if there was one.
func (s *Stack) StartBridge() (err error) {
	s.Bridge, err = StartProcess("bridge", s.opt.Log, s.bin.Bridge, "--config", s.Settings)
	return err
}

// Ready returns when the sfu says it can take calls, or an error when a process
// ends before that.
func (s *Stack) Ready(ctx context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	last := errors.New("no answer yet")
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/readyz", nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("/readyz answers %s", res.Status)
		}
		if ctx.Err() == nil {
			last = err
		}
		retry := time.NewTimer(50 * time.Millisecond)
		select {
		case <-retry.C:
		case <-s.SFU.Done():
			return fmt.Errorf("sfu did not start: %w", s.SFU.Failure())
		case <-s.Bridge.Done():
			return fmt.Errorf("bridge did not start: %w", s.Bridge.Failure())
		case <-ctx.Done():
			retry.Stop()
			return fmt.Errorf("not ready in time: %w", last)
		}
	}
}

// Stop ends both processes: asks once, asks again when calls keep them, then kills.
func (s *Stack) Stop() {
	if s.SFU != nil {
		s.SFU.Stop()
	}
	if s.Bridge != nil {
		s.Bridge.Stop()
	}
}
