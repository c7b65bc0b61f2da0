package peer

import (
	"crypto/rand"
	"encoding/binary"
	"sync"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"dialroom/sfu/room"
)

// historySize is how many packets of a picture can be asked for again: at
// 2 Mbit/s that is two seconds, several round trips.
const historySize = 512

// maxPause is the longest pause, in seconds, that a slot's timestamps tell of:
// a receiver cares that time went on, not how many minutes the slot was empty.
const maxPause = 30

// outbound is everything that packets to the browser pass.
type outbound struct {
	sync.Mutex
	srtp   *srtp.Context // nil before the handshake
	header rtp.Header
	buffer [maxFrame]byte
	slots  map[uint32]*slot // by SSRC; replaced, never changed
}

// slot is one m-line that the browser receives. It is a room.Sink, and shows
// the browser one continuous stream whoever is in it.
type slot struct {
	peer *Peer
	info room.SlotInfo
	ssrc uint32
	pts  [len(codecCount)]uint8 // payload type by codec, 0 for none but PCMU
	has  [len(codecCount)]bool

	// guarded by peer.out
	track     *room.Track
	coming    *room.Track // another layer of the same picture, until its key frame
	fresh     bool        // the next usable packet begins a new source
	started   bool
	since     uint32 // packets since the source began
	firstIn   uint16 // the source's first sequence number
	seqOffset uint16 // added to the source's
	tsOffset  uint32
	lastSeq   uint16 // the newest sent
	lastTS    uint32
	lastAt    int64
	packets   uint32
	octets    uint32
	history   *[historySize]sent // pictures only
	quality   Quality
}

// codecCount has room for every codec.
var codecCount [room.AV1 + 1]struct{}

// sent tells where a packet that was sent came from.
type sent struct {
	track    *room.Track
	out, in  uint16
	tsOffset uint32
}

func newSlot(p *Peer, sec *section) *slot {
	var random [10]byte
	_, _ = rand.Read(random[:])
	s := &slot{
		peer:    p,
		info:    room.SlotInfo{Mid: sec.mid},
		ssrc:    binary.BigEndian.Uint32(random[0:]) | 1, // 0 is nobody
		lastSeq: binary.BigEndian.Uint16(random[4:]),
		lastTS:  binary.BigEndian.Uint32(random[6:]),
	}
	for _, f := range sec.formats {
		s.info.Codecs = append(s.info.Codecs, f.codec)
		s.pts[f.codec], s.has[f.codec] = f.pt, true
	}
	if sec.media == "video" {
		s.history = new([historySize]sent)
	}
	return s
}

// replace puts a track in and returns those that are of no use any more. Another
// layer of the same picture comes with its key frame; until then the one before stays.
func (s *slot) replace(t *room.Track) (dropped [2]*room.Track) {
	s.peer.out.Lock()
	defer s.peer.out.Unlock()
	dropped[0], s.coming = s.coming, nil
	switch {
	case s.track == t:
	case !s.fresh && sameLayered(s.track, t):
		s.coming = t
	default:
		dropped[1], s.track, s.fresh = s.track, t, true
	}
	if dropped[0] == t {
		dropped[0] = nil
	}
	return dropped
}

// sameLayered reports whether two tracks are layers of one picture.
func sameLayered(a, b *room.Track) bool {
	return a != nil && b != nil && a.RID != "" && b.RID != "" && a.Owner == b.Owner && a.Kind == b.Kind
}

// WriteRTP sends a packet on, rewritten to the slot's own stream.
func (s *slot) WriteRTP(t *room.Track, p *room.Packet) {
	out := &s.peer.out
	out.Lock()
	var left *room.Track
	if s.coming == t && t != nil && p.KeyFrame {
		left = s.track
		s.track, s.coming, s.fresh = t, nil, true
	}
	needsKeyFrame := s.coming == t || s.write(t, p)
	out.Unlock()
	// Outside the lock: it leads to another peer, whose slot may be asking this one.
	if left != nil {
		left.Detach(s)
		if s.carries(left) { // it was assigned again meanwhile
			left.Attach(s)
		}
	}
	if needsKeyFrame && t.RequestKeyFrame != nil {
		t.RequestKeyFrame()
	}
}

func (s *slot) carries(t *room.Track) bool {
	s.peer.out.Lock()
	defer s.peer.out.Unlock()
	return s.track == t || s.coming == t
}

// write does the work of WriteRTP and reports whether the picture needs a key frame to begin.
func (s *slot) write(t *room.Track, p *room.Packet) bool {
	if s.track != t || s.peer.out.srtp == nil || !s.has[p.Codec] {
		return false
	}
	if s.fresh || p.Restart {
		if p.Codec.IsVideo() && !p.KeyFrame {
			s.fresh = true
			return true
		}
		if len(p.Payload) == 0 {
			return false
		}
		s.begin(p)
	}
	// Stragglers from before the source began would land in the previous one's numbers.
	if s.since < historySize && int16(p.Seq-s.firstIn) < 0 {
		return false
	}
	s.since++
	seq, ts := p.Seq+s.seqOffset, p.Timestamp+s.tsOffset
	if int16(seq-s.lastSeq) > 0 {
		s.lastSeq, s.lastTS, s.lastAt = seq, ts, p.At
	}
	if s.history != nil {
		s.history[seq%historySize] = sent{track: t, out: seq, in: p.Seq, tsOffset: s.tsOffset}
	}
	s.packets++
	s.octets += uint32(len(p.Payload))
	s.send(s.pts[p.Codec], p.Marker || s.since == 1 && !p.Codec.IsVideo(), seq, ts, p.Payload)
	return false
}

// begin continues the slot's stream with a new source: the next sequence number, and
// a timestamp that has gone on with the clock.
func (s *slot) begin(p *room.Packet) {
	clock := int64(clockOf(p.Codec))
	elapsed := clock / 50 // a frame at least
	if s.started {
		elapsed = min(max(elapsed, (p.At-s.lastAt)/1000*clock/1_000_000), clock*maxPause)
	}
	s.seqOffset = s.lastSeq + 1 - p.Seq
	s.tsOffset = s.lastTS + uint32(elapsed) - p.Timestamp
	s.firstIn, s.since, s.fresh, s.started = p.Seq, 0, false, true
}

// send encrypts and writes one packet. peer.out is held.
func (s *slot) send(pt uint8, marker bool, seq uint16, ts uint32, payload []byte) {
	out := &s.peer.out
	n := 12 + len(payload)
	if n+32 > len(out.buffer) { // the authentication tag comes on top
		return
	}
	b := out.buffer[:n]
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], ts)
	binary.BigEndian.PutUint32(b[8:], s.ssrc)
	copy(b[12:], payload)
	s.encryptAndWrite(b)
}

func (s *slot) encryptAndWrite(plain []byte) {
	out := &s.peer.out
	encrypted, err := out.srtp.EncryptRTP(out.buffer[:0], plain, &out.header)
	if err != nil {
		return
	}
	if to := s.peer.path.Load(); to != nil {
		s.peer.write(to.path, encrypted)
	}
}

// resend answers a NACK for one packet from the publisher's cache. peer.out is held.
func (s *slot) resend(seq uint16) {
	if s.history == nil || s.peer.out.srtp == nil {
		return
	}
	h := &s.history[seq%historySize]
	if h.out != seq || h.track == nil || h.track.Cached == nil {
		return
	}
	var p room.Packet
	// The payload goes straight to its place behind the header.
	if h.track.Cached(h.in, s.peer.out.buffer[12:len(s.peer.out.buffer)-32], &p) {
		s.send(s.pts[p.Codec], p.Marker, seq, p.Timestamp+h.tsOffset, p.Payload)
	}
}
