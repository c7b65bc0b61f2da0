package room

import "errors"

// dialMemory remembers which numbers were dialled, and by whom, over one room
// lifetime as the visitors experience it. Everybody who was in the room together
// shares one. Somebody who finds only vanished browsers starts a new one: a link
// clicked again after the tab was closed must ring.
type dialMemory struct {
	by map[string]string // number → participant id, "" for a script
}

func newDialMemory() *dialMemory { return &dialMemory{by: map[string]string{}} }

// otherOf reports whether somebody has dialled another number.
func (d *dialMemory) otherOf(by, number string) bool {
	for n, dialer := range d.by {
		if dialer == by && n != number {
			return true
		}
	}
	return false
}

// ErrOtherNumber refuses a second number to who may dial only one.
var ErrOtherNumber = errors.New("another number was dialled before")

// ErrAlreadyDialed refuses a second dial of a number in one room lifetime.
var ErrAlreadyDialed = errors.New("already dialled in this room")

// Claim decides whether a dial of number may go on, and remembers it if so. by
// is the participant that asks, or "" for a script; again says that a person
// asked to call once more. stale are live calls to that number left by browsers
// that have vanished: they must be ended, with the ending room-empty, before the
// new call is placed. Errors: ErrAlreadyDialed, ErrClosed.
func (r *Room) Claim(by, number string, again bool) (stale []string, err error) {
	return r.claim(by, number, again, false)
}

// ClaimOnly is Claim for a browser that may dial one number in its room's
// lifetime and no other. Errors: as Claim, and ErrOtherNumber.
func (r *Room) ClaimOnly(by, number string, again bool) (stale []string, err error) {
	return r.claim(by, number, again, true)
}

func (r *Room) claim(by, number string, again, only bool) (stale []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	p := r.byID(by)
	memory := r.dialed
	if p != nil {
		memory = p.dialed
	}
	if p != nil && only && memory.otherOf(by, number) {
		return nil, ErrOtherNumber
	}
	if dialer, known := memory.by[number]; known && !again {
		if p == nil || dialer == p.id || !r.aloneWithVanished(p) {
			return nil, ErrAlreadyDialed
		}
		memory = newDialMemory()
		p.dialed, r.dialed = memory, memory
	}
	memory.by[number] = by
	for _, c := range r.calls {
		if c.live() && c.Number == number && c.dialed != memory {
			stale = append(stale, c.ID)
		}
	}
	return stale, nil
}

// Unclaim forgets a claim whose dial came to nothing, so that it may be tried again.
func (r *Room) Unclaim(by, number string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	memory := r.dialed
	if p := r.byID(by); p != nil {
		memory = p.dialed
	}
	delete(memory.by, number)
}

// memoryForNewcomer picks the memory of a browser about to enter.
func (r *Room) memoryForNewcomer() *dialMemory {
	if r.browsers() > 0 && !r.anyPresent(nil) {
		r.dialed = newDialMemory()
	}
	return r.dialed
}

// rejoinMemory unites the memory of a resuming browser with that of those it meets.
func (r *Room) rejoinMemory(p *Participant) {
	old := p.dialed
	if !r.anyPresent(p) {
		r.dialed = old
	}
	if old == r.dialed {
		return
	}
	for number, by := range old.by {
		if _, known := r.dialed.by[number]; !known {
			r.dialed.by[number] = by
		}
	}
	for _, q := range r.people {
		if q.dialed == old {
			q.dialed = r.dialed
		}
	}
	for _, c := range r.calls {
		if c.dialed == old {
			c.dialed = r.dialed
		}
	}
}

// anyPresent reports whether a browser other than p is connected right now.
func (r *Room) anyPresent(p *Participant) bool {
	for _, q := range r.people {
		if q != p && q.present() {
			return true
		}
	}
	return false
}

// aloneWithVanished reports whether there are browsers beside p, all of them in their grace.
func (r *Room) aloneWithVanished(p *Participant) bool {
	return r.browsers() > 1 && !r.anyPresent(p)
}

func (r *Room) byID(id string) *Participant {
	for _, p := range r.people {
		if p.id == id {
			return p
		}
	}
	return nil
}
