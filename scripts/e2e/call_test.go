package e2e

import (
	"math"
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
	p := newBrowser(w, nil).open(link(t, "dial=600"))
	p.awaitState("answered")
	c := w.call("600", 0)
	eventually(t, patience, "the phone has heard ten seconds of sound", func() bool {
		return len(spoken(c.Heard())) > 500
	})
	p.press("Hang up")
	w.event(patience, "BYE", "600")

	wantClean(t, c, time.Second)
	heard := ua.Recording{Codec: c.Heard().Codec, Type: c.Heard().Type, Packets: spoken(c.Heard())}
	wantSpeech(t, "phone", speech.Greeting(), heard.PCM())
	if s := c.Media().Stats(); s.Lost != 0 || s.Strangers != 0 {
		t.Errorf("the phone counts %+v", s)
	}
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
