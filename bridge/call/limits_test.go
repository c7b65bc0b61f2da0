package call

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

func TestRingTimeoutIsNoAnswer(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.say(180, "one", "")
	b.event(wire.Ringing)
	b.clock.advance(60 * time.Second)
	b.ended(wire.NoAnswer)
	cancel, reply := far.request(sip.CANCEL)
	reply(respond(cancel, 200, "one", ""))
	d.say(487, "one", "")
	far.request(sip.ACK)
	b.over()
}

func TestSilentTrunkFailsWithoutACancel(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	far.invited()
	b.clock.advance(firstResponseTime)
	b.ended(wire.TrunkFailed)
	settle(t, b, func(c *Call) bool { return c.timers[giveUp] != nil })
	b.clock.advance(giveUpTime)
	b.over()
}

func TestCancelThatIsNeverConfirmedIsGivenUp(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.say(180, "one", "")
	b.event(wire.Ringing)
	if err := b.agent.Hangup("c_1", wire.Shutdown); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.Shutdown)
	far.request(sip.CANCEL)
	b.clock.advance(giveUpTime)
	b.over()
}

func TestMaximumDuration(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("INVITE", "one", sdp(4000, "inactive")) // on hold, or silence would end it first
	far.response(200)
	d.reply(d.compose("ACK", "one", "", d.cseq, "z9hG4bKack"))
	settle(t, b, func(c *Call) bool { return c.reinvite == nil })
	for range 2*60*3 - 1 {
		b.clock.advance(20 * time.Second)
		settle(t, b, func(c *Call) bool { return len(c.timers) == 2 })
	}
	b.clock.advance(20 * time.Second)
	b.ended(wire.MaxDuration)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestATrunksOwnMaximumDurationHoldsWhateverTheSFUAsksFor(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	talk(t, b, far, func(tr *trunk.Trunk) { tr.MaxDuration = 7 * time.Second }) // the leg says two hours
	b.clock.advance(7 * time.Second)
	b.ended(wire.MaxDuration)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestNoRTPEndsTheCall(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	talk(t, b, far)
	b.clock.advance(silenceTime)
	b.ended(wire.MediaLost)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestAPhoneThatIsGoneEndsTheCallWithin15SecondsAndOneThatIsMutedDoesNot(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, tc := range []struct {
		name      string
		rtp, rtcp time.Time
		rest      time.Duration
	}{
		{"it speaks", now, time.Time{}, silenceTime},
		{"gone, without a report ever", ago(silenceTime), time.Time{}, 0},
		{"gone, with its last report before its last packet", ago(silenceTime), ago(silenceTime + time.Second), 0},
		{"muted, and sending reports", ago(30 * time.Second), ago(5 * time.Second), silenceTime - 5*time.Second},
		{"muted, and then gone", ago(30 * time.Second), ago(silenceTime), 0},
		{"reports for a minute, and no sound", ago(mutedTime), now, 0},
	} {
		if got := mayRest(now, tc.rtp, tc.rtcp); got != tc.rest {
			t.Errorf("%s: %s more, want %s", tc.name, got, tc.rest)
		}
	}
	if silenceTime > 13*time.Second {
		t.Errorf("the call of a phone that is gone goes on for %s", silenceTime)
	}
}

func TestUnreachableTrunk(t *testing.T) {
	far := newCarrier(t, "tcp")
	b := newBridge(t)
	far.close() // nobody listens there any more
	b.place("c_1", far)
	b.ended(wire.TrunkFailed)
	b.over()
}

func TestTrunkNameThatDoesNotResolve(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t, func(c *Config) { c.Resolver = names{} })
	b.place("c_1", far, func(tr *trunk.Trunk) { tr.Host = "nowhere.example" })
	b.ended(wire.TrunkFailed)
	b.over()
}

func TestTrunkBySRVRecords(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t, func(c *Config) {
		c.Resolver = names{
			srv: map[string][]string{"_sip._udp.carrier.example": {"gone.example:5060", "sip.example:" + port(far.addr)}},
			ip:  map[string]string{"sip.example": "127.0.0.1"},
		}
	})
	b.place("c_1", far, func(tr *trunk.Trunk) { tr.Host = "carrier.example" })
	d := far.invited()
	if got := d.invite.Recipient.String(); got != "sip:4989654321@carrier.example" {
		t.Errorf("Request-URI %s", got)
	}
	d.say(404, "x", "")
	far.request(sip.ACK)
	b.ended(wire.NotFound)
	b.over()
}

func TestLongInviteGoesByTCP(t *testing.T) {
	far := newCarrier(t, "tcp")
	b := newBridge(t)
	b.place("c_1", far, func(tr *trunk.Trunk) {
		tr.Transport, tr.FromDisplay = "udp", strings.Repeat("long ", 200)
	})
	d := far.invited()
	if d.invite.Via().Transport != "TCP" || !strings.Contains(d.invite.Contact().Value(), "transport=tcp") {
		t.Errorf("Via %s, Contact %s", d.invite.Via().Value(), d.invite.Contact().Value())
	}
	d.say(486, "x", "")
	far.request(sip.ACK)
	b.ended(wire.Busy)
	b.over()
}

func TestLongInviteGoesByUDPWhereNobodyListensOnTCP(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far, func(tr *trunk.Trunk) { tr.FromDisplay = strings.Repeat("long ", 200) })
	d := far.invited()
	if d.invite.Via().Transport != "UDP" {
		t.Errorf("Via %s", d.invite.Via().Value())
	}
	d.say(486, "x", "")
	far.request(sip.ACK)
	b.ended(wire.Busy)
	b.over()
}

func TestDigits(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	if err := b.agent.DTMF("c_1", "1"); err != ErrNoAudio {
		t.Errorf("digits before there is audio: %v", err)
	}
	if err := b.agent.DTMF("c_2", "1"); err != ErrUnknown {
		t.Errorf("digits to a call that does not exist: %v", err)
	}
	d.say(200, "one", sdp(4000, "sendrecv"))
	far.request(sip.ACK)
	b.event(wire.Answered)
	if err := b.agent.DTMF("c_1", "12#"); err != nil {
		t.Errorf("digits: %v", err)
	}
	d.ask("BYE", "one", "")
	far.response(200)
	b.ended(wire.HangupPhone)
	b.over()
}

func TestDrainRefusesNewCallsAndWaitsForTheLast(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	idle := b.agent.Drain()
	slot, _ := b.table.First("+4989654321", "")
	if _, err := b.agent.Place(Order{ID: "c_2", Number: "+4989654321", Slot: slot, Leg: wire.Leg{Media: sfuMedia, SSRCToPhone: 77}}); err != ErrClosed {
		t.Fatalf("a new call while draining: %v", err)
	}
	select {
	case <-idle:
		t.Fatal("drained with a call up")
	default:
	}
	d.ask("BYE", "one", "")
	far.response(200)
	b.ended(wire.HangupPhone)
	b.over()
}

func TestSameIDTwice(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	slot, _ := b.table.First("+4989654321", "")
	if _, err := b.agent.Place(Order{ID: "c_1", Number: "+4989654321", Slot: slot, Leg: wire.Leg{Media: sfuMedia, SSRCToPhone: 77}}); err != ErrExists {
		t.Fatalf("the same id again: %v", err)
	}
	d.ask("BYE", "one", "")
	far.response(200)
	b.ended(wire.HangupPhone)
	b.over()
}

func port(a netip.AddrPort) string { return a.String()[strings.LastIndexByte(a.String(), ':')+1:] }
