package signal

import (
	"errors"
	"fmt"
	"testing"

	"dialroom/sfu/peer"
)

func TestALostPageResumesWithItsMediaUntouched(t *testing.T) {
	s := newSite(t)
	ann, _ := s.join("r", "Ann")
	bob, hello := s.join("r", "Bob")
	bob.say(`{"type":"offer","sdp":"pc1","tracks":{"0":"mic"}}`)
	bob.expect("answer")
	ann.expect("participant-changed") // the room has Bob's media
	_ = bob.conn.CloseNow()

	again := s.open()
	again.say(fmt.Sprintf(`{"type":"join","room":"r","name":"Bob","resume":%q}`, hello["resume"]))
	if w := again.expect("welcome"); w["id"] != hello["id"] {
		t.Errorf("resumed as %v, was %v", w["id"], hello["id"])
	}
	again.expect("slots")
	again.say(`{"type":"offer","sdp":"pc1 again","tracks":{"0":"mic"}}`) // ICE restart
	if a := again.expect("answer"); a["sdp"] != "answer to pc1 again" {
		t.Errorf("answer %v", a)
	}
	if s.connection(0).isClosed() {
		t.Error("the media was replaced")
	}
	again.say(`{"type":"offer","sdp":"pc2","tracks":{"0":"mic"}}`) // the page was loaded anew
	again.expect("answer")
	if !s.connection(0).isClosed() || s.connection(1).isClosed() {
		t.Error("another PeerConnection did not take the old one's place")
	}
	again.say(`{"type":"chat","text":"done"}`)
	for {
		m, err := ann.read()
		if err != nil {
			t.Fatal(err)
		}
		if m["type"] == "participant-left" {
			t.Error("Ann saw Bob leave")
		}
		if m["type"] == "chat" {
			break
		}
	}
}

func TestAResumedPageClosesTheOlderOneForGood(t *testing.T) {
	s := newSite(t)
	first, hello := s.join("r", "Ann")
	second := s.open()
	second.say(fmt.Sprintf(`{"type":"join","room":"r","resume":%q}`, hello["resume"]))
	second.expect("welcome")
	first.expectClose(closeReplaced)
	second.say(`{"type":"ping"}`)
	second.expect("pong")
	if n := len(s.rooms.Get("r").Participants()); n != 1 {
		t.Errorf("%d participants", n)
	}
}

func TestAPageIsToldThatItsMediaFailed(t *testing.T) {
	s := newSite(t)
	p, _ := s.join("r", "Ann")
	p.say(`{"type":"offer","sdp":"pc1","tracks":{"0":"mic"}}`)
	p.expect("answer")
	m := s.connection(0)
	m.onState(peer.Connected)
	m.onState(peer.Disconnected)
	m.onState(peer.Failed)
	p.expectError("media-failed")
}

func TestAServerWithoutMediaSaysSo(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.NewMedia = func(string, func(peer.State)) (Media, error) { return nil, errors.New("secret detail") }
	})
	p, _ := s.join("r", "Ann")
	p.say(`{"type":"offer","sdp":"pc1"}`)
	p.expectError("media-unavailable")
}
