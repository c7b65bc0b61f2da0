package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"dialroom/scripts/carrier/ua"
	"dialroom/shared/config"
)

// rounds is how often a test repeats what must never fail: n times, or as often
// as DIALROOM_ROUNDS says.
func rounds(n int) int {
	if m, err := strconv.Atoi(os.Getenv("DIALROOM_ROUNDS")); err == nil {
		return m
	}
	return n
}

// capped is a world whose only cap is that of a day's calls. Its carrier is busy,
// always, and counts.
func capped(most int) options {
	return options{
		carrier: func(c *ua.Config) {
			c.Record = false
			c.Script = func(string) ua.Script { return func(_ context.Context, c *ua.Call) { c.Reject(486, "Busy Here") } }
		},
		settings: func(c *config.Config) {
			c.SFU.TrustedProxies = []string{"127.0.0.0/8", "::1/128"}
			c.Fraud.PerDay.Total = config.Cap(most)
			c.Bridge.RTP.Ports = "11000-30999" // ports rest after a call, and a hundred rounds are many calls
		},
	}
}

// forgetEverything ends the sfu and begins with an empty ledger.
func (w *world) forgetEverything() {
	w.Helper()
	w.stack.SFU.Kill()
	for _, name := range []string{"ledger.db", "ledger.db-wal", "ledger.db-shm"} {
		if err := os.Remove(filepath.Join(w.stack.Config.DataDir, name)); err != nil && !os.IsNotExist(err) {
			w.Fatal(err)
		}
	}
	w.restartSFU()
}

// reservations reads the ledger past the sfu: how many calls each number has.
// The file and its log are copied, so that nothing happens to them.
func (w *world) reservations() map[string]int {
	w.Helper()
	dir := w.TempDir()
	for _, name := range []string{"ledger.db", "ledger.db-wal"} {
		if err := copyFile(filepath.Join(dir, name), filepath.Join(w.stack.Config.DataDir, name)); err != nil && !os.IsNotExist(err) {
			w.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "ledger.db"))
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	rows, err := db.Query(`SELECT number, count(*) FROM calls GROUP BY number`)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	found := map[string]int{}
	for rows.Next() {
		var number string
		var n int
		if err := rows.Scan(&number, &n); err != nil {
			w.Fatal(err)
		}
		found[number] = n
	}
	if err := rows.Err(); err != nil {
		w.Fatal(err)
	}
	return found
}

func copyFile(to, from string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	if closed := dst.Close(); err == nil {
		err = closed
	}
	return err
}

// sum adds up calls.
func sum(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}

// invites is how many INVITEs the carrier got for each number, from the n-th on.
func (w *world) invites(from int) map[string]int {
	found, n := map[string]int{}, 0
	for _, e := range w.carrier.Events() {
		if e.Kind != "INVITE" {
			continue
		}
		if n++; n > from {
			found["+"+e.Number]++
		}
	}
	return found
}

// cap 5, 100 pages and 100 scripts at once: exactly five INVITEs.
func TestACapOfFiveLetsFiveOfTwoHundredDialsThrough(t *testing.T) {
	const most, pages, scripts = 5, 100, 100
	w := newWorld(t, capped(most))
	for round := range rounds(3) {
		if round > 0 {
			w.forgetEverything()
		}
		before := w.carrier.Count("INVITE")
		passed := w.stampede(pages, scripts)
		if passed != most {
			t.Fatalf("round %d: %d dials passed, want %d", round, passed, most)
		}
		// Every dial has its verdict, and those that passed are on their way.
		eventually(t, patience, "every call arrives", func() bool { return w.carrier.Count("INVITE")-before >= most })
		eventually(t, patience, "every call ends", func() bool { return w.carrier.Count("ENDED") == w.carrier.Count("INVITE") })
		if n := w.carrier.Count("INVITE") - before; n != most {
			t.Fatalf("round %d: %d INVITEs, want %d", round, n, most)
		}
		if n := sum(w.reservations()); n != most {
			t.Fatalf("round %d: %d reservations, want %d", round, n, most)
		}
	}
}

// stampede dials from pages and scripts at the same moment and returns how many
// passed. All others must be refused by the cap.
func (w *world) stampede(pages, scripts int) (passed int) {
	w.Helper()
	ctx := w.soon()
	start := make(chan struct{})
	var joined, dialled sync.WaitGroup
	var mu sync.Mutex
	verdict := func(refusal string, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err != nil:
			w.Error(err)
		case refusal == "":
			passed++
		case refusal != "cap-day":
			w.Errorf("refused with %s", refusal)
		}
	}
	for i := range pages {
		joined.Add(1)
		dialled.Go(func() {
			v, err := w.visit(ctx, fmt.Sprint("room ", i), fmt.Sprintf("198.51.100.%d", i))
			joined.Done()
			if err != nil {
				verdict("", err)
				return
			}
			defer v.close()
			<-start
			verdict(v.dial(ctx, fmt.Sprintf("+4930%07d", i)))
		})
	}
	client := w.script()
	for i := range scripts {
		dialled.Go(func() {
			<-start
			verdict(dialAsScript(ctx, client, fmt.Sprint("script room ", i), fmt.Sprintf("+4940%07d", i)))
		})
	}
	joined.Wait()
	close(start)
	dialled.Wait()
	return passed
}

// kill -9 of the sfu at any moment: whatever was sent is on disk, and the cap
// holds over both lives of the process.
func TestAKilledSFUHasReservedWhatItSentAndTheCapStillHolds(t *testing.T) {
	const most = 60
	w := newWorld(t, capped(most))
	var killedAt []string
	for round := range rounds(5) {
		if round > 0 {
			w.forgetEverything()
		}
		before := w.carrier.Count("INVITE")
		ctx, cancel := context.WithCancel(w.soon())
		var load sync.WaitGroup
		load.Go(func() { w.dialUntilRefused(ctx, round*2) })
		// At any moment: while pages join, or after any number of calls and a little more.
		soon, after := rand.IntN(most), time.Duration(rand.IntN(5000))*time.Microsecond
		eventually(t, patience, "calls arrive", func() bool { return w.carrier.Count("INVITE")-before >= soon })
		pause(ctx, after)
		w.stack.SFU.Kill()
		cancel()
		load.Wait()
		onDisk, sent := w.reservations(), w.invites(before)
		for number, n := range sent {
			if onDisk[number] < n {
				t.Fatalf("round %d: %d INVITEs to %s, %d reservations", round, n, number, onDisk[number])
			}
		}
		killedAt = append(killedAt, fmt.Sprintf("%d/%d", sum(sent), sum(onDisk)))

		w.restartSFU()
		w.dialUntilRefused(w.soon(), round*2+1)
		eventually(t, patience, "every call ends", func() bool { return w.carrier.Count("ENDED") == w.carrier.Count("INVITE") })
		sent = w.invites(before)
		if n := sum(w.reservations()); n != most {
			t.Fatalf("round %d: %d reservations, want all %d that the cap allows", round, n, most)
		}
		if n := sum(sent); n > most {
			t.Fatalf("round %d: %d INVITEs, the cap is %d", round, n, most)
		}
	}
	t.Logf("killed with so many INVITEs of so many calls reserved: %v", killedAt)
}

// dialUntilRefused dials from pages and scripts, each as fast as it can, until
// the cap says no or nobody answers any more.
func (w *world) dialUntilRefused(ctx context.Context, life int) {
	client := w.script()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			v, err := w.visit(ctx, fmt.Sprintf("room %d %d", life, i), fmt.Sprintf("198.51.100.%d", i))
			if err != nil {
				return
			}
			defer v.close()
			for n := 0; ; n++ {
				if refusal, err := v.dial(ctx, fmt.Sprintf("+4930%03d%d%03d", life%1000, i, n)); err != nil || refusal != "" {
					return
				}
			}
		})
		all.Go(func() {
			for n := 0; ; n++ {
				if refusal, err := dialAsScript(ctx, client, fmt.Sprintf("script room %d %d %d", life, i, n), fmt.Sprintf("+4940%03d%d%03d", life%1000, i, n)); err != nil || refusal != "" {
					return
				}
			}
		})
	}
	all.Wait()
}
