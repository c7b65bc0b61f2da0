package ledger

import (
	"database/sql"
	"fmt"
	"net/url"
)

// migrations bring a file from version i to version i+1 (PRAGMA user_version).
// A published one is never edited. Times are Unix milliseconds, money is in
// millionths of the currency of the rates.
func migrations() []string { return []string{version1, version2, version3, version4, version5} }

const version1 = `
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
`

// version2 counts. tally has, for every quarter of an hour (slot: milliseconds
// / 900,000), how many calls were reserved in all (kind 0), for a client (1), a
// room (2), a number (3) and a key (4), and in kind 0 what the calls that ended
// then had taken. Triggers keep it, so that it cannot say anything but what
// calls says, and a day's caps are looked up in a hundred rows at most instead
// of counted over all calls of the day.
//
// calls_window serves what is not whole slots, the last minute above all;
// calls_open what runs now. Both have every column that is asked for.
const version2 = `
ALTER TABLE calls ADD COLUMN bucket   TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN link     TEXT NOT NULL DEFAULT '';
ALTER TABLE calls ADD COLUMN rate     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN max_ms   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN talk_ms  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN price    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN attempts TEXT NOT NULL DEFAULT '[]';
UPDATE calls SET bucket = ip, talk_ms = max(0, ifnull(ended_at - answered_at, 0));
DROP INDEX calls_by_time;
DROP INDEX calls_open;
CREATE INDEX calls_window ON calls (reserved_at, bucket, room, number, key);
CREATE INDEX calls_open ON calls (reserved_at, bucket, room, number, key, answered_at, rate) WHERE ended_at IS NULL;

CREATE TABLE tally (
	kind    INTEGER NOT NULL,
	value   TEXT NOT NULL,
	slot    INTEGER NOT NULL,
	calls   INTEGER NOT NULL DEFAULT 0,
	talk_ms INTEGER NOT NULL DEFAULT 0,
	price   INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (kind, value, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX tally_by_slot ON tally (slot);
INSERT INTO tally (kind, value, slot, calls)
	SELECT 0, '', reserved_at / 900000, count(*) FROM calls GROUP BY 3 UNION ALL
	SELECT 1, bucket, reserved_at / 900000, count(*) FROM calls WHERE bucket <> '' GROUP BY 2, 3 UNION ALL
	SELECT 2, room, reserved_at / 900000, count(*) FROM calls WHERE room <> '' GROUP BY 2, 3 UNION ALL
	SELECT 3, number, reserved_at / 900000, count(*) FROM calls WHERE number <> '' GROUP BY 2, 3 UNION ALL
	SELECT 4, key, reserved_at / 900000, count(*) FROM calls WHERE key <> '' GROUP BY 2, 3;
INSERT INTO tally (kind, value, slot, talk_ms)
	SELECT 0, '', ended_at / 900000, sum(talk_ms) FROM calls WHERE ended_at IS NOT NULL GROUP BY 3
	ON CONFLICT DO UPDATE SET talk_ms = excluded.talk_ms;
CREATE TRIGGER calls_counted AFTER INSERT ON calls BEGIN
	INSERT INTO tally (kind, value, slot, calls)
		SELECT column1, column2, NEW.reserved_at / 900000, 1
		FROM (VALUES (0, ''), (1, NEW.bucket), (2, NEW.room), (3, NEW.number), (4, NEW.key))
		WHERE column1 = 0 OR column2 <> ''
		ON CONFLICT DO UPDATE SET calls = calls + 1;
END;
CREATE TRIGGER calls_charged AFTER UPDATE OF ended_at ON calls WHEN OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL BEGIN
	INSERT INTO tally (kind, value, slot, talk_ms, price) VALUES (0, '', NEW.ended_at / 900000, NEW.talk_ms, NEW.price)
		ON CONFLICT DO UPDATE SET talk_ms = talk_ms + excluded.talk_ms, price = price + excluded.price;
END;

ALTER TABLE refusals ADD COLUMN bucket TEXT NOT NULL DEFAULT '';
ALTER TABLE refusals ADD COLUMN link   TEXT NOT NULL DEFAULT '';
ALTER TABLE probe ADD COLUMN alive_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE probe ADD COLUMN ballast BLOB NOT NULL DEFAULT x'';
CREATE TABLE links (
	id         TEXT PRIMARY KEY,
	minted_at  INTEGER NOT NULL,
	room       TEXT NOT NULL,
	number     TEXT NOT NULL,
	trunk      TEXT NOT NULL,
	name       TEXT NOT NULL,
	expires_at INTEGER,
	uses       INTEGER NOT NULL,
	used       INTEGER NOT NULL DEFAULT 0,
	revoked_at INTEGER
) STRICT;
CREATE INDEX links_by_time ON links (minted_at);
`

// version3 has inbound calls too. They are in no tally and no count: both look
// at direction 'out' only. calls_by_time serves the operators' list of both.
const version3 = `
ALTER TABLE calls ADD COLUMN direction TEXT NOT NULL DEFAULT 'out';
ALTER TABLE calls ADD COLUMN called    TEXT NOT NULL DEFAULT '';
DROP INDEX calls_window;
DROP INDEX calls_open;
CREATE INDEX calls_by_time ON calls (reserved_at);
CREATE INDEX calls_window ON calls (direction, reserved_at, bucket, room, number, key);
CREATE INDEX calls_open ON calls (direction, reserved_at, bucket, room, number, key, answered_at, rate) WHERE ended_at IS NULL;
DROP TRIGGER calls_counted;
DROP TRIGGER calls_charged;
CREATE TRIGGER calls_counted AFTER INSERT ON calls WHEN NEW.direction = 'out' BEGIN
	INSERT INTO tally (kind, value, slot, calls)
		SELECT column1, column2, NEW.reserved_at / 900000, 1
		FROM (VALUES (0, ''), (1, NEW.bucket), (2, NEW.room), (3, NEW.number), (4, NEW.key))
		WHERE column1 = 0 OR column2 <> ''
		ON CONFLICT DO UPDATE SET calls = calls + 1;
END;
CREATE TRIGGER calls_charged AFTER UPDATE OF ended_at ON calls
	WHEN NEW.direction = 'out' AND OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL BEGIN
	INSERT INTO tally (kind, value, slot, talk_ms, price) VALUES (0, '', NEW.ended_at / 900000, NEW.talk_ms, NEW.price)
		ON CONFLICT DO UPDATE SET talk_ms = talk_ms + excluded.talk_ms, price = price + excluded.price;
END;
`

// version4 knows which links make their visitors owners.
const version4 = `ALTER TABLE links ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;`

// version5 knows calls that a carrier has taken out of our sight: they are
// settled, and run for the caps until unseen_until.
const version5 = `
ALTER TABLE calls ADD COLUMN unseen_until INTEGER;
CREATE INDEX calls_unseen ON calls (unseen_until) WHERE unseen_until IS NOT NULL;
`

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

// connect opens connections to the file, at most n. The write-ahead log lets
// the operators' queries, and an operator with a tool of their own, read the
// file while the sfu writes. mode is that of SQLite's URIs: rwc makes the file,
// rw and ro do not.
func connect(path, mode string, n int) (*sql.DB, error) {
	q := url.Values{
		"mode":    {mode},
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(2000)"},
	}
	if mode == "ro" {
		q.Set("_txlock", "deferred")
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Add("_pragma", "journal_mode(WAL)")
		q.Add("_pragma", "synchronous(FULL)")
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(n)
	return db, db.Ping()
}
