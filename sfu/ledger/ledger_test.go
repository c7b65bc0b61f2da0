package ledger

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childEnv makes the test binary the process that TestAKilledProcess… kills.
const childEnv = "DIALROOM_LEDGER_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		reserveForever(path)
		return
	}
	goleak.VerifyTestMain(m)
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func reservation(id string) Reservation {
	return Reservation{ID: id, At: noon, Room: "sales", Number: "+4930123456", Trunk: "tr_1",
		Asker: Asker{Kind: "page", IP: netip.MustParseAddr("::ffff:192.0.2.7"), Participant: "p_1"}}
}

// today is when the counted periods of the tests began.
var today = Since{Day: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Minute: noon.Add(-time.Minute)}

// reserve reserves without a cap.
func reserve(ctx context.Context, l *Ledger, r Reservation) error {
	return l.Reserve(ctx, r, today, func(Counters) (Terms, error) { return Terms{MaxDuration: time.Hour, Rate: 0.06}, nil })
}

// raw is the file without the package.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func openTest(t *testing.T, path string) *Ledger {
	t.Helper()
	// The tests' calls are at noon, so that is when it is: otherwise the ledger
	// forgets them when a slow machine lets it come to that.
	start := time.Now()
	l, err := Open(path, Options{Now: func() time.Time { return noon.Add(time.Since(start)) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// rows reads the file as an operator would, past the package.
func rows(t *testing.T, path, query string, args ...any) []string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Query(query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out []string
	for r.Next() {
		var s string
		if err := r.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

const allOfACall = `SELECT concat_ws('|', id, reserved_at, asker, key, ip, participant, room, number, trunk, used_trunk, ifnull(answered_at, '-'), ifnull(ended_at, '-'), ending, code) FROM calls ORDER BY id`

func TestACallIsReservedAndSettledOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made here", "ledger?.db")
	l, ctx := openTest(t, path), t.Context()
	if err := reserve(ctx, l, reservation("c_1")); err != nil {
		t.Fatal(err)
	}
	reader := strings.ReplaceAll("file:"+path, "?", "%3f")
	want := fmt.Sprintf("c_1|%d|page||192.0.2.7|p_1|sales|+4930123456|tr_1||-|-||0", noon.UnixMilli())
	if got := rows(t, reader, allOfACall); len(got) != 1 || got[0] != want {
		t.Errorf("reserved: got %q, want %q", got, want)
	}
	if err := reserve(ctx, l, reservation("c_1")); err == nil {
		t.Error("a second reservation of one id has no error")
	}
	if err := l.Settle(ctx, "c_1", Record{Carrier: "tr_2", Answered: noon.Add(time.Second), Ended: noon.Add(time.Minute), Ending: "hangup-phone", Code: 200}); err != nil {
		t.Fatal(err)
	}
	if err := l.Settle(ctx, "c_1", Record{Ended: noon, Ending: "busy"}); !errors.Is(err, ErrUnknown) {
		t.Errorf("second settlement: %v", err)
	}
	if err := l.Settle(ctx, "c_2", Record{Ended: noon}); !errors.Is(err, ErrUnknown) {
		t.Errorf("settlement without a reservation: %v", err)
	}
	want = fmt.Sprintf("c_1|%d|page||192.0.2.7|p_1|sales|+4930123456|tr_1|tr_2|%d|%d|hangup-phone|200",
		noon.UnixMilli(), noon.UnixMilli()+1000, noon.UnixMilli()+60000)
	if got := rows(t, reader, allOfACall); len(got) != 1 || got[0] != want {
		t.Errorf("settled: got %q, want %q", got, want)
	}
}

func TestARefusalIsKeptAndOldOnesGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, ctx := openTest(t, path), t.Context()
	r := Refusal{At: noon, Asker: Asker{Kind: "script", Key: "crm"}, Room: "sales", Number: "+4930123456", Reason: "not-allowed"}
	if err := l.Refused(ctx, r); err != nil {
		t.Fatal(err)
	}
	if _, err := raw(t, path).Exec(`UPDATE sqlite_sequence SET seq = ?`, maxRefusals); err != nil {
		t.Fatal(err)
	}
	r.Reason = "bad-number"
	if err := l.Refused(ctx, r); err != nil {
		t.Fatal(err)
	}
	got := rows(t, path, `SELECT concat_ws('|', at, asker, key, ip, room, number, trunk, reason) FROM refusals`)
	want := fmt.Sprintf("%d|script|crm||sales|+4930123456||bad-number", noon.UnixMilli())
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReservationsAreSyncedToDisk(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
	for name, want := range map[string]string{"synchronous": "2", "journal_mode": "wal"} { // 2 is FULL
		var got string
		if err := l.file.conn.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestTwoHundredAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			id := fmt.Sprint("c_", i)
			if err := reserve(t.Context(), l, reservation(id)); err != nil {
				t.Error(err)
			}
			if err := l.Settle(t.Context(), id, Record{Ended: noon, Ending: "busy"}); err != nil {
				t.Error(err)
			}
			if err := l.Refused(t.Context(), Refusal{At: noon}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := rows(t, path, `SELECT count(*) FROM calls WHERE ending = 'busy'`); got[0] != "200" {
		t.Errorf("%s calls", got[0])
	}
}

func TestNothingIsReservedWithoutASoundDisk(t *testing.T) {
	ctx := t.Context()
	t.Run("a full disk", func(t *testing.T) {
		l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
		if err := l.Writable(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := l.file.conn.ExecContext(ctx, `PRAGMA max_page_count = 1`); err != nil { // SQLITE_FULL as soon as a page is needed
			t.Fatal(err)
		}
		var err error
		for i := 0; err == nil && i < 1000; i++ {
			r := reservation(fmt.Sprint("c_", i))
			r.Room = strings.Repeat("x", 4096)
			err = reserve(ctx, l, r)
		}
		if err == nil {
			t.Error("a full disk takes reservations")
		}
	})
	t.Run("a disk that became read-only", func(t *testing.T) {
		l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
		if _, err := l.file.conn.ExecContext(ctx, `PRAGMA query_only = 1`); err != nil {
			t.Fatal(err)
		}
		if l.Writable(ctx) == nil || reserve(ctx, l, reservation("c_1")) == nil {
			t.Error("writes succeed")
		}
	})
	t.Run("after Close", func(t *testing.T) {
		l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l.Writable(ctx) == nil || reserve(ctx, l, reservation("c_1")) == nil {
			t.Error("writes succeed")
		}
	})
	t.Run("a deadline that passes in the queue", func(t *testing.T) {
		l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
		<-l.turn
		defer func() { l.turn <- struct{}{} }()
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if err := reserve(ctx, l, reservation("c_1")); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAFileThatIsNotOursIsRefused(t *testing.T) {
	dir := t.TempDir()
	t.Run("another process has it", func(t *testing.T) {
		path := filepath.Join(dir, "shared.db")
		openTest(t, path)
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a newer version wrote it", func(t *testing.T) {
		path := filepath.Join(dir, "newer.db")
		l := openTest(t, path)
		if _, err := raw(t, path).Exec(`PRAGMA user_version = 99`); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "version 99") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("it is no database", func(t *testing.T) {
		path := filepath.Join(dir, "text.db")
		if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); err == nil {
			t.Error("no error")
		}
	})
	t.Run("its folder cannot be made", func(t *testing.T) {
		if _, err := Open(filepath.Join(dir, "text.db", "ledger.db"), Options{}); err == nil {
			t.Error("no error")
		}
	})
}

// kill -9 at any moment: what Reserve said is there is there, and the next
// process settles it.
func TestAKilledProcessLosesNoReservation(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ledger.db")
	said := map[string]bool{}
	for round := range 4 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			said[lines.Text()] = true
			if n == 7+13*round {
				_ = cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the process ended by itself")
		}
	}
	l := openTest(t, path)
	if l.LeftOver() == 0 {
		t.Error("the last process left nothing over")
	}
	have := map[string]bool{}
	for _, id := range rows(t, path, `SELECT id FROM calls WHERE ending = ? AND ended_at > 0`, LeftOver) {
		have[id] = true
	}
	for id := range said {
		if !have[id] {
			t.Errorf("reservation %s is gone or open", id)
		}
	}
}

func reserveForever(path string) {
	l, err := Open(path, Options{})
	for i := 0; err == nil; i++ {
		id := fmt.Sprintf("c_%d_%d", os.Getpid(), i)
		if err = reserve(context.Background(), l, reservation(id)); err == nil {
			fmt.Println(id)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// BenchmarkReserve reserves on disk, in a day that has 100,000 calls already,
// half of them from one key and room.
func BenchmarkReserve(b *testing.B) {
	path := filepath.Join(b.TempDir(), "ledger.db")
	l, err := Open(path, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	fill(b, l, 100_000)
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		r := reservation(fmt.Sprint("c_", i))
		r.At = noon.Add(time.Duration(i) * time.Millisecond)
		r.Asker = Asker{Kind: "script", Key: "crm", IP: netip.MustParseAddr("192.0.2.7"), Bucket: "192.0.2.7"}
		start := time.Now()
		if err := reserve(b.Context(), l, r); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
		if i%10 == 9 { // calls end too
			for j := i - 9; j <= i; j++ {
				if err := l.Settle(b.Context(), fmt.Sprint("c_", j), Record{Ended: r.At, Ending: "busy"}); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "median-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// fill writes n settled calls over the day up to noon.
func fill(tb testing.TB, l *Ledger, n int) {
	tb.Helper()
	err := l.write(tb.Context(), "filling", relaxed, func(ctx context.Context, tx *tx) error {
		for i := range n {
			r := Reservation{ID: fmt.Sprintf("c_%x_%d", i*7919%n, i), At: today.Day.Add(time.Duration(i) * 12 * time.Hour / time.Duration(n)),
				Room: fmt.Sprint("room ", i%500), Number: fmt.Sprintf("+4930%07d", i%20_000),
				Asker: Asker{Kind: "page", IP: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Bucket: fmt.Sprintf("10.0.%d.%d", i>>8&255, i&255)}}
			if i%2 == 0 {
				r.Asker, r.Room = Asker{Kind: "script", Key: "crm"}, "sales"
			}
			if err := tx.insert(ctx, r, Terms{Rate: 0.06}); err != nil {
				return err
			}
		}
		_, err := tx.exec(ctx, `UPDATE calls SET ended_at = reserved_at + 60000, talk_ms = 50000, ending = 'hangup-room'`)
		return err
	})
	if err == nil { // or the first reservations would pay for moving all that to its place
		<-l.turn
		_, err = l.file.conn.ExecContext(tb.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`)
		l.file.note()
		l.turn <- struct{}{}
	}
	if err != nil {
		tb.Fatal(err)
	}
}
