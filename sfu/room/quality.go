package room

import (
	"math"

	"dialroom/shared/wire"
)

// LineQuality tells pages how a phone's line is, while it changes. Pages that
// do not show it lose nothing.
type LineQuality struct {
	Type string `json:"type"` // "quality"
	Call string `json:"call"`
	wire.Quality
}

// UplinkQuality tells pages how a browser's packets arrive at the server, while
// that changes.
type UplinkQuality struct {
	Type   string  `json:"type"` // "uplink"
	ID     string  `json:"id"`
	Loss   float64 `json:"loss"`   // of its microphone's packets, 0 to 1
	Jitter int     `json:"jitter"` // ms
	// RoundTrip is that of messages, which share the way with the packets, in ms.
	RoundTrip int `json:"rtt,omitempty"`
}

// RateCall takes what the bridge has measured of a call's line and tells
// everybody when it is another than before.
func (r *Room) RateCall(id string, q wire.Quality) {
	// As fine as anybody can hear, so that a steady line is told of once.
	q.Loss, q.FarLoss = math.Round(100*q.Loss)/100, math.Round(100*q.FarLoss)/100
	q.Jitter, q.FarJitter, q.RoundTrip = tens(q.Jitter), tens(q.FarJitter), tens(q.RoundTrip)
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.callByID(id)
	if r.closed || c == nil || !c.live() || c.quality == q {
		return
	}
	c.quality = q
	r.broadcast(nil, LineQuality{Type: "quality", Call: id, Quality: q})
}

// tellQuality tells somebody who joins what the others have been told.
func (r *Room) tellQuality(p *Participant) {
	for _, c := range r.calls {
		if c.live() && c.quality != (wire.Quality{}) {
			p.send(LineQuality{Type: "quality", Call: c.ID, Quality: c.quality})
		}
	}
	for _, q := range r.people {
		if q != p && q.uplink.told != (UplinkQuality{}) {
			p.send(q.uplink.told)
		}
	}
}

func tens(ms int) int { return (ms + 5) / 10 * 10 }
