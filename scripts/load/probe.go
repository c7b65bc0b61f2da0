package main

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"dialroom/scripts/carrier/audio"
)

// A probe is a frame of telephone sound that says when it was sent and which
// one it is. It survives everything that leaves payloads alone.
//
//	0  4 bytes "dlr:"
//	4  8 bytes time since the program started, nanoseconds
//	12 4 bytes number of the frame in its stream
//	16 144 bytes of quiet sound
const probeMark = "dlr:"

// putProbe writes a probe into a frame.
func putProbe(frame *[audio.Frame]byte, at time.Duration, number uint32) {
	copy(frame[:], probeMark)
	binary.BigEndian.PutUint64(frame[4:], uint64(at))
	binary.BigEndian.PutUint32(frame[12:], number)
	for i := 16; i < len(frame); i++ {
		frame[i] = 0xd5 ^ byte(i&3)
	}
}

func readProbe(payload []byte) (at time.Duration, number uint32, ok bool) {
	if len(payload) != audio.Frame || string(payload[:4]) != probeMark {
		return 0, 0, false
	}
	return time.Duration(binary.BigEndian.Uint64(payload[4:])), binary.BigEndian.Uint32(payload[12:]), true
}

// flow counts one direction of all calls: probes and what became of them.
type flow struct {
	mu       sync.Mutex
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
func (f *flow) add(s *follower, payload []byte, now time.Duration) {
	at, number, ok := readProbe(payload)
	if !ok {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
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
