package e2e

import (
	"bytes"
	"fmt"
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
	wantFollowed(t, "the page", speech.Greeting(), heard)
	s := p.stats("phone")
	if len(s) != 1 || s[0].Lost != 0 || !strings.HasSuffix(strings.ToUpper(s[0].Codec), "PCMA") {
		t.Errorf("the page receives %+v", s)
	}
	if bad := p.trouble(); len(bad) > 0 {
		t.Errorf("the page is in trouble: %v", bad)
	}
}

// wantFollowed fails when a recording made behind a browser's jitter buffer,
// which stretches and squeezes, is not the speech as loud as it was.
func wantFollowed(t *testing.T, who string, played, heard []int16) {
	t.Helper()
	for _, problem := range unfollowed(t, who, played, heard) {
		t.Error(problem)
	}
}

// unfollowed says in what way such a recording is not the speech.
func unfollowed(t testing.TB, who string, played, heard []int16) (problems []string) {
	t.Helper()
	f, err := audio.Follow(played, heard, true)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v (level %.1f dB, %d samples)", who, err, audio.Level(heard), len(heard))}
	}
	t.Logf("%s: level %+.2f dB, %d of %d pieces found", who, f.Level, f.Found, f.Pieces)
	if math.Abs(f.Level) > 1 {
		problems = append(problems, fmt.Sprintf("%s: level %+.2f dB, want within 1 dB", who, f.Level))
	}
	if f.Pieces < 10 || f.Found*2 < f.Pieces {
		problems = append(problems, fmt.Sprintf("%s: only %d of %d pieces are what was said", who, f.Found, f.Pieces))
	}
	return problems
}

// unclean says where a recording is not one packet of 20 ms after the other.
func unclean(r ua.Recording) (problems []string) {
	for _, f := range r.Faults(time.Second) {
		problems = append(problems, fmt.Sprintf("packet %d: %s", f.Index, f.Text))
	}
	return problems
}

// unlike says where a recording is not the speech, whole and as loud as it was.
func unlike(t *testing.T, who string, played, heard []int16) (problems []string) {
	t.Helper()
	m, err := audio.Compare(played, heard, true)
	if err != nil {
		return []string{fmt.Sprintf("%s: %v (level %.1f dB, %d samples)", who, err, audio.Level(heard), len(heard))}
	}
	t.Logf("%s: level %+.2f dB, %d frames compared, %d bad", who, m.Level, m.Voiced, len(m.Bad))
	if math.Abs(m.Level) > 1 {
		problems = append(problems, fmt.Sprintf("%s: level %+.2f dB, want within 1 dB", who, m.Level))
	}
	for _, b := range m.Bad {
		problems = append(problems, fmt.Sprintf("%s: 20 ms at %v are not those that were said (%.2f alike, found %d samples away)",
			who, time.Duration(b.At)*time.Second/audio.Rate, b.Like, b.Shift))
	}
	return problems
}

// attempts is how often a measurement is made that needs a browser which is
// never late: on a busy machine it sometimes is, by more than the stack bridges
// with silence. What is broken is broken every time.
const attempts = 3

// atLeastOnce fails when no attempt is without problems.
func atLeastOnce(t testing.TB, measure func() []string) {
	t.Helper()
	var problems []string
	for n := range attempts {
		if problems = measure(); len(problems) == 0 {
			return
		}
		t.Logf("attempt %d: %d problems, the first: %s", n+1, len(problems), problems[0])
	}
	for _, p := range problems[:min(10, len(problems))] {
		t.Error(p)
	}
}

func TestThePhoneHearsWhatTheBrowserSaysNotOneFrameMissingOrRepeated(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=600"))
	n := 0
	atLeastOnce(t, func() []string {
		if n > 0 {
			p.press("Call again")
		}
		p.awaitState("answered")
		c := w.call("600", n)
		n++
		eventually(t, patience, "the phone has heard ten seconds of sound", func() bool {
			return c.Media().Stats().Received > 550
		})
		p.press("Hang up")
		p.awaitState("ended")
		rec := c.Heard()
		problems := unclean(rec)
		if s := c.Media().Stats(); s.Lost != 0 || s.Strangers != 0 {
			problems = append(problems, fmt.Sprintf("the phone counts %+v", s))
		}
		rec.Packets = spoken(rec)
		return append(problems, unlike(t, "phone", speech.Greeting(), rec.PCM())...)
	})
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
	wantFrames(t, payloads(got), inFrames(speech.Greeting()))
}

// inFrames is sound as a phone sends it: it is known to the byte.
func inFrames(said []int16) (frames [][]byte) {
	for ; len(said) >= audio.Frame; said = said[audio.Frame:] {
		frames = append(frames, audio.PCMA.Encode(nil, said[:audio.Frame]))
	}
	return frames
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

// warmUp is what a browser's sender needs to get going: its first frames are
// half filter, half silence, and nothing of ours.
const warmUp = 5

// spoken returns the packets from soon after the first that is not silence.
func spoken(r ua.Recording) []ua.Packet {
	list := r.Audio()
	for i, p := range list {
		if audio.Level(r.Codec.Decode(nil, p.Payload)) > -50 {
			return list[min(i+warmUp, len(list)):]
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
	wantFollowed(t, "the page", said, heard)
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
