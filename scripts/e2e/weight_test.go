package e2e

import (
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// weighing counts what a tab loads over the network, headers included.
type weighing struct {
	mu    sync.Mutex
	urls  map[network.RequestID]string
	bytes map[string]float64
}

func (p *tab) weigh() *weighing {
	p.Helper()
	w := &weighing{urls: map[network.RequestID]string{}, bytes: map[string]float64{}}
	err := chromedp.Listen(p.ctx, func(ev any) {
		w.mu.Lock()
		defer w.mu.Unlock()
		switch e := ev.(type) {
		case *network.EventRequestWillBeSent:
			w.urls[e.RequestID] = e.Request.URL
		case *network.EventLoadingFinished:
			w.bytes[w.urls[e.RequestID]] += e.EncodedDataLength
		}
	})
	if err != nil {
		p.Fatal(err)
	}
	return w
}

func (w *weighing) total() (n float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.bytes {
		n += b
	}
	return n
}

func TestTheRoomAndAllItLoadsIsLessThan120KBOnTheWire(t *testing.T) {
	const limit = 120_000
	w := newWorld(t, options{})
	for _, query := range []string{"&lang=en", "&lang=de"} {
		p := newBrowser(w, nil).open("healthz")
		load := p.weigh()
		p.do(chromedp.Navigate(w.stack.URL + "/" + link(t, "dial=600") + query))
		p.awaitState("answered")
		if len(load.bytes) < 5 {
			t.Fatalf("only %v was seen to load", load.bytes)
		}
		t.Logf("%s: %d files, %.0f bytes", query, len(load.bytes), load.total())
		if load.total() > limit {
			t.Errorf("%s: %.0f bytes, want at most %d: %v", query, load.total(), limit, load.bytes)
		}
		for url := range load.bytes {
			if !strings.HasPrefix(url, w.stack.URL) && !strings.HasPrefix(url, "blob:") && !strings.HasPrefix(url, "data:") {
				t.Errorf("the page loads %s", url)
			}
		}
	}
}
