package call

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// press sends a key by INFO.
func (c *caller) press(keys string) {
	c.t.Helper()
	for _, key := range keys {
		c.cseq++
		raw := c.compose("INFO", c.cseq, "z9hG4bKinfo"+string(rune('a'+c.cseq)), "Signal="+string(key)+"\r\nDuration=160\r\n")
		c.to([]byte(strings.Replace(string(raw), "application/sdp", "application/dtmf-relay", 1)))
		c.response(200)
	}
}

// behindPIN is a call that was answered and has to enter digits.
func behindPIN(t *testing.T, line Line) (*bridge, *desk, *caller) {
	t.Helper()
	far := newCarrier(t, "udp")
	b, d := reception(t, func(d *desk) { d.visit.Line = line })
	c := calls(b, far, sdp(4000, "sendrecv"))
	c.hears(200)
	c.ack("")
	return b, d, c
}

func TestAPINIsEnteredBeforeTheRoomHearsOfTheCall(t *testing.T) {
	b, d, c := behindPIN(t, Line{Room: "board", PIN: "4711"})
	c.press("4710")
	if len(d.rooms()) != 0 {
		t.Fatal("a wrong PIN got in")
	}
	c.press("4711")
	if ev := b.event(wire.Answered); ev.ID != "c_1" {
		t.Errorf("reported %+v", ev)
	}
	if rooms := d.rooms(); len(rooms) != 1 || rooms[0] != "board" {
		t.Errorf("asked for %v", rooms)
	}
	c.hangsUp()
}

func TestACodeChoosesTheRoom(t *testing.T) {
	b, d, c := behindPIN(t, Line{PIN: "9", Rooms: map[string]string{"1": "sales", "22": "support"}})
	c.press("922")
	b.event(wire.Answered)
	if rooms := d.rooms(); len(rooms) != 1 || rooms[0] != "support" {
		t.Errorf("asked for %v", rooms)
	}
	c.hangsUp()
}

func TestThreeWrongPINsEndTheCallAndTheRoomNeverKnew(t *testing.T) {
	b, d, c := behindPIN(t, Line{Room: "board", PIN: "4711"})
	c.press("0000")
	c.press("12#")
	c.cseq++
	raw := c.compose("INFO", c.cseq, "z9hG4bKlast", "#")
	c.to([]byte(strings.Replace(string(raw), "application/sdp", "application/dtmf", 1)))
	c.response(200)
	bye, reply := c.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over() // and no event at all
	if len(d.rooms()) != 0 {
		t.Error("the room was asked")
	}
}

func TestACallerBehindThePINHangsUp(t *testing.T) {
	b, _, c := behindPIN(t, Line{Room: "board", PIN: "4711"})
	c.press("47")
	c.ask("BYE", "")
	c.response(200)
	b.over()
}

func TestKeysInINFO(t *testing.T) {
	tests := []struct {
		name, kind, body string
		want             byte
	}{
		{"a relayed digit", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", '5'},
		{"spaces around it", "application/dtmf-relay", "Signal= #\r\nDuration= 160\r\n", '#'},
		{"a star as an event code", "application/dtmf-relay", "Signal=10", '*'},
		{"a bare digit", "application/dtmf", "7", '7'},
		{"a letter", "application/dtmf", "b", 'B'},
		{"a picture refresh is no key", "application/media_control+xml", "<x/>", 0},
		{"nothing is no key", "application/dtmf", "", 0},
		{"a flash is no key", "application/dtmf", "16", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := sip.NewRequest(sip.INFO, sip.Uri{Scheme: "sip", Host: "x"})
			req.AppendHeader(sip.NewHeader("Content-Type", test.kind))
			req.SetBody([]byte(test.body))
			if key, _ := infoKey(req); key != test.want {
				t.Errorf("got %q", key)
			}
		})
	}
}
