package e2e

import (
	"testing"
	"time"
)

func TestTwoPeopleInARoomSeeAndHearEachOther(t *testing.T) {
	w := newWorld(t, options{})
	room := "room.html?room=" + roomOf(link(t, "")) + "&name="
	tone := signature{"Ada", 500}
	ada := newBrowser(w, tone.sound()).open(room + "Ada")
	ada.connected()
	grace := newBrowser(w, nil).open(room + "Grace")
	grace.connected()
	for _, p := range []*tab{ada, grace} {
		eventually(t, patience, "a picture moves", func() bool {
			s := p.stats("camera")
			return len(s) == 1 && s[0].Frames > 10
		})
	}
	// The camera is sent in the size that fits its tile, and the picture goes on while the size changes.
	for _, window := range []screen{{"small window", 360, 480, false}, {"large window", 1600, 1000, false}} {
		grace.do(viewport(window))
		fits := func(pixels int) bool { return (pixels <= 320) == (window.width < 400) }
		eventually(t, patience, "the picture fits a "+window.name, func() bool {
			s := grace.stats("camera")
			return len(s) == 1 && fits(s[0].Width)
		})
		shown := grace.stats("camera")[0].Frames
		eventually(t, patience, "it moves", func() bool { return grace.stats("camera")[0].Frames > shown+10 })
	}
	grace.listen("voice", 1)
	eventually(t, patience, "Grace hears Ada", func() bool {
		s := grace.stats("voice")
		return len(s) == 1 && s[0].Packets > 100
	})
	// Opus keeps the tone, but not to the sample.
	if level := loudness(grace.heard("voice0", 2*time.Second), tone); level < -30 {
		t.Errorf("Grace hears Ada's tone at %.1f dB", level)
	}
	if n := w.carrier.Count("INVITE"); n != 0 {
		t.Errorf("%d INVITEs in a room without a number", n)
	}
}
