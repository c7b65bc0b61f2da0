package leg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of DTMF.
var (
	ErrBadDigit   = errors.New("not a telephone key")
	ErrNoEvents   = errors.New("the far end takes no telephone events")
	ErrNotTalking = errors.New("the far end is not listening")
	ErrManyDigits = errors.New("too many digits are waiting to be sent")
)

// keys in the order of their event codes (RFC 4733 §3.2, table 3).
const keys = "0123456789*#ABCD"

// How we press keys, in steps of 20 ms. Receivers want at least 40 ms of tone
// and 40 ms of pause (ITU-T Q.24); older ones like more.
const (
	toneSteps = 5                      // 100 ms of tone
	endSteps  = 3                      // RFC 4733 §2.5.1.4: the end is said three times
	keySteps  = 10                     // a new key every 200 ms
	eventSize = 4                      // bytes of payload
	volume    = 10                     // -10 dBm0, what telephones say
	endBit    = 0x80                   // in the second byte
	maxKeys   = 64                     // waiting to be sent: 13 s of pressing
	maxLate   = 5 * frameTime          // a stall longer than this is not caught up
	eventsPT  = 101                    // what we offer for telephone-event
	eventsFmt = "0-15"                 // the events we know: the sixteen keys
	longEvent = 0xffff                 // RFC 4733 §2.5.1.3: longer ones go on in a new segment
	eventName = "telephone-event/8000" // in rtpmap lines
)

// keypad presses keys towards the phone, one packet each 20 ms.
type keypad struct {
	queue  []byte // event codes; the first is being pressed
	step   int    // of the key being pressed
	ts     uint32 // timestamp of its beginning
	due    time.Time
	packet [rtpHeaderSize + eventSize]byte
}

func (k *keypad) active() bool { return len(k.queue) > 0 }

// DTMF presses the keys (0–9, *, #, A–D) one after the other, each for 100 ms
// with 100 ms of pause, as telephone events in the phone's own RTP stream
// (RFC 4733). It returns at once; audio towards the phone is held back until
// the last key is up. Errors: ErrBadDigit, ErrNotTalking before an answer or on
// hold, ErrNoEvents, ErrManyDigits.
func (l *Leg) DTMF(digits string) error {
	codes := make([]byte, 0, len(digits))
	for _, r := range strings.ToUpper(digits) {
		i := strings.IndexRune(keys, r)
		if i < 0 {
			return fmt.Errorf("%w: %q", ErrBadDigit, r)
		}
		codes = append(codes, byte(i))
	}
	if err := l.press(codes, l.hub.now()); err != nil {
		return err
	}
	l.hub.nudge()
	return nil
}

func (l *Leg) press(codes []byte, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.path == nil || !l.path.speaks:
		return ErrNotTalking
	case !l.path.hasEvents:
		return ErrNoEvents
	case len(l.keys.queue)+len(codes) > maxKeys:
		return ErrManyDigits
	}
	if !l.keys.active() && len(codes) > 0 {
		l.keys.step, l.keys.due, l.keys.ts = 0, now, l.out.clock(now)
	}
	l.keys.queue = append(l.keys.queue, codes...)
	return nil
}

// pressKeys sends what is due of the keys and returns when more will be; mu is held.
func (l *Leg) pressKeys(now time.Time) (due time.Time, more bool) {
	k := &l.keys
	if k.active() && now.Sub(k.due) > maxLate {
		k.due = now
	}
	for k.active() && !now.Before(k.due) {
		l.pressStep(now)
		k.due = k.due.Add(frameTime)
		if k.step++; k.step == keySteps {
			k.step, k.queue = 0, k.queue[1:]
			k.ts += keySteps * frame
		}
	}
	return k.due, k.active()
}

// pressStep sends the packet of one step of a key: its progress, its end, or nothing in the pause.
func (l *Leg) pressStep(now time.Time) {
	k := &l.keys
	if k.step >= toneSteps-1+endSteps {
		return
	}
	duration, flags := uint16(k.step+1)*frame, byte(volume)
	if k.step >= toneSteps-1 {
		duration, flags = toneSteps*frame, volume|endBit
	}
	p := k.packet[:]
	putHeader(p, rtpHeader{
		marker: k.step == 0, // RFC 4733 §2.5.1.1: begins an event
		pt:     l.path.events,
		seq:    l.out.put(k.ts+uint32(duration), now),
		ts:     k.ts, // RFC 4733 §2.5.1.2: the same for all packets of an event
		ssrc:   l.ssrc,
	})
	p[rtpHeaderSize] = k.queue[0]
	p[rtpHeaderSize+1] = flags
	binary.BigEndian.PutUint16(p[rtpHeaderSize+2:], duration)
	l.send(p, eventSize)
}

// listener decodes the keys that are pressed at the phone.
type listener struct {
	heard bool
	event uint8
	ts    uint32
}

// hear takes one telephone-event packet. It returns a key's character when the
// packet is the first of an event. Events are told apart by their timestamp:
// the marker bit gets lost with its packet, and some senders never set it.
func (e *listener) hear(h rtpHeader, payload []byte) (key byte, ok bool) {
	if len(payload) < eventSize || int(payload[0]) >= len(keys) {
		return 0, false
	}
	event := payload[0]
	if e.heard {
		switch d := int32(h.ts - e.ts); {
		case d < 0 && d > -leap:
			return 0, false // late, of an event heard before
		case event == e.event && (d == 0 || d == longEvent && !h.marker):
			e.ts = h.ts
			return 0, false
		}
	}
	e.heard, e.event, e.ts = true, event, h.ts
	return keys[event], true
}
