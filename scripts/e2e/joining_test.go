package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
)

func TestAVisitorWithoutANameIsShownWhatWillHappenAndJoins(t *testing.T) {
	onEveryLook(t, options{}, [][]int16{nil}, func(t *testing.T, all []person) {
		u := all[0]
		p := u.enter("dial=%2B4915112345183")
		p.see("heading", "Join *"+u.room+"*")
		p.words("You will call *+49 151*83*")
		p.see("combobox", "Microphone")
		p.see("combobox", "Camera")
		eventually(t, patience, "the meter shows the voice", func() bool {
			list := p.whole().all("meter", "Microphone level")
			if len(list) == 0 {
				return false
			}
			v, _ := strconv.ParseFloat(list[0].value, 64)
			return v > 0
		})
		p.click("button", "Play a sound")
		p.words("You should hear a melody now.")
		p.accessible("before joining")
		p.shoot("before-joining")
		p.click("button", "Turn camera off")
		p.see("button", "Turn camera on")
		p.fill("textbox", "Your name", "   ")
		p.click("button", "Join")
		p.words("Please say who you are*")
		if n := len(p.said("join")); n != 0 {
			t.Error("joined without a name")
		}
		if n := u.carrier.Count("INVITE"); u.look.name == looks[0].name && n != 0 {
			t.Errorf("%d INVITEs before joining", n)
		}
		name := "Grace " + u.look.name
		p.fill("textbox", "Your name", name)
		p.click("button", "Join")
		p.awaitState("answered")
		if join := p.said("join"); len(join) != 1 || join[0]["name"] != name {
			t.Errorf("the page joins with %v", join)
		}
		if got := strings.TrimPrefix(u.lastCalled(), "+"); got != "4915112345183" {
			t.Errorf("the carrier was called for %q", got)
		}
		before := u.carrier.Count("INVITE")

		p.click("button", "Leave")
		p.see("heading", "You have left the room")
		p.words("Your microphone and camera are off.")
		p.accessible("after leaving")
		p.shoot("left")
		p.click("button", "Rejoin")
		p.connected()
		p.see("button", "Leave")
		if n := u.carrier.Count("INVITE") - before; n != 0 {
			t.Errorf("coming back rang %d times", n)
		}

		again := u.enter("")
		if got := again.see("textbox", "Your name").value; got != name {
			t.Errorf("the page remembers %q, want %q", got, name)
		}
		again.words("Everybody with this link meets in this room.")
	})
}

// broken makes a browser in which something is missing.
func deviceError(name string) string {
	return `navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("", "` + name + `"); };`
}

func TestWhatStandsInTheWayIsSaidInAPlainSentence(t *testing.T) {
	insecure := `Object.defineProperty(window, "isSecureContext", {value: false}); Object.defineProperty(Navigator.prototype, "mediaDevices", {get: () => undefined});`
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	for i, tc := range []struct {
		name, script, says string
		listens            bool
	}{
		{"the visitor said no", deviceError("NotAllowedError"), "The browser does not allow this page to use the microphone.*", true},
		{"there is no microphone", deviceError("NotFoundError"), "No microphone was found.*", true},
		{"another program has it", deviceError("NotReadableError"), "Another program seems to be using the microphone.*", true},
		{"there is no https", insecure, "This page was not opened over https*", true},
		{"the browser is too old", "delete window.RTCPeerConnection;", "This browser cannot make calls", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := person{b.on(t), looks[i%2], "Obstacle " + strconv.Itoa(i)}
			p := u.openOn(u.look.screen, u.look.scheme, "room.html?lang=en&nocam=1&dial=600&name=Ada&room="+strings.ReplaceAll(u.room, " ", "+"), tc.script)
			defer p.close()
			p.words(tc.says)
			if tc.listens {
				p.connected()
				p.words("*You can listen, but nobody hears you.*")
				p.see("button", "Call 600")
			}
			if n := w.carrier.Count("INVITE"); n != 0 {
				t.Errorf("%d INVITEs", n)
			}
			p.accessible(tc.name)
			p.shoot("obstacle-" + strings.ReplaceAll(tc.name, " ", "-"))
		})
	}
}

func TestWhoSaidNoAtFirstTriesAgainWithKeysAlone(t *testing.T) {
	const atFirst = `{const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices); let asked = 0;
		navigator.mediaDevices.getUserMedia = async (wanted) => { if (asked++ < 2) throw new DOMException("", "NotAllowedError"); return real(wanted); };}`
	w := newWorld(t, options{})
	p := person{newBrowser(w, nil), looks[0], "Second thoughts"}.enter("nocam=1", atFirst)
	p.words("The browser does not allow this page to use the microphone.*")
	for range 2 { // a "no", then a yes
		p.focusOn("Try again")
		p.keys(kb.Enter)
	}
	p.gone("button", "Try again")
	eventually(t, patience, "the focus is where one goes on", func() bool { return p.focused() == "textbox Your name" })
	p.keys("Ada" + kb.Enter)
	p.connected()
	p.see("button", "Mute")
}

func TestAServerThatIsGoneForAWhileIsNamedAndTheCallIsNotPlacedTwice(t *testing.T) {
	w := newWorld(t, options{})
	u := person{newBrowser(w, nil), looks[1], "Outage"}
	p := u.openOn(u.look.screen, u.look.scheme, "room.html?lang=en&nocam=1&dial=600&name=Ada&room=Outage", instrument)
	p.awaitState("answered")
	w.stack.SFU.Kill()
	p.words("*econnect*")
	p.shoot("reconnecting")
	w.restartSFU()
	p.connected()
	eventually(t, patience, "the notice is gone", func() bool {
		return !strings.Contains(js[string](p, "document.querySelector('#notices').textContent"), "econnect")
	})
	if n := len(p.said("dial")); n != 1 {
		t.Errorf("the page dialled %d times", n)
	}
}

func TestWhereTheBrowserHoldsSoundBackOneTapLetsItOut(t *testing.T) {
	w := newWorld(t, options{})
	speaker := newBrowser(w, nil).open("room.html?room=Shy&name=Ada&nocam=1")
	speaker.connected()
	p := newSilentBrowser(w).openOn(screens[1], "light", "room.html?lang=en&room=Shy&name=Grace&nocam=1", instrument)
	p.connected()
	p.see("button", "Tap to hear")
	p.accessible("sound held back")
	p.shoot("tap-to-hear")
	p.click("button", "Tap to hear")
	p.gone("button", "Tap to hear")
	p.listen("voice", 1)
	if heard := p.heard("voice0", 1e9); len(heard) == 0 {
		t.Error("nothing is heard")
	}
}
