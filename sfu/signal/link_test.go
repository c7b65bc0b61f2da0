package signal

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"dialroom/sfu/dial"
	"dialroom/sfu/room"
)

// doorkeeper lets in who has the token "good" and asks for the room "r".
func doorkeeper(asked *atomic.Int32) func(*Config) {
	return func(c *Config) {
		c.Admit = func(_ context.Context, name, link string) (room.Role, error) {
			asked.Add(1)
			switch {
			case link == "late":
				return "", &dial.RefusedError{Reason: "link-expired"}
			case link == "broken":
				return "", errors.New("secret detail")
			case link != "good" || name != "r":
				return "", &dial.RefusedError{Reason: "link-invalid"}
			}
			return room.Guest, nil
		}
	}
}

func TestOnlyWhoIsAdmittedJoins(t *testing.T) {
	var asked atomic.Int32
	s := newSite(t, doorkeeper(&asked))
	for _, tc := range []struct{ join, code string }{
		{`{"type":"join","room":"r","name":"Eve"}`, "link-invalid"},
		{`{"type":"join","room":"r","name":"Eve","link":"forged"}`, "link-invalid"},
		{`{"type":"join","room":"other","name":"Eve","link":"good"}`, "link-invalid"},
		{`{"type":"join","room":"r","name":"Eve","link":"late"}`, "link-expired"},
		{`{"type":"join","room":"r","name":"Eve","link":"broken"}`, "internal"},
		{`{"type":"join","room":"r","name":"Eve","resume":"guessed"}`, "link-invalid"},
	} {
		p := s.open()
		p.say(tc.join)
		p.expectError(tc.code)
		p.expectClose(websocket.StatusPolicyViolation)
	}
	if s.rooms.Get("r") != nil || s.rooms.Get("other") != nil {
		t.Error("somebody has opened a room")
	}
	p := s.open()
	p.say(`{"type":"join","room":"r","name":"Ann","link":"good"}`)
	p.expect("welcome")
}

// A link may run out during a call; a connection that breaks then must not end it.
func TestWhoComesBackIsNotAskedForALinkAgain(t *testing.T) {
	var asked atomic.Int32
	s := newSite(t, doorkeeper(&asked))
	p := s.open()
	p.say(`{"type":"join","room":"r","name":"Ann","link":"good"}`)
	w := p.expect("welcome")
	before := asked.Load()
	_ = p.conn.CloseNow()
	p = s.open()
	p.say(fmt.Sprintf(`{"type":"join","room":"r","name":"Ann","link":"late","resume":%q}`, w["resume"]))
	if again := p.expect("welcome"); again["id"] != w["id"] || asked.Load() != before {
		t.Errorf("came back as %v, was %v; asked %d times more", again["id"], w["id"], asked.Load()-before)
	}
}

func TestADialCarriesTheLinkOfTheJoin(t *testing.T) {
	s := newSite(t)
	p := s.open()
	p.say(`{"type":"join","room":"r","name":"Ann","link":"token"}`)
	p.expect("welcome")
	p.say(`{"type":"dial","number":"610","link":"another"}`)
	if got := (<-s.dial.asked).(dial.Request); got.Link != "token" || got.Name != "Ann" || got.Number != "610" {
		t.Errorf("asked %+v", got)
	}
}
