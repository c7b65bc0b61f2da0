package signal

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/coder/websocket"

	"dialroom/sfu/room"
)

func TestASilentSocketIsClosed(t *testing.T) {
	s := newSite(t, func(c *Config) { c.PingEvery, c.PongTimeout = 10*time.Millisecond, 20*time.Millisecond })
	p, _ := s.join("r", "Ann") // does not read from here on, so it answers no ping
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for s.Connections() > 0 {
		if ctx.Err() != nil {
			t.Fatal("the silent socket is still open")
		}
		<-time.After(5 * time.Millisecond)
	}
	if r := s.rooms.Get("r"); r == nil || len(r.Participants()) != 1 {
		t.Error("the participant left without its grace")
	}
	_ = p
}

func TestASocketThatAnswersPingsStays(t *testing.T) {
	s := newSite(t, func(c *Config) { c.PingEvery = time.Millisecond })
	p, _ := s.join("r", "Ann")
	for range 20 {
		p.say(`{"type":"ping"}`)
		p.expect("pong") // reading answers the server's pings
	}
}

func TestOneAddressHasALimitedNumberOfSockets(t *testing.T) {
	s := newSite(t, func(c *Config) { c.MaxPerIP = 1 })
	for _, tc := range []struct {
		name, first, second string
		refused             bool
	}{
		{"one IPv4 address", "192.0.2.1", "192.0.2.1", true},
		{"its IPv6 form", "192.0.2.2", "::ffff:192.0.2.2", true},
		{"two addresses", "192.0.2.3", "192.0.2.4", false},
		{"an IPv6 /64 is one", "2001:db8::1", "2001:db8::ffff:2", true},
		{"the next /64 is another", "2001:db8:0:1::1", "2001:db8:0:2::1", false},
		{"this machine", "127.0.0.1", "127.0.0.1", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.t = t
			first := s.open(tc.first)
			first.say(`{"type":"ping"}`)
			first.expect("pong") // it is served, not only accepted
			second := s.open(tc.second)
			if tc.refused {
				second.expectClose(websocket.StatusTryAgainLater)
				return
			}
			second.say(`{"type":"ping"}`)
			second.expect("pong")
		})
	}
}

func TestAPageThatDoesNotReadIsClosedAndHoldsNobodyUp(t *testing.T) {
	c := newClient(NewServer(Config{}), nil, netip.Addr{})
	for range outboxSize + 1 {
		c.Send(room.Pong{})
	}
	select {
	case <-c.done:
		if c.code != websocket.StatusTryAgainLater {
			t.Errorf("closed with %d", c.code)
		}
	default:
		t.Error("still open")
	}
}

func TestClosingTheServerClosesEveryPage(t *testing.T) {
	s := newSite(t)
	a, _ := s.join("r", "Ann")
	b := s.open()
	b.say(`{"type":"ping"}`)
	b.expect("pong")
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	a.expectClose(websocket.StatusGoingAway)
	b.expectClose(websocket.StatusGoingAway)
	<-closed
	s.open().expectClose(websocket.StatusGoingAway)
}
