package main

import (
	"context"
	"errors"
	"sync"
	"testing"
)

// slowSFU answers when it is let to, and counts who waits for that.
type slowSFU struct {
	let chan struct{}

	mu         sync.Mutex
	under, max int
}

func (s *slowSFU) Do(context.Context, string, string, any, any) error {
	s.mu.Lock()
	s.under++
	s.max = max(s.max, s.under)
	s.mu.Unlock()
	<-s.let
	s.mu.Lock()
	s.under--
	s.mu.Unlock()
	return nil
}

func TestARushOfCallersIsNoRushOfRequests(t *testing.T) {
	sfu := &slowSFU{let: make(chan struct{})}
	n := newNarrow(sfu)
	var callers sync.WaitGroup
	for range 10 * lane {
		callers.Go(func() {
			if err := n.Do(context.Background(), "POST", "/", nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "the lane is full", func() bool { return len(n.busy) == lane })
	impatient, cancel := context.WithCancel(context.Background())
	cancel()
	if err := n.Do(impatient, "POST", "/", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("who gives up gets %v", err)
	}
	close(sfu.let)
	callers.Wait()
	if sfu.max > lane || len(n.busy) != 0 {
		t.Errorf("%d at once, %d still counted", sfu.max, len(n.busy))
	}
}
