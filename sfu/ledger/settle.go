package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// What a call that was left over may have cost after the last sign of life of
// its process: that is no older than a beat, and the bridge hangs up within 15 s.
const leftOverLife = beat + 15*time.Second

// change is something that has to be written about a call that runs. When the
// file cannot be written it waits, and goes with the next transaction.
type change struct {
	id      string
	apply   func(context.Context, *tx) error
	settles bool
	unknown bool          // set by apply: there is no such row
	done    chan struct{} // closed when it is written
}

// Answered writes that the phone was picked up, from when on the call takes
// minutes. Where that cannot be written now it waits for the file.
func (l *Ledger) Answered(ctx context.Context, id string, at time.Time) {
	_ = l.change(ctx, &change{id: id, apply: func(ctx context.Context, tx *tx) error {
		_, err := tx.exec(ctx, `UPDATE calls SET answered_at = ? WHERE id = ? AND ended_at IS NULL`, at.UnixMilli(), id)
		return err
	}})
}

// Settle writes how a reserved call ended, and what it took. The first
// settlement stands; another one is ErrUnknown. Where it cannot be written now
// it waits for the file, and that is no error.
func (l *Ledger) Settle(ctx context.Context, id string, r Record) error {
	attempts, err := json.Marshal(append([]Attempt{}, r.Attempts...))
	if err != nil {
		return fmt.Errorf("ledger: settling: %w", err)
	}
	talk := int64(0)
	if !r.Answered.IsZero() {
		end := r.Ended
		if end.Before(r.Unseen) {
			end = r.Unseen
		}
		talk = max(0, end.Sub(r.Answered).Milliseconds())
	}
	c := &change{id: id, settles: true}
	c.apply = func(ctx context.Context, tx *tx) error {
		res, err := tx.exec(ctx, settle, r.Carrier, milli(r.Answered), r.Ended.UnixMilli(), r.Ending, r.Code, string(attempts), talk, milli(r.Unseen), id)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		c.unknown = n == 0
		return err
	}
	return l.change(ctx, c)
}

// settle charges by the millisecond and rounds the price up.
const settle = `
UPDATE calls SET used_trunk = ifnull(nullif(?1, ''), used_trunk), answered_at = ifnull(?2, answered_at), ended_at = ?3, ending = ?4, code = ?5, attempts = ?6,
	talk_ms = ?7, price = (?7 * rate + 59999) / 60000, unseen_until = ?8
WHERE id = ?9 AND ended_at IS NULL`

// change has something written, now or later.
func (l *Ledger) change(ctx context.Context, c *change) error {
	c.done = make(chan struct{})
	l.mu.Lock()
	l.late = append(l.late, c)
	l.mu.Unlock()
	_ = l.write(ctx, "writing about a call", relaxed, nil) // report has said it
	select {
	case <-c.done:
		if c.unknown {
			return ErrUnknown
		}
	default:
	}
	return nil
}

func (l *Ledger) lateChanges() []*change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*change(nil), l.late...)
}

// written forgets changes that are on disk; they are the first ones of late.
func (l *Ledger) written(list []*change) {
	l.mu.Lock()
	l.late = append([]*change(nil), l.late[len(list):]...)
	l.mu.Unlock()
	for _, c := range list {
		if c.settles {
			delete(l.live, c.id)
		}
		close(c.done)
	}
}

// open is a row that nobody has settled.
type open struct {
	id                         string
	reserved, answered, maxDur int64 // answered is 0 when not known
	in                         bool
}

// recover settles the rows of processes that are gone, and writes those of
// calls that run where the file, a copy perhaps, does not have them.
func (l *Ledger) recover() error {
	ctx := context.Background()
	return l.commit(ctx, durable, func(tx *tx) error {
		for _, c := range l.live {
			var found int
			if err := tx.queryRow(ctx, `SELECT count(*) FROM calls WHERE id = ?`, c.r.ID).Scan(&found); err != nil {
				return err
			}
			if found == 0 {
				if err := tx.insert(ctx, c.r, c.terms); err != nil {
					return err
				}
			}
		}
		var alive int64
		if err := tx.queryRow(ctx, `SELECT alive_at FROM probe`).Scan(&alive); err != nil {
			return fmt.Errorf("reading the last sign of life: %w", err)
		}
		rows, err := tx.open(ctx)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if _, runs := l.live[row.id]; runs || row.in && l.inboundRuns(row.id) {
				continue
			}
			if err := tx.settleLeftOver(ctx, row, alive, l.now().UnixMilli()); err != nil {
				return fmt.Errorf("settling what was left over: %w", err)
			}
			l.leftOver++
		}
		return nil
	})
}

func (t *tx) open(ctx context.Context) (list []open, err error) {
	rows, err := t.query(ctx, `SELECT id, reserved_at, ifnull(answered_at, 0), max_ms, direction = 'in' FROM calls INDEXED BY calls_open WHERE ended_at IS NULL`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var o open
		if err := rows.Scan(&o.id, &o.reserved, &o.answered, &o.maxDur, &o.in); err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, rows.Err()
}

// settleLeftOver charges a call for as long as it can have lasted. Whether it was
// answered at all may not have reached the disk: then it counts as answered at
// once. An inbound call is not charged, and has talked only if we know it.
func (t *tx) settleLeftOver(ctx context.Context, o open, alive, now int64) error {
	from := max(o.reserved, o.answered)
	end := now
	if alive > 0 {
		end = min(now, max(alive, from)+leftOverLife.Milliseconds())
	}
	if o.maxDur > 0 {
		end = min(end, from+o.maxDur)
	}
	end = max(end, from)
	if o.in && o.answered == 0 {
		from = end
	}
	_, err := t.exec(ctx, settle, "", nil, end, LeftOver, 0, "[]", end-from, nil, o.id)
	return err
}
