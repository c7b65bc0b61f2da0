package e2e

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// said returns the messages of a type that the page has sent so far.
func (p *tab) said(kind string) []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []map[string]any
	for _, m := range p.messages {
		_, raw, ok := strings.Cut(m, "> ")
		var fields map[string]any
		if ok && json.Unmarshal([]byte(raw), &fields) == nil && fields["type"] == kind {
			list = append(list, fields)
		}
	}
	return list
}

// pattern is a link as people write it, and what it has to mean.
type pattern struct {
	what  string
	query string // after room.html?

	room   string // "" : this pattern's own
	name   string // as the others see it; "" : the page asks
	number string // as the page sends it, "" : nobody is called
	called string // as the carrier gets it; "" : it gets nothing
	reason string // of the refusal
	trunk  string
	camera bool
}

const long = 2000

// patterns are all rows of the link reference, and what happens to links on
// their way through signatures, templates and mail programs. ROOM is replaced.
func patterns() []pattern {
	script := "<script>window.injected=1</script>"
	image := `"><img src=x onerror=window.injected=1>`
	return []pattern{
		{what: "two people, no dialling", query: "room=ROOM&name=Ada", name: "Ada", camera: true},
		{what: "click to call", query: "room=ROOM&name=Ada&dial=%2B4930123456", name: "Ada", number: "+4930123456", called: "4930123456", camera: true},
		{what: "a pinned trunk", query: "room=ROOM&name=Ada&dial=%2B4930123456&trunk=tr_demo", name: "Ada", number: "+4930123456", called: "4930123456", trunk: "tr_demo", camera: true},
		{what: "a trunk that does not exist", query: "room=ROOM&name=Ada&nocam=1&dial=600&trunk=tr_nobody", name: "Ada", number: "600", trunk: "tr_nobody", reason: "bad-trunk"},
		{what: "audio only with the name set", query: "room=ROOM&cam=off&name=Ada", name: "Ada"},
		{what: "an internal extension", query: "room=ROOM&name=Ada&nocam=1&dial=610", name: "Ada", number: "610", called: "610"},
		{what: "the whole one-shot link", query: "room=ROOM&nocam=1&name=John+Doe&dial=%2B4915112345678&trunk=tr_demo", name: "John Doe", number: "+4915112345678", called: "4915112345678", trunk: "tr_demo"},
		{what: "a plus for a space", query: "room=ROOM&nocam=1&name=John+Doe", name: "John Doe"},
		{what: "%20 for a space", query: "room=ROOM&nocam=1&name=John%20Doe", name: "John Doe"},
		{what: "%2B in a name is a plus", query: "room=ROOM&nocam=1&name=A%2BB", name: "A+B"},
		{what: "umlauts, escaped", query: "room=ROOM&nocam=1&name=J%C3%BCrgen+Gr%C3%B6%C3%9Fe", name: "Jürgen Größe"},
		{what: "umlauts, as they are", query: "room=ROOM&nocam=1&name=Jürgen", name: "Jürgen"},
		{what: "umlauts in the room", query: "room=Büro+ROOM&nocam=1&name=Ada", room: "Büro ROOM", name: "Ada"},
		{what: "a family of emoji", query: "room=ROOM&nocam=1&name=Ada+%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB", name: "Ada 👩‍💻"},
		{what: "a name from right to left", query: "room=ROOM&nocam=1&name=%D7%A2%D7%93%D7%94", name: "עדה"},
		{what: "a mark that turns the text around", query: "room=ROOM&nocam=1&name=Ada%E2%80%AEadA", name: "Ada adA"},
		{what: "line breaks and tabs", query: "room=ROOM&nocam=1&name=%0AAda%09%0D%0ALovelace%00", name: "Ada Lovelace"},
		{what: "bytes that are no text", query: "room=ROOM&nocam=1&name=Ada%FF%FE", name: "Ada\ufffd\ufffd"},
		{what: "a percent sign on its own", query: "room=ROOM&nocam=1&name=100%", name: "100%"},
		{what: "a forgotten escape of the plus", query: "room=ROOM&nocam=1&name=Ada&dial=+4930123456", name: "Ada", number: "+4930123456", called: "4930123456"},
		{what: "a forgotten escape with spaces", query: "room=ROOM&nocam=1&name=Ada&dial=+49+30+123456", name: "Ada", number: "+49 30 123456", called: "4930123456"},
		{what: "an extension behind a space", query: "room=ROOM&nocam=1&name=Ada&dial=+610", name: "Ada", number: "610", called: "610"},
		{what: "a number as on paper", query: "room=ROOM&nocam=1&name=Ada&dial=%2B49+%2830%29+12-34%2F56", name: "Ada", number: "+49 (30) 12-34/56", called: "4930123456"},
		{what: "00 for the plus", query: "room=ROOM&nocam=1&name=Ada&dial=004930123456", name: "Ada", number: "004930123456", called: "4930123456"},
		{what: "left over from HTML", query: "room=ROOM&amp;nocam=1&amp;name=John+Doe&amp;dial=600", name: "John Doe", number: "600", called: "600"},
		{what: "something that is no number", query: "room=ROOM&nocam=1&name=Ada&dial=call+me", name: "Ada", number: "call me", reason: "bad-number"},
		{what: "a SIP address for a number", query: "room=ROOM&nocam=1&name=Ada&dial=600%40example.org", name: "Ada", number: "600@example.org", reason: "bad-number"},
		{what: "two numbers in one", query: "room=ROOM&nocam=1&name=Ada&dial=%2B4930123456%2C%2B4930123457", name: "Ada", number: "+4930123456,+4930123457", reason: "bad-number"},
		{what: "script for a number", query: "room=ROOM&nocam=1&name=Ada&dial=" + url.QueryEscape(image), name: "Ada", number: image, reason: "bad-number"},
		{what: "repeated parameters: the first", query: "room=ROOM&room=other&nocam=1&name=Ada&name=Bob&dial=600&dial=601", name: "Ada", number: "600", called: "600"},
		{what: "an empty number", query: "room=ROOM&nocam=1&name=Ada&dial=", name: "Ada"},
		{what: "an empty trunk", query: "room=ROOM&nocam=1&name=Ada&dial=600&trunk=", name: "Ada", number: "600", called: "600"},
		{what: "an empty name", query: "room=ROOM&nocam=1&name=&dial=600"},
		{what: "spaces for a name", query: "room=ROOM&nocam=1&name=+%20+&dial=600"},
		{what: "no name", query: "room=ROOM&nocam=1&dial=600"},
		{what: "cam in capitals", query: "room=ROOM&name=Ada&cam=OFF", name: "Ada"},
		{what: "cam=on", query: "room=ROOM&name=Ada&cam=on", name: "Ada", camera: true},
		{what: "nocam=0", query: "room=ROOM&name=Ada&nocam=0", name: "Ada", camera: true},
		{what: "parameters nobody knows", query: "utm_source=mail&room=ROOM&nocam=1&name=Ada&fbclid=1&__proto__=1", name: "Ada"},
		{what: "script in the name", query: "room=ROOM&nocam=1&name=" + url.QueryEscape(script), name: script},
		{what: "script in the name, as it is", query: "room=ROOM&nocam=1&name=" + script, name: script},
		{what: "an image in the name", query: "room=ROOM&nocam=1&name=" + url.QueryEscape(image), name: image},
		{what: "script in the room", query: "room=ROOM" + url.QueryEscape(image) + "&nocam=1&name=Ada", room: "ROOM" + image, name: "Ada"},
		{what: "a name of 2,000 characters", query: "room=ROOM&nocam=1&name=" + strings.Repeat("n", long), name: strings.Repeat("n", 64)},
		{what: "a name of 2,000 emoji", query: "room=ROOM&nocam=1&name=" + strings.Repeat("%F0%9F%8E%B8", long), name: strings.Repeat("🎸", 64)},
		{what: "a number of 2,000 digits", query: "room=ROOM&nocam=1&name=Ada&dial=" + strings.Repeat("1", long), name: "Ada", number: strings.Repeat("1", long), reason: "bad-number"},
		{what: "a trunk of 2,000 characters", query: "room=ROOM&nocam=1&name=Ada&dial=600&trunk=" + strings.Repeat("t", long), name: "Ada", number: "600", trunk: strings.Repeat("t", long), reason: "bad-trunk"},
	}
}

func TestEveryWayToWriteALinkMeansWhatItSaysAndNothingIsInjected(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	for i, l := range patterns() {
		t.Run(l.what, func(t *testing.T) {
			in := *b
			own := *w
			own.TB, in.world = t, &own
			in.follow(l, "Pattern "+string(rune('A'+i/26))+string(rune('a'+i%26)))
		})
	}
}

// follow opens the link and looks at what came of it.
func (b *browser) follow(l pattern, room string) {
	b.Helper()
	before := b.carrier.Count("INVITE")
	if l.room == "" {
		l.room = "ROOM"
	}
	l.room = strings.ReplaceAll(l.room, "ROOM", room)
	p := b.open("room.html?" + strings.ReplaceAll(l.query, "ROOM", url.QueryEscape(room)))
	defer p.close()
	if l.name == "" {
		p.see("textbox", "Your name")
		if n := len(p.said("join")); n != 0 {
			b.Errorf("joined without a name")
		}
		if n := b.carrier.Count("INVITE") - before; n != 0 {
			b.Errorf("%d INVITEs before the name", n)
		}
		return
	}
	p.connected()
	join := p.said("join")
	if len(join) != 1 || join[0]["room"] != l.room || join[0]["name"] != l.name {
		b.Errorf("the page joins with %v, want room %q and name %q", join, l.room, l.name)
	}
	if got := js[string](p, "document.querySelector('[data-room-name]').textContent"); got != l.room {
		b.Errorf("the page calls the room %q, want %q", got, l.room)
	}
	if l.number != "" {
		b.dialled(p, l, before)
	} else if n := len(p.said("dial")); n != 0 {
		b.Errorf("the page dials %v", p.said("dial"))
	}
	if state := p.said("state"); len(state) == 0 || state[len(state)-1]["video"] != l.camera {
		b.Errorf("the page says %v, want the camera on: %v", state, l.camera)
	}
	b.clean(p)
}

func (b *browser) dialled(p *tab, l pattern, before int) {
	b.Helper()
	state := "answered"
	if l.reason != "" {
		state = "refused"
	}
	p.awaitState(state)
	if _, reason := p.state(); reason != l.reason {
		b.Errorf("refused as %q, want %q", reason, l.reason)
	}
	dials := p.said("dial")
	var trunk any
	if l.trunk != "" {
		trunk = l.trunk
	}
	if len(dials) != 1 || dials[0]["number"] != l.number || dials[0]["trunk"] != trunk {
		b.Errorf("the page dials %v, want %q by %q once", dials, l.number, l.trunk)
	}
	if n := b.carrier.Count("INVITE") - before; (n != 0) != (l.called != "") || n > 1 {
		b.Errorf("%d INVITEs", n)
	} else if l.called != "" {
		if got := strings.TrimPrefix(b.lastCalled(), "+"); got != l.called {
			b.Errorf("the carrier was called for %q, want %q", got, l.called)
		}
	}
}

// lastCalled is the number of the last INVITE.
func (w *world) lastCalled() (number string) {
	for _, e := range w.carrier.Events() {
		if e.Kind == "INVITE" {
			number = e.Number
		}
	}
	return number
}

// clean fails when a link brought anything but text onto the page.
func (b *browser) clean(p *tab) {
	b.Helper()
	if js[bool](p, "window.injected !== undefined") {
		b.Error("a script of the link ran")
	}
	if found := js[string](p, `[...document.querySelectorAll("script:not([src]), img[onerror], img[src='x'], [onclick], [onload], iframe, object, base")].map((e) => e.outerHTML).join(" ")`); found != "" {
		b.Errorf("the link put elements onto the page: %s", found)
	}
	if bad := p.trouble(); len(bad) > 0 {
		b.Errorf("the page is in trouble: %v", bad)
	}
}

func TestALinkThatCannotBeFollowedSaysSo(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	for _, query := range []string{"", "?", "?room=", "?room=+%20&dial=600&name=Ada", "?name=Ada&dial=600"} {
		p := b.open("room.html" + query)
		p.see("heading", "This link names no room")
		p.see("link", "To the start page")
		if n := len(p.said("join")); n != 0 {
			t.Errorf("%s: the page joins", query)
		}
		b.clean(p)
		if query == "" {
			p.accessible("a link without a room")
			p.shoot("link-without-room")
		}
		p.close()
	}
	p := b.open("room.html?nocam=1&name=Ada&dial=600&room=" + strings.Repeat("r", long))
	p.see("heading", "You cannot join this room")
	b.clean(p)
	p.close()

	landing := b.open("?room=somewhere&name=Ada&dial=600")
	landing.see("heading", "*")
	if n := len(landing.said("join")); n != 0 {
		t.Error("the landing page joins")
	}
	if n := w.carrier.Count("INVITE"); n != 0 {
		t.Errorf("%d INVITEs", n)
	}
}
