package room

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// What a room remembers of its chat, for those who join or reload: so many lines,
// and together so many bytes, which a page on a bad network loads in a second.
const (
	keepLines = 100
	keepBytes = 64 << 10
)

// ErrChat is the cause of a refused chat message.
var ErrChat = errors.New("bad chat message")

// Chat sends a text to everybody in the room, its author included. Errors: ErrChat.
func (p *Participant) Chat(text string) error {
	text = strings.TrimSpace(clean(text, "\n\t"))
	switch {
	case text == "":
		return fmt.Errorf("%w: empty", ErrChat)
	case utf8.RuneCountInString(text) > MaxChat:
		return fmt.Errorf("%w: over %d characters", ErrChat, MaxChat)
	}
	p.room.update(func() {
		if p.gone {
			return
		}
		line := ChatLine{ID: p.id, Name: p.name, Text: text, At: p.room.m.cfg.Clock.Now().UnixMilli()}
		p.room.keepLine(line)
		p.room.broadcast(nil, Chat{Type: "chat", ChatLine: line})
	})
	return nil
}

// keepLine remembers a line and forgets the oldest ones that are too many.
func (r *Room) keepLine(line ChatLine) {
	r.chat = append(r.chat, line)
	size, first := 0, len(r.chat)
	for first > 0 && len(r.chat)-first < keepLines {
		if size += len(r.chat[first-1].Text); size > keepBytes {
			break
		}
		first--
	}
	// A copy, so that the lines forgotten can be freed.
	r.chat = append([]ChatLine(nil), r.chat[first:]...)
}
