package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"dialroom/scripts/carrier/audio"
	"dialroom/shared/config"
)

// piece is the text of one of the ready pieces.
func (p *tab) piece(id string) string {
	p.Helper()
	return js[string](p, `document.querySelector("[data-piece='`+id+`'] code").textContent`)
}

// made is the finished link of the form.
func (p *tab) made() *url.URL {
	p.Helper()
	u, err := url.Parse(js[string](p, `document.getElementById("url").textContent`))
	if err != nil {
		p.Fatal(err)
	}
	return u
}

func TestALinkIsMadeByFillingInAFormAndItsButtonsWork(t *testing.T) {
	onEveryLook(t, options{}, [][]int16{nil}, func(t *testing.T, all []person) {
		u := all[0]
		p := u.openOn(u.look.screen, u.look.scheme, "links.html?lang=en", clipboard+instrument)
		p.see("heading", "Make a link")

		p.fill("textbox", "Number to call", "030 123456")
		p.click("textbox", "Name of the visitor")
		p.words("*with its country code*")
		p.fill("textbox", "Number to call", "+49 (30) 123-456")
		p.words("Will be dialled as *+4930123456*")
		p.fill("textbox", "Room", "Tea & Söhne")
		p.words("This name can be guessed*")
		p.fill("textbox", "Name of the visitor", "Jürgen Größe")
		p.words("*is called *Jürgen Größe*")
		eventually(t, patience, "the link is there", func() bool { return strings.Contains(p.made().RawQuery, "J%C3%BCrgen") })
		link := p.made()
		if !strings.Contains(link.RawQuery, "dial=%2B4930123456") {
			t.Errorf("the number's plus is not written so that it survives: %s", link)
		}
		if q := link.Query(); q.Get("dial") != "+4930123456" || q.Get("room") != "Tea & Söhne" || q.Get("name") != "Jürgen Größe" || link.Path != "/room.html" {
			t.Errorf("the form makes %s", link)
		}
		p.words("Calls *+4930123456* as soon as*")
		p.see("image", "QR code of the link")
		for _, kind := range []string{"PNG", "SVG"} {
			p.see("link", "Download "+kind)
			if size := js[int](p, `fetch(document.getElementById("qr-`+strings.ToLower(kind)+`").href).then((r) => r.ok && r.headers.get("content-type").startsWith("image/") ? r.blob() : new Blob()).then((b) => b.size)`); size < 200 {
				t.Errorf("the %s of the QR code has %d bytes", kind, size)
			}
		}
		p.accessible("a link that is made")
		p.shoot("links-made")

		email, plain := p.piece("email"), p.piece("link")
		if plain != link.String() {
			t.Errorf("the plain link is %s, not %s", plain, link)
		}
		if bad := p.trouble(); len(bad) > 0 {
			t.Errorf("the page is in trouble: %v", bad)
		}
		p.close()
		u.mailed(email, link)
	})
}

// inlineOnly are the tags and attributes that mail programs leave alone.
var (
	tags       = regexp.MustCompile(`<([a-z]+)`)
	attributes = regexp.MustCompile(`\s([a-z-]+)="`)
)

// mailed shows a signature as mail programs do: without a style sheet, without
// scripts, and once as Word does it, which knows no corners and no inline blocks.
func (u person) mailed(markup string, link *url.URL) {
	u.Helper()
	for _, m := range tags.FindAllStringSubmatch(markup, -1) {
		if !strings.Contains(" table tbody tr td a span br ", " "+m[1]+" ") {
			u.Errorf("the signature has a <%s>", m[1])
		}
	}
	for _, m := range attributes.FindAllStringSubmatch(markup, -1) {
		if !strings.Contains(" href style target role border cellpadding cellspacing align valign bgcolor width height dir lang ", " "+m[1]+" ") {
			u.Errorf("the signature has the attribute %s", m[1])
		}
	}
	word := regexp.MustCompile(`(?:border-radius|display):[^;"]*;?`).ReplaceAllString(markup, "")
	gmail := strings.ReplaceAll(markup, ` target="_blank"`, "")
	for _, mail := range []struct{ name, markup string }{{"outlook", word}, {"gmail", gmail}} {
		p := u.openOn(u.look.screen, "light", "healthz", instrument)
		p.do(chromedp.Navigate("about:blank"))
		p.content(`<!doctype html><html><body style="background:#ffffff"><p>Kind regards</p>` + strings.ReplaceAll(mail.markup, ` target="_blank"`, "") + `<p>Jürgen</p></body></html>`)
		seen := js[struct {
			Width, Height, Contrast float64
			Background, Line, Text  string
		}](p, signatureSeen)
		if seen.Width < 100 || seen.Height < 36 || seen.Height > 80 {
			u.Errorf("in %s the button is %.0f by %.0f pixels", mail.name, seen.Width, seen.Height)
		}
		if seen.Contrast < 4.5 || seen.Background == "rgb(255, 255, 255)" || seen.Line != "none" {
			u.Errorf("in %s the button looks so: %+v", mail.name, seen)
		}
		p.shoot("signature-" + mail.name)
		p.click("link", seen.Text)
		p.awaitState("answered")
		if join := p.said("join"); len(join) != 1 || join[0]["room"] != link.Query().Get("room") || join[0]["name"] != link.Query().Get("name") {
			u.Errorf("the signature's link joins with %v", join)
		}
		if got := strings.TrimPrefix(u.lastCalled(), "+"); got != "4930123456" {
			u.Errorf("the signature's link called %q", got)
		}
		p.close()
	}
}

// content makes markup the whole page.
func (p *tab) content(markup string) {
	p.Helper()
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		tree, err := cdp.Call(ctx, t, page.GetFrameTree, cdp.Empty{})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, page.SetDocumentContent, page.SetDocumentContentParams{FrameID: tree.FrameTree.Frame.ID, HTML: markup})
		return err
	}))
}

// signatureSeen measures the button: its cell, and the contrast of its words (WCAG 2.2).
const signatureSeen = `(() => {
	const a = document.querySelector("a"), cell = a.closest("td"), box = cell.getBoundingClientRect();
	const rgb = (c) => c.match(/[\d.]+/g).slice(0, 3).map(Number);
	const light = (c) => rgb(c).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
	const words = a.querySelector("span") ?? a, back = getComputedStyle(cell).backgroundColor;
	const [x, y] = [light(getComputedStyle(words).color), light(back)].sort((p, q) => q - p);
	return {Width: box.width, Height: box.height, Contrast: (x + 0.05) / (y + 0.05), Background: back, Line: getComputedStyle(words).textDecorationLine === "none" ? getComputedStyle(a).textDecorationLine : "underline", Text: a.textContent};
})()`

func TestAnOperatorSignsALinkOnThePageAndAnOwnerComesOfIt(t *testing.T) {
	w := newWorld(t, signedOnly(secretOfLinks))
	b := newBrowser(w, nil)
	p := b.openOn(looks[0].screen, "light", "links.html?lang=en", instrument)
	p.fill("textbox", "Number to call", "600")
	p.fill("textbox", "Room", "Board")
	p.fill("textbox", "Name of the visitor", "Ada")
	p.unfold("Sign the link")
	p.fill("textbox", "Operator key", "not the key at all")
	p.click("button", "Sign")
	p.words("The server does not know this key.")
	p.fill("textbox", "Operator key", "0123456789abcdef-ops")
	p.choose("Good for", "a day")
	p.click("checkbox", "Whoever has it owns the room")
	p.click("button", "Sign")
	p.words("Signed. *")
	eventually(t, patience, "the link has its signature", func() bool { return p.made().Query().Get("link") != "" })
	link := p.made()
	p.accessible("a signed link")
	p.shoot("links-signed")
	if key := js[string](p, `[location.href, document.cookie, ...Object.values(localStorage), ...Object.values(sessionStorage), document.getElementById("url").href].join(" ")`); strings.Contains(key, "0123456789abcdef-ops") {
		t.Error("the page keeps the operator's key")
	}

	p.fill("textbox", "Number to call", "+49 900 1234567")
	p.words("*It would not call the number even with a signature: This kind of number*")

	owner := b.open(strings.TrimPrefix(link.RequestURI(), "/"))
	owner.awaitState("answered")
	if role := owner.heardOf("welcome")["role"]; role != "owner" {
		t.Errorf("the signed link makes one %v", role)
	}
	stranger := b.open(strings.TrimPrefix(set(set(link, "dial", "601"), "room", "Elsewhere").RequestURI(), "/"))
	stranger.awaitState("refused")
	if n := w.carrier.Count("INVITE"); n != 1 {
		t.Errorf("%d INVITEs, want 1", n)
	}
}

// unfold opens a part of the page that is folded.
func (p *tab) unfold(summary string) {
	p.Helper()
	js[bool](p, `(() => { const s = [...document.querySelectorAll("summary")].find((e) => e.textContent.trim() === "`+summary+`"); s.scrollIntoView({block: "center", behavior: "instant"}); s.click(); return s.parentElement.open; })()`)
}

// heardOf is the last message of a type that the server has sent.
func (p *tab) heardOf(kind string) map[string]any {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var last map[string]any
	for _, m := range p.messages {
		_, raw, ok := strings.Cut(m, "< ")
		var fields map[string]any
		if ok && json.Unmarshal([]byte(raw), &fields) == nil && fields["type"] == kind {
			last = fields
		}
	}
	return last
}

func TestTheRoomWorksInAFrameOfASiteThatMayAndOfNoOther(t *testing.T) {
	var address string
	site := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(rw, `<!doctype html><title>CRM</title><iframe title="Call" src="%s/room.html?lang=en&amp;room=Framed&amp;name=Ada&amp;nocam=1"
			allow="camera; microphone; display-capture; autoplay; fullscreen; clipboard-write" style="width:100%%;height:640px;border:0"></iframe>`, address)
	}))
	t.Cleanup(site.Close)
	for _, allowed := range []bool{true, false} {
		w := newWorld(t, options{settings: func(c *config.Config) {
			if allowed {
				c.SFU.EmbedOrigins = []string{site.URL}
			}
		}})
		address = w.stack.URL
		b := newBrowser(w, nil)
		inside := b.open("room.html?lang=en&room=Framed&name=Grace&nocam=1")
		inside.connected()
		p := b.open("healthz")
		p.do(chromedp.Navigate(site.URL))
		if allowed {
			inside.see("listitem", "Ada*")
			inside.listen("voice", 1)
			if heard := inside.heard("voice0", time.Second); audio.Level(heard) < -60 {
				t.Error("nothing is heard out of the frame")
			}
			p.shoot("framed")
			continue
		}
		eventually(t, patience, "the frame is refused", func() bool {
			return strings.Contains(strings.Join(p.trouble(), " "), "frame-ancestors")
		})
	}
}
