package call

import (
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// swallowed places a call over two trunks of which the first says 100 and
// nothing else, up to our CANCEL.
func swallowed(t *testing.T) (b *bridge, first, second *carrier, d *dialogue, cancel *sip.Request) {
	t.Helper()
	first, second = newCarrier(t, "udp"), newCarrier(t, "udp")
	b = newBridge(t)
	b.placeOver(way("tr_1", first), way("tr_2", second))
	d = first.invited()
	d.say(100, "", "")
	settle(t, b, func(c *Call) bool { return c.timers[onlyTrying] != nil })
	b.clock.advance(tryingTime)
	cancel, reply := first.request(sip.CANCEL)
	says(t, cancel, goneElsewhere)
	reply(respond(cancel, 200, "x", ""))
	settle(t, b, func(c *Call) bool { return c.detour != nil })
	second.nothing()
	return b, first, second, d, cancel
}

func TestTrunkThatSaysOnlyTryingIsCancelledBeforeTheNextIsTried(t *testing.T) {
	b, first, second, d, _ := swallowed(t)
	d.say(487, "x", "")
	first.request(sip.ACK)
	b.dialingOn("tr_2", 1)
	b.answersThere(second)
	b.allOver()
	first.nothing()
}

func TestTrunkThatDoesNotEvenConfirmTheCancelIsLeftAfterTwoSeconds(t *testing.T) {
	b, first, second, d, _ := swallowed(t)
	b.clock.advance(cancelTime - time.Millisecond)
	second.nothing()
	b.clock.advance(time.Millisecond)
	b.dialingOn("tr_2", 1)
	d.say(200, "late", sdp(4000, "sendrecv")) // half a minute too late
	first.request(sip.ACK)
	bye, reply := first.request(sip.BYE)
	says(t, bye, goneElsewhere)
	reply(respond(bye, 200, "", ""))
	b.answersThere(second)
	b.allOver()
}

func TestAnswerThatCrossesTheCancelOfASwallowedCallIsTheCall(t *testing.T) {
	b, first, second, d, _ := swallowed(t)
	d.say(200, "x", sdp(4000, "sendrecv"))
	first.request(sip.ACK)
	if ev := b.event(wire.Answered); ev.Trunk != "tr_1" {
		t.Errorf("answered %+v", ev)
	}
	second.nothing()
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply := first.request(sip.BYE)
	says(t, bye, "Q.850;cause=16;")
	reply(respond(bye, 200, "", ""))
	b.allOver()
}

func TestPhoneThatRingsWhileItsCallIsTakenBackIsNotRungAgain(t *testing.T) {
	b, first, second, d, _ := swallowed(t)
	d.say(180, "x", "")
	settle(t, b, func(c *Call) bool { return c.detour != nil && c.detour.rang })
	d.say(487, "x", "")
	first.request(sip.ACK)
	b.ended(wire.TrunkFailed)
	b.allOver()
	second.nothing()
}

func TestBusyInAnswerToTheCancelIsAnAnswer(t *testing.T) {
	b, first, second, d, _ := swallowed(t)
	d.say(486, "x", "")
	first.request(sip.ACK)
	b.ended(wire.Busy)
	b.allOver()
	second.nothing()
}

func TestHangupWhileASwallowedCallIsTakenBack(t *testing.T) {
	b, first, second, d, _ := swallowed(t)
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	d.say(487, "x", "")
	first.request(sip.ACK)
	b.allOver()
	second.nothing()
}

func TestTrunkThatSaysMoreThanTryingHasItsTime(t *testing.T) {
	for name, status := range map[string]int{"it rings": 180, "it goes on somewhere": 183, "it is queued": 182} {
		t.Run(name, func(t *testing.T) {
			first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
			b := newBridge(t)
			b.placeOver(way("tr_1", first), way("tr_2", second))
			d := first.invited()
			d.say(100, "", "")
			d.say(status, "x", "")
			settle(t, b, func(c *Call) bool { return len(c.forks) > 0 && c.timers[onlyTrying] == nil })
			if status == 180 {
				b.event(wire.Ringing)
			}
			b.clock.advance(2 * tryingTime)
			first.nothing()
			second.nothing()
			d.say(486, "x", "")
			first.request(sip.ACK)
			b.ended(wire.Busy)
			b.allOver()
		})
	}
}

func TestOnlyTrunkThatSaysOnlyTryingHasTheWholeRingTime(t *testing.T) {
	first := newCarrier(t, "udp")
	b := newBridge(t)
	b.placeOver(way("tr_1", first))
	d := first.invited()
	d.say(100, "", "")
	settle(t, b, func(c *Call) bool { return c.timers[onlyTrying] != nil })
	b.clock.advance(2 * tryingTime)
	settle(t, b, func(c *Call) bool { return c.next == nil })
	first.nothing()
	b.clock.advance(30 * time.Second) // of 60 in all
	b.ended(wire.NoAnswer)
	cancel, reply := first.request(sip.CANCEL)
	reply(respond(cancel, 200, "x", ""))
	d.say(487, "x", "")
	first.request(sip.ACK)
	b.allOver()
}
