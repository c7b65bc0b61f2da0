package call

import (
	"net"
	"strings"
	"testing"

	"dialroom/shared/wire"
)

// digit waits for keys to be reported.
func (b *bridge) digit(want string) {
	b.t.Helper()
	if ev := b.event(wire.Answered); ev.Digits != want || ev.Seq < 2 {
		b.t.Errorf("reported %+v, want %s", ev, want)
	}
}

func TestKeysPressedAtThePhoneAreReported(t *testing.T) {
	t.Run("as telephone events, once each", func(t *testing.T) {
		far := newCarrier(t, udp)
		b := newBridge(t)
		b.place("c_1", far)
		d := far.invited()
		phone, answer := phoneAt(t, far.addr.Addr())
		d.say(200, "one", answer)
		far.request("ACK")
		b.event(wire.Answered)
		to := net.UDPAddrFromAddrPort(saidIn(t, string(d.invite.Body())))
		for press, event := range []byte{5, 11} { // RFC 4733 §3.2: 11 is #
			for step := range 6 {
				end := byte(0)
				if step > 2 {
					end = 0x80
				}
				packet := []byte{0x80, 101, 0, byte(10*press + step), 0, 0, byte(press + 1), 0, 0, 0, 0, 1, event, end | 10, 0, byte(step + 1)}
				if _, err := phone.WriteToUDP(packet, to); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.digit("5")
		b.digit("#")
		select {
		case ev := <-b.events:
			t.Errorf("and reported %+v", ev)
		default:
		}
	})
	t.Run("by INFO, of a caller", func(t *testing.T) {
		far := newCarrier(t, udp)
		b, _ := reception(t, func(d *desk) { d.present = true })
		c := calls(b, far, sdp(4000, "sendrecv"))
		c.hears(200)
		b.event(wire.Answered)
		c.ack("")
		c.press("4#")
		b.digit("4")
		b.digit("#")
		c.hangsUp()
	})
}

func TestAPINIsNotShownToTheRoom(t *testing.T) {
	b, _, c := behindPIN(t, Line{Room: "board", PIN: "4711"})
	c.press("4711")
	if ev := b.event(wire.Answered); ev.Digits != "" {
		t.Errorf("reported %+v", ev)
	}
	c.press("8")
	b.digit("8")
	c.hangsUp()
}

func TestAnExtensionsKeysAreThoseOfTheDeviceThatAnswered(t *testing.T) {
	one, two := newCarrier(t, udp), newCarrier(t, udp)
	b := newBridge(t)
	b.ring(one, two)
	one.invited()
	second := two.invited()
	second.say(200, "b", sdp(4000, "sendrecv"))
	two.request("ACK")
	b.event(wire.Answered)
	raw := second.compose("INFO", "b", "Signal=7\r\nDuration=160\r\n", 101, "z9hG4bKinfo")
	second.reply([]byte(strings.Replace(string(raw), "application/sdp", "application/dtmf-relay", 1)))
	two.response(200)
	b.digit("7")
}
