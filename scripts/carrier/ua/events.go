package ua

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Event is one thing that happened to a call.
type Event struct {
	At     time.Time
	Kind   string // INVITE, REINVITE, UPDATE, INFO, CANCEL, ACK, ANSWER, BYE, SENT BYE, DIGIT, ENDED; of a call of ours SENT INVITE, ANSWERED
	CallID string
	Number string
	Detail string // the digit, or the ending
}

// eventLog keeps every event and wakes those who wait for one.
type eventLog struct {
	mu     sync.Mutex
	events []Event
	more   chan struct{} // closed and replaced with each event
	closed bool
}

func newEventLog() *eventLog { return &eventLog{more: make(chan struct{})} }

func (l *eventLog) add(e Event) {
	e.At = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	if !l.closed {
		close(l.more)
		l.more = make(chan struct{})
	}
}

func (l *eventLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.more)
	}
}

// Events returns what happened so far, oldest first.
func (c *Carrier) Events() []Event {
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	return append([]Event(nil), c.events.events...)
}

// Count returns how many events of a kind there were.
func (c *Carrier) Count(kind string) int {
	n := 0
	for _, e := range c.Events() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// ErrClosed is returned by Await when the carrier ends before the event comes.
var ErrClosed = errors.New("the carrier is closed")

// Await returns the first event, past ones included, that match accepts.
func (c *Carrier) Await(ctx context.Context, match func(Event) bool) (Event, error) {
	l := c.events
	for seen := 0; ; {
		l.mu.Lock()
		fresh, more, closed := l.events[seen:], l.more, l.closed
		seen = len(l.events)
		l.mu.Unlock()
		for _, e := range fresh {
			if match(e) {
				return e, nil
			}
		}
		if closed {
			return Event{}, ErrClosed
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// AwaitCall returns the n-th call to number (from 0, "" for any) once it has come in.
func (c *Carrier) AwaitCall(ctx context.Context, number string, n int) (*Call, error) {
	find := func() *Call {
		skip := n
		for _, call := range c.Calls() {
			if number != "" && call.Number != number {
				continue
			}
			if skip == 0 {
				return call
			}
			skip--
		}
		return nil
	}
	var found *Call
	_, err := c.Await(ctx, func(Event) bool {
		found = find()
		return found != nil
	})
	return found, err
}
