package e2e

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dialroom/shared/config"
)

// ledgerPath is where the sfu has its ledger.
func (w *world) ledgerPath() string { return filepath.Join(w.stack.Config.DataDir, "ledger.db") }

// hurt is one thing that happens to a ledger while the sfu runs.
type hurt struct {
	name  string
	hurt  func(w *world)
	heal  func(w *world)
	cause string // in the log
}

func hurts() []hurt {
	var locker *sql.Conn
	return []hurt{
		{"the disk is full", func(w *world) {
			limitFileSize(w, 1) // whatever the files of the ledger have, they cannot grow
		}, func(w *world) { limitFileSize(w, unix.RLIM_INFINITY) }, "the ledger cannot be used"},
		{"somebody holds a lock on it", func(w *world) {
			db, err := sql.Open("sqlite", "file:"+w.ledgerPath()+"?_pragma=busy_timeout(20000)")
			if err == nil {
				w.Cleanup(func() { _ = db.Close() })
				if locker, err = db.Conn(context.Background()); err == nil {
					_, err = locker.ExecContext(context.Background(), `BEGIN EXCLUSIVE`)
				}
			}
			if err != nil {
				w.Fatal(err)
			}
		}, func(w *world) {
			if _, err := locker.ExecContext(context.Background(), `ROLLBACK`); err != nil {
				w.Fatal(err)
			}
			_ = locker.Close()
		}, "database is locked"},
		{"it is overwritten", func(w *world) {
			w.backup()
			if err := os.WriteFile(w.ledgerPath(), []byte(strings.Repeat("not a database ", 5000)), 0o600); err != nil {
				w.Fatal(err)
			}
		}, (*world).restore, "the file is not a database"},
		{"it is gone", func(w *world) {
			w.backup()
			if err := os.Remove(w.ledgerPath()); err != nil {
				w.Fatal(err)
			}
		}, (*world).restore, "the file is gone"},
	}
}

// limitFileSize bounds the files of the running sfu, in bytes.
func limitFileSize(w *world, most uint64) {
	w.Helper()
	limit := unix.Rlimit{Cur: most, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(w.stack.SFU.PID(), unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		w.Fatal(err)
	}
}

// backup makes a good copy of the ledger, as an operator would.
func (w *world) backup() {
	w.Helper()
	db, err := sql.Open("sqlite", "file:"+w.ledgerPath()+"?_pragma=busy_timeout(20000)")
	if err == nil {
		_, err = db.Exec(`VACUUM INTO ?`, w.ledgerPath()+".backup")
		_ = db.Close()
	}
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) restore() {
	w.Helper()
	if err := os.Rename(w.ledgerPath()+".backup", w.ledgerPath()); err != nil {
		w.Fatal(err)
	}
}

// verdictOfAPage dials from a room of its own.
func (w *world) verdictOfAPage(number string) string {
	w.Helper()
	v, err := w.visit(w.soon(), "room of "+number, "")
	if err != nil {
		w.Fatal(err)
	}
	defer v.close()
	refusal, err := v.dial(w.soon(), number)
	if err != nil {
		w.Fatal(err)
	}
	return refusal
}

func TestWithoutASoundLedgerNobodyIsCalledUntilItIsSoundAgain(t *testing.T) {
	for _, h := range hurts() {
		t.Run(h.name, func(t *testing.T) {
			w := newWorld(t, capped(2))
			if refusal := w.verdictOfAPage("+4930000001"); refusal != "" {
				t.Fatalf("before: refused with %s", refusal)
			}
			w.call("4930000001", 0)
			h.hurt(w)
			w.noCalls(h.cause)
			h.heal(w)
			eventually(t, patience, "it is ready again", func() bool { return w.readiness() == 200 })
			if refusal := w.verdictOfAPage("+4930000004"); refusal != "" {
				t.Errorf("healed: refused with %s", refusal)
			}
			w.call("4930000004", 0)
			if refusal := w.verdictOfAPage("+4930000005"); refusal != "cap-day" {
				t.Errorf("what was reserved before does not count: %q", refusal)
			}
			if n := w.carrier.Count("INVITE"); n != 2 {
				t.Errorf("%d INVITEs, want 2", n)
			}
		})
	}
}

// noCalls wants every dial refused, no readiness, and the cause in the log.
func (w *world) noCalls(cause string) {
	w.Helper()
	before := w.carrier.Count("INVITE")
	if refusal := w.verdictOfAPage("+4930000002"); refusal != "guard-unavailable" {
		w.Errorf("a page: %q", refusal)
	}
	// On a full disk the sfu cannot remember the bridge's nonces either, which is the same to a script.
	if refusal, err := dialAsScript(w.soon(), w.script(), "script room", "+4930000003"); refusal != "guard-unavailable" {
		w.Errorf("a script: %q, %v", refusal, err)
	}
	eventually(w.TB, patience, "it is not ready", func() bool { return w.readiness() == 503 }) // what it said last is good for a second
	if !strings.Contains(w.log.String(), cause) {
		w.Errorf("the log does not say %q", cause)
	}
	if n := w.carrier.Count("INVITE") - before; n != 0 {
		w.Errorf("%d INVITEs", n)
	}
}

func TestAnSFUThatStartsWithADamagedLedgerOpensRoomsAndCallsNobody(t *testing.T) {
	w := newWorld(t, capped(5))
	w.stack.SFU.Kill()
	if err := os.WriteFile(w.ledgerPath(), []byte(strings.Repeat("not a database ", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.stack.StartSFU(); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the sfu answers", func() bool { return w.readiness() == 503 })
	w.noCalls("the file is not a database")
}

func TestRulesThatCannotBeReadAtAReloadCallNobodyUntilTheyCan(t *testing.T) {
	w := newWorld(t, capped(5))
	write := func(text []byte) {
		if err := os.WriteFile(w.stack.Settings, text, 0o600); err != nil {
			t.Fatal(err)
		}
		w.stack.SFU.Signal(syscall.SIGHUP)
	}
	good, err := os.ReadFile(w.stack.Settings)
	if err != nil {
		t.Fatal(err)
	}
	write(append([]byte("fraud: {allow: everything}\n"), good...))
	eventually(t, patience, "it is not ready", func() bool { return w.readiness() == 503 })
	w.noCalls("the rules cannot be read")
	write(good)
	eventually(t, patience, "it is ready again", func() bool { return w.readiness() == 200 })
	if refusal := w.verdictOfAPage("+4930000004"); refusal != "" {
		t.Errorf("with good rules: refused with %s", refusal)
	}
}

// A call that runs is not touched by what happens to the ledger, and its ending
// is written once that can be done.
func TestACallOutlivesAFullDiskAndItsEndingIsWrittenLater(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) { c.SFU.EmptyRoomGrace = time.Second }})
	v, err := w.visit(w.soon(), "room", "")
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	if refusal, err := v.dial(w.soon(), "600"); err != nil || refusal != "" {
		t.Fatalf("refused with %q, %v", refusal, err)
	}
	w.event(patience, "ANSWER", "600")
	limitFileSize(w, 1)
	w.noCalls("the ledger cannot be used")
	v.close() // the room empties, and the call ends
	w.event(patience, "BYE", "600")
	limitFileSize(w, unix.RLIM_INFINITY)
	eventually(t, patience, "the ending is written", func() bool {
		return w.readiness() == 200 && w.ending("600") == "room-empty"
	})
}

// ending reads how the last call to a number ended.
func (w *world) ending(number string) (ending string) {
	db, err := sql.Open("sqlite", "file:"+w.ledgerPath()+"?mode=ro")
	if err != nil {
		return ""
	}
	defer func() { _ = db.Close() }()
	_ = db.QueryRow(`SELECT ending FROM calls WHERE number = ? ORDER BY reserved_at DESC`, number).Scan(&ending)
	return ending
}
