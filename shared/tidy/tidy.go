// Package tidy gives memory back after a rush. Without calls and people nothing
// is allocated, so the collector does not run, and what a thousand calls needed
// would stay for hours.
//
// A process calls [Memory.Look] every now and then ([Every]); it acts only while
// the process is idle, so that nobody could notice. It has no goroutine or timer.
package tidy

import (
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// Every is how often a process looks whether it holds memory that it does
	// not need.
	Every = 20 * time.Second

	// worthIt is how much that has to be, in bytes, beyond the least there was.
	worthIt = 16 << 20

	// patience is how often it is tried in vain before what is held counts as
	// needed: transactions live on for half a minute after their calls (RFC 3261
	// §17), and what else a rush leaves behind is gone within three.
	patience = 9

	// calmLooks is how many looks after memory was given back it is done once
	// more, when nothing of the rush is left: a nonce is kept for two minutes.
	calmLooks = 6
)

// Memory is that of this process. It is used by one goroutine at a time.
type Memory struct {
	// fixed after New
	idle func() bool
	held func() uint64
	free func()

	least uint64 // held after a time when memory was given back; 0 before the first
	vain  int    // times in a row that this was not the least
	calm  int    // looks since, while the process was idle
}

// New returns the memory of a process that is idle, with no call and nobody
// there, when idle says so.
func New(idle func() bool, log *slog.Logger) *Memory {
	return &Memory{idle: idle, held: heapHeld, free: func() {
		debug.FreeOSMemory()
		log.Info("memory given back", "in_use", sum(inUse), "held", heapHeld())
	}}
}

// Look gives back what is too much.
func (m *Memory) Look() {
	if !m.idle() {
		return
	}
	much := m.least == 0 || m.held() >= m.least+worthIt
	if m.calm++; much {
		m.calm = 0
	}
	if !much && m.calm != calmLooks {
		return
	}
	m.free()
	now := m.held()
	if m.vain++; m.least == 0 || now < m.least+worthIt || m.vain >= patience {
		m.least, m.vain = now, 0
	}
}

const inUse = "/memory/classes/heap/objects:bytes"

// heapHeld is what the heap has from the operating system, in bytes.
func heapHeld() uint64 {
	return sum(inUse, "/memory/classes/heap/free:bytes", "/memory/classes/heap/unused:bytes")
}

// sum adds up figures of the runtime.
func sum(names ...string) (total uint64) {
	samples := make([]metrics.Sample, len(names))
	for i, name := range names {
		samples[i].Name = name
	}
	metrics.Read(samples)
	for _, s := range samples {
		total += s.Value.Uint64()
	}
	return total
}
