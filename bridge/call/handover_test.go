package call

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// away brings a call up and sends its phone to another number.
func away(t *testing.T) (*bridge, *dialogue, *trunk.Slot, *sip.Request, func([]byte)) {
	t.Helper()
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far, func(tr *trunk.Trunk) { tr.Transfer = true })
	slot, err := b.table.First("+4989777", "")
	if err != nil {
		t.Fatal(err)
	}
	room, trunkID, err := b.agent.Referable("c_1")
	if err != nil || room != "room" || trunkID != "tr_test" {
		t.Fatalf("referable: %q %q %v", room, trunkID, err)
	}
	placed, err := b.agent.Refer("c_1", Handover{ID: "c_2", Number: "+4989777", Ring: time.Minute, Slot: slot})
	if err != nil || placed.ID != "c_2" || placed.State != wire.Dialing || placed.Room != "room" {
		t.Fatalf("%+v, %v", placed, err)
	}
	if ev := b.event(wire.Dialing); ev.ID != "c_2" || ev.Trunk != "tr_test" || ev.Seq != 1 {
		t.Errorf("%+v", ev)
	}
	refer, reply := far.request(sip.REFER)
	if to := refer.GetHeader("Refer-To").Value(); to != "<sip:4989777@"+far.addr.String()+">" {
		t.Errorf("sent to %s", to)
	}
	return b, d, slot, refer, reply
}

// tells sends a NOTIFY of a transfer.
func (d *dialogue) tells(state, fragment string) {
	d.t.Helper()
	d.ask("NOTIFY", "one", fragment, "Event: refer", "Subscription-State: "+state)
	d.response(200)
}

func (b *bridge) hangsUpAfterAll(d *dialogue) {
	b.t.Helper()
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		b.t.Fatal(err)
	}
	if ev := b.ended(wire.HangupRoom); ev.ID != "c_1" {
		b.t.Errorf("%+v", ev)
	}
	bye, reply := d.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestPhoneSentToAnotherNumberIsHungUpOnceThatAnswers(t *testing.T) {
	b, d, _, refer, reply := away(t)
	reply(respond(refer, 202, "", ""))
	d.tells("active;expires=60", "SIP/2.0 100 Trying\r\n")
	d.tells("active;expires=60", "SIP/2.0 180 Ringing\r\n")
	if ev := b.event(wire.Ringing); ev.ID != "c_2" || ev.Code != 180 {
		t.Errorf("%+v", ev)
	}
	if c, ok := b.agent.Call("c_2"); !ok || c.State != wire.Ringing {
		t.Errorf("it stands %+v", c)
	}
	d.tells("terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
	if ev := b.ended(wire.Transferred); ev.ID != "c_2" || ev.Code != 200 {
		t.Errorf("%+v", ev)
	}
	if ev := b.ended(wire.Transferred); ev.ID != "c_1" {
		t.Errorf("%+v", ev)
	}
	bye, reply := d.request(sip.BYE)
	says(t, bye, "Q.850;cause=16")
	reply(respond(bye, 200, "", ""))
	b.over()
	if c, ok := b.agent.Call("c_2"); !ok || c.Reason != wire.Transferred {
		t.Errorf("it is remembered as %+v", c)
	}
}

func TestTransferThatComesToNothingLeavesTheCallUp(t *testing.T) {
	for name, c := range map[string]struct {
		reason wire.Ending
		code   int
		do     func(b *bridge, d *dialogue, refer *sip.Request, reply func([]byte))
	}{
		"the phone declines": {wire.Declined, 603, func(_ *bridge, _ *dialogue, refer *sip.Request, reply func([]byte)) {
			reply(respond(refer, 603, "", ""))
		}},
		"the phone knows no REFER": {wire.TrunkFailed, 405, func(_ *bridge, _ *dialogue, refer *sip.Request, reply func([]byte)) {
			reply(respond(refer, 405, "", ""))
		}},
		"the other phone is busy": {wire.Busy, 486, func(_ *bridge, d *dialogue, refer *sip.Request, reply func([]byte)) {
			reply(respond(refer, 202, "", ""))
			d.tells("terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n")
		}},
		"the NOTIFY overtakes the 202": {wire.Unreachable, 480, func(_ *bridge, d *dialogue, refer *sip.Request, reply func([]byte)) {
			d.tells("terminated;reason=noresource", "SIP/2.0 480 Gone Out\r\n")
			reply(respond(refer, 202, "", ""))
		}},
		"nobody tells how it went": {wire.Unreachable, 0, func(_ *bridge, d *dialogue, refer *sip.Request, reply func([]byte)) {
			reply(respond(refer, 202, "", ""))
			d.tells("terminated;reason=timeout", "")
		}},
		"the other phone rings for ever": {wire.NoAnswer, 0, func(b *bridge, d *dialogue, refer *sip.Request, reply func([]byte)) {
			reply(respond(refer, 202, "", ""))
			d.tells("active", "SIP/2.0 180 Ringing\r\n")
			b.event(wire.Ringing)
			d.ask("INFO", "one", "") // keeps silence from ending the call first
			d.response(200)
			settle(b.t, b, func(c *Call) bool { c.disarm(silence); return true })
			b.clock.advance(time.Minute)
		}},
		"the room has thought better of it": {wire.HangupRoom, 0, func(b *bridge, _ *dialogue, refer *sip.Request, reply func([]byte)) {
			reply(respond(refer, 202, "", ""))
			if err := b.agent.Hangup("c_2", wire.HangupRoom); err != nil {
				b.t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b, d, _, refer, reply := away(t)
			c.do(b, d, refer, reply)
			if ev := b.ended(c.reason); ev.ID != "c_2" || ev.Code != c.code {
				t.Errorf("%+v", ev)
			}
			if now, _ := b.agent.Call("c_1"); now.State != wire.Answered {
				t.Errorf("the call is %+v", now)
			}
			// What comes later is of nobody's transfer.
			d.ask("NOTIFY", "one", "SIP/2.0 200 OK\r\n", "Event: refer", "Subscription-State: terminated")
			d.response(481)
			b.hangsUpAfterAll(d)
		})
	}
}

func TestPhoneThatHangsUpWithOurREFERInItsHandIsOnItsWay(t *testing.T) {
	b, d, _, refer, reply := away(t)
	reply(respond(refer, 202, "", ""))
	settle(t, b, func(c *Call) bool { return c.handing.accepted })
	d.ask("BYE", "one", "")
	d.response(200)
	if ev := b.ended(wire.Transferred); ev.ID != "c_2" {
		t.Errorf("%+v", ev)
	}
	if ev := b.ended(wire.HangupPhone); ev.ID != "c_1" {
		t.Errorf("%+v", ev)
	}
	b.over()
}

func TestREFERIsSentAgainWithThePasswordThatIsWanted(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far, func(tr *trunk.Trunk) { tr.Transfer, tr.Username, tr.Password = true, "u", "p" })
	if _, err := b.agent.Refer("c_1", Handover{ID: "c_2", Number: "+4989777", Ring: time.Minute}); err != nil {
		t.Fatal(err)
	}
	b.event(wire.Dialing)
	refer, reply := far.request(sip.REFER)
	reply(respond(refer, 401, "", "", `WWW-Authenticate: Digest realm="x", nonce="n", algorithm=MD5, qop="auth"`))
	refer, reply = far.request(sip.REFER)
	if h := refer.GetHeader("Authorization"); h == nil || !strings.Contains(h.Value(), `username="u"`) {
		t.Errorf("credentials %v", h)
	}
	reply(respond(refer, 202, "", ""))
	d.tells("terminated", "SIP/2.0 404 Not Found\r\n")
	b.ended(wire.NotFound)
	b.hangsUpAfterAll(d)
}

func TestPhonesThatAreNotSentAnywhere(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	if _, _, err := b.agent.Referable("c_1"); err != ErrUnknown {
		t.Errorf("no such call: %v", err)
	}
	b.place("c_1", far, func(tr *trunk.Trunk) { tr.Transfer = true })
	d := far.invited()
	if _, _, err := b.agent.Referable("c_1"); err != ErrNotUp {
		t.Errorf("before the answer: %v", err)
	}
	d.say(486, "one", "")
	far.request(sip.ACK)
	b.ended(wire.Busy)
	b.over()

	b = newBridge(t)
	d = talk(t, b, far)
	if _, err := b.agent.Refer("c_1", Handover{ID: "c_2", Number: "+4989777", Ring: time.Minute}); err != ErrNoTransfer {
		t.Errorf("on a trunk that may not: %v", err)
	}
	b.hangsUpAfterAll(d)
}

// A desk phone dials by us what we have sent it to: the sfu is told that it is
// that dial, and not another one.
func TestTheDialOfADeskPhoneThatWasSentAwayIsKnown(t *testing.T) {
	b, d, c, _ := deskPhone(t)
	if _, err := b.agent.Refer("c_1", Handover{ID: "c_2", Number: "+4989777", Ring: time.Minute}); err != nil {
		t.Fatal(err)
	}
	b.event(wire.Dialing)
	refer, reply := c.request(sip.REFER)
	reply(respond(refer, 202, "", ""))
	for i, dial := range []struct{ extension, number, want string }{
		{"610", "+4989777", "c_2"},
		{"610", "004989777", "c_2"},
		{"610", "+4989778", "c_2"}, // of its own accord, which the sfu sees
		{"611", "+4989777", ""},    // somebody else's
		{"", "", ""},
	} {
		d.mu.Lock()
		d.visit.Extension, d.visit.Line, d.err = dial.extension, Line{Dial: dial.number, Wait: time.Minute}, &Refusal{Status: 403}
		d.mu.Unlock()
		line := &caller{carrier: newCarrier(t, "udp"), b: b}
		line.to(bytes.ReplaceAll(line.compose("INVITE", 1, "z9hG4bKdial", sdp(4000, "sendrecv")), []byte("inbound@test"), fmt.Appendf(nil, "dial%d@test", i)))
		line.hears(403)
		line.to(bytes.ReplaceAll(line.compose("ACK", 1, "z9hG4bKdial", ""), []byte("inbound@test"), fmt.Appendf(nil, "dial%d@test", i)))
		d.mu.Lock()
		if got := d.came[i+1].Transfer; got != dial.want {
			t.Errorf("%s dials %s: it follows %q, want %q", dial.extension, dial.number, got, dial.want)
		}
		d.mu.Unlock()
	}
	c.ask("NOTIFY", "SIP/2.0 200 OK\r\n", "Event: refer", "Subscription-State: terminated")
	c.response(200)
	b.ended(wire.Transferred)
	b.ended(wire.Transferred)
	bye, reply := c.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}
