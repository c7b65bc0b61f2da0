package leg

import (
	"net/netip"
	"time"
)

// A phone behind NAT says an address in its SDP that packets cannot reach, and
// sends from another. For such a leg, and no other, the source of its first packets is
// taken for its address: once, before anything else was heard, and only if it is a host
// that had a hand in the signalling. After that the leg is as strict as any other,
// until an SDP names another address.
//
// That an attacker sprays packets at every port does not help him: his host is
// not one of the two, and packets of the right phone are not displaced by any number of his.

const (
	// latchPackets is how many packets in a row a source must send to be believed:
	// a few stray ones of an earlier call are not the phone.
	latchPackets = 3
	// latchWithin is how long they may take: a phone sends every 10 to 60 ms.
	latchWithin = 500 * time.Millisecond
	// silentFor is how long a source that was latched on must have been silent for
	// a re-INVITE to let go of it: its NAT has given it another port.
	silentFor = 2 * time.Second
)

// latch is the source policy of a leg behind NAT. The zero value is that of all others.
type latch struct {
	host  netip.Addr // where the signalling came from; the zero value: no latching
	open  bool       // no source was latched on yet
	at    netip.AddrPort
	rtcp  netip.AddrPort
	tried [4]attempt // sources on their way to be believed; the oldest is replaced
}

// attempt is a source that is not believed yet.
type attempt struct {
	from  netip.AddrPort
	ssrc  uint32
	seq   uint16
	count int
	first time.Time
}

// BehindNAT says that the phone may be behind NAT and its signalling came from
// host: its RTP may come from any port there, or of the host its SDP names,
// until the first packets have shown which. Call it before Answer or Accept.
func (l *Leg) BehindNAT(host netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latch.host = host.Unmap()
	if l.path == nil || !l.latch.at.IsValid() {
		l.latch.open = host.IsValid()
	}
}

// follow prepares for an SDP that names remote; before is what the last one named.
func (t *latch) follow(before, remote netip.AddrPort, silent bool) {
	if !t.host.IsValid() || !remote.IsValid() {
		return
	}
	if before != remote || silent {
		*t = latch{host: t.host, open: true}
	}
}

// remote returns where the phone's RTP comes from and goes to.
func (l *Leg) remote() netip.AddrPort {
	if l.latch.at.IsValid() {
		return l.latch.at
	}
	return l.path.Remote
}

// remoteRTCP returns the same for its reports.
func (l *Leg) remoteRTCP() netip.AddrPort {
	switch {
	case l.latch.rtcp.IsValid():
		return l.latch.rtcp
	case l.latch.at.IsValid() && l.latch.at != l.path.Remote:
		// Its NAT most likely keeps neighbours together.
		return netip.AddrPortFrom(l.latch.at.Addr(), l.latch.at.Port()+1)
	}
	return l.path.RTCP
}

// mayBe reports whether a packet from there could be the phone's although it
// is not from where it should be.
func (l *Leg) mayBe(from netip.AddrPort) bool {
	return l.latch.open && (from.Addr() == l.latch.host || from.Addr() == l.path.Remote.Addr())
}

// believe takes a well-formed packet of a negotiated payload type from a source
// that is not latched on, and reports whether it is now; sure says that the packet
// has proved whose it is. mu is held.
func (t *latch) believe(h rtpHeader, from netip.AddrPort, now time.Time, sure bool) bool {
	a := t.find(from)
	if a.count > 0 && (a.ssrc != h.ssrc || h.seq != a.seq+1 || now.Sub(a.first) > latchWithin) {
		a.count = 0
	}
	if a.count == 0 {
		a.from, a.ssrc, a.first = from, h.ssrc, now
	}
	a.seq = h.seq
	if a.count++; a.count < latchPackets && !sure {
		return false
	}
	t.settle(from)
	return true
}

// settle makes from the phone's address for good.
func (t *latch) settle(from netip.AddrPort) {
	t.open, t.at = false, from
}

// find returns the attempt of a source, or the place for it.
func (t *latch) find(from netip.AddrPort) *attempt {
	oldest := &t.tried[0]
	for i := range t.tried {
		a := &t.tried[i]
		if a.from == from {
			return a
		}
		if a.first.Before(oldest.first) {
			oldest = a
		}
	}
	*oldest = attempt{}
	return oldest
}
