package leg

import (
	"net/netip"
	"slices"
	"time"
)

// path is how packets of a leg travel, as the last SDP settled it. It is
// replaced as a whole and never changed.
type path struct {
	Session

	srtp  *protection // nil: plain RTP
	proto string      // the RTP profile

	speaks bool // we may send: the far end is known and receives
	hears  bool // the far end sends

	static    uint8 // payload type of Codec between sfu and bridge
	send      uint8 // payload type of Codec towards the phone
	hasEvents bool
	events    uint8 // payload type of telephone-event towards the phone

	// accept says by payload type what the phone sends: an audio codec's static
	// payload type, or one of the following.
	accept [128]int8
}

// What a payload type from the phone can be beside audio.
const (
	notWanted   int8 = -1
	phoneEvents int8 = -2
	noise       int8 = -3 // comfort noise, RFC 3389
)

// noiseType is the static payload type of comfort noise (RFC 3389 §4). Phones send it unasked.
const noiseType = 13

// newPath settles a session between what the far end said and our own payload
// types: it may send those that its SDP names and those that ours does.
func newPath(a *audio, codecs, ours []payload) *path {
	p := &path{Session: Session{
		Codec:          codecs[0].codec,
		Direction:      a.dir.reverse(),
		Remote:         a.rtp,
		RTCP:           a.rtcp,
		TelephoneEvent: len(a.events) > 0,
		PTime:          a.ptime,
		MaxPTime:       a.maxPtime,
	}}
	p.proto = a.proto
	if !a.rtp.IsValid() {
		p.Direction = p.Direction.withoutSending() // there is nowhere to send to
	}
	p.Hold = !p.Direction.Sends()
	p.speaks, p.hears = !p.Hold, p.Direction.Receives() && a.rtp.IsValid()
	p.static, _ = staticPayload(p.Codec)
	p.send = codecs[0].pt

	for i := range p.accept {
		p.accept[i] = notWanted
	}
	p.accept[noiseType] = noise
	for _, pt := range a.noise {
		p.accept[pt] = noise
	}
	if p.hasEvents = p.TelephoneEvent; p.hasEvents {
		p.events = a.events[0]
		p.accept[eventsPT] = phoneEvents
		for _, pt := range a.events {
			p.accept[pt] = phoneEvents
		}
	}
	for _, c := range ours {
		if slices.ContainsFunc(codecs, func(p payload) bool { return p.codec == c.codec }) {
			static, _ := staticPayload(c.codec)
			p.accept[c.pt] = int8(static)
		}
	}
	for _, c := range codecs {
		static, _ := staticPayload(c.codec)
		p.accept[c.pt] = int8(static)
	}
	return p
}

// fromPhone takes what arrives at the leg's RTP port: source, form, payload
// type, accounting, then on to the sfu.
func (l *Leg) fromPhone(packet []byte, from netip.AddrPort) {
	now := l.hub.now()
	l.mu.Lock()
	key, report := l.phonePacket(packet, from, now)
	l.mu.Unlock()
	if key != 0 && report != nil {
		report(key)
	}
}

// phonePacket does the work of fromPhone; mu is held. It returns a key that was
// pressed, if one was, and who wants to know.
func (l *Leg) phonePacket(packet []byte, from netip.AddrPort, now time.Time) (key byte, report func(byte)) {
	p := l.path
	if p == nil || l.closed || from != l.remote() && !l.mayBe(from) {
		// Only who the SDP names is heard; anybody else gets no sign that we are here.
		l.stats.WrongSource++
		return 0, nil
	}
	if p.srtp != nil {
		var genuine bool
		if packet, genuine = l.unprotect(p.srtp, packet); !genuine {
			l.stats.Forged++
			return 0, nil
		}
	}
	h, ok := parseRTP(packet)
	if !ok {
		l.stats.Invalid++
		return 0, nil
	}
	kind := p.accept[h.pt]
	if from != l.remote() && (kind == notWanted || !l.latch.believe(h, from, now, p.srtp != nil)) {
		l.stats.WrongSource++ // so far
		return 0, nil
	}
	if l.latch.open {
		l.latch.settle(from)
	}
	if kind == notWanted {
		l.stats.Unwanted++
		if h.ssrc == l.heard.ssrc { // not lost, just of no use; RTCP that strays here fails this
			l.heard.note(h, now, false)
			l.in.leave(h)
		}
		return 0, nil
	}
	l.lastRTP = now
	l.heard.note(h, now, kind >= 0)
	l.stats.Packets++
	l.stats.Bytes += uint64(h.end - h.start)
	switch {
	case kind == phoneEvents:
		l.stats.Events++
		l.in.leave(h)
		if key, ok := l.pressed.hear(h, packet[h.start:h.end]); ok {
			return key, l.onKey
		}
	case kind == noise:
		l.stats.Noise++
		l.in.leave(h)
	case !p.hears:
		l.stats.Unwanted++
		l.in.leave(h)
	default:
		l.toSFU(packet, h, uint8(kind), now)
	}
	return 0, nil
}

// toSFU sends one audio packet of the phone on; mu is held.
func (l *Leg) toSFU(packet []byte, h rtpHeader, static uint8, now time.Time) {
	if static != l.inCodec {
		// Another codec begins as another source would.
		l.inCodec = static
		l.in.started = false
	}
	h, ok := l.in.take(h, now)
	if !ok {
		l.stats.Late++
		return
	}
	h.pt, h.ssrc = static, l.wire.SSRCFromPhone
	if l.hub.shared.WriteTo(h.rewrite(packet), l.sfu) != nil {
		l.stats.SendErrors++
		return
	}
	l.stats.Forwarded++
}

// fromSFU takes a packet with the leg's SSRC from the shared socket.
func (l *Leg) fromSFU(packet []byte, from netip.AddrPort) {
	now := l.hub.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if from != l.sfu || l.closed {
		l.stats.WrongSource++
		return
	}
	h, ok := parseRTP(packet)
	p := l.path
	switch {
	case !ok:
		l.stats.Invalid++
	case p == nil:
		// Nobody is there yet.
	case h.pt != p.static:
		l.stats.Unwanted++
		l.out.leave(h)
	case !p.speaks, l.keys.active(), l.player.active():
		l.out.leave(h)
	default:
		if h, ok = l.out.take(h, now); !ok {
			l.stats.Late++
			return
		}
		h.pt, h.ssrc = p.send, l.ssrc
		l.send(h.rewrite(packet), h.end-h.start)
	}
}

// send sends one RTP packet to the phone and counts it; mu is held.
func (l *Leg) send(packet []byte, payload int) {
	if p := l.path.srtp; p != nil {
		var err error
		if packet, err = l.protectPacket(p, packet); err != nil {
			l.stats.SendErrors++
			return
		}
	}
	if l.rtp.WriteTo(packet, l.remote()) != nil {
		l.stats.SendErrors++
		return
	}
	l.stats.SentPackets++
	l.stats.SentBytes += uint64(payload)
}

// LastRTP returns when the phone's last RTP packet came, comfort noise and
// telephone events included; the zero time if none did.
func (l *Leg) LastRTP() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastRTP
}
