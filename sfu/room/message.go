package room

import "dialroom/shared/wire"

// The messages to a page. Every message the WebSocket protocol knows in this
// direction is defined here, whoever sends it, so that there is one place to look.

// Kinds of participants.
const (
	Browser   = "browser"
	Telephone = "phone"
)

// Role is what a participant is to its room.
type Role string

// Roles. An owner may mute and remove the others.
const (
	Guest Role = "guest"
	Owner Role = "owner"
)

// Info is a participant as pages see it.
type Info struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Kind   string `json:"kind"`           // Browser or Telephone
	Role   Role   `json:"role,omitempty"` // Owner, or nothing
	Audio  bool   `json:"audio"`
	Video  bool   `json:"video"`
	Screen bool   `json:"screen"`
	Call   string `json:"call,omitempty"` // a phone's call
}

// Call is a call as pages see it, and as the room remembers it.
type Call struct {
	ID          string     `json:"id"`
	Number      string     `json:"number"` // canonical
	Trunk       string     `json:"trunk"`
	State       wire.State `json:"state"`
	Reason      string     `json:"reason,omitempty"`      // an ending or a refusal
	Code        int        `json:"code,omitempty"`        // the last SIP status
	Text        string     `json:"text,omitempty"`        // the reason in plain words
	Participant string     `json:"participant,omitempty"` // the phone, while it is in the room
	AnsweredAt  int64      `json:"answeredAt,omitempty"`  // Unix milliseconds
	Name        string     `json:"-"`                     // what the phone is called in the room; its number when empty
	Direction   string     `json:"direction,omitempty"`   // wire.In for a call that came in
	Added       bool       `json:"added,omitempty"`       // somebody has typed the number
	Anchor      bool       `json:"-"`                     // the room lives as long as this call does
}

// ICEServer is one entry of an RTCPeerConnection's iceServers.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Welcome answers a join. Participants includes the newcomer itself.
type Welcome struct {
	Type         string      `json:"type"` // "welcome"
	ID           string      `json:"id"`
	Resume       string      `json:"resume"`
	Room         string      `json:"room"`
	Role         Role        `json:"role"`
	May          May         `json:"may"`
	Participants []Info      `json:"participants"`
	Calls        []Call      `json:"calls"`
	Chat         []ChatLine  `json:"chat"` // the last lines, oldest first
	ICEServers   []ICEServer `json:"iceServers"`
}

// May is what a page may do beside what every page may.
type May struct {
	Moderate bool `json:"moderate"` // mute and remove others
	AddPhone bool `json:"addPhone"` // dial other numbers than that of its link
}

// Joined announces a new participant, Changed a changed one.
type Joined struct {
	Type        string `json:"type"` // "participant-joined" or "participant-changed"
	Participant Info   `json:"participant"`
}

// Left announces that a participant is gone for good.
type Left struct {
	Type string `json:"type"` // "participant-left"
	ID   string `json:"id"`
}

// CallChanged tells how a call stands.
type CallChanged struct {
	Type string `json:"type"` // "call"
	Call
}

// SlotUse is what flows in a slot: "voice", "phone", "camera", "screen" or "screen-audio" of a participant.
type SlotUse struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
}

// SlotsChanged names the content of every slot of the page, nil for an empty one.
type SlotsChanged struct {
	Type  string              `json:"type"` // "slots"
	Slots map[string]*SlotUse `json:"slots"`
}

// Send tells a page which of its tracks are wanted now. Phone is false or a
// codec. What a screen sounds like is heard also where nobody looks at it.
type Send struct {
	Type        string `json:"type"` // "send"
	Mic         bool   `json:"mic"`
	Camera      bool   `json:"camera"`
	Screen      bool   `json:"screen"`
	ScreenAudio bool   `json:"screenAudio"`
	Phone       any    `json:"phone"` // false or wire.Codec
}

// Layers tells a page which sizes of its camera's picture are wanted now, by
// their RIDs, smallest first. Pages that send one size never get it.
type Layers struct {
	Type   string   `json:"type"` // "layers"
	Camera []string `json:"camera"`
}

// Speaking lists who speaks, loudest first.
type Speaking struct {
	Type string   `json:"type"` // "speaking"
	IDs  []string `json:"ids"`
}

// ChatLine is what a participant has written. Its name stands beside its id,
// because it may have left when somebody reads it.
type ChatLine struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Text string `json:"text"`
	At   int64  `json:"at"` // Unix milliseconds
}

// Chat is a new line of the chat. Its author gets it too, so that everybody sees one order.
type Chat struct {
	Type string `json:"type"` // "chat"
	ChatLine
}

// Muted tells a page that somebody else has switched its microphone off.
type Muted struct {
	Type string `json:"type"` // "muted"
	By   string `json:"by"`   // the owner's id, "" for an operator
}

// Unheard tells a page whether its microphone is wanted and no packet of it
// has arrived for a while.
type Unheard struct {
	Type    string `json:"type"` // "unheard"
	Unheard bool   `json:"unheard"`
}

// Answer is the SDP answer to the page's offer.
type Answer struct {
	Type string `json:"type"` // "answer"
	SDP  string `json:"sdp"`
}

// Pong answers a ping message.
type Pong struct {
	Type string `json:"type"` // "pong"
}

// Error answers what could not be understood or done.
type Error struct {
	Type string `json:"type"` // "error"
	Code string `json:"code"`
	Text string `json:"text"`
}

// Replaced is the last message to a Sender whose participant was resumed
// elsewhere; the old connection must close.
type Replaced struct{}

// Removed is the last message to a Sender whose participant an owner or an
// operator has taken out; the connection must close.
type Removed struct{}
