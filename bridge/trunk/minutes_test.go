package trunk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// life is one life of a process with a trunk that may place three calls a minute.
func life(t *testing.T, path string, now *time.Time) *Table {
	t.Helper()
	table := NewTable([]Trunk{perMinute(tr("a", 10, "+"), 3)}, func() time.Time { return *now })
	if err := table.Remember(path, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	return table
}

// places tries n calls and returns how many were let.
func places(table *Table, n int) (let int) {
	for range n {
		if slot, err := table.First("+4930123456", ""); err == nil {
			slot.Release()
			let++
		}
	}
	return let
}

func TestAProcessThatDiesWithEveryCallPlacesNoMoreOfThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minutes")
	now := time.Unix(1_700_000_000, 0)
	let := 0
	for range 10 {
		let += places(life(t, path, &now), 1) // and is killed: nothing is closed
		now = now.Add(time.Second)
	}
	if let != 3 {
		t.Errorf("%d calls in a minute, want 3", let)
	}
	now = now.Add(time.Minute)
	table := life(t, path, &now)
	if let := places(table, 5); let != 3 {
		t.Errorf("%d calls in the next minute, want 3", let)
	}
	if err := table.Close(); err != nil {
		t.Error(err)
	}
	if err := table.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsTornInTheFileOfAMinuteCountsForNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minutes")
	now := time.Unix(1_700_000_000, 0)
	if err := os.WriteFile(path, []byte("1699999990000 a\nnonsense\n17000000 b\n1800000000000 a\n1699999999"), 0o600); err != nil {
		t.Fatal(err)
	}
	if let := places(life(t, path, &now), 5); let != 1 {
		t.Errorf("%d calls, want 1: one was seconds ago, one by a clock that ran ahead", let)
	}
}

func TestTheFileOfAMinuteDoesNotGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "minutes")
	now := time.Unix(1_700_000_000, 0)
	table := NewTable([]Trunk{perMinute(tr("a", 10, "+"), 1000)}, func() time.Time { return now })
	if err := table.Remember(path, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	for range 3 * maxDiary {
		now = now.Add(time.Second)
		if places(table, 1) != 1 {
			t.Fatal("refused")
		}
	}
	text, err := os.ReadFile(path)
	if lines := strings.Count(string(text), "\n"); err != nil || lines > maxDiary+100 {
		t.Errorf("%d lines, %v", lines, err)
	}
	_ = table.Close()
}

func TestACallThatCannotBeNotedCountsAllTheSame(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_700_000_000, 0)
	table := NewTable([]Trunk{perMinute(tr("a", 10, "+"), 3)}, func() time.Time { return now })
	var failures []error
	if err := table.Remember(filepath.Join(dir, "minutes"), func(err error) { failures = append(failures, err) }); err != nil {
		t.Fatal(err)
	}
	_ = table.diary.file.Close() // and its disk is gone
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if let := places(table, 5); let != 3 || len(failures) != 3 || !errors.Is(failures[1], os.ErrNotExist) {
		t.Errorf("%d calls, told of %v", let, failures)
	}
}
