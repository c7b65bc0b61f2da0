package main

import "dialroom/shared/tidy"

// tidy forgets old nonces and gives memory back, and comes again until endTidy.
func (m *Main) tidy() {
	m.verifier.Tidy()
	m.memory.Look()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.untidy {
		m.stopTidy = m.clock.AfterFunc(tidy.Every, m.tidy)
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
