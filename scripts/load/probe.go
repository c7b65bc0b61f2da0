package main

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"dialroom/scripts/carrier/audio"
)

// A probe is a frame of telephone sound that says when it was sent and which
// one it is. It survives everything that leaves payloads alone, and is quiet
// enough to be silence to a mixer: every byte is one of the sixteen softest
// codes of A-law and carries four bits.
//
//	0  4 bits each of "dlr:"
//	8  time since the program started, nanoseconds, 64 bits
//	24 number of the frame in its stream, 32 bits
//	32 softly nothing
const (
	probeMark = "dlr:"
	softest   = 0xd5 // A-law for the smallest positive sample; the low four bits count up from it
	probeSize = 2 * (len(probeMark) + 8 + 4)
)

// putProbe writes a probe into a frame.
func putProbe(frame *[audio.Frame]byte, at time.Duration, number uint32) {
	var raw [probeSize / 2]byte
	copy(raw[:], probeMark)
	binary.BigEndian.PutUint64(raw[4:], uint64(at))
	binary.BigEndian.PutUint32(raw[12:], number)
	for i, b := range raw {
		frame[2*i], frame[2*i+1] = softest^b>>4, softest^b&0x0f
	}
	for i := probeSize; i < len(frame); i++ {
		frame[i] = softest
	}
}

func readProbe(payload []byte) (at time.Duration, number uint32, ok bool) {
	if len(payload) != audio.Frame {
		return 0, 0, false
	}
	var raw [probeSize / 2]byte
	for i := range raw {
		high, low := payload[2*i]^softest, payload[2*i+1]^softest
		if high > 0x0f || low > 0x0f {
			return 0, 0, false
		}
		raw[i] = high<<4 | low
	}
	if string(raw[:4]) != probeMark {
		return 0, 0, false
	}
	return time.Duration(binary.BigEndian.Uint64(raw[4:])), binary.BigEndian.Uint32(raw[12:]), true
}

// flow counts one direction of all calls: probes and what became of them.
type flow struct {
	mu       sync.Mutex
	streams  map[stream]*follower
	on       bool // only what happens while measuring counts
	delays   []time.Duration
	received uint64
	lost     uint64 // numbers that were passed over
	repeated uint64 // numbers that came again, or late
}

// follower is one stream's place in a flow.
type follower struct {
	known bool
	last  uint32
}

// stream names a stream of a flow: who hears it, and its SSRC.
type stream struct {
	listener any
	ssrc     uint32
}

func (f *flow) start() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = true
}

func (f *flow) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on = false
}

// add takes a payload that arrived at now.
func (f *flow) add(from stream, payload []byte, now time.Duration) {
	at, number, ok := readProbe(payload)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.streams[from]
	if s == nil {
		if f.streams == nil {
			f.streams = map[stream]*follower{}
		}
		s = &follower{}
		f.streams[from] = s
	}
	step := int32(number - s.last)
	known := s.known
	if !known || step > 0 {
		s.known, s.last = true, number
	}
	if !f.on {
		return
	}
	f.received++
	f.delays = append(f.delays, now-at)
	switch {
	case !known:
	case step > 1:
		f.lost += uint64(step - 1)
	case step < 1:
		f.repeated++
	}
}

// delay adds one measured delay that did not come with a probe.
func (f *flow) delay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.on {
		f.delays = append(f.delays, d)
		f.received++
	}
}

// summary is how a list of times is spread.
type summary struct {
	Count   int           `json:"count"`
	Median  time.Duration `json:"median_ns"`
	P95     time.Duration `json:"p95_ns"`
	P99     time.Duration `json:"p99_ns"`
	Longest time.Duration `json:"longest_ns"`
}

func summarise(list []time.Duration) summary {
	s := summary{Count: len(list)}
	if len(list) == 0 {
		return s
	}
	slices.Sort(list)
	at := func(q float64) time.Duration { return list[min(len(list)-1, int(q*float64(len(list))))] }
	s.Median, s.P95, s.P99, s.Longest = at(0.5), at(0.95), at(0.99), list[len(list)-1]
	return s
}

func (f *flow) summary() summary {
	f.mu.Lock()
	defer f.mu.Unlock()
	return summarise(slices.Clone(f.delays))
}

// burst is how a delay is measured through a mixer, which keeps no payloads:
// a frame of tone in silence, found again by its first loud sample.
type burst struct {
	mu   sync.Mutex
	sent []time.Duration
}

func (b *burst) note(at time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, at)
}

// since returns how long before now the last burst was sent, false when there was none.
func (b *burst) since(now time.Duration) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.sent) - 1; i >= 0; i-- {
		if b.sent[i] < now {
			return now - b.sent[i], true
		}
	}
	return 0, false
}

// onset finds where sound begins after silence in a stream of frames.
type onset struct{ quiet int }

const (
	loud       = 3000            // far over what silence becomes anywhere, far under the burst
	minQuiet   = audio.Rate / 10 // samples: a burst is shorter than this, the time between two longer
	sampleTime = time.Second / audio.Rate
)

// find returns the time of the first loud sample of a frame that arrived at
// now: the frame's first sample is heard then, the others follow.
func (o *onset) find(codec audio.Codec, payload []byte, now time.Duration) (time.Duration, bool) {
	var buf [audio.Frame]int16
	for i, v := range codec.Decode(buf[:0], payload[:min(len(payload), audio.Frame)]) {
		if v < loud && v > -loud {
			o.quiet++
			continue
		}
		began := o.quiet >= minQuiet
		o.quiet = 0
		if began {
			return now + time.Duration(i)*sampleTime, true
		}
	}
	return 0, false
}
