package dial

import (
	"time"

	"dialroom/shared/wire"
)

// closeWait is how long Close lets calls end properly; with what follows it
// stays within the two seconds that a second signal promises.
const closeWait = 1500 * time.Millisecond

// Drain refuses every new call from now on and lets those that run go on. The
// returned channel is closed when there is none left.
func (s *Service) Drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	s.signalIdle()
	return s.idle
}

func (s *Service) isDraining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// hold keeps Drain's caller waiting while the bridge is told to hang up, until
// release: the call may be over for its room, and the phone still rings.
func (s *Service) hold() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangups++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hangups--
		s.signalIdle()
	}
}

// signalIdle tells Drain's caller when there is no call left, and the bridge
// knows of every hang-up. s.mu is held.
func (s *Service) signalIdle() {
	if !s.draining || len(s.calls) > 0 || s.hangups > 0 {
		return
	}
	select {
	case <-s.idle:
	default:
		close(s.idle)
	}
}

// Close hangs up everything, settles it and waits for all goroutines, within
// two seconds while the ledger works. It may be called more than once.
func (s *Service) Close() {
	idle := s.Drain()
	for _, c := range s.list() {
		s.hangUp(c, wire.Shutdown)
	}
	timeout := time.NewTimer(closeWait)
	defer timeout.Stop()
	select {
	case <-idle:
	case <-timeout.C:
	}
	s.stop() // ends the requests under way
	for _, c := range s.list() {
		s.finish(c, outcome{state: wire.Ended, reason: string(wire.Shutdown)})
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
}
