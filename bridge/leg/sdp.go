package leg

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pion/sdp/v3"

	"dialroom/shared/wire"
)

// Errors about the far end's SDP. They come wrapped with what was wrong.
var (
	ErrSDPTooLong = errors.New("the SDP is too long")
	ErrSDPSyntax  = errors.New("the SDP cannot be understood")
	ErrNoAudio    = errors.New("the SDP offers no audio over RTP")
	ErrNoCodec    = errors.New("the SDP has no audio codec in common with ours")
	ErrSRTP       = errors.New("the SDP wants SRTP in a way that is not ours")
	ErrPlain      = errors.New("the SDP offers no SRTP, and it is required")
	ErrAddress    = errors.New("the media address in the SDP cannot be used")
	ErrNoOffer    = errors.New("an SDP answer came, but nothing was offered")
)

// What an SDP may cost us. A telephone's has some 20 lines, a browser's with
// everything in it some 300 and 16 KB.
const (
	maxSDPBytes = 64 << 10
	maxSDPLines = 1000
)

// maxCryptos is how many crypto attributes are looked at.
const maxCryptos = 16

// Direction says which way audio flows, as the side that writes the SDP sees it (RFC 8866 §6.7).
type Direction uint8

// Directions.
const (
	SendRecv Direction = iota
	SendOnly
	RecvOnly
	Inactive
)

var directions = [...]string{"sendrecv", "sendonly", "recvonly", "inactive"}

// String returns the SDP attribute's name.
func (d Direction) String() string { return directions[d] }

// Sends reports whether the side sends audio.
func (d Direction) Sends() bool { return d == SendRecv || d == SendOnly }

// Receives reports whether the side wants audio.
func (d Direction) Receives() bool { return d == SendRecv || d == RecvOnly }

// reverse returns the same flow as the other side sees it.
func (d Direction) reverse() Direction {
	switch d {
	case SendOnly:
		return RecvOnly
	case RecvOnly:
		return SendOnly
	}
	return d
}

// withoutSending returns what is left of the flow when this side sends nothing.
func (d Direction) withoutSending() Direction {
	if d.Receives() {
		return RecvOnly
	}
	return Inactive
}

// codec is a phone codec as SDP and RTP know it. All of them have an RTP clock
// of 8 kHz, G722 by an old mistake that is now the rule (RFC 3551 §4.5.2).
type codec struct {
	name   wire.Codec
	static uint8 // payload type, RFC 3551 §6
}

var phoneCodecs = [...]codec{{wire.PCMU, 0}, {wire.PCMA, 8}, {wire.G722, 9}}

// staticPayload returns the payload type that RFC 3551 §6 gives the codec.
func staticPayload(name wire.Codec) (uint8, bool) {
	for _, c := range phoneCodecs {
		if c.name == name {
			return c.static, true
		}
	}
	return 0, false
}

// payload is one payload type of an m-line and the codec it stands for.
type payload struct {
	codec wire.Codec
	pt    uint8
}

// section is one m-line of an SDP, in the order they came. Only audio sections
// over an RTP profile are looked into; any other can just be rejected.
type section struct {
	media, proto string
	formats      []string
	audio        *audio // nil: not for us
}

// audio is what the far end says about one audio stream.
type audio struct {
	proto      string
	secure     profile
	cryptos    []crypto       // usable ones, in its order of preference
	disabled   bool           // port 0
	rtp, rtcp  netip.AddrPort // the zero value: unspecified address, the hold of RFC 2543
	badAddress error          // why there is none
	dir        Direction      // as the far end sees it
	codecs     []payload      // known ones, in its order of preference
	events     []uint8        // payload types of telephone-event/8000
	noise      []uint8        // payload types of comfort noise
	ptime      time.Duration  // 0: not said
	maxPtime   time.Duration
}

// profile says how an RTP profile protects its packets.
type profile uint8

const (
	plainRTP profile = iota
	sdesSRTP         // keys in the SDP, RFC 4568
	dtlsSRTP         // keys by a handshake, RFC 5764: browsers do that
)

// audioProtos are the profiles an audio section can have here.
var audioProtos = map[string]profile{
	"RTP/AVP": plainRTP, "RTP/AVPF": plainRTP,
	"RTP/SAVP": sdesSRTP, "RTP/SAVPF": sdesSRTP,
	"UDP/TLS/RTP/SAVP": dtlsSRTP, "UDP/TLS/RTP/SAVPF": dtlsSRTP,
}

// parse reads an SDP. What is wrong with one audio section's address is not an
// error here: it matters only if that section is used.
func parse(src []byte) ([]section, error) {
	if len(src) > maxSDPBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrSDPTooLong, len(src))
	}
	if n := bytes.Count(src, []byte{'\n'}); n > maxSDPLines {
		return nil, fmt.Errorf("%w: %d lines", ErrSDPTooLong, n)
	}
	sections, text, err := sift(string(src))
	if err != nil {
		return nil, err
	}
	var desc sdp.SessionDescription
	if err := desc.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrSDPSyntax, err)
	}
	next := 0
	for i := range sections {
		if sections[i].media != "audio" || !isAudioProto(sections[i].proto) {
			continue
		}
		sections[i].audio = readAudio(&desc, desc.MediaDescriptions[next])
		next++
	}
	return sections, nil
}

func isAudioProto(proto string) bool {
	_, ok := audioProtos[proto]
	return ok
}

// sift splits an SDP into its sections and returns, for the parser, only the
// lines that are read here: c= and a= of the session, and the audio sections.
// Telephones get the others wrong in many ways, and the parser is strict: a
// fax line (m=image … udptl), an unreadable u= or a missing t= must not cost a call.
func sift(src string) ([]section, string, error) {
	const prelude = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\n"
	var (
		sections         []section
		conn, attrs, med strings.Builder
		into             = &attrs // where a= lines go now; nil: nowhere
		first            = true
	)
	for line := range strings.SplitSeq(src, "\n") {
		line = strings.TrimRight(line, "\r \t")
		if line == "" {
			continue
		}
		if len(line) < 2 || line[1] != '=' || first != (line[0] == 'v') {
			return nil, "", fmt.Errorf("%w: line %.40q", ErrSDPSyntax, line)
		}
		first = false
		switch line[0] {
		case 'm':
			f := strings.Fields(line[2:])
			if len(f) < 4 {
				return nil, "", fmt.Errorf("%w: line %.40q", ErrSDPSyntax, line)
			}
			s := section{media: f[0], proto: f[2], formats: f[3:]}
			sections = append(sections, s)
			if into = nil; s.media == "audio" && isAudioProto(s.proto) {
				into = &med
				writeLine(into, "m="+strings.Join(f, " "))
			}
		case 'c':
			switch {
			case into == &attrs && conn.Len() == 0:
				writeLine(&conn, line)
			case into == &med:
				writeLine(into, line)
			}
		case 'a':
			if into != nil {
				writeLine(into, line)
			}
		}
	}
	if first {
		return nil, "", fmt.Errorf("%w: it is empty", ErrSDPSyntax)
	}
	return sections, prelude + conn.String() + "t=0 0\r\n" + attrs.String() + med.String(), nil
}

func writeLine(b *strings.Builder, line string) {
	b.WriteString(line)
	b.WriteString("\r\n")
}

// readAudio takes what matters out of one audio section.
func readAudio(desc *sdp.SessionDescription, md *sdp.MediaDescription) *audio {
	proto := strings.Join(md.MediaName.Protos, "/")
	a := &audio{
		proto:    proto,
		secure:   audioProtos[proto],
		disabled: md.MediaName.Port.Value == 0,
	}
	if d, ok := direction(desc.Attributes); ok {
		a.dir = d
	}
	if d, ok := direction(md.Attributes); ok {
		a.dir = d // the section's word goes before the session's
	}
	conn := md.ConnectionInformation
	if conn == nil {
		conn = desc.ConnectionInformation
	}
	maps := make(map[uint8]string)
	var rtcp string
	for _, at := range md.Attributes {
		switch strings.ToLower(at.Key) {
		case "rtpmap":
			if pt, enc, ok := strings.Cut(at.Value, " "); ok {
				if n, err := strconv.ParseUint(pt, 10, 7); err == nil {
					maps[uint8(n)] = strings.ToLower(strings.TrimSpace(enc))
				}
			}
		case "ptime":
			a.ptime = milliseconds(at.Value)
		case "maxptime":
			a.maxPtime = milliseconds(at.Value)
		case "rtcp":
			rtcp = at.Value
		case "crypto":
			if c, ok := parseCrypto(at.Value); ok && len(a.cryptos) < maxCryptos {
				a.cryptos = append(a.cryptos, c)
			}
		}
	}
	for _, f := range md.MediaName.Formats {
		if n, err := strconv.ParseUint(f, 10, 7); err == nil {
			a.add(uint8(n), maps)
		}
	}
	a.badAddress = a.setAddress(md.MediaName.Port.Value, conn, rtcp)
	return a
}

// add files one payload type of the m-line under what it carries.
func (a *audio) add(pt uint8, maps map[uint8]string) {
	enc, mapped := maps[pt]
	if !mapped {
		// RFC 3551 §6: a static payload type needs no rtpmap.
		for _, c := range phoneCodecs {
			if c.static == pt {
				a.codecs = append(a.codecs, payload{c.name, pt})
			}
		}
		return
	}
	switch enc = strings.TrimSuffix(enc, "/1"); enc {
	case "telephone-event/8000":
		a.events = append(a.events, pt)
	case "cn/8000":
		a.noise = append(a.noise, pt)
	default:
		for _, c := range phoneCodecs {
			if enc == strings.ToLower(string(c.name))+"/8000" {
				a.codecs = append(a.codecs, payload{c.name, pt})
			}
		}
	}
}

// setAddress works out where the far end's RTP and RTCP live.
func (a *audio) setAddress(port int, conn *sdp.ConnectionInformation, rtcp string) error {
	if a.disabled {
		return nil
	}
	if conn == nil || conn.Address == nil {
		return fmt.Errorf("%w: no c= line", ErrAddress)
	}
	ip, err := mediaIP(conn.Address.Address)
	if err != nil {
		return err
	}
	if port < 1 || port > 65535 {
		return fmt.Errorf("%w: port %d", ErrAddress, port)
	}
	if ip.IsUnspecified() {
		return nil // RFC 2543 B.5: on hold
	}
	a.rtp = netip.AddrPortFrom(ip, uint16(port))
	if port < 65535 {
		a.rtcp = netip.AddrPortFrom(ip, uint16(port)+1) // RFC 3550 §11
	}
	// RFC 3605: a=rtcp:port [IN IP4 address]
	f := strings.Fields(rtcp)
	if len(f) == 0 {
		return nil
	}
	n, err := strconv.ParseUint(f[0], 10, 16)
	if err != nil || n == 0 {
		return nil // only reports are at stake; the usual port will do
	}
	if len(f) == 4 {
		other, err := mediaIP(f[3])
		if err != nil || other.IsUnspecified() || other.Is4() != ip.Is4() {
			return nil
		}
		ip = other
	}
	a.rtcp = netip.AddrPortFrom(ip, uint16(n))
	return nil
}

// mediaIP reads an address of a c= line. Names are not looked up: it would
// make a DNS server of the far end's choice part of the source policy.
func mediaIP(s string) (netip.Addr, error) {
	s, _, _ = strings.Cut(s, "/") // a TTL, which only multicast has
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%w: %.60q is not an IP address", ErrAddress, s)
	}
	if ip = ip.Unmap(); ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, fmt.Errorf("%w: %v is not one host's", ErrAddress, ip)
	}
	return ip, nil
}

// direction finds the last direction attribute of a list.
func direction(attrs []sdp.Attribute) (d Direction, found bool) {
	for _, at := range attrs {
		for i, name := range directions {
			if strings.EqualFold(at.Key, name) {
				d, found = Direction(i), true
			}
		}
	}
	return d, found
}

// milliseconds reads a ptime; what cannot be read was not said.
func milliseconds(s string) time.Duration {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(f > 0 && f <= 1000) {
		return 0
	}
	return time.Duration(f * float64(time.Millisecond))
}
