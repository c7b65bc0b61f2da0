package room

import (
	"slices"

	"dialroom/shared/wire"
)

// This file applies the policy to a room: after every change the slots of all
// browsers, the sources of the phones and the wishes to the pages are computed
// anew, and what differs from before is carried out and told.

func (r *Room) newSource(owner string, t *Track) *source {
	r.joint++
	return &source{track: t, owner: owner, joint: r.joint, score: floorLevel, packets: t.Packets(), layers: newLayers(t)}
}

// refresh brings everything up to date.
func (r *Room) refresh() {
	if r.closed {
		return
	}
	all := r.audience()
	r.crowded = false
	for _, p := range r.people {
		if p.media != nil {
			r.arrangeFor(p, all)
		}
	}
	r.setSources()
	r.sendWishes()
	r.updateActivity()
}

// audience lists everything that could be heard and seen, best first.
func (r *Room) audience() audience {
	var all audience
	for _, p := range r.people {
		for kind, s := range p.tracks {
			s.shown = 0
			for i := range s.layers {
				s.layers[i].wanted = false
			}
			if !p.on(kind) || p.kind == Browser && !p.up {
				continue
			}
			switch {
			case p.kind == Telephone:
				all.phones = append(all.phones, s)
			case kind == Mic, kind == ScreenAudio:
				all.voices = append(all.voices, s)
			case kind == Screen:
				s.score, s.spoke = scoreScreen, p.spoke
				all.videos = append(all.videos, s)
			case kind == Camera:
				s.score, s.spoke = scoreQuiet, p.spoke
				if p.speaking {
					s.score = scoreSpeaking
				}
				all.videos = append(all.videos, s)
			}
		}
	}
	slices.SortFunc(all.voices, better)
	slices.SortFunc(all.phones, better)
	slices.SortFunc(all.videos, better)
	return all
}

// arrangeFor fills the slots of one browser and tells it when they changed.
func (r *Room) arrangeFor(p *Participant, all audience) {
	own := audience{voices: others(all.voices, p.id), phones: others(all.phones, p.id), videos: others(all.videos, p.id)}
	if p.viewSet {
		own.videos = wantedPictures(p, own.videos)
	}
	r.crowded = r.crowded || p.short(own)
	before := make([]*source, len(p.slots))
	for i := range p.slots {
		before[i] = p.slots[i].now
	}
	arrange(p.slots, own)

	// What ends goes first, so that nothing is ever in two slots.
	changed := p.stale
	p.sized = false
	for i := range p.slots {
		if sl := &p.slots[i]; sl.now == nil && before[i] != nil {
			p.media.Assign(sl.Mid, nil)
			changed = true
		}
	}
	for i := range p.slots {
		sl := &p.slots[i]
		if sl.now == nil {
			continue
		}
		sl.now.shown++
		changed = changed || sl.now != before[i]
		p.sized = p.sized || len(sl.now.layers) > 0
		flows := sl.now.flow(p.widthOf(sl.now), p.line.thin)
		if flows == sl.flows && sl.now == before[i] {
			continue
		}
		if sl.now == before[i] {
			sl.now.leave(sl.flows, r.ticks)
		}
		sl.flows = flows
		p.media.Assign(sl.Mid, flows)
	}
	if changed {
		p.stale = false
		p.sendSlots()
	}
}

// widthOf returns how wide the page shows a picture, in device pixels; 0 when it has not said.
func (p *Participant) widthOf(s *source) int {
	if len(s.layers) > 0 && p.viewSet {
		for _, v := range p.view {
			if v.ID == s.owner && v.Kind == s.track.Kind {
				return v.Width
			}
		}
	}
	return 0
}

// short reports whether any kind of slot is too few, so that levels must decide.
func (p *Participant) short(own audience) bool {
	voice, phone, video := 0, 0, 0
	for i := range p.slots {
		switch sl := &p.slots[i]; {
		case sl.video():
			video++
		case sl.phoneOnly():
			phone++
		default:
			voice++
		}
	}
	overflow := max(0, len(own.phones)-phone)
	return len(own.voices)+overflow > voice || len(own.videos) > video
}

func others(list []*source, self string) []*source {
	kept := make([]*source, 0, len(list))
	for _, s := range list {
		if s.owner != self {
			kept = append(kept, s)
		}
	}
	return kept
}

// wantedPictures picks what the page asked for, as far as there are slots.
func wantedPictures(p *Participant, videos []*source) []*source {
	space := 0
	for i := range p.slots {
		if p.slots[i].video() {
			space++
		}
	}
	var list []*source
	for _, v := range p.view {
		for _, s := range videos {
			if s.owner == v.ID && s.track.Kind == v.Kind && len(list) < space && !slices.Contains(list, s) {
				list = append(list, s)
			}
		}
	}
	return list
}

// setSources names what the phones may hear: the phone renditions of the unmuted
// browsers, whether their pages are connected or not, and the phones themselves. A browser
// that can send no phone codec is heard by its microphone's Opus.
func (r *Room) setSources() {
	if r.conf == nil {
		return
	}
	var list []*Track
	for _, p := range r.people {
		s := p.tracks[Phone]
		if s == nil {
			s = p.tracks[Mic]
		}
		if s != nil && p.on(s.track.Kind) && (p.kind == Telephone || p.up) {
			list = append(list, s.track)
		}
	}
	if !slices.Equal(list, r.sources) {
		r.sources = list
		r.conf.SetSources(slices.Clone(list))
	}
}

// sendWishes tells each page which of its tracks somebody needs.
func (r *Room) sendWishes() {
	connected := 0
	for _, p := range r.people {
		if p.up {
			connected++
		}
	}
	codec := r.phoneCodec()
	for _, p := range r.people {
		if !p.present() {
			continue
		}
		audible := p.on(Mic) || p.on(Phone)
		listeners := connected
		if p.up {
			listeners--
		}
		now := Send{Type: "send", Mic: audible && listeners > 0, Camera: p.shown(Camera), Screen: p.shown(Screen),
			ScreenAudio: p.tracks[ScreenAudio] != nil && p.on(ScreenAudio) && listeners > 0, Phone: false}
		if codec != "" && audible {
			now.Phone = codec
			now.Mic = now.Mic || p.tracks[Phone] == nil
		}
		if p.sent == nil || *p.sent != now {
			p.sent = &now
			p.send(now)
		}
		p.want(Mic, now.Mic)
		p.want(Phone, now.Phone != false)
		p.sendLayers()
	}
}

func (p *Participant) shown(k Kind) bool {
	s := p.tracks[k]
	return s != nil && s.shown > 0
}

// phoneCodec returns what most phones of the room speak, "" without any.
func (r *Room) phoneCodec() wire.Codec {
	var best wire.Codec
	votes := map[wire.Codec]int{}
	for _, p := range r.people {
		if p.call == nil || p.call.codec == "" {
			continue
		}
		c := p.call.codec
		votes[c]++
		if votes[c] > votes[best] {
			best = c
		}
	}
	return best
}

// updateActivity decides whether the ticker must visit the room: only when
// somebody could be heard by somebody else, or seen in one of several sizes.
func (r *Room) updateActivity() {
	members, audible := 0, false
	for _, p := range r.people {
		if p.kind == Telephone || p.up {
			members++
			audible = audible || p.tracks[Mic] != nil || p.tracks[Phone] != nil || p.layered()
		}
	}
	on := members > 1 && audible
	if on == r.active {
		return
	}
	r.active = on
	r.m.setActive(r, on)
	if !on {
		r.hush()
	}
}

// tick follows the levels and, where they matter, the slots.
func (r *Room) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || !r.active {
		return
	}
	r.ticks++
	moved, relayer := false, false
	for _, p := range r.people {
		for _, s := range p.layers {
			relayer = s.watch(r.ticks) || relayer
		}
		if r.ticks%lineEvery == 0 {
			relayer = p.watchLine() || relayer
		}
		if r.listen(p) {
			moved = true
		}
		if r.ticks%uplinkEvery == 0 {
			r.measure(p)
		}
	}
	if moved {
		r.tellSpeaking()
	}
	if relayer || moved && r.crowded {
		r.refresh()
	}
}

// listen follows the sounds of one participant and reports whether any score moved.
func (r *Room) listen(p *Participant) (moved bool) {
	loudest, unheard := float32(floorLevel), false
	for _, s := range p.sounds {
		packets := s.track.Packets()
		fresh := packets != s.packets
		unheard = s.missed(fresh) || unheard
		if !fresh && s.score == floorLevel {
			continue // nothing flows
		}
		before := s.score
		s.packets = packets
		s.hear(s.track.Level(), fresh && p.on(s.track.Kind))
		moved = moved || s.score != before
		if s.track.Kind != ScreenAudio {
			loudest = max(loudest, s.score)
		}
		if s.score > speakOn {
			s.spoke = r.ticks
		}
	}
	p.tellUnheard(unheard)
	p.loud = loudest
	if p.speaking = speaks(p.speaking, loudest); p.speaking {
		p.spoke = r.ticks
	}
	return moved
}

// tellSpeaking sends the list of speakers when it is another than before.
func (r *Room) tellSpeaking() {
	var now []speaker
	for _, p := range r.people {
		if p.speaking {
			now = append(now, speaker{p.id, p.loud})
		}
	}
	ids := orderSpeakers(r.speaking, now)
	if !slices.Equal(ids, r.speaking) {
		r.speaking = ids
		r.broadcast(nil, Speaking{Type: "speaking", IDs: ids})
	}
}

// hush forgets who spoke, when the room falls out of the ticker's care.
func (r *Room) hush() {
	for _, p := range r.people {
		p.tellUnheard(false)
		p.speaking, p.loud = false, floorLevel
		for _, s := range p.sounds {
			s.score = floorLevel
		}
	}
	r.tellSpeaking()
}
