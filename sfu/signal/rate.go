package signal

import "time"

const (
	// burst and perSecond bound the messages of a page. A page that joins sends
	// about ten at once, one that resizes its window a few a second.
	burst     = 60
	perSecond = 20
	// offerCost is what an offer counts: it costs milliseconds, not microseconds.
	offerCost = 5
	// chatBurst and chatPerSecond bound what somebody may write: faster than that
	// people paste, and everybody else must read it.
	chatBurst     = 10
	chatPerSecond = 1
	// maxIgnored messages in a row are no accident any more.
	maxIgnored = 200
)

// limiter is a token bucket.
type limiter struct {
	most, perSecond float64 // fixed after newLimiter

	tokens  float64
	at      time.Time
	ignored int // messages refused in a row
}

func newLimiter(most, perSecond float64, now time.Time) limiter {
	return limiter{most: most, perSecond: perSecond, tokens: most, at: now}
}

// cost is how many tokens a message takes.
func cost(msg any) float64 {
	if _, offer := msg.(offerMessage); offer {
		return offerCost
	}
	return 1
}

// allow takes so many tokens, if there are enough.
func (l *limiter) allow(now time.Time, cost float64) bool {
	if d := now.Sub(l.at); d > 0 {
		l.tokens = min(l.most, l.tokens+d.Seconds()*l.perSecond)
		l.at = now
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
