package ledger

import (
	"database/sql"
	"fmt"
	"net/url"
)

// migrations bring a file from version i to version i+1 (PRAGMA user_version).
// A published one is never edited. Times are Unix milliseconds.
func migrations() []string {
	return []string{`
CREATE TABLE calls (
	id          TEXT PRIMARY KEY,
	reserved_at INTEGER NOT NULL,
	asker       TEXT NOT NULL,
	key         TEXT NOT NULL,
	ip          TEXT NOT NULL,
	participant TEXT NOT NULL,
	room        TEXT NOT NULL,
	number      TEXT NOT NULL,
	trunk       TEXT NOT NULL,
	used_trunk  TEXT NOT NULL DEFAULT '',
	answered_at INTEGER,
	ended_at    INTEGER,
	ending      TEXT NOT NULL DEFAULT '',
	code        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX calls_by_time ON calls (reserved_at);
CREATE INDEX calls_open ON calls (reserved_at) WHERE ended_at IS NULL;
CREATE TABLE refusals (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	at          INTEGER NOT NULL,
	asker       TEXT NOT NULL,
	key         TEXT NOT NULL,
	ip          TEXT NOT NULL,
	participant TEXT NOT NULL,
	room        TEXT NOT NULL,
	number      TEXT NOT NULL,
	trunk       TEXT NOT NULL,
	reason      TEXT NOT NULL
) STRICT;
CREATE TABLE probe (checks INTEGER NOT NULL) STRICT;
INSERT INTO probe VALUES (0);
`}
}

// migrate brings the file to the newest version, in one transaction.
func migrate(db *sql.DB) error {
	steps := migrations()
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	var version int
	if err := tx.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	if version > len(steps) {
		return fmt.Errorf("its schema has version %d, this program knows up to %d", version, len(steps))
	}
	for ; version < len(steps); version++ {
		if _, err := tx.Exec(steps[version]); err != nil {
			return fmt.Errorf("migrating to version %d: %w", version+1, err)
		}
	}
	if _, err := tx.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, version)); err != nil {
		return err
	}
	return tx.Commit()
}

// connect opens one connection with the given PRAGMA synchronous. The write-ahead
// log lets an operator read the file while the sfu writes.
func connect(path, synchronous string) (*sql.DB, error) {
	q := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(" + synchronous + ")"},
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, db.Ping()
}
