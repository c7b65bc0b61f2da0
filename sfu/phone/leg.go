package phone

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// maxPayload is the longest payload relayed, in bytes; longer ones are no audio of a phone.
const maxPayload = 1400

// mode is what a leg's phone hears.
type mode uint8

const (
	off     mode = iota // not connected
	silence             // nobody
	relay               // one voice, as it comes
	mixed               // several
)

// Leg is the media of one call: what the phone says as a track, and what it
// hears as one RTP stream.
type Leg struct {
	hub             *Hub
	track           *room.Track
	ssrcIn, ssrcOut uint32

	in     reception
	bridge atomic.Pointer[netip.AddrPort] // the only source believed; nil before Connect

	// guarded by the mutex of the conference the leg is in
	mode     mode
	source   *source       // in mode relay
	filling  bool          // in mode relay: silence is sent until the source is heard
	relieved bool          // in mode relay: one voice has relieved another, and may still come in time
	listener *mix.Listener // in mode mixed
	heard    mix.Codec     // the listener's codec
	hold     *heldBack     // in mode mixed: when to begin
	backing  heldBack      // hold points here
	plan     plan          // scratch of arrange
	encoder  mix.Encoder   // of all that is not relayed untouched
	decoder  mix.Decoder   // of a source that is relayed in another codec
	behind   *source       // what was relayed past the encoder lately, so that it must catch up

	mu     sync.Mutex // taken after a conference's; guards all below
	conf   *Conference
	closed bool
	to     netip.AddrPort
	codec  room.Codec // towards the phone; NoCodec: not connected
	pt     uint8
	out    stream
	sent   Sent
	buffer [headerSize + maxPayload]byte
}

// heldBack is a mix that continues a relayed voice: it begins where that voice was left.
type heldBack struct {
	voice *mix.Voice
	from  uint32 // timestamp of the first sample not heard yet
	ticks int    // waited so far
}

// maxHold is the ticks a mix may wait for the voice that was relayed; the first
// is the time to that voice's next packet.
const maxHold = 2

// Sent counts what went to a phone.
type Sent struct {
	Packets   uint64
	Octets    uint64 // of payload
	Silence   uint64 // packets of silence among them
	Discarded uint64 // packets of a source that the phone's codec cannot carry
	Failed    uint64 // packets the socket did not take
}

// Stats is how a leg does.
type Stats struct {
	Received Received
	Sent     Sent
	Codec    wire.Codec // towards the phone; "" before Connect
}

func newLeg(h *Hub, owner string, in, out uint32) *Leg {
	l := &Leg{hub: h, track: &room.Track{Owner: owner, Kind: room.Phone}, ssrcIn: in, ssrcOut: out}
	l.in.level = room.Silent
	return l
}

// Track is what the phone says.
func (l *Leg) Track() *room.Track { return l.track }

// Wire returns what the bridge must know of the leg; the limits are the caller's to fill in.
func (l *Leg) Wire() wire.Leg {
	return wire.Leg{Media: l.hub.mediaAddr(), SSRCFromPhone: l.ssrcIn, SSRCToPhone: l.ssrcOut}
}

// Connect begins RTP to the phone in codec c at the bridge's address, and takes
// RTP from there. A later call changes either. A leg in no conference is sent
// silence. A codec that cannot be sent is an error and leaves the leg as it was;
// connecting a closed leg does nothing.
func (l *Leg) Connect(c wire.Codec, bridge netip.AddrPort) error {
	codec, pt := legCodec(c)
	if codec == room.NoCodec {
		return fmt.Errorf("phone: connect: codec %q is not supported", c)
	}
	bridge = netip.AddrPortFrom(bridge.Addr().Unmap(), bridge.Port())
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	if l.codec != codec {
		l.codec, l.pt, l.out.mark = codec, pt, true
	}
	l.to = bridge
	l.bridge.Store(&bridge)
	conf := l.conf
	l.mu.Unlock()
	conf.rearrange()
	return nil
}

// Close ends the leg: nothing is sent or taken any more.
func (l *Leg) Close() {
	l.mu.Lock()
	closed, conf := l.closed, l.conf
	l.closed, l.codec = true, room.NoCodec
	l.bridge.Store(nil)
	l.mu.Unlock()
	if closed {
		return
	}
	l.hub.forget(l)
	conf.drop(l)
}

// Stats returns the counters.
func (l *Leg) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{Received: l.in.counters(), Sent: l.sent}
	if l.codec != room.NoCodec {
		s.Codec = wire.Codec(l.codec.String())
	}
	return s
}

// join makes c the leg's conference and returns the one before. It is false when
// the leg is closed, or in another conference than from (nil: any).
func (l *Leg) join(c, from *Conference) (old *Conference, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || from != nil && l.conf != from {
		return nil, false
	}
	old, l.conf = l.conf, c
	return old, true
}

// isIn reports whether the leg is still c's.
func (l *Leg) isIn(c *Conference) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conf == c && !l.closed
}

// relayed sends a packet of the leg's one source on. The conference's mutex is held.
func (l *Leg) relayed(s *source, p *room.Packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.codec == room.NoCodec || len(p.Payload) == 0 || len(p.Payload) > maxPayload {
		return
	}
	body := l.buffer[headerSize : headerSize+len(p.Payload)]
	if p.Codec == l.codec {
		copy(body, p.Payload)
	} else if table := mix.Transcode(mixCodec(p.Codec), mixCodec(l.codec)); table != nil {
		for i, b := range p.Payload {
			body[i] = table[b]
		}
	} else if !l.transcode(body, p) {
		l.sent.Discarded++
		return
	}
	seq, ts, marker, ok := l.out.carry(p)
	if !ok {
		return
	}
	if p.Codec == l.codec {
		l.behind = s
	}
	l.filling, l.relieved = false, false
	l.send(seq, ts, marker, len(body))
}

// transcode writes the packet's payload to body in the leg's codec. It is false
// when that cannot be done. A packet out of order is a short noise: it does
// not happen often enough to be waited for.
func (l *Leg) transcode(body []byte, p *room.Packet) bool {
	from := mixCodec(p.Codec)
	if !from.Known() || len(body) > mix.MaxPayload {
		return false
	}
	var low, high [mix.MaxPayload]int16
	n := l.decoder.Decode(from, low[:], high[:], p.Payload)
	l.coder().Encode(body[:0], low[:n], high[:n])
	return true
}

// coder returns the leg's encoder, ready to go on. Both mutexes are held.
func (l *Leg) coder() *mix.Encoder {
	c := mixCodec(l.codec)
	if l.encoder.Codec() != c {
		l.encoder.Reset(c)
	}
	if s := l.behind; s != nil {
		l.behind = nil
		if s.last().Codec == c {
			s.catchUp(&l.encoder)
		}
	}
	return &l.encoder
}

// tick makes what the leg is due at tick at, and says how soon the next look is
// needed. The conference's mutex is held.
func (l *Leg) tick(at int64) pace {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.codec == room.NoCodec {
		return idle
	}
	switch l.mode {
	case silence:
		l.sendSilence(at)
	case relay:
		if !l.filling && at-l.out.due < stalled {
			return coarse
		}
		if l.relieved && at-l.out.due < frameTime-evenness {
			return everyTick
		}
		l.filling, l.relieved = true, false
		l.sendSilence(at)
	case mixed:
		if l.heard != mixCodec(l.codec) {
			break // it has just changed; rearrange comes next
		}
		if l.held(at) {
			l.listener.Withhold()
		} else {
			l.sendOwn(at, l.listener.Payload()) // never left out: it is audio
		}
	default:
		return idle
	}
	return everyTick
}

// held reports whether the mix has not come to where what was sent before has left off.
func (l *Leg) held(at int64) bool {
	h := l.hold
	if h == nil {
		return l.out.mark && l.out.early(at)
	}
	began, ok := h.voice.Began()
	// Within half a frame is as close as ticks can come.
	if (!ok || int32(began-h.from) < -mix.FrameSamples/2) && h.ticks < maxHold {
		h.ticks++
		return true
	}
	l.hold = nil
	return false
}

func (l *Leg) sendSilence(at int64) {
	if l.out.rest(at) {
		return
	}
	var frame [mix.FrameSamples]byte
	l.sendOwn(at, l.coder().Encode(frame[:0], quiet[:], nil))
	l.sent.Silence++
}

// quiet is a frame of silence.
var quiet [mix.FrameSamples]int16

// sendOwn sends a frame of our own; l.mu is held.
func (l *Leg) sendOwn(at int64, payload []byte) {
	seq, ts, marker := l.out.own(at)
	l.send(seq, ts, marker, copy(l.buffer[headerSize:], payload))
}

// flush sends what the mix still holds of a voice that is relayed from now on,
// and leaves the stream where that voice goes on. It is false when the voice was
// never heard. The conference's mutex is held.
func (l *Leg) flush(v *mix.Voice, now int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := 0
	rest, ok := v.Flush(func(_ uint32, pcm, _ []int16) { held += len(pcm) })
	if !ok {
		return false
	}
	drop := l.out.excess(held, now)
	rest.Timestamp += uint32(drop)
	l.out.adopt(rest, now)
	coder := l.coder()
	v.Flush(func(ts uint32, pcm, high []int16) {
		n := min(drop, len(pcm))
		drop -= n
		ts, pcm, high = ts+uint32(n), pcm[n:], high[n:]
		if len(pcm) == 0 {
			return
		}
		seq, out, marker := l.out.flushed(ts, len(pcm))
		coder.Encode(l.buffer[:headerSize], pcm, high)
		l.send(seq, out, marker, len(pcm))
	})
	return true
}

// send completes the packet in the buffer, whose payload of n bytes is there; l.mu is held.
func (l *Leg) send(seq uint16, ts uint32, marker bool, n int) {
	header{marker: marker, pt: l.pt, seq: seq, timestamp: ts, ssrc: l.ssrcOut}.put(l.buffer[:])
	if l.hub.socket.WriteTo(l.buffer[:headerSize+n], l.to) != nil {
		l.sent.Failed++
		return
	}
	l.sent.Packets++
	l.sent.Octets += uint64(n)
}
