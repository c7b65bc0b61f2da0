// Package wire holds every JSON message that sfu and bridge exchange, and the
// words both use for how a call stands: states, endings and refusals.
//
// A call placed from a page travels sfu → bridge as a [CallRequest] with a
// [Leg]. A call placed by a script reaches the bridge without one; the bridge
// then asks the sfu with a [LegRequest] and gets the same Leg, or a refusal.
// From there on the bridge reports what happens as [CallEvent] messages, in
// order, and the sfu renews the lease of every leg it feeds ([LeaseRequest]).
// All requests are signed (package sign), and their bodies are read strictly
// ([Decode]).
package wire

import "time"

// Paths of the signed requests. {id} is a call id.
const (
	PathCalls  = "/v1/calls"           // bridge: POST; GET and DELETE /v1/calls/{id}; POST /v1/calls/{id}/dtmf and …/transfer
	PathTrunks = "/v1/trunks"          // bridge: GET
	PathLease  = "/v1/lease"           // bridge: POST, role sfu
	PathLegs   = "/internal/v1/legs"   // sfu: POST, role bridge
	PathEvents = "/internal/v1/events" // sfu: POST, role bridge
)

// Lease timing. The sfu renews every LeaseInterval while it has legs; a leg
// not renewed for LeaseExpiry is hung up by the bridge, and a bridge that has
// not answered for LeaseExpiry is taken for dead by the sfu. Together with
// the hang-up itself this stays well inside the promised 15 s.
const (
	LeaseInterval = 2 * time.Second
	LeaseExpiry   = 8 * time.Second
)

// State is where a call stands.
type State string

// Call states, in the order a call passes them; Refused means nothing was sent.
const (
	Dialing  State = "dialing"
	Ringing  State = "ringing"
	Early    State = "early" // audio before answer
	Answered State = "answered"
	Ended    State = "ended"
	Refused  State = "refused"
)

// Ending is why a call that was placed is over.
type Ending string

// Endings.
const (
	HangupRoom  Ending = "hangup-room"
	HangupPhone Ending = "hangup-phone"
	Busy        Ending = "busy"
	NoAnswer    Ending = "no-answer"
	Declined    Ending = "declined"
	Unreachable Ending = "unreachable"
	NotFound    Ending = "not-found"
	TrunkFailed Ending = "trunk-failed"
	NoTrunk     Ending = "no-trunk"
	MediaLost   Ending = "media-lost"
	MaxDuration Ending = "max-duration"
	RoomEmpty   Ending = "room-empty"
	BridgeLost  Ending = "bridge-lost"
	Shutdown    Ending = "shutdown"
	Transferred Ending = "transferred" // the phone has gone to another number
)

// Refusal is our own "no", said before any SIP was sent.
type Refusal string

// Refusals.
const (
	NotAllowed       Refusal = "not-allowed"
	Blocked          Refusal = "blocked"
	BlockedType      Refusal = "blocked-type"
	CapDay           Refusal = "cap-day"
	CapMinute        Refusal = "cap-minute"
	CapConcurrent    Refusal = "cap-concurrent"
	BadNumber        Refusal = "bad-number"
	BadTrunk         Refusal = "bad-trunk"
	LinkExpired      Refusal = "link-expired"
	LinkUsed         Refusal = "link-used"
	LinkInvalid      Refusal = "link-invalid"
	AlreadyDialed    Refusal = "already-dialed"
	GuardUnavailable Refusal = "guard-unavailable"
)

// Codec is a phone codec by its RFC 3551 encoding name.
type Codec string

// Phone codecs.
const (
	PCMU Codec = "PCMU"
	PCMA Codec = "PCMA"
	G722 Codec = "G722"
)

// Leg is the media link of one call between sfu and bridge: plain RTP, one
// UDP socket per side for all legs, told apart by SSRC and source address.
type Leg struct {
	Media         string `json:"media"`           // the sfu's RTP address, "127.0.0.1:40123"
	SSRCFromPhone uint32 `json:"ssrc_from_phone"` // bridge → sfu
	SSRCToPhone   uint32 `json:"ssrc_to_phone"`   // sfu → bridge
	Instance      string `json:"instance"`        // the sfu process that feeds the leg; a restart changes it
	MaxRing       int    `json:"max_ring"`        // seconds from dialing to answer
	MaxDuration   int    `json:"max_duration"`    // seconds from answer
}

// CallRequest asks the bridge to place a call. Leg and ID come from the sfu
// only; Number is then canonical and travels unchanged to the INVITE.
type CallRequest struct {
	ID     string `json:"id,omitempty"`
	Room   string `json:"room"`
	Number string `json:"number"`
	Trunk  string `json:"trunk,omitempty"`
	Name   string `json:"name,omitempty"`
	Leg    *Leg   `json:"leg,omitempty"`
}

// Call is a call as the bridge knows it.
type Call struct {
	ID     string `json:"id"`
	Room   string `json:"room"`
	Number string `json:"number"`
	Trunk  string `json:"trunk,omitempty"`
	State  State  `json:"state"`
	Reason Ending `json:"reason,omitempty"`
	Code   int    `json:"code,omitempty"` // the last SIP status
	Codec  Codec  `json:"codec,omitempty"`
}

// CallResponse answers a CallRequest and GET /v1/calls/{id}.
type CallResponse struct {
	Call  Call   `json:"call"`
	Media string `json:"media,omitempty"` // the bridge's RTP address, for the sfu only
}

// Error is the body of every answer that is not 2xx.
type Error struct {
	Error  string `json:"error"`            // a short code: "refused", "bad-request", "unauthorized" …
	Reason string `json:"reason,omitempty"` // a Refusal or an Ending
	Text   string `json:"text"`             // one plain sentence
}

// LegRequest asks the sfu for a leg: for a script's call, or for an inbound one.
type LegRequest struct {
	Room      string `json:"room"`
	Number    string `json:"number"`
	Trunk     string `json:"trunk,omitempty"`
	Name      string `json:"name,omitempty"`
	Key       string `json:"key,omitempty"`       // id of the script key that asked
	Direction string `json:"direction,omitempty"` // "out" (default) or "in"
	Media     string `json:"media"`               // the bridge's RTP address

	// Transfer says that a phone is sent to the number and dials it itself: by
	// Trunk, or as an extension of this house where there is none.
	Transfer bool `json:"transfer,omitempty"`

	Visitor *Visitor `json:"visitor,omitempty"` // of an inbound call
}

// LegResponse grants a leg; Number is canonical, ID is the call's.
type LegResponse struct {
	ID     string `json:"id"`
	Number string `json:"number"`
	Leg    Leg    `json:"leg"`

	Room    string `json:"room,omitempty"`    // of an inbound call
	Present bool   `json:"present,omitempty"` // somebody is in it
}

// CallEvent reports one change of a call, bridge → sfu. Events of one call
// arrive in order; Seq counts from 1 so that a retried delivery is dropped.
// The sfu answers 404 for a call it does not know, and the bridge hangs up.
type CallEvent struct {
	Seq    int    `json:"seq"`
	ID     string `json:"id"`
	State  State  `json:"state"`
	Trunk  string `json:"trunk,omitempty"`
	Codec  Codec  `json:"codec,omitempty"` // set with early and answered
	Reason Ending `json:"reason,omitempty"`
	Code   int    `json:"code,omitempty"`
	At     int64  `json:"at"` // Unix milliseconds

	// Digits were pressed at the phone (0-9 * # A-D); State is then where the
	// call stands all the same.
	Digits string `json:"digits,omitempty"`
}

// DTMFRequest asks for digits (0-9 * # A-D) towards the phone.
type DTMFRequest struct {
	Digits string `json:"digits"`
}

// TransferRequest asks for a phone to be sent to another number.
type TransferRequest struct {
	Number string `json:"number"`
}

// LeaseRequest renews the legs of one sfu process. The bridge hangs up calls
// of the same instance that are not in the list, and every call of another
// instance (the sfu was restarted).
type LeaseRequest struct {
	Instance string   `json:"instance"`
	Calls    []string `json:"calls"`
}

// LeaseResponse tells which of the calls the bridge knows; the sfu ends the others.
type LeaseResponse struct {
	Instance string             `json:"instance"` // of the bridge process
	Calls    []string           `json:"calls"`
	Quality  map[string]Quality `json:"quality,omitempty"` // of those with media, by call
}

// Trunk is a trunk's public face: no secrets. Limits that are zero are none.
type Trunk struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Priority    int    `json:"priority"`
	State       string `json:"state"`                  // "up", "full" (at a limit of calls that go out), "down", "disabled"
	Calls       int    `json:"calls"`                  // at the moment
	CallsIn     int    `json:"calls_in,omitempty"`     // of them that came in
	MaxCalls    int    `json:"max_calls,omitempty"`    // at once, both directions together
	MaxCallsIn  int    `json:"max_calls_in,omitempty"` // of them that come in
	MaxCallsOut int    `json:"max_calls_out,omitempty"`
	Minute      int    `json:"minute,omitempty"`       // calls placed in the last minute, counted where there is a limit
	PerMinute   int    `json:"per_minute,omitempty"`   // calls in a minute
	MaxDuration int    `json:"max_duration,omitempty"` // seconds from answer

	LatencyMS    int          `json:"latency_ms,omitempty"`   // of the last OPTIONS
	Registration Registration `json:"registration,omitempty"` // "" where none is kept
	Problem      string       `json:"problem,omitempty"`      // what was last wrong
}

// Trunks answers GET /v1/trunks. With ?number= (and ?trunk=, a pinned one) it
// has the trunks that could carry the number, in the order they would be tried.
type Trunks struct {
	Trunks   []Trunk `json:"trunks"`
	Inside   bool    `json:"inside,omitempty"`   // the number is one of the house: no trunk is needed
	Draining bool    `json:"draining,omitempty"` // the bridge is being stopped and takes no new call
}

// Registration is how a trunk's registration with its carrier stands.
type Registration string

// Registrations.
const (
	Registering  Registration = "registering" // for the first time
	Registered   Registration = "registered"
	Unregistered Registration = "unregistered" // refused or run out; it is tried again
)
