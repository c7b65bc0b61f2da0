package main

import (
	"context"
	"net/http"

	"dialroom/sfu/links"
	"dialroom/sfu/room"
	"dialroom/sfu/web"
	"dialroom/shared/wire"
)

// operators is what the operators' API shows and changes.
func (m *Main) operators() *web.Operators {
	o := &web.Operators{
		Rooms:  m.rooms,
		Guard:  m.dial,
		Book:   m.ledger,
		Links:  m.ledger,
		Signer: links.NewSigner(m.cfg.Links.Secret),
		Trunks: m.trunks,
		Number: m.dial.Canonical,
		Counts: m.counts,
	}
	for _, k := range m.cfg.SFU.APIKeys {
		o.Keys = append(o.Keys, web.APIKey{ID: k.ID, Key: k.Key})
	}
	return o
}

// trunks asks the bridge how its trunks stand.
func (m *Main) trunks(ctx context.Context) ([]wire.Trunk, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var answer wire.Trunks
	err := m.bridge.Do(ctx, http.MethodGet, wire.PathTrunks, nil, &answer)
	return answer.Trunks, err
}

// admit says who may enter a room, and as what: everybody, unless the settings
// want a link; as its owner who has a link that says so.
func (m *Main) admit(ctx context.Context, name, link string) (room.Role, error) {
	required := m.requireToJoin.Load()
	if link == "" && !required {
		return room.Guest, nil
	}
	role, err := m.dial.Admit(ctx, name, link)
	if err != nil && !required {
		return room.Guest, nil // the link pins what may be dialled; the room is open to all
	}
	return role, err
}
