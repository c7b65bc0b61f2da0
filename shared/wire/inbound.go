package wire

// This file has what only inbound calls need. The bridge asks for a leg with a
// [LegRequest] whose Direction is [In]; the sfu opens the room, and tells the
// bridge with a [ProgressRequest] when somebody is there.

// Directions of a call.
const (
	Out = "out"
	In  = "in"
)

// Visitor is what a LegRequest says of an inbound call.
type Visitor struct {
	Called    string `json:"called,omitempty"`    // the virtual number
	Extension string `json:"extension,omitempty"` // the registered phone that calls
	Dial      string `json:"dial,omitempty"`      // the number it wants; the room is the sfu's choice then
	Transfer  string `json:"transfer,omitempty"`  // the call as which that dial was granted when the phone was sent there
	Wait      int    `json:"wait,omitempty"`      // seconds the room waits for its first browser
	House     bool   `json:"house,omitempty"`     // another room of this house calls
}

// ProgressRequest tells the bridge how an inbound call goes on at the room's
// side: POST /v1/calls/{id}/progress. Ringing and Early are what the caller
// hears of a direct call; Answered answers the caller.
type ProgressRequest struct {
	State State `json:"state"`
}
