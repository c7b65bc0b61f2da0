package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// This file has what operators ask for. It reads a snapshot and keeps no
// reservation waiting.

// maxPage is how many rows a page has at most, and when nothing is said.
const maxPage = 1000

// Page is a part of a list.
type Page struct{ Limit, Offset int }

func (p Page) limit() int {
	if p.Limit <= 0 || p.Limit > maxPage {
		return maxPage
	}
	return p.Limit
}

// Filter says which calls or refusals are wanted: those that have every value
// that is not empty.
type Filter struct {
	Since, Until time.Time // reserved or refused in [Since, Until)
	Direction    string    // of a call: Out or In
	Asker        string    // Asker.Kind
	Key          string
	Link         string // its id
	IP           string // an address, or what Asker.Bucket was
	Room         string
	Number       string // canonical
	Trunk        string // asked for, or used
	Reason       string // of a refusal; the ending of a call
	Running      bool   // only calls that have not ended
	Page
}

// Call is the record of one call. Times that never came are zero.
type Call struct {
	Reservation
	Terms
	Record
	Talk  time.Duration // from answer; of a call left over, as long as it can have been
	Price float64       // estimated, in the currency of the rates
}

// Calls returns calls, newest first, and how many there are in all.
func (l *Ledger) Calls(ctx context.Context, f Filter) (list []Call, total int, err error) {
	where, args := f.where("reserved_at", "ending")
	if f.Trunk != "" {
		where, args = append(where, `(trunk = ? OR used_trunk = ?)`), append(args, f.Trunk, f.Trunk)
	}
	if f.Direction != "" {
		where, args = append(where, `direction = ?`), append(args, f.Direction)
	}
	if f.Running {
		where = append(where, `ended_at IS NULL`)
	}
	err = l.read(ctx, "listing calls", func(tx *tx) error {
		list, total, err = page(ctx, tx, scanCall, `id, reserved_at, asker, key, link, ip, bucket, participant, room, number, trunk,
			max_ms, rate, used_trunk, answered_at, ended_at, ending, code, attempts, talk_ms, price, direction, called`, "calls", where, "reserved_at DESC, rowid DESC", args, f.Page)
		return err
	})
	return list, total, err
}

// Refusals returns refusals, newest first, and how many there are in all.
func (l *Ledger) Refusals(ctx context.Context, f Filter) (list []Refusal, total int, err error) {
	where, args := f.where("at", "reason")
	if f.Trunk != "" {
		where, args = append(where, `trunk = ?`), append(args, f.Trunk)
	}
	err = l.read(ctx, "listing refusals", func(tx *tx) error {
		list, total, err = page(ctx, tx, scanRefusal, `id, at, asker, key, link, ip, bucket, participant, room, number, trunk, reason`,
			"refusals", where, "id DESC", args, f.Page)
		return err
	})
	return list, total, err
}

func (f Filter) where(at, reason string) (where []string, args []any) {
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if !f.Since.IsZero() {
		add(at+` >= ?`, f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		add(at+` < ?`, f.Until.UnixMilli())
	}
	for _, c := range []struct{ column, value string }{{"asker", f.Asker}, {"key", f.Key}, {"link", f.Link}, {"room", f.Room}, {"number", f.Number}, {reason, f.Reason}} {
		if c.value != "" {
			add(c.column+` = ?`, c.value)
		}
	}
	if f.IP != "" {
		add(`(ip = ? OR bucket = ?)`, f.IP, f.IP)
	}
	return where, args
}

// page reads one page of a table and counts the rows of all.
func page[T any](ctx context.Context, tx *tx, scan func(scanner) (T, error), columns, table string, where []string, order string, args []any, p Page) ([]T, int, error) {
	conditions := ""
	if len(where) > 0 {
		conditions = " WHERE " + strings.Join(where, " AND ")
	}
	var total int
	if err := tx.queryRow(ctx, `SELECT count(*) FROM `+table+conditions, args...).Scan(&total); err != nil {
		return nil, 0, err
	}
	list, err := all(ctx, tx, scan, `SELECT `+columns+` FROM `+table+conditions+` ORDER BY `+order+` LIMIT ? OFFSET ?`,
		append(args[:len(args):len(args)], p.limit(), p.Offset)...)
	return list, total, err
}

// scanner is a row of a result.
type scanner interface{ Scan(...any) error }

// all reads every row of a query.
func all[T any](ctx context.Context, tx *tx, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

func scanCall(row scanner) (c Call, err error) {
	var reserved, maxMS, rate, talk, price int64
	var answered, ended sql.NullInt64
	var ip, attempts string
	a := &c.Asker
	if err := row.Scan(&c.ID, &reserved, &a.Kind, &a.Key, &a.Link, &ip, &a.Bucket, &a.Participant, &c.Room, &c.Number, &c.Trunk,
		&maxMS, &rate, &c.Carrier, &answered, &ended, &c.Ending, &c.Code, &attempts, &talk, &price, &c.Direction, &c.Called); err != nil {
		return Call{}, err
	}
	if err := json.Unmarshal([]byte(attempts), &c.Attempts); err != nil {
		return Call{}, fmt.Errorf("attempts of %s: %w", c.ID, err)
	}
	c.At, c.Answered, c.Ended = time.UnixMilli(reserved), instant(answered), instant(ended)
	c.MaxDuration, c.Talk = time.Duration(maxMS)*time.Millisecond, time.Duration(talk)*time.Millisecond
	c.Rate, c.Price = float64(rate)/millionth, float64(price)/millionth
	a.IP, _ = netip.ParseAddr(ip) // "" is the zero Addr
	return c, nil
}

func scanRefusal(row scanner) (r Refusal, err error) {
	var at int64
	var ip string
	a := &r.Asker
	err = row.Scan(&r.ID, &at, &a.Kind, &a.Key, &a.Link, &ip, &a.Bucket, &a.Participant, &r.Room, &r.Number, &r.Trunk, &r.Reason)
	r.At = time.UnixMilli(at)
	a.IP, _ = netip.ParseAddr(ip)
	return r, err
}

func instant(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64)
}
