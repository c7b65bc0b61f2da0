package e2e

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"dialroom/shared/config"
)

// tones lets a page's own sounds be measured: whatever it plays through an
// AudioContext goes to an analyser as well.
const tones = `(() => {
	const connect = AudioNode.prototype.connect;
	let analyser;
	AudioNode.prototype.connect = function (to, ...rest) {
		if (to instanceof AudioDestinationNode) {
			analyser ??= new AnalyserNode(this.context, { fftSize: 8192, smoothingTimeConstant: 0 });
			connect.call(this, analyser);
		}
		return connect.call(this, to, ...rest);
	};
	window.e2eTone = () => {
		if (!analyser) return { hertz: 0, level: -200 };
		const bins = new Float32Array(analyser.frequencyBinCount);
		analyser.getFloatFrequencyData(bins);
		const at = bins.indexOf(Math.max(...bins));
		return { hertz: at * analyser.context.sampleRate / analyser.fftSize, level: Math.max(bins[at] || -200, -200) };
	};
})();
`

// tone is the loudest of what a page plays by itself, in Hz and dB of full scale.
type tone struct{ Hertz, Level float64 }

func (p *tab) tone() tone {
	p.Helper()
	return js[tone](p, "(({hertz, level}) => ({Hertz: hertz, Level: level}))(window.e2eTone())")
}

// ringback reports whether it is 425 Hz, as most of the world knows it.
func (t tone) ringback() bool { return t.Level > -60 && math.Abs(t.Hertz-425) < 12 }

func TestAPhoneThatRingsIsHeardRinging(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).openWith(link(t, "dial=603"), tones+instrument)
	p.awaitState("ringing")
	eventually(t, patience, "the page plays ringback", func() bool { return p.tone().ringback() })
	p.click("button", "Hang up")
	p.awaitState("ended")
	eventually(t, patience, "the page is silent", func() bool { return p.tone().Level < -100 })
}

// The network plays something itself: ringback over it would hide what it says.
func TestAnAnnouncementIsHeardWithoutRingbackOverIt(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).openWith(link(t, "dial=604"), tones+instrument)
	p.awaitState("early")
	eventually(t, patience, "the announcement comes", func() bool {
		s := p.stats("phone")
		return len(s) == 1 && s[0].Packets > 50
	})
	if heard := p.tone(); heard.ringback() {
		t.Errorf("the page plays %.0f Hz at %.0f dB", heard.Hertz, heard.Level)
	}
}

// everybody is how many a room takes.
const everybody = 100

func TestWhoComesToAFullRoomIsToldSo(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) { c.SFU.TrustedProxies = []string{"127.0.0.0/8", "::1/128"} }})
	room := roomOf(link(t, ""))
	for n := range everybody {
		// From all over the world: one address may not have so many.
		v, err := w.visit(w.soon(), room, fmt.Sprintf("198.51.100.%d", n+1))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.close)
		if _, welcome, err := v.conn.Read(w.soon()); err != nil || !strings.Contains(string(welcome), `"type":"welcome"`) {
			t.Fatalf("visitor %d is told %s, %v", n, welcome, err)
		}
	}
	p := newBrowser(w, nil).open("room.html?room=" + room + "&name=Late")
	p.words("The room is full. Try again when somebody has left.")
}
