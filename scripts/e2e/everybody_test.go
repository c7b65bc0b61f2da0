package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func TestAGermanBrowserIsSpokenToInGerman(t *testing.T) {
	w := newWorld(t, options{})
	b := startBrowser(w, nil, chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("lang", "de-AT"), chromedp.Flag("accept-lang", "de-AT,de"))
	for _, l := range looks {
		t.Run(l.String(), func(t *testing.T) {
			p := b.on(t).openOn(l.screen, l.scheme, "room.html?room=Wien+"+l.name+"&dial=602", german+instrument)
			p.fill("textbox", "Ihr Name", "Grete")
			p.click("button", "Teilnehmen")
			p.awaitState("ended")
			p.words("Die Leitung ist besetzt.*")
			for _, name := range []string{"Stumm schalten", "Verlassen"} {
				p.see("button", name)
			}
			p.onlyGerman()
			p.accessible("the room in German")
			p.shoot("german")
			p.click("button", "Verlassen")
			p.see("button", "Wieder teilnehmen")
			p.onlyGerman()
			p.close()
		})
	}
}

// german is what a browser set to German tells pages.
const german = `Object.defineProperty(navigator, "languages", {get: () => ["de-AT", "de"]});`

// onlyGerman fails when a text of the English dictionary that differs from the
// German one can be read.
func (p *tab) onlyGerman() {
	p.Helper()
	english := js[[]string](p, `Promise.all([import("/js/texts/en.js"), import("/js/texts/de.js")]).then(([en, de]) => {
		const seen = new Set();
		const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) if (walk.currentNode.parentElement.checkVisibility()) seen.add(walk.currentNode.data.trim());
		for (const e of document.querySelectorAll("[aria-label], [title], [placeholder]")) if (e.checkVisibility()) seen.add(e.ariaLabel).add(e.title).add(e.placeholder);
		const same = new Set(Object.values(de.default));
		return Object.values(en.default).filter((text) => seen.has(text) && !same.has(text)); })`)
	if len(english) > 0 {
		p.Errorf("in English on a German page: %q", english)
	}
}

func TestWhoeverWantsLessMotionGetsNone(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=603"))
	p.awaitState("ringing")
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	}))
	p.rests()
	if moving := js[string](p, `document.getAnimations().filter((a) => a.playState === "running").map((a) => a.animationName ?? a.transitionProperty).join(" ")`); moving != "" {
		t.Errorf("moves all the same: %s", moving)
	}
}

func TestTheRoomFitsEveryWindowFromAPhoneTo4K(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	p := b.open(link(t, "dial=600"))
	p.awaitState("answered")
	other := b.open(strings.Replace(link(t, ""), "Tester", "Grace", 1))
	other.connected()
	p.fits("a call of three")
	for _, name := range []string{"Chat", "People", "Invite"} {
		p.tool(name)
		p.fits("with the panel " + name)
		p.click("button", "Close")
	}
	p.tool("Leave")
	p.fits("after leaving")
}
