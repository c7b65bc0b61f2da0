package ledger

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a time that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// diary is a log that can be read while it is written.
type diary struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.String()
}

// ward is a ledger whose file gets hurt.
type ward struct {
	*Ledger
	t     *testing.T
	path  string
	clock *clock
	said  *diary
}

func newWard(t *testing.T, path string) *ward {
	t.Helper()
	w := &ward{t: t, path: path, clock: &clock{now: noon}, said: &diary{}}
	w.Ledger = New(path, Options{Now: w.clock.Now, Logger: slog.New(slog.NewTextHandler(w.said, nil))})
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// reserves tries a reservation, when a second has passed.
func (w *ward) reserves(id string) error {
	w.clock.pass(tryAgain)
	return reserve(w.t.Context(), w.Ledger, reservation(id))
}

func (w *ward) must(id string) {
	w.t.Helper()
	if err := w.reserves(id); err != nil {
		w.t.Fatal(err)
	}
}

// mustNot wants neither a reservation nor readiness, and the cause in the log.
func (w *ward) mustNot(id, cause string) {
	w.t.Helper()
	if err := w.reserves(id); err == nil {
		w.t.Errorf("%s is reserved", id)
	}
	if w.Writable(w.t.Context()) == nil {
		w.t.Error("it counts as writable")
	}
	if !strings.Contains(w.said.String(), cause) {
		w.t.Errorf("the log does not say %q but %s", cause, w.said)
	}
}

func (w *ward) calls() string {
	w.t.Helper()
	return strings.Join(rows(w.t, w.path, `SELECT id || ifnull(' ' || ending, '') FROM calls ORDER BY id`), ", ")
}

// copyTo makes a good copy of the file, as an operator's backup would.
func (w *ward) copyTo(path string) {
	w.t.Helper()
	if _, err := raw(w.t, w.path).Exec(`VACUUM INTO ?`, path); err != nil {
		w.t.Fatal(err)
	}
}

func damage(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil {
		_, err = io.CopyN(f, strings.NewReader(strings.Repeat("not a page of a database. ", 1<<20)), info.Size())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestADamagedFileIsNotedAtOnceAndAGoodOneIsUsedAgain(t *testing.T) {
	dir := t.TempDir()
	w := newWard(t, filepath.Join(dir, "ledger.db"))
	w.must("c_1")
	w.must("c_2")
	backup := filepath.Join(dir, "backup.db")
	w.copyTo(backup)
	w.must("c_3") // runs, and is not in the copy
	damage(t, w.path)
	w.mustNot("c_4", "the ledger was changed by somebody else")
	if !strings.Contains(w.said.String(), "file is not a database") {
		t.Errorf("the log says %s", w.said)
	}
	if _, _, err := w.Calls(t.Context(), Filter{}); err == nil {
		t.Error("it is read all the same")
	}
	if err := w.Settle(t.Context(), "c_1", Record{Ended: noon.Add(time.Minute), Ending: "busy"}); err != nil {
		t.Errorf("an ending that can wait: %v", err)
	}
	if err := os.Rename(backup, w.path); err != nil {
		t.Fatal(err)
	}
	w.must("c_5")
	if got := w.calls(); got != "c_1 busy, c_2 , c_3 , c_5 " {
		t.Errorf("the file has %s", got)
	}
	if !strings.Contains(w.said.String(), "can be used again") {
		t.Errorf("the log says %s", w.said)
	}
	if c := counted(t, w.Ledger, reservation("c_6"), today); c.Day.Total != 4 || c.Running.Total != 3 {
		t.Errorf("counted %+v", c)
	}
}

func TestAFileThatWasEmptiedIsNoNewLedger(t *testing.T) {
	w := newWard(t, filepath.Join(t.TempDir(), "ledger.db"))
	w.must("c_1")
	if err := os.Truncate(w.path, 0); err != nil {
		t.Fatal(err)
	}
	w.mustNot("c_2", "the file is not a database")
	w.mustNot("c_3", "the file is gone")
}

func TestADamagedFileAtTheStartKeepsTheGuardClosedUntilItIsGood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWard(t, path)
	w.mustNot("c_1", "file is not a database")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w.must("c_2")
}

func TestAFileThatIsGoneIsNotReplacedByAnEmptyOne(t *testing.T) {
	w := newWard(t, filepath.Join(t.TempDir(), "ledger.db"))
	w.must("c_1")
	away := w.path + ".away"
	if err := os.Rename(w.path, away); err != nil {
		t.Fatal(err)
	}
	w.mustNot("c_2", "the file is gone")
	w.mustNot("c_3", "the file is gone")
	if _, err := os.Stat(w.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
	if err := os.Rename(away, w.path); err != nil {
		t.Fatal(err)
	}
	w.must("c_4")
	if got := w.calls(); got != "c_1 , c_4 " {
		t.Errorf("the file has %s", got)
	}
}

func TestAFileThatIsReplacedIsReadAnew(t *testing.T) {
	dir := t.TempDir()
	w := newWard(t, filepath.Join(dir, "ledger.db"))
	w.must("c_1")
	if err := w.Settle(t.Context(), "c_1", Record{Ended: noon, Ending: "busy"}); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(dir, "backup.db")
	w.copyTo(backup)
	w.must("c_2")
	if err := w.Settle(t.Context(), "c_2", Record{Ended: noon, Ending: "busy"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(backup, w.path); err != nil {
		t.Fatal(err)
	}
	w.must("c_3")
	if got := w.calls(); got != "c_1 busy, c_3 " {
		t.Errorf("the file has %s", got)
	}
}

func TestAnOperatorsOwnToolMayWriteWhileWeRun(t *testing.T) {
	w := newWard(t, filepath.Join(t.TempDir(), "ledger.db"))
	w.must("c_1")
	if _, err := raw(t, w.path).Exec(`UPDATE calls SET room = 'moved'`); err != nil {
		t.Fatal(err)
	}
	w.must("c_2")
	if err := w.Settle(t.Context(), "c_1", Record{Ended: noon, Ending: "busy"}); err != nil {
		t.Errorf("a call that ran meanwhile: %v", err)
	}
	if got := w.calls(); got != "c_1 busy, c_2 " {
		t.Errorf("the file has %s", got)
	}
	if n := w.LeftOver(); n != 0 {
		t.Errorf("%d running calls count as left over", n)
	}
}

func TestALockedFileIsWaitedForAndThenRefused(t *testing.T) {
	w := newWard(t, filepath.Join(t.TempDir(), "ledger.db"))
	w.must("c_1")
	conn, err := raw(t, w.path).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	run := func(query string) {
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	run(`BEGIN EXCLUSIVE`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := reserve(ctx, w.Ledger, reservation("c_2")); !errors.Is(err, context.DeadlineExceeded) && !isInterrupted(err) {
		t.Errorf("a deadline while it is locked: %v", err)
	}
	if err := w.Settle(ctx, "c_1", Record{Ended: noon, Ending: "busy"}); err != nil {
		t.Errorf("an ending that can wait: %v", err)
	}
	w.mustNot("c_3", "database is locked")
	run(`ROLLBACK`)
	w.must("c_4")
	if got := w.calls(); got != "c_1 busy, c_4 " {
		t.Errorf("the file has %s", got)
	}
}

func isInterrupted(err error) bool { return err != nil && strings.Contains(err.Error(), "interrupt") }

func TestAFullDiskIsAnErrorUntilThereIsRoom(t *testing.T) {
	w := newWard(t, filepath.Join(t.TempDir(), "ledger.db"))
	w.must("c_1")
	limit := func(pages string) {
		<-w.turn
		defer func() { w.turn <- struct{}{} }()
		if _, err := w.file.conn.ExecContext(t.Context(), `PRAGMA max_page_count = `+pages); err != nil {
			t.Fatal(err)
		}
	}
	limit("1") // no page can be added
	big := reservation("c_2")
	big.Room = strings.Repeat("x", 50_000)
	if err := reserve(t.Context(), w.Ledger, big); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(w.said.String(), "full") {
		t.Errorf("the log says %s", w.said)
	}
	if err := w.Writable(t.Context()); err == nil { // a page or two would do for a check of less
		t.Error("it counts as writable")
	}
	limit("1000000")
	w.must("c_3")
	if got := w.calls(); got != "c_1 , c_3 " {
		t.Errorf("the file has %s", got)
	}
}

func TestAnotherProcessHasTheFileUntilItEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	first, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWard(t, path)
	w.mustNot("c_1", "another process uses it")
	if err := reserve(t.Context(), first, reservation("c_2")); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	w.must("c_3")
	if w.LeftOver() != 1 {
		t.Errorf("%d calls were left over", w.LeftOver())
	}
}

func TestAJudgeThatPanicsHurtsOnlyItself(t *testing.T) {
	w := newWard(t, filepath.Join(t.TempDir(), "ledger.db"))
	func() {
		defer func() { _ = recover() }()
		_ = w.Reserve(t.Context(), reservation("c_1"), today, func(Counters) (Terms, error) { panic("a bug") })
	}()
	_ = w.reserves("c_2") // finds the transaction of c_1 open
	w.must("c_3")
	if got := w.calls(); strings.Contains(got, "c_1") {
		t.Errorf("the file has %s", got)
	}
}

func TestWhatWasLeftOverIsChargedForAsLongAsItCanHaveLasted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	c := &clock{now: noon}
	l, err := Open(path, Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, id := range []string{"c_answered", "c_short", "c_unknown"} {
		r := reservation(id)
		if err := l.Reserve(ctx, r, today, func(Counters) (Terms, error) {
			if id == "c_short" {
				return Terms{MaxDuration: 30 * time.Second, Rate: 0.06}, nil
			}
			return Terms{MaxDuration: time.Hour, Rate: 0.06}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	l.Answered(ctx, "c_answered", noon.Add(20*time.Second))
	l.Answered(ctx, "c_short", noon.Add(20*time.Second))
	c.pass(2 * time.Minute)
	l.tend(ctx) // the last sign of life
	abandon(l)

	c.pass(10 * time.Hour)
	l, err = Open(path, Options{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	got := strings.Join(rows(t, path, `SELECT concat_ws(' ', id, ending, talk_ms / 1000, price, (ended_at - reserved_at) / 1000) FROM calls ORDER BY id`), ", ")
	if want := "c_answered left-over 125 125000 145, c_short left-over 30 30000 50, c_unknown left-over 145 145000 145"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	counters := counted(t, l, reservation("c_x"), today)
	if l.LeftOver() != 3 || counters.Day.Total != 3 || counters.Running.Total != 0 || counters.MinutesToday != 5 || counters.SpendToday != 0.3 {
		t.Errorf("%d left over, counted %+v", l.LeftOver(), counters)
	}
}

// abandon ends a ledger as kill -9 would.
func abandon(l *Ledger) {
	l.stop()
	<-l.done
	<-l.turn
	l.closed = true
	_ = l.shut()
	_ = l.lock.Close()
	l.turn <- struct{}{}
}
