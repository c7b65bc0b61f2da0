package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"sync"

	"dialroom/sfu/ledger"
	"dialroom/sfu/peer"
	"dialroom/sfu/phone"
	"dialroom/sfu/room"
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
	c.Packets = m.traffic.totals()
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

// traffic adds up the packets of all connections: those that are open are asked
// when somebody wants to know, those that were closed have left their figures.
type traffic struct {
	mu     sync.Mutex // guards what follows
	closed packets
	open   map[source]struct{}
}

// packets are counters from the sfu's point of view.
type packets struct{ fromBrowsers, toBrowsers, fromPhones, toPhones uint64 }

func (p *packets) add(q packets) {
	p.fromBrowsers += q.fromBrowsers
	p.toBrowsers += q.toBrowsers
	p.fromPhones += q.fromPhones
	p.toPhones += q.toPhones
}

// source is a connection that counts its packets.
type source interface{ packets() packets }

func (t *traffic) opened(s source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[source]struct{}{}
	}
	t.open[s] = struct{}{}
}

func (t *traffic) gone(s source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.open[s]; ok {
		delete(t.open, s)
		t.closed.add(s.packets())
	}
}

func (t *traffic) totals() map[string]uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.closed
	for s := range t.open {
		sum.add(s.packets())
	}
	return map[string]uint64{"from-browsers": sum.fromBrowsers, "to-browsers": sum.toBrowsers, "from-phones": sum.fromPhones, "to-phones": sum.toPhones}
}

// browser is a browser's connection that is counted.
type browser struct {
	*peer.Peer
	traffic *traffic
}

func (t *traffic) browser(p *peer.Peer) *browser {
	b := &browser{p, t}
	t.opened(b)
	return b
}

// Close ends the connection and keeps its figures.
func (b *browser) Close() {
	b.Peer.Close()
	b.traffic.gone(b)
}

func (b *browser) packets() (p packets) {
	stats := b.Stats()
	for _, s := range stats.Received {
		p.fromBrowsers += s.Packets
	}
	for _, s := range stats.Sent {
		p.toBrowsers += s.Packets
	}
	return p
}

// leg is a phone's connection that is counted.
type leg struct {
	*phone.Leg
	traffic *traffic
}

func (t *traffic) leg(l *phone.Leg) *leg {
	counted := &leg{l, t}
	t.opened(counted)
	return counted
}

// Connect lets RTP to the phone flow. A codec that cannot be sent leaves the
// leg as it was and is an error.
func (l *leg) Connect(codec wire.Codec, bridge netip.AddrPort) error {
	l.Leg.Connect(codec, bridge)
	if sent := l.Stats().Codec; sent != codec {
		return fmt.Errorf("the codec %q cannot be sent", codec)
	}
	return nil
}

// Close ends the leg and keeps its figures.
func (l *leg) Close() {
	l.Leg.Close()
	l.traffic.gone(l)
}

func (l *leg) packets() packets {
	s := l.Stats()
	return packets{fromPhones: s.Received.Packets, toPhones: s.Sent.Packets}
}

// conference is a room's conference that takes legs as they come out of traffic.
type conference struct{ room.Conference }

// Add lets a phone take part.
func (c conference) Add(l room.Leg) { c.Conference.Add(uncounted(l)) }

// Remove ends that.
func (c conference) Remove(l room.Leg) { c.Conference.Remove(uncounted(l)) }

func uncounted(l room.Leg) room.Leg {
	if counted, ok := l.(*leg); ok {
		return counted.Leg
	}
	return l
}
