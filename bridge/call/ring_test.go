package call

import (
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// ring calls an extension with a device at each of the carriers.
func (b *bridge) ring(devices ...*carrier) {
	b.t.Helper()
	b.table = trunk.NewTable([]trunk.Trunk{{ID: "none"}}, b.clock.Now)
	order := Order{ID: "c_1", Room: "room", Number: "610", Slot: trunk.Free(trunk.Trunk{Codecs: []wire.Codec{wire.PCMA, wire.PCMU}, FromUser: "dialroom", Host: "127.0.0.1"}),
		Leg: wire.Leg{Media: sfuMedia, SSRCFromPhone: 1, SSRCToPhone: 2, MaxRing: 60, MaxDuration: 7200}}
	for _, far := range devices {
		order.Devices = append(order.Devices, Target{
			URI:     sip.Uri{Scheme: "sip", User: "line1", Host: "10.1.2.3", Port: 5999}, // behind a NAT
			Network: far.network, Addr: far.addr,
		})
	}
	if _, err := b.agent.Place(order); err != nil {
		b.t.Fatal(err)
	}
}

func TestAnExtensionRingsAtAllItsDevicesAndTheFirstToAnswerHasTheCall(t *testing.T) {
	desk, soft := newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	b.ring(desk, soft)
	one, two := desk.invited(), soft.invited()
	if one.invite.Recipient.String() != "sip:line1@10.1.2.3:5999" || one.invite.To().Address.User != "610" {
		t.Errorf("invited %s", one.invite.StartLine())
	}
	one.say(180, "one", "")
	b.event(wire.Ringing)
	two.say(180, "two", "")
	two.say(200, "two", sdp(4000, "sendrecv"), "Contact: <sip:line1@10.1.2.3:5999>")
	soft.request(sip.ACK) // where it came from, whatever its Contact says
	if ev := b.event(wire.Answered); ev.ID != "c_1" || ev.Codec != wire.PCMA {
		t.Errorf("reported %+v", ev)
	}
	cancel, reply := desk.request(sip.CANCEL)
	reply(respond(cancel, 200, "one", ""))
	one.say(487, "one", "")
	desk.request(sip.ACK)
	if c, ok := b.agent.Call("c_1"); !ok || c.State != wire.Answered {
		t.Errorf("the call is %+v", c)
	}
	if list := b.agent.Calls(); len(list) != 1 || list[0].ID != "c_1" {
		t.Errorf("calls %+v", list)
	}
	two.ask("BYE", "two", "")
	soft.response(200)
	b.ended(wire.HangupPhone)
	b.over()
}

func TestTwoDevicesThatAnswerAtOnceAreOneCall(t *testing.T) {
	desk, soft := newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	b.ring(desk, soft)
	one, two := desk.invited(), soft.invited()
	one.say(200, "one", sdp(4000, "sendrecv"))
	desk.request(sip.ACK)
	b.event(wire.Answered)
	two.say(200, "two", sdp(4002, "sendrecv"))
	for range 2 { // CANCEL may have left before the answer came
		in := soft.next("ACK or CANCEL")
		if req := in.msg.(*sip.Request); req.Method == sip.CANCEL {
			in.reply(respond(req, 481, "two", ""))
			continue
		}
		break
	}
	bye, reply := soft.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	one.ask("BYE", "one", "")
	desk.response(200)
	b.ended(wire.HangupPhone)
	b.over()
}

func TestWhatBecomesOfAnExtensionNobodyAnswers(t *testing.T) {
	t.Run("one is busy and the other rings on", func(t *testing.T) {
		desk, soft := newCarrier(t, "udp"), newCarrier(t, "udp")
		b := newBridge(t)
		b.ring(desk, soft)
		one, two := desk.invited(), soft.invited()
		one.say(486, "one", "")
		desk.request(sip.ACK)
		two.say(180, "two", "")
		b.event(wire.Ringing)
		two.say(480, "two", "")
		soft.request(sip.ACK)
		if ev := b.ended(wire.Busy); ev.Code != 486 {
			t.Errorf("ended %+v", ev)
		}
		b.over()
	})
	t.Run("one that declines speaks for all", func(t *testing.T) {
		desk, soft := newCarrier(t, "udp"), newCarrier(t, "udp")
		b := newBridge(t)
		b.ring(desk, soft)
		one, two := desk.invited(), soft.invited()
		two.say(180, "two", "")
		b.event(wire.Ringing)
		one.say(603, "one", "")
		desk.request(sip.ACK)
		cancel, reply := soft.request(sip.CANCEL)
		reply(respond(cancel, 200, "two", ""))
		two.say(487, "two", "")
		soft.request(sip.ACK)
		b.ended(wire.Declined)
		b.over()
	})
	t.Run("the room hangs up and every device stops ringing", func(t *testing.T) {
		desk, soft := newCarrier(t, "udp"), newCarrier(t, "udp")
		b := newBridge(t)
		b.ring(desk, soft)
		one, two := desk.invited(), soft.invited()
		one.say(180, "one", "")
		b.event(wire.Ringing)
		two.say(180, "two", "")
		settleGroup(t, b)
		if err := b.agent.Hangup("c_1", wire.RoomEmpty); err != nil {
			t.Fatal(err)
		}
		for _, d := range []*dialogue{one, two} {
			cancel, reply := d.request(sip.CANCEL)
			reply(respond(cancel, 200, "x", ""))
			d.say(487, "x", "")
			d.request(sip.ACK)
		}
		b.ended(wire.RoomEmpty)
		b.over()
	})
}

// settleGroup waits until every device's 180 has been seen.
func settleGroup(t *testing.T, b *bridge) {
	t.Helper()
	for _, id := range []string{"c_1~1", "c_1~2"} {
		for {
			b.agent.mu.Lock()
			c := b.agent.calls[id]
			b.agent.mu.Unlock()
			answer := make(chan bool, 1)
			if c != nil && c.post(do(func() { answer <- c.heard })) && <-answer {
				break
			}
		}
	}
}
