// Command callrate measures how many calls a second can be set up: it starts
// sfu and bridge, has SIPp call a room's number again and again (answer, hang
// up), and prints failed calls, CPU, and memory before, at its most and after:
// what the system counts, and what of it is in use. The rest is the runtime's,
// which keeps its books of what the heap once was. It never frees a goroutine's
// descriptor either: where calls have piled up, half a kilobyte for each of
// those goroutines stays in use.
//
//	go run ./scripts/callrate -rate 500 -seconds 60
//
// It needs SIPp (Debian: sip-tester) and Linux. It ends with 1 when a call has
// failed.
package main

import (
	"context"
	_ "embed"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dialroom/scripts/bench/baseline"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
)

//go:embed caller.xml
var caller []byte

const (
	number = "+4930123400"

	// settle is how long after the last call memory is measured: transactions
	// live for 64·T1 (RFC 3261 §17), a nonce for two minutes at most, and a room
	// waits a minute for its first browser; a minute after that both processes
	// have looked what is left.
	settle = 3 * time.Minute

	warmUp = 2 // seconds
)

// process is one of those measured.
type process struct {
	name string
	pid  int
	log  string // file
}

func main() {
	runtime.LockOSThread() // children end with the thread that starts them
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	rate := flag.Int("rate", 500, "calls per second")
	seconds := flag.Int("seconds", 60, "how long")
	wait := flag.Duration("settle", settle, "how long after the last call memory is measured")
	flag.Parse()
	if err := run(ctx, os.Stdout, *rate, *seconds, *wait); err != nil {
		fmt.Fprintln(os.Stderr, "callrate:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, rate, seconds int, wait time.Duration) error {
	if _, err := exec.LookPath("sipp"); err != nil {
		return errors.New("SIPp is not installed (Debian: apt-get install sip-tester)")
	}
	dir, err := os.MkdirTemp("", "dialroom-callrate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin, err := stack.Build(ctx, dir, false)
	if err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	trunk := stack.Trunk("tr_rate", "127.0.0.1", "udp")
	trunk.MaxCalls = 100 * rate
	s, err := stack.New(bin, stack.Options{Dir: dir, Log: log, Trunks: []config.Trunk{trunk}, Change: func(c *config.Config) {
		// Ports rest for 30 s after a call: 500 calls per second need 30,000.
		c.Bridge.RTP.Ports = "10000-65535"
		c.Numbers = []config.Number{{Number: number, Room: "callrate", Waiting: "announce", Wait: time.Minute}}
	}})
	if err != nil {
		return err
	}
	defer s.Stop()
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.Start(ready); err != nil {
		return err
	}
	pids := []process{{"sfu", s.SFU.PID(), log.Name()}, {"bridge", s.Bridge.PID(), log.Name()}}
	// A process that has never had a call has half of its code on disk yet.
	if failed, _, err := call(ctx, dir, s.Config.Bridge.SIP.UDP, rate, rate*warmUp); err != nil {
		return err
	} else if failed > 0 {
		return fmt.Errorf("%d calls have failed while warming up", failed)
	}
	before, err := measureAll(ctx, pids, wait)
	if err != nil {
		return err
	}
	total := rate * seconds
	fmt.Fprintf(out, "%d calls per second for %d s\n", rate, seconds)
	failed, took, err := call(ctx, dir, s.Config.Bridge.SIP.UDP, rate, total)
	if err != nil {
		return err
	}
	busy, err := measureAll(ctx, pids, 0)
	if err != nil {
		return err
	}
	after, err := measureAll(ctx, pids, wait)
	if err != nil {
		return err
	}
	for i, p := range pids {
		fmt.Fprintf(out, "%-6s  CPU %4.2f ms per call  memory %d MB before, %d MB at its most, %d MB %v after; of it in use %.1f MB before, %.1f MB after\n", p.name,
			float64(busy[i].cpu-before[i].cpu)/float64(time.Millisecond)/float64(total),
			before[i].rss>>20, after[i].peak>>20, after[i].rss>>20, wait, float64(before[i].inUse)/(1<<20), float64(after[i].inUse)/(1<<20))
	}
	fmt.Fprintf(out, "failed  %d of %d calls in %v\n", failed, total, took.Round(time.Second))
	if failed > 0 {
		return fmt.Errorf("%d calls have failed", failed)
	}
	return nil
}

// call has SIPp place the calls and returns how many failed.
func call(ctx context.Context, dir, bridge string, rate, total int) (failed int, took time.Duration, err error) {
	scenario := filepath.Join(dir, "caller.xml")
	if err := os.WriteFile(scenario, caller, 0o600); err != nil {
		return 0, 0, err
	}
	port, err := freePort()
	if err != nil {
		return 0, 0, err
	}
	stats := filepath.Join(dir, "stats.csv")
	cmd := exec.CommandContext(ctx, "sipp", bridge, "-sf", scenario, "-s", number, "-i", "127.0.0.1", "-p", strconv.Itoa(port),
		"-r", strconv.Itoa(rate), "-m", strconv.Itoa(total), "-l", strconv.Itoa(20*rate), "-recv_timeout", "32000",
		"-trace_stat", "-stf", stats, "-fd", "1", "-nostdin")
	cmd.Dir = dir
	start := time.Now()
	text, err := cmd.CombinedOutput()
	took = time.Since(start)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, took, fmt.Errorf("sipp: %w", err)
	}
	successful, parseErr := column(stats, "SuccessfulCall(C)")
	if parseErr != nil {
		return 0, took, fmt.Errorf("sipp: %w: %s", parseErr, last(string(text), 400))
	}
	return total - successful, took, nil
}

// column returns the last value of a column of SIPp's statistics.
func column(path, name string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes = ';', -1, true
	rows, err := r.ReadAll()
	if err != nil {
		return 0, err
	}
	if len(rows) < 2 {
		return 0, errors.New("no statistics")
	}
	for i, title := range rows[0] {
		if title == name && i < len(rows[len(rows)-1]) {
			return strconv.Atoi(rows[len(rows)-1][i])
		}
	}
	return 0, fmt.Errorf("no column %q in the statistics", name)
}

func freePort() (int, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).Port, nil
}

func last(s string, n int) string { return s[max(0, len(s)-n):] }

// sample is what a process has used so far.
type sample struct {
	cpu       time.Duration
	rss, peak int64 // bytes of memory that is really there, now and at its most
	inUse     int64 // bytes of the heap after the last collection that the log tells of
}

// measureAll measures all processes after a while.
func measureAll(ctx context.Context, list []process, after time.Duration) ([]sample, error) {
	select {
	case <-time.After(after):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	samples := make([]sample, len(list))
	for i, p := range list {
		var err error
		if samples[i], err = measure(p.pid); err != nil {
			return nil, err
		}
		if samples[i].inUse, err = inUse(p); err != nil {
			return nil, err
		}
	}
	return samples, nil
}

func measure(pid int) (s sample, err error) {
	if s.cpu, err = baseline.CPU(pid); err != nil {
		return s, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s, err
	}
	if s.rss, err = kilobytes(string(status), "VmRSS"); err == nil {
		s.peak, err = kilobytes(string(status), "VmHWM")
	}
	return s, err
}

// inUse reads what a process last said when it gave memory back, 0 when it has not.
func inUse(p process) (bytes int64, err error) {
	raw, err := os.ReadFile(p.log)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if name, said, _ := strings.Cut(line, "|"); strings.TrimSpace(name) != p.name || !strings.Contains(said, "memory given back") {
			continue
		}
		_, value, _ := strings.Cut(line, " in_use=")
		if bytes, err = strconv.ParseInt(strings.Fields(value + " -")[0], 10, 64); err != nil {
			return 0, fmt.Errorf("the log of %s: %w", p.name, err)
		}
	}
	return bytes, nil
}

// kilobytes reads a line of /proc/PID/status (proc_pid_status(5)), in bytes.
func kilobytes(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("no %s in the status", name)
}
