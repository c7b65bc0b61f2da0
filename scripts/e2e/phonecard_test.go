package e2e

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/ua"
	"dialroom/shared/config"
)

func TestThePhonesTileSaysWhatHappensAndTakesDigits(t *testing.T) {
	onEveryLook(t, options{}, [][]int16{nil}, func(t *testing.T, all []person) {
		u := all[0]
		before := u.carrier.Count("DIGIT")
		calls := u.carrier.Count("INVITE")
		p := u.enter("name=Ada&nocam=1&dial=605")
		card := p.in("region", "Phone call to 605")
		p.awaitState("answered")
		card.see("heading", "605")
		card.see("StaticText", "Connected")
		card.see("timer", "*")
		if live := card.see("status", "*").states["live"]; live != "polite" {
			t.Errorf("what the call does is announced %q", live)
		}
		p.accessible("a call")
		p.shoot("call")

		card.click("button", "Keypad")
		keys := p.in("group", "Telephone keys")
		keys.click("button", "4")
		keys.click("button", "*")
		p.keys("7") // typed
		eventually(t, patience, "the phone has got three digits", func() bool { return u.carrier.Count("DIGIT")-before == 3 })
		var got []string
		for _, e := range u.carrier.Events() {
			if e.Kind == "DIGIT" {
				got = append(got, e.Detail)
			}
		}
		if last := strings.Join(got[before:], ""); last != "4*7" {
			t.Errorf("the phone has got %q", last)
		}
		p.accessible("a keypad")
		p.shoot("keypad")
		p.keys(kb.Escape)
		p.gone("group", "Telephone keys")

		card.click("button", "Hang up")
		p.awaitState("ended")
		card.see("StaticText", "The call was hung up from the room.*")
		p.accessible("a call that is over")
		p.shoot("call-over")
		card.click("button", "Call again")
		p.awaitState("answered")
		if n := u.carrier.Count("INVITE") - calls; n != 2 {
			t.Errorf("%d INVITEs, want 2", n)
		}
		card.click("button", "Hang up")
		p.awaitState("ended")
		card.click("button", "Close")
		p.gone("region", "Phone call to 605")
	})
}

func TestEveryStateOfACallLooksLikeItself(t *testing.T) {
	onEveryLook(t, options{}, [][]int16{nil}, func(t *testing.T, all []person) {
		u := all[0]
		for _, tc := range []struct{ number, state, says string }{
			{"602", "ended", "The line is busy."},
			{"603", "ringing", "Ringing…"},
			{"604", "early", "The phone network is playing an announcement."},
			{"999999999999999999", "refused", "This is not a phone number."},
		} {
			p := person{u.browser, u.look, u.room + " " + tc.number}.enter("name=Ada&nocam=1&dial=" + tc.number)
			p.awaitState(tc.state)
			p.words(tc.says)
			p.accessible(tc.says)
			p.shoot("call-" + tc.state)
		}
	})
}

func TestAPhoneThatCallsInIsShownAsOneThatCalled(t *testing.T) {
	const number = "+4930123400"
	w := newWorld(t, options{settings: func(c *config.Config) {
		c.Numbers = []config.Number{{Number: number, Room: "Reception", Waiting: config.WaitingRing, Wait: 2 * time.Minute}}
		c.Trunks[0].AllowedSources = []string{"127.0.0.1/32"}
	}})
	u := person{newBrowser(w, nil), looks[1], "Reception"}
	p := u.enter("name=Ada&nocam=1")
	p.connected()
	caller, err := w.carrier.Dial(w.soon(), "udp", netip.MustParseAddrPort(w.stack.Config.Bridge.SIP.UDP), "+4989654321", number, talking)
	if err != nil {
		t.Fatal(err)
	}
	p.awaitState("answered")
	card := p.in("region", "Phone call from *4989654321*")
	card.see("StaticText", "Connected")
	p.listen("phone", 1)
	if heard := p.heard("phone0", 3*time.Second); audio.Level(heard) < -60 {
		t.Error("the caller is not heard")
	}
	p.accessible("a call from outside")
	p.shoot("call-from-outside")
	caller.Hangup()
	p.awaitState("ended")
	card.see("StaticText", "The person on the phone hung up.*")
}

func TestThePageIsHonestAboutWhoIsHeard(t *testing.T) {
	onEveryLook(t, options{}, [][]int16{nil}, func(t *testing.T, all []person) {
		u := all[0]
		other := u.enter("name=Grace&nocam=1")
		other.connected()

		p := u.enter("name=Ada&nocam=1")
		p.connected()
		p.click("button", "Mute")
		p.words("You are muted. Nobody hears what you say.")
		p.accessible("talking while muted")
		p.shoot("talking-while-muted")
		p.in("status", "*").see("StaticText", "You are muted. Nobody hears what you say.")
		p.close()

		// A microphone whose packets never leave.
		p = u.enter("name=Eve&nocam=1", `RTCRtpSender.prototype.replaceTrack = async () => {}; `)
		p.words("Nobody can hear you: no packets are arriving.*")
		p.accessible("nobody can hear")
		p.shoot("unheard")
	})
}

func TestAPhoneOfWhichNothingIsHeardIsNamed(t *testing.T) {
	// A phone that answers and sends nothing, as behind a router that lets nothing out.
	mute := func(string) ua.Script {
		return func(ctx context.Context, c *ua.Call) {
			if c.Answer() {
				<-ctx.Done()
			}
		}
	}
	w := newWorld(t, options{carrier: func(c *ua.Config) { c.Script = mute }})
	p := person{newBrowser(w, nil), looks[1], "One way"}.enter("name=Ada&nocam=1&dial=600")
	p.awaitState("answered")
	p.words("No sound comes from the phone.")
	p.accessible("a phone that is mute")
	p.shoot("one-way")
}

func TestTheFocusIsNotLostWithTheButtonThatHadIt(t *testing.T) {
	w := newWorld(t, options{})
	p := person{newBrowser(w, nil), looks[0], "Focus"}.enter("name=Ada&nocam=1&dial=600", fakeScreen)
	p.awaitState("answered")
	is := func(want string) {
		t.Helper()
		eventually(t, patience, "the focus is on "+want, func() bool { return p.focused() == want })
	}
	p.focusOn("Hang up")
	p.keys(kb.Enter)
	p.awaitState("ended")
	is("heading 600") // and not on "Call again", which a second press would dial
	p.keys(kb.Tab)
	is("button Call again")
	p.focusOn("Close")
	p.keys(kb.Enter)
	p.gone("button", "Call again")
	is("heading Focus")
	p.keys("s")
	p.words("You are sharing your screen.")
	p.focusOn("Stop sharing") // that of the notice comes first
	p.keys(kb.Enter)
	p.see("button", "Share screen")
	is("heading Focus")
}

func TestWhoSpeaksIsMarked(t *testing.T) {
	w := newWorld(t, options{})
	tone := signature{"Ada", 500}
	ada := newBrowser(w, tone.sound()).open("room.html?lang=en&room=Marks&name=Ada&nocam=1")
	ada.connected()
	p := person{newBrowser(w, make([]int16, audio.Rate)), looks[0], "Marks"}.enter("name=Grace&nocam=1")
	p.connected()
	speaks := func(name string) bool {
		return js[bool](p, `[...document.querySelectorAll("#people > li.speaking")].some((e) => e.ariaLabel.startsWith("`+name+`"))`)
	}
	eventually(t, patience, "Ada is marked", func() bool { return speaks("Ada") })
	if speaks("Grace") {
		t.Error("somebody silent is marked")
	}
	ada.click("button", "Mute")
	eventually(t, patience, "Ada is marked no more", func() bool { return !speaks("Ada") })
}

func TestEverybodysConnectionCanBeLookedAt(t *testing.T) {
	w := newWorld(t, options{})
	u := person{newBrowser(w, nil), looks[0], "Figures"}
	p := u.enter("name=Ada&nocam=1&dial=600")
	p.awaitState("answered")
	other := u.enter("name=Grace")
	other.connected()
	p.click("button", "Connection of Grace")
	for _, what := range []string{"Lost", "Jitter", "Round trip"} {
		p.words(what)
	}
	p.shoot("connection")
	p.click("button", "Full screen: Grace")
	eventually(t, patience, "Grace fills the screen", func() bool { return js[bool](p, "document.fullscreenElement !== null") })
	p.keys(kb.Escape)
	js[bool](p, "document.exitFullscreen().catch(() => {}).then(() => true)") // the browser's own Escape needs a window
	eventually(t, patience, "the room is back", func() bool { return js[bool](p, "document.fullscreenElement === null") })
	p.click("button", "Picture in picture: Grace")
	eventually(t, patience, "Grace has a window of her own", func() bool { return js[bool](p, "document.pictureInPictureElement !== null") })
	p.click("button", "Picture in picture: Grace")
	eventually(t, patience, "the window is closed", func() bool { return js[bool](p, "document.pictureInPictureElement === null") })
	p.accessible("a connection's figures")
	p.click("button", "Connection of 600")
	p.words("*of 4.5*")
	p.shoot("connection-phone")
}
