package e2e

import (
	"strings"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
)

func TestTheOutcomeOfACallIsShownInWords(t *testing.T) {
	for _, tc := range []struct {
		number, reason, words string
	}{
		{"602", "busy", "busy"},
		{"604", "declined", "declined"},
		{"606", "hangup-phone", "hung up"},
	} {
		t.Run(tc.number, func(t *testing.T) {
			w := newWorld(t, options{})
			p := newBrowser(w, nil).open(link(t, "dial="+tc.number))
			p.awaitState("ended")
			if _, reason := p.state(); reason != tc.reason {
				t.Errorf("reason is %q, want %q", reason, tc.reason)
			}
			if words := p.text(`[data-testid="call-text"]`); !strings.Contains(words, tc.words) {
				t.Errorf("the page says %q, want something with %q", words, tc.words)
			}
			eventually(t, patience, "the phone is gone from the room", func() bool {
				return len(p.stats("phone")) == 0
			})
		})
	}
}

func TestAnAnnouncementBeforeTheAnswerIsHeard(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=604"))
	p.awaitState("early")
	p.listen("phone", 1)
	heard := p.heard("phone0", 3*time.Second)
	if _, err := audio.Compare(speech.Announcement(), heard, false); err != nil {
		t.Errorf("the announcement is not heard: %v (level %.1f dB)", err, audio.Level(heard))
	}
	p.awaitState("ended")
}

func TestAPhoneThatNeverAnswersIsCancelledFromThePage(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=603"))
	p.awaitState("ringing")
	p.press("Hang up")
	w.event(time.Second, "CANCEL", "603")
	p.awaitState("ended")
	if _, reason := p.state(); reason != "hangup-room" {
		t.Errorf("reason is %q", reason)
	}
}

func TestKeysPressedOnThePageReachThePhone(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=605"))
	p.awaitState("answered")
	p.listen("phone", 1)
	p.press("Keypad")
	for _, key := range []string{"4", "2", "#"} {
		p.press(key)
		eventually(t, patience, "the phone has got "+key, func() bool {
			for _, e := range w.carrier.Events() {
				if e.Kind == "DIGIT" && e.Detail == key {
					return true
				}
			}
			return false
		})
	}
	if n := w.carrier.Count("DIGIT"); n != 3 {
		t.Errorf("the phone counts %d digits, want 3", n)
	}
	// The phone plays them back as tones.
	var digits []byte
	heard := p.heard("phone0", 3*time.Second)
	for at := 0; at+800 <= len(heard); at += 400 {
		d, ok := audio.HeardDigit(heard[at:at+800], audio.Rate)
		if ok && (len(digits) == 0 || digits[len(digits)-1] != d) {
			digits = append(digits, d)
		}
	}
	if string(digits) != "42#" {
		t.Errorf("the page hears the tones of %q, want 42#", digits)
	}
}

func TestANumberThatWantsAPasswordIsAnswered(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=607"))
	p.awaitState("answered")
	if n := w.carrier.Count("INVITE"); n != 2 {
		t.Errorf("%d INVITEs, want one without and one with credentials", n)
	}
}

func TestHangingUpOnEitherSideEndsBothWithinASecond(t *testing.T) {
	t.Run("the page hangs up", func(t *testing.T) {
		w := newWorld(t, options{})
		p := newBrowser(w, nil).open(link(t, "dial=600"))
		p.awaitState("answered")
		p.press("Hang up")
		w.event(time.Second, "BYE", "600")
		p.awaitStateIn(time.Second, "ended")
		if _, reason := p.state(); reason != "hangup-room" {
			t.Errorf("reason is %q", reason)
		}
	})
	t.Run("the phone hangs up", func(t *testing.T) {
		w := newWorld(t, options{})
		p := newBrowser(w, nil).open(link(t, "dial=600"))
		p.awaitState("answered")
		w.call("600", 0).Hangup()
		p.awaitStateIn(time.Second, "ended")
		if _, reason := p.state(); reason != "hangup-phone" {
			t.Errorf("reason is %q", reason)
		}
	})
	t.Run("the last browser leaves", func(t *testing.T) {
		w := newWorld(t, options{})
		p := newBrowser(w, nil).open(link(t, "dial=600"))
		p.awaitState("answered")
		p.press("Leave")
		w.event(time.Second, "BYE", "600")
	})
}
