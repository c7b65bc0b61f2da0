// Command sfu serves the pages, holds the rooms with their browsers, mixes for
// the phones and decides who may dial what. It speaks no SIP: that is bridge's.
//
//	sfu --config dialroom.yaml            run until told to stop
//	sfu --config dialroom.yaml --check    read the settings, say what is wrong, exit
//	sfu link mint|list|revoke …           signed links of the sfu that runs
//	sfu explain --number …                what would become of a dial, and why
//
// SIGTERM or Ctrl-C drains: no call starts any more, those that run go on, and
// the process exits when the last has ended. A second one hangs up everything
// within two seconds. SIGHUP reads trunks, fraud rules and the certificate again.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"dialroom/sfu/web"
	"dialroom/shared/config"
)

// gcPercent is how much the heap may grow before it is collected. The process
// is small (some 200 KB a browser), and at Go's default of 100 a sixth of what a
// join costs is the collector running over it again and again. GOGC overrides it.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command runs the command line and returns the exit code: 0, 1 when something
// went wrong, 2 when it was called wrongly.
func command(args []string, out, errs io.Writer) int {
	if isCommand(args) {
		return runCommand(args, out, errs)
	}
	flags := flag.NewFlagSet("sfu", flag.ContinueOnError)
	flags.SetOutput(errs)
	path := flags.String("config", "dialroom.yaml", "the settings file")
	check := flags.Bool("check", false, "only read the settings and say what is wrong with them")
	flags.Usage = func() {
		fmt.Fprintf(errs, "usage: sfu [--config FILE] [--check]\n       sfu %s\n       sfu link mint|list|revoke …\n", explainUsage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(errs, "sfu: unexpected %q\n", flags.Arg(0))
		return 2
	}
	cfg, err := config.Load(*path)
	if err == nil {
		err = checkFiles(cfg)
	}
	if err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	if *check {
		fmt.Fprintf(out, "%s: the settings are in order\n", *path)
		return 0
	}
	web.Quiet()
	m := NewMain(*path, cfg, slog.New(slog.NewTextHandler(errs, nil)))
	survive()
	// The signals are ours before the first port is open.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := m.Run(); err != nil {
		fmt.Fprintf(errs, "sfu: %v\n", err)
		return 1
	}
	m.Wait(signals)
	if err := m.Close(); err != nil {
		fmt.Fprintf(errs, "sfu: %v\n", err)
		return 1
	}
	return 0
}

// Wait obeys signals until it is time to close: when the last call has ended
// after the first SIGTERM or SIGINT, or at once after the second.
func (m *Main) Wait(signals <-chan os.Signal) {
	var drained <-chan struct{} // nil until draining
	for {
		select {
		case <-drained:
			m.log.Info("the last call is over")
			return
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				m.Reload()
			case drained != nil:
				m.log.Info("told again to stop: hanging up", "calls", m.dial.Active())
				return
			default:
				m.log.Info("told to stop: no new calls, waiting for those that run", "calls", m.dial.Active())
				drained = m.Drain()
			}
		}
	}
}
