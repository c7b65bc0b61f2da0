package room

import "slices"

// This file chooses among the layers of a picture that its publisher sends in
// several sizes: everybody gets the smallest that looks right where it is shown,
// and the publisher sends only those that somebody gets.

const (
	// layerSlack is how far a picture may be enlarged, in percent, before the
	// next larger layer is worth its bits.
	layerSlack = 25

	// assumedWidth is the width of a largest layer that has not told its own: what the page asks its camera for.
	assumedWidth = 1280

	// layerGone is how many ticks without a packet mean that a layer is not
	// sent: a second, of which a slow camera in the dark still has several frames.
	layerGone = 5

	// layerRest is how many ticks a layer goes on after its last viewer was given
	// another one: that other shows only with its next key frame.
	layerRest = 10
)

// layer is one size of a source's picture.
type layer struct {
	track   *Track
	packets uint64 // at the last tick
	still   int    // ticks without a packet
	wanted  bool   // by somebody now
	until   uint64 // the tick until which it goes on unwanted
}

func newLayers(t *Track) []layer {
	var list []layer
	for _, l := range t.Layers {
		list = append(list, layer{track: l, packets: l.Packets(), still: layerGone})
	}
	return list
}

func (l *layer) live() bool { return l.still < layerGone }

// width is the layer's own, or what it is likely to be: each half of the next.
func (s *source) width(i int) int {
	if w := s.layers[i].track.Width(); w > 0 {
		return w
	}
	return assumedWidth >> (len(s.layers) - 1 - i)
}

// fitting returns the layer for a picture that is shown px device pixels wide; 0 is unknown.
func (s *source) fitting(px int) int {
	for i := range s.layers {
		if px > 0 && s.width(i)*(100+layerSlack) >= px*100 {
			return i
		}
	}
	return len(s.layers) - 1
}

// flow returns the track to put into a slot that shows the source px wide. The
// layer that fits is asked for; until it comes, the next smaller that does, or the next larger.
func (s *source) flow(px int) *Track {
	if len(s.layers) == 0 {
		return s.track
	}
	best := s.fitting(px)
	s.layers[best].wanted = true
	now := best
	if !s.layers[best].live() {
		for i := range s.layers {
			if s.layers[i].live() && (i < best || now == best) {
				now = i
			}
		}
	}
	s.layers[now].wanted = true
	return s.layers[now].track
}

// watch follows which layers come, and reports whether that, or what the
// publisher is to send, has changed.
func (s *source) watch(tick uint64) (changed bool) {
	for i := range s.layers {
		l := &s.layers[i]
		packets, live := l.track.Packets(), l.live()
		if l.still++; packets != l.packets {
			l.packets, l.still = packets, 0
		}
		changed = changed || l.live() != live || l.until == tick
	}
	return changed
}

// leave lets the layer that a slot had go on for a while.
func (s *source) leave(t *Track, tick uint64) {
	for i := range s.layers {
		if s.layers[i].track == t {
			s.layers[i].until = tick + layerRest
		}
	}
}

// names returns the layers that the publisher is to send; nil when there are none to choose from.
func (s *source) names(tick uint64) []string {
	var rids []string
	for i := range s.layers {
		if l := &s.layers[i]; l.wanted || l.until > tick {
			rids = append(rids, l.track.RID)
		}
	}
	return rids
}

// layered reports whether the participant sends its camera in several sizes.
func (p *Participant) layered() bool {
	s := p.tracks[Camera]
	return s != nil && len(s.layers) > 0
}

// sendLayers tells the page which sizes of its camera's picture somebody wants.
func (p *Participant) sendLayers() {
	if !p.layered() {
		return
	}
	if now := p.tracks[Camera].names(p.room.ticks); len(now) > 0 && !slices.Equal(now, p.sentLayers) {
		p.sentLayers = now
		p.send(Layers{Type: "layers", Camera: now})
	}
}
