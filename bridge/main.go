// Command bridge places the calls: SIP and RTP towards trunks, plain RTP
// towards the sfu. It decides nothing about who may dial what: that is sfu's.
//
//	bridge --config dialroom.yaml            run until told to stop
//	bridge --config dialroom.yaml --check    read the settings, say what is wrong, exit
//
// SIGTERM or Ctrl-C: new calls are refused, running ones go on, and the
// process exits when the last has ended. Told again, it hangs up everything
// and is gone within two seconds. SIGHUP reads the trunks again.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/cloudwego/hertz/pkg/common/hlog"

	"dialroom/shared/config"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // the settings are wrong, or the process could not start
	exitUsage  = 2 // the command line is wrong
)

func main() { os.Exit(start(os.Args[1:], os.Stdout, os.Stderr)) }

// start runs the command line and returns the exit code.
func start(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bridge", flag.ContinueOnError)
	flags.SetOutput(stderr)
	path := flags.String("config", "dialroom.yaml", "settings `file`")
	check := flags.Bool("check", false, "say what is wrong with the settings and exit")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return exitOK
	} else if err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "bridge: what is %q?\n", flags.Arg(0))
		return exitUsage
	}
	cfg, err := load(*path)
	if err == nil && *check {
		_, _, err = newCertificate(cfg) // as Run will
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if *check {
		fmt.Fprintf(stdout, "%s: the settings are in order\n", *path)
		return exitOK
	}

	signals := make(chan os.Signal, 4) // before anything starts, so that none is missed
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	hlog.SetLevel(hlog.LevelFatal) // the HTTP library has its own idea of what deserves a line

	m := NewMain(*path, cfg, slog.New(slog.NewTextHandler(stderr, nil)))
	if err := m.Run(); err != nil {
		fmt.Fprintf(stderr, "bridge: %v\n", err)
		return exitFailed
	}
	m.obey(signals)
	m.Close()
	return exitOK
}

// load reads the settings and checks what only the bridge can.
func load(path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	return cfg, checkTransports(cfg)
}

// obey acts on signals until the process may close: when the last call is over
// after the first SIGTERM or SIGINT, or after the second.
func (m *Main) obey(signals <-chan os.Signal) {
	var idle <-chan struct{} // nil until the first
	for {
		select {
		case <-idle:
			m.log.Info("the last call is over")
			return
		case s := <-signals:
			switch {
			case s == syscall.SIGHUP:
				m.Reload()
			case idle == nil:
				m.log.Info("told to stop: new calls are refused, running ones go on", "calls", len(m.agent.Calls()))
				idle = m.agent.Drain()
			default:
				m.log.Info("told to stop again: hanging up", "calls", len(m.agent.Calls()))
				return
			}
		}
	}
}
