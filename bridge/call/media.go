package call

import (
	"net/netip"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// equip tells a leg how media travels on a trunk.
func equip(media *leg.Leg, t *trunk.Trunk) { media.Secure(leg.ParseSRTP(t.SRTP)) }

// locate tells a leg, before it takes the SDP of a message, where that came
// from: a phone behind NAT does not know its own address.
func locate(media *leg.Leg, t *trunk.Trunk, source string) {
	if !t.NAT {
		return
	}
	if at, err := netip.ParseAddrPort(source); err == nil {
		media.BehindNAT(at.Addr())
	}
}

// insist offers SRTP in the secure profile to a phone that has refused the
// offer which would have left it the choice: phones that require SRTP know no
// other. It is false when there is nothing to insist on, or it was done.
func (c *Call) insist() bool {
	if c.insisted || c.Snapshot().State == wire.Early {
		return false
	}
	body, ok := c.media.Insist(c.trunk.Codecs)
	if !ok {
		return false
	}
	c.insisted = true
	c.invite = c.invite.Clone()
	c.invite.SetBody(body)
	return true
}

// Quality returns how the media of a call does, and false for a call without any.
func (a *Agent) Quality(id string) (wire.Quality, bool) {
	if g := a.groupOf(id); g != nil {
		return g.media.Quality()
	}
	call, _ := a.find(id)
	if call == nil {
		return wire.Quality{}, false
	}
	return call.media.Quality()
}
