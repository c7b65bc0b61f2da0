// Package pace sends media on time: one goroutine calls every member once per
// 20 ms, on an absolute schedule, so that no rate drifts however late a single
// wake-up is.
//
// Members are spread over the 20 ms so that many calls do not send in one
// burst, as they would not in life. A pacer without members does not wake.
package pace

import (
	"sync"
	"sync/atomic"
	"time"
)

// Interval is how often a member is called: one frame of telephone sound.
const Interval = 20 * time.Millisecond

// phases is how many moments within the interval members are spread over: 1 ms
// is about what an ordinary timer keeps.
const phases = 20

// Pacer calls its members. Create with [New], end with Close.
type Pacer struct {
	// fixed after New
	start time.Time
	wake  chan struct{}
	stop  chan struct{}
	done  chan struct{}

	// guarded by mu
	mu      sync.Mutex
	members [phases][]*member
	closed  bool
}

type member struct {
	tick  func()
	since int64 // the first interval in which it is called
	gone  atomic.Bool
}

// New starts a pacer.
func New() *Pacer {
	p := &Pacer{
		start: time.Now(),
		wake:  make(chan struct{}, 1),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	go p.run()
	return p
}

// Add calls tick every interval until remove is called. A tick that is under
// way when remove is called finishes; it may be called from a tick.
func (p *Pacer) Add(tick func()) (remove func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := 0
	for i := range p.members {
		if len(p.members[i]) < len(p.members[best]) {
			best = i
		}
	}
	// Never the present interval: its moment for this phase may be over.
	m := &member{tick: tick, since: int64(time.Since(p.start)/Interval) + 1}
	p.members[best] = append(p.members[best], m)
	select {
	case p.wake <- struct{}{}:
	default:
	}
	var once sync.Once
	return func() { once.Do(func() { p.remove(best, m) }) }
}

func (p *Pacer) remove(phase int, m *member) {
	m.gone.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := make([]*member, 0, len(p.members[phase]))
	for _, have := range p.members[phase] {
		if have != m {
			kept = append(kept, have)
		}
	}
	p.members[phase] = kept
}

// Close stops calling members and waits for the one under way.
func (p *Pacer) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.stop)
	}
	p.mu.Unlock()
	<-p.done
}

// run walks the schedule step by step; a late wake-up makes it do several
// steps at once, so that every member gets exactly one tick per interval.
func (p *Pacer) run() {
	defer close(p.done)
	const step = Interval / phases
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	next := int64(0) // the step to be done next, counted from start
	for {
		idle := !p.busy()
		if idle {
			timer.Reset(time.Hour)
		} else {
			timer.Reset(time.Until(p.start.Add(time.Duration(p.upcoming(next)) * step)))
		}
		select {
		case <-p.stop:
			return
		case <-p.wake:
			if idle {
				// Nothing was due while there was nobody.
				next = int64(time.Since(p.start)/step) + 1
			}
		case <-timer.C:
			for now := int64(time.Since(p.start) / step); next <= now; next++ {
				p.do(next)
			}
		}
	}
}

func (p *Pacer) busy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.members {
		if len(p.members[i]) > 0 {
			return true
		}
	}
	return false
}

// upcoming returns the first step from next on in which somebody is called.
func (p *Pacer) upcoming(next int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range int64(phases) {
		if len(p.members[(next+i)%phases]) > 0 {
			return next + i
		}
	}
	return next + phases
}

func (p *Pacer) do(step int64) {
	p.mu.Lock()
	list := p.members[step%phases]
	p.mu.Unlock()
	for _, m := range list {
		if step/phases >= m.since && !m.gone.Load() {
			m.tick()
		}
	}
}
