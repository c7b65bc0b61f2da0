// Package ledger keeps the durable record of every call that was placed and
// every one that was refused, in one SQLite file, and counts what the caps are
// about.
//
// A call is written up to three times. [Ledger.Reserve] comes before anything is
// sent to the bridge: in one transaction it counts what was reserved, hands the
// counters to FraudGuard, takes a use of the signed link and writes the row. It
// returns only when that is on disk, so there are never fewer reservations than
// calls, and never more than the caps, whenever the process dies.
// [Ledger.Answered] adds when the phone was picked up, [Ledger.Settle] how it
// ended. What a crash left unsettled is settled by the next process, and keeps
// counting. An error of Reserve means: do not dial.
//
// Calls that come in are in the same record, for operators. They cost nothing,
// so nothing counts them and nobody waits for them ([Ledger.Note], inbound.go).
//
// A file that cannot be trusted is closed and looked at again every second, so
// that a ledger which was full, locked, read-only or corrupt is back as soon as
// the cause is gone (file.go says what is looked at). What must not be lost
// meanwhile, the endings of calls that ran, waits in memory.
//
// The ledger counts and stores; it decides nothing (package fraud does) and
// knows no other package's types, so that a server database can take its place.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// LeftOver is the ending of calls that were running when the process died. The
// bridge has hung them up, because nobody renewed their lease.
const LeftOver = "left-over"

// Errors of Reserve and Settle beside what is wrong with the file.
var (
	// ErrUnknown is returned by Settle for a call that has no reservation or is settled already.
	ErrUnknown = errors.New("ledger: no open reservation with this id")
	// ErrLinkUsed is returned by Reserve when the link has no use left.
	ErrLinkUsed = errors.New("ledger: the link is used up")
	// ErrLinkRevoked is returned by Reserve when an operator took the link back.
	ErrLinkRevoked = errors.New("ledger: the link is revoked")
	// ErrClosed is returned by everything after Close.
	ErrClosed = errors.New("ledger: closed")
)

// Directions of a call.
const (
	Out = "out"
	In  = "in"
)

// Asker is who wants a call: a page, a page with a signed link, a script or a
// registered phone. An inbound call comes by a trunk, from a registered phone or
// from another room.
type Asker struct {
	Kind        string     // "page", "link", "script", "extension", and inbound "trunk", "extension" or "room"
	Key         string     // id of the key that signed, for a script; the extension; the trunk
	Link        string     // id of the signed link
	IP          netip.Addr // of the page; the zero Addr when not known
	Bucket      string     // what the caps per client count the IP as; "" counts nowhere
	Participant string     // of the page
}

// Reservation is a call that is about to be placed.
type Reservation struct {
	ID     string // the call's
	At     time.Time
	Asker  Asker
	Room   string
	Number string // canonical; the caller's where the call came in, "" when withheld
	Trunk  string // the one asked for, "" for any
	Link   *Link  // the signed link that a use is taken of; nil: none

	// Set in records only.
	Direction string // Out or In
	Called    string // the number that was called, where the call came in
}

// Terms are what a call is allowed.
type Terms struct {
	MaxDuration time.Duration // from answer
	Rate        float64       // estimated price of a minute
}

// Attempt is one trunk that was tried.
type Attempt struct {
	Trunk string    `json:"trunk"`
	At    time.Time `json:"at"`
	Code  int       `json:"code,omitempty"` // its last SIP status
}

// Record is how a call went. Times that never came are zero.
type Record struct {
	Carrier  string // the trunk that carried it
	Answered time.Time
	Ended    time.Time
	Ending   string
	Code     int // the last SIP status
	Attempts []Attempt

	// Unseen is until when the call may go on where nobody tells us of its end,
	// because a carrier has it. It is charged up to then, and runs for the caps.
	Unseen time.Time
}

// Refusal is a call that was not placed.
type Refusal struct {
	ID     int64 // of the record; set by the ledger
	At     time.Time
	Asker  Asker
	Room   string
	Number string // canonical, or "" when it was no number
	Trunk  string
	Reason string
}

// Options is what a ledger may be told. Each has a default.
type Options struct {
	Retention time.Duration // how long calls and refusals are kept; 0: for ever
	Now       func() time.Time
	Logger    *slog.Logger
}

// Ledger is an open ledger, or one that cannot be opened for the moment. Its
// methods may be called concurrently; those that write take turns.
type Ledger struct {
	path string // fixed after New
	opt  Options
	log  *slog.Logger
	now  func() time.Time
	stop context.CancelFunc
	done chan struct{} // closed when run has ended

	turn chan struct{} // holds one token; SQLite has one writer, and a queue here beats its polling

	// Owned by whoever has the token.
	lock     *os.File
	file     *file // nil while the file cannot be trusted
	cause    error // why
	retry    time.Time
	known    bool           // the file was good once: it is not made anew
	left     [2]os.FileInfo // the file and its log when we last closed it
	said     string
	live     map[string]live // what this process reserved and did not settle
	leftOver int
	closed   bool

	failed atomic.Bool            // the last reservation could not be written
	reader atomic.Pointer[sql.DB] // for queries; nil while the file cannot be trusted

	mu    sync.Mutex // guards what follows
	late  []*change  // of calls that run, to be written with the next transaction
	notes notes      // of inbound calls
}

// live is a call that is reserved and not settled.
type live struct {
	r     Reservation
	terms Terms
}

// New returns the ledger at path, and makes the file where there is none. A
// file that cannot be opened now is tried again; until then nothing can be
// reserved, and Writable says why.
func New(path string, opt Options) *Ledger {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &Ledger{path: path, opt: opt, log: opt.Logger, now: opt.Now, stop: stop,
		done: make(chan struct{}), turn: make(chan struct{}, 1), live: map[string]live{}, notes: newNotes()}
	l.report(l.open())
	l.turn <- struct{}{}
	go l.run(ctx)
	return l
}

// Open is New for those who need the file at once: one that cannot be opened is
// an error.
func Open(path string, opt Options) (*Ledger, error) {
	l := New(path, opt)
	<-l.turn
	err := l.cause
	l.turn <- struct{}{}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the ledger %s: %w", path, err), l.Close())
	}
	return l, nil
}

// LeftOver is how many calls earlier processes left open.
func (l *Ledger) LeftOver() int {
	<-l.turn
	defer func() { l.turn <- struct{}{} }()
	return l.leftOver
}

// Refused writes a call that was not placed. The newest 100,000 are kept.
func (l *Ledger) Refused(ctx context.Context, r Refusal) error {
	return l.write(ctx, "recording a refusal", relaxed, func(ctx context.Context, tx *tx) error {
		res, err := tx.exec(ctx,
			`INSERT INTO refusals (at, asker, key, link, ip, bucket, participant, room, number, trunk, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			r.At.UnixMilli(), r.Asker.Kind, r.Asker.Key, r.Asker.Link, ipText(r.Asker.IP), r.Asker.Bucket, r.Asker.Participant,
			r.Room, r.Number, r.Trunk, r.Reason)
		if err != nil {
			return err
		}
		id, err := res.LastInsertId()
		if err == nil {
			_, err = tx.exec(ctx, `DELETE FROM refusals WHERE id <= ?`, id-maxRefusals)
		}
		return err
	})
}

// ballast is more than a reservation writes: it touches a dozen pages of 4 KiB.
const ballast = 64 << 10

// Writable tells whether a reservation could be written now, by writing to the
// same disk: next to nothing, but as much as a reservation needs where the last
// one failed, for the last bytes of a disk may do for the one and not the other.
func (l *Ledger) Writable(ctx context.Context) error {
	size := 0
	if l.failed.Load() {
		size = ballast
	}
	return l.write(ctx, "checking", durable, func(ctx context.Context, tx *tx) error {
		_, err := tx.exec(ctx, `UPDATE probe SET checks = checks + 1, ballast = zeroblob(?)`, size)
		return err
	}, func() { l.failed.Store(false) })
}

// Close waits for the write under way, writes what is late and closes the file.
// It may be called more than once.
func (l *Ledger) Close() error {
	l.stop()
	<-l.done
	<-l.turn
	defer func() { l.turn <- struct{}{} }()
	if l.closed {
		return nil
	}
	l.closed = true
	var err error
	if l.file != nil {
		ctx, cancel := context.WithTimeout(context.Background(), tendTimeout)
		defer cancel()
		err = l.transact(ctx, relaxed, nil)
		for list := l.nextNotes(); err == nil && len(list) > 0; list = l.nextNotes() {
			if err = l.transact(ctx, relaxed, func(ctx context.Context, tx *tx) error { return tx.note(ctx, list) }); err == nil {
				l.noted(list)
			}
		}
	}
	if l.file != nil { // it may have turned out not to be good
		err = errors.Join(err, l.shut())
	}
	if l.lock != nil {
		err = errors.Join(err, l.lock.Close())
		l.lock = nil
	}
	return err
}

// refused is an error that the file has nothing to do with.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// write runs one transaction when it is its turn. The context ends the waiting,
// and interrupts the transaction unless that is already committing. then runs
// after a commit, still in turn. Errors of the type refused are returned as what
// they hold.
func (l *Ledger) write(ctx context.Context, doing string, sync synchronous, f func(context.Context, *tx) error, then ...func()) error {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return fmt.Errorf("ledger: %s: %w", doing, ctx.Err())
	}
	defer func() { l.turn <- struct{}{} }()
	if l.closed {
		return ErrClosed
	}
	if err := l.ready(); err != nil {
		l.report(err)
		return fmt.Errorf("ledger: %s: %w", doing, err)
	}
	err := l.transact(ctx, sync, f)
	var no refused
	if errors.As(err, &no) {
		l.report(nil)
		return no.error
	}
	if ctx.Err() == nil {
		l.report(err)
	}
	if err != nil {
		return fmt.Errorf("ledger: %s: %w", doing, err)
	}
	for _, f := range then {
		f()
	}
	return nil
}

// report says in the log when the ledger stops to work, and when it works again.
func (l *Ledger) report(err error) {
	switch {
	case err != nil && err.Error() != l.said:
		l.said = err.Error()
		l.log.Error("the ledger cannot be used, no call is placed", "file", l.path, "cause", err)
	case err == nil && l.said != "":
		l.said = ""
		l.log.Info("the ledger can be used again", "file", l.path)
	}
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
