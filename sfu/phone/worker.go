package phone

import (
	"sync"
	"time"
)

// pace is how often a conference needs a tick.
type pace uint8

const (
	idle      pace = iota // never
	coarse                // every second tick: whether relayed voices are still there
	everyTick             // every 20 ms: somebody is sent frames of our own
)

// maxCatchUp is how many ticks a worker makes up for when it was kept from
// running; what is older than 100 ms nobody waits for any more.
const maxCatchUp = 5

// worker makes the ticks of its conferences: all of them in one go, every 20
// ms, and none while none is needed.
type worker struct {
	hub  *Hub
	kick chan struct{} // somebody needs a tick sooner than planned

	// owned by run
	made  int64 // the last tick made, in ticks since the clock began
	slept bool
	turn  []*Conference

	mu    sync.Mutex // guards all below, and pace and place of the conferences
	confs [everyTick + 1][]*Conference
}

func newWorker(h *Hub) *worker {
	return &worker{hub: h, kick: make(chan struct{}, 1), slept: true}
}

// run makes ticks until the hub is closed.
func (w *worker) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := time.Hour
		if d, busy := w.step(w.hub.now()); busy {
			wait = d
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-w.kick:
		case <-w.hub.done:
			return
		}
	}
}

// step makes the ticks that are due by now and returns the time until the next;
// false when none is planned.
func (w *worker) step(now int64) (time.Duration, bool) {
	tick := now / frameTime
	if w.slept {
		w.made = tick // ticks begin with the next
	}
	for w.made = max(w.made, tick-maxCatchUp); w.made < tick; {
		w.made++
		w.tick(everyTick, w.made)
		if w.made%2 == 0 {
			w.tick(coarse, w.made)
		}
	}
	next := w.made + 1
	w.mu.Lock()
	every, some := len(w.confs[everyTick]), len(w.confs[coarse])
	w.mu.Unlock()
	w.slept = every+some == 0
	if every == 0 {
		next += next % 2
	}
	return time.Duration(next*frameTime - now), !w.slept
}

// tick makes one tick of all conferences of a pace.
func (w *worker) tick(p pace, n int64) {
	w.mu.Lock()
	w.turn = append(w.turn[:0], w.confs[p]...)
	w.mu.Unlock()
	for i, c := range w.turn {
		c.tick(n * frameTime)
		w.turn[i] = nil // may be gone for good before the next tick
	}
}

// set gives a conference its pace. c.mu is held, which orders the calls.
func (w *worker) set(c *Conference, p pace) {
	if c.pace == p {
		return
	}
	w.mu.Lock()
	if old := w.confs[c.pace]; c.pace != idle {
		last := old[len(old)-1]
		old[c.place], last.place = last, c.place
		old[len(old)-1] = nil
		w.confs[c.pace] = old[:len(old)-1]
	}
	if p != idle {
		c.place = len(w.confs[p])
		w.confs[p] = append(w.confs[p], c)
	}
	faster := p > c.pace && len(w.confs[p]) == 1
	c.pace = p
	w.mu.Unlock()
	if faster {
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
}
