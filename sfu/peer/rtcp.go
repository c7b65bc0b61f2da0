package peer

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/pion/rtcp"

	"dialroom/sfu/room"
)

// senderSSRC is what our own reports and requests come from: the sfu sends no
// stream of its own, so any fixed value will do.
const senderSSRC = 1

// maxReports is how many report blocks one receiver report can carry (RFC 3550 §6.4.2).
const maxReports = 31

// receiver keeps the figures of one incoming stream (RFC 3550 §6.4.1, appendix A.3, A.8).
type receiver struct {
	started                    bool
	base, highest              uint32 // extended sequence numbers
	received                   uint32
	expectedThen, receivedThen uint32 // at the last report
	transit                    int64
	jitter                     float64 // in the codec's clock
	clock                      uint32
	lastSR                     uint32 // middle 32 bits of its NTP time
	lastSRAt                   int64
}

// observe counts a packet that arrived at now.
func (r *receiver) observe(seq uint16, ts uint32, now int64, clock uint32) {
	arrival := now / 1000 * int64(clock) / 1_000_000
	transit := arrival - int64(ts)
	if !r.started || r.clock != clock {
		*r = receiver{started: true, base: uint32(seq), highest: uint32(seq), transit: transit, clock: clock}
	}
	r.received++
	if ahead := int16(seq - uint16(r.highest)); ahead > 0 {
		r.highest += uint32(ahead)
	}
	// The difference of two transits is right although ts wraps: only its low 32 bits count.
	d := int64(int32(transit - r.transit))
	r.transit = transit
	r.jitter += (math.Abs(float64(d)) - r.jitter) / 16
}

// report makes the stream's report block and begins the next interval.
func (r *receiver) report(ssrc uint32, now int64) rtcp.ReceptionReport {
	expected := r.highest - r.base + 1
	lost := int64(expected) - int64(r.received)
	interval := expected - r.expectedThen
	lostInterval := int64(interval) - int64(r.received-r.receivedThen)
	r.expectedThen, r.receivedThen = expected, r.received
	b := rtcp.ReceptionReport{
		SSRC:               ssrc,
		TotalLost:          uint32(min(max(lost, 0), 1<<23-1)),
		LastSequenceNumber: r.highest,
		Jitter:             uint32(r.jitter),
		LastSenderReport:   r.lastSR,
	}
	if interval > 0 && lostInterval > 0 {
		b.FractionLost = uint8(min(lostInterval*256/int64(interval), 255))
	}
	if r.lastSR != 0 {
		b.Delay = uint32((now - r.lastSRAt) * 65536 / int64(time.Second))
	}
	return b
}

// Quality is how well one stream arrives, as its receiver last reported.
type Quality struct {
	Loss      float64 // fraction of packets since the report before
	Jitter    time.Duration
	RoundTrip time.Duration // 0 while unknown
}

// onRTCP takes a compound packet from the browser.
func (p *Peer) onRTCP(encrypted []byte) {
	p.in.Lock()
	defer p.in.Unlock()
	if p.in.srtp == nil {
		return
	}
	plain, err := p.in.srtp.DecryptRTCP(p.in.plain[:0], encrypted, nil)
	if err != nil {
		return
	}
	now := p.transport.now()
	p.lastSeen.Store(now)
	packets, err := rtcp.Unmarshal(plain)
	if err != nil {
		return
	}
	for _, pkt := range packets {
		switch pkt := pkt.(type) {
		case *rtcp.SenderReport:
			p.onSenderReport(pkt, now)
			p.onReports(pkt.Reports)
		case *rtcp.ReceiverReport:
			p.onReports(pkt.Reports)
		case *rtcp.TransportLayerNack:
			p.onNACK(pkt)
		case *rtcp.PictureLossIndication:
			p.keyFrameFor(pkt.MediaSSRC)
		case *rtcp.FullIntraRequest:
			for _, entry := range pkt.FIR {
				p.keyFrameFor(entry.SSRC)
			}
		}
	}
}

// onSenderReport keeps what reports refer to, and tells the track's receivers
// how its timestamps and the wall clock go together. p.in is held.
func (p *Peer) onSenderReport(sr *rtcp.SenderReport, now int64) {
	u := p.in.bySSRC[sr.SSRC]
	if u == nil {
		return
	}
	u.stats.lastSR, u.stats.lastSRAt = uint32(sr.NTPTime>>16), now
	u.track.Sinks(func(sink room.Sink) {
		if s, ok := sink.(*slot); ok {
			s.senderReport(u.track, sr.NTPTime, sr.RTPTime)
		}
	})
}

// senderReport passes a publisher's report on, in the slot's own numbers.
func (s *slot) senderReport(t *room.Track, ntp uint64, ts uint32) {
	out := &s.peer.out
	out.Lock()
	defer out.Unlock()
	if s.track != t || s.fresh || !s.started {
		return
	}
	s.peer.writeRTCP(&rtcp.SenderReport{
		SSRC: s.ssrc, NTPTime: ntp, RTPTime: ts + s.tsOffset, PacketCount: s.packets, OctetCount: s.octets,
	})
}

func (p *Peer) slotOf(ssrc uint32) *slot {
	p.out.Lock()
	defer p.out.Unlock()
	return p.out.slots[ssrc]
}

func (p *Peer) onReports(reports []rtcp.ReceptionReport) {
	for _, r := range reports {
		s := p.slotOf(r.SSRC)
		if s == nil {
			continue
		}
		clock := uint32(90000)
		if len(s.info.Codecs) > 0 {
			clock = clockOf(s.info.Codecs[0])
		}
		p.out.Lock()
		s.quality.Loss = float64(r.FractionLost) / 256
		s.quality.Jitter = time.Duration(r.Jitter) * time.Second / time.Duration(clock)
		p.out.Unlock()
	}
}

func (p *Peer) onNACK(nack *rtcp.TransportLayerNack) {
	s := p.slotOf(nack.MediaSSRC)
	if s == nil {
		return
	}
	p.out.Lock()
	defer p.out.Unlock()
	for _, pair := range nack.Nacks {
		pair.Range(func(seq uint16) bool {
			s.resend(seq)
			return true
		})
	}
}

// keyFrameFor asks the publisher in the slot with that SSRC for a key frame.
func (p *Peer) keyFrameFor(ssrc uint32) {
	s := p.slotOf(ssrc)
	if s == nil {
		return
	}
	p.out.Lock()
	t := s.track
	p.out.Unlock()
	if t != nil && t.RequestKeyFrame != nil {
		t.RequestKeyFrame()
	}
}

// sendPLI asks the browser for a key frame of what it publishes.
func (p *Peer) sendPLI(u *uplink) {
	// The SSRC is read without p.in, which the caller may hold or not; it changes only when
	// the browser starts a new stream, which begins with a key frame of its own.
	if ssrc := u.mediaSSRC.Load(); ssrc != 0 {
		p.sendRTCP(&rtcp.PictureLossIndication{SenderSSRC: senderSSRC, MediaSSRC: ssrc})
	}
}

// sendNACK asks for what is missing of a picture (RFC 4585 §6.2.1). p.in is held.
func (p *Peer) sendNACK(u *uplink) {
	var buffer [maxMissing]uint16
	seqs, keyFrame := u.missing.due(p.transport.now(), buffer[:0])
	if len(seqs) > 0 {
		p.sendRTCP(&rtcp.TransportLayerNack{SenderSSRC: senderSSRC, MediaSSRC: u.ssrc, Nacks: rtcp.NackPairsFromSequenceNumbers(seqs)})
	}
	if keyFrame {
		u.requestKeyFrame()
	}
}

// sendFeedback tells the browser when its packets arrived, so that it can judge the way here. p.in is held.
func (p *Peer) sendFeedback() {
	if packets := p.in.feedback.BuildFeedbackPacket(); len(packets) > 0 {
		p.sendRTCP(packets...)
	}
}

// sendReports sends the receiver reports of all that the browser publishes. p.in is held.
func (p *Peer) sendReports(now int64) {
	report := &rtcp.ReceiverReport{SSRC: senderSSRC}
	for _, group := range p.in.uplinks {
		for _, u := range group {
			if u.stats.started && len(report.Reports) < maxReports {
				report.Reports = append(report.Reports, u.stats.report(u.ssrc, now))
			}
		}
	}
	if len(report.Reports) > 0 {
		p.sendRTCP(report)
	}
}

func (p *Peer) sendRTCP(packets ...rtcp.Packet) {
	p.out.Lock()
	defer p.out.Unlock()
	p.writeRTCP(packets...)
}

// writeRTCP encrypts and writes a (reduced-size, RFC 5506) compound. p.out is held.
func (p *Peer) writeRTCP(packets ...rtcp.Packet) {
	to := p.path.Load()
	if p.out.srtp == nil || to == nil {
		return
	}
	plain, err := rtcp.Marshal(packets)
	if err != nil {
		p.log.Error("RTCP could not be written", "error", err)
		return
	}
	encrypted, err := p.out.srtp.EncryptRTCP(nil, plain, nil)
	if err != nil {
		return
	}
	p.write(to.path, encrypted)
}

// Stats are a peer's counters since it connected.
type Stats struct {
	State    State
	Received map[room.Kind]StreamStats
	Sent     map[string]StreamStats // by the slot's mid
}

// StreamStats are the counters of one stream.
type StreamStats struct {
	Packets uint64
	Lost    uint64
	Quality Quality
}

// Stats returns the counters.
func (p *Peer) Stats() Stats {
	st := Stats{State: p.State(), Received: make(map[room.Kind]StreamStats), Sent: make(map[string]StreamStats)}
	p.in.Lock()
	for kind, group := range p.in.uplinks {
		var s StreamStats
		for _, u := range group {
			r := &u.stats
			s.Packets += u.track.Packets()
			if r.started {
				s.Lost += uint64(max(0, int64(r.highest-r.base+1)-int64(r.received)))
				s.Quality.Jitter = max(s.Quality.Jitter, time.Duration(r.jitter*float64(time.Second)/float64(r.clock)))
			}
		}
		st.Received[kind] = s
	}
	p.in.Unlock()
	p.mu.Lock()
	slots := p.order
	p.mu.Unlock()
	p.out.Lock()
	for _, s := range slots {
		st.Sent[s.info.Mid] = StreamStats{Packets: uint64(s.packets), Quality: s.quality}
	}
	p.out.Unlock()
	return st
}

// Arrival says how the microphone's packets arrived so far; false before the
// first of them. It is cheap enough to be asked every few seconds.
func (p *Peer) Arrival() (room.Arrival, bool) {
	p.in.Lock()
	defer p.in.Unlock()
	group := p.in.uplinks[room.Mic]
	if len(group) == 0 || !group[0].stats.started {
		return room.Arrival{}, false
	}
	r := &group[0].stats
	return room.Arrival{Expected: uint64(r.highest - r.base + 1), Received: uint64(r.received),
		Jitter: time.Duration(r.jitter * float64(time.Second) / float64(r.clock))}, true
}

// Traffic counts the packets from and to all browsers so far.
type Traffic struct{ Received, Sent uint64 }

func (t *Traffic) add(s Stats) {
	for _, in := range s.Received {
		t.Received += in.Packets
	}
	for _, out := range s.Sent {
		t.Sent += out.Packets
	}
}

// Traffic returns the counters, those of closed peers included.
func (t *Transport) Traffic() Traffic {
	t.mu.Lock()
	sum := t.gone
	peers := slices.Collect(maps.Keys(t.peers))
	t.mu.Unlock()
	// Without the lock: a packet under way holds a peer's and may want the transport's.
	for _, p := range peers {
		sum.add(p.Stats())
	}
	return sum
}
