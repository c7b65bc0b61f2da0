package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
	"dialroom/scripts/carrier/ua"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
)

// runScript dials from a script into a room that nobody with a browser is in.
func (w *world) runScript(number, room string) {
	w.Helper()
	if out, err := w.dialScript(w.stack.Secret(stack.ScriptKey), number, room); err != nil {
		w.Fatalf("dial.sh: %v\n%s", err, out)
	}
}

// patient lets a room wait for its first browser.
func patient(c *config.Config) { c.SFU.EmptyRoomGrace = 2 * time.Minute }

// What the demo carrier does to a call that is up, and to one that is not.
func TestACallLivesThroughWhatCarriersDoToIt(t *testing.T) {
	w := newWorld(t, options{settings: patient, carrier: func(c *ua.Config) { c.RefreshEvery = 2 * time.Second }})
	for _, number := range []string{"608", "609", "611", "612"} {
		w.runScript(number, "room "+number)
	}
	event := func(kind, number, detail string) {
		t.Helper()
		if _, err := w.carrier.Await(w.soon(), func(e ua.Event) bool {
			return e.Kind == kind && e.Number == number && strings.HasPrefix(e.Detail, detail)
		}); err != nil {
			t.Errorf("the carrier saw no %s %s for %s", kind, detail, number)
		}
	}
	event("ANSWER", "609", "")
	event("REOFFERED", "608", "sendonly 200")
	event("REOFFERED", "608", "sendrecv 200")
	eventually(t, patience, "the session is refreshed again and again", func() bool {
		refreshed := 0
		for _, e := range w.carrier.Events() {
			if e.Kind == "REOFFERED" && e.Number == "611" && e.Detail == "sendrecv 200" {
				refreshed++
			}
		}
		return refreshed >= 3
	})
	// A carrier's phone may not run up our bill by passing us on: refused, and the call is over when it hangs up.
	event("REFERRED", "612", "")
	for _, number := range []string{"608", "609", "611"} {
		c := w.call(number, 0)
		if c.Ending() != "" {
			t.Errorf("the call to %s is over: %s", number, c.Ending())
		}
		eventually(t, patience, "the phone hears the room", func() bool { return c.Media().Stats().Received > 100 })
		if s := c.Media().Stats(); s.Strangers != 0 {
			t.Errorf("%s: %+v", number, s)
		}
	}
}

func TestTheDemoCarrierSpeaksG722AndSRTP(t *testing.T) {
	w := newWorld(t, options{
		carrier: func(c *ua.Config) {
			c.SRTP = "required"
			c.Codecs = []audio.Codec{audio.G722}
			c.Script = func(number string) ua.Script {
				if number == "601" {
					return ua.Demo("601")
				}
				return ua.Demo("600")
			}
		},
		settings: func(c *config.Config) {
			patient(c)
			c.Trunks[0].SRTP = "required"
		},
	})
	w.runScript("601", "desk")
	w.runScript("602", "desk") // echoes what the other says
	c := w.call("601", 0)
	atLeastOnce(t, func() []string {
		from := len(c.Heard().PCM())
		eventually(t, patience, "the phone has heard its own echo for seven seconds", func() bool {
			return len(c.Heard().PCM()) > from+7*audio.Rate
		})
		return unfollowed(t, "the carrier's phone", speech.Greeting(), c.Heard().PCM()[from:])
	})
	if s := c.Media().Stats(); s.Forged != 0 || s.Strangers != 0 {
		t.Errorf("%+v", s)
	}
}

// Somebody sends RTP to every port the bridge may use, before, while and after
// calls are set up. The phones hear each other and nothing of it, and it never gets
// a packet back. One trunk is behind NAT, where the source of the first packets matters.
func TestSprayingAtEveryPortIsNeitherHeardNorAnswered(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) {
		patient(c)
		c.Trunks[0].NAT = true
	}})
	sprayer, err := net.ListenPacket("udp4", "127.0.0.2:0")
	if err != nil {
		t.Skip("this machine has one loopback address only: ", err)
	}
	var first, last uint16
	if _, err := fmt.Sscanf(w.stack.Config.Bridge.RTP.Ports, "%d-%d", &first, &last); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var running sync.WaitGroup
	var got atomic.Int64
	running.Go(func() {
		noise := audio.PCMA.Encode(nil, audio.Tone(audio.Rate, 20, 0.9, 1000))
		for seq := uint16(0); ; seq++ {
			packet := append([]byte{0x80, 8, byte(seq >> 8), byte(seq), 0, 0, byte(seq * 160 >> 8), byte(seq * 160), 6, 6, 6, 6}, noise...)
			for port := first; port <= last; port++ {
				_, _ = sprayer.WriteTo(packet, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	running.Go(func() {
		var b [2000]byte
		for {
			if _, _, err := sprayer.ReadFrom(b[:]); err != nil {
				return
			}
			got.Add(1)
		}
	})
	w.runScript("601", "desk")
	w.runScript("600", "desk") // echoes what the other says
	c := w.call("601", 0)
	atLeastOnce(t, func() []string {
		from := len(c.Heard().PCM())
		eventually(t, patience, "the phone has heard its own echo for seven seconds", func() bool {
			return len(c.Heard().PCM()) > from+7*audio.Rate
		})
		pcm := c.Heard().PCM()[from:]
		if p := audio.Power(pcm, audio.Rate, 1000); p > -40 {
			return []string{fmt.Sprintf("the attacker is heard: %.0f dB at 1 kHz", p)}
		}
		return unfollowed(t, "the carrier's phone", speech.Greeting(), pcm)
	})
	w.stack.Stop()
	close(stop)
	_ = sprayer.Close()
	running.Wait()
	if n := got.Load(); n != 0 {
		t.Errorf("the attacker got %d packets", n)
	}
}
