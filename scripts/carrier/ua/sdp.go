package ua

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dialroom/scripts/carrier/audio"
)

// ErrOffer is returned for a session description we cannot answer: no SDP, no
// audio, no address, or none of our codecs.
var ErrOffer = errors.New("session description not acceptable")

// offer is what matters in the caller's session description (RFC 8866, RFC 3264).
type offer struct {
	addr      netip.AddrPort // where it wants our RTP
	codecs    map[audio.Codec]uint8
	digits    uint8 // payload type of telephone-event/8000, 0 when not offered
	direction string
	lines     []string // the m= lines in order, without "m="
	audio     int      // which of them is the audio we take
	proto     string   // its profile
	cryptos   []string // its crypto attributes
}

// parseOffer reads a session description. It takes the first audio stream of
// RTP, plain or with keys in the description; lines it does not know mean nothing to it.
func parseOffer(body []byte) (offer, error) {
	o := offer{codecs: map[audio.Codec]uint8{}, direction: "sendrecv", audio: -1}
	var session, stream netip.Addr
	var port uint16
	inAudio := false
	for line := range strings.Lines(string(body)) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if !ok || len(key) != 1 {
			continue
		}
		switch key {
		case "m":
			o.lines = append(o.lines, value)
			inAudio = false
			if p, formats, ok := audioLine(value); ok && o.audio < 0 {
				o.proto = strings.Fields(value)[2]
				inAudio, o.audio, port = true, len(o.lines)-1, p
				o.static(formats)
			}
		case "c":
			addr, err := connection(value)
			if err != nil {
				return offer{}, err
			}
			switch {
			case inAudio:
				stream = addr
			case len(o.lines) == 0:
				session = addr
			}
		case "a":
			if inAudio || len(o.lines) == 0 {
				o.attribute(value)
			}
		}
	}
	if !stream.IsValid() {
		stream = session
	}
	switch {
	case o.audio < 0 || port == 0:
		return offer{}, fmt.Errorf("%w: no audio stream", ErrOffer)
	case !stream.IsValid():
		return offer{}, fmt.Errorf("%w: no address", ErrOffer)
	case len(o.codecs) == 0:
		return offer{}, fmt.Errorf("%w: neither PCMA nor PCMU nor G722", ErrOffer)
	}
	o.addr = netip.AddrPortFrom(stream, port)
	return o, nil
}

func audioLine(value string) (port uint16, formats []string, ok bool) {
	f := strings.Fields(value)
	if len(f) < 4 || f[0] != "audio" || f[2] != "RTP/AVP" && f[2] != "RTP/SAVP" {
		return 0, nil, false
	}
	p, err := strconv.ParseUint(f[1], 10, 16)
	return uint16(p), f[3:], err == nil
}

// static takes the payload types that need no rtpmap (RFC 3551 §6).
func (o *offer) static(formats []string) {
	for _, f := range formats {
		switch f {
		case "0":
			o.codecs[audio.PCMU] = audio.PayloadPCMU
		case "8":
			o.codecs[audio.PCMA] = audio.PayloadPCMA
		case "9":
			o.codecs[audio.G722] = audio.PayloadG722
		}
	}
}

func (o *offer) attribute(value string) {
	switch value {
	case "sendrecv", "sendonly", "recvonly", "inactive":
		o.direction = value
		return
	}
	if c, ok := strings.CutPrefix(value, "crypto:"); ok {
		o.cryptos = append(o.cryptos, c)
		return
	}
	mapping, ok := strings.CutPrefix(value, "rtpmap:")
	if !ok {
		return
	}
	number, name, _ := strings.Cut(mapping, " ")
	pt, err := strconv.ParseUint(number, 10, 7)
	if err != nil {
		return
	}
	switch strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "/1")) {
	case "pcma/8000":
		o.codecs[audio.PCMA] = uint8(pt)
	case "pcmu/8000":
		o.codecs[audio.PCMU] = uint8(pt)
	case "g722/8000":
		o.codecs[audio.G722] = uint8(pt)
	case "telephone-event/8000":
		o.digits = uint8(pt)
	}
}

func connection(value string) (netip.Addr, error) {
	f := strings.Fields(value)
	if len(f) != 3 || f[0] != "IN" {
		return netip.Addr{}, fmt.Errorf("%w: connection %q", ErrOffer, value)
	}
	host, _, _ := strings.Cut(f[2], "/")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%w: connection address %q", ErrOffer, host)
	}
	return addr, nil
}

// choose returns the first of ours that was offered, with its payload type.
func (o offer) choose(ours []audio.Codec) (audio.Codec, uint8, bool) {
	for _, c := range ours {
		if pt, ok := o.codecs[c]; ok {
			return c, pt, true
		}
	}
	return "", 0, false
}

// mirrored is the direction of our answer (RFC 3264 §6.1).
func (o offer) mirrored() string {
	switch o.direction {
	case "sendonly":
		return "recvonly"
	case "recvonly":
		return "sendonly"
	}
	return o.direction
}

// held reports whether the caller wants no sound from us now.
func (o offer) held() bool {
	return o.direction == "sendonly" || o.direction == "inactive" || o.addr.Addr().IsUnspecified()
}

// answer builds our session description. Every m= line of the offer has its
// line here too; those we do not take get port 0 (RFC 3264 §6).
// srtp is nil for a plain stream; direction is "" for what the offer asks for.
func (o offer) answer(session uint64, version int, at netip.AddrPort, codec audio.Codec, pt uint8, srtp *protection, direction string) []byte {
	if direction == "" {
		direction = o.mirrored()
	}
	var b strings.Builder
	family := "IP4"
	if at.Addr().Is6() {
		family = "IP6"
	}
	fmt.Fprintf(&b, "v=0\r\no=carrier %d %d IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n",
		session, version+1, family, at.Addr(), family, at.Addr())
	for i, line := range o.lines {
		if i != o.audio {
			if f := strings.Fields(line); len(f) >= 4 {
				fmt.Fprintf(&b, "m=%s 0 %s %s\r\n", f[0], f[2], f[3])
			}
			continue
		}
		fmt.Fprintf(&b, "m=audio %d %s %d", at.Port(), o.proto, pt)
		if o.digits != 0 {
			fmt.Fprintf(&b, " %d", o.digits)
		}
		fmt.Fprintf(&b, "\r\na=rtpmap:%d %s/8000\r\n", pt, codec)
		if o.digits != 0 {
			fmt.Fprintf(&b, "a=rtpmap:%d telephone-event/8000\r\na=fmtp:%d 0-15\r\n", o.digits, o.digits)
		}
		if srtp != nil {
			fmt.Fprintf(&b, "a=crypto:%s\r\n", srtp.attribute)
		}
		fmt.Fprintf(&b, "a=ptime:20\r\na=%s\r\n", direction)
	}
	return []byte(b.String())
}
