package ua

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"dialroom/scripts/carrier/audio"
)

// recorder keeps what a call hears. Its caller holds the media's lock.
type recorder struct {
	keep    bool
	packets []Packet

	seen           bool
	first, highest uint16
	cycles         uint64
	received       uint64
}

// longest is how many packets a recording holds: half an hour of 20 ms ones.
const longest = 90_000

func (r *recorder) add(p Packet) {
	r.received++
	switch {
	case !r.seen:
		r.seen, r.first, r.highest = true, p.Seq, p.Seq
	case int16(p.Seq-r.highest) > 0:
		if p.Seq < r.highest {
			r.cycles++
		}
		r.highest = p.Seq
	}
	if r.keep && len(r.packets) < longest {
		p.Payload = slices.Clone(p.Payload)
		r.packets = append(r.packets, p)
	}
}

func (r *recorder) counts() (received, lost uint64) {
	if !r.seen {
		return 0, 0
	}
	expected := r.cycles<<16 + uint64(r.highest) - uint64(r.first) + 1
	return r.received, max(expected, r.received) - r.received
}

// Recording is what a call heard, packet by packet.
type Recording struct {
	Codec   audio.Codec
	Type    uint8    // payload type of the codec
	Packets []Packet // in the order they arrived
}

// Heard returns what the call has heard so far. It is empty unless the carrier records.
func (call *Call) Heard() Recording {
	m := call.media
	m.mu.Lock()
	defer m.mu.Unlock()
	return Recording{Codec: m.codec, Type: m.pt, Packets: slices.Clone(m.rec.packets)}
}

// Audio returns the packets that carry sound.
func (r Recording) Audio() []Packet {
	var out []Packet
	for _, p := range r.Packets {
		if p.PayloadType == r.Type {
			out = append(out, p)
		}
	}
	return out
}

// PCM places every packet where its timestamp says, at 8 kHz; what is missing
// is zeros, what came twice is there once. Sample 0 is the first packet's.
func (r Recording) PCM() []int16 {
	var pcm []int16
	var base uint32
	var coder audio.Coder
	for i, p := range r.Audio() {
		if i == 0 {
			base = p.Timestamp
		}
		at := int64(int32(p.Timestamp - base))
		// A timestamp more than a minute ahead of its packet is no silence to be written out.
		if at < 0 || at > int64(len(pcm))+60*audio.Rate {
			continue
		}
		if end := int(at) + len(p.Payload); end > len(pcm) {
			pcm = append(pcm, make([]int16, end-len(pcm))...)
		}
		coder.Decode(r.Codec, pcm[at:at], p.Payload)
	}
	return pcm
}

// Fault is a place where a stream is not one packet after the other.
type Fault struct {
	Index int // of the packet in Audio()
	Text  string
}

// Faults returns every place where sequence numbers or timestamps do not go
// on by one packet, where the SSRC changes, and where packets are more than
// gap apart. A clean stream has none.
func (r Recording) Faults(gap time.Duration) []Fault {
	var faults []Fault
	list := r.Audio()
	// DTMF packets take sequence numbers of the same stream.
	between := func(a, b uint16) (n uint16) {
		for _, p := range r.Packets {
			if p.PayloadType != r.Type && p.Seq-a-1 < b-a-1 {
				n++
			}
		}
		return n
	}
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		note := func(format string, args ...any) {
			faults = append(faults, Fault{i, fmt.Sprintf(format, args...)})
		}
		if a.SSRC != b.SSRC {
			note("SSRC %08x follows %08x", b.SSRC, a.SSRC)
			continue
		}
		if step := b.Seq - a.Seq; step != 1 && step != 1+between(a.Seq, b.Seq) {
			note("sequence number %d follows %d", b.Seq, a.Seq)
		}
		if step := int32(b.Timestamp - a.Timestamp); step != int32(len(a.Payload)) {
			note("timestamp moves by %d after %d samples", step, len(a.Payload))
		}
		if d := b.At.Sub(a.At); d > gap {
			note("%v after the packet before", d.Round(time.Millisecond))
		}
	}
	return faults
}

// save writes the recording when the carrier was told to.
func (call *Call) save() {
	dir := call.carrier.cfg.RecordDir
	if dir == "" {
		return
	}
	pcm := call.Heard().PCM()
	if len(pcm) == 0 {
		return
	}
	name := strings.Map(func(r rune) rune {
		if r == '+' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, call.Number)
	path := filepath.Join(dir, fmt.Sprintf("%s-%s.wav", call.At.Format("20060102-150405.000"), name))
	if err := (audio.WAV{Rate: audio.Rate, Channels: 1, Samples: pcm}).WriteFile(path); err != nil {
		call.carrier.log.Error("recording not written", "error", err)
		return
	}
	call.carrier.log.Info("recorded", "file", path)
}
