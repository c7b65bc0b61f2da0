package peer

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/transport/v5/packetio"

	"dialroom/sfu/room"
)

// State is how a peer's connection stands.
type State int32

// States. A Disconnected peer has been silent and may come back; a Failed one
// needs a new offer, with new ICE credentials or from a new PeerConnection.
const (
	New State = iota
	Connected
	Disconnected
	Failed
)

// String returns the state's name.
func (s State) String() string {
	return [...]string{"new", "connected", "disconnected", "failed"}[s]
}

var (
	// ErrOtherConnection means that an offer comes from another PeerConnection than the
	// ones before, after a page was reloaded: it needs a new Peer.
	ErrOtherConnection = errors.New("the offer is from another connection")

	// ErrClosed means that the peer is gone.
	ErrClosed = errors.New("peer is closed")
)

// Peer is one browser's connection. It implements room.Media.
type Peer struct {
	transport *Transport
	id        string // the participant's
	log       *slog.Logger
	onState   func(State)

	ctx       context.Context // ends with the peer
	cancel    context.CancelFunc
	running   sync.WaitGroup
	handshake sync.Once
	dtls      *dtlsConn

	path     atomic.Pointer[selected]
	lastSeen atomic.Int64 // the transport's now() of the last check or media packet
	state    atomic.Int32
	closed   atomic.Bool

	in  inbound
	out outbound

	mu           sync.Mutex // guards all below
	remoteUfrag  string
	fingerprints []string // of the browser's certificate
	local        local
	credentials  map[string]stun.MessageIntegrity // by our ufrag
	tracks       map[room.Kind]*room.Track
	slots        map[string]*slot // by mid
	order        []*slot          // as offered
}

// selected is the path in use.
type selected struct {
	path
	priority uint32 // of the browser's candidate pair
	checked  atomic.Int64
}

// NewPeer returns a peer that waits for its first offer. onState is called on
// every change of state, from any goroutine, never twice with the same state in a row.
func (t *Transport) NewPeer(id string, onState func(State)) (*Peer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	p := &Peer{
		transport:   t,
		id:          id,
		log:         t.log.With("participant", id),
		onState:     onState,
		ctx:         ctx,
		cancel:      cancel,
		credentials: make(map[string]stun.MessageIntegrity),
		tracks:      make(map[room.Kind]*room.Track),
		slots:       make(map[string]*slot),
	}
	p.dtls = &dtlsConn{records: packetio.NewBuffer(), peer: p}
	p.in.init()
	p.lastSeen.Store(t.now())
	var session [8]byte
	_, _ = rand.Read(session[:])
	p.local = local{fingerprint: t.fingerprint, candidates: t.candidates(), session: binary.BigEndian.Uint64(session[:]) >> 2}
	if err := t.addPeer(p); err != nil {
		cancel()
		return nil, err
	}
	return p, nil
}

// Close ends the connection. It returns when nothing of the peer runs any more.
func (p *Peer) Close() {
	if p.closed.Swap(true) {
		return
	}
	p.cancel()
	p.transport.removePeer(p)
	p.mu.Lock()
	slots := p.order
	p.mu.Unlock()
	for _, s := range slots {
		p.Assign(s.info.Mid, nil)
	}
	_ = p.dtls.records.Close() // ends the handshake or the read, which says farewell to the browser
	p.running.Wait()
}

// State returns how the connection stands.
func (p *Peer) State() State { return State(p.state.Load()) }

func (p *Peer) setState(s State) {
	if State(p.state.Swap(int32(s))) != s && !p.closed.Load() {
		p.onState(s)
	}
}

func (p *Peer) fail() { p.setState(Failed) }

// judge draws the consequence of a peer's silence.
func (p *Peer) judge(silence time.Duration) {
	switch state := p.State(); {
	case silence > failedAfter && state != Failed:
		p.fail()
	case silence > disconnectedAfter && state == Connected:
		p.setState(Disconnected)
	}
}

// alive notes a sign of life.
func (p *Peer) alive(now int64) {
	p.lastSeen.Store(now)
	if p.State() == Disconnected {
		p.setState(Connected)
	}
}

// integrity returns the key that checks to one of our ufrags are signed with.
func (p *Peer) integrity(ufrag string) stun.MessageIntegrity {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.credentials[ufrag]
}

// onCheck learns from an authentic connectivity check. The browser is the
// controlling side and may nominate several pairs (RFC 8445 §8.1.1, aggressive
// nomination of older browsers): the one of highest priority that is still checked counts.
func (p *Peer) onCheck(via path, priority uint32, nominated bool) {
	now := p.transport.now()
	p.alive(now)
	current := p.path.Load()
	if current != nil && current.path == via {
		current.checked.Store(now)
		return
	}
	const stale = int64(4 * time.Second) // a browser checks a pair it uses at least every 2.5 s
	if current == nil || nominated && (priority >= current.priority || now-current.checked.Load() > stale) {
		p.choose(via, priority, now)
	}
}

func (p *Peer) choose(via path, priority uint32, now int64) {
	s := &selected{path: via, priority: priority}
	s.checked.Store(now)
	p.path.Store(s)
}

// write sends one datagram or frame.
func (p *Peer) write(to path, packet []byte) {
	if to.stream != nil {
		to.stream.send(packet)
		return
	}
	_ = p.transport.conn.WriteTo(packet, to.addr)
}

// Answer takes an offer and returns the answer. tracks names what the browser
// sends, by mid; every other m-line it can receive in becomes a slot. A later
// offer may add m-lines, change what is sent, or restart ICE. The error wraps
// ErrBadOffer for what the page got wrong, and is ErrOtherConnection when the
// page has a new PeerConnection.
func (p *Peer) Answer(text string, tracks map[string]room.Kind) (string, error) {
	o, err := parseOffer(text)
	if err != nil {
		return "", err
	}
	if p.closed.Load() {
		return "", ErrClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fingerprints != nil && !sharesAny(p.fingerprints, o.fingerprints) {
		return "", ErrOtherConnection
	}
	published := make(map[room.Kind]bool)
	for mid, kind := range tracks {
		if published[kind] {
			return "", fmt.Errorf("%w: two tracks of kind %q", ErrBadOffer, kind)
		}
		published[kind] = true
		if !validKind(kind) {
			return "", fmt.Errorf("%w: no such kind of track: %q", ErrBadOffer, kind)
		}
		if !o.sendsIn(mid) {
			return "", fmt.Errorf("%w: nothing usable is sent in mid %q", ErrBadOffer, mid)
		}
	}
	p.fingerprints = o.fingerprints
	if o.ufrag != p.remoteUfrag { // the first offer, or an ICE restart (RFC 8839 §4.4.3)
		p.remoteUfrag = o.ufrag
		p.newCredentials()
	}
	p.local.version++
	p.publish(o, tracks)
	ssrcs := p.open(o, tracks)
	return o.answer(p.local, ssrcs), nil
}

func sharesAny(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

func validKind(k room.Kind) bool {
	switch k {
	case room.Mic, room.Phone, room.Camera, room.Screen, room.ScreenAudio:
		return true
	}
	return false
}

func (o *offer) sendsIn(mid string) bool {
	for _, s := range o.sections {
		if s.mid == mid {
			return s.usable && s.sends
		}
	}
	return false
}

// newCredentials makes a fragment and a password (RFC 8445 §5.3: 24 and 128 bits at least).
// Those of earlier generations stay valid until the peer closes, which only the browser can use.
func (p *Peer) newCredentials() {
	p.local.ufrag, p.local.pwd = rand.Text()[:10], rand.Text()
	p.credentials[p.local.ufrag] = stun.NewShortTermIntegrity(p.local.pwd)
	p.transport.setUfrag(p.local.ufrag, p)
	// A browser whose connection had failed gets its time again.
	p.lastSeen.Store(p.transport.now())
}

// open makes a slot of every m-line that the browser can receive in, and
// returns the SSRCs of all by mid.
func (p *Peer) open(o *offer, tracks map[string]room.Kind) map[string]uint32 {
	ssrcs := make(map[string]uint32)
	for i := range o.sections {
		sec := &o.sections[i]
		if _, sending := tracks[sec.mid]; sending || !sec.usable || !sec.receives {
			continue
		}
		s := p.slots[sec.mid]
		if s == nil {
			s = newSlot(p, sec)
			p.slots[sec.mid] = s
			p.order = append(p.order, s)
			p.out.Lock()
			p.out.slots = maps.Clone(p.out.slots)
			if p.out.slots == nil {
				p.out.slots = make(map[uint32]*slot)
			}
			p.out.slots[s.ssrc] = s
			p.out.Unlock()
		}
		ssrcs[sec.mid] = s.ssrc
	}
	return ssrcs
}

// Tracks returns what the browser publishes.
func (p *Peer) Tracks() map[room.Kind]*room.Track {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.tracks)
}

// Slots returns the receive slots as they were offered.
func (p *Peer) Slots() []room.SlotInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	infos := make([]room.SlotInfo, len(p.order))
	for i, s := range p.order {
		infos[i] = s.info
	}
	return infos
}

// Assign puts a track into a slot, or empties it with nil. A picture appears
// with its next key frame, which is asked for.
func (p *Peer) Assign(mid string, t *room.Track) {
	p.mu.Lock()
	s := p.slots[mid]
	p.mu.Unlock()
	if s == nil || t != nil && p.closed.Load() {
		return
	}
	for _, old := range s.replace(t) {
		if old != nil {
			old.Detach(s)
		}
	}
	if t != nil {
		t.Attach(s)
		if t.RequestKeyFrame != nil {
			t.RequestKeyFrame()
		}
	}
}

// Candidate takes a trickled candidate. There is nothing to do: the sfu is
// ICE-lite, checks come to it (RFC 8445 §2.5).
func (p *Peer) Candidate(string) {}

// candidates returns our host candidates (RFC 8839 §5.1), UDP before TCP.
func (t *Transport) candidates() []string {
	var out []string
	add := func(transport string, typePreference uint32, port uint16, suffix string) {
		for i, host := range t.hosts {
			// RFC 8445 §5.1.2.1: type preference, local preference, component 1.
			priority := typePreference<<24 | uint32(65535-i)<<8 | 255
			out = append(out, fmt.Sprintf("%d 1 %s %d %s %d typ host%s", len(out)+1, transport, priority, host, port, suffix))
		}
	}
	add("udp", 126, t.UDPAddr().Port(), "")
	if tcp := t.TCPAddr(); tcp.IsValid() {
		add("tcp", 90, tcp.Port(), " tcptype passive")
	}
	return out
}

var _ room.Media = (*Peer)(nil)
var _ net.PacketConn = (*dtlsConn)(nil)
