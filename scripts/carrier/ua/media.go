package ua

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"dialroom/scripts/carrier/audio"
)

// Media is the RTP of one call: a socket of its own, one stream in each
// direction. Packets are received as soon as the offer is known; nothing is
// sent before early media or the answer.
type Media struct {
	// fixed after openMedia
	carrier *Carrier
	call    *Call
	conn    *net.UDPConn
	local   netip.AddrPort
	session uint64 // o= of our SDP
	done    chan struct{}
	rec     recorder

	strangers atomic.Uint64 // packets from another address than the offer's
	forged    atomic.Uint64 // packets that are not the SRTP agreed on

	// guarded by mu
	mu      sync.Mutex
	codec   audio.Codec
	pt      uint8
	digits  digitReader
	remote  netip.AddrPort
	held    bool
	flowing bool // early media or answered
	echo    bool
	onRTP   func(Packet)
	out     stream
	coder   audio.Coder
	srtp    *protection // nil: plain RTP
	playing []*sound
	unpace  func()
	pcm     [audio.Frame]int16
	buf     [1500]byte
}

// stream is what we send.
type stream struct {
	ssrc      uint32
	seq       uint16
	timestamp uint32
	started   bool
	packets   uint64

	// Echoed packets keep the gaps of those they answer: their numbers are the
	// incoming ones moved by a constant, less the packets that were no audio.
	from     uint32 // SSRC the constants belong to
	moveSeq  uint16
	moveTime uint32
}

// sound is samples waiting to be sent; done is closed after the last.
type sound struct {
	pcm  []int16
	done chan struct{}
}

// openMedia opens the socket and chooses the codec.
func (c *Carrier) openMedia(call *Call, o offer) (*Media, error) {
	codec, pt, ok := o.choose(c.cfg.Codecs)
	if !ok {
		return nil, fmt.Errorf("%w: no codec in common", ErrOffer)
	}
	ip, err := c.mediaIP(o.addr)
	if err != nil {
		return nil, err
	}
	conn, err := listenEven(ip)
	if err != nil {
		return nil, fmt.Errorf("RTP socket: %w", err)
	}
	m := &Media{
		carrier: c, call: call, conn: conn,
		local:   conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		session: rand.Uint64() >> 2, // o= numbers stay well inside 63 bits for everybody
		done:    make(chan struct{}),
		codec:   codec, pt: pt, remote: o.addr, held: o.held(),
		digits: digitReader{payloadType: o.digits},
		out:    stream{ssrc: rand.Uint32(), seq: uint16(rand.Uint32()), timestamp: rand.Uint32()},
	}
	if m.srtp, err = c.secure(o, nil); err != nil {
		conn.Close()
		return nil, err
	}
	m.rec.keep = c.cfg.Record
	go m.readLoop()
	return m, nil
}

// mediaIP is where RTP is received: as configured, where SIP is, or for a SIP
// socket on every address the one that faces the caller's media.
func (c *Carrier) mediaIP(peer netip.AddrPort) (netip.Addr, error) {
	if c.cfg.MediaIP != "" {
		return netip.ParseAddr(c.cfg.MediaIP)
	}
	for _, transport := range []string{"udp", "tcp", "tls"} {
		if at := c.Addr(transport); at.IsValid() && !at.Addr().IsUnspecified() {
			return at.Addr(), nil
		}
	}
	// Connecting a UDP socket sends nothing but asks the routing table.
	probe, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(peer))
	if err != nil {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	defer probe.Close()
	return probe.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// listenEven opens a UDP socket on an even port: RFC 3550 §11 wants RTP there.
func listenEven(ip netip.Addr) (*net.UDPConn, error) {
	for {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
		if err != nil {
			return nil, err
		}
		port := conn.LocalAddr().(*net.UDPAddr).Port
		if port%2 == 0 {
			return conn, nil
		}
		even, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, uint16(port-1))))
		conn.Close()
		if err == nil {
			return even, nil
		}
	}
}

func (m *Media) ip() netip.Addr { return m.local.Addr() }

// answer describes our side in the given direction, "" for the one the offer asks for.
func (m *Media) answer(o offer, version int, direction string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return o.answer(m.session, version, m.local, m.codec, m.pt, m.srtp, direction)
}

// follow takes the address, payload types and direction of a new offer; the
// codec may change with it.
func (m *Media) follow(o offer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	// The codec in use, if it is still offered, so that nothing changes without need.
	codec, pt, ok := o.choose(append([]audio.Codec{m.codec}, m.carrier.cfg.Codecs...))
	if !ok {
		return fmt.Errorf("%w: no codec in common", ErrOffer)
	}
	srtp, err := m.carrier.secure(o, m.srtp)
	if err != nil {
		return err
	}
	m.srtp = srtp
	m.codec, m.pt, m.remote, m.held = codec, pt, o.addr, o.held()
	m.digits.payloadType = o.digits
	return nil
}

// open lets sound flow to the caller.
func (m *Media) open() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flowing = true
}

// hush ends everything that is sent, and everything that waits for it.
func (m *Media) hush() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flowing = false
	if m.unpace != nil {
		m.unpace()
		m.unpace = nil
	}
	m.dropPlaying()
}

func (m *Media) close() {
	m.hush()
	m.conn.Close()
	<-m.done
}

// Echo sends every audio packet back as it comes, payload untouched.
func (m *Media) Echo() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.echo = true
}

// OnRTP calls f with every audio packet, on the receiving goroutine; the
// payload is valid only during the call.
func (m *Media) OnRTP(f func(Packet)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.onRTP = f
}

// Codec returns the codec of the call and its payload type.
func (m *Media) Codec() (audio.Codec, uint8) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.codec, m.pt
}

// readLoop receives until the socket closes.
func (m *Media) readLoop() {
	defer close(m.done)
	var buf [2048]byte
	for {
		n, from, err := m.conn.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			return
		}
		m.arrived(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), time.Now())
	}
}

// arrived is the whole way of a packet: source, SRTP, DTMF, recording, echo.
func (m *Media) arrived(b []byte, from netip.AddrPort, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from != m.remote {
		m.strangers.Add(1)
		return
	}
	if m.srtp != nil {
		var err error
		if b, err = m.srtp.in.DecryptRTP(nil, b, nil); err != nil {
			m.forged.Add(1)
			return
		}
	}
	p, ok := parseRTP(b)
	if !ok {
		return
	}
	p.At = at
	m.rec.add(p)
	if p.PayloadType == m.digits.payloadType && m.digits.payloadType != 0 {
		if digit, ok := m.digits.read(p); ok {
			m.call.carrier.events.add(Event{Kind: "DIGIT", CallID: m.call.CallID, Number: m.call.Number, Detail: string(digit)})
			m.call.digit(digit)
		}
		m.out.moveSeq-- // it will not be echoed: close the gap it leaves
		return
	}
	if p.PayloadType != m.pt {
		m.out.moveSeq--
		return
	}
	if m.onRTP != nil {
		m.onRTP(p)
	}
	if m.echo && m.flowing && !m.held {
		m.echoBack(p)
	}
}

func (m *Media) echoBack(p Packet) {
	if !m.out.started || m.out.from != p.SSRC {
		m.out.from = p.SSRC
		m.out.moveSeq = m.out.seq - p.Seq
		m.out.moveTime = m.out.timestamp - p.Timestamp
	}
	m.send(p.Seq+m.out.moveSeq, p.Timestamp+m.out.moveTime, p.Marker || !m.out.started, p.Payload)
	m.out.seq = p.Seq + m.out.moveSeq + 1
	m.out.timestamp = p.Timestamp + m.out.moveTime + uint32(len(p.Payload))
}

// Send sends one packet of audio, numbered after the last. samples is what the
// timestamp grows by.
func (m *Media) Send(payload []byte, samples int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.flowing || m.held {
		m.out.timestamp += uint32(samples)
		return
	}
	m.send(m.out.seq, m.out.timestamp, !m.out.started, payload)
	m.out.seq++
	m.out.timestamp += uint32(samples)
}

func (m *Media) send(seq uint16, timestamp uint32, marker bool, payload []byte) {
	b := m.buf[:12]
	b[0], b[1] = 0x80, m.pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], timestamp)
	binary.BigEndian.PutUint32(b[8:], m.out.ssrc)
	m.out.started = true
	m.out.packets++
	packet := append(b, payload...)
	if m.srtp != nil {
		var err error
		if packet, err = m.srtp.out.EncryptRTP(nil, packet, nil); err != nil {
			return
		}
	}
	_, _ = m.conn.WriteToUDPAddrPort(packet, m.remote)
}

// Speak sends 20 ms of sound, silence when nothing is to be played, every
// 20 ms from now on.
func (m *Media) Speak() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unpace == nil && m.call.ctx.Err() == nil {
		m.unpace = m.carrier.pacer.Add(m.tick)
	}
}

// Play queues sound behind what is queued already and starts [Media.Speak].
// The channel is closed when it was sent, or dropped because the call is over.
func (m *Media) Play(pcm []int16) <-chan struct{} {
	m.Speak()
	s := &sound{pcm: pcm, done: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.call.ctx.Done():
		close(s.done)
	default:
		m.playing = append(m.playing, s)
	}
	return s.done
}

// tick sends one frame.
func (m *Media) tick() {
	m.mu.Lock()
	frame := m.pcm[:0]
	for len(m.playing) > 0 && len(frame) < audio.Frame {
		s := m.playing[0]
		n := min(len(s.pcm), audio.Frame-len(frame))
		frame = append(frame, s.pcm[:n]...)
		s.pcm = s.pcm[n:]
		if len(s.pcm) == 0 {
			close(s.done)
			m.playing = m.playing[1:]
		}
	}
	var payload [audio.Frame]byte
	for len(frame) < audio.Frame {
		frame = append(frame, 0)
	}
	b := m.coder.Encode(m.codec, payload[:0], frame)
	m.mu.Unlock()
	m.Send(b, audio.Frame)
}

func (m *Media) dropPlaying() {
	for _, s := range m.playing {
		close(s.done)
	}
	m.playing = nil
}

// Stats are counters of a call's media.
type Stats struct {
	Sent      uint64
	Received  uint64
	Lost      uint64 // missing sequence numbers
	Strangers uint64 // packets from where the offer did not say
	Forged    uint64 // packets that are not the SRTP agreed on
}

// Stats returns the counters so far.
func (m *Media) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	received, lost := m.rec.counts()
	return Stats{Sent: m.out.packets, Received: received, Lost: lost, Strangers: m.strangers.Load(), Forged: m.forged.Load()}
}

// LogValue writes the counters as a group.
func (s Stats) LogValue() slog.Value {
	return slog.GroupValue(slog.Uint64("sent", s.Sent), slog.Uint64("received", s.Received),
		slog.Uint64("lost", s.Lost), slog.Uint64("strangers", s.Strangers))
}
