package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"dialroom/shared/config"
)

func TestEveryKindOfLinkDialsTheNumberItMeans(t *testing.T) {
	for _, tc := range []struct{ name, query, number string }{
		{"the whole one-shot link", "nocam=1&name=John+Doe&dial=%2B4930123456&trunk=tr_demo", "4930123456"},
		{"a forgotten escape", "cam=off&name=John%20Doe&dial=+4930123456", "4930123456"},
		{"an extension", "nocam=1&name=John&dial=610", "610"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, options{})
			p := newBrowser(w, nil).open("room.html?room=" + roomOf(link(t, "")) + "&" + tc.query)
			p.awaitState("answered")
			if got := strings.TrimPrefix(w.call("", 0).Number, "+"); got != tc.number {
				t.Errorf("the carrier was called for %q, want %q", got, tc.number)
			}
			if n := p.sent("dial"); n != 1 {
				t.Errorf("the page sent %d dials, want 1", n)
			}
		})
	}
}

func TestANumberThatTheSiteMayNotCallIsRefusedInWords(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) { c.Fraud.Allow = nil }})
	p := newBrowser(w, nil).open(link(t, "dial=%2B4930123456"))
	p.awaitState("refused")
	if _, reason := p.state(); reason != "not-allowed" {
		t.Errorf("reason is %q", reason)
	}
	if words := p.text(`[data-testid="call-text"]`); words == "" {
		t.Error("the page says nothing")
	}
	if n := w.carrier.Count("INVITE"); n != 0 {
		t.Errorf("%d INVITEs, want none", n)
	}
}

func TestATrunkThatDoesNotExistIsRefused(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=600&trunk=tr_nobody"))
	p.awaitState("refused")
	if _, reason := p.state(); reason != "bad-trunk" {
		t.Errorf("reason is %q", reason)
	}
	if n := w.carrier.Count("INVITE"); n != 0 {
		t.Errorf("%d INVITEs, want none", n)
	}
}

func TestAProgramThatOnlyOpensLinksRingsNobody(t *testing.T) {
	w := newWorld(t, options{})
	p := newForbiddenBrowser(w).open(link(t, "dial=600"))
	p.connected()
	p.awaitState("idle")
	if n := w.carrier.Count("INVITE"); n != 0 {
		t.Errorf("%d INVITEs without a microphone and without a press", n)
	}
	p.press("Call 600")
	p.awaitState("answered")
	w.call("600", 0)
}

func TestAMissingNameIsAskedForBeforeJoining(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open("room.html?room=" + roomOf(link(t, "")) + "&nocam=1&dial=600")
	p.do(chromedp.WaitVisible("#name"))
	if n := w.carrier.Count("INVITE"); n != 0 {
		t.Errorf("%d INVITEs before the name", n)
	}
	p.do(chromedp.SendKeys("#name", "Ada Lovelace\r"))
	p.awaitState("answered")
}
