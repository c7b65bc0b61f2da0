package call

import (
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

func TestWhatTheFarEndSaysOfItsHangUp(t *testing.T) {
	tests := []struct {
		name, reason string
		answered     wire.Ending // by BYE
		unanswered   wire.Ending // by CANCEL
	}{
		{"nothing", "", wire.HangupPhone, wire.HangupPhone},
		{"normal clearing", "Q.850;cause=16", wire.HangupPhone, wire.HangupPhone},
		{"normal, unspecified", "Q.850;cause=31", wire.HangupPhone, wire.HangupPhone},
		{"it rang long enough", "Q.850;cause=19", wire.HangupPhone, wire.NoAnswer},
		{"nobody responded", "Q.850;cause=18", wire.HangupPhone, wire.NoAnswer},
		{"the subscriber is gone", "Q.850;cause=20", wire.Unreachable, wire.Unreachable},
		{"the destination is broken", "Q.850;cause=27", wire.Unreachable, wire.Unreachable},
		{"no circuit", "Q.850;cause=34", wire.TrunkFailed, wire.TrunkFailed},
		{"the network is broken", "Q.850;cause=38", wire.TrunkFailed, wire.TrunkFailed},
		{"a temporary failure", `Q.850;cause=41;text="Temporary failure"`, wire.TrunkFailed, wire.TrunkFailed},
		{"congestion", "Q.850;cause=42", wire.TrunkFailed, wire.TrunkFailed},
		{"a timer ran out", "Q.850;cause=102", wire.Unreachable, wire.Unreachable},
		{"answered at another phone", `SIP;cause=200;text="Call completed elsewhere"`, wire.HangupPhone, wire.HangupPhone},
		{"a session timer's end", "SIP;cause=408", wire.Unreachable, wire.NoAnswer},
		{"a broken proxy", "SIP;cause=503", wire.TrunkFailed, wire.TrunkFailed},
		{"two reasons, the network's goes first", `SIP;cause=200;text="x", Q.850;cause=38`, wire.TrunkFailed, wire.TrunkFailed},
		{"a protocol nobody knows", "X;cause=38", wire.HangupPhone, wire.HangupPhone},
		{"nonsense", "Q.850;cause=;;,=", wire.HangupPhone, wire.HangupPhone},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := sip.NewRequest(sip.BYE, sip.Uri{Scheme: "sip", Host: "x"})
			if test.reason != "" {
				req.AppendHeader(sip.NewHeader("Reason", test.reason))
			}
			if got := farewell(req, true); got != test.answered {
				t.Errorf("a BYE is %s, want %s", got, test.answered)
			}
			if got := farewell(req, false); got != test.unanswered {
				t.Errorf("a CANCEL is %s, want %s", got, test.unanswered)
			}
		})
	}
}

func TestReasonOfABYEReachesTheRoom(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("BYE", "one", "", "Reason: Q.850;cause=38")
	far.response(200)
	b.ended(wire.TrunkFailed)
	b.over()
}

func TestReasonOfACANCELReachesTheRoom(t *testing.T) {
	far := newCarrier(t, "udp")
	b, _ := reception(t)
	c := calls(b, far, sdp(4000, "sendrecv"))
	c.hears(180)
	c.to(c.compose("CANCEL", 1, c.branch, "", "Reason: Q.850;cause=19"))
	c.response(200)
	c.hears(487)
	c.to(c.compose("ACK", 1, c.branch, ""))
	b.ended(wire.NoAnswer)
	b.over()
}

// says fails when a request has not this Reason.
func says(t *testing.T, req *sip.Request, want string) {
	t.Helper()
	h := req.GetHeaders("Reason")
	if len(h) != 1 || !strings.HasPrefix(h[0].Value(), want) {
		t.Errorf("the %s says %v, want %s", req.Method, h, want)
	}
}

func TestEveryEndingIsSaidInOurBYEAndCANCEL(t *testing.T) {
	for ending, want := range map[wire.Ending]string{
		wire.HangupRoom:  "Q.850;cause=16;",
		wire.RoomEmpty:   "Q.850;cause=16;",
		wire.MaxDuration: "Q.850;cause=16;",
		wire.Shutdown:    "Q.850;cause=41;",
		wire.MediaLost:   "Q.850;cause=41;",
		wire.NoAnswer:    "Q.850;cause=19;",
		wire.Declined:    "SIP;cause=603;",
		wire.Unreachable: "Q.850;cause=102;",
		wire.TrunkFailed: "Q.850;cause=31;",
	} {
		t.Run("BYE, "+string(ending), func(t *testing.T) {
			far := newCarrier(t, "udp")
			b := newBridge(t)
			talk(t, b, far)
			if err := b.agent.Hangup("c_1", ending); err != nil {
				t.Fatal(err)
			}
			b.ended(ending)
			bye, reply := far.request(sip.BYE)
			says(t, bye, want)
			reply(respond(bye, 200, "", ""))
			b.over()
		})
		t.Run("CANCEL, "+string(ending), func(t *testing.T) {
			far := newCarrier(t, "udp")
			b := newBridge(t)
			b.place("c_1", far)
			d := far.invited()
			d.say(180, "one", "")
			b.event(wire.Ringing)
			if err := b.agent.Hangup("c_1", ending); err != nil {
				t.Fatal(err)
			}
			b.ended(ending)
			cancel, reply := far.request(sip.CANCEL)
			says(t, cancel, want)
			reply(respond(cancel, 200, "one", ""))
			d.say(487, "one", "")
			ack, _ := far.request(sip.ACK)
			if len(ack.GetHeaders("Reason")) > 0 {
				t.Error("the ACK gives a reason")
			}
			b.over()
		})
	}
}

func TestPhonesThatWereSlowerListNoMissedCall(t *testing.T) {
	desk, soft := newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	b.ring(desk, soft)
	one, two := desk.invited(), soft.invited()
	one.say(180, "one", "")
	b.event(wire.Ringing)
	two.say(200, "two", sdp(4000, "sendrecv"))
	soft.request(sip.ACK)
	b.event(wire.Answered)
	cancel, reply := desk.request(sip.CANCEL)
	says(t, cancel, completedElsewhere)
	reply(respond(cancel, 200, "one", ""))
	// It was taken off the hook in the same moment.
	one.say(200, "one", sdp(4010, "sendrecv"))
	desk.request(sip.ACK)
	bye, reply := desk.request(sip.BYE)
	says(t, bye, completedElsewhere)
	reply(respond(bye, 200, "", ""))
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply = soft.request(sip.BYE)
	says(t, bye, "Q.850;cause=16;")
	reply(respond(bye, 200, "", ""))
	<-b.agent.Drain()
}

func TestBranchOfAForkThatLosesHearsThatTheCallIsElsewhere(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.say(200, "two", sdp(4010, "sendrecv"))
	far.request(sip.ACK)
	bye, reply := far.request(sip.BYE)
	says(t, bye, completedElsewhere)
	reply(respond(bye, 200, "", ""))
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply = far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}
