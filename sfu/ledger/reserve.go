package ledger

import (
	"context"
	"errors"
	"math"
	"time"
)

// slot is the grain of the tally, in milliseconds. Every time zone's midnight
// is a whole number of quarters of an hour from UTC's, so a day is whole slots.
const slot = 15 * 60 * 1000

// millionth is the unit of money in the file.
const millionth = 1e6

// Since says when the counted periods began.
type Since struct{ Day, Minute time.Time }

// Counts are how many calls were reserved, or run, in all and like the one in question.
type Counts struct{ Total, IP, Room, Number, Key int }

// Counters are what the caps are about.
type Counters struct {
	Day     Counts // reserved since the day began, or running
	Minute  Counts // reserved since the minute began
	Running Counts // reserved and not settled, or out of our sight

	// What calls have taken that ended since the day began, or run: all of it, also
	// what was yesterday's. SpendToday is in the currency of the rates.
	MinutesToday, SpendToday float64
}

// Reserve counts and writes a call that is about to be placed, in one
// transaction that no other writer can come between. judge gets the counters
// without this call and says on what terms it may go; its error is returned
// as it is. So are ErrLinkUsed and ErrLinkRevoked. When Reserve returns nil the
// row is on disk; on any error nothing was reserved and the call must not be
// placed.
func (l *Ledger) Reserve(ctx context.Context, r Reservation, since Since, judge func(Counters) (Terms, error)) error {
	var terms Terms
	var judged bool
	err := l.write(ctx, "reserving", durable, func(ctx context.Context, tx *tx) error {
		c, err := tx.count(ctx, r, since)
		if err != nil {
			return err
		}
		if terms, err = judge(c); err != nil {
			return refused{err}
		}
		judged = true
		if r.Link != nil {
			if err := tx.takeUse(ctx, *r.Link, r.At); err != nil {
				return err
			}
		}
		return tx.insert(ctx, r, terms)
	}, func() { l.live[r.ID] = live{r, terms} })
	if judged {
		l.failed.Store(err != nil && !isRefusal(err))
	}
	return err
}

// isRefusal reports whether an error says nothing about the file.
func isRefusal(err error) bool {
	return errors.Is(err, ErrLinkUsed) || errors.Is(err, ErrLinkRevoked)
}

// Count returns the counters that Reserve would judge by, and writes nothing.
func (l *Ledger) Count(ctx context.Context, r Reservation, since Since) (c Counters, err error) {
	err = l.read(ctx, "counting", func(tx *tx) error {
		c, err = tx.count(ctx, r, since)
		return err
	})
	return c, err
}

// insert writes a reservation.
func (t *tx) insert(ctx context.Context, r Reservation, terms Terms) error {
	_, err := t.exec(ctx,
		`INSERT INTO calls (id, reserved_at, asker, key, link, ip, bucket, participant, room, number, trunk, max_ms, rate) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.At.UnixMilli(), r.Asker.Kind, r.Asker.Key, r.Asker.Link, ipText(r.Asker.IP), r.Asker.Bucket, r.Asker.Participant,
		r.Room, r.Number, r.Trunk, terms.MaxDuration.Milliseconds(), int64(math.Ceil(terms.Rate*millionth)))
	return err
}

// Whole slots come from the tally. Rows dated after now, because the clock was
// put back, are in later slots and count as well: a clock cannot open a cap.
const countSlots = `
SELECT 0, ifnull(sum(calls) FILTER (WHERE slot >= ?2), 0), ifnull(sum(calls) FILTER (WHERE slot >= ?3), 0), total(talk_ms), total(price)
	FROM tally WHERE kind = 0 AND value = '' AND slot >= ?1 UNION ALL
SELECT 1, ifnull(sum(calls) FILTER (WHERE slot >= ?2), 0), ifnull(sum(calls) FILTER (WHERE slot >= ?3), 0), 0.0, 0.0
	FROM tally WHERE kind = 1 AND value = ?4 AND slot >= ?1 UNION ALL
SELECT 2, ifnull(sum(calls) FILTER (WHERE slot >= ?2), 0), ifnull(sum(calls) FILTER (WHERE slot >= ?3), 0), 0.0, 0.0
	FROM tally WHERE kind = 2 AND value = ?5 AND slot >= ?1 UNION ALL
SELECT 3, ifnull(sum(calls) FILTER (WHERE slot >= ?2), 0), ifnull(sum(calls) FILTER (WHERE slot >= ?3), 0), 0.0, 0.0
	FROM tally WHERE kind = 3 AND value = ?6 AND slot >= ?1 UNION ALL
SELECT 4, ifnull(sum(calls) FILTER (WHERE slot >= ?2), 0), ifnull(sum(calls) FILTER (WHERE slot >= ?3), 0), 0.0, 0.0
	FROM tally WHERE kind = 4 AND value = ?7 AND slot >= ?1`

// The rest of a period, before its first whole slot, is counted.
const countRows = `
SELECT count(*), ifnull(sum(bucket = ?3 AND bucket <> ''), 0), ifnull(sum(room = ?4 AND room <> ''), 0), ifnull(sum(number = ?5 AND number <> ''), 0), ifnull(sum(key = ?6 AND key <> ''), 0)
FROM calls INDEXED BY calls_window
WHERE direction = 'out' AND reserved_at >= ?1 AND reserved_at < ?2`

// Those that run are counted apart by whether they began before the day; what
// those out of our sight take is in the tally.
const countRunning = `
SELECT reserved_at < ?6, count(*),
	ifnull(sum(bucket = ?2 AND bucket <> ''), 0), ifnull(sum(room = ?3 AND room <> ''), 0), ifnull(sum(number = ?4 AND number <> ''), 0), ifnull(sum(key = ?5 AND key <> ''), 0),
	total(max(0, ?1 - answered_at)), total(max(0, ?1 - answered_at) * rate / 60000)
FROM calls INDEXED BY calls_open
WHERE direction = 'out' AND ended_at IS NULL
GROUP BY 1 UNION ALL
SELECT reserved_at < ?6, count(*),
	ifnull(sum(bucket = ?2 AND bucket <> ''), 0), ifnull(sum(room = ?3 AND room <> ''), 0), ifnull(sum(number = ?4 AND number <> ''), 0), ifnull(sum(key = ?5 AND key <> ''), 0),
	0.0, 0.0
FROM calls INDEXED BY calls_unseen
WHERE unseen_until > ?1
GROUP BY 1`

// count asks for the counters of a call.
func (t *tx) count(ctx context.Context, r Reservation, since Since) (Counters, error) {
	var c Counters
	talk, price, err := t.countSlots(ctx, r, since, &c)
	if err != nil {
		return Counters{}, err
	}
	for _, period := range []struct {
		since time.Time
		into  *Counts
	}{{since.Day, &c.Day}, {since.Minute, &c.Minute}} {
		from := period.since.UnixMilli()
		if from%slot == 0 {
			continue
		}
		var rows Counts
		row := t.queryRow(ctx, countRows, from, firstSlot(period.since)*slot, r.Asker.Bucket, r.Room, r.Number, r.Asker.Key)
		if err := row.Scan(rows.scan()...); err != nil {
			return Counters{}, err
		}
		period.into.add(rows)
	}
	nowTalk, nowPrice, err := t.countRunning(ctx, r, since, &c)
	if err != nil {
		return Counters{}, err
	}
	c.MinutesToday = (talk + nowTalk) / 60_000
	c.SpendToday = (price + nowPrice) / millionth
	return c, nil
}

func (t *tx) countSlots(ctx context.Context, r Reservation, since Since, c *Counters) (talk, price float64, err error) {
	day, minute := firstSlot(since.Day), firstSlot(since.Minute)
	rows, err := t.query(ctx, countSlots, min(minute, since.Day.UnixMilli()/slot), day, minute, r.Asker.Bucket, r.Room, r.Number, r.Asker.Key)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	days := []*int{&c.Day.Total, &c.Day.IP, &c.Day.Room, &c.Day.Number, &c.Day.Key}
	minutes := []*int{&c.Minute.Total, &c.Minute.IP, &c.Minute.Room, &c.Minute.Number, &c.Minute.Key}
	values := []string{"-", r.Asker.Bucket, r.Room, r.Number, r.Asker.Key}
	for rows.Next() {
		var kind int
		var inDay, inMinute int
		var t, p float64
		if err := rows.Scan(&kind, &inDay, &inMinute, &t, &p); err != nil {
			return 0, 0, err
		}
		if values[kind] != "" {
			*days[kind], *minutes[kind] = inDay, inMinute
		}
		if kind == 0 {
			talk, price = t, p
		}
	}
	return talk, price, rows.Err()
}

func (t *tx) countRunning(ctx context.Context, r Reservation, since Since, c *Counters) (talk, price float64, err error) {
	rows, err := t.query(ctx, countRunning, r.At.UnixMilli(), r.Asker.Bucket, r.Room, r.Number, r.Asker.Key, since.Day.UnixMilli())
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var early bool
		var n Counts
		var t, p float64
		if err := rows.Scan(append(append([]any{&early}, n.scan()...), &t, &p)...); err != nil {
			return 0, 0, err
		}
		c.Running.add(n)
		if early {
			c.Day.add(n)
		}
		talk, price = talk+t, price+p
	}
	return talk, price, rows.Err()
}

// firstSlot is the first slot that begins at t or after it.
func firstSlot(t time.Time) int64 {
	ms := t.UnixMilli()
	if ms%slot == 0 {
		return ms / slot
	}
	return ms/slot + 1
}

// scan returns what a row's counts are scanned into.
func (c *Counts) scan() []any { return []any{&c.Total, &c.IP, &c.Room, &c.Number, &c.Key} }

func (c *Counts) add(d Counts) {
	c.Total += d.Total
	c.IP += d.IP
	c.Room += d.Room
	c.Number += d.Number
	c.Key += d.Key
}
