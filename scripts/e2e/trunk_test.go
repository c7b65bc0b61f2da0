package e2e

import (
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
	"dialroom/scripts/carrier/ua"
	"dialroom/shared/config"
)

func TestATrunkOverTCPCallsAndHangsUp(t *testing.T) {
	for _, side := range []string{"page", "phone"} {
		t.Run("the "+side+" hangs up", func(t *testing.T) {
			w := newWorld(t, options{
				transport: "tcp",
				settings:  func(c *config.Config) { c.Bridge.SIP.UDP = "" },
			})
			p := newBrowser(w, nil).open(link(t, "dial=600"))
			p.awaitState("answered")
			if side == "page" {
				p.press("Hang up")
				w.event(time.Second, "BYE", "600")
			} else {
				w.call("600", 0).Hangup()
			}
			p.awaitStateIn(time.Second, "ended")
		})
	}
}

func TestACarrierThatSpeaksOnlyPCMUIsUnderstood(t *testing.T) {
	w := newWorld(t, options{carrier: func(c *ua.Config) { c.Codecs = []audio.Codec{audio.PCMU} }})
	p := newBrowser(w, nil).open(link(t, "dial=600"))
	n := 0
	atLeastOnce(t, func() []string {
		if n > 0 {
			p.press("Call again")
		}
		p.awaitState("answered")
		c := w.call("600", n)
		n++
		eventually(t, patience, "the phone has heard five seconds of sound", func() bool {
			return c.Media().Stats().Received > 300
		})
		p.press("Hang up")
		p.awaitState("ended")
		rec := c.Heard()
		problems := unclean(rec)
		rec.Packets = spoken(rec)
		return append(problems, unlike(t, "phone", speech.Greeting(), rec.PCM())...)
	})
}

func TestAMutedBrowserIsSilenceToThePhoneNotNothing(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, signatures[0].sound()).open(link(t, "dial=600"))
	p.awaitState("answered")
	c := w.call("600", 0)
	eventually(t, patience, "the phone hears the browser", func() bool {
		return loudness(last(c, time.Second), signatures[0]) > -30
	})
	p.press("Mute")
	eventually(t, patience, "the phone hears silence", func() bool { return audio.Level(last(c, time.Second)) < -60 })
	before := c.Media().Stats().Received
	start := time.Now()
	eventually(t, patience, "two seconds more of packets", func() bool { return c.Media().Stats().Received >= before+100 })
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("a hundred packets of silence took %v, want two seconds", took)
	}
	p.press("Unmute")
	eventually(t, patience, "the phone hears the browser again", func() bool {
		return loudness(last(c, time.Second), signatures[0]) > -30
	})
}
