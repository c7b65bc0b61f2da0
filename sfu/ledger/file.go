package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	sqlite "modernc.org/sqlite" // registers the database/sql driver "sqlite", pure Go
	codes "modernc.org/sqlite/lib"
)

// What is trusted, and what becomes of a file that is not:
//
//   - SQLite says corrupt, no database, I/O error, read-only …: nothing is held
//     open any more, so that an operator can put a good copy in its place. Every
//     second, at most, the file is opened anew and checked in whole; when it is
//     sound it is used again. Full and locked do not need that: the next
//     transaction simply works, or does not.
//   - Somebody else has written to the file or replaced it: it is opened anew and
//     checked before anything is read from it. Our connection would not notice.
//   - It is no database any more: it is set aside with its write-ahead log, as
//     NAME.damaged, and is gone.
//   - The file is gone: an empty one would have forgotten what counts against the
//     caps, so none is made for as long as this process lives. A good copy in its
//     place is used; to begin with an empty ledger, the process is restarted.
//
// A copy counts what it has. Calls that run are written into it where it does
// not have them, and a log that belonged to another file is not applied to it.

// tryAgain is how long a file that could not be trusted is left alone.
const tryAgain = time.Second

// synchronous is how much a commit waits for the disk: SQLite's setting.
type synchronous string

const (
	// durable syncs the commit to disk.
	durable synchronous = "FULL"
	// relaxed leaves that to the next commit that is durable, or to a checkpoint.
	// It survives a crash of the process; a power cut at worst reopens a call,
	// which the next process settles.
	relaxed synchronous = "NORMAL"
)

// file is the open file: one connection that writes.
type file struct {
	path string
	db   *sql.DB
	conn *sql.Conn
	tx   *tx
	mode synchronous
	seen [2]os.FileInfo // the file and its write-ahead log, as we left them; nil: not there
}

// tx is a transaction under way; it keeps its statements for the next one.
type tx struct {
	conn *sql.Conn
	kept map[string]*sql.Stmt
}

func (t *tx) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	s, ok := t.kept[query]
	if ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(ctx, query)
	if err == nil {
		t.kept[query] = s
	}
	return s, err
}

func (t *tx) exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := t.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := t.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

func (t *tx) queryRow(ctx context.Context, query string, args ...any) *sql.Row {
	s, err := t.prepare(ctx, query)
	if err != nil {
		return t.conn.QueryRowContext(ctx, query, args...) // brings the same error
	}
	return s.QueryRowContext(ctx, args...)
}

// ready opens the file where that is due. An error is why it cannot be used.
func (l *Ledger) ready() error {
	if l.file != nil && l.file.changed() {
		l.log.Warn("the ledger was changed by somebody else, it is checked", "file", l.path)
		if err := l.looksRight(); err != nil {
			l.setAside()
			l.cause, l.retry = err, l.now().Add(tryAgain)
			return err
		}
		_ = l.shut()
		l.retry = time.Time{}
	}
	if l.file != nil {
		return nil
	}
	if now := l.now(); now.Before(l.retry) && !l.retry.After(now.Add(tryAgain)) {
		return l.cause
	}
	return l.open()
}

// open opens the file, makes sure of it, and settles what no process runs any more.
func (l *Ledger) open() error {
	f, err := l.openFile()
	if err == nil {
		l.file = f
		err = l.recover()
		f.note()
		if err == nil {
			l.cause, l.known = nil, true
			return nil
		}
		_ = l.shut()
	}
	l.cause, l.retry = err, l.now().Add(tryAgain)
	return err
}

func (l *Ledger) openFile() (_ *file, err error) {
	if l.path, err = filepath.Abs(l.path); err != nil {
		return nil, err
	}
	mode := "rwc"
	if l.known {
		mode = "rw"
		if _, err := os.Stat(l.path); err != nil {
			return nil, fmt.Errorf("the file is gone, and no empty one takes its place: %w", err)
		}
	} else if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return nil, err
	}
	// Two processes on one ledger would settle each other's running calls.
	if l.lock == nil {
		if l.lock, err = lockFile(l.path + ".lock"); err != nil {
			return nil, err
		}
	}
	if err := l.looksRight(); err != nil {
		return nil, err
	}
	if err := l.dropForeignLog(); err != nil {
		return nil, err
	}
	f := &file{path: l.path, mode: durable}
	defer func() {
		if err != nil {
			_ = f.close()
		}
	}()
	if f.db, err = connect(l.path, mode, 1); err != nil {
		return nil, err
	}
	var verdict string
	if err := f.db.QueryRow(`PRAGMA quick_check(1)`).Scan(&verdict); err != nil {
		return nil, err
	}
	if verdict != "ok" {
		return nil, fmt.Errorf("the file is damaged: %s", verdict)
	}
	if err := migrate(f.db); err != nil {
		return nil, err
	}
	if f.conn, err = f.db.Conn(context.Background()); err != nil {
		return nil, err
	}
	f.tx = &tx{f.conn, map[string]*sql.Stmt{}}
	reader, err := connect(l.path, "ro", readers)
	if err != nil {
		return nil, err
	}
	l.reader.Store(reader)
	return f, nil
}

// shut closes the file.
func (l *Ledger) shut() error {
	f := l.file
	l.file, l.left = nil, f.seen
	var err error
	if reader := l.reader.Swap(nil); reader != nil {
		err = reader.Close()
	}
	return errors.Join(err, f.close())
}

func (f *file) close() error {
	var errs []error
	if f.conn != nil {
		for _, s := range f.tx.kept {
			errs = append(errs, s.Close())
		}
		errs = append(errs, f.conn.Close())
	}
	if f.db != nil {
		errs = append(errs, f.db.Close())
	}
	return errors.Join(errs...)
}

// magic is how every SQLite file begins (https://sqlite.org/fileformat.html §1.3).
const magic = "SQLite format 3\x00"

// looksRight reports what is no database at first sight. Closing the file, which
// it opens, drops SQLite's locks on it: it must be on its way out, or not be open.
func (l *Ledger) looksRight() error {
	f, err := os.Open(l.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil // somebody else's finding
	} else if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, len(magic))
	n, err := io.ReadFull(f, head)
	if n == 0 && errors.Is(err, io.EOF) && !l.known {
		return nil // SQLite's own way to begin
	}
	if string(head) != magic {
		return errors.New("the file is not a database")
	}
	return nil
}

// setAside puts a file that is no database any more out of the way. SQLite would
// write its log over it, or over what an operator puts in its place.
func (l *Ledger) setAside() {
	aside := l.path + ".damaged"
	err := os.Rename(l.path, aside) // a file that has moved is not written to when it is closed
	err = errors.Join(err, l.shut(), os.Rename(l.path+"-wal", aside+"-wal"))
	_ = os.Remove(l.path + "-shm")
	l.log.Error("a damaged ledger was set aside", "file", aside, "error", err)
}

// dropForeignLog puts the log aside that we left beside another file than this.
func (l *Ledger) dropForeignLog() error {
	file, err := os.Stat(l.path)
	if err != nil || l.left[0] == nil || os.SameFile(file, l.left[0]) {
		return nil
	}
	log, err := os.Stat(l.path + "-wal")
	if err != nil || l.left[1] == nil || !os.SameFile(log, l.left[1]) {
		return nil
	}
	_ = os.Remove(l.path + "-shm")
	return os.Rename(l.path+"-wal", l.path+".replaced-wal")
}

// note remembers how we left the file.
func (f *file) note() { f.seen = f.look() }

// changed reports whether the file is not as we left it. The kernel's time
// stamps tell writes apart that are some milliseconds apart.
func (f *file) changed() bool {
	for i, now := range f.look() {
		was := f.seen[i]
		if (now == nil) != (was == nil) {
			return true
		}
		if now != nil && (!os.SameFile(now, was) || now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime())) {
			return true
		}
	}
	return false
}

func (f *file) look() (found [2]os.FileInfo) {
	for i, path := range []string{f.path, f.path + "-wal"} {
		if info, err := os.Stat(path); err == nil { // without opening it, which would drop SQLite's locks (POSIX: fcntl)
			found[i] = info
		}
	}
	return found
}

// transact writes what is late and then runs f, in one transaction. It is our
// turn, and there is a file.
func (l *Ledger) transact(ctx context.Context, sync synchronous, f func(context.Context, *tx) error) error {
	late := l.lateChanges()
	if f == nil && len(late) == 0 {
		return nil
	}
	err := l.commit(ctx, sync, func(tx *tx) error {
		for _, c := range late {
			if err := c.apply(ctx, tx); err != nil {
				return err
			}
		}
		if f == nil {
			return nil
		}
		return f(ctx, tx)
	})
	l.file.note()
	if err == nil {
		l.written(late)
	} else if !trusted(err) {
		_ = l.shut()
		l.cause, l.retry = err, l.now().Add(tryAgain)
	}
	return err
}

func (l *Ledger) commit(ctx context.Context, sync synchronous, f func(*tx) error) (err error) {
	tx := l.file.tx
	if sync != l.file.mode {
		if _, err := tx.conn.ExecContext(ctx, `PRAGMA synchronous = `+string(sync)); err != nil {
			return err
		}
		l.file.mode = sync
	}
	if _, err := tx.exec(ctx, `BEGIN IMMEDIATE`); err != nil {
		return err
	}
	whole := context.WithoutCancel(ctx)
	defer func() {
		if err != nil {
			_, _ = tx.exec(whole, `ROLLBACK`) // SQLite may have done it already
		}
	}()
	if err := f(tx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err = tx.exec(whole, `COMMIT`)
	return err
}

// trusted reports whether a transaction can have failed with this error on a
// sound file.
func trusted(err error) bool {
	var no refused
	var e *sqlite.Error
	switch {
	case errors.As(err, &no), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return true
	case errors.As(err, &e):
		switch e.Code() & 0xff { // the primary result code
		case codes.SQLITE_BUSY, codes.SQLITE_LOCKED, codes.SQLITE_INTERRUPT, codes.SQLITE_FULL, codes.SQLITE_CONSTRAINT:
			return true
		}
	}
	return false
}

// readers is how many queries of operators run at once.
const readers = 2

// read runs queries on a snapshot of the file. It waits for no turn.
func (l *Ledger) read(ctx context.Context, doing string, f func(*tx) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("ledger: %s: %w", doing, err)
		}
	}()
	db := l.reader.Load()
	if db == nil {
		return errors.New("the file cannot be used at the moment")
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	t := &tx{conn, map[string]*sql.Stmt{}}
	if _, err := conn.ExecContext(ctx, `BEGIN`); err != nil {
		return err
	}
	defer func() {
		for _, s := range t.kept {
			err = errors.Join(err, s.Close())
		}
		_, end := conn.ExecContext(context.WithoutCancel(ctx), `ROLLBACK`) // it has only read
		err = errors.Join(err, end)
	}()
	return f(t)
}
