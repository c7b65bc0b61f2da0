package room

import (
	"sync/atomic"
	"time"
)

// epoch is where the process's clock of packets begins.
var epoch = time.Now()

// Now returns nanoseconds on the monotonic clock that Packet.At is read from.
func Now() int64 { return int64(time.Since(epoch)) }

// Kind says what a track carries; the names are those of the WebSocket protocol.
type Kind string

// Kinds of tracks. A browser publishes the first five; a phone publishes Phone.
const (
	Mic         Kind = "mic"   // the microphone as Opus
	Phone       Kind = "phone" // a phone's own audio, or a browser's phone rendition
	Camera      Kind = "camera"
	Screen      Kind = "screen"
	ScreenAudio Kind = "screen-audio"
)

// Codec is a payload format that can travel through a room.
type Codec uint8

// Codecs.
const (
	NoCodec Codec = iota
	Opus
	PCMU
	PCMA
	G722
	VP8
	H264
	VP9
	AV1
)

var codecNames = [...]string{"", "opus", "PCMU", "PCMA", "G722", "VP8", "H264", "VP9", "AV1"}

// String returns the encoding name as SDP writes it.
func (c Codec) String() string { return codecNames[c] }

// IsPhone reports whether telephones speak the codec.
func (c Codec) IsPhone() bool { return c == PCMU || c == PCMA || c == G722 }

// IsVideo reports whether the codec carries pictures.
func (c Codec) IsVideo() bool { return c >= VP8 }

// Silent is the level of silence in -dBov (RFC 6464 §3).
const Silent = 127

// Packet is one RTP packet on its way through a room. It and its payload are
// valid only during the call that hands it on: a sink that keeps any of it copies.
type Packet struct {
	Seq       uint16
	Marker    bool
	KeyFrame  bool // video: starts a frame that needs no earlier one
	Restart   bool // a new stream of the same publisher: numbers do not follow the earlier ones
	Codec     Codec
	Level     uint8  // audio: -dBov, 0 loudest, Silent when unknown or silent
	Timestamp uint32 // in the codec's clock
	Payload   []byte // without padding
	At        int64  // arrival, by Now
}

// Sink takes packets of a track. WriteRTP is called from the packet path and must not block.
type Sink interface {
	WriteRTP(t *Track, p *Packet)
}

// Track is one published medium and the set of sinks that carry it. The packet
// path reads the set without a lock; Attach and Detach replace it.
type Track struct {
	Owner string // participant id
	Kind  Kind

	// Layers are the same picture in several sizes, smallest first, when its
	// publisher sends several at once (simulcast). Then they have the packets and
	// the sinks, and this track has none. RID is a layer's name (RFC 8851).
	Layers []*Track
	RID    string

	// RequestKeyFrame asks the publisher for a key frame; nil for audio.
	// Publishers throttle it themselves.
	RequestKeyFrame func()

	// Cached copies a packet that was forwarded lately, its payload into
	// buffer; nil for audio. It reports whether it still had the packet.
	Cached func(seq uint16, buffer []byte, p *Packet) bool

	sinks   atomic.Pointer[[]Sink]
	level   atomic.Uint32
	packets atomic.Uint64
	width   atomic.Uint32
}

// Forward hands a packet to every sink, in the order they were attached.
func (t *Track) Forward(p *Packet) {
	if len(p.Payload) > 0 || !p.Codec.IsVideo() { // padding, which probes a line, is no picture
		t.packets.Add(1)
	}
	if s := t.sinks.Load(); s != nil {
		for _, sink := range *s {
			sink.WriteRTP(t, p)
		}
	}
}

// Sinks calls f with every sink.
func (t *Track) Sinks(f func(Sink)) {
	if s := t.sinks.Load(); s != nil {
		for _, sink := range *s {
			f(sink)
		}
	}
}

// Packets counts the packets published so far.
func (t *Track) Packets() uint64 { return t.packets.Load() }

// Attach adds a sink; attaching one twice changes nothing.
func (t *Track) Attach(s Sink) {
	t.swap(func(old []Sink) []Sink {
		for _, o := range old {
			if o == s {
				return old
			}
		}
		return append(append(make([]Sink, 0, len(old)+1), old...), s)
	})
}

// Detach removes a sink. A packet already under way may still reach it.
func (t *Track) Detach(s Sink) {
	t.swap(func(old []Sink) []Sink {
		kept := make([]Sink, 0, len(old))
		for _, o := range old {
			if o != s {
				kept = append(kept, o)
			}
		}
		return kept
	})
}

// Heard reports whether any sink carries the track.
func (t *Track) Heard() bool {
	s := t.sinks.Load()
	return s != nil && len(*s) > 0
}

func (t *Track) swap(change func([]Sink) []Sink) {
	for {
		old := t.sinks.Load()
		var list []Sink
		if old != nil {
			list = *old
		}
		list = change(list)
		if t.sinks.CompareAndSwap(old, &list) {
			return
		}
	}
}

// SetLevel records how loud the publisher is now, in -dBov. Publishers call it per packet.
func (t *Track) SetLevel(level uint8) { t.level.Store(uint32(level)) }

// Level returns the last level in -dBov, Silent before the first packet.
func (t *Track) Level() uint8 {
	if t.packets.Load() == 0 {
		return Silent
	}
	return uint8(t.level.Load())
}

// SetWidth records how wide the picture is now, in pixels.
func (t *Track) SetWidth(px uint32) { t.width.Store(px) }

// Width returns the picture's width in pixels, 0 while it is unknown.
func (t *Track) Width() int { return int(t.width.Load()) }
