package ledger

import (
	"context"
	"encoding/json"
	"time"
)

// Calls that come in are written down as well, but they cost nothing and count
// against no cap. So nobody waits for them to be on disk: they are noted in
// memory and written a moment later, many in one transaction that does not sync.
// A crash loses the last moment of them, and a file that cannot be written for
// long loses more; that never keeps a caller out. The caps fail closed, this
// fails open.
const (
	// noteWait is how long notes gather before they are written.
	noteWait = 250 * time.Millisecond

	// noteStep is how many are written at once: some milliseconds, which is what
	// a reservation waits for at most.
	noteStep = 250

	// noteAgain is how long a file that could not take them is left alone.
	noteAgain = time.Second

	// maxNotes is how many may wait for a file that cannot be written, about 20 MB.
	maxNotes = 20_000

	// maxInbound is how many records of inbound calls are kept, newest first:
	// whoever calls us all day must not fill the disk (about 150 MB).
	maxInbound = 500_000
)

// notes are the inbound calls that run, and those that are not written yet.
type notes struct {
	running map[string]Call
	waiting map[string]Call // the newest state of each
	order   []string        // of waiting: who has waited longest comes first
	lost    int             // since it was last said
	fresh   chan struct{}   // capacity 1: there is something to write
}

func newNotes() notes {
	return notes{running: map[string]Call{}, waiting: map[string]Call{}, fresh: make(chan struct{}, 1)}
}

// Note has the record of an inbound call written as it stands now: when it
// begins, is answered and has ended. It returns at once.
func (l *Ledger) Note(c Call) {
	c.Direction = In
	if !c.Answered.IsZero() && !c.Ended.IsZero() {
		c.Talk = max(0, c.Ended.Sub(c.Answered))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := &l.notes
	if c.Ended.IsZero() {
		n.running[c.ID] = c
	} else {
		delete(n.running, c.ID)
	}
	n.wait(c)
}

// wait puts a call into the queue, unless that is full. The ledger's mu is held.
func (n *notes) wait(c Call) {
	if _, there := n.waiting[c.ID]; !there {
		if len(n.waiting) >= maxNotes {
			n.lost++
			return
		}
		n.order = append(n.order, c.ID)
	}
	n.waiting[c.ID] = c
	select {
	case n.fresh <- struct{}{}:
	default:
	}
}

// nextNotes returns the notes that have waited longest.
func (l *Ledger) nextNotes() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := &l.notes
	first := n.order[:min(len(n.order), noteStep)]
	list := make([]Call, 0, len(first))
	for _, id := range first {
		list = append(list, n.waiting[id])
	}
	return list
}

// noted forgets notes that are on disk. One that was renewed meanwhile waits on.
func (l *Ledger) noted(list []Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := &l.notes
	rest := n.order[len(list):]
	var again []string
	for _, c := range list {
		if now := n.waiting[c.ID]; !now.Answered.Equal(c.Answered) || !now.Ended.Equal(c.Ended) {
			again = append(again, c.ID)
			continue
		}
		delete(n.waiting, c.ID)
	}
	n.order = append(append(make([]string, 0, len(rest)+len(again)), rest...), again...)
	if len(n.waiting) == 0 {
		n.waiting = map[string]Call{} // a map keeps the room of its fullest moment
	}
}

// writeNotes writes what waits. It is false when the file did not take it.
func (l *Ledger) writeNotes(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, tendTimeout)
	defer cancel()
	l.mu.Lock()
	lost := l.notes.lost
	l.notes.lost = 0
	l.mu.Unlock()
	if lost > 0 {
		l.log.Warn("records of inbound calls are lost, the ledger cannot be written", "notes", lost)
	}
	for l.anyNotes() {
		var list []Call // taken in turn, so that nobody takes the same
		err := l.write(ctx, "noting inbound calls", relaxed, func(ctx context.Context, tx *tx) error {
			list = l.nextNotes()
			return tx.note(ctx, list)
		}, func() { l.noted(list) })
		if err != nil {
			return false // report has said it
		}
	}
	return true
}

func (l *Ledger) anyNotes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.notes.order) > 0
}

const note = `
INSERT INTO calls (id, reserved_at, direction, asker, key, ip, participant, room, number, called, trunk,
	used_trunk, answered_at, ended_at, ending, code, attempts, talk_ms)
VALUES (?, ?, 'in', ?, ?, '', '', ?, ?, ?, '', ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET answered_at = excluded.answered_at, ended_at = excluded.ended_at, ending = excluded.ending,
	code = excluded.code, talk_ms = excluded.talk_ms`

// note writes inbound calls as they stand.
func (t *tx) note(ctx context.Context, list []Call) error {
	for _, c := range list {
		attempts, err := json.Marshal(append([]Attempt{}, c.Attempts...))
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, note, c.ID, c.At.UnixMilli(), c.Asker.Kind, c.Asker.Key, c.Room, c.Number, c.Called,
			c.Carrier, milli(c.Answered), milli(c.Ended), c.Ending, c.Code, string(attempts), c.Talk.Milliseconds())
		if err != nil {
			return err
		}
	}
	return nil
}

// inboundRuns reports whether this process has an inbound call, and has its
// record written once more: the file may be a copy that lacks it.
func (l *Ledger) inboundRuns(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c, runs := l.notes.running[id]
	if runs {
		l.notes.wait(c)
	}
	return runs
}

// runningInbound is how many inbound calls this process has.
func (l *Ledger) runningInbound() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.notes.running)
}
