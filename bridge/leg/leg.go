// Package leg is the phone side of a call's media: it writes and reads SDP,
// takes RTP only from where the SDP says, and relays audio between the phone
// and the sfu.
//
// A [Hub] owns the one socket that carries all calls between bridge and sfu; a
// [Leg] has an RTP and an RTCP port of its own towards its phone. All of them
// are read by one loop (package udp), on which a packet goes its whole way:
//
//	phone → RTP port: source is the SDP's → authentic → well-formed → payload type:
//	    audio            → new header, SSRCFromPhone → shared socket → sfu
//	    telephone-event  → decoded, counted
//	    comfort noise    → counted
//	sfu → shared socket: SSRCToPhone finds the leg → source is the leg's sfu
//	    → new header, our SSRC, negotiated payload type → RTP port → phone
//
// Payloads are never touched but for SRTP towards the phone, whose keys travel in
// the SDP (RFC 4568). In both directions a splice keeps one continuous
// stream whatever the source does. Keys pressed in the room are telephone
// events in the stream to the phone, in place of the audio. One goroutine of
// the hub paces the keys and RTCP reports of all legs.
//
// A leg's mutex is held for one packet at a time; the only thing that legs
// share on the packet path is a table of maps that are replaced, never changed.
//
// The package does not speak SIP, decode audio or smooth jitter.
package leg

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"dialroom/shared/wire"
)

// ErrClosed is returned by a leg or hub after Close.
var ErrClosed = errors.New("the leg is closed")

// conn is a socket that can be written to from anywhere; *udp.Conn.
type conn interface {
	WriteTo(packet []byte, to netip.AddrPort) error
	LocalAddr() netip.AddrPort
	Close() error
}

// Session is what offer and answer have settled.
type Session struct {
	Codec          wire.Codec
	Secure         bool           // SRTP both ways
	Hold           bool           // the phone does not receive: nothing is sent to it
	Direction      Direction      // as we see it
	Remote         netip.AddrPort // the phone's RTP; the zero value while its SDP says 0.0.0.0
	RTCP           netip.AddrPort
	TelephoneEvent bool          // keys can be sent as RFC 4733 events
	PTime          time.Duration // what the phone would like per packet; 0: not said
	MaxPTime       time.Duration
}

// Leg is the media of one call towards a phone. Its methods may be called from any goroutine.
type Leg struct {
	// Fixed after Hub.New.
	id        string
	hub       *Hub
	log       *slog.Logger
	wire      wire.Leg
	sfu       netip.AddrPort // wire.Media
	rtp, rtcp conn
	ssrc      uint32 // towards the phone
	cname     string // RFC 7022 §4.2: random, one per call

	mu       sync.Mutex // guards all below; held for one packet, or for one call of the API
	closed   bool
	local    localSDP
	keyring  keyring
	shield   *shield // nil until there is SRTP
	path     *path   // nil before the first answer
	latch    latch
	in       splice
	inCodec  uint8 // static payload type of the stream to the sfu
	out      splice
	keys     keypad
	player   player
	pressed  listener
	onKey    func(key byte)
	heard    reception
	reports  reports
	look     lookout
	lastRTP  time.Time
	lastRTCP time.Time
	stats    Stats
}

// ID returns the call's id.
func (l *Leg) ID() string { return l.id }

// Held reports whether the call is on hold or the phone does not send: its
// silence then says nothing about whether it is still there.
func (l *Leg) Held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.path != nil && (l.path.Hold || !l.path.hears)
}

// OnKey sets who is told of keys pressed at the phone: one of "0"–"9", "*",
// "#", "A"–"D", when the key goes down. It is called on the packet loop and must not block.
func (l *Leg) OnKey(f func(key byte)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onKey = f
}

// use makes p the way packets take from now on; mu is held.
func (l *Leg) use(p *path) Session {
	var before netip.AddrPort
	if l.path != nil {
		before = l.path.Remote
	}
	l.latch.follow(before, p.Remote, l.hub.now().Sub(l.lastRTP) > silentFor)
	p.Secure = p.srtp != nil
	l.path = p
	if !p.speaks || !p.hasEvents {
		l.keys.queue = nil
	}
	return p.Session
}

// tick does what time asks for and returns when to come again.
func (l *Leg) tick(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return now.Add(reportEvery)
	}
	if !now.Before(l.reports.due) {
		l.report(now)
	}
	if due, more := l.pressKeys(now); more {
		return due
	}
	if due, more := l.play(now); more {
		return due
	}
	return l.reports.due
}

// Close ends the leg: no packet is taken or sent any more, and its ports rest
// for 30 s before another call can have them. It may be called twice.
func (l *Leg) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	l.keys.queue = nil
	l.mu.Unlock()

	l.hub.forget(l)
	l.closeSockets()
	l.hub.ports.give(l.rtp.LocalAddr().Port(), l.hub.now())
	l.log.Info("leg closed", "media", l.Stats())
}

func (l *Leg) closeSockets() {
	for _, c := range []conn{l.rtp, l.rtcp} {
		if c != nil {
			_ = c.Close() // nothing to be done about it, and nothing is lost
		}
	}
}
