package e2e

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"dialroom/scripts/carrier/ua"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
)

// world is everything a test runs against.
type world struct {
	testing.TB
	stack   *stack.Stack
	carrier *ua.Carrier
	log     *logBook
}

// logBook collects what everybody says, for the day a test fails.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Fprintf(&l.b, "%s %s", time.Now().Format("15:04:05.000"), p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// patience is how long an event may take that has no promise of its own: the
// machine may be busy, and the race detector makes everything slow.
const patience = 30 * time.Second

// options change a world before it starts.
type options struct {
	carrier   func(*ua.Config)
	settings  func(*config.Config)
	transport string // of the trunk; default udp
}

// newWorld starts a carrier, and sfu and bridge with it as their trunk.
func newWorld(t testing.TB, o options) *world {
	t.Helper()
	w := &world{TB: t, log: &logBook{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what everybody said:\n%s", w.log)
		}
	})
	cfg := ua.Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0", Record: true}
	if o.carrier != nil {
		o.carrier(&cfg)
	}
	var err error
	if w.carrier, err = ua.Listen(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, e := range w.carrier.Events() {
				t.Logf("carrier %s %s %s %s", e.At.Format("15:04:05.000"), e.Kind, e.Number, e.Detail)
			}
		}
		_ = w.carrier.Close()
	})
	transport := cmp.Or(o.transport, "udp")
	trunk := stack.Trunk("tr_demo", w.carrier.Addr(transport).String(), transport)
	trunk.Username, trunk.Password = "demo", "demo"
	w.stack, err = stack.New(prepared.bin, stack.Options{
		Dir: t.TempDir(), Log: w.log, Trunks: []config.Trunk{trunk},
		Change: func(c *config.Config) {
			c.Fraud.Allow = []string{"+"}
			if o.settings != nil {
				o.settings(c)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stopStack)
	if err := w.stack.Start(w.soon()); err != nil {
		t.Fatal(err)
	}
	return w
}

// stopStack ends the processes; one that had a race to report has failed the test.
func (w *world) stopStack() {
	w.stack.Stop()
	if s := w.log.String(); strings.Contains(s, "WARNING: DATA RACE") {
		w.Error("the race detector found something in a process")
	} else if strings.Contains(s, "panic: ") {
		w.Error("a process panicked")
	}
}

// soon is a context that ends when patience does.
func (w *world) soon() context.Context { return within(w.TB, patience) }

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// call waits for the n-th call to a number, counted from 0.
func (w *world) call(number string, n int) *ua.Call {
	w.Helper()
	c, err := w.carrier.AwaitCall(w.soon(), number, n)
	if err != nil {
		w.Fatalf("the carrier got no call to %s: %v", number, err)
	}
	return c
}

// event waits for something to happen at the carrier, past events included.
func (w *world) event(d time.Duration, kind, number string) ua.Event {
	w.Helper()
	e, err := w.carrier.Await(within(w.TB, d), func(e ua.Event) bool {
		return e.Kind == kind && (number == "" || e.Number == number)
	})
	if err != nil {
		w.Fatalf("the carrier saw no %s for %q within %v", kind, number, d)
	}
	return e
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, d time.Duration, what string, ask func() bool) {
	t.Helper()
	deadline := time.NewTimer(d)
	defer deadline.Stop()
	again := time.NewTicker(40 * time.Millisecond)
	defer again.Stop()
	for !ask() {
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}
