package leg

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"dialroom/shared/wire"
)

// Nowhere is a leg's other end before the sfu has said where it is: the hub
// itself, which knows no leg by these SSRCs and drops what comes.
func (h *Hub) Nowhere() wire.Leg {
	var random [8]byte
	rand.Read(random[:])
	return wire.Leg{
		Media:         h.Media().String(),
		SSRCFromPhone: binary.BigEndian.Uint32(random[:4]),
		SSRCToPhone:   binary.BigEndian.Uint32(random[4:]),
	}
}

// Attach connects a leg that was made for nowhere to the sfu.
func (l *Leg) Attach(w wire.Leg) error {
	sfu, err := netip.ParseAddrPort(w.Media)
	if err != nil || sfu.Port() == 0 {
		return fmt.Errorf("leg %s: media address of the sfu: %q is not IP:port", l.id, w.Media)
	}
	h := l.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return ErrClosed
	}
	if h.legs.get(w.SSRCToPhone) != nil {
		return errors.New("another leg has the same SSRC")
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	before := l.wire.SSRCToPhone
	l.wire, l.sfu = w, netip.AddrPortFrom(sfu.Addr().Unmap(), sfu.Port())
	l.mu.Unlock()
	h.legs.drop(before)
	h.legs.put(w.SSRCToPhone, l)
	return nil
}
