package signal

import "time"

const (
	// burst and perSecond bound the messages of a page. A page that joins sends
	// about ten at once, one that resizes its window a few a second.
	burst     = 60
	perSecond = 20
	// offerCost is what an offer counts: it costs milliseconds, not microseconds.
	offerCost = 5
	// maxIgnored messages in a row are no accident any more.
	maxIgnored = 200
)

// limiter is a token bucket.
type limiter struct {
	tokens  float64
	at      time.Time
	ignored int // messages refused in a row
}

func newLimiter(now time.Time) limiter { return limiter{tokens: burst, at: now} }

// allow takes the tokens for a message, if there are enough.
func (l *limiter) allow(now time.Time, msg any) bool {
	if d := now.Sub(l.at); d > 0 {
		l.tokens = min(burst, l.tokens+d.Seconds()*perSecond)
		l.at = now
	}
	cost := 1.0
	if _, offer := msg.(offerMessage); offer {
		cost = offerCost
	}
	if l.tokens < cost {
		l.ignored++
		return false
	}
	l.tokens -= cost
	l.ignored = 0
	return true
}

// hopeless reports whether the page does not slow down.
func (l *limiter) hopeless() bool { return l.ignored > maxIgnored }
