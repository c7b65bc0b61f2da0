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
	c.Placed, c.Ended, c.Refused = m.ledger.totals()
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
}

func newCounted(l *ledger.Ledger) *counted {
	return &counted{Ledger: l, ended: map[string]uint64{}, refused: map[string]uint64{}}
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

func (c *counted) totals() (placed uint64, ended, refused map[string]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.placed, maps.Clone(c.ended), maps.Clone(c.refused)
}
