package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
	"dialroom/scripts/carrier/ua"
	"dialroom/shared/config"
)

// A desk phone registers, is rung from a room, puts it on hold and comes back,
// and calls a number outside itself. At the other end is the demo carrier's phone.
func TestBaresipIsADeskPhoneOfTheHouse(t *testing.T) {
	host := hostIP(t)
	w := newWorld(t, options{
		carrier: func(c *ua.Config) { c.UDP, c.TCP = host+":0", "" },
		settings: func(c *config.Config) {
			patient(c)
			_, port, _ := net.SplitHostPort(c.Bridge.SIP.UDP)
			c.Bridge.SIP.UDP, c.Bridge.SIP.TCP = "0.0.0.0:"+port, ""
			c.Extensions = []config.Extension{{Number: "631", Password: "four-words-or-so", Name: "front desk"}}
		},
	})
	_, port, err := net.SplitHostPort(w.stack.Config.Bridge.SIP.UDP)
	if err != nil {
		t.Fatal(err)
	}
	log := said(t)
	phone := startBaresip(t, log, "631", manner{
		user: fmt.Sprintf("631@%s:%s", host, port), codec: "G722/16000/1",
		account: ";auth_pass=four-words-or-so;regint=60;mediaenc=srtp-mand",
		config:  []string{"module g722.so", "module srtp.so"},
	})
	says := func(text string) func() bool { return func() bool { return strings.Contains(log.String(), text) } }
	eventually(t, patience, "baresip is registered", says("200 OK"))

	w.runScript("601", "first")
	w.runScript("631", "first")
	eventually(t, patience, "baresip has answered", says("Call established"))
	far := w.call("601", 0)
	atLeastOnce(t, func() []string {
		begun := phone.listened(t)
		from := len(far.Heard().PCM())
		eventually(t, patience, "both have heard four seconds", func() bool {
			return phone.listened(t) > begun+4*time.Second && len(far.Heard().PCM()) > from+4*audio.Rate
		})
		at := int(begun.Seconds() * audio.Rate)
		return append(unfollowed(t, "baresip", speech.Greeting(), phone.heard(t)[at:]),
			unfollowed(t, "the carrier's phone", speech.Greeting(), far.Heard().PCM()[from:])...)
	})
	if !says("SRTP is Enabled")() {
		t.Error("no SRTP")
	}
	silent := func() bool { return audio.Level(last(far, time.Second)) < -60 }
	phone.tell(t, "hold", "")
	eventually(t, patience, "the other phone hears nothing of the one on hold", silent)
	phone.tell(t, "resume", "")
	eventually(t, patience, "it hears it again", func() bool { return !silent() })
	phone.tell(t, "hangup", "")
	eventually(t, patience, "the sfu knows that the desk phone has hung up", func() bool {
		return strings.Contains(w.log.String(), "reason=hangup-phone")
	})

	phone.forget(t)
	phone.tell(t, "dial", fmt.Sprintf("sip:601@%s:%s", host, port))
	eventually(t, patience, "baresip hears whom it has called", func() bool { return phone.listened(t) > 4*time.Second })
	for _, problem := range unfollowed(t, "baresip", speech.Greeting(), phone.heard(t)) {
		t.Error(problem)
	}
}
