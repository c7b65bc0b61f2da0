package room

import "errors"

// This file is what owners and operators may do to others.

// Why somebody cannot be muted or removed.
var (
	ErrNotOwner = errors.New("not an owner of the room")
	ErrNobody   = errors.New("nobody with this id is in the room")
	// ErrOwnVoice keeps a microphone from being opened by somebody else.
	ErrOwnVoice = errors.New("people unmute themselves")
)

// Mute switches off what somebody says, at an owner's wish. A browser is told and
// may switch itself on again; a phone is heard again when mute is false. Errors:
// ErrNotOwner, ErrNobody, ErrOwnVoice.
func (p *Participant) Mute(id string, mute bool) (err error) {
	r := p.room
	r.update(func() {
		if err = ErrNotOwner; p.role == Owner && !p.gone {
			err = r.mute(p.id, id, mute)
		}
	})
	return err
}

// Mute is [Participant.Mute] for an operator.
func (r *Room) Mute(id string, mute bool) (err error) {
	r.update(func() { err = r.mute("", id, mute) })
	return err
}

func (r *Room) mute(by, id string, mute bool) error {
	p := r.byID(id)
	switch {
	case p == nil:
		return ErrNobody
	case p.kind == Browser && !mute:
		return ErrOwnVoice
	}
	before := p.info()
	if p.kind == Telephone {
		p.silent = mute
	} else {
		if !before.Audio {
			return nil
		}
		p.state = &State{Video: before.Video, Screen: before.Screen}
		p.tellMuted(by)
	}
	r.changed(p, before)
	r.refresh()
	r.log.Info("participant muted", "participant", id, "by", by, "mute", mute)
	return nil
}

// tellMuted tells the page, now or when it is back: coming back it says first
// what it believes is switched on.
func (p *Participant) tellMuted(by string) {
	if p.sender == nil {
		p.muted = &by
		return
	}
	p.muted = nil
	p.send(Muted{Type: "muted", By: by})
}

// Remove takes somebody out for good, at an owner's wish. A phone is not: its
// call is returned, which must be hung up. Errors: ErrNotOwner, ErrNobody.
func (p *Participant) Remove(id string) (call string, err error) {
	r := p.room
	r.update(func() {
		q := r.byID(id)
		switch {
		case p.role != Owner || p.gone:
			err = ErrNotOwner
		case q == nil:
			err = ErrNobody
		case q.kind == Telephone:
			call = q.call.ID
		default:
			r.expel(q, p.id)
		}
	})
	return call, err
}

// Remove takes a browser out for good, whatever it wants. It reports whether
// there was one with this id. A phone leaves with its call.
func (r *Room) Remove(id string) (found bool) {
	r.update(func() {
		if p := r.byID(id); p != nil && p.kind == Browser {
			found = true
			r.expel(p, "")
		}
	})
	return found
}

func (r *Room) expel(p *Participant, by string) {
	r.log.Info("participant removed", "participant", p.id, "by", by)
	p.send(Removed{})
	r.remove(p)
}
