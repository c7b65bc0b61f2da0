package leg

import (
	"math/rand/v2"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// replayWindow is how many packets may overtake one before it is taken for a
// replay: over a second of them, as some radio links need.
const replayWindow = 64

// protection is a session's SRTP: contexts for both directions and the keys
// they were made of. It is replaced as a whole.
type protection struct {
	in, out      *srtp.Context
	theirs, ours crypto
}

// shield is what SRTP costs a leg in memory; a leg without it has none.
type shield struct {
	header rtp.Header // reused, so that parsing allocates nothing
	packet [maxProtected]byte
}

// maxProtected is more than any packet of a phone with its authentication tag.
const maxProtected = 2048

// Secure sets how the leg's media is protected from the next offer or answer on.
// Without it there is no SRTP.
func (l *Leg) Secure(policy SRTP) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keyring.policy = policy
}

// protect returns the protection that the far end's key asks for: the one in
// use as far as the keys are the same, because its packet counters must go on. mu is held.
func (l *Leg) protect(theirs *crypto) (*protection, error) {
	ours := l.keyring.ours(theirs)
	p := &protection{theirs: *theirs, ours: *ours}
	p.ours.tag, p.theirs.tag = "", ""
	var old *protection
	if l.path != nil {
		old = l.path.srtp
	}
	if old != nil && old.theirs == p.theirs {
		p.in = old.in
	}
	if old != nil && old.ours == p.ours {
		p.out = old.out
	}
	var err error
	if p.in == nil {
		if p.in, err = theirs.context(srtp.SRTPReplayProtection(replayWindow), srtp.SRTCPReplayProtection(replayWindow)); err != nil {
			return nil, err
		}
	}
	if p.out == nil {
		if p.out, err = ours.context(); err != nil {
			return nil, err
		}
	}
	if l.shield == nil {
		l.shield = new(shield)
	}
	return p, nil
}

// rekey answers an offer whose key is another than the one in use. Both sides
// have to begin their packet counters anew, and not all that exist agree when: a new
// key on a new stream leaves no doubt. mu is held.
func (l *Leg) rekey(theirs *crypto) {
	if l.path == nil || l.path.srtp == nil {
		return
	}
	was := l.path.srtp.theirs
	if was.suite == theirs.suite && was.key == theirs.key {
		return
	}
	l.keyring.forget()
	l.ssrc = rand.Uint32()
	l.out.outSeq &= firstSeq
}

// firstSeq masks the sequence numbers a stream may begin with: so that it does
// not wrap before the far end has heard of it, for it guesses the wraps (RFC 4568 §6.4).
const firstSeq = 1<<15 - 1

// unprotect returns the plain packet, which lies in the leg's own memory. mu is held.
func (l *Leg) unprotect(p *protection, packet []byte) ([]byte, bool) {
	if len(packet) < rtpHeaderSize || len(packet) > maxProtected {
		return nil, false
	}
	plain, err := p.in.DecryptRTP(l.shield.packet[:0], packet, &l.shield.header)
	return plain, err == nil
}

// protectPacket returns the packet as it travels, in the leg's own memory. mu is held.
func (l *Leg) protectPacket(p *protection, packet []byte) ([]byte, error) {
	return p.out.EncryptRTP(l.shield.packet[:0], packet, &l.shield.header)
}
