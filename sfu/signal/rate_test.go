package signal

import (
	"context"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestTooManyMessagesAreIgnoredThenClosed(t *testing.T) {
	now := time.Now()
	s := newSite(t, func(c *Config) { c.Now = func() time.Time { return now } })
	p, _ := s.join("r", "Ann")
	go func() {
		for range burst + maxIgnored + 1 {
			if p.conn.Write(context.Background(), websocket.MessageText, []byte(`{"type":"ping"}`)) != nil {
				return
			}
		}
	}()
	p.expectError("too-fast")
	p.expectClose(websocket.StatusPolicyViolation)
}

func TestTheRateOfMessages(t *testing.T) {
	now := time.Unix(0, 0)
	l := newLimiter(burst, perSecond, now)
	count := func(msg any) (n int) {
		for l.allow(now, cost(msg)) {
			n++
		}
		return n
	}
	if n := count(pingMessage{}); n != burst {
		t.Errorf("%d messages at once, want %d", n, burst)
	}
	now = now.Add(time.Second)
	if n := count(pingMessage{}); n != perSecond {
		t.Errorf("%d messages after a second, want %d", n, perSecond)
	}
	now = now.Add(time.Hour)
	if n := count(offerMessage{}); n != burst/offerCost {
		t.Errorf("%d offers at once, want %d", n, burst/offerCost)
	}
	now = now.Add(-time.Minute) // a clock that jumps back gives nothing and takes nothing
	if l.allow(now, cost(pingMessage{})) {
		t.Error("a clock that jumped back gave tokens")
	}
}
