package main

import (
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// tidyEvery is how often an idle process looks whether it holds memory
	// that it does not need.
	tidyEvery = 20 * time.Second

	// worthTidying is how much that has to be, in bytes, beyond what was left the
	// last time.
	worthTidying = 16 << 20
)

// tidy gives memory back after a rush: without calls nothing is allocated, so
// the collector does not run, and what a thousand calls needed would stay for
// hours. It happens only while there is no call that could notice.
func (m *Main) tidy() {
	m.verifier.Tidy()
	m.mu.Lock()
	least := m.leastHeld
	m.mu.Unlock()
	if heapHeld() >= least+worthTidying && len(m.agent.Calls()) == 0 {
		debug.FreeOSMemory()
		least = heapHeld()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leastHeld = least
	if !m.untidy {
		m.stopTidy = m.clock.AfterFunc(tidyEvery, m.tidy)
	}
}

// endTidy stops it.
func (m *Main) endTidy() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.untidy = true
	if m.stopTidy != nil {
		m.stopTidy()
	}
}

// heapHeld is what the heap has from the operating system, in bytes.
func heapHeld() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/unused:bytes"},
	}
	metrics.Read(s)
	return s[0].Value.Uint64() + s[1].Value.Uint64() + s[2].Value.Uint64()
}
