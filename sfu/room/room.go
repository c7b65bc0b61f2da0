package room

import (
	"crypto/subtle"
	"log/slog"
	"slices"
	"sync"
	"time"

	"dialroom/shared/wire"
)

// nobody is what a browser is called that gave no name.
const nobody = "Guest"

// Room is everybody with the same room name, from the first to come until the
// last browser has left for good.
type Room struct {
	m    *Manager // fixed after newRoom
	name string
	log  *slog.Logger

	mu         sync.Mutex // guards what follows
	people     []*Participant
	calls      []*call // live ones and the last few ended
	chat       []ChatLine
	conf       Conference
	sources    []*Track // what conf was told last
	dialed     *dialMemory
	waiting    Timer // set while the room waits for its first browser
	waits      int   // tells a stopped timer's late call from the current one's
	waitsUntil time.Time
	closed     bool

	ticks    uint64
	joint    uint64 // number of the newest source
	active   bool
	crowded  bool // somebody has fewer slots than sources, so levels decide
	speaking []string

	after []func() // what to do once mu is free
}

func newRoom(m *Manager, name string) *Room {
	return &Room{m: m, name: name, log: m.cfg.Logger.With("room", name), dialed: newDialMemory()}
}

// Name returns the room's name.
func (r *Room) Name() string { return r.name }

// update runs change with the room's lock held, and what change deferred through
// r.after once it is free again: callbacks may come straight back.
func (r *Room) update(change func()) {
	r.mu.Lock()
	change()
	after := r.after
	r.after = nil
	r.mu.Unlock()
	for _, f := range after {
		f()
	}
}

// expect starts the wait for a first browser, unless there is one or a wait
// already. It reports whether the room is still open.
func (r *Room) expect() (open bool) { return r.expectFor(r.m.cfg.Grace) }

// expectFor is expect with a wait of its own; the longest wait counts.
func (r *Room) expectFor(wait time.Duration) (open bool) {
	r.update(func() {
		until := r.m.cfg.Clock.Now().Add(wait)
		if open = !r.closed; !open || r.browsers() > 0 || r.waiting != nil && !until.After(r.waitsUntil) {
			return
		}
		r.stopWaiting()
		r.waits++
		turn := r.waits
		r.waitsUntil = until
		r.waiting = r.m.cfg.Clock.AfterFunc(wait, func() {
			r.update(func() {
				if r.closed || r.waiting == nil || r.waits != turn || r.browsers() > 0 {
					return
				}
				if r.waiting = nil; !r.anchored() {
					r.end(wire.RoomEmpty)
				}
			})
		})
	})
	return open
}

// stopWaiting ends the wait for a first browser.
func (r *Room) stopWaiting() {
	if r.waiting != nil {
		r.waiting.Stop()
		r.waiting = nil
	}
}

func (r *Room) join(req JoinRequest) (p *Participant, resumed bool, err error) {
	r.update(func() {
		if r.closed {
			err = ErrClosed
			return
		}
		if p = r.byToken(req.Resume); p != nil {
			resumed = true
			r.resume(p, req)
			return
		}
		if len(r.people) >= r.m.cfg.MaxParticipants {
			err = ErrFull
			return
		}
		r.stopWaiting()
		p = &Participant{room: r, id: newID(), name: cleanDisplayName(req.Name), kind: Browser, role: req.Role,
			token: newToken(), sender: req.Sender, onLeft: req.OnLeft, session: req.Session, tracks: map[Kind]*source{}}
		if p.name == "" {
			p.name = nobody
		}
		p.dialed = r.memoryForNewcomer()
		r.people = append(r.people, p)
		r.arrived()
		r.welcome(p, req)
		r.broadcast(p, Joined{Type: "participant-joined", Participant: p.info()})
		r.refresh()
		r.log.Info("participant joined", "participant", p.id)
	})
	return p, resumed, err
}

func (r *Room) resume(p *Participant, req JoinRequest) {
	if p.sender != nil {
		p.sender.Send(Replaced{})
	}
	p.stopGrace()
	r.rejoinMemory(p)
	p.sender = req.Sender
	p.sent, p.sentLayers, p.unheard = nil, nil, false
	p.want(Mic, false) // until it is told anew
	p.want(Phone, false)
	before := p.info()
	if name := cleanDisplayName(req.Name); name != "" {
		p.name = name
	}
	r.changed(p, before)
	r.welcome(p, req)
	p.sendSlots()
	if p.muted != nil {
		p.tellMuted(*p.muted)
	}
	if len(r.speaking) > 0 {
		p.send(Speaking{Type: "speaking", IDs: r.speaking})
	}
	r.refresh()
	r.log.Info("participant resumed", "participant", p.id)
}

func (r *Room) welcome(p *Participant, req JoinRequest) {
	msg := Welcome{Type: "welcome", ID: p.id, Resume: p.token, Room: r.name, Role: Guest,
		May:          May{Moderate: p.role == Owner, AddPhone: req.AddPhone},
		Participants: make([]Info, 0, len(r.people)), Calls: r.callList(), Chat: slices.Clone(r.chat), ICEServers: req.ICEServers}
	if p.role == Owner {
		msg.Role = Owner
	}
	if msg.Chat == nil {
		msg.Chat = []ChatLine{}
	}
	for _, q := range r.people {
		msg.Participants = append(msg.Participants, q.info())
	}
	if msg.ICEServers == nil {
		msg.ICEServers = []ICEServer{}
	}
	p.send(msg)
	r.tellQuality(p)
}

// byToken finds the participant that a resume token belongs to, comparing in constant time.
func (r *Room) byToken(token string) *Participant {
	if token == "" {
		return nil
	}
	var found *Participant
	for _, p := range r.people {
		if p.kind == Browser && subtle.ConstantTimeCompare([]byte(p.token), []byte(token)) == 1 {
			found = p
		}
	}
	return found
}

// remove takes a participant out for good. The last browser ends the room.
func (r *Room) remove(p *Participant) {
	i := slices.Index(r.people, p)
	if i < 0 {
		return
	}
	r.people = slices.Delete(r.people, i, i+1)
	p.stopGrace()
	p.dropMedia()
	if p.leg != nil {
		r.dropPhone(p)
	}
	p.sender = nil
	p.gone = true
	if p.onLeft != nil {
		r.after = append(r.after, p.onLeft)
	}
	if r.closed {
		return
	}
	r.broadcast(nil, Left{Type: "participant-left", ID: p.id})
	r.log.Info("participant left", "participant", p.id)
	if p.kind == Browser && r.browsers() == 0 && !r.anchored() {
		r.end(wire.RoomEmpty)
		return
	}
	r.refresh()
}

// end closes the room: live calls lose their reason, everybody left is gone.
func (r *Room) end(why wire.Ending) {
	if r.closed {
		return
	}
	r.closed = true
	r.stopWaiting()
	for _, c := range r.calls {
		if c.live() {
			id := c.ID
			r.after = append(r.after, func() { r.m.cfg.OnCallOrphaned(id, why) })
		}
	}
	for _, p := range slices.Clone(r.people) {
		r.remove(p)
	}
	r.closeConference()
	r.m.forget(r)
	r.log.Info("room closed", "reason", string(why))
}

// browsers counts the browsers, those in their grace included.
func (r *Room) browsers() int {
	n := 0
	for _, p := range r.people {
		if p.kind == Browser {
			n++
		}
	}
	return n
}

// broadcast sends msg to every page but that of except.
func (r *Room) broadcast(except *Participant, msg any) {
	for _, p := range r.people {
		if p != except {
			p.send(msg)
		}
	}
}

// changed tells the others of p when pages see something else than before.
func (r *Room) changed(p *Participant, before Info) {
	if now := p.info(); now != before {
		r.broadcast(p, Joined{Type: "participant-changed", Participant: now})
	}
}

// Participants returns who is in the room, in the order they came.
func (r *Room) Participants() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Info, 0, len(r.people))
	for _, p := range r.people {
		list = append(list, p.info())
	}
	return list
}
