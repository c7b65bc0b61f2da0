package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// sites are the pages beside the room.
var sites = []string{"", "links.html", "docs/", "docs/links.html", "docs/scripts.html", "docs/settings.html", "docs/protocol.html", "docs/production.html"}

func TestEveryPageBesideTheRoomFitsEveryScreenAndServesEverybody(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	for _, path := range sites {
		p := b.open(path)
		p.see("heading", "*")
		p.see("main", "*")
		p.fits(path)
		p.accessible("/" + path)
		p.shoot("site-" + strings.NewReplacer("/", "-", ".html", "").Replace("page/"+path))
		if bad := p.trouble(); len(bad) > 0 {
			t.Errorf("/%s is in trouble: %v", path, bad)
		}
		p.close()
	}
	for _, path := range []string{"", "links.html"} {
		p := b.open(path + "?lang=de")
		eventually(t, patience, path+" speaks German", func() bool { return js[string](p, "document.documentElement.lang") == "de" })
		p.fits(path + " in German")
		p.shoot("site-" + strings.TrimSuffix("page-"+path, ".html") + "-de")
		p.close()
	}
}

// widths are windows from the smallest phone to 4K.
var widths = []screen{{"small phone", 320, 568, true}, {"phone", 390, 844, true}, {"phone on its side", 844, 390, true}, {"tablet", 820, 1180, true}, {"desktop", 1280, 800, false}, {"4K", 3840, 2160, false}}

// fits fails when the page has to be moved sideways on some screen, whichever
// way its language is written.
func (p *tab) fits(what string) {
	p.Helper()
	for _, s := range widths {
		p.do(viewport(s))
		for _, direction := range []string{"ltr", "rtl"} {
			over := js[string](p, fmt.Sprintf(`(() => { document.documentElement.dir = %q;
				const root = document.documentElement;
				if (root.scrollWidth <= root.clientWidth) return "";
				const wide = [...document.querySelectorAll("body *")].filter((e) => { const r = e.getBoundingClientRect(); return r.width > 0 && (r.right > root.clientWidth + 1 || r.left < -1); });
				return (root.scrollWidth - root.clientWidth) + " pixels: " + wide.slice(0, 3).map((e) => e.cloneNode(false).outerHTML).join(" "); })()`, direction))
			if over != "" {
				p.Errorf("%s on a %s, %s: too wide by %s", what, s.name, direction, over)
			}
		}
	}
	js[bool](p, "document.documentElement.dir = 'ltr'; true")
	p.back()
}
