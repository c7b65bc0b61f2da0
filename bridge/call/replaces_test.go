package call

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// inTheCall is a bridge in a call to a phone on a trunk that may transfer, with
// a desk that knows another phone of that trunk.
func inTheCall(t *testing.T, edit ...func(*desk)) (*bridge, *dialogue, *carrier) {
	t.Helper()
	first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
	b, d := reception(t, edit...)
	d.visit.Slot.Release()
	b.placeAs("c_1", first, trunk.Trunk{ID: "tr_in", Transfer: true})
	visit := d.visit
	d.visit.Slot, d.visit.Line = nil, Line{}
	if visit.Extension == "" {
		slot, err := b.table.First("+49301", "")
		if err != nil {
			t.Fatal(err)
		}
		d.visit.Slot, d.visit.Trunk = slot, slot.Trunk
	}
	dia := first.invited()
	dia.say(200, "one", sdp(4000, "sendrecv"))
	first.request(sip.ACK)
	b.event(wire.Answered)
	return b, dia, second
}

// placeAs is place on a trunk with more settings.
func (b *bridge) placeAs(id string, far *carrier, as trunk.Trunk) {
	b.t.Helper()
	b.place(id, far, func(t *trunk.Trunk) { t.ID, t.Transfer = as.ID, as.Transfer })
}

// whole names the dialog as the phone in it would for somebody else.
func (d *dialogue) whole() string {
	ours, _ := d.invite.From().Params.Get("tag")
	return "Replaces: " + d.invite.CallID().Value() + ";to-tag=" + ours + ";from-tag=one"
}

func TestPhoneTakesAnothersPlaceAndTheRoomNoticesNothing(t *testing.T) {
	for name, body := range map[string]string{"with an offer": sdp(4100, "sendrecv", "PCMU"), "without one": ""} {
		t.Run(name, func(t *testing.T) {
			b, d, second := inTheCall(t)
			c := calls(b, second, body, d.whole(), "Require: replaces")
			c.hears(200)
			if body == "" {
				c.ack(sdp(4100, "sendrecv", "PCMU"))
			} else {
				c.ack("")
			}
			if ev := b.event(wire.Answered); ev.ID != "c_1" || ev.Codec != wire.PCMU || ev.Seq != 2 {
				t.Errorf("%+v", ev)
			}
			bye, reply := d.request(sip.BYE)
			says(t, bye, completedElsewhere)
			reply(respond(bye, 200, "", ""))
			if now, ok := b.agent.Call("c_1"); !ok || now.State != wire.Answered || now.Room != "room" {
				t.Errorf("the call is %+v", now)
			}
			if n := b.table.List()[0].Calls; n != 1 {
				t.Errorf("%d slots are taken", n)
			}
			settle(t, b, func(c *Call) bool { return c.visit != nil && c.reinvite == nil })
			c.ask("INFO", "") // the new dialog is one like any other
			c.response(200)
			if err := b.agent.Hangup("c_1", wire.RoomEmpty); err != nil {
				t.Fatal(err)
			}
			b.ended(wire.RoomEmpty)
			bye, reply = second.request(sip.BYE)
			if bye.CallID().Value() != "inbound@test" {
				t.Errorf("BYE of %s", bye.CallID().Value())
			}
			reply(respond(bye, 200, "", ""))
			b.over()
		})
	}
}

func TestExtensionTakesACallFromTheNextDesk(t *testing.T) {
	desk, soft, second := newCarrier(t, "udp"), newCarrier(t, "udp"), newCarrier(t, "udp")
	b, house := reception(t)
	house.visit.Slot.Release()
	house.visit.Slot, house.visit.Extension = nil, "611"
	house.visit.Trunk = trunk.Trunk{Codecs: []wire.Codec{wire.PCMA}}
	b.ring(desk, soft)
	one, two := desk.invited(), soft.invited()
	one.say(180, "one", "")
	b.event(wire.Ringing)
	two.say(486, "two", "")
	soft.request(sip.ACK)
	one.say(200, "one", sdp(4000, "sendrecv"))
	desk.request(sip.ACK)
	b.event(wire.Answered)
	c := calls(b, second, sdp(4100, "sendrecv"), one.whole())
	c.hears(200)
	c.ack("")
	if ev := b.event(wire.Answered); ev.ID != "c_1" {
		t.Errorf("%+v", ev)
	}
	bye, reply := desk.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	if now, ok := b.agent.Call("c_1"); !ok || now.State != wire.Answered {
		t.Errorf("the call is %+v", now)
	}
	c.ask("BYE", "")
	c.response(200)
	if ev := b.ended(wire.HangupPhone); ev.ID != "c_1" {
		t.Errorf("%+v", ev)
	}
	<-b.agent.Drain()
}

func TestReplacementsThatAreRefused(t *testing.T) {
	whole := func(d *dialogue) string { return d.whole() }
	for _, test := range []struct {
		name string
		line func(*dialogue) string
		edit func(*desk)
		body string
		want int
	}{
		{"no such dialog", func(*dialogue) string { return "Replaces: 1@x;to-tag=2;from-tag=3" }, nil, sdp(4100, "sendrecv"), 481},
		{"another phone's dialog", func(d *dialogue) string { return strings.Replace(d.whole(), "from-tag=one", "from-tag=two", 1) }, nil, sdp(4100, "sendrecv"), 481},
		{"no tags", func(*dialogue) string { return "Replaces: 1@x" }, nil, sdp(4100, "sendrecv"), 400},
		{"one tag twice", func(d *dialogue) string { return d.whole() + ";to-tag=x" }, nil, sdp(4100, "sendrecv"), 400},
		{"two of them", func(d *dialogue) string { return d.whole() + "\r\n" + d.whole() }, nil, sdp(4100, "sendrecv"), 400},
		{"an early dialog only", func(d *dialogue) string { return d.whole() + ";early-only" }, nil, sdp(4100, "sendrecv"), 486},
		{"a phone of the house may not take a carrier's", whole, func(d *desk) { d.visit.Extension = "610" }, sdp(4100, "sendrecv"), 403},
		{"an offer that cannot be used", whole, nil, strings.Replace(sdp(4100, "sendrecv"), "8 101", "96", 1), 488},
	} {
		t.Run(test.name, func(t *testing.T) {
			edit := test.edit
			if edit == nil {
				edit = func(*desk) {}
			}
			b, d, second := inTheCall(t, edit)
			c := calls(b, second, test.body, test.line(d))
			c.response(test.want)
			if now, _ := b.agent.Call("c_1"); now.State != wire.Answered {
				t.Errorf("the call is %+v", now)
			}
			b.hangsUpAfterAll(d)
		})
	}
	t.Run("a trunk that may not transfer", func(t *testing.T) {
		first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
		b, _ := reception(t, func(d *desk) { d.visit.Slot.Release(); d.visit.Slot = nil })
		b.placeAs("c_1", first, trunk.Trunk{ID: "tr_in"})
		d := first.invited()
		d.say(200, "one", sdp(4000, "sendrecv"))
		first.request(sip.ACK)
		b.event(wire.Answered)
		calls(b, second, sdp(4100, "sendrecv"), d.whole()).response(403)
		b.hangsUpAfterAll(d)
	})
	t.Run("a phone that still rings", func(t *testing.T) {
		first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
		b, desk := reception(t)
		desk.visit.Slot.Release()
		desk.visit.Slot = nil
		b.placeAs("c_1", first, trunk.Trunk{ID: "tr_in", Transfer: true})
		d := first.invited()
		d.say(183, "one", sdp(4000, "sendrecv"))
		b.event(wire.Early)
		calls(b, second, sdp(4100, "sendrecv"), d.whole()).response(481)
		d.say(486, "one", "")
		first.request(sip.ACK)
		b.ended(wire.Busy)
		b.over()
	})
}

func TestReplacesAsItIsWritten(t *testing.T) {
	for value, want := range map[string]replaces{
		"1@x;to-tag=2;from-tag=3":                       {"1@x", "2", "3", false},
		" 1@x ; From-Tag = 3 ;early-only; TO-TAG=2;x=y": {"1@x", "2", "3", true},
	} {
		if got, ok := parseReplaces(value); !ok || got != want {
			t.Errorf("%q is %+v, %v", value, got, ok)
		}
	}
	for _, value := range []string{"", ";", "1@x", "1@x;to-tag=2", "1@x;from-tag=2", ";to-tag=1;from-tag=2", "1;to-tag=1;to-tag=2;from-tag=3"} {
		if got, ok := parseReplaces(value); ok {
			t.Errorf("%q is %+v", value, got)
		}
	}
}
