package main

import (
	"context"
	"maps"
	"sync"

	"dialroom/sfu/ledger"
	"dialroom/sfu/web"
	"dialroom/shared/wire"
)

// counts is what /metrics tells.
func (m *Main) counts() web.Counts {
	c := web.Counts{Participants: map[string]int{}, Calls: map[string]int{}, Sockets: m.web.Sockets()}
	for _, r := range m.rooms.Rooms() {
		c.Rooms++
		for _, p := range r.Participants() {
			c.Participants[p.Kind]++
		}
		for _, call := range r.Calls() {
			if call.State != wire.Ended && call.State != wire.Refused {
				c.Calls[string(call.State)]++
			}
		}
	}
	m.ledger.totals(&c)
	browsers, phones := m.media.Traffic(), m.hub.Traffic()
	c.Packets = map[string]uint64{
		"from-browsers": browsers.Received, "to-browsers": browsers.Sent,
		"from-phones": phones.Received, "to-phones": phones.Sent,
	}
	return c
}

// counted is the ledger with counters of what was written to it.
type counted struct {
	*ledger.Ledger

	mu      sync.Mutex // guards what follows
	placed  uint64
	ended   map[string]uint64
	refused map[string]uint64
	here    map[string]bool // inbound calls that have not ended
	in      map[web.Origin]uint64
	left    map[string]uint64
}

func newCounted(l *ledger.Ledger) *counted {
	return &counted{Ledger: l, ended: map[string]uint64{}, refused: map[string]uint64{},
		here: map[string]bool{}, in: map[web.Origin]uint64{}, left: map[string]uint64{}}
}

// Reserve counts a call that was reserved.
func (c *counted) Reserve(ctx context.Context, r ledger.Reservation, since ledger.Since, judge func(ledger.Counters) (ledger.Terms, error)) error {
	err := c.Ledger.Reserve(ctx, r, since, judge)
	if err == nil {
		c.mu.Lock()
		c.placed++
		c.mu.Unlock()
	}
	return err
}

// Settle counts an ending, whether or not it could be written.
func (c *counted) Settle(ctx context.Context, id string, r ledger.Record) error {
	c.mu.Lock()
	c.ended[r.Ending]++
	c.mu.Unlock()
	return c.Ledger.Settle(ctx, id, r)
}

// Refused counts a refusal, whether or not it could be written.
func (c *counted) Refused(ctx context.Context, r ledger.Refusal) error {
	c.mu.Lock()
	c.refused[r.Reason]++
	c.mu.Unlock()
	return c.Ledger.Refused(ctx, r)
}

// Note counts an inbound call when it comes, and how it ends.
func (c *counted) Note(call ledger.Call) {
	from := web.Origin{By: call.Asker.Kind}
	if from.By == "trunk" {
		from.Trunk = call.Asker.Key
	}
	c.mu.Lock()
	if !c.here[call.ID] {
		c.here[call.ID] = true
		c.in[from]++
	}
	if !call.Ended.IsZero() {
		delete(c.here, call.ID)
		c.left[call.Ending]++
	}
	c.mu.Unlock()
	c.Ledger.Note(call)
}

func (c *counted) totals(to *web.Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to.Placed, to.Ended, to.Refused = c.placed, maps.Clone(c.ended), maps.Clone(c.refused)
	to.In, to.InEnded = maps.Clone(c.in), maps.Clone(c.left)
}
