package e2e

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"dialroom/scripts/carrier/audio"
)

//go:embed instrument.js
var instrument string

// tab is one page of a browser.
type tab struct {
	*browser
	ctx    context.Context
	cancel context.CancelFunc
	screen screen // zero: the window as it is
	scheme string // "light" when empty

	mu       sync.Mutex
	messages []string // WebSocket, both ways
	troubles []string // exceptions and console errors
}

// open opens a link, "room.html?room=…", in a new tab.
func (b *browser) open(link string) *tab {
	b.Helper()
	return b.openWith(link, instrument)
}

// openTapped opens a link in a tab that keeps every encoded frame of sound.
func (b *browser) openTapped(link string) *tab {
	b.Helper()
	return b.openWith(link, "window.e2eFrames = true;\n"+instrument)
}

func (b *browser) openWith(link, script string) *tab {
	b.Helper()
	return b.openOn(screen{}, "", link, script)
}

// openOn opens a link on a screen of a size, light or dark.
func (b *browser) openOn(s screen, scheme, link, script string) *tab {
	b.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	p := &tab{browser: b, ctx: ctx, cancel: cancel, screen: s, scheme: scheme}
	b.Cleanup(cancel)
	b.Cleanup(func() {
		if b.Failed() {
			p.report(link)
		}
	})
	// The first use of the context makes the tab; a deadline on it would be the tab's.
	if err := chromedp.Listen(ctx, p.note); err != nil {
		b.Fatalf("new tab: %v", err)
	}
	p.do(
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, network.Enable, network.EnableParams{})
			return err
		}),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
			return err
		}))
	if s.width != 0 {
		p.do(viewport(s), colours(cmp.Or(scheme, "light")))
	}
	p.do(chromedp.Navigate(b.stack.URL + "/" + link))
	return p
}

// note collects what the tab has to say.
func (p *tab) note(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stamp := time.Now().Format("15:04:05.000 ")
	switch e := ev.(type) {
	case *network.EventWebSocketFrameSent:
		p.messages = append(p.messages, stamp+"> "+string(e.Response.PayloadData))
	case *network.EventWebSocketFrameReceived:
		p.messages = append(p.messages, stamp+"< "+string(e.Response.PayloadData))
	case *runtime.EventExceptionThrown:
		p.troubles = append(p.troubles, stamp+"exception: "+exception(e.ExceptionDetails))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.troubles = append(p.troubles, stamp+string(e.Entry.Source)+": "+e.Entry.Text)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			text := ""
			for _, a := range e.Args {
				text += " " + string(a.Value) + a.Description
			}
			p.troubles = append(p.troubles, stamp+"console:"+text)
		}
	}
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception != nil {
		return d.Text + " " + d.Exception.Description
	}
	return d.Text
}

func (p *tab) report(link string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Logf("page %s", link)
	for _, m := range p.messages {
		if len(m) > 300 {
			m = m[:300] + "…"
		}
		p.Logf("  %s", m)
	}
	for _, m := range p.troubles {
		p.Logf("  %s", m)
	}
}

// sent counts the messages of a type that the page has sent.
func (p *tab) sent(kind string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, m := range p.messages {
		if strings.Contains(m, "> {") && strings.Contains(m, `"type":"`+kind+`"`) {
			n++
		}
	}
	return n
}

// trouble returns the exceptions and errors of the page so far.
func (p *tab) trouble() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.troubles...)
}

// do runs actions in the tab.
func (p *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatalf("browser: %v", err)
	}
}

// js evaluates an expression, awaiting a promise.
func js[T any](p *tab, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	for err != nil && ctx.Err() == nil && navigated(err) {
		v, err = chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	}
	if err != nil {
		p.Fatalf("browser: %v", err)
	}
	return v
}

// navigated reports whether an expression was lost because its page went away
// meanwhile; the next page is asked again.
func navigated(err error) bool {
	return strings.Contains(err.Error(), "navigated or closed") || strings.Contains(err.Error(), "context was destroyed") ||
		strings.Contains(err.Error(), "Cannot find context")
}

// text is what an element shows, "" when there is none.
func (p *tab) text(selector string) string {
	p.Helper()
	return js[string](p, fmt.Sprintf("document.querySelector(%q)?.textContent ?? ''", selector))
}

// connected waits until the page is in the room and media flows.
func (p *tab) connected() {
	p.Helper()
	eventually(p.TB, patience, "the page is connected", func() bool {
		return js[string](p, "document.documentElement.dataset.connection ?? ''") == "connected"
	})
}

// state is the state and the reason of the first call card.
func (p *tab) state() (state, reason string) {
	p.Helper()
	out := js[[]string](p, `(() => { const c = document.querySelector('[data-testid="call-state"]');
		return [c?.dataset.state ?? '', c?.dataset.reason ?? '']; })()`)
	return out[0], out[1]
}

// awaitState waits until the first call card shows a state.
func (p *tab) awaitState(want string) {
	p.Helper()
	p.awaitStateIn(patience, want)
}

func (p *tab) awaitStateIn(d time.Duration, want string) {
	p.Helper()
	last := ""
	eventually(p.TB, d, "the card shows "+want, func() bool {
		state, reason := p.state()
		if state != last {
			last = state
			_, _ = fmt.Fprintf(p.log, "page   | card shows %s %s\n", state, reason)
		}
		return state == want
	})
}

// press presses the visible button of that name.
func (p *tab) press(name string) {
	p.Helper()
	if !js[bool](p, fmt.Sprintf(`(() => { for (const b of document.querySelectorAll('button'))
		if ((b.ariaLabel ?? b.textContent.trim()) === %q && b.checkVisibility()) { b.click(); return true; } return false; })()`, name)) {
		p.Fatalf("the page has no button %q to press", name)
	}
}

// listen starts recording what the page hears from phones or voices, once n of them are there.
func (p *tab) listen(kind string, n int) {
	p.Helper()
	eventually(p.TB, patience, fmt.Sprintf("%d tracks of kind %s", n, kind), func() bool {
		return js[int](p, fmt.Sprintf("window.dialroom.tracks(%q).length", kind)) == n
	})
	js[int](p, fmt.Sprintf("window.e2e.listen(%q)", kind))
}

// heard waits until a recording is that long and returns it at 8 kHz.
func (p *tab) heard(name string, d time.Duration) []int16 {
	p.Helper()
	eventually(p.TB, patience+d, fmt.Sprintf("%v of sound from %s", d, name), func() bool {
		return js[float64](p, fmt.Sprintf("window.e2e.seconds(%q)", name)) >= d.Seconds()
	})
	out := js[recording](p, fmt.Sprintf("window.e2e.heard(%q)", name))
	raw, err := base64.StdEncoding.DecodeString(out.PCM)
	if err != nil {
		p.Fatal(err)
	}
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	return audio.Resample(pcm, out.Rate, audio.Rate)
}

// encoded is one frame as it came off or went onto the wire.
type encoded struct {
	Seq  uint16 `json:"seq"`
	Time uint32 `json:"time"`
	Data []byte `json:"data"`
}

// frames are the encoded frames of a codec that went "in" or "out" so far.
func (p *tab) frames(way, codec string) []encoded {
	p.Helper()
	return js[[]encoded](p, fmt.Sprintf("window.e2e.frames(%q, %q)", way, "audio/"+codec))
}

// recording is what window.e2e.heard() returns.
type recording struct {
	Rate int    `json:"rate"`
	PCM  string `json:"pcm"`
}

// received is what window.dialroom.stats() says of one slot.
type received struct {
	Participant string  `json:"participant"`
	Kind        string  `json:"kind"`
	Codec       string  `json:"codec"`
	Packets     int     `json:"packets"`
	Lost        int     `json:"lost"`
	Samples     float64 `json:"samples"`
	Concealed   float64 `json:"concealed"`
	Energy      float64 `json:"energy"`
	Seconds     float64 `json:"seconds"`
	Frames      int     `json:"frames"`
	Width       int     `json:"width"`
}

// stats asks the page what it receives of a kind.
func (p *tab) stats(kind string) []received {
	p.Helper()
	out := js[struct {
		Received []received `json:"received"`
	}](p, "window.dialroom.stats()")
	var list []received
	for _, r := range out.Received {
		if r.Kind == kind {
			list = append(list, r)
		}
	}
	return list
}

// reload loads the page again, as the browser's button does.
func (p *tab) reload() {
	p.Helper()
	p.do(chromedp.Reload())
}

// close closes the tab.
func (p *tab) close() {
	p.Helper()
	if err := chromedp.Cancel(p.ctx); err != nil {
		p.Fatalf("closing the tab: %v", err)
	}
}

// link makes the link of a room: "room.html?room=…&name=…" and what is added.
func link(t testing.TB, more string) string {
	room := strings.ToLower(strings.NewReplacer("/", "-", ",", "").Replace(t.Name()))
	if len(room) > 50 {
		room = room[:50]
	}
	l := "room.html?room=" + room + "&name=Tester&nocam=1"
	if more != "" {
		l += "&" + more
	}
	return l
}
