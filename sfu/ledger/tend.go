package ledger

import (
	"context"
	"time"
)

const (
	// beat is how often a process whose calls run leaves a sign of life, and makes
	// up for what is late.
	beat = 10 * time.Second

	// tendTimeout bounds one round of that.
	tendTimeout = 5 * time.Second

	// pruneEvery is how often old rows are looked for.
	pruneEvery = 10 * time.Minute

	// pruneStep is how many rows go at once: some milliseconds, which is what a
	// reservation waits for at most.
	pruneStep = 250

	// tallyLife is how long the tally is kept: longer than the longest day and the
	// longest call.
	tallyLife = 72 * time.Hour

	// maxRefusals is how many refusals are kept, newest first: a stranger who is
	// refused all day must not fill the disk (100,000 rows are about 20 MB).
	maxRefusals = 100_000
)

// run looks after the file until Close.
func (l *Ledger) run(ctx context.Context) {
	defer close(l.done)
	beats := time.NewTicker(beat)
	defer beats.Stop()
	pruned := time.Time{}
	notes, gathering := time.NewTimer(noteWait), true
	defer notes.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.notes.fresh:
			if !gathering {
				notes.Reset(noteWait)
			}
			gathering = true
			continue
		case <-notes.C:
			if gathering = !l.writeNotes(ctx); gathering {
				notes.Reset(noteAgain)
			}
			continue
		case <-beats.C:
		}
		l.tend(ctx)
		if now := l.now(); pruned.IsZero() || now.Sub(pruned) >= pruneEvery || now.Before(pruned) {
			pruned = now
			l.prune(ctx, now)
		}
	}
}

// tend leaves a sign of life while calls run, and tries a file that failed.
func (l *Ledger) tend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tendTimeout)
	defer cancel()
	_ = l.write(ctx, "tending", relaxed, func(ctx context.Context, tx *tx) error { // report has said it
		if len(l.live) == 0 && l.runningInbound() == 0 {
			return nil
		}
		_, err := tx.exec(ctx, `UPDATE probe SET alive_at = ?`, l.now().UnixMilli())
		return err
	})
}

// prune deletes what is too old, a few rows at a time.
func (l *Ledger) prune(ctx context.Context, now time.Time) {
	l.pruneAll(ctx, `DELETE FROM tally WHERE (kind, value, slot) IN (SELECT kind, value, slot FROM tally WHERE slot < ?1 LIMIT ?2)`,
		now.Add(-tallyLife).UnixMilli()/slot)
	l.pruneInbound(ctx)
	if l.opt.Retention <= 0 {
		return
	}
	before := now.Add(-max(l.opt.Retention, tallyLife)).UnixMilli()
	l.pruneAll(ctx, `DELETE FROM calls WHERE rowid IN (SELECT rowid FROM calls WHERE reserved_at < ?1 AND ended_at IS NOT NULL ORDER BY reserved_at LIMIT ?2)`, before)
	// Ids grow with time, so the oldest are where the search begins.
	l.pruneAll(ctx, `DELETE FROM refusals WHERE id IN (SELECT id FROM refusals ORDER BY id LIMIT ?2) AND at < ?1`, before)
	// A link that has expired is refused for that, whether it is known or not.
	l.pruneAll(ctx, `DELETE FROM links WHERE id IN (SELECT id FROM links WHERE expires_at < ?1 LIMIT ?2)`, before)
}

// pruneInbound keeps the newest records of inbound calls.
func (l *Ledger) pruneInbound(ctx context.Context) {
	var oldest int64
	err := l.read(ctx, "counting inbound calls", func(tx *tx) error {
		return tx.queryRow(ctx, `SELECT ifnull((SELECT reserved_at FROM calls INDEXED BY calls_window WHERE direction = 'in'
			ORDER BY reserved_at DESC LIMIT 1 OFFSET ?), 0)`, maxInbound).Scan(&oldest)
	})
	if err != nil || oldest == 0 {
		return // the next round may do better
	}
	l.pruneAll(ctx, `DELETE FROM calls WHERE rowid IN (SELECT rowid FROM calls INDEXED BY calls_window
		WHERE direction = 'in' AND reserved_at <= ?1 AND ended_at IS NOT NULL ORDER BY reserved_at LIMIT ?2)`, oldest)
}

// pruneAll repeats a step until it finds less than it could take.
func (l *Ledger) pruneAll(ctx context.Context, query string, before int64) {
	for more := true; more && ctx.Err() == nil; {
		more = false
		_ = l.write(ctx, "pruning", relaxed, func(ctx context.Context, tx *tx) error { // report has said it
			res, err := tx.exec(ctx, query, before, pruneStep)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			more = n == pruneStep
			return err
		})
	}
}
