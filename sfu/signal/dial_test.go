package signal

import (
	"net/netip"
	"testing"

	"dialroom/sfu/dial"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

func TestDialHangupAndDigits(t *testing.T) {
	s := newSite(t)
	ann, hello := s.join("r", "Ann")
	bob, _ := s.join("r", "Bob")
	ann.say(`{"type":"dial","number":"610","trunk":"tr_1","again":true}`)
	want := dial.Request{Room: "r", Participant: hello["id"].(string), Name: "Ann", Number: "610", Trunk: "tr_1", Again: true, IP: netip.MustParseAddr("127.0.0.1")}
	if got := <-s.dial.asked; got != want {
		t.Errorf("asked %+v, want %+v", got, want)
	}
	for _, p := range []*page{ann, bob} {
		if c := p.expect("call"); c["id"] != "c_610" || c["state"] != "dialing" || c["number"] != "610" {
			t.Errorf("call %v", c)
		}
	}
	bob.say(`{"type":"dtmf","call":"c_610","digits":"12#"}`)
	if got := <-s.dial.asked; got != (digits{"c_610", "12#"}) {
		t.Errorf("asked %+v", got)
	}
	bob.say(`{"type":"dtmf","call":"c_610","digits":"x"}`)
	bob.expectError("bad-digits")
	ann.say(`{"type":"hangup","call":"c_610"}`)
	if got := <-s.dial.asked; got != (hangup{"c_610", hello["id"].(string)}) {
		t.Errorf("asked %+v", got)
	}
	s.rooms.Get("r").UpdateCall("c_610", room.CallUpdate{State: wire.Ended, Reason: "hangup-room"})
	if c := ann.expect("call"); c["state"] != "ended" || c["reason"] != "hangup-room" {
		t.Errorf("call %v", c)
	}
	ann.say(`{"type":"hangup","call":"c_610"}`) // pressed as it ended
	ann.say(`{"type":"ping"}`)
	ann.expect("pong")
}

func TestARefusalIsToldToThePageThatAsked(t *testing.T) {
	s := newSite(t)
	ann, _ := s.join("r", "Ann")
	bob, _ := s.join("r", "Bob")
	ann.say(`{"type":"dial","number":"0"}`)
	if c := ann.expect("call"); c["state"] != "refused" || c["reason"] != "not-allowed" || c["text"] == "" {
		t.Errorf("call %v", c)
	}
	ann.say(`{"type":"chat","text":"after"}`)
	for {
		m, err := bob.read()
		if err != nil {
			t.Fatal(err)
		}
		if m["type"] == "call" {
			t.Errorf("Bob was told of Ann's refusal: %v", m)
		}
		if m["type"] == "chat" {
			return
		}
	}
}

func TestADialThatWaitsHoldsNothingUp(t *testing.T) {
	s := newSite(t)
	s.dial.hold = make(chan struct{})
	p, _ := s.join("r", "Ann")
	for range maxDials {
		p.say(`{"type":"dial","number":"0"}`)
	}
	p.say(`{"type":"dial","number":"0"}`)
	p.expectError("too-fast")
	p.say(`{"type":"ping"}`)
	p.expect("pong")
	close(s.dial.hold)
	for range maxDials {
		p.expect("call")
	}
}
