package leg

import (
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pion/rtcp"
)

// reportEvery is the mean time between two reports (RFC 3550 §6.2: at least 5 s).
const reportEvery = 5 * time.Second

// nextReport spreads reports over 0.5 to 1.5 of the interval (RFC 3550 §6.2),
// so that calls that begin together do not report together.
func nextReport(now time.Time) time.Time {
	return now.Add(reportEvery/2 + rand.N(reportEvery))
}

// reports is what RTCP is about, in both directions.
type reports struct {
	due  time.Time // when we report next
	sent uint64    // packets sent to the phone at our last report

	senderReport uint32    // middle of the NTP time in the phone's last one
	senderAt     time.Time // when it came

	at           time.Time // when the phone last told how it hears us
	remoteLoss   float64
	remoteJitter time.Duration
	roundTrip    time.Duration
}

// report sends a compound of a sender or receiver report and our name; mu is held.
func (l *Leg) report(now time.Time) {
	l.reports.due = nextReport(now)
	p := l.path
	if p == nil || !l.remoteRTCP().IsValid() {
		return
	}
	var blocks []rtcp.ReceptionReport
	if r := &l.heard; r.started {
		b := rtcp.ReceptionReport{
			SSRC:               r.ssrc,
			FractionLost:       r.fraction(),
			TotalLost:          uint32(min(max(r.lost(), 0), 0x7fffff)),
			LastSequenceNumber: r.extended(),
			Jitter:             r.jitter >> 4,
		}
		if !l.reports.senderAt.IsZero() {
			b.LastSenderReport = l.reports.senderReport
			b.Delay = uint32(now.Sub(l.reports.senderAt).Microseconds() << 16 / 1e6)
		}
		blocks = append(blocks, b)
	}
	var first rtcp.Packet = &rtcp.ReceiverReport{SSRC: l.ssrc, Reports: blocks}
	if n := l.stats.SentPackets; n != l.reports.sent {
		l.reports.sent = n
		first = &rtcp.SenderReport{
			SSRC:        l.ssrc,
			NTPTime:     ntp(now),
			RTPTime:     l.out.outTS + ticks(now.Sub(l.out.outAt)),
			PacketCount: uint32(n),
			OctetCount:  uint32(l.stats.SentBytes),
			Reports:     blocks,
		}
	}
	name := rtcp.SourceDescriptionChunk{Source: l.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: l.cname}}}
	b, err := rtcp.Marshal([]rtcp.Packet{first, &rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{name}}})
	if err != nil {
		l.log.Error("RTCP report not written", "error", err)
		return
	}
	if p.srtp != nil {
		if b, err = p.srtp.out.EncryptRTCP(nil, b, nil); err != nil {
			l.log.Error("RTCP report not encrypted", "error", err)
			return
		}
	}
	_ = l.rtcp.WriteTo(b, l.remoteRTCP()) // the next one is five seconds away
}

// LastRTCP returns when the phone's last report came; the zero time if none did.
func (l *Leg) LastRTCP() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lastRTCP
}

// fromPhoneRTCP reads the phone's reports.
func (l *Leg) fromPhoneRTCP(packet []byte, from netip.AddrPort) {
	now := l.hub.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.path
	if p == nil || from != l.remoteRTCP() && (!l.latch.at.IsValid() || l.latch.rtcp.IsValid() || from.Addr() != l.latch.at.Addr()) {
		l.stats.WrongSource++
		return
	}
	var err error
	if p.srtp != nil {
		if packet, err = p.srtp.in.DecryptRTCP(nil, packet, nil); err != nil {
			l.stats.Forged++
			return
		}
	}
	packets, err := rtcp.Unmarshal(packet)
	if err != nil {
		l.stats.Invalid++
		return
	}
	if l.latch.at.IsValid() {
		l.latch.rtcp = from
	}
	l.lastRTCP = now
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			if p.SSRC == l.heard.ssrc {
				l.reports.senderReport, l.reports.senderAt = uint32(p.NTPTime>>16), now
			}
			l.readBlocks(p.Reports, now)
		case *rtcp.ReceiverReport:
			l.readBlocks(p.Reports, now)
		}
	}
}

// readBlocks takes what the phone says about the stream it gets from us; mu is held.
func (l *Leg) readBlocks(blocks []rtcp.ReceptionReport, now time.Time) {
	for _, b := range blocks {
		if b.SSRC != l.ssrc {
			continue
		}
		l.reports.at = now
		l.reports.remoteLoss = float64(b.FractionLost) / 256
		l.reports.remoteJitter = time.Duration(b.Jitter) * time.Second / clockRate
		if b.LastSenderReport == 0 {
			continue
		}
		// RFC 3550 §6.4.1: A - LSR - DLSR in 1/65536 s; what is negative or
		// absurd comes from a clock we cannot know.
		rtt := int32(uint32(ntp(now)>>16) - b.LastSenderReport - b.Delay)
		if d := time.Duration(rtt) * time.Second >> 16; d >= 0 && d < time.Minute {
			l.reports.roundTrip = d
		}
	}
}

// ntp returns a wall clock time in 32.32 bit seconds since 1900 (RFC 5905 §6).
func ntp(t time.Time) uint64 {
	const to1900 = 2208988800 // seconds from 1900 to 1970
	return uint64(t.Unix()+to1900)<<32 | uint64(t.Nanosecond())<<32/1e9
}
