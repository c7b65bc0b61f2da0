package call

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

const phoneKey = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n"

func TestATrunkThatRequiresSRTPHasNoCallWithoutIt(t *testing.T) {
	for _, c := range []struct {
		policy, offered string
		answer          string
		up              bool
	}{
		{"off", "RTP/AVP", sdp(4000, "sendrecv"), true},
		{"optional", "RTP/AVP", sdp(4000, "sendrecv"), true},
		{"optional", "RTP/AVP", sdp(4000, "sendrecv") + phoneKey, true},
		{"required", "RTP/SAVP", strings.Replace(sdp(4000, "sendrecv"), "RTP/AVP", "RTP/SAVP", 1) + phoneKey, true},
		{"required", "RTP/SAVP", sdp(4000, "sendrecv"), false},
	} {
		far := newCarrier(t, "udp")
		b := newBridge(t)
		b.place("c_1", far, func(tr *trunk.Trunk) { tr.SRTP = c.policy })
		d := far.invited()
		offer := string(d.invite.Body())
		if !strings.Contains(offer, " "+c.offered+" ") || strings.Contains(offer, "a=crypto:") != (c.policy != "off") {
			t.Errorf("%s:\n%s", c.policy, offer)
		}
		d.say(200, "one", c.answer)
		far.request(sip.ACK)
		if c.up {
			b.event(wire.Answered)
			continue
		}
		b.ended(wire.TrunkFailed)
		bye, reply := far.request(sip.BYE)
		reply(respond(bye, 200, "", ""))
		b.over()
	}
}

// The answer names an address that nothing can be sent to; the phone's RTP
// comes from where its SIP comes from.
func TestATrunkBehindNATIsHeardFromTheHostOfItsSIP(t *testing.T) {
	for _, nat := range []bool{false, true} {
		far := newCarrier(t, "udp")
		b := newBridge(t)
		b.place("c_1", far, func(tr *trunk.Trunk) { tr.NAT = nat })
		d := far.invited()
		port := 0
		for line := range strings.Lines(string(d.invite.Body())) {
			if f := strings.Fields(line); strings.HasPrefix(line, "m=audio") {
				for _, digit := range f[1] {
					port = 10*port + int(digit-'0')
				}
			}
		}
		d.say(200, "one", strings.ReplaceAll(sdp(4000, "sendrecv"), "IN IP4 127.0.0.1", "IN IP4 192.0.2.99"))
		far.request(sip.ACK)
		b.event(wire.Answered)

		phone, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(port))))
		if err != nil {
			t.Fatal(err)
		}
		heard := false
		for seq := byte(0); seq < 50 && !heard; seq++ {
			packet := append([]byte{0x80, 8, 0, seq, 0, 0, 0, seq * 160, 0, 0, 0, 1}, make([]byte, 160)...)
			if _, err := phone.Write(packet); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(20 * time.Millisecond); !heard && time.Now().Before(deadline); {
				heard = b.mediaOf("c_1").Forwarded > 0
			}
			if !nat && seq == 10 {
				break
			}
		}
		if heard != nat {
			t.Errorf("NAT %v: heard %v", nat, heard)
		}
		_ = phone.Close()
	}
}

// mediaOf returns the counters of a call's media.
func (b *bridge) mediaOf(id string) leg.Stats {
	b.t.Helper()
	call, _ := b.agent.find(id)
	if call == nil {
		b.t.Fatalf("no call %s", id)
	}
	return call.media.Stats()
}

// A phone whose owner has made SRTP its duty takes no offer in the plain
// profile, even with keys in it.
func TestAPhoneThatRequiresSRTPIsOfferedItOnceMoreInItsOwnProfile(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far, func(tr *trunk.Trunk) { tr.SRTP = "optional" })
		d := far.invited()
		d.say(488, "x", "")
		far.request(sip.ACK)
		again := far.invited()
		if offer := string(again.invite.Body()); !strings.Contains(offer, " RTP/SAVP ") || !strings.Contains(offer, "a=crypto:1 ") {
			t.Errorf("offered again:\n%s", offer)
		}
		if again.invite.CSeq().SeqNo <= d.invite.CSeq().SeqNo || again.invite.CallID().Value() != d.invite.CallID().Value() {
			t.Error("not the same call once more")
		}
		again.say(488, "y", "")
		far.request(sip.ACK)
		b.event(wire.Ended) // twice is enough
		b.over()
	})
}
