package signal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coder/websocket"
)

func TestEveryErrorIsToldAndClosesNothing(t *testing.T) {
	s := newSite(t)
	p := s.open()
	for _, m := range []string{
		`{"type":"offer","sdp":"pc1"}`, `{"type":"dial","number":"610"}`, `{"type":"chat","text":"x"}`,
		`{"type":"state"}`, `{"type":"view"}`, `{"type":"hangup"}`, `{"type":"dtmf"}`, `{"type":"candidate"}`,
	} {
		p.say(m)
		p.expectError("not-joined")
	}
	p.say(`{"type":"join","room":"r","name":"Ann"}`)
	p.expect("welcome")
	for _, tc := range []struct{ message, code string }{
		{`{"type":"join","room":"r"}`, "already-joined"},
		{`{"type":"dance"}`, "unknown-type"},
		{`{"type":"Ping"}`, "unknown-type"},
		{`not json`, "bad-message"},
		{``, "bad-message"},
		{`[]`, "bad-message"},
		{`"ping"`, "bad-message"},
		{`null`, "bad-message"},
		{`{"room":"r"}`, "bad-message"},
		{`{"type":7}`, "bad-message"},
		{`{"type":"chat","text":7}`, "bad-message"},
		{`{"type":"offer","sdp":"x","tracks":["mic"]}`, "bad-message"},
		{`{"type":"offer","sdp":"bad"}`, "bad-offer"},
		{`{"type":"candidate","candidate":[1]}`, "bad-message"},
		{`{"type":"view","video":{}}`, "bad-message"},
		{`{"type":"view","video":[` + strings.Repeat("{},", maxView) + `{}]}`, "bad-message"},
		{`{"type":"chat","text":""}`, "bad-chat"},
		{`{"type":"hangup","call":"c_other"}`, "no-such-call"},
		{`{"type":"dtmf","call":"c_other","digits":"1"}`, "no-such-call"},
	} {
		p.say(tc.message)
		if e := p.expectError(tc.code); strings.Contains(fmt.Sprint(e), "secret") {
			t.Errorf("internal text left: %v", e)
		}
	}
	if s.connection(0).isClosed() != true {
		t.Error("media of a refused first offer stays open")
	}
	p.say(`{"type":"ping"}`)
	p.expect("pong")
}

func TestAMessageOver64KiBClosesWith1009(t *testing.T) {
	s := newSite(t)
	p, _ := s.join("r", "Ann")
	p.say(`{"type":"ping","pad":"` + strings.Repeat("x", MaxMessage-25) + `"}`)
	p.expect("pong")
	p.say(`{"type":"ping","pad":"` + strings.Repeat("x", MaxMessage) + `"}`)
	p.expectClose(websocket.StatusMessageTooBig)
}

func TestABinaryMessageClosesWith1003(t *testing.T) {
	s := newSite(t)
	p, _ := s.join("r", "Ann")
	p.raw(websocket.MessageBinary, []byte(`{"type":"ping"}`))
	p.expectClose(websocket.StatusUnsupportedData)
}
