// Command load measures what Dialroom costs: it starts sfu and bridge, fills
// rooms with browsers without a screen and phones of the demo carrier, and
// prints CPU, memory, packets, loss and added delay.
//
// Browsers and phones live in this process, sfu and bridge in theirs: only the
// latter are measured. Without arguments it runs the scenarios behind the
// promises, a bare UDP relay as the yardstick first; with -rooms it runs one
// scenario of that shape.
//
//	go run ./scripts/load
//	go run ./scripts/load -rooms 10 -browsers 2 -phones 1 -seconds 30
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"dialroom/scripts/bench/baseline"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
)

func main() {
	baseline.ServeIfChild()
	runtime.LockOSThread() // children end with the thread that starts them
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := mainErr(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		stop()
		os.Exit(1)
	}
}

func mainErr(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	s := shape{}
	flags.IntVar(&s.Rooms, "rooms", 0, "rooms of one scenario; 0: the scenarios behind the promises")
	flags.IntVar(&s.Browsers, "browsers", 1, "browsers in each room")
	flags.IntVar(&s.Phones, "phones", 1, "phones in each room")
	flags.BoolVar(&s.Opus, "opus", true, "browsers send Opus too, when the room wants it")
	flags.Float64Var(&s.Rate, "rate", 20, "joins per second")
	seconds := flags.Int("seconds", 20, "how long to measure each scenario")
	calls := flags.Int("calls", 50, "calls of the 1:1 scenario and of the bare relay")
	asJSON := flags.Bool("json", false, "print one JSON object for each scenario")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	s.Length = time.Duration(*seconds) * time.Second

	dir, err := os.MkdirTemp("", "dialroom-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bin, err := stack.Build(ctx, dir, false)
	if err != nil {
		return err
	}
	p := &printer{out: out, json: *asJSON}
	if s.Rooms > 0 {
		return p.scenario(ctx, bin, dir, "custom", s)
	}
	return promises(ctx, p, bin, dir, *calls, s.Length)
}

// promises runs every scenario that shows a promise; one that cannot be
// measured does not keep the others from it.
func promises(ctx context.Context, p *printer, bin stack.Binaries, dir string, calls int, length time.Duration) error {
	var errs []error
	base, err := baseline.Measure(ctx, baseline.Options{Calls: calls, Duration: length})
	if err != nil {
		return err
	}
	p.baseline(base)
	for _, sc := range []struct {
		name  string
		shape shape
	}{
		{"relay", shape{Rooms: calls, Browsers: 1, Phones: 1, Opus: true, Rate: 20, Length: length}},
		{"mix", shape{Rooms: 10, Browsers: 2, Phones: 1, Opus: true, Rate: 20, Length: length}},
		{"join", shape{Rooms: 200, Browsers: 1, Rate: 20, Length: length}},
	} {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := p.scenario(ctx, bin, dir, sc.name, sc.shape); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", sc.name, err))
		}
	}
	return errors.Join(errs...)
}

// startStack starts fresh processes whose trunk is the carrier at address.
func startStack(ctx context.Context, bin stack.Binaries, dir, address string) (*stack.Stack, error) {
	own, err := os.MkdirTemp(dir, "run-")
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(own, "log"))
	if err != nil {
		return nil, err
	}
	s, err := stack.New(bin, stack.Options{
		Dir: own, Log: log,
		Trunks: []config.Trunk{stack.Trunk("tr_load", address, "udp")},
	})
	if err != nil {
		return nil, err
	}
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.Start(ready); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// printer prints results for people, or for programs.
type printer struct {
	out  io.Writer
	json bool
	base baseline.Result
}

func (p *printer) baseline(r baseline.Result) {
	p.base = r
	if p.json {
		_ = json.NewEncoder(p.out).Encode(map[string]any{"scenario": "bare relay", "result": r})
		return
	}
	fmt.Fprintf(p.out, "bare relay, %d calls\n  CPU %.2f ms per call-second, delay %v\n\n",
		r.Calls, millis(r.PerCallSecond), r.Delay.Round(time.Microsecond))
}

// scenario measures one scenario and prints it, as far as it got.
func (p *printer) scenario(ctx context.Context, bin stack.Binaries, dir, name string, s shape) error {
	r, err := measureScenario(ctx, bin, dir, s)
	if r.Window == 0 {
		return err
	}
	if p.json {
		_ = json.NewEncoder(p.out).Encode(map[string]any{"scenario": name, "result": r})
		return err
	}
	p.text(name, r)
	return err
}

func (p *printer) text(name string, r result) {
	line := func(format string, args ...any) { fmt.Fprintf(p.out, "  "+format+"\n", args...) }
	s := r.Shape
	fmt.Fprintf(p.out, "%s: %d rooms of %d browsers and %d phones, %.0f s\n", name, s.Rooms, s.Browsers, s.Phones, r.Window.Seconds())
	if s.calls() > 0 {
		both := r.perCallSecond(r.SFU + r.Bridge)
		line("CPU        %.2f ms per call-second (sfu %.2f, bridge %.2f)%s", millis(both),
			millis(r.perCallSecond(r.SFU)), millis(r.perCallSecond(r.Bridge)), p.ratio(s, both))
		line("to phone   %s, lost %d, repeated %d", delays(r.ToPhone), r.LostToPhone, r.RepeatedToPhone)
		line("to browser %s, lost %d, repeated %d", delays(r.ToBrowser), r.LostToBrowser, r.RepeatedToBrowser)
		line("click to INVITE %s", delays(r.Clicks))
	} else {
		line("CPU        %.2f %% of a core when nobody speaks to a phone (sfu), %.2f %% (bridge)",
			100*r.SFU.Seconds()/r.Window.Seconds(), 100*r.Bridge.Seconds()/r.Window.Seconds())
	}
	upkeep := ""
	if r.JoinUpkeep > 0 {
		upkeep = fmt.Sprintf(" (%.2f of it for those already there)", millis(r.JoinUpkeep))
	}
	line("join       %.2f ms CPU of sfu each%s at %.0f per second, %s to media", millis(r.JoinCPU), upkeep, s.Rate, delays(r.Joins))
	line("memory     sfu %.1f MB (%.0f KB per browser), bridge %.1f MB", mega(r.SFUMemory),
		float64(r.SFUMemory-r.EmptyMemory)/1e3/float64(max(1, s.browsers())), mega(r.BridgeMemory))
	line("packets    %.0f per second sent by browsers", r.PacketsPerSecond)
	fmt.Fprintln(p.out)
}

// ratio compares 1:1 calls with the bare relay of the same run.
func (p *printer) ratio(s shape, both time.Duration) string {
	if p.base.PerCallSecond == 0 || s.Browsers != 1 || s.Phones != 1 {
		return ""
	}
	return fmt.Sprintf(", %.2f times the bare relay", float64(both)/float64(p.base.PerCallSecond))
}

func delays(s summary) string {
	if s.Count == 0 {
		return "nothing measured"
	}
	return fmt.Sprintf("%.2f ms median, %.2f p95, %.2f p99 (%d)", millis(s.Median), millis(s.P95), millis(s.P99), s.Count)
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }

func mega(b int64) float64 { return float64(b) / 1e6 }
