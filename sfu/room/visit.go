package room

import (
	"time"

	"dialroom/shared/wire"
)

// OpenFor returns the room for a call that comes in. A room without a browser
// waits that long for its first, then it ends. Errors: as Open.
func (m *Manager) OpenFor(rawName string, wait time.Duration) (*Room, error) {
	name, err := CleanName(rawName)
	if err != nil {
		return nil, err
	}
	for {
		r, err := m.open(name)
		if err != nil {
			return nil, err
		}
		if r.expectFor(wait) {
			return r, nil
		}
	}
}

// WhenPresent calls f once a browser is in the room: soon, if there is one. f
// is not called when the room, or the call that waits, ends before. No lock is held.
func (r *Room) WhenPresent(call string, f func()) {
	r.update(func() {
		c := r.callByID(call)
		switch {
		case r.closed, c == nil || !c.live():
		case r.browsers() > 0:
			r.after = append(r.after, f)
		default:
			c.awaits = f
		}
	})
}

// Present reports whether a browser is in the room.
func (r *Room) Present() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.browsers() > 0
}

// arrived lets go of those who waited for a browser.
func (r *Room) arrived() {
	for _, c := range r.calls {
		if c.awaits != nil {
			r.after = append(r.after, c.awaits)
			c.awaits = nil
		}
	}
}

// anchored reports whether a call keeps the room open on its own: two phones
// may talk in a room that no browser has ever seen.
func (r *Room) anchored() bool {
	for _, c := range r.calls {
		if c.Anchor && c.live() {
			return true
		}
	}
	return false
}

// settleAnchor ends a room whose last anchor has gone.
func (r *Room) settleAnchor(c *call) {
	if c.Anchor && !c.live() && !r.closed && r.browsers() == 0 && r.waiting == nil && !r.anchored() {
		r.end(wire.RoomEmpty)
	}
}
