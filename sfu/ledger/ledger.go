// Package ledger keeps the durable record of every call that was placed and
// every one that was refused, in one SQLite file.
//
// A call is written twice. [Ledger.Reserve] comes before anything is sent to
// the bridge and returns only when the row is on disk, so there are never
// fewer reservations than calls, whenever the process dies. [Ledger.Settle]
// adds how it ended. What a crash left unsettled is settled by the next [Open].
// An error of Reserve means: do not dial.
//
// The ledger counts and stores; it decides nothing (package fraud does) and
// knows no other package's types, so that a server database can take its place.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the database/sql driver "sqlite", pure Go
)

// LeftOver is the ending of calls that were running when the process died. The
// bridge has hung them up, because nobody renewed their lease.
const LeftOver = "left-over"

// maxRefusals is how many refusals are kept, newest first: a stranger who is
// refused all day must not fill the disk (100,000 rows are about 20 MB).
const maxRefusals = 100_000

// ErrUnknown is returned by Settle for a call that has no reservation or is settled already.
var ErrUnknown = errors.New("ledger: no open reservation with this id")

// Asker is who wants a call: a page or a script.
type Asker struct {
	Kind        string     // "page" or "script"
	Key         string     // id of the key that signed, for a script
	IP          netip.Addr // of the page; the zero Addr when not known
	Participant string     // of the page
}

// Reservation is a call that is about to be placed.
type Reservation struct {
	ID     string // the call's
	At     time.Time
	Asker  Asker
	Room   string
	Number string // canonical
	Trunk  string // the one asked for, "" for any
}

// Record is how a call went. Times that never came are zero.
type Record struct {
	Trunk    string // the one that carried it
	Answered time.Time
	Ended    time.Time
	Ending   string
	Code     int // the last SIP status
}

// Refusal is a call that was not placed.
type Refusal struct {
	At     time.Time
	Asker  Asker
	Room   string
	Number string // canonical, or "" when it was no number
	Trunk  string
	Reason string
}

// Ledger is an open ledger. Its methods may be called concurrently; they take turns.
type Ledger struct {
	lock     *os.File
	leftOver int
	turn     chan struct{} // holds one token; SQLite has one writer, and a queue here beats its polling

	// durable syncs every commit to disk. relaxed leaves that to the next
	// checkpoint: what it writes survives a crash of the process, and a power
	// cut at worst reopens a call, which Open settles.
	durable, relaxed *sql.DB
}

// Open opens or makes the ledger at path and settles what a crash left open.
// It fails when another process has it, and when the file was written by a
// newer version.
func Open(path string) (*Ledger, error) {
	l, err := open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger %s: %w", path, err)
	}
	return l, nil
}

func open(path string) (_ *Ledger, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	l := &Ledger{turn: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			_ = l.Close()
		}
	}()
	l.turn <- struct{}{}
	// Two processes on one ledger would settle each other's running calls.
	if l.lock, err = lockFile(path + ".lock"); err != nil {
		return nil, err
	}
	if l.durable, err = connect(path, "FULL"); err != nil {
		return nil, err
	}
	if l.relaxed, err = connect(path, "NORMAL"); err != nil {
		return nil, err
	}
	if err := migrate(l.durable); err != nil {
		return nil, err
	}
	res, err := l.durable.Exec(`UPDATE calls SET ended_at = CAST(unixepoch('subsec') * 1000 AS INTEGER), ending = ? WHERE ended_at IS NULL`, LeftOver)
	if err != nil {
		return nil, fmt.Errorf("settling what was left over: %w", err)
	}
	n, err := res.RowsAffected()
	l.leftOver = int(n)
	return l, err
}

// LeftOver is how many calls the last process left open.
func (l *Ledger) LeftOver() int { return l.leftOver }

// Reserve writes a call that is about to be placed. When it returns nil the row
// is on disk; on any error the call must not be placed.
func (l *Ledger) Reserve(ctx context.Context, r Reservation) error {
	return l.write(ctx, "reserving", func(ctx context.Context) error {
		_, err := l.durable.ExecContext(ctx,
			`INSERT INTO calls (id, reserved_at, asker, key, ip, participant, room, number, trunk) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.ID, r.At.UnixMilli(), r.Asker.Kind, r.Asker.Key, ipText(r.Asker.IP), r.Asker.Participant, r.Room, r.Number, r.Trunk)
		return err
	})
}

// Settle writes how a reserved call ended. The first settlement stands; another one is ErrUnknown.
func (l *Ledger) Settle(ctx context.Context, id string, r Record) error {
	return l.write(ctx, "settling", func(ctx context.Context) error {
		res, err := l.relaxed.ExecContext(ctx,
			`UPDATE calls SET used_trunk = ?, answered_at = ?, ended_at = ?, ending = ?, code = ? WHERE id = ? AND ended_at IS NULL`,
			r.Trunk, milli(r.Answered), r.Ended.UnixMilli(), r.Ending, r.Code, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return ErrUnknown
	})
}

// Refused writes a call that was not placed. The newest 100,000 are kept.
func (l *Ledger) Refused(ctx context.Context, r Refusal) error {
	return l.write(ctx, "recording a refusal", func(ctx context.Context) error {
		res, err := l.relaxed.ExecContext(ctx,
			`INSERT INTO refusals (at, asker, key, ip, participant, room, number, trunk, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.At.UnixMilli(), r.Asker.Kind, r.Asker.Key, ipText(r.Asker.IP), r.Asker.Participant, r.Room, r.Number, r.Trunk, r.Reason)
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err == nil {
			_, err = l.relaxed.ExecContext(ctx, `DELETE FROM refusals WHERE id <= ?`, id-maxRefusals)
		}
		return err
	})
}

// Writable tells whether a reservation could be written now, by writing to the same disk.
func (l *Ledger) Writable(ctx context.Context) error {
	return l.write(ctx, "checking", func(ctx context.Context) error {
		_, err := l.durable.ExecContext(ctx, `UPDATE probe SET checks = checks + 1`)
		return err
	})
}

// Close waits for the write under way and closes the ledger. Later writes fail.
func (l *Ledger) Close() error {
	<-l.turn
	defer func() { l.turn <- struct{}{} }()
	var errs []error
	for _, db := range []*sql.DB{l.relaxed, l.durable} { // closing twice is harmless
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
		l.lock = nil
	}
	return errors.Join(errs...)
}

// write runs one write when it is its turn. The context ends the waiting, and
// interrupts the write unless that is already committing.
func (l *Ledger) write(ctx context.Context, doing string, f func(context.Context) error) error {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return fmt.Errorf("ledger: %s: %w", doing, ctx.Err())
	}
	defer func() { l.turn <- struct{}{} }()
	if err := f(ctx); errors.Is(err, ErrUnknown) {
		return err
	} else if err != nil {
		return fmt.Errorf("ledger: %s: %w", doing, err)
	}
	return nil
}

func ipText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().String()
}

func milli(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMilli()
}
