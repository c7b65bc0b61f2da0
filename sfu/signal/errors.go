package signal

import (
	"errors"

	"dialroom/sfu/dial"
	"dialroom/sfu/peer"
	"dialroom/sfu/room"
)

var (
	errNotJoined     = errors.New("not joined")
	errAlreadyJoined = errors.New("already joined")
	errTooFast       = errors.New("too many messages")
	errBusy          = errors.New("too many dials at once")
	errChatTooFast   = errors.New("too many chat messages")
	errNoCall        = errors.New("no such call in this room")
)

// wireErrors is what a page is told of an error: a code for programs, a
// sentence for people. Internal text never leaves.
var wireErrors = []struct {
	err        error
	code, text string
}{
	{errMalformed, "bad-message", "The message could not be understood."},
	{errUnknownType, "unknown-type", "This server does not know that type of message."},
	{errNotJoined, "not-joined", "Join a room first."},
	{errAlreadyJoined, "already-joined", "This connection is in a room already."},
	{errTooFast, "too-fast", "Too many messages; this one was ignored."},
	{errBusy, "too-fast", "Wait for the other calls to start first."},
	{errChatTooFast, "chat-too-fast", "You write faster than the others can read; this message was not sent."},
	{errNoCall, "no-such-call", "There is no such call in this room."},
	{errMedia, "media-unavailable", "The server cannot take a media connection now."},
	{peer.ErrBadOffer, "bad-offer", "The offer could not be used."},
	{room.ErrName, "bad-room", "The room name is empty or too long."},
	{room.ErrFull, "room-full", "The room is full."},
	{room.ErrRooms, "server-full", "The server has no place for another room."},
	{room.ErrShutdown, "shutting-down", "The server is shutting down."},
	{room.ErrNotOwner, "not-allowed", "Only an owner of the room may do this."},
	{room.ErrNobody, "no-such-participant", "That participant is not in the room any more."},
	{room.ErrOwnVoice, "not-allowed", "Only they themselves can switch their microphone on."},
	{room.ErrChat, "bad-chat", "The chat message is empty or too long."},
	{dial.ErrUnknownCall, "no-such-call", "There is no such call in this room."},
	{dial.ErrNotConnected, "not-connected", "The phone cannot hear tones yet."},
	{dial.ErrDigits, "bad-digits", "Only the digits 0 to 9, *, # and A to D can be sent, and not too many at once."},
}

// explain turns an error into what a page is told. known is false for an error
// nobody foresaw, which is logged instead.
func explain(err error) (msg room.Error, known bool) {
	if refused := (*dial.RefusedError)(nil); errors.As(err, &refused) {
		return room.Error{Type: "error", Code: refused.Reason, Text: refused.Text()}, true
	}
	for _, w := range wireErrors {
		if errors.Is(err, w.err) {
			return room.Error{Type: "error", Code: w.code, Text: w.text}, true
		}
	}
	return room.Error{Type: "error", Code: "internal", Text: "Something went wrong on the server."}, false
}
