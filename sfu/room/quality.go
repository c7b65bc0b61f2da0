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

func tens(ms int) int { return (ms + 5) / 10 * 10 }
