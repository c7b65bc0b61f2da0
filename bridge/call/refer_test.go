package call

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// notified waits for a NOTIFY and answers it.
func (c *carrier) notified(status, state string) {
	c.t.Helper()
	notify, reply := c.request(sip.NOTIFY)
	if body := string(notify.Body()); !strings.HasPrefix(body, "SIP/2.0 "+status) {
		c.t.Errorf("told %q, want %s", body, status)
	}
	if s := notify.GetHeader("Subscription-State").Value(); !strings.HasPrefix(s, state) {
		c.t.Errorf("the subscription is %s, want %s", s, state)
	}
	if e := notify.GetHeader("Event").Value(); !strings.HasPrefix(e, "refer") {
		c.t.Errorf("event %s", e)
	}
	reply(respond(notify, 200, "", ""))
}

// deskPhone is an extension's call into a room, with a second far end to
// transfer to.
func deskPhone(t *testing.T, edit ...func(*desk)) (*bridge, *desk, *caller, *carrier) {
	t.Helper()
	far, third := newCarrier(t, "udp"), newCarrier(t, "udp")
	b, d := reception(t, append([]func(*desk){func(d *desk) {
		d.present = true
		d.visit.Slot.Release()
		d.visit.Slot, d.visit.Extension = nil, "610"
	}}, edit...)...)
	d.transfer = func(Transfer) (string, error) {
		slot, err := trunk.NewTable([]trunk.Trunk{{ID: "tr", Enabled: true, Host: third.addr.String(), Transport: "udp", Prefixes: []string{""}, Codecs: []wire.Codec{wire.PCMA}}}, b.clock.Now).First("+49301", "")
		if err != nil {
			return "", err
		}
		_, err = b.agent.Place(Order{ID: "c_2", Room: "reception", Number: "+4930111222", Slot: slot, Leg: wire.Leg{Media: sfuMedia, SSRCFromPhone: 90, SSRCToPhone: 91}})
		return "c_2", err
	}
	c := calls(b, far, sdp(4000, "sendrecv"))
	c.hears(200)
	b.event(wire.Answered)
	c.ack("")
	return b, d, c, third
}

func TestADeskPhoneTransfersItsCall(t *testing.T) {
	b, d, c, third := deskPhone(t)
	c.ask("REFER", "", "Refer-To: <sip:+4930111222@dialroom>")
	c.response(202)
	c.notified("100", "active")
	called := third.invited()
	called.say(180, "x", "")
	if ev := b.event(wire.Ringing); ev.ID != "c_2" {
		t.Errorf("reported %+v", ev)
	}
	c.notified("180", "active")
	called.say(200, "x", sdp(4010, "sendrecv"))
	third.request(sip.ACK)
	b.event(wire.Answered)
	c.notified("200", "terminated")
	if got := d.wish; got.By != "610" || got.Room != "reception" || got.Number != "+4930111222" {
		t.Errorf("wished for %+v", got)
	}
	c.ask("BYE", "")
	c.response(200)
	if ev := b.ended(wire.HangupPhone); ev.ID != "c_1" {
		t.Errorf("ended %+v", ev)
	}
	called.ask("BYE", "x", "")
	third.response(200)
	b.ended(wire.HangupPhone)
	b.over()
}

func TestATransferThatComesToNothingIsSaidToHave(t *testing.T) {
	t.Run("the number is busy", func(t *testing.T) {
		b, _, c, third := deskPhone(t)
		c.ask("REFER", "", "Refer-To: <sip:+4930111222@dialroom>")
		c.response(202)
		c.notified("100", "active")
		third.invited().say(486, "x", "")
		third.request(sip.ACK)
		b.ended(wire.Busy)
		c.notified("486", "terminated")
		c.hangsUp()
	})
	t.Run("the guard refuses it", func(t *testing.T) {
		_, d, c, _ := deskPhone(t)
		d.transfer = func(Transfer) (string, error) { return "", &Refusal{Status: 403} }
		c.ask("REFER", "", "Refer-To: <sip:+4930111222@dialroom>")
		c.response(202)
		c.notified("100", "active")
		c.notified("403", "terminated")
		c.hangsUp()
	})
}

func TestTransfersThatAreDeclined(t *testing.T) {
	tests := []struct {
		name, to string
		edit     func(*desk)
		want     int
	}{
		{"a carrier's phone may not", "<sip:+4930111222@x>", func(d *desk) { d.visit.Extension = "" }, 603},
		{"nobody's call is replaced", "<sip:+4930111222@x?Replaces=1%3Bto-tag%3D2>", nil, 603},
		{"another method is not called for", "<sip:+4930111222@x;method=BYE>", nil, 603},
		{"a name is no number", "<sip:joe@x>", nil, 603},
		{"a direct call has no room to stay in", "<sip:+4930111222@x>", func(d *desk) { d.visit.Line.Dial = "+4930" }, 603},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			edit := test.edit
			if edit == nil {
				edit = func(*desk) {}
			}
			_, d, c, _ := deskPhone(t, edit)
			c.ask("REFER", "", "Refer-To: "+test.to)
			c.response(test.want)
			if d.wish != (Transfer{}) {
				t.Error("it was tried all the same")
			}
			c.hangsUp()
		})
	}
	t.Run("a REFER to nobody is 400", func(t *testing.T) {
		_, _, c, _ := deskPhone(t)
		c.ask("REFER", "")
		c.response(400)
		c.hangsUp()
	})
}
