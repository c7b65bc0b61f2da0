package leg

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"dialroom/shared/wire"
)

// localSDP is what we said last.
type localSDP struct {
	id      uint64 // o= session id; 31 bits, because some read it as an int
	version uint64
	ip      netip.Addr
	text    []byte
	codecs  []wire.Codec // what we offer, and accept
	offered []payload    // by our last SDP; nil when that was an answer
	cryptos []crypto     // offered with it
}

// defaultCodecs are for a leg that answers without ever having offered.
var defaultCodecs = [...]wire.Codec{wire.PCMA, wire.PCMU}

// SetCodecs says what Accept may choose from when nothing was offered before.
// Unknown codecs are left out; with none left it is PCMA and PCMU.
func (l *Leg) SetCodecs(codecs []wire.Codec) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setCodecs(codecs)
}

func (l *Leg) setCodecs(codecs []wire.Codec) {
	l.local.codecs = nil
	for _, c := range codecs {
		if _, known := staticPayload(c); known {
			l.local.codecs = append(l.local.codecs, c)
		}
	}
	if l.local.codecs == nil {
		l.local.codecs = defaultCodecs[:]
	}
}

// Offer returns an SDP offer with these codecs, the first preferred, and
// telephone-event. Codecs it does not know are left out; with none left it is
// PCMA and PCMU. During a call it is the offer for a re-INVITE that came without one.
func (l *Leg) Offer(codecs []wire.Codec) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.offer(codecs, "RTP/AVP")
}

// Insist is Offer with the secure profile, for a phone that has refused the
// optional SRTP of the first offer. It is false for a leg whose SRTP is not
// optional, and during a session.
func (l *Leg) Insist(codecs []wire.Codec) ([]byte, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keyring.policy != SRTPOptional || l.path != nil {
		return nil, false
	}
	return l.offer(codecs, "RTP/SAVP"), true
}

// offer offers in the given profile, or the one the session has; mu is held.
func (l *Leg) offer(codecs []wire.Codec, proto string) []byte {
	l.setCodecs(codecs)
	l.local.offered = nil
	for _, c := range l.local.codecs {
		pt, _ := staticPayload(c)
		l.local.offered = append(l.local.offered, payload{c, pt})
	}
	l.local.cryptos = nil
	if secured, was := l.path != nil && l.path.srtp != nil, l.path != nil; secured || !was && l.keyring.policy != SRTPOff {
		l.local.cryptos = l.keyring.offer()
		if secured {
			proto = l.path.proto // as the session has it
		} else if l.keyring.policy == SRTPRequired {
			proto = "RTP/SAVP"
		}
	}
	return l.describe([]*sdp.MediaDescription{l.audio(proto, l.local.offered, []uint8{eventsPT}, SendRecv, l.local.cryptos)})
}

// LocalSDP returns what Offer or Accept said last; nil before.
func (l *Leg) LocalSDP() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.local.text)
}

// Answer takes the far end's answer to our Offer, from a 183, a 200 or an ACK.
// RTP flows as it says from then on. A later answer, for example of another
// branch of a forked call, replaces the earlier one. After an error everything
// is as before.
func (l *Leg) Answer(answer []byte) (Session, error) {
	sections, err := parse(answer)
	if err != nil {
		return Session{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return Session{}, ErrClosed
	}
	if l.local.offered == nil {
		return Session{}, ErrNoOffer
	}
	if len(sections) == 0 {
		return Session{}, ErrNoAudio
	}
	// RFC 3264 §6: sections correspond by position, and we offered one.
	var codecs []wire.Codec
	for _, o := range l.local.offered {
		codecs = append(codecs, o.codec)
	}
	common, err := l.common(sections[0].audio, codecs, l.local.cryptos, true)
	if err != nil {
		return Session{}, err
	}
	p := newPath(sections[0].audio, common, l.local.offered)
	if chosen := l.agreed(sections[0].audio, l.local.cryptos, true); chosen != nil {
		if p.srtp, err = l.protect(chosen); err != nil {
			return Session{}, fmt.Errorf("%w: %v", ErrSRTP, err)
		}
	}
	return l.use(p), nil
}

// Accept takes an offer of the far end, from an INVITE, a re-INVITE or an
// UPDATE, and returns our answer: one audio stream with one codec, everything else
// rejected. RTP flows as settled from then on. After an error everything is as before.
func (l *Leg) Accept(offer []byte) ([]byte, Session, error) {
	sections, err := parse(offer)
	if err != nil {
		return nil, Session{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, Session{}, ErrClosed
	}
	if l.local.codecs == nil {
		l.setCodecs(nil)
	}
	chosen, common, err := l.choose(sections)
	if err != nil {
		return nil, Session{}, err
	}
	media := make([]*sdp.MediaDescription, len(sections))
	for i, s := range sections {
		// RFC 3264 §6: the answer has the same sections, port 0 where we decline.
		media[i] = &sdp.MediaDescription{MediaName: sdp.MediaName{Media: s.media, Protos: strings.Split(s.proto, "/"), Formats: s.formats}}
	}
	a := sections[chosen].audio
	// One codec in the answer: the far end then cannot change it under way.
	// It is the offerer's favourite (RFC 3264 §6.1), under the offerer's payload type.
	common = common[:1]
	p := newPath(a, common, common)
	var ours []crypto
	if theirs := l.agreed(a, nil, false); theirs != nil {
		l.rekey(theirs)
		if p.srtp, err = l.protect(theirs); err != nil {
			return nil, Session{}, fmt.Errorf("%w: %v", ErrSRTP, err)
		}
		c := *l.keyring.ours(theirs)
		c.tag = theirs.tag // RFC 4568 §5.1.2: the answer bears the tag of the attribute it takes
		ours = []crypto{c}
	}
	media[chosen] = l.audio(sections[chosen].proto, common, a.events[:min(len(a.events), 1)], p.Direction, ours)
	l.local.offered, l.local.cryptos = nil, nil // theirs stands now
	l.first(a.rtp.Addr())
	text := l.describe(media)
	return text, l.use(p), nil
}

// choose finds the first section that can be had; mu is held.
func (l *Leg) choose(sections []section) (int, []payload, error) {
	cause := error(ErrNoAudio)
	for i, s := range sections {
		common, err := l.common(s.audio, l.local.codecs, nil, false)
		if err == nil {
			return i, common, nil
		}
		if cause == ErrNoAudio {
			cause = err // the first that says more than "not audio"
		}
	}
	return 0, nil, cause
}

// common returns the codecs of an audio section that are among ours, in the
// far end's order, or why there can be no session. An answer's keys belong to
// the cryptos that were offered.
func (l *Leg) common(a *audio, ours []wire.Codec, offered []crypto, answer bool) ([]payload, error) {
	if a == nil || a.disabled {
		return nil, ErrNoAudio
	}
	switch secure := l.agreed(a, offered, answer) != nil; {
	case secure:
	case a.secure != plainRTP:
		return nil, ErrSRTP
	case l.keyring.policy == SRTPRequired:
		return nil, ErrPlain
	}
	if a.badAddress != nil {
		return nil, a.badAddress
	}
	var common []payload
	for _, c := range a.codecs {
		for _, o := range ours {
			if c.codec == o {
				common = append(common, c)
			}
		}
	}
	if len(common) == 0 {
		return nil, ErrNoCodec
	}
	if a.rtp.IsValid() && !l.hub.reaches(a.rtp.Addr()) {
		return nil, fmt.Errorf("%w: %v cannot be reached from %v", ErrAddress, a.rtp.Addr(), l.hub.bindIP)
	}
	return common, nil
}

// agreed returns the far end's crypto attribute that protects the session, nil
// for a plain one. An answer is to what was offered. mu is held.
func (l *Leg) agreed(a *audio, offered []crypto, answer bool) *crypto {
	if l.keyring.policy == SRTPOff || a.secure == dtlsSRTP {
		return nil
	}
	for i := range a.cryptos {
		c := &a.cryptos[i]
		if !answer {
			return c // the first we know, RFC 4568 §5.1.2
		}
		for k := range offered {
			if offered[k].tag == c.tag && offered[k].suite == c.suite {
				return c
			}
		}
	}
	return nil
}

// reaches reports whether phone-side sockets can send to ip.
func (h *Hub) reaches(ip netip.Addr) bool {
	return ip.Is4() == h.bindIP.Is4() || h.bindIP.Is6() && h.bindIP.IsUnspecified()
}

// audio writes one audio section of ours.
func (l *Leg) audio(proto string, codecs []payload, events []uint8, dir Direction, cryptos []crypto) *sdp.MediaDescription {
	md := &sdp.MediaDescription{MediaName: sdp.MediaName{
		Media:  "audio",
		Port:   sdp.RangedPort{Value: int(l.rtp.LocalAddr().Port())},
		Protos: strings.Split(proto, "/"),
	}}
	for _, c := range codecs {
		pt := strconv.Itoa(int(c.pt))
		md.MediaName.Formats = append(md.MediaName.Formats, pt)
		md.WithValueAttribute("rtpmap", pt+" "+string(c.codec)+"/"+strconv.Itoa(clockRate))
	}
	for _, e := range events {
		pt := strconv.Itoa(int(e))
		md.MediaName.Formats = append(md.MediaName.Formats, pt)
		md.WithValueAttribute("rtpmap", pt+" "+eventName).WithValueAttribute("fmtp", pt+" "+eventsFmt)
	}
	for i := range cryptos {
		md.WithValueAttribute("crypto", cryptos[i].String())
	}
	return md.WithValueAttribute("ptime", strconv.Itoa(int(frameTime.Milliseconds()))).WithPropertyAttribute(dir.String())
}

// describe writes the SDP around its sections and remembers it. RFC 3264 §8:
// the version in o= goes up by one when anything has changed, and only then.
func (l *Leg) describe(media []*sdp.MediaDescription) []byte {
	kind, ip := l.local.named()
	desc := sdp.SessionDescription{
		Origin:                sdp.Origin{Username: "-", SessionID: l.local.id, SessionVersion: l.local.version, NetworkType: "IN", AddressType: kind, UnicastAddress: ip},
		SessionName:           "-",
		ConnectionInformation: &sdp.ConnectionInformation{NetworkType: "IN", AddressType: kind, Address: &sdp.Address{Address: ip}},
		TimeDescriptions:      []sdp.TimeDescription{{}},
		MediaDescriptions:     media,
	}
	text, err := desc.Marshal()
	if err == nil && !bytes.Equal(text, l.local.text) {
		l.local.version++
		desc.Origin.SessionVersion = l.local.version
		text, err = desc.Marshal()
	}
	if err != nil {
		l.log.Error("SDP not written", "error", err) // it has no case that can fail
		return bytes.Clone(l.local.text)
	}
	l.local.text = text
	return bytes.Clone(text)
}
