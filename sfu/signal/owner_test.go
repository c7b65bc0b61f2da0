package signal

import (
	"context"
	"fmt"
	"testing"
	"time"

	"dialroom/sfu/dial"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// owners makes an owner of whoever has the token "owner".
func owners(c *Config) {
	c.AddPhone = func() bool { return true }
	c.Admit = func(_ context.Context, _, link string) (room.Role, error) {
		if link == "owner" {
			return room.Owner, nil
		}
		return room.Guest, nil
	}
}

// joinAs joins with a link.
func (s *site) joinAs(name, link string) (*page, message) {
	s.t.Helper()
	p := s.open()
	p.say(fmt.Sprintf(`{"type":"join","room":"r","name":%q,"link":%q}`, name, link))
	return p, p.expect("welcome")
}

func TestTheWelcomeSaysWhatThePageMay(t *testing.T) {
	s := newSite(t, owners)
	_, w := s.joinAs("Ann", "owner")
	if got := fmt.Sprint(w["role"], w["may"]); got != "ownermap[addPhone:true moderate:true]" {
		t.Errorf("an owner: %s", got)
	}
	_, w = s.joinAs("Bob", "")
	if got := fmt.Sprint(w["role"], w["may"], w["chat"]); got != "guestmap[addPhone:true moderate:false] []" {
		t.Errorf("a guest: %s", got)
	}
}

func TestAnOwnerMutesAndRemoves(t *testing.T) {
	s := newSite(t, owners)
	ann, annHello := s.joinAs("Ann", "owner")
	bob, bobHello := s.joinAs("Bob", "")
	bob.say(`{"type":"state","audio":true,"video":false,"screen":false}`)
	for ann.expect("participant-changed")["participant"].(map[string]any)["audio"] != true {
	}
	ann.say(fmt.Sprintf(`{"type":"mute","id":%q}`, bobHello["id"]))
	if m := bob.expect("muted"); m["by"] != annHello["id"] {
		t.Errorf("told %v", m)
	}
	if c := ann.expect("participant-changed")["participant"].(map[string]any); c["id"] != bobHello["id"] || c["audio"] != false {
		t.Errorf("changed %v", c)
	}
	ann.say(fmt.Sprintf(`{"type":"mute","id":%q,"muted":false}`, bobHello["id"]))
	ann.expectError("not-allowed")
	ann.say(`{"type":"mute","id":"p_nobody"}`)
	ann.expectError("no-such-participant")

	ann.say(fmt.Sprintf(`{"type":"remove","id":%q}`, bobHello["id"]))
	bob.expectClose(closeRemoved)
	if l := ann.expect("participant-left"); l["id"] != bobHello["id"] {
		t.Errorf("left %v", l)
	}
	again := s.open()
	again.say(fmt.Sprintf(`{"type":"join","room":"r","name":"Bob","resume":%q}`, bobHello["resume"]))
	if w := again.expect("welcome"); w["id"] == bobHello["id"] {
		t.Error("the resume token of somebody removed still works")
	}
}

func TestAGuestNeitherMutesNorRemoves(t *testing.T) {
	s := newSite(t, owners)
	ann, annHello := s.joinAs("Ann", "owner")
	bob, _ := s.joinAs("Bob", "")
	for _, kind := range []string{"mute", "remove"} {
		bob.say(fmt.Sprintf(`{"type":%q,"id":%q}`, kind, annHello["id"]))
		bob.expectError("not-allowed")
	}
	ann.say(`{"type":"ping"}`)
	ann.expect("pong")
}

type quietLeg struct{ track *room.Track }

func (l quietLeg) Track() *room.Track { return l.track }

func TestAPhoneThatIsRemovedIsHungUp(t *testing.T) {
	s := newSite(t, owners)
	ann, hello := s.joinAs("Ann", "owner")
	ann.say(`{"type":"dial","number":"610"}`)
	<-s.dial.asked
	ann.expect("call")
	s.rooms.Get("r").UpdateCall("c_610", room.CallUpdate{State: wire.Answered, Leg: quietLeg{&room.Track{Kind: room.Phone}}, Codec: wire.PCMA})
	phone := ann.expect("participant-joined")["participant"].(map[string]any)
	ann.say(fmt.Sprintf(`{"type":"mute","id":%q}`, phone["id"]))
	if c := ann.expect("participant-changed")["participant"].(map[string]any); c["audio"] != false {
		t.Errorf("a muted phone: %v", c)
	}
	ann.say(fmt.Sprintf(`{"type":"mute","id":%q,"muted":false}`, phone["id"]))
	if c := ann.expect("participant-changed")["participant"].(map[string]any); c["audio"] != true {
		t.Errorf("a phone that may speak again: %v", c)
	}
	ann.say(fmt.Sprintf(`{"type":"remove","id":%q}`, phone["id"]))
	if got := <-s.dial.asked; got != (hangup{"c_610", hello["id"].(string)}) {
		t.Errorf("asked %+v", got)
	}
}

func TestATypedNumberIsMarkedAsSuch(t *testing.T) {
	s := newSite(t)
	p, _ := s.joinAs("Ann", "token")
	p.say(`{"type":"dial","number":"611","add":true}`)
	if got := (<-s.dial.asked).(dial.Request); !got.Add || got.Number != "611" || got.Link != "token" {
		t.Errorf("asked %+v", got)
	}
}

func TestWhoWritesTooFastIsToldAndStays(t *testing.T) {
	now := time.Unix(1e9, 0)
	s := newSite(t, func(c *Config) { c.Now = func() time.Time { return now } })
	p, _ := s.join("r", "Ann")
	for range chatBurst {
		p.say(`{"type":"chat","text":"x"}`)
		if line := p.expect("chat"); line["name"] != "Ann" {
			t.Errorf("told %v", line)
		}
	}
	p.say(`{"type":"chat","text":"x"}`)
	p.expectError("chat-too-fast")
	p.say(`{"type":"ping"}`)
	p.expect("pong")
	_, w := s.join("r", "Bob")
	if lines := w["chat"].([]any); len(lines) != chatBurst {
		t.Errorf("Bob reads %d lines", len(lines))
	}
}
