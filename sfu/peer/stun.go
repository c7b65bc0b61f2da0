package peer

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/pion/stun/v3"
)

// path is one way to a browser: a UDP address, or a TCP stream.
type path struct {
	addr   netip.AddrPort
	stream *stream // nil for UDP
}

// onSTUN answers a connectivity check (RFC 8445 §7.3) and returns the peer it was for.
// Anything but an authentic binding request of a known peer is dropped without an
// answer, so that a stranger learns nothing and nobody can be flooded through us.
func (t *Transport) onSTUN(packet []byte, from netip.AddrPort, via path) *Peer {
	request := stun.Message{Raw: packet}
	if !stun.IsMessage(packet) || request.Decode() != nil || request.Type != stun.BindingRequest {
		return nil
	}
	username, err := request.Get(stun.AttrUsername)
	if err != nil {
		return nil
	}
	// RFC 8445 §7.2.2: the username is our fragment, a colon, theirs.
	ufrag, _, ok := strings.Cut(string(username), ":")
	if !ok {
		return nil
	}
	t.mu.Lock()
	p := t.byUfrag[ufrag]
	t.mu.Unlock()
	if p == nil || p.closed.Load() {
		return nil
	}
	integrity := p.integrity(ufrag)
	if integrity == nil || integrity.Check(&request) != nil {
		return nil
	}
	response, err := stun.Build(
		stun.NewTransactionIDSetter(request.TransactionID),
		stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())},
		integrity,
		stun.Fingerprint,
	)
	if err != nil {
		return nil
	}
	p.write(via, response.Raw)
	var priority uint32
	if v, err := request.Get(stun.AttrPriority); err == nil && len(v) == 4 {
		priority = binary.BigEndian.Uint32(v)
	}
	p.onCheck(via, priority, request.Contains(stun.AttrUseCandidate))
	return p
}
