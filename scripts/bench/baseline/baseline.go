// Package baseline is the plainest relay one can write in Go, and what it
// costs: two UDP sockets per call and one goroutine for each direction, which
// reads a packet from one socket and writes it to the other.
//
// [Measure] runs the relay in a process of its own, so that only its CPU time
// counts, sends it calls at the pace of telephony (50 packets of 172 bytes a
// second each way, spread over the 20 ms) and reads the packets back. The
// child is the calling program itself, started again: such a program calls
// [ServeIfChild] before anything else.
//
// It is a yardstick for a machine, not a part of the product: the relay learns
// where to send from whoever sent last.
package baseline

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"dialroom/scripts/carrier/pace"
)

// childEnv tells the program that it is the relay; the value is the number of calls.
const childEnv = "DIALROOM_BASELINE_CALLS"

// packetSize is an RTP header and 20 ms of G.711.
const packetSize = 12 + 160

// Options is what to measure.
type Options struct {
	Calls    int
	Duration time.Duration // of the measurement
	Warmup   time.Duration // traffic before it; 0: one second
}

// Result is what the relay cost.
type Result struct {
	Calls         int           `json:"calls"`
	Elapsed       time.Duration `json:"elapsed_ns"`
	CPU           time.Duration `json:"cpu_ns"`                 // of the relay process
	PerCallSecond time.Duration `json:"cpu_per_call_second_ns"` // CPU per second of one call, both directions
	Sent          uint64        `json:"sent"`
	Received      uint64        `json:"received"`
	Delay         time.Duration `json:"delay_median_ns"` // through the relay
}

// String prints the figures in one line.
func (r Result) String() string {
	return fmt.Sprintf("bare relay: %d calls, %.1f s: %.2f ms CPU per call-second, %.1f µs per packet, %d of %d packets, median delay %v",
		r.Calls, r.Elapsed.Seconds(), float64(r.PerCallSecond)/1e6,
		float64(r.CPU.Microseconds())/float64(max(r.Received, 1)), r.Received, r.Sent, r.Delay.Round(time.Microsecond))
}

// Measure runs the relay under the load of so many calls.
func Measure(ctx context.Context, o Options) (Result, error) {
	if o.Calls < 1 || o.Duration <= 0 {
		return Result{}, fmt.Errorf("baseline: expected at least one call and some time, got %d and %v", o.Calls, o.Duration)
	}
	if o.Warmup == 0 {
		o.Warmup = time.Second
	}
	child, err := start(ctx, o.Calls)
	if err != nil {
		return Result{}, err
	}
	defer child.stop()

	start := time.Now()
	ends := make([]*end, 0, 2*o.Calls)
	pacer := pace.New()
	defer func() {
		pacer.Close()
		for _, e := range ends {
			e.close()
		}
	}()
	for _, relay := range child.calls {
		for _, addr := range relay {
			e, err := dial(addr, start)
			if err != nil {
				return Result{}, err
			}
			ends = append(ends, e)
		}
	}
	for _, e := range ends {
		pacer.Add(e.send)
	}
	if err := wait(ctx, o.Warmup); err != nil {
		return Result{}, err
	}
	before, err := CPU(child.pid())
	if err != nil {
		return Result{}, err
	}
	for _, e := range ends {
		e.begin()
	}
	begin := time.Now()
	if err := wait(ctx, o.Duration); err != nil {
		return Result{}, err
	}
	after, err := CPU(child.pid())
	if err != nil {
		return Result{}, err
	}
	r := Result{Calls: o.Calls, Elapsed: time.Since(begin), CPU: after - before}
	var delays []time.Duration
	for _, e := range ends {
		c := e.count()
		r.Sent += c.sent
		r.Received += c.received
		delays = append(delays, c.delays...)
	}
	r.PerCallSecond = time.Duration(float64(r.CPU) / r.Elapsed.Seconds() / float64(o.Calls))
	if len(delays) > 0 {
		slices.Sort(delays)
		r.Delay = delays[len(delays)/2]
	}
	return r, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// call is the addresses of one call's two sockets at the relay.
type call [2]netip.AddrPort

// child is the relay process. It ends when its standard input does.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	calls []call
}

func start(ctx context.Context, calls int) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), childEnv+"="+strconv.Itoa(calls))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	c := &child{cmd: cmd, stdin: stdin}
	if err := json.NewDecoder(bufio.NewReader(stdout)).Decode(&c.calls); err != nil {
		c.stop()
		return nil, fmt.Errorf("baseline: the relay did not say where it listens: %w", err)
	}
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) stop() {
	_ = c.stdin.Close()
	_ = c.cmd.Wait() // it has nothing left to tell
}

// ServeIfChild is the relay when the program was started as one; it then does not return.
func ServeIfChild() {
	n, err := strconv.Atoi(os.Getenv(childEnv))
	if err != nil {
		return
	}
	if err := serve(n, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// serve relays n calls until in ends; their addresses are written to out.
func serve(n int, in io.Reader, out io.Writer) error {
	calls := make([]call, n)
	for i := range calls {
		r := new(relay)
		for side := range r.sockets {
			s, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				return fmt.Errorf("baseline: %w", err)
			}
			defer s.Close()
			r.sockets[side] = s
			calls[i][side] = s.LocalAddr().(*net.UDPAddr).AddrPort()
		}
		go r.run(0, 1)
		go r.run(1, 0)
	}
	if err := json.NewEncoder(out).Encode(calls); err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	_, err := io.Copy(io.Discard, in)
	return err
}
