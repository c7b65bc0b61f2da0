package web

import (
	"net/netip"
	"sync"
	"time"

	"dialroom/sfu/fraud"
)

// maxTracked bounds how many addresses a rate knows at the same time.
const maxTracked = 10_000

// rate bounds how often one client may do something: a token bucket for each
// address, an IPv6 /64 being one. The machine itself is not bounded.
type rate struct {
	burst     float64 // fixed after newRate
	perSecond float64

	mu      sync.Mutex // guards what follows
	clients map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newRate(burst, perSecond float64) *rate {
	return &rate{burst: burst, perSecond: perSecond, clients: map[string]bucket{}}
}

// allow takes so many tokens of the client, if there are that many. When too
// many clients are known, nobody new is let through until old ones can be forgotten.
func (r *rate) allow(client netip.Addr, cost float64, now time.Time) bool {
	if client.IsLoopback() {
		return true
	}
	name := fraud.Bucket(client)
	r.mu.Lock()
	defer r.mu.Unlock()
	b, known := r.clients[name]
	if !known {
		if len(r.clients) >= maxTracked && !r.forget(now) {
			return false
		}
		b = bucket{r.burst, now}
	}
	b.tokens = r.level(b, now)
	b.at = now
	ok := b.tokens >= cost
	if ok {
		b.tokens -= cost
	}
	r.clients[name] = b
	return ok
}

func (r *rate) level(b bucket, now time.Time) float64 {
	return min(r.burst, b.tokens+max(0, now.Sub(b.at).Seconds())*r.perSecond)
}

// forget drops the clients whose buckets are full again, who are as good as
// new. It reports whether there were any.
func (r *rate) forget(now time.Time) bool {
	before := len(r.clients)
	for name, b := range r.clients {
		if r.level(b, now) >= r.burst {
			delete(r.clients, name)
		}
	}
	return len(r.clients) < before
}
