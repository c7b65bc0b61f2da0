package signal

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
)

func TestAPageJoinsAndOffersWithoutWaiting(t *testing.T) {
	s := newSite(t)
	p := s.open()
	p.say(`{"type":"join","room":"r","name":"Ann","link":"later"}`)
	p.say(`{"type":"offer","sdp":"pc1","tracks":{"0":"mic"}}`)
	p.say(`{"type":"candidate","candidate":{"candidate":"candidate:1","sdpMid":"0"}}`)
	p.say(`{"type":"candidate","candidate":"candidate:2"}`)
	w := p.expect("welcome")
	if w["room"] != "r" || w["id"] == "" || w["resume"] == "" || len(w["participants"].([]any)) != 1 {
		t.Errorf("welcome %v", w)
	}
	if calls, ok := w["calls"].([]any); !ok || len(calls) != 0 {
		t.Errorf("calls %v, want an empty list", w["calls"])
	}
	if servers := fmt.Sprint(w["iceServers"]); servers != "[map[urls:[turn:t]]]" {
		t.Errorf("iceServers %v", servers)
	}
	if a := p.expect("answer"); a["sdp"] != "answer to pc1" {
		t.Errorf("answer %v", a)
	}
	p.say(`{"type":"ping"}`)
	p.expect("pong")
	m := s.connection(0)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.heard, []string{"candidate:1", "candidate:2"}) {
		t.Errorf("candidates %q", m.heard)
	}
}

func TestTwoPagesHearSeeAndReadEachOther(t *testing.T) {
	s := newSite(t)
	ann, annHello := s.join("r", "Ann")
	bob, bobHello := s.join("r", "Bob")
	if j := ann.expect("participant-joined"); j["participant"].(map[string]any)["name"] != "Bob" {
		t.Errorf("joined %v", j)
	}
	ann.say(`{"type":"offer","sdp":"a","tracks":{"0":"mic","1":"phone"}}`)
	ann.expect("answer")
	bob.expect("participant-changed") // Ann has a microphone now
	bob.say(`{"type":"offer","sdp":"b","tracks":{"0":"mic"}}`)
	bob.expect("answer")
	slots := bob.expect("slots")["slots"].(map[string]any)
	if use := slots["s0"].(map[string]any); use["id"] != annHello["id"] || use["kind"] != "voice" || slots["s1"] != nil {
		t.Errorf("Bob's slots %v", slots)
	}
	if send := bob.expect("send"); send["mic"] != true || send["phone"] != false || send["camera"] != false {
		t.Errorf("wanted of Bob %v", send)
	}
	bob.say(`{"type":"state","audio":false,"video":true,"screen":false}`)
	for {
		c := ann.expect("participant-changed")["participant"].(map[string]any)
		if c["video"] == true {
			if c["audio"] != false || c["id"] != bobHello["id"] {
				t.Errorf("changed %v", c)
			}
			break
		}
	}
	bob.say(`{"type":"view","video":[{"id":"p_x","kind":"camera","width":320}]}`)
	bob.say(`{"type":"chat","text":"hello"}`)
	if c := ann.expect("chat"); c["text"] != "hello" || c["id"] != bobHello["id"] {
		t.Errorf("chat %v", c)
	}
	bob.say(`{"type":"leave"}`)
	if l := ann.expect("participant-left"); l["id"] != bobHello["id"] {
		t.Errorf("left %v", l)
	}
	bob.expectClose(websocket.StatusNormalClosure)
	if !s.connection(1).isClosed() {
		t.Error("Bob's media lives on")
	}
}

func TestAJoinThatCannotBeIsToldAndClosed(t *testing.T) {
	s := newSite(t)
	p := s.open()
	p.say(`{"type":"join","room":"  ","name":"Ann"}`)
	p.expectError("bad-room")
	p.expectClose(websocket.StatusPolicyViolation)
}

func TestASocketThatNeverJoinsIsClosed(t *testing.T) {
	s := newSite(t, func(c *Config) { c.JoinTimeout = 10 * time.Millisecond })
	s.open().expectClose(websocket.StatusPolicyViolation)
}
