package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"dialroom/shared/config"
)

func TestTwoPeopleTalkWriteInviteAndShare(t *testing.T) {
	onEveryLook(t, options{}, [][]int16{nil, nil}, func(t *testing.T, all []person) {
		ada, grace := all[0], all[1]
		a := ada.enter("name=Ada", clipboard)
		a.connected()
		g := grace.enter("name=Grace&nocam=1")
		g.connected()
		a.words("2 in the room")
		a.see("listitem", "Grace*")
		a.see("listitem", "Ada (you)*")

		// The chat: what is written is there, unread where nobody looks, and is text.
		g.tool("Chat")
		g.fill("textbox", "Message", "Hello <b>Ada</b>, see https://example.org/?a=1")
		g.click("button", "Send")
		g.in("log", "Conversation").see("link", "https://example.org/?a=1")
		a.unread("Chat, 1 unread")
		a.in("log", "Conversation").see("StaticText", "Hello <b>Ada</b>, see *")
		a.accessible("chat")
		a.shoot("chat")
		a.fill("textbox", "Message", "Welcome 👋")
		a.keys(kb.Enter)
		g.in("log", "Conversation").see("StaticText", "Welcome 👋")
		g.click("button", "Close")
		g.gone("log", "Conversation")
		a.click("button", "Close")

		// Who is here.
		a.tool("People")
		a.in("list", "People in the room").see("StaticText", "Grace")
		a.accessible("people")
		a.shoot("people")
		a.click("button", "Close")

		// The invitation holds nothing but the room.
		a.tool("Invite")
		a.see("image", "QR code of the link to this room")
		want := ada.stack.URL + "/room.html?room=" + strings.ReplaceAll(ada.room, " ", "%20")
		if got := a.see("textbox", "Link to this room").value; got != want {
			t.Errorf("the invitation is %q, want %q", got, want)
		}
		a.click("button", "Copy link")
		a.words("Copied")
		if got := js[string](a, "window.e2eCopied ?? ''"); got != want {
			t.Errorf("%q was copied, want %q", got, want)
		}
		if !js[bool](a, `document.querySelector("img.qr").naturalWidth > 0`) {
			t.Error("the QR code is no picture")
		}
		a.accessible("invitation")
		a.shoot("invitation")
		a.click("button", "Close")

		// Muting is seen on the other side; so is a camera that goes off.
		a.click("button", "Mute")
		a.see("button", "Unmute")
		g.in("listitem", "Ada*").see("image", "muted")
		a.click("button", "Unmute")
		a.see("button", "Mute")
		eventually(t, patience, "Grace sees Ada", func() bool { s := g.stats("camera"); return len(s) == 1 && s[0].Frames > 5 })
		a.click("button", "Turn camera off")
		a.see("button", "Turn camera on")
		eventually(t, patience, "Ada's camera is gone", func() bool { return len(g.stats("camera")) == 0 })

		// A tile may be pinned; on a phone, where the own picture floats, only among three.
		if !grace.look.mobile {
			g.click("button", "Pin Ada")
			g.seeWhere("button", "Pin Ada", "pressed", "true")
			g.shoot("pinned")
			g.click("button", "Pin Ada")
			g.seeWhere("button", "Pin Ada", "pressed", "false")
		}

		// Leaving is heard of.
		g.click("button", "Leave")
		a.gone("listitem", "Grace*")
		a.words("Only you")
	})
}

// clipboard keeps what is copied, where a browser without a window cannot.
const clipboard = `Object.defineProperty(navigator.clipboard, "writeText", {value: async (text) => { window.e2eCopied = text; }});`

// unread opens the chat by a button that says so, which on a phone may be in the menu.
func (p *tab) unread(name string) {
	p.Helper()
	p.whole().await("button", name, func() bool {
		return js[bool](p, `[...document.querySelectorAll("[data-item='chat']")].some((e) => e.ariaLabel === "`+name+`")`)
	})
	p.tool(name)
}

func TestAScreenIsSharedAndSeen(t *testing.T) {
	w := newWorld(t, options{})
	u := person{newBrowser(w, nil), looks[0], "Slides"}
	p := u.enter("name=Ada&nocam=1", fakeScreen)
	p.connected()
	other := u.enter("name=Grace&nocam=1")
	other.connected()
	p.click("button", "Share screen")
	p.words("You are sharing your screen.")
	eventually(t, patience, "the screen is seen", func() bool { s := other.stats("screen"); return len(s) == 1 && s[0].Frames > 3 })
	eventually(t, patience, "its sound is heard", func() bool { s := other.stats("screen-audio"); return len(s) == 1 && s[0].Packets > 20 })
	other.see("listitem", "Ada’s screen*")
	other.accessible("a screen is shared")
	other.shoot("screen-shared")
	p.shoot("screen-sharing")
	p.in("contentinfo", "").click("button", "Stop sharing")
	other.gone("listitem", "Ada’s screen*")
}

func TestATabNobodyLooksAtGetsNoPicturesAndHearsOn(t *testing.T) {
	w := newWorld(t, options{})
	u := person{newBrowser(w, nil), looks[0], "Tabs"}
	other := u.enter("name=Ada", fakeScreen)
	other.connected()
	other.click("button", "Share screen")
	p := u.enter("name=Grace&nocam=1")
	p.connected()
	seen := func() bool { return len(p.stats("camera")) == 1 && len(p.stats("screen")) == 1 }
	eventually(t, patience, "Grace sees Ada and her screen", seen)
	for range 2 {
		p.looked(false)
		eventually(t, patience, "no pictures come", func() bool { return len(p.stats("camera")) == 0 && len(p.stats("screen")) == 0 })
		before := [2]int{p.stats("voice")[0].Packets, p.stats("screen-audio")[0].Packets}
		eventually(t, patience, "Ada and what her screen sounds like are heard all the same", func() bool {
			return p.stats("voice")[0].Packets > before[0]+50 && p.stats("screen-audio")[0].Packets > before[1]+50
		})
		p.looked(true)
		eventually(t, patience, "the pictures are back", seen)
	}
}

// looked makes the tab the one that is looked at, or one that is not: without a window all are.
func (p *tab) looked(at bool) {
	p.Helper()
	js[bool](p, fmt.Sprintf(`Object.defineProperty(document, "hidden", {configurable: true, value: %t}); document.dispatchEvent(new Event("visibilitychange"))`, !at))
}

// fakeScreen is a screen that moves and hums: a browser without a window has none.
const fakeScreen = `navigator.mediaDevices.getDisplayMedia = async () => {
	const canvas = document.createElement("canvas");
	[canvas.width, canvas.height] = [1280, 720];
	const pen = canvas.getContext("2d");
	let n = 0;
	setInterval(() => { pen.fillStyle = "#234"; pen.fillRect(0, 0, 1280, 720); pen.fillStyle = "#fff"; pen.font = "80px sans-serif"; pen.fillText("Slide " + n++, 100, 200); }, 50);
	const sound = new AudioContext(), hum = sound.createOscillator(), out = sound.createMediaStreamDestination();
	hum.connect(out); hum.start();
	return new MediaStream([...canvas.captureStream(20).getTracks(), ...out.stream.getTracks()]);
};`

func TestTheRoomIsUsedByKeysAlone(t *testing.T) {
	w := newWorld(t, options{})
	u := person{newBrowser(w, nil), looks[0], "Keys"}
	p := u.enter("nocam=1")
	p.see("textbox", "Your name")
	if got := p.focused(); got != "textbox Your name" {
		t.Errorf("the focus is on %q, want the name", got)
	}
	p.keys("Ada" + kb.Enter)
	p.connected()
	p.see("button", "Mute")

	p.keys("m")
	p.see("button", "Unmute")
	// While muted the space bar is a talk button.
	p.do(keyDown(" "))
	p.see("button", "Mute")
	p.do(keyUp(" "))
	p.see("button", "Unmute")
	p.keys("m")
	p.see("button", "Mute")

	p.keys("?")
	p.in("dialog", "Keyboard shortcuts").see("button", "Close")
	p.accessible("keyboard shortcuts")
	p.shoot("shortcuts")
	p.keys(kb.Escape)
	p.gone("dialog", "Keyboard shortcuts")

	// Every button can be reached with Tab, and is seen to have the focus.
	var seen []string
	for range 40 {
		p.keys(kb.Tab)
		name := p.focused()
		if len(seen) > 0 && name == seen[0] {
			break
		}
		seen = append(seen, name)
		if name != "" && !js[bool](p, focusSeen) {
			t.Errorf("the focus on %q cannot be seen", name)
		}
	}
	for _, name := range []string{"Mute", "Turn camera on", "Share screen", "Chat", "People", "Invite", "More", "Leave"} {
		if !strings.Contains(strings.Join(seen, "|"), "button "+name) {
			t.Errorf("Tab does not reach %q, only %q", name, seen)
		}
	}

	// A panel takes the focus, and gives it back.
	p.focusOn("Chat")
	p.keys(kb.Enter)
	p.see("textbox", "Message")
	eventually(t, patience, "the focus is in the chat", func() bool { return p.focused() == "textbox Message" })
	p.keys("m is no shortcut here")
	p.see("button", "Mute")
	p.keys(kb.Escape)
	p.gone("textbox", "Message")
	eventually(t, patience, "the focus is back", func() bool { return p.focused() == "button Chat" })

	p.focusOn("Leave")
	p.keys(kb.Enter)
	p.see("heading", "You have left the room")
}

// focusSeen compares how the focused element looks with and without the focus.
const focusSeen = `(() => { const e = document.activeElement, s = getComputedStyle(e);
	return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== "none"; })()`

// focusOn moves the focus to a button with Tab.
func (p *tab) focusOn(name string) {
	p.Helper()
	for range 60 {
		if p.focused() == "button "+name {
			return
		}
		p.keys(kb.Tab)
	}
	p.Fatalf("Tab does not reach %q", name)
}

func TestDevicesAreChosenDuringTheCall(t *testing.T) {
	onEveryLook(t, options{}, [][]int16{nil}, func(t *testing.T, all []person) {
		p := all[0].enter("name=Ada")
		p.connected()
		p.click("button", "More")
		p.in("menu", "More").click("menuitem", "Microphone, camera and speaker")
		box := p.in("dialog", "Microphone, camera and speaker")
		box.see("combobox", "Microphone")
		box.see("combobox", "Speaker")
		box.see("meter", "Microphone level")
		p.accessible("devices")
		p.shoot("devices")
		box.choose("Microphone", "Fake Audio Input 1")
		eventually(t, patience, "the other microphone is used", func() bool {
			return box.see("combobox", "Microphone").value == "Fake Audio Input 1"
		})
		box.choose("Speaker", "Fake Audio Output 1")
		box.click("button", "Play a sound")
		p.words("You should hear a melody now.")
		box.click("button", "Close")
		p.gone("dialog", "Microphone, camera and speaker")
		p.connected()
	})
}

func TestAnotherPhoneIsAddedFromThePageWhereThatIsAllowed(t *testing.T) {
	onEveryLook(t, options{settings: func(c *config.Config) { c.SFU.AddPhone = true }}, [][]int16{nil}, func(t *testing.T, all []person) {
		u := all[0]
		before := u.carrier.Count("INVITE")
		p := u.enter("name=Ada&nocam=1&dial=600")
		p.awaitState("answered")
		p.tool("Add a phone")
		box := p.in("dialog", "Add a phone")
		box.fill("textbox", "Phone number or extension", "not a number")
		box.click("button", "Call")
		p.words("This does not look like a phone number.")
		p.accessible("add a phone")
		p.shoot("add-a-phone")
		box.fill("textbox", "Phone number or extension", "+49 30 765432")
		box.click("button", "Call")
		p.gone("dialog", "Add a phone")
		eventually(t, patience, "two phones", func() bool {
			return js[int](p, `document.querySelectorAll('[data-testid="call-state"][data-state="answered"]').length`) == 2
		})
		if got := strings.TrimPrefix(u.lastCalled(), "+"); got != "4930765432" || u.carrier.Count("INVITE")-before != 2 {
			t.Errorf("%d INVITEs, the last to %q", u.carrier.Count("INVITE")-before, got)
		}
		p.accessible("two phones")
		p.shoot("two-phones")
	})
}

func TestWhereItIsNotAllowedThePageOffersNoOtherPhone(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) { c.SFU.AddPhone = false }})
	p := person{newBrowser(w, nil), looks[0], "Closed"}.enter("name=Ada&nocam=1")
	p.connected()
	p.see("button", "Leave")
	p.click("button", "More")
	p.see("menuitem", "Keyboard shortcuts")
	if p.has("menuitem", "Add a phone") || p.has("button", "Add a phone") {
		t.Error("the page offers to add a phone")
	}
}
