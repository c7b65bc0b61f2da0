package peer

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"dialroom/sfu/room"
)

const (
	// feedbackInterval is how often congestion feedback is sent: what libwebrtc itself uses.
	feedbackInterval = int64(100 * time.Millisecond)

	// reportInterval is how often receiver reports are sent. RFC 3550 §6.2 asks for 5 s
	// at least of the classic profile; RFC 4585 lets a point-to-point session do better.
	reportInterval = int64(time.Second)

	// keyFrameInterval is the least time between two key frame requests to one publisher:
	// a key frame is ten times a frame, and a join storm must not drown the sender.
	keyFrameInterval = int64(500 * time.Millisecond)
)

// inbound is everything that packets from the browser pass.
type inbound struct {
	sync.Mutex
	srtp   *srtp.Context // nil before the handshake
	header rtp.Header    // reused, so that parsing allocates nothing
	plain  [maxFrame]byte
	packet room.Packet

	uplinks        map[room.Kind][]*uplink // one, or one for each layer
	bySSRC         map[uint32]*uplink
	byMid          map[string][]*uplink
	midExt, ridExt uint8

	feedback             *twcc.Recorder
	feedbackAt, reportAt int64
}

func (in *inbound) init() {
	in.uplinks = make(map[room.Kind][]*uplink)
	in.bySSRC = make(map[uint32]*uplink)
	in.byMid = make(map[string][]*uplink)
	in.feedback = twcc.NewRecorder(senderSSRC)
}

// uplink is one published track, or one layer of it, as it comes in.
type uplink struct {
	peer     *Peer
	track    *room.Track
	mid      string
	codecs   [128]room.Codec // by payload type
	levelExt uint8
	twccExt  uint8

	ssrc      uint32
	mediaSSRC atomic.Uint32 // the same, for requests from other goroutines
	stats     receiver
	level     uint8
	restart   bool // the next packet begins a new stream
	cache     *cache
	missing   nackList

	keyFrameAsked int64 // guarded by asked
	asked         sync.Mutex
}

// publish makes the tracks that the offer names, and keeps those that were there.
// p.mu is held.
func (p *Peer) publish(o *offer, tracks map[string]room.Kind) {
	p.in.Lock()
	defer p.in.Unlock()
	clear(p.in.byMid)
	kinds := make(map[room.Kind]bool)
	for i := range o.sections {
		sec := &o.sections[i]
		kind, ok := tracks[sec.mid]
		if !ok {
			continue
		}
		kinds[kind] = true
		group := p.in.uplinks[kind]
		if !sameLayers(group, sec.rids) {
			group = newUplinks(p, kind, sec.rids)
			p.in.uplinks[kind], p.tracks[kind] = group, trackOf(group)
		}
		for _, u := range group {
			u.mid = sec.mid
			u.codecs = [128]room.Codec{}
			for _, f := range sec.formats {
				u.codecs[f.pt] = f.codec
			}
			u.levelExt, u.twccExt = sec.ext[extLevel], sec.ext[extTWCC]
		}
		if id := sec.ext[extMid]; id != 0 {
			p.in.midExt = id
		}
		if id := sec.ext[extRID]; id != 0 {
			p.in.ridExt = id
		}
		p.in.byMid[sec.mid] = group
		if len(group) == 1 {
			for _, ssrc := range sec.ssrcs {
				p.in.bySSRC[ssrc] = group[0]
			}
		}
	}
	for kind := range p.tracks {
		if !kinds[kind] {
			delete(p.tracks, kind)
			delete(p.in.uplinks, kind)
		}
	}
	for ssrc, u := range p.in.bySSRC {
		if !slices.Contains(p.in.byMid[u.mid], u) {
			delete(p.in.bySSRC, ssrc)
		}
	}
}

// sameLayers reports whether the uplinks of a track are for these layers.
func sameLayers(group []*uplink, rids []string) bool {
	if len(rids) == 0 {
		return len(group) == 1
	}
	return slices.EqualFunc(group, rids, func(u *uplink, rid string) bool { return u.track.RID == rid })
}

// newUplinks makes what a track needs: one uplink, or one for each of its layers.
func newUplinks(p *Peer, kind room.Kind, rids []string) []*uplink {
	if len(rids) == 0 {
		return []*uplink{newUplink(p, kind, "")}
	}
	group := make([]*uplink, len(rids))
	for i, rid := range rids {
		group[i] = newUplink(p, kind, rid)
	}
	return group
}

// trackOf returns the track that the uplinks are the layers of.
func trackOf(group []*uplink) *room.Track {
	first := group[0].track
	if len(group) == 1 {
		return first
	}
	t := &room.Track{Owner: first.Owner, Kind: first.Kind}
	for _, u := range group {
		t.Layers = append(t.Layers, u.track)
	}
	return t
}

func newUplink(p *Peer, kind room.Kind, rid string) *uplink {
	u := &uplink{peer: p, level: room.Silent, track: &room.Track{Owner: p.id, Kind: kind, RID: rid}}
	if kind == room.Camera || kind == room.Screen {
		u.cache = new(cache)
		u.track.RequestKeyFrame = u.requestKeyFrame
		u.track.Cached = u.cache.get
	}
	return u
}

// onPacket takes everything from the browser but STUN (RFC 7983 §7).
func (p *Peer) onPacket(packet []byte, via path) {
	switch first := packet[0]; {
	case first >= 20 && first <= 63:
		p.onDTLS(packet)
	case first >= 128 && first <= 191 && len(packet) >= 12:
		// RFC 5761 §4: packet types 192 to 223 are RTCP.
		if packet[1] >= 192 && packet[1] <= 223 {
			p.onRTCP(packet)
		} else {
			p.onRTP(packet, via)
		}
	}
}

// onRTP is the way of one packet: read, account, level, forward.
func (p *Peer) onRTP(encrypted []byte, via path) {
	in := &p.in
	in.Lock()
	defer in.Unlock()
	if in.srtp == nil {
		return
	}
	h := &in.header
	plain, err := in.srtp.DecryptRTP(in.plain[:0], encrypted, h)
	if err != nil {
		return // forged, replayed, or of another handshake
	}
	now := p.transport.now()
	p.lastSeen.Store(now)
	if current := p.path.Load(); current != nil && current.path != via {
		// The browser sends where its selected pair is, so that is where to send.
		p.choose(via, current.priority, now)
	}
	u := in.bySSRC[h.SSRC]
	if u == nil {
		if u = in.bearing(h); u == nil {
			return
		}
		in.bySSRC[h.SSRC] = u
	}
	if u.twccExt != 0 {
		if ext := h.GetExtension(u.twccExt); len(ext) >= 2 {
			in.feedback.Record(h.SSRC, uint16(ext[0])<<8|uint16(ext[1]), now/int64(time.Microsecond))
		}
	}
	if u.ssrc != h.SSRC {
		u.ssrc, u.restart, u.stats, u.missing = h.SSRC, true, receiver{}, nackList{}
		u.mediaSSRC.Store(h.SSRC)
	}
	codec := u.codecs[h.PayloadType]
	if codec == room.NoCodec {
		return // comfort noise, redundancy, a codec that was not agreed on
	}
	u.stats.observe(h.SequenceNumber, h.Timestamp, now, clockOf(codec))
	if u.forward(h, codec, payloadOf(h, plain), now) {
		p.sendNACK(u)
	}
	if now >= in.feedbackAt {
		in.feedbackAt = now + feedbackInterval
		p.sendFeedback()
	}
	if now >= in.reportAt {
		in.reportAt = now + reportInterval
		p.sendReports(now)
	}
}

// bearing finds the uplink of a stream that is new by the names its packet
// bears (RFC 9143 §9.2, RFC 8852 §3.1). Senders stop naming it once reports show that it is known.
func (in *inbound) bearing(h *rtp.Header) *uplink {
	if in.midExt == 0 {
		return nil
	}
	group := in.byMid[string(h.GetExtension(in.midExt))]
	if len(group) == 1 {
		return group[0]
	}
	if in.ridExt != 0 {
		rid := h.GetExtension(in.ridExt)
		for _, u := range group {
			if u.track.RID == string(rid) {
				return u
			}
		}
	}
	return nil
}

// forward hands the packet to the track's sinks and reports whether anything is missing.
func (u *uplink) forward(h *rtp.Header, codec room.Codec, payload []byte, now int64) bool {
	pkt := &u.peer.in.packet
	*pkt = room.Packet{
		Seq:       h.SequenceNumber,
		Timestamp: h.Timestamp,
		Marker:    h.Marker,
		Restart:   u.restart,
		Codec:     codec,
		Payload:   payload,
		Level:     room.Silent,
		At:        now,
	}
	u.restart = false
	gap := false
	if codec.IsVideo() {
		if pkt.KeyFrame = isKeyFrame(codec, payload); pkt.KeyFrame {
			u.track.SetWidth(widthOf(codec, payload))
		}
		u.cache.put(pkt)
		gap = u.missing.observe(h.SequenceNumber, now)
	} else if ext := h.GetExtension(u.levelExt); u.levelExt != 0 && len(ext) > 0 {
		pkt.Level = ext[0] & 0x7f // RFC 6464 §3
		u.level = smooth(u.level, pkt.Level)
		u.track.SetLevel(u.level)
	}
	u.track.Forward(pkt)
	return gap
}

// smooth follows a level up at once and down by a dB per packet, so that the
// gaps between words do not look like silence.
func smooth(level, now uint8) uint8 {
	if now < level {
		return (level + now) / 2
	}
	return min(level+1, now)
}

// payloadOf cuts header and padding off. plain has been authenticated, but
// its sender may still be wrong about lengths.
func payloadOf(h *rtp.Header, plain []byte) []byte {
	n := 12 + 4*len(h.CSRC)
	if h.Extension {
		n += 4 + 4*(int(plain[n+2])<<8|int(plain[n+3]))
	}
	payload := plain[n:]
	if h.Padding && len(payload) > 0 {
		payload = payload[:max(0, len(payload)-int(payload[len(payload)-1]))]
	}
	return payload
}

// clockOf returns a codec's RTP clock rate in Hz.
func clockOf(c room.Codec) uint32 {
	switch {
	case c.IsVideo():
		return 90000
	case c == room.Opus:
		return 48000
	}
	return 8000
}

// requestKeyFrame asks the browser for a key frame (PLI, RFC 4585 §6.3.1), not too often.
func (u *uplink) requestKeyFrame() {
	now := u.peer.transport.now()
	u.asked.Lock()
	early := u.keyFrameAsked != 0 && now-u.keyFrameAsked < keyFrameInterval
	if !early {
		u.keyFrameAsked = now
	}
	u.asked.Unlock()
	if !early {
		u.peer.sendPLI(u)
	}
}
