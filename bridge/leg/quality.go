package leg

import (
	"math"
	"time"

	"dialroom/shared/wire"
)

const (
	// muteAfter is how long no packet may come from a phone that should speak
	// before its line is called mute. Silence suppression sends a packet of
	// comfort noise now and then.
	muteAfter = 3 * time.Second
	// deafAbove is the reported loss that means that nothing arrives.
	deafAbove = 0.98
	// staleReport is how old what the phone says may be: reports come every 5 s.
	staleReport = 15 * time.Second
	// buffering is what jitter costs in delay: a jitter buffer holds about twice as much.
	buffering = 2
	// ownDelay is what our side and the phone's add to the way: packetisation and playout.
	ownDelay = 50 * time.Millisecond
)

// lookout is what a leg remembers between two looks at its quality.
type lookout struct {
	expected, got uint32    // of the phone's stream
	ssrc          uint32    // and which one that was
	since         time.Time // when the phone was first to be heard
}

// Quality returns how the call's media does, by what came since the last call of Quality.
// It is false while there is no session.
func (l *Leg) Quality() (wire.Quality, bool) {
	now := l.hub.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.path
	if p == nil || l.closed {
		return wire.Quality{}, false
	}
	q := wire.Quality{
		Loss: l.lossSince(), Jitter: milli(l.heard.jitterTime()),
		RoundTrip: milli(l.reports.roundTrip), Codec: p.Codec, Secure: p.Secure,
	}
	if now.Sub(l.reports.at) < staleReport {
		q.FarLoss, q.FarJitter = l.reports.remoteLoss, milli(l.reports.remoteJitter)
		q.Deaf = p.speaks && q.FarLoss >= deafAbove
	}
	if !p.hears || p.Hold {
		l.look.since = time.Time{}
	} else if l.look.since.IsZero() {
		l.look.since = now
	}
	last := l.lastRTP
	if last.Before(l.look.since) {
		last = l.look.since
	}
	q.Mute = p.hears && !p.Hold && now.Sub(last) >= muteAfter
	delay := l.reports.roundTrip/2 + ownDelay
	q.MOS = min(
		mos(q.Loss, delay+buffering*l.heard.jitterTime()),
		mos(q.FarLoss, delay+buffering*time.Duration(q.FarJitter)*time.Millisecond),
	)
	if q.Mute || q.Deaf {
		q.MOS = 1
	}
	return q, true
}

// lossSince returns the share of the phone's packets that were lost since it was called last; mu is held.
func (l *Leg) lossSince() float64 {
	r, before := &l.heard, l.look
	l.look.expected, l.look.got, l.look.ssrc = r.expected(), r.got, r.ssrc
	expected, got := r.expected(), r.got
	if before.ssrc == r.ssrc && expected >= before.expected && got >= before.got {
		expected, got = expected-before.expected, got-before.got
	}
	if expected == 0 || got >= expected {
		return 0
	}
	return math.Round(1000*float64(expected-got)/float64(expected)) / 1000
}

func milli(d time.Duration) int { return int(d.Round(time.Millisecond) / time.Millisecond) }

// mos estimates the mean opinion score of a direction: the E-model of ITU-T
// G.107 with its defaults, for G.711 with concealment (G.113: Ie 0, Bpl 25.1) and
// losses at random. G.722 fares like it.
func mos(loss float64, delay time.Duration) float64 {
	ms := float64(delay) / float64(time.Millisecond)
	r := 93.2 - 0.024*ms
	if ms > 177.3 {
		r -= 0.11 * (ms - 177.3)
	}
	percent := 100 * loss
	r -= 95 * percent / (percent + 25.1)
	if r <= 0 {
		return 1
	}
	score := 1 + 0.035*r + 7e-6*r*(r-60)*(100-r)
	return math.Round(10*min(max(score, 1), 4.5)) / 10
}
