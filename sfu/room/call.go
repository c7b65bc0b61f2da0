package room

import (
	"slices"

	"dialroom/shared/wire"
)

// keepEnded is how many ended calls a room remembers for those who join late.
const keepEnded = 5

// call is a Call with what the room alone knows of it.
type call struct {
	Call
	codec   wire.Codec
	phone   *Participant // from early or answered until the ending
	dialed  *dialMemory  // the room lifetime it belongs to
	quality wire.Quality // what was last told of the line
	awaits  func()       // to be called when the first browser comes; nil: nobody waits
}

func (c *call) live() bool { return c.State != wire.Ended && c.State != wire.Refused }

// CallUpdate is one change of a call. Zero fields change nothing.
type CallUpdate struct {
	State  wire.State
	Trunk  string
	Leg    Leg        // the phone's connection, with early or answered
	Codec  wire.Codec // what the phone speaks, with early or answered
	Reason string     // with ended
	Code   int        // the last SIP status
	Text   string     // Reason in plain words
}

// progress is the order of states; a call never goes back. After early media a
// repeated 180 changes nothing.
func progress(s wire.State) int {
	return slices.Index([]wire.State{wire.Dialing, wire.Ringing, wire.Early, wire.Answered, wire.Ended, wire.Refused}, s)
}

// AddCall puts a call into the room and tells everybody. by is who dialled, as
// for Claim. Errors: ErrClosed.
func (r *Room) AddCall(by string, c Call) error {
	err := ErrClosed
	r.update(func() {
		if r.closed {
			return
		}
		err = nil
		if c.State == "" {
			c.State = wire.Dialing
		}
		added := &call{Call: c, dialed: r.dialed}
		if p := r.byID(by); p != nil && p.dialed != nil {
			added.dialed = p.dialed
		}
		r.calls = append(r.calls, added)
		r.broadcast(nil, CallChanged{Type: "call", Call: c})
	})
	return err
}

// UpdateCall changes a call and tells everybody. The phone becomes a participant
// as soon as it can be heard and is gone with the call's ending. An unknown or
// ended call is left alone.
func (r *Room) UpdateCall(id string, u CallUpdate) {
	r.update(func() {
		c := r.callByID(id)
		if c == nil || !c.live() {
			return
		}
		before := c.Call
		if progress(u.State) > progress(c.State) {
			c.State = u.State
			if c.State == wire.Answered {
				c.AnsweredAt = r.m.cfg.Clock.Now().UnixMilli()
			}
		}
		if u.Trunk != "" {
			c.Trunk = u.Trunk
		}
		if u.Codec != "" {
			c.codec = u.Codec
		}
		if u.Code != 0 {
			c.Code = u.Code
		}
		switch {
		case r.closed:
			return
		case !c.live():
			c.Reason, c.Text, c.Participant, c.awaits = u.Reason, u.Text, "", nil
			r.phoneLeaves(c)
			r.after = append(r.after, func() { r.update(func() { r.settleAnchor(c) }) })
		case c.State == wire.Early || c.State == wire.Answered:
			r.phoneEnters(c, u.Leg)
		}
		if c.Call != before {
			r.broadcast(nil, CallChanged{Type: "call", Call: c.Call})
		}
		r.forgetEnded()
		r.refresh()
	})
}

// phoneEnters makes the phone a participant, or takes over its new codec.
func (r *Room) phoneEnters(c *call, leg Leg) {
	if c.phone != nil {
		if s := c.phone.tracks[Phone]; s != nil {
			s.codec = codecOf(c.codec)
		}
		return
	}
	if leg == nil {
		return
	}
	name := cleanDisplayName(c.Name)
	if name == "" {
		name = c.Number
	}
	p := &Participant{room: r, id: newID(), name: name, kind: Telephone, call: c, leg: leg, tracks: map[Kind]*source{}}
	if t := leg.Track(); t != nil {
		s := r.newSource(p.id, t)
		s.codec = codecOf(c.codec)
		p.tracks[Phone] = s
		p.listSounds()
	}
	c.phone, c.Participant = p, p.id
	r.people = append(r.people, p)
	if r.conf == nil {
		r.conf = r.m.cfg.NewConference()
	}
	r.conf.Add(leg)
	r.broadcast(nil, Joined{Type: "participant-joined", Participant: p.info()})
}

func (r *Room) phoneLeaves(c *call) {
	if p := c.phone; p != nil {
		c.phone = nil
		r.remove(p)
	}
}

// dropPhone takes a phone's connection out of the conference, which goes with the last one.
func (r *Room) dropPhone(p *Participant) {
	r.conf.Remove(p.leg)
	for _, q := range r.people {
		if q.leg != nil {
			return
		}
	}
	r.closeConference()
}

func (r *Room) closeConference() {
	if r.conf != nil {
		r.conf.Close()
		r.conf, r.sources = nil, nil
	}
}

// forgetEnded keeps the newest of the ended calls only.
func (r *Room) forgetEnded() {
	ended := 0
	for i := len(r.calls) - 1; i >= 0; i-- {
		if r.calls[i].live() {
			continue
		}
		if ended++; ended > keepEnded {
			r.calls = slices.Delete(r.calls, i, i+1)
		}
	}
}

// Calls returns the live calls and the last few that ended, oldest first.
func (r *Room) Calls() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.callList()
}

func (r *Room) callList() []Call {
	list := make([]Call, 0, len(r.calls))
	for _, c := range r.calls {
		list = append(list, c.Call)
	}
	return list
}

// Call returns the call of that id, if the room remembers it.
func (r *Room) Call(id string) (Call, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.callByID(id); c != nil {
		return c.Call, true
	}
	return Call{}, false
}

func (r *Room) callByID(id string) *call {
	for _, c := range r.calls {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// codecOf translates the name of a phone codec.
func codecOf(c wire.Codec) Codec {
	switch c {
	case wire.PCMU:
		return PCMU
	case wire.PCMA:
		return PCMA
	case wire.G722:
		return G722
	}
	return NoCodec
}
