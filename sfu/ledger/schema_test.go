package ledger

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"
)

// version1File makes a file as the first release left it.
func version1File(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, q := range []string{version1, `PRAGMA user_version = 1`, `PRAGMA journal_mode = WAL`,
		`INSERT INTO calls (id, reserved_at, asker, key, ip, participant, room, number, trunk, answered_at, ended_at, ending) VALUES
			('c_1', 1772366400000, 'page', '', '192.0.2.7', 'p_1', 'sales', '+4930123456', '', 1772366410000, 1772366470000, 'busy'),
			('c_2', 1772366401000, 'script', 'crm', '', '', 'sales', '+4930123456', 'tr_1', NULL, 1772366402000, 'busy'),
			('c_3', 1772366402000, 'page', '', '192.0.2.7', 'p_1', 'sales', '+4930123457', '', NULL, NULL, '')`,
		`INSERT INTO refusals (at, asker, key, ip, participant, room, number, trunk, reason) VALUES (1772366400000, 'page', '', '192.0.2.7', '', '', '', '', 'blocked')`} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFileOfTheFirstVersionKeepsCounting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	version1File(t, path)
	l, err := Open(path, Options{Now: func() time.Time { return noon.Add(time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	r := reservation("c_4")
	r.Asker.Bucket = "192.0.2.7"
	got := counted(t, l, r, today)
	if want := (Counts{Total: 3, IP: 2, Room: 3, Number: 2}); got.Day != want || got.Running != (Counts{}) || got.MinutesToday < 1 {
		t.Errorf("counted %+v", got)
	}
	if l.LeftOver() != 1 {
		t.Errorf("%d left over", l.LeftOver())
	}
	calls, total, err := l.Calls(t.Context(), Filter{})
	if err != nil || total != 3 || calls[2].ID != "c_1" || calls[2].Talk != time.Minute {
		t.Errorf("%d calls: %+v, %v", total, calls, err)
	}
	if _, total, err := l.Refusals(t.Context(), Filter{}); err != nil || total != 1 {
		t.Errorf("%d refusals, %v", total, err)
	}
}
