package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"

	"dialroom/shared/sign"
)

const (
	// tidyEvery is how often an idle process looks whether it holds memory
	// that it does not need.
	tidyEvery = 20 * time.Second

	// worthTidying is how much that has to be, in bytes, beyond the least there was.
	worthTidying = 16 << 20

	// tidyPatience is how often it is tried in vain before what is held counts as
	// needed: what a rush leaves behind is gone within three minutes.
	tidyPatience = 9

	// calmLooks is how many looks after memory was given back it is done once
	// more, when nothing of the rush is left: a nonce is kept for two minutes.
	calmLooks = 6
)

// tidier gives memory back after a rush: without calls and people nothing is
// allocated, so the collector does not run, and what a thousand calls needed
// would stay for long. It happens only while nobody could notice.
type tidier struct {
	verifier *sign.Verifier
	idle     func() bool // no call, and nobody in a room
	held     func() uint64
	free     func()
	least    uint64 // held after a time when memory was given back
	vain     int    // times in a row that this was not the least
	calm     int    // looks since, while nobody was there
}

func (m *Main) tidy(verifier *sign.Verifier) {
	t := tidier{verifier: verifier, idle: m.idle, held: heapHeld, free: func() {
		debug.FreeOSMemory()
		m.log.Info("memory given back", "in_use", heapInUse(), "held", heapHeld())
	}}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(tidyEvery)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				t.look()
			}
		}
	}()
	m.closer(func() error {
		close(stop)
		<-done
		return nil
	})
}

// look gives back what is too much.
func (t *tidier) look() {
	t.verifier.Tidy()
	if !t.idle() {
		return
	}
	much := t.least == 0 || t.held() >= t.least+worthTidying
	if t.calm++; much {
		t.calm = 0
	}
	if much || t.calm == calmLooks {
		t.free()
		now := t.held()
		if t.vain++; t.least == 0 || now < t.least+worthTidying || t.vain >= tidyPatience {
			t.least, t.vain = now, 0
		}
	}
}

// idle reports whether there is no call and nobody in a room.
func (m *Main) idle() bool {
	if m.dial.Active() > 0 {
		return false
	}
	for _, r := range m.rooms.Rooms() {
		if len(r.Participants()) > 0 {
			return false
		}
	}
	return true
}

// heapInUse is how much of that is in use, in bytes, right after a collection.
func heapInUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// heapHeld is what the heap has from the operating system, in bytes.
func heapHeld() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64() + s[2].Value.Uint64()
}
