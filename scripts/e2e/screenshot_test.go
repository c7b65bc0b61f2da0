package e2e

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// screen is a size of window.
type screen struct {
	name          string
	width, height int64
	mobile        bool
}

var screens = []screen{{"desktop", 1280, 800, false}, {"phone", 390, 844, true}}

// shoot keeps pictures of the page, in all its looks, when they are wanted; CI
// wants them.
func (p *tab) shoot(name string) {
	p.Helper()
	if os.Getenv("DIALROOM_SCREENSHOTS") == "" && os.Getenv("CI") == "" {
		return
	}
	dir := filepath.Join(prepared.root, "artifacts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	for _, l := range p.looks() {
		p.appear(l)
		p.rests()
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		cancel()
		if err != nil {
			p.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+"-"+l.name+"-"+l.scheme+".png"), png, 0o644); err != nil {
			p.Fatal(err)
		}
	}
	p.back()
}

// looks are those in which the page is looked at: its own when it was opened
// in one, or else every screen, light and dark.
func (p *tab) looks() (all []look) {
	if p.screen.width != 0 {
		return []look{{p.screen, cmp.Or(p.scheme, "light")}}
	}
	for _, s := range screens {
		all = append(all, look{s, "light"}, look{s, "dark"})
	}
	return all
}

// rests waits until everything that moves is in its new place; what moves for
// ever is not waited for.
func (p *tab) rests() {
	p.Helper()
	js[bool](p, `Promise.allSettled(document.getAnimations().filter((a) => a.playState === "running" && a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished))
		.then(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(() => r(true)))))`)
}

// appear shows the page in a look, unless it is the one it was opened in:
// Chromium forgets the mouse when that is set again.
func (p *tab) appear(l look) {
	p.Helper()
	if p.screen.width == 0 {
		p.do(viewport(l.screen), colours(l.scheme))
	}
}

// back gives a page the window back that is shown in several looks.
func (p *tab) back() {
	p.Helper()
	if p.screen.width != 0 {
		return
	}
	p.do(viewport(p.screen), colours(cmp.Or(p.scheme, "light")))
}

func viewport(s screen) chromedp.Action[chromedp.Void] {
	if s.mobile {
		return chromedp.EmulateViewport(s.width, s.height, chromedp.EmulateMobile, chromedp.EmulatePortrait, chromedp.EmulateTouch)
	}
	if s.width == 0 {
		return chromedp.ResetViewport()
	}
	return chromedp.EmulateViewport(s.width, s.height)
}

func colours(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

func TestThePageFitsEveryScreen(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	p := b.open("room.html?room=Friday+call&name=Grace+Hopper&nocam=1&dial=%2B4930123456")
	p.awaitState("answered")
	other := b.open("room.html?room=Friday+call&name=Ada+Lovelace&nocam=1")
	other.connected()
	eventually(t, patience, "both are seen", func() bool { return js[int](p, "document.querySelectorAll('#people > *').length") >= 2 })
	for _, s := range screens {
		p.do(viewport(s))
		if over := js[int](p, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
			t.Errorf("%s: the page is %d pixels too wide", s.name, over)
		}
		for _, name := range []string{"Mute", "Leave", "Hang up"} {
			if !js[bool](p, `(() => { const b = document.querySelector('button[aria-label="`+name+`"]'); if (!b) return false;
				const r = b.getBoundingClientRect(); return b.checkVisibility() && r.left >= 0 && r.right <= innerWidth && r.bottom <= innerHeight && r.height >= 40; })()`) {
				t.Errorf("%s: the button %q is not within reach", s.name, name)
			}
		}
	}
	p.shoot("answered")
	p.press("Hang up")
	p.awaitState("ended")
	p.shoot("ended")
	landing := b.open("")
	landing.shoot("landing")
}
