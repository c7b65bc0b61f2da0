package room

// Keys tells pages which keys were pressed at a phone. Pages that do not show
// them lose nothing.
type Keys struct {
	Type   string `json:"type"` // "dtmf"
	Call   string `json:"call"`
	Digits string `json:"digits"` // 0-9 * # A-D
}

// Pressed tells everybody of keys pressed at a call's phone.
func (r *Room) Pressed(call, digits string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.callByID(call); !r.closed && c != nil && c.live() {
		r.broadcast(nil, Keys{Type: "dtmf", Call: call, Digits: digits})
	}
}
