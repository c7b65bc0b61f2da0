package room

// SlotInfo is one receive slot of a browser: an m-line it offered recvonly.
type SlotInfo struct {
	Mid    string
	Codecs []Codec // what the browser can play there
}

// Carries reports whether the slot can play c.
func (s SlotInfo) Carries(c Codec) bool {
	for _, have := range s.Codecs {
		if have == c {
			return true
		}
	}
	return false
}

// Media is a browser's connection as a room sees it; package peer has the real one.
type Media interface {
	// Tracks returns what the browser publishes, by kind. Kind Phone is its phone rendition.
	Tracks() map[Kind]*Track
	// Slots returns the receive slots in the order they were offered.
	Slots() []SlotInfo
	// Assign puts a track into a slot, or empties the slot with nil.
	Assign(mid string, t *Track)
}

// Leg is a phone's connection as a room sees it; package phone has the real one.
type Leg interface {
	// Track is what the phone says (kind Phone).
	Track() *Track
}

// Conference is the audio towards all phones of one room: who is heard by
// them, relayed or mixed. Package phone has the real one.
type Conference interface {
	Add(Leg)
	Remove(Leg)
	// SetSources names everything the phones may hear: the phone renditions of
	// the unmuted browsers and the phones' own tracks. Each phone hears all but its own.
	SetSources([]*Track)
	Close()
}
