package call

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// When a name server does not answer, what a name led to is used for so
	// long, and then no call waits longer than hastyLookup for it.
	rememberFor = time.Hour
	hastyLookup = 1500 * time.Millisecond

	// maxRemembered bounds the memory; there are about as many as trunks.
	maxRemembered = 256
)

// memory is what names led to when they last did.
type memory struct {
	mu   sync.Mutex
	last map[target]remembered // guarded by mu
}

type remembered struct {
	hops []hop
	at   time.Time
}

func (m *memory) get(t target, now time.Time) []hop {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.last[t]; ok && now.Sub(r.at) < rememberFor {
		return r.hops
	}
	return nil
}

func (m *memory) put(t target, hops []hop, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last == nil {
		m.last = make(map[target]remembered)
	}
	if _, known := m.last[t]; !known && len(m.last) >= maxRemembered {
		for other := range m.last {
			delete(m.last, other)
			break
		}
	}
	m.last[t] = remembered{hops, now}
}

// resolve finds the addresses of t in the order they are to be tried, by DNS,
// or where that does not answer by what it said last.
func (a *Agent) resolve(ctx context.Context, t target) ([]hop, error) {
	if _, err := netip.ParseAddr(t.host); err == nil {
		return a.lookUp(ctx, t)
	}
	before := a.memory.get(t, a.clock.Now())
	if before != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, hastyLookup)
		defer cancel()
	}
	hops, err := a.lookUp(ctx, t)
	if err == nil && len(hops) > 0 {
		a.memory.put(t, hops, a.clock.Now())
		return hops, nil
	}
	var answer *net.DNSError
	if before == nil || (errors.As(err, &answer) && answer.IsNotFound) {
		return hops, err
	}
	a.log.Warn("DNS does not answer, what it said last is used", "host", t.host, "error", err)
	return before, nil
}
