package main

import (
	"time"

	"dialroom/shared/sign"
	"dialroom/shared/tidy"
)

// tidy forgets old nonces and gives memory back, until Main is closed.
func (m *Main) tidy(verifier *sign.Verifier) {
	memory := tidy.New(m.idle, m.log)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(tidy.Every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				verifier.Tidy()
				memory.Look()
			}
		}
	}()
	m.closer(func() error {
		close(stop)
		<-done
		return nil
	})
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
