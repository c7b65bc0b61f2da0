package e2e

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
	"dialroom/scripts/carrier/ua"
)

func TestTheEchoLinkConnectsAndTheEchoOfWhatWasSaidComesBack(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=600"))
	p.awaitState("answered")
	p.listen("phone", 1)
	heard := p.heard("phone0", 8*time.Second)

	m, err := audio.Compare(speech.Greeting(), heard, true)
	if err != nil {
		t.Fatalf("%v (level %.1f dB)", err, audio.Level(heard))
	}
	t.Logf("level %+.2f dB, %d of %d frames not alike", m.Level, len(m.Bad), m.Voiced)
	if math.Abs(m.Level) > 1 {
		t.Errorf("the echo is %+.2f dB, want within 1 dB", m.Level)
	}
	s := p.stats("phone")
	if len(s) != 1 || s[0].Lost != 0 || !strings.HasSuffix(strings.ToUpper(s[0].Codec), "PCMA") {
		t.Errorf("the page receives %+v", s)
	}
	if bad := p.trouble(); len(bad) > 0 {
		t.Errorf("the page is in trouble: %v", bad)
	}
}

// wantClean fails when a recording is not one packet of 20 ms after the other.
func wantClean(t *testing.T, c *ua.Call, gap time.Duration) {
	t.Helper()
	faults := c.Heard().Faults(gap)
	for i, f := range faults {
		if i == 10 {
			t.Errorf("… and %d more", len(faults)-i)
			break
		}
		t.Errorf("packet %d: %s", f.Index, f.Text)
	}
}

// wantSpeech fails when a recording is not the speech, whole and as loud as it was.
func wantSpeech(t *testing.T, who string, played, heard []int16) {
	t.Helper()
	m, err := audio.Compare(played, heard, true)
	if err != nil {
		t.Errorf("%s: %v (level %.1f dB, %d samples)", who, err, audio.Level(heard), len(heard))
		return
	}
	t.Logf("%s: level %+.2f dB, %d frames compared", who, m.Level, m.Voiced)
	if math.Abs(m.Level) > 1 {
		t.Errorf("%s: level %+.2f dB, want within 1 dB", who, m.Level)
	}
	for i, b := range m.Bad {
		if i == 10 {
			t.Errorf("%s: … and %d more", who, len(m.Bad)-i)
			break
		}
		t.Errorf("%s: 20 ms at %v are not those that were said (%.2f alike, found %d samples away)",
			who, time.Duration(b.At)*time.Second/audio.Rate, b.Like, b.Shift)
	}
}

func TestThePhoneHearsWhatTheBrowserSaysNotOneFrameMissingOrRepeated(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).openTapped(link(t, "dial=600"))
	p.awaitState("answered")
	c := w.call("600", 0)
	eventually(t, patience, "the phone has heard ten seconds of sound", func() bool {
		return len(spoken(c.Heard())) > 500
	})
	sent := p.frames("out", "PCMA")
	p.press("Hang up")
	w.event(patience, "BYE", "600")

	wantClean(t, c, time.Second)
	rec := c.Heard()
	wantFrames(t, payloads(sent), heardPayloads(rec))
	rec.Packets = spoken(rec)
	wantSpeech(t, "phone", speech.Greeting(), rec.PCM())
	if s := c.Media().Stats(); s.Lost != 0 || s.Strangers != 0 {
		t.Errorf("the phone counts %+v", s)
	}
}

func TestTheBrowserReceivesWhatThePhoneSendsNotOneFrameMissingOrRepeated(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).openTapped(link(t, "dial=601"))
	p.awaitState("answered")
	eventually(t, patience, "the page has received ten seconds of sound", func() bool {
		return len(p.frames("in", "PCMA")) > 500
	})
	got := p.frames("in", "PCMA")
	for i := 1; i < len(got); i++ {
		if got[i].Seq != got[i-1].Seq+1 || got[i].Time != got[i-1].Time+audio.Frame {
			t.Errorf("frame %d: number %d at %d follows %d at %d", i, got[i].Seq, got[i].Time, got[i-1].Seq, got[i-1].Time)
		}
	}
	// What the phone says is known to the byte.
	said := append(append([]int16(nil), speech.Greeting()...), make([]int16, 2*audio.Rate)...)
	var frames [][]byte
	for ; len(said) >= audio.Frame; said = said[audio.Frame:] {
		frames = append(frames, audio.PCMA.Encode(nil, said[:audio.Frame]))
	}
	wantFrames(t, payloads(got), frames)
}

// wantFrames fails when inner, from its first frame that occurs there, is not
// an unbroken stretch of outer, as far as that reaches. Silence at the start
// is the same everywhere and tells nothing.
func wantFrames(t *testing.T, inner, outer [][]byte) {
	t.Helper()
	at := func(list [][]byte, frame []byte) int {
		return slices.IndexFunc(list, func(f []byte) bool { return bytes.Equal(f, frame) })
	}
	for i, f := range inner {
		// A frame in which every byte is much the same is silence.
		if len(slices.Compact(slices.Sorted(slices.Values(f)))) < 8 {
			continue
		}
		j := at(outer, f)
		if j < 0 {
			continue
		}
		n, wrong := min(len(inner)-i, len(outer)-j), 0
		for k := range n {
			if !bytes.Equal(inner[i+k], outer[j+k]) {
				wrong++
				if wrong <= 5 {
					t.Errorf("frame %d of %d is another one (it is found at %+d)", k, n, at(outer, inner[i+k])-(j+k))
				}
			}
		}
		t.Logf("%d frames compared byte by byte, %d differ, the first %d were not there", n, wrong, i)
		if n < 400 {
			t.Errorf("only %d frames could be compared", n)
		}
		return
	}
	t.Errorf("of %d frames none is among the %d of the other side", len(inner), len(outer))
}

func payloads(list []encoded) [][]byte {
	var out [][]byte
	for _, f := range list {
		out = append(out, f.Data)
	}
	return out
}

func heardPayloads(r ua.Recording) [][]byte {
	var out [][]byte
	for _, p := range r.Audio() {
		out = append(out, p.Payload)
	}
	return out
}

// spoken returns the packets from the first that is not silence.
func spoken(r ua.Recording) []ua.Packet {
	list := r.Audio()
	for i, p := range list {
		if audio.Level(r.Codec.Decode(nil, p.Payload)) > -50 {
			return list[i:]
		}
	}
	return nil
}

func TestTheBrowserHearsWhatThePhoneSays(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=601"))
	p.awaitState("answered")
	p.listen("phone", 1)
	heard := p.heard("phone0", 10*time.Second)

	// The phone repeats its sentence after a pause of a second.
	said := append(append([]int16(nil), speech.Greeting()...), make([]int16, audio.Rate)...)
	m, err := audio.Compare(said, heard, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("level %+.2f dB, %d of %d frames not alike", m.Level, len(m.Bad), m.Voiced)
	if math.Abs(m.Level) > 1 {
		t.Errorf("level %+.2f dB, want within 1 dB", m.Level)
	}
	s := p.stats("phone")
	if len(s) != 1 || s[0].Lost != 0 {
		t.Fatalf("the page receives %+v", s)
	}
	// Every packet the phone has sent has come; one may be under way.
	sent := w.call("601", 0).Media().Stats().Sent
	if got := uint64(p.stats("phone")[0].Packets); sent > got+uint64(audio.Rate/audio.Frame) {
		t.Errorf("the phone has sent %d packets, the page received %d", sent, got)
	}
}
