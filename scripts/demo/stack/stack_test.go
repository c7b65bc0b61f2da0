package stack

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dialroom/shared/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lockedBuffer is a log that several processes write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTheSettingsWrittenAreSettingsTheProcessesTake(t *testing.T) {
	s, err := New(Binaries{}, Options{
		Dir:    t.TempDir(),
		Trunks: []config.Trunk{Trunk("tr_demo", "127.0.0.1:5070", "tcp")},
		Change: func(c *config.Config) { c.Fraud.Allow = []string{"+"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(s.Settings)
	if err != nil {
		t.Fatal(err)
	}
	if got.Trunks[0].Transport != "tcp" || got.SFU.PublicURL != s.URL || got.Fraud.Allow[0] != "+" {
		t.Errorf("read back as %+v", got)
	}
	if s.Secret(ScriptKey) == "" || s.Secret("nobody") != "" {
		t.Error("secrets are not found by key id")
	}
	if info, err := os.Stat(s.Settings); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file with the secrets has mode %v, %v", info.Mode(), err)
	}
}

func TestAProcessThatDiesSaysWhatItSaidLast(t *testing.T) {
	var log lockedBuffer
	p, err := StartProcess("child", &log, "/bin/sh", "-c", "echo out; echo no such trunk >&2; exit 3")
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if text := p.Failure().Error(); !strings.Contains(text, "exit status 3") || !strings.Contains(text, "no such trunk") {
		t.Errorf("failure is %q", text)
	}
	if !strings.Contains(log.String(), "child  | out\n") {
		t.Errorf("log is %q", log.String())
	}
	if line := <-p.Lines(); line != "out" {
		t.Errorf("first line is %q", line)
	}
}

func TestAProcessIsAskedBeforeItIsKilled(t *testing.T) {
	ready := func(script string) *Process {
		p, err := StartProcess("child", nil, "/bin/sh", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		<-p.Lines()
		return p
	}
	p := ready("trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
	p.Stop()
	if p.err != nil {
		t.Errorf("a process that listens ended with %v", p.err)
	}
	p = ready("trap '' TERM; echo ready; while :; do sleep 0.05; done")
	start := time.Now()
	p.Stop()
	if took := time.Since(start); took < firstAsk+secondAsk {
		t.Errorf("a deaf process was killed after %v", took)
	}
	if ws := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Errorf("it ended by %v", ws.Signal())
	}
}

// A server that forks and is killed leaves children that hold its output open.
func TestNobodyWaitsForTheChildrenOfAChild(t *testing.T) {
	ready := func(script string) (*Process, int) {
		t.Helper()
		p, err := StartProcess("child", nil, "/bin/sh", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		grandchild, err := strconv.Atoi(<-p.Lines())
		if err != nil {
			t.Fatal(err)
		}
		return p, grandchild
	}
	within := func(what string, done <-chan struct{}) {
		t.Helper()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal(what)
		}
	}
	p, grandchild := ready("trap '' TERM; sleep 300 & echo $!; wait")
	stopped := make(chan struct{})
	go func() { p.Stop(); close(stopped) }()
	within("Stop waits for a child's child", stopped)
	for deadline := time.Now().Add(10 * time.Second); !isGone(grandchild); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a child's child outlived Stop")
		}
	}

	p, grandchild = ready("sleep 300 & echo $!; exit 0")
	within("the end of a process is not seen while a child of it lives", p.Done())
	if err := syscall.Kill(grandchild, syscall.SIGKILL); err != nil {
		t.Error("the child's child was not there:", err)
	}
}

// isGone reports whether a process has ended, be it counted by its parent or not.
func isGone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

func TestAStackWhoseProcessDiesIsNotWaitedFor(t *testing.T) {
	s, err := New(Binaries{SFU: "/bin/false", Bridge: "/bin/false"}, Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Start(ctx); err == nil || !strings.Contains(err.Error(), "did not start: exit status 1") {
		t.Errorf("error is %v", err)
	}
	s.Stop()
}

func TestFreePortsAreDifferent(t *testing.T) {
	ports, err := freePorts(8)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, p := range ports {
		if seen[p] {
			t.Errorf("port %d twice", p)
		}
		seen[p] = true
	}
}
