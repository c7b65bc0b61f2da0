package peer

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"dialroom/sfu/room"
)

const (
	// maxOffer bounds an offer in bytes; a page's with a full pool has 16 KB.
	maxOffer = 64 << 10

	// maxSections bounds the m-lines of an offer: a page's own and a generous pool.
	maxSections = 64

	// maxLayers bounds the sizes of one picture.
	maxLayers = 4
)

// ErrBadOffer is what every defect of an offer wraps.
var ErrBadOffer = errors.New("unusable offer")

// Header extensions that are understood, by URI.
const (
	extLevel = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"                               // RFC 6464
	extMid   = "urn:ietf:params:rtp-hdrext:sdes:mid"                                       // RFC 9143
	extRID   = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"                             // RFC 8852
	extTWCC  = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01" // transport-wide congestion control
)

// format is one codec of a section: its payload type and parameters, as offered.
type format struct {
	codec  room.Codec
	pt     uint8
	rtpmap string
	fmtp   string
}

// section is one m-line of an offer.
type section struct {
	mid      string
	media    string // "audio", "video", …
	usable   bool   // bundled, SRTP over DTLS, has a codec we carry
	sends    bool   // the browser sends here
	receives bool
	formats  []format // what we carry, in our order of preference
	ext      map[string]uint8
	ssrcs    []uint32
	rids     []string // of the layers that the browser sends, smallest first; none when it sends one picture
}

// offer is what is needed of a page's SDP.
type offer struct {
	ufrag, pwd   string
	fingerprints []string
	mixed        bool // one- and two-byte header extensions may be mixed
	sections     []section
}

// preference is the order in which codecs are answered, and so which one a browser
// sends. VP8 first: every browser decodes it, and a room forwards what comes.
var preference = []room.Codec{room.Opus, room.G722, room.PCMA, room.PCMU, room.VP8, room.H264, room.VP9, room.AV1}

// parseOffer reads an offer (RFC 8829 §5). Its errors wrap ErrBadOffer.
func parseOffer(text string) (*offer, error) {
	if len(text) > maxOffer {
		return nil, fmt.Errorf("%w: over %d bytes", ErrBadOffer, maxOffer)
	}
	if n := strings.Count(text, "\nm="); n > maxSections {
		return nil, fmt.Errorf("%w: %d m-lines", ErrBadOffer, n)
	}
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadOffer, err)
	}
	o := &offer{}
	var bundle []string
	for _, a := range desc.Attributes {
		switch a.Key {
		case "group":
			if mids, ok := strings.CutPrefix(a.Value, "BUNDLE"); ok {
				bundle = strings.Fields(mids)
			}
		case "extmap-allow-mixed":
			o.mixed = true
		}
		o.transport(a)
	}
	for _, m := range desc.MediaDescriptions {
		for _, a := range m.Attributes {
			o.transport(a)
		}
		s := parseSection(m)
		s.usable = s.usable && slices.Contains(bundle, s.mid)
		for i := range o.sections {
			if o.sections[i].mid == s.mid {
				return nil, fmt.Errorf("%w: two m-lines with mid %q", ErrBadOffer, s.mid)
			}
		}
		o.sections = append(o.sections, s)
	}
	switch {
	case len(o.sections) == 0:
		return nil, fmt.Errorf("%w: no m-line", ErrBadOffer)
	case o.ufrag == "" || o.pwd == "":
		return nil, fmt.Errorf("%w: no ICE credentials", ErrBadOffer)
	case len(o.fingerprints) == 0:
		return nil, fmt.Errorf("%w: no sha-256 fingerprint", ErrBadOffer)
	}
	return o, nil
}

// transport takes the attributes of the one bundled transport; with BUNDLE the first of each counts.
func (o *offer) transport(a sdp.Attribute) {
	switch a.Key {
	case "ice-ufrag":
		if o.ufrag == "" {
			o.ufrag = a.Value
		}
	case "ice-pwd":
		if o.pwd == "" {
			o.pwd = a.Value
		}
	case "fingerprint":
		if hash, value, ok := strings.Cut(a.Value, " "); ok && strings.EqualFold(hash, "sha-256") && !slices.Contains(o.fingerprints, value) {
			o.fingerprints = append(o.fingerprints, value)
		}
	}
}

func parseSection(m *sdp.MediaDescription) section {
	s := section{media: m.MediaName.Media, sends: true, receives: true, ext: make(map[string]uint8)}
	rtpmaps, fmtps := make(map[uint8]string), make(map[uint8]string)
	mux := false
	for _, a := range m.Attributes {
		switch a.Key {
		case "mid":
			s.mid = a.Value
		case "sendonly":
			s.receives = false
		case "recvonly":
			s.sends = false
		case "inactive":
			s.sends, s.receives = false, false
		case "rtcp-mux":
			mux = true
		case "rtpmap":
			if pt, rest, ok := cutPayloadType(a.Value); ok {
				rtpmaps[pt] = rest
			}
		case "fmtp":
			if pt, rest, ok := cutPayloadType(a.Value); ok {
				fmtps[pt] = rest
			}
		case "extmap":
			id, uri, ok := strings.Cut(a.Value, " ")
			id, _, _ = strings.Cut(id, "/") // a direction may follow
			uri, _, _ = strings.Cut(uri, " ")
			if n, err := strconv.ParseUint(id, 10, 8); ok && err == nil && n > 0 {
				s.ext[uri] = uint8(n)
			}
		case "simulcast":
			s.rids = simulcast(a.Value)
		case "ssrc":
			value, _, _ := strings.Cut(a.Value, " ")
			if n, err := strconv.ParseUint(value, 10, 32); err == nil && !slices.Contains(s.ssrcs, uint32(n)) && len(s.ssrcs) < 8 {
				s.ssrcs = append(s.ssrcs, uint32(n))
			}
		}
	}
	if !s.sends || s.ext[extRID] == 0 || s.ext[extMid] == 0 {
		s.rids = nil // nothing would tell the layers apart
	}
	for _, name := range m.MediaName.Formats {
		n, err := strconv.ParseUint(name, 10, 8)
		if err != nil || n > 127 {
			continue
		}
		f := format{pt: uint8(n), rtpmap: rtpmaps[uint8(n)], fmtp: fmtps[uint8(n)]}
		if f.codec = codecOf(s.media, f); f.codec == room.NoCodec {
			continue
		}
		// One payload type per codec is enough; of H.264's the first usable is the browser's best.
		if !slices.ContainsFunc(s.formats, func(have format) bool { return have.codec == f.codec }) {
			s.formats = append(s.formats, f)
		}
	}
	slices.SortStableFunc(s.formats, func(a, b format) int {
		if s.media == "audio" {
			return 0 // the browser's order says which phone codec it sends
		}
		return slices.Index(preference, a.codec) - slices.Index(preference, b.codec)
	})
	s.usable = mux && s.mid != "" && len(s.formats) > 0 && slices.Equal(m.MediaName.Protos, []string{"UDP", "TLS", "RTP", "SAVPF"})
	return s
}

// simulcast reads the layers that are sent out of the attribute's value (RFC
// 8853 §5.1), "send q;h;f". A page names the smallest first. Alternatives and
// paused layers count as what they stand for.
func simulcast(value string) []string {
	words := strings.Fields(value)
	var rids []string
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] != "send" {
			continue
		}
		for rid := range strings.SplitSeq(words[i+1], ";") {
			rid, _, _ = strings.Cut(strings.TrimPrefix(rid, "~"), ",")
			if rid = strings.TrimPrefix(rid, "~"); plainRID(rid) && !slices.Contains(rids, rid) {
				rids = append(rids, rid)
			}
		}
	}
	if len(rids) < 2 || len(rids) > maxLayers {
		return nil // one layer is none; nobody needs more than there are sizes of tiles
	}
	return rids
}

// plainRID reports whether a name is made of what RFC 8851 §10 allows.
func plainRID(rid string) bool {
	return rid != "" && len(rid) <= 16 && strings.IndexFunc(rid, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	}) < 0
}

func cutPayloadType(value string) (uint8, string, bool) {
	pt, rest, ok := strings.Cut(value, " ")
	n, err := strconv.ParseUint(pt, 10, 8)
	return uint8(n), rest, ok && err == nil && n <= 127
}

// codecOf names a format's codec, NoCodec when it is not one we carry.
func codecOf(media string, f format) room.Codec {
	name, clock, _ := strings.Cut(strings.ToLower(f.rtpmap), "/")
	if f.rtpmap == "" { // RFC 3551 §6: static payload types need no rtpmap
		switch f.pt {
		case 0:
			name, clock = "pcmu", "8000"
		case 8:
			name, clock = "pcma", "8000"
		case 9:
			name, clock = "g722", "8000"
		}
	}
	switch {
	case media == "audio" && name == "opus" && clock == "48000/2":
		return room.Opus
	case media == "audio" && (clock == "8000" || clock == "8000/1"):
		switch name {
		case "pcmu":
			return room.PCMU
		case "pcma":
			return room.PCMA
		case "g722":
			return room.G722 // RFC 3551 §4.5.2: its RTP clock is 8000 though it samples at 16000
		}
	case media == "video" && clock == "90000":
		switch {
		case name == "vp8":
			return room.VP8
		case name == "h264" && parameter(f.fmtp, "packetization-mode") == "1" && strings.HasPrefix(strings.ToLower(parameter(f.fmtp, "profile-level-id")), "42"):
			return room.H264 // baseline only: what one browser sends every other must decode
		case name == "vp9" && (parameter(f.fmtp, "profile-id") == "" || parameter(f.fmtp, "profile-id") == "0"):
			return room.VP9
		case name == "av1" && (parameter(f.fmtp, "profile") == "" || parameter(f.fmtp, "profile") == "0"):
			return room.AV1
		}
	}
	return room.NoCodec
}

// parameter returns one of a fmtp's parameters, empty when it is not there.
func parameter(fmtp, name string) string {
	for part := range strings.SplitSeq(fmtp, ";") {
		if key, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok && strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// local is our side of the transport, as an answer names it.
type local struct {
	ufrag, pwd, fingerprint string
	candidates              []string
	session                 uint64
	version                 int
}

// answer writes the answer to o (RFC 8829 §5.3). slots gives the SSRC of each section that the browser receives.
func (o *offer) answer(l local, slots map[string]uint32) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\r\n")
	}
	line("v=0")
	line("o=- %d %d IN IP4 127.0.0.1", l.session, l.version)
	line("s=-")
	line("t=0 0")
	bundle := "a=group:BUNDLE"
	for _, s := range o.sections {
		if s.usable {
			bundle += " " + s.mid
		}
	}
	line("%s", bundle)
	line("a=ice-lite")
	if o.mixed {
		line("a=extmap-allow-mixed")
	}
	line("a=msid-semantic: WMS *")
	first := true
	for _, s := range o.sections {
		if !s.usable {
			o.reject(line, s)
			continue
		}
		pts := ""
		for _, f := range s.formats {
			pts += " " + strconv.Itoa(int(f.pt))
		}
		line("m=%s 9 UDP/TLS/RTP/SAVPF%s", s.media, pts)
		line("c=IN IP4 0.0.0.0")
		line("a=rtcp:9 IN IP4 0.0.0.0")
		line("a=ice-ufrag:%s", l.ufrag)
		line("a=ice-pwd:%s", l.pwd)
		line("a=fingerprint:sha-256 %s", l.fingerprint)
		line("a=setup:passive")
		line("a=mid:%s", s.mid)
		if first {
			for _, c := range l.candidates {
				line("a=candidate:%s", c)
			}
			line("a=end-of-candidates")
			first = false
		}
		line("a=rtcp-mux")
		line("a=rtcp-rsize")
		o.direction(line, s, slots)
		for _, f := range s.formats {
			if f.rtpmap != "" {
				line("a=rtpmap:%d %s", f.pt, f.rtpmap)
			}
			if s.media == "video" {
				for _, fb := range []string{"ccm fir", "nack", "nack pli"} {
					line("a=rtcp-fb:%d %s", f.pt, fb)
				}
				if s.sends && s.ext[extTWCC] != 0 {
					line("a=rtcp-fb:%d transport-cc", f.pt)
				}
			}
			if f.fmtp != "" {
				line("a=fmtp:%d %s", f.pt, f.fmtp)
			}
		}
	}
	return b.String()
}

// direction writes who sends in a section, and with what.
func (o *offer) direction(line func(string, ...any), s section, slots map[string]uint32) {
	ssrc, isSlot := slots[s.mid]
	switch {
	case isSlot:
		line("a=sendonly")
		line("a=msid:slot-%s slot-%s", s.mid, s.mid)
		line("a=ssrc:%d cname:dialroom", ssrc)
	case s.sends:
		line("a=recvonly")
		for _, uri := range []string{extLevel, extMid, extRID, extTWCC} {
			if id := s.ext[uri]; id != 0 && (uri != extTWCC || s.media == "video") && (uri != extLevel || s.media == "audio") && (uri != extRID || s.rids != nil) {
				line("a=extmap:%d %s", id, uri)
			}
		}
		if s.rids != nil { // RFC 8853 §5.3: what was offered as sent is received
			for _, rid := range s.rids {
				line("a=rid:%s recv", rid)
			}
			line("a=simulcast:recv %s", strings.Join(s.rids, ";"))
		}
	default:
		line("a=inactive")
	}
}

// reject writes a section that is not taken (RFC 8829 §5.3.1: port 0, everything else is form).
func (o *offer) reject(line func(string, ...any), s section) {
	if s.media == "application" {
		line("m=application 0 UDP/DTLS/SCTP webrtc-datachannel")
	} else {
		line("m=%s 0 UDP/TLS/RTP/SAVPF 0", s.media)
	}
	line("c=IN IP4 0.0.0.0")
	if s.mid != "" {
		line("a=mid:%s", s.mid)
	}
	line("a=inactive")
}
