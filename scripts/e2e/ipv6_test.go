package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
	"dialroom/scripts/carrier/ua"
	"dialroom/shared/config"
)

// sixth is a world whose telephone network is on the IPv6 loopback address.
// where is what the bridge listens on.
func sixth(t *testing.T, transport, where string) *world {
	t.Helper()
	return newWorld(t, options{
		transport: transport,
		carrier:   func(c *ua.Config) { c.UDP, c.TCP = "[::1]:0", "[::1]:0" },
		settings: func(c *config.Config) {
			patient(c)
			_, port, _ := net.SplitHostPort(c.Bridge.SIP.UDP)
			c.Bridge.SIP.UDP = net.JoinHostPort(where, port)
			c.Bridge.SIP.TCP = c.Bridge.SIP.UDP
			c.Numbers = []config.Number{{Number: "+4930123400", Room: "house", Waiting: config.WaitingAnnounce, Wait: 2 * time.Minute}}
		},
	})
}

// callsTheHouse lets a phone of the carrier's call in and talk.
func (w *world) callsTheHouse(transport string) *ua.Call {
	w.Helper()
	_, port, _ := net.SplitHostPort(w.stack.Config.Bridge.SIP.UDP)
	to := netip.MustParseAddrPort(net.JoinHostPort("::1", port))
	c, err := w.carrier.Dial(w.soon(), transport, to, "+4989654321", "+4930123400", talking)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// hearsItsEcho: what the phone says comes back by way of two calls, four
// times over IPv6. An attacker's tone, if any, is not in it.
func (w *world) hearsItsEcho(c *ua.Call) {
	w.Helper()
	atLeastOnce(w, func() []string {
		from := len(c.Heard().PCM())
		eventually(w, patience, "the phone has heard its own echo for seven seconds", func() bool {
			return len(c.Heard().PCM()) > from+7*audio.Rate
		})
		pcm := c.Heard().PCM()[from:]
		if p := audio.Power(pcm, audio.Rate, 1000); p > -40 {
			return []string{fmt.Sprintf("the attacker is heard: %.0f dB at 1 kHz", p)}
		}
		return unfollowed(w, "the carrier's phone", speech.Greeting(), pcm)
	})
	if s := c.Media().Stats(); s.Strangers != 0 {
		w.Errorf("RTP came from elsewhere than the SDP said: %+v", s)
	}
}

func TestSpeechOverIPv6BothWays(t *testing.T) {
	for _, c := range []struct{ transport, where string }{{"udp", "::1"}, {"tcp", "::1"}, {"udp", "::"}} {
		t.Run(c.transport+" on "+c.where, func(t *testing.T) {
			w := sixth(t, c.transport, c.where)
			w.runScript("601", "desk")
			w.runScript("600", "desk") // echoes what the other says
			w.hearsItsEcho(w.call("601", 0))
		})
	}
}

func TestACallComesInOverIPv6(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			w := sixth(t, transport, "::1")
			c := w.callsTheHouse(transport)
			w.runScript("600", "house")
			other := w.call("600", 0)
			atLeastOnce(t, func() []string {
				inside, outside := len(other.Heard().PCM()), len(c.Heard().PCM())
				eventually(t, patience, "both have heard fourteen seconds, the pauses of the prompt included", func() bool {
					return min(len(other.Heard().PCM())-inside, len(c.Heard().PCM())-outside) > 14*audio.Rate
				})
				return append(unfollowed(t, "the phone in the room", speech.Greeting(), other.Heard().PCM()[inside:]),
					unfollowed(t, "the caller", waitPrompt(t), c.Heard().PCM()[outside:])...)
			})
			c.Hangup()
			eventually(t, patience, "the bridge knows it", func() bool { return strings.Contains(w.log.String(), "reason=hangup-phone") })
		})
	}
}

// Somebody on the same host sends a tone to every RTP port.
func TestAStrangerIsNotHeardOverIPv6(t *testing.T) {
	w := sixth(t, "udp", "::1")
	sprayer, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	var first, last uint16
	if _, err := fmt.Sscanf(w.stack.Config.Bridge.RTP.Ports, "%d-%d", &first, &last); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		noise := audio.PCMA.Encode(nil, audio.Tone(audio.Rate, 20, 0.9, 1000))
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for seq := uint16(0); ; seq++ {
			packet := append([]byte{0x80, 8, byte(seq >> 8), byte(seq), 0, 0, byte(seq * 160 >> 8), byte(seq * 160), 6, 6, 6, 6}, noise...)
			for port := first; port <= last; port++ {
				_, _ = sprayer.WriteTo(packet, &net.UDPAddr{IP: net.IPv6loopback, Port: int(port)})
			}
			select {
			case <-stop:
				return
			case <-every.C:
			}
		}
	})
	w.runScript("601", "desk")
	w.runScript("600", "desk")
	w.hearsItsEcho(w.call("601", 0))
	w.stack.Stop()
	close(stop)
	running.Wait()
	if err := sprayer.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if n, from, err := sprayer.ReadFrom(make([]byte, 2000)); err == nil {
		t.Errorf("the attacker got %d bytes from %v", n, from)
	}
	_ = sprayer.Close()
}
