// Command demo shows Dialroom without a trunk: it builds sfu, bridge and the
// demo carrier, runs them with settings made for the occasion, prints links to
// click, and stops them on Ctrl-C.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"dialroom/scripts/carrier/ua"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
)

func main() {
	// Children end with the thread that starts them: it must be the main one,
	// which lasts as long as the process.
	runtime.LockOSThread()
	endWithParent()
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// errStopped ends the demo without a failure.
var errStopped = errors.New("stopped")

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	port := flags.Int("port", 8080, "`port` of the pages; 0 for any free one")
	record := flags.String("record", "", "`folder` to write what the demo numbers hear into, as WAV")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil
		}
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	web := ""
	if *port != 0 {
		web = fmt.Sprintf("127.0.0.1:%d", *port)
	}
	if err := free(web); err != nil {
		return fmt.Errorf("port %d is taken by another program; choose one with: go run ./scripts/demo --port 8081\n    (%w)", *port, err)
	}
	dir, err := os.MkdirTemp("", "dialroom-demo-")
	if err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(dir, "demo.log"))
	if err != nil {
		return err
	}
	defer logFile.Close()

	d := &demo{dir: dir, web: web, record: *record, out: out, log: logFile}
	if err = d.run(ctx); !errors.Is(err, errStopped) {
		// The folder stays: it has the log and the settings that led here.
		return fmt.Errorf("%w\n    everything they said: %s", err, logFile.Name())
	}
	fmt.Fprintln(out, "Stopped.")
	return os.RemoveAll(dir)
}

// free reports whether an address can be listened on; "" always can.
func free(addr string) error {
	if addr == "" {
		return nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return l.Close()
}

// demo is one run.
type demo struct {
	dir, web, record string
	out              io.Writer
	log              *os.File
}

func (d *demo) run(ctx context.Context) error {
	fmt.Fprintln(d.out, "Building sfu, bridge and the demo carrier …")
	bin, err := stack.Build(ctx, d.dir, false)
	carrierPath := filepath.Join(d.dir, "carrier")
	if err == nil {
		err = stack.BuildProgram(ctx, carrierPath, "dialroom/scripts/carrier", false)
	}
	if ctx.Err() != nil {
		return errStopped
	}
	if err != nil {
		return err
	}
	args := []string{"-udp", "127.0.0.1:0"}
	if d.record != "" {
		args = append(args, "-record", d.record)
	}
	carrier, err := stack.StartProcess("carrier", d.log, carrierPath, args...)
	if err != nil {
		return err
	}
	defer carrier.Stop()
	address, err := listening(ctx, carrier)
	if err != nil {
		return err
	}
	trunk := stack.Trunk("tr_demo", address, "udp")
	trunk.Name, trunk.Username, trunk.Password = "demo carrier", "demo", "demo"
	trunk.CallerID = "+4930123456"
	s, err := stack.New(bin, stack.Options{
		Dir: d.dir, Web: d.web, Log: d.log, Trunks: []config.Trunk{trunk},
		// Every number is the demo carrier's: nobody can run up a bill here.
		Change: func(c *config.Config) {
			c.Fraud.Allow = []string{"+"}
			c.SFU.APIKeys = []config.APIKey{{ID: "demo", Key: rand.Text()}}
			c.Links.Secret = rand.Text()
		},
	})
	if err != nil {
		return err
	}
	defer s.Stop()
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := s.Start(ready); err != nil {
		if ctx.Err() != nil {
			return errStopped
		}
		return err
	}
	d.welcome(s)
	select {
	case <-ctx.Done():
		fmt.Fprintln(d.out, "\nStopping …")
		return errStopped
	case <-carrier.Done():
		return fmt.Errorf("the demo carrier died: %w", carrier.Failure())
	case <-s.SFU.Done():
		return fmt.Errorf("sfu died: %w", s.SFU.Failure())
	case <-s.Bridge.Done():
		return fmt.Errorf("bridge died: %w", s.Bridge.Failure())
	}
}

// listening reads where the carrier listens from what it prints.
func listening(ctx context.Context, carrier *stack.Process) (string, error) {
	for {
		select {
		case line, ok := <-carrier.Lines():
			if !ok {
				<-carrier.Done()
				return "", fmt.Errorf("the demo carrier did not start: %w", carrier.Failure())
			}
			if address, ok := strings.CutPrefix(line, "listening udp "); ok {
				return address, nil
			}
		case <-ctx.Done():
			return "", errStopped
		}
	}
}

// welcome prints what can be clicked.
func (d *demo) welcome(s *stack.Stack) {
	fmt.Fprintf(d.out, "\nDialroom is running. Open a link in a browser on this machine and allow the microphone:\n\n")
	for _, n := range ua.Numbers() {
		fmt.Fprintf(d.out, "  %s  %s\n       %s/room.html?room=%s&name=You&dial=%s\n", n.Number, n.Text, s.URL, room(), n.Number)
	}
	meeting := room()
	fmt.Fprintf(d.out, `
  Two people, no phone (open it twice):
       %[1]s/room.html?room=%[2]s
  All of it in one link (random room, audio only, name, number, trunk):
       %[1]s/room.html?room=%[3]s&nocam=1&name=John+Doe&dial=%%2B4930123456&trunk=tr_demo

Links, QR codes and buttons of your own, signed with the operator key %[9]s:
       %[1]s/links.html
The manual:
       %[1]s/docs/

From a script, into the room of the two people:
       DIALROOM_BRIDGE=%[4]s DIALROOM_KEY_ID=%[5]s DIALROOM_KEY_SECRET=%[6]s scripts/dial.sh 601 %[2]s

Settings: %[7]s
Logs:     %[8]s
Ctrl-C stops everything.
`, s.URL, meeting, room(), s.Config.SFU.BridgeURL, stack.ScriptKey, s.Secret(stack.ScriptKey), s.Settings, d.log.Name(), s.Config.SFU.APIKeys[0].Key)
}

// room makes a room name nobody guesses, short enough to read.
func room() string { return "demo-" + strings.ToLower(rand.Text()[:10]) }
