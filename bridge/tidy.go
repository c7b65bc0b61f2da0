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

	// worthTidying is how much that has to be, in bytes, beyond the least there was.
	worthTidying = 16 << 20

	// tidyPatience is how often it is tried in vain before what is held counts as
	// needed: transactions live on for half a minute after their calls (RFC 3261
	// §17), and what else a rush leaves behind is gone within three.
	tidyPatience = 9

	// calmLooks is how many looks after memory was given back it is done once
	// more, when nothing of the rush is left: a nonce is kept for two minutes.
	calmLooks = 6
)

// tidy gives memory back after a rush: without calls nothing is allocated, so
// the collector does not run, and what a thousand calls needed would stay for
// hours. It happens only while there is no call that could notice.
func (m *Main) tidy() {
	m.verifier.Tidy()
	m.mu.Lock()
	least, vain, calm := m.leastHeld, m.vain, m.calm
	m.mu.Unlock()
	if len(m.agent.Calls()) == 0 {
		much := least == 0 || heapHeld() >= least+worthTidying
		if calm++; much {
			calm = 0
		}
		if much || calm == calmLooks {
			debug.FreeOSMemory()
			now := heapHeld()
			m.log.Info("memory given back", "in_use", heapInUse(), "held", now)
			if vain++; least == 0 || now < least+worthTidying || vain >= tidyPatience {
				least, vain = now, 0
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leastHeld, m.vain, m.calm = least, vain, calm
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
