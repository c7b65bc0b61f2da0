package pace

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAMemberIsCalledOncePerInterval(t *testing.T) {
	p := New()
	defer p.Close()
	ticks := make(chan time.Time, 64)
	remove := p.Add(func() { ticks <- time.Now() })
	defer remove()
	first := <-ticks
	var last time.Time
	for range 50 {
		last = <-ticks
	}
	// Late wake-ups are made good: the average holds whatever the machine does.
	if got := last.Sub(first); got < 970*time.Millisecond || got > 3*time.Second {
		t.Errorf("50 intervals took %v", got)
	}
}

func TestMembersAreSpreadOverTheInterval(t *testing.T) {
	p := New()
	defer p.Close()
	for range 2 * phases {
		defer p.Add(func() {})()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, list := range p.members {
		if len(list) != 2 {
			t.Errorf("phase %d has %d members", i, len(list))
		}
	}
}

func TestARemovedMemberIsNotCalledAgain(t *testing.T) {
	p := New()
	defer p.Close()
	calls := make(chan struct{}, 16)
	var remove func()
	ready := make(chan struct{})
	remove = p.Add(func() {
		<-ready
		remove() // from within its own tick
		calls <- struct{}{}
	})
	close(ready)
	<-calls
	other := make(chan struct{}, 16)
	defer p.Add(func() {
		select {
		case other <- struct{}{}:
		default:
		}
	})()
	for range 3 {
		<-other
	}
	if len(calls) != 0 {
		t.Errorf("called %d times more", len(calls))
	}
}

func TestAMemberAddedToAnIdlePacerIsCalled(t *testing.T) {
	p := New()
	defer p.Close()
	for range 3 {
		tick := make(chan struct{}, 16)
		remove := p.Add(func() {
			select {
			case tick <- struct{}{}:
			default:
			}
		})
		<-tick
		remove()
	}
}

func TestCloseMayBeCalledTwice(t *testing.T) {
	p := New()
	p.Close()
	p.Close()
}
