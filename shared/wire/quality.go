package wire

// Quality is how the phone's side of a call sounds, measured over the last few
// seconds. It travels with the answer to a lease.
type Quality struct {
	Loss      float64 `json:"loss"`             // of the phone's packets, 0 to 1
	Jitter    int     `json:"jitter"`           // of the phone's packets, ms
	RoundTrip int     `json:"rtt,omitempty"`    // bridge to phone and back, ms; 0: the phone does not say
	FarLoss   float64 `json:"far_loss"`         // of our packets, as the phone reports it
	FarJitter int     `json:"far_jitter"`       // ms
	MOS       float64 `json:"mos"`              // 1 to 4.5, of the worse direction; ITU-T G.107 simplified
	Mute      bool    `json:"mute,omitempty"`   // no packet comes from the phone although it should speak
	Deaf      bool    `json:"deaf,omitempty"`   // the phone reports that none of ours arrive
	Codec     Codec   `json:"codec,omitempty"`  // in use
	Secure    bool    `json:"secure,omitempty"` // SRTP
}
