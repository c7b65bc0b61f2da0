package e2e

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/ua"
)

// signature is a tone that one participant makes all the time, and nobody else.
type signature struct {
	who string
	hz  float64
}

// signatures lie well inside the telephone band and far from each other's harmonics.
var signatures = []signature{{"browser A", 500}, {"browser B", 790}, {"phone 1", 1130}, {"phone 2", 1670}}

// sound is a second of it, in whole periods of 10 Hz so that it repeats without a click.
func (s signature) sound() []int16 {
	pcm := make([]int16, audio.Rate)
	copy(pcm, audio.Tone(audio.Rate, 2000, 0.15, s.hz)[audio.Rate/2:])
	return pcm
}

// singing is a phone that makes its signature until the call ends.
func singing(pcm []int16) ua.Script {
	return func(ctx context.Context, c *ua.Call) {
		c.Ring()
		if !c.Answer() {
			return
		}
		for ctx.Err() == nil {
			<-c.Media().Play(pcm)
		}
	}
}

// loudness is the mean level of a signature in a recording, dB. It looks at
// tenths of a second: over longer a splice anywhere lets a tone cancel itself.
func loudness(pcm []int16, s signature) float64 {
	const piece = audio.Rate / 10
	var sum, n float64
	for ; len(pcm) >= piece; pcm = pcm[piece:] {
		sum += math.Pow(10, audio.Power(pcm[:piece], audio.Rate, s.hz)/10)
		n++
	}
	return 10 * math.Log10(sum/n)
}

// wantToHear checks which signatures are in a recording: all but those of the deaf.
func wantToHear(t *testing.T, who string, pcm []int16, all []signature, present map[string]bool) {
	t.Helper()
	for _, s := range all {
		p := loudness(pcm, s)
		switch {
		case present[s.who] && p < -30:
			t.Errorf("%s does not hear %s: %.1f dB", who, s.who, p)
		case !present[s.who] && p > -45:
			t.Errorf("%s hears %s, who should not be heard there: %.1f dB", who, s.who, p)
		}
	}
}

// last returns the last d of what a call has heard.
func last(c *ua.Call, d time.Duration) []int16 {
	rec := c.Heard()
	rec.Packets = rec.Packets[max(0, len(rec.Packets)-int(d/(20*time.Millisecond))):]
	return rec.PCM()
}

func others(all []signature, me string) map[string]bool {
	m := map[string]bool{}
	for _, s := range all {
		m[s.who] = s.who != me
	}
	return m
}

func TestTwoBrowsersAndTwoPhonesEverybodyHearsTheOtherThree(t *testing.T) {
	sig := signatures
	w := newWorld(t, options{carrier: func(c *ua.Config) {
		c.Script = func(number string) ua.Script {
			if number == "701" {
				return singing(sig[2].sound())
			}
			return singing(sig[3].sound())
		}
	}})
	l := link(t, "")
	a := newBrowser(w, sig[0].sound()).open(l)
	a.connected()
	b := newBrowser(w, sig[1].sound()).open(l)
	b.connected()
	dial(a, "701")
	dial(b, "702")
	phone1, phone2 := w.call("701", 0), w.call("702", 0)
	const long = 3 * time.Second
	for name, c := range map[string]*ua.Call{"phone 1": phone1, "phone 2": phone2} {
		eventually(t, patience, name+" hears the three others", func() bool {
			for _, s := range sig {
				if s.who != name && !(loudness(last(c, time.Second), s) > -30) {
					return false
				}
			}
			return true
		})
	}
	for _, p := range []*tab{a, b} {
		p.listen("phone", 2)
		p.listen("voice", 1)
	}
	type ear struct {
		page  *tab
		who   string
		voice string
	}
	for _, e := range []ear{{a, "browser A", "browser B"}, {b, "browser B", "browser A"}} {
		heard := mixed(e.page.heard("phone0", long), e.page.heard("phone1", long), e.page.heard("voice0", long))
		wantToHear(t, e.who, heard, sig, others(sig, e.who))
	}
	for name, c := range map[string]*ua.Call{"phone 1": phone1, "phone 2": phone2} {
		wantToHear(t, name, last(c, long), sig, others(sig, name))
	}
}

// mixed adds recordings, as far as the shortest reaches.
func mixed(list ...[]int16) []int16 {
	n := len(list[0])
	for _, l := range list {
		n = min(n, len(l))
	}
	out := make([]int16, n)
	for _, l := range list {
		for i := range out {
			out[i] = int16(max(-32768, min(32767, int(out[i])+int(l[i]))))
		}
	}
	return out
}

// dial has a page call a number beside that of its link, as its own script would.
func dial(p *tab, number string) {
	p.Helper()
	js[bool](p, fmt.Sprintf("window.e2e.say({type: 'dial', number: %q})", number))
}

func TestBetweenRelayAndMixThereIsNoGap(t *testing.T) {
	sig := signatures
	w := newWorld(t, options{carrier: func(c *ua.Config) {
		c.Script = func(string) ua.Script { return singing(sig[2].sound()) }
	}})
	// Both browsers are up before anything is measured: starting one holds the other up.
	first, second := newBrowser(w, sig[0].sound()), newBrowser(w, sig[1].sound())
	b := second.open(link(t, ""))
	b.connected()
	b.press("Leave")
	a := first.open(link(t, "dial=701"))
	n := 0
	atLeastOnce(t, func() []string {
		if n > 0 {
			a.press("Call again")
		}
		a.awaitState("answered")
		c := w.call("701", n)
		n++
		hears := func(who signature, want bool) func() bool {
			return func() bool { return loudness(last(c, time.Second), who) > -30 == want }
		}
		eventually(t, patience, "relay: the phone hears the one browser", hears(sig[0], true))
		b.press("Rejoin")
		eventually(t, patience, "mix: the phone hears both", func() bool { return hears(sig[0], true)() && hears(sig[1], true)() })
		b.press("Leave")
		eventually(t, patience, "relay again: the phone hears one browser", hears(sig[1], false))
		from := len(c.Heard().Audio())
		eventually(t, patience, "a second more", func() bool { return len(c.Heard().Audio()) > from+50 })
		a.press("Hang up")
		a.awaitState("ended")
		return gaps(c.Heard())
	})
}

// gaps says where the packets of a recording do not follow each other, and
// where, from the first sound on, it is silent for longer than 20 ms.
func gaps(rec ua.Recording) (problems []string) {
	for _, f := range rec.Faults(time.Hour) { // times of arrival are the machine's, not the stream's
		problems = append(problems, fmt.Sprintf("packet %d: %s", f.Index, f.Text))
	}
	pcm := ua.Recording{Codec: rec.Codec, Type: rec.Type, Packets: spoken(rec)}.PCM()
	const window = audio.Frame / 2
	gap, longest, where := 0, 0, 0
	for at := 0; at+window <= len(pcm); at += window {
		if audio.Level(pcm[at:at+window]) < -40 {
			gap += window
			if gap > longest {
				longest, where = gap, at
			}
		} else {
			gap = 0
		}
	}
	if longest > audio.Frame {
		problems = append(problems, fmt.Sprintf("silence of %v at %v",
			time.Duration(longest)*time.Second/audio.Rate, time.Duration(where)*time.Second/audio.Rate))
	}
	return problems
}
