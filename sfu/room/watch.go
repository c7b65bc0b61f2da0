package room

import (
	"math"
	"time"
)

// This file tells pages what they cannot see themselves: that nothing of their
// microphone arrives here, and how the others' packets do.

// unheardAfter is how many ticks, 3 seconds, may pass without a packet of a
// microphone that is wanted: a page needs one to begin, and an encoder that is
// silent (DTX) still sends a packet every 400 ms.
const unheardAfter = 15

// uplinkEvery is how many ticks, 5 seconds, a figure of an uplink covers: at
// least a hundred packets of speech.
const uplinkEvery = 25

// Arrival is what arrived of a browser's microphone since it began to send.
type Arrival struct {
	Expected, Received uint64 // packets
	Jitter             time.Duration
}

// meter is Media that can tell how its microphone arrives; package peer's can.
type meter interface {
	// Arrival returns false when nothing has come yet.
	Arrival() (Arrival, bool)
}

// uplink is what was last measured of a browser's way to us, and told.
type uplink struct {
	before    Arrival
	roundTrip time.Duration // 0 while unknown
	told      UplinkQuality
}

// SetRoundTrip records how long a message to the page and back takes.
func (p *Participant) SetRoundTrip(d time.Duration) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.uplink.roundTrip = d
}

// want records whether somebody wants a sound of p; one that is wanted anew gets
// the time to begin.
func (p *Participant) want(k Kind, wanted bool) {
	if s := p.tracks[k]; s != nil && s.wanted != wanted {
		s.wanted, s.still = wanted, 0
	}
}

// missed follows a sound at one tick and reports whether it is wanted and has
// not come for too long.
func (s *source) missed(fresh bool) bool {
	switch {
	case !s.wanted:
		return false
	case fresh:
		s.still = 0
	case s.still < unheardAfter:
		s.still++
	}
	return s.still >= unheardAfter
}

// tellUnheard tells the page of p when its microphone is wanted and nothing
// comes, and when something does again.
func (p *Participant) tellUnheard(unheard bool) {
	if unheard != p.unheard && p.present() {
		p.unheard = unheard
		p.send(Unheard{Type: "unheard", Unheard: unheard})
	}
}

// measure tells everybody how the packets of p arrive, when that is another
// than before. Figures are as fine as anybody can hear.
func (r *Room) measure(p *Participant) {
	m, ok := p.media.(meter)
	if !ok || !p.up {
		return
	}
	now, ok := m.Arrival()
	before := p.uplink.before
	p.uplink.before = now
	expected, received := now.Expected-before.Expected, now.Received-before.Received
	if !ok || now.Expected < before.Expected || now.Received < before.Received || expected < uplinkEvery {
		return // it has begun anew, or is muted
	}
	q := UplinkQuality{Type: "uplink", ID: p.id,
		Loss:   math.Round(100*max(0, 1-float64(received)/float64(expected))) / 100,
		Jitter: tens(int(now.Jitter.Milliseconds()))}
	if p.uplink.roundTrip > 0 {
		q.RoundTrip = max(1, tens(int(p.uplink.roundTrip.Milliseconds())))
	}
	if q != p.uplink.told {
		p.uplink.told = q
		r.broadcast(nil, q)
	}
}
