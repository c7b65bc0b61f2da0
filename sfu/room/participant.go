package room

// Participant is one person in a room: a browser, or a phone.
type Participant struct {
	room    *Room // fixed after join
	id      string
	kind    string // Browser or Telephone
	role    Role
	session any

	// Guarded by room.mu.
	name   string
	gone   bool
	tracks map[Kind]*source
	sounds []*source // those of tracks that are no pictures, for the ticker
	layers []*source // those of tracks that come in several sizes, for the ticker

	// Of a browser, guarded by room.mu.
	token      string
	sender     Sender // nil while the WebSocket is gone
	grace      Timer  // set while the WebSocket is gone
	absent     int    // counts absences, to tell a stopped timer's late call
	onLeft     func()
	media      Media
	up         bool // media is there and has not failed
	state      *State
	slots      []slot
	stale      bool // the page still believes in slots of a former media
	view       []View
	viewSet    bool
	sent       *Send    // what the page was told last
	sentLayers []string // and of the sizes of its camera's picture
	unheard    bool     // the page was told so
	muted      *string  // who has muted it while the page was away
	uplink     uplink
	dialed     *dialMemory

	// Of a phone, guarded by room.mu.
	call   *call
	leg    Leg
	silent bool // muted by an owner or an operator

	// Speech, guarded by room.mu.
	speaking bool
	loud     float32 // the loudest of its scores, dBov
	spoke    uint64  // tick of the last speech
}

// State is what a participant has switched on.
type State struct {
	Audio, Video, Screen bool
}

// View is one picture that a page wants to show.
type View struct {
	ID    string
	Kind  Kind // Camera or Screen
	Width int  // in device pixels; 0 is unknown
}

// ID returns the participant's id.
func (p *Participant) ID() string { return p.id }

// Room returns the room it is in.
func (p *Participant) Room() *Room { return p.room }

// Session returns what the first join brought along for the participant's whole stay.
func (p *Participant) Session() any { return p.session }

// Name returns the display name.
func (p *Participant) Name() string {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	return p.name
}

// SetMedia hands over the participant's connection, or tells that its tracks or
// slots have changed. Another Media than before takes the place of the former,
// whose slots are emptied.
func (p *Participant) SetMedia(m Media) {
	p.room.update(func() {
		if p.gone {
			return
		}
		before := p.info()
		if p.media != m {
			p.dropMedia()
			p.media, p.up = m, true
		}
		p.readTracks()
		p.readSlots()
		p.room.changed(p, before)
		p.room.refresh()
	})
}

// SetMediaUp tells that the connection of SetMedia has failed, or works again.
// A failed one is no reason for others to send, and no source for phones.
func (p *Participant) SetMediaUp(up bool) {
	p.room.update(func() {
		if p.media != nil && p.up != up {
			p.up = up
			p.room.refresh()
		}
	})
}

// SetState records what the participant has switched on. Until the first call
// everything it publishes counts as switched on.
func (p *Participant) SetState(s State) {
	p.room.update(func() {
		before := p.info()
		p.state = &s
		p.room.changed(p, before)
		p.room.refresh()
	})
}

// SetView names the pictures the page wants to show, most wanted first. Without
// a call the room chooses by recent speech.
func (p *Participant) SetView(list []View) {
	p.room.update(func() {
		p.view, p.viewSet = list, true
		p.room.refresh()
	})
}

// Leave takes the participant out for good. It does nothing when its messages go
// to another Sender by now: the page was resumed elsewhere.
func (p *Participant) Leave(s Sender) {
	p.room.update(func() {
		if p.sender == s && !p.gone {
			p.room.remove(p)
		}
	})
}

// Vanish tells that the connection behind s is gone. The participant stays for
// the grace period, in which others see nothing and its media lives on; then it
// leaves for good. It does nothing when the page was resumed elsewhere.
func (p *Participant) Vanish(s Sender) {
	r := p.room
	r.update(func() {
		if p.sender != s || p.gone {
			return
		}
		p.sender = nil
		p.absent++
		turn := p.absent
		p.grace = r.m.cfg.Clock.AfterFunc(r.m.cfg.Grace, func() {
			r.update(func() {
				if !p.gone && p.grace != nil && p.absent == turn {
					r.remove(p)
				}
			})
		})
		r.log.Info("participant vanished", "participant", p.id)
	})
}

func (p *Participant) stopGrace() {
	if p.grace != nil {
		p.grace.Stop()
		p.grace = nil
	}
}

// present reports whether a page is connected right now.
func (p *Participant) present() bool { return p.kind == Browser && p.sender != nil }

func (p *Participant) send(msg any) {
	if p.sender != nil {
		p.sender.Send(msg)
	}
}

// on reports whether a track of that kind counts as switched on.
func (p *Participant) on(k Kind) bool {
	if p.kind == Telephone {
		return k == Phone && !p.silent
	}
	if p.state == nil {
		return p.tracks[k] != nil
	}
	switch k {
	case Camera:
		return p.state.Video
	case Screen, ScreenAudio:
		return p.state.Screen
	default:
		return p.state.Audio
	}
}

func (p *Participant) info() Info {
	i := Info{ID: p.id, Name: p.name, Kind: p.kind, Video: p.on(Camera), Screen: p.on(Screen)}
	i.Audio = p.on(Mic) || p.on(Phone)
	if p.role == Owner {
		i.Role = Owner
	}
	if p.call != nil {
		i.Call = p.call.ID
	}
	return i
}

// readTracks takes over what the media publishes now.
func (p *Participant) readTracks() {
	now := p.media.Tracks()
	for k, s := range p.tracks {
		if now[k] != s.track {
			delete(p.tracks, k)
		}
	}
	for k, t := range now {
		if t != nil && p.tracks[k] == nil {
			p.tracks[k] = p.room.newSource(p.id, t)
		}
	}
	p.listSounds()
}

// listSounds brings sounds and layers up to date with tracks.
func (p *Participant) listSounds() {
	p.sounds, p.layers = nil, nil
	for k, s := range p.tracks {
		if k != Camera && k != Screen {
			p.sounds = append(p.sounds, s)
		}
		if len(s.layers) > 0 {
			p.layers = append(p.layers, s)
		}
	}
}

// readSlots takes over the slots offered now; those known keep what flows in them.
func (p *Participant) readSlots() {
	before := p.slots
	p.slots = nil
	for _, info := range p.media.Slots() {
		sl := slot{SlotInfo: info}
		for i := range before {
			if b := &before[i]; b.Mid == info.Mid {
				sl.now, b.now = b.now, nil
			}
		}
		p.slots = append(p.slots, sl)
	}
	for _, b := range before {
		if b.now != nil { // the slot is not offered any more
			p.media.Assign(b.Mid, nil)
			p.stale = true
		}
	}
}

// dropMedia empties the slots and forgets the connection.
func (p *Participant) dropMedia() {
	for i := range p.slots {
		if p.slots[i].now != nil {
			p.media.Assign(p.slots[i].Mid, nil)
			p.stale = true
		}
	}
	p.media, p.up, p.slots = nil, false, nil
	clear(p.tracks)
	p.sounds, p.layers = nil, nil
}

func (p *Participant) sendSlots() {
	if p.media == nil {
		return
	}
	msg := SlotsChanged{Type: "slots", Slots: make(map[string]*SlotUse, len(p.slots))}
	for i := range p.slots {
		sl := &p.slots[i]
		msg.Slots[sl.Mid] = nil
		if sl.now != nil {
			msg.Slots[sl.Mid] = &SlotUse{ID: sl.now.owner, Kind: sl.now.use()}
		}
	}
	p.send(msg)
}
