package e2e

import (
	"strings"
	"testing"
)

// look is a window and a colour scheme in which a flow is driven.
type look struct {
	screen
	scheme string
}

// looks are a desktop by day and a phone by night.
var looks = []look{{screens[0], "light"}, {screens[1], "dark"}}

func (l look) String() string { return l.name + " " + l.scheme }

// person is somebody with a browser who looks at pages in one way.
type person struct {
	*browser
	look look
	room string // a room of this flow's own
}

// onEveryLook drives a flow on a desktop and on a phone, in one world and with
// the same browsers: one for each sound that is named, nil is the greeting.
func onEveryLook(t *testing.T, o options, sounds [][]int16, flow func(t *testing.T, all []person)) {
	w := newWorld(t, o)
	var browsers []*browser
	for _, s := range sounds {
		browsers = append(browsers, newBrowser(w, s))
	}
	for _, l := range looks {
		t.Run(l.String(), func(t *testing.T) {
			var all []person
			for _, b := range browsers {
				all = append(all, person{b.on(t), l, "Tea at " + l.name})
			}
			flow(t, all)
		})
	}
}

// on is the browser as a subtest uses it.
func (b *browser) on(t *testing.T) *browser {
	w, own := *b.world, *b
	w.TB, own.world = t, &w
	return &own
}

// enter opens the person's room. Script runs before the page's own.
func (u person) enter(more string, script ...string) *tab {
	u.Helper()
	link := "room.html?lang=en&room=" + strings.ReplaceAll(u.room, " ", "+")
	if more != "" {
		link += "&" + more
	}
	p := u.openOn(u.look.screen, u.look.scheme, link, strings.Join(script, "\n")+instrument)
	u.Cleanup(func() {
		if !u.Failed() {
			p.untroubled()
			p.close()
		}
	})
	return p
}

// untroubled fails when the page has thrown or logged an error.
func (p *tab) untroubled() {
	p.Helper()
	if bad := p.trouble(); len(bad) > 0 {
		p.Errorf("the page is in trouble: %v", bad)
	}
}

// tool presses a button of the toolbar, which on a phone may be behind "More".
func (p *tab) tool(name string) {
	p.Helper()
	if p.has("button", name) {
		p.click("button", name)
		return
	}
	p.click("button", "More")
	p.in("menu", "More").click("menuitem", name)
}
