package call

import "errors"

// This file is how the agent comes to its end.

// Drain refuses new calls from now on. The returned channel is closed when
// the last call is over, its signalling included.
func (a *Agent) Drain() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.draining {
		a.draining = true
		if len(a.calls) == 0 {
			close(a.idle)
		}
	}
	return a.idle
}

// Draining reports whether new calls are refused.
func (a *Agent) Draining() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.draining || a.closed
}

// Close drops everything at once, without a word to the far ends: hang up
// first. It returns when nothing runs any more.
func (a *Agent) Close() error {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil
	}
	a.closed = true
	a.mu.Unlock()
	a.cancel()
	for _, call := range a.running() {
		call.post(abandon{})
	}
	a.callWG.Wait() // from here on nothing starts a transaction
	a.txl.Close()
	err := a.tpl.Close()
	if a.udp != nil {
		err = errors.Join(err, a.udp.Close())
	}
	if a.tcp != nil {
		err = errors.Join(err, a.tcp.Close())
	}
	if a.tls != nil {
		err = errors.Join(err, a.tls.Close())
	}
	if a.conns != nil {
		for _, f := range a.conns.feeds {
			_ = f.Close()
		}
	}
	a.wg.Wait()
	// The listener may have accepted a last connection while the first pass ran.
	a.sweep()
	return errors.Join(err, a.tpl.Close())
}
