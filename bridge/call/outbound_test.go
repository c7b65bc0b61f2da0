package call

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// transports runs a test over both.
func transports(t *testing.T, f func(t *testing.T, b *bridge, far *carrier)) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			far := newCarrier(t, network)
			f(t, newBridge(t), far)
		})
	}
}

// talk brings a call up.
func talk(t *testing.T, b *bridge, far *carrier, edit ...func(*trunk.Trunk)) *dialogue {
	t.Helper()
	b.place("c_1", far, edit...)
	d := far.invited()
	d.say(200, "one", sdp(4000, "sendrecv"))
	far.request(sip.ACK)
	b.event(wire.Answered)
	return d
}

func TestInviteIsWhatACarrierExpects(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far, func(tr *trunk.Trunk) { tr.FromUser, tr.FromDisplay = "account", `Front "desk"` })
		d := far.invited()
		local := b.agent.UDPAddr()
		transport := ""
		if far.network == "tcp" {
			local, transport = b.agent.TCPAddr(), ";transport=tcp"
		}
		checks := []struct{ what, got, want string }{
			{"Request-URI", d.invite.Recipient.String(), "sip:4989654321@" + far.addr.String()},
			{"From", strings.Split(d.invite.From().Value(), ";tag=")[0], `"Front desk" <sip:account@127.0.0.1>`},
			{"To", d.invite.To().Value(), "<sip:4989654321@127.0.0.1>"},
			{"Contact", d.invite.Contact().Value(), "<sip:dialroom@" + local.String() + transport + ">"},
			{"Via", strings.Split(d.invite.Via().Value(), ";")[0], "SIP/2.0/" + strings.ToUpper(far.network) + " " + local.String()},
			{"P-Asserted-Identity", d.invite.GetHeader("P-Asserted-Identity").Value(), "<sip:4930123456@127.0.0.1>"},
			{"Allow", d.invite.GetHeader("Allow").Value(), allowed},
			{"Content-Type", d.invite.ContentType().Value(), "application/sdp"},
		}
		for _, c := range checks {
			if c.got != c.want {
				t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
			}
		}
		if !lists(d.invite, "Supported", "timer") || !lists(d.invite, "Supported", "100rel") {
			t.Error("does not announce what we speak")
		}
		if body := string(d.invite.Body()); !strings.Contains(body, "m=audio") || !strings.Contains(body, "telephone-event") {
			t.Errorf("no usable offer:\n%s", body)
		}
		d.say(486, "x", "")
		far.request(sip.ACK)
		b.ended(wire.Busy)
		b.over()
	})
}

func TestRingingAnswerAndHangup(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		d.say(100, "", "")
		d.say(180, "one", "")
		b.event(wire.Ringing)
		d.say(200, "one", sdp(4000, "sendrecv", "PCMU"))
		ack, _ := far.request(sip.ACK)
		if ack.CSeq().SeqNo != d.invite.CSeq().SeqNo {
			t.Errorf("ACK has CSeq %d, the INVITE %d", ack.CSeq().SeqNo, d.invite.CSeq().SeqNo)
		}
		if got := ack.Recipient.User; got != "carrier" {
			t.Errorf("the ACK went to %q, not to the Contact", got)
		}
		if ev := b.event(wire.Answered); ev.Codec != wire.PCMU || ev.Seq != 2 || ev.ID != "c_1" || ev.Trunk != "tr_test" {
			t.Errorf("answered with %+v", ev)
		}
		if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
			t.Fatal(err)
		}
		b.ended(wire.HangupRoom)
		bye, reply := far.request(sip.BYE)
		if bye.CSeq().SeqNo <= d.invite.CSeq().SeqNo {
			t.Errorf("BYE has CSeq %d after the INVITE's %d", bye.CSeq().SeqNo, d.invite.CSeq().SeqNo)
		}
		reply(respond(bye, 200, "", ""))
		b.over()
		if c, ok := b.agent.Call("c_1"); !ok || c.State != wire.Ended || c.Reason != wire.HangupRoom {
			t.Errorf("the finished call is remembered as %+v", c)
		}
		if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
			t.Errorf("hanging up a finished call: %v", err)
		}
	})
}

func TestEarlyMediaThenAnotherAnswer(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		d.say(183, "one", sdp(4000, "sendrecv", "PCMA"))
		if ev := b.event(wire.Early); ev.Codec != wire.PCMA {
			t.Errorf("early with %q", ev.Codec)
		}
		d.say(180, "one", "") // changes nothing: there is audio
		d.say(200, "one", sdp(4002, "sendrecv", "PCMU"))
		far.request(sip.ACK)
		if ev := b.event(wire.Answered); ev.Codec != wire.PCMU {
			t.Errorf("the 200's answer did not replace the 183's: %q", ev.Codec)
		}
		d.ask("BYE", "one", "")
		far.response(200)
		b.ended(wire.HangupPhone)
		b.over()
	})
}

func TestAnswerWithoutSDPAfterA183WithIt(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		d.say(183, "one", sdp(4000, "sendrecv", "PCMU"))
		b.event(wire.Early)
		d.say(200, "one", "")
		far.request(sip.ACK)
		if ev := b.event(wire.Answered); ev.Codec != wire.PCMU {
			t.Errorf("answered with %q", ev.Codec)
		}
		d.ask("BYE", "one", "")
		far.response(200)
		b.ended(wire.HangupPhone)
		b.over()
	})
}

func TestAnswerWithoutAnySDPIsACKedAndHungUp(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		d.say(200, "one", "")
		far.request(sip.ACK)
		bye, reply := far.request(sip.BYE)
		reply(respond(bye, 200, "", ""))
		b.ended(wire.TrunkFailed)
		b.over()
	})
}

func TestProvisionalAfterTheAnswerChangesNothing(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		d := talk(t, b, far)
		d.say(183, "one", sdp(4004, "sendrecv", "PCMU"))
		d.say(180, "one", "")
		d.ask("BYE", "one", "")
		far.response(200)
		b.ended(wire.HangupPhone) // and no event in between
		b.over()
	})
}

func TestRepeatedAnswerIsACKedAgain(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		d.say(200, "one", sdp(4000, "sendrecv"))
		first, _ := far.request(sip.ACK)
		b.event(wire.Answered)
		d.say(200, "one", sdp(4000, "sendrecv"))
		second, _ := far.request(sip.ACK)
		if first.String() != second.String() {
			t.Errorf("the second ACK is another:\n%s\n%s", first, second)
		}
		d.ask("BYE", "one", "")
		far.response(200)
		b.ended(wire.HangupPhone)
		b.over()
	})
}

func TestForksTheFirstAnswerWinsAndTheOthersAreHungUp(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		d.say(180, "one", "")
		b.event(wire.Ringing)
		d.say(183, "two", sdp(4002, "sendrecv", "PCMA"))
		b.event(wire.Early)
		d.say(200, "three", sdp(4004, "sendrecv", "PCMU"))
		ack, _ := far.request(sip.ACK)
		if tag, _ := ack.To().Params.Get("tag"); tag != "three" {
			t.Fatalf("ACK for %q", tag)
		}
		if ev := b.event(wire.Answered); ev.Codec != wire.PCMU {
			t.Errorf("the audio is not the winner's: %q", ev.Codec)
		}
		d.say(200, "two", sdp(4002, "sendrecv"))
		ack, _ = far.request(sip.ACK)
		if tag, _ := ack.To().Params.Get("tag"); tag != "two" {
			t.Fatalf("ACK for %q", tag)
		}
		bye, reply := far.request(sip.BYE)
		if tag, _ := bye.To().Params.Get("tag"); tag != "two" {
			t.Fatalf("BYE for %q", tag)
		}
		reply(respond(bye, 200, "", ""))
		// The winner goes on.
		d.ask("BYE", "two", "")
		far.response(200)
		if c, _ := b.agent.Call("c_1"); c.State != wire.Answered {
			t.Fatalf("the call is %s after a loser's BYE", c.State)
		}
		d.ask("BYE", "three", "")
		far.response(200)
		b.ended(wire.HangupPhone)
		b.over()
	})
}

func TestCancelWaitsForAProvisional(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		if err := b.agent.Hangup("c_1", wire.RoomEmpty); err != nil {
			t.Fatal(err)
		}
		b.ended(wire.RoomEmpty) // the room knows at once
		far.nothing()           // RFC 3261 §9.1
		d.say(100, "", "")
		cancel, reply := far.request(sip.CANCEL)
		if cancel.Via().Value() != d.invite.Via().Value() || cancel.CSeq().SeqNo != d.invite.CSeq().SeqNo ||
			cancel.Recipient.String() != d.invite.Recipient.String() || cancel.To().Value() != d.invite.To().Value() {
			t.Errorf("the CANCEL does not match its INVITE:\n%s\n%s", cancel, d.invite)
		}
		reply(respond(cancel, 200, "one", ""))
		d.say(487, "one", "")
		far.request(sip.ACK)
		b.over()
	})
}

func TestAnswerThatCrossesTheCancelIsACKedAndHungUp(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far)
		d := far.invited()
		d.say(180, "one", "")
		b.event(wire.Ringing)
		if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
			t.Fatal(err)
		}
		b.ended(wire.HangupRoom)
		cancel, reply := far.request(sip.CANCEL)
		d.say(200, "one", sdp(4000, "sendrecv"))
		reply(respond(cancel, 481, "one", ""))
		far.request(sip.ACK)
		bye, reply := far.request(sip.BYE)
		reply(respond(bye, 200, "", ""))
		b.over()
	})
}
