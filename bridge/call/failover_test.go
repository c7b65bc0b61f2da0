package call

import (
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// placeOver places call c_1 over several carriers, best first.
func (b *bridge) placeOver(ways ...trunk.Trunk) {
	b.t.Helper()
	for i := range ways {
		ways[i].Priority = i
	}
	b.table = trunk.NewTable(ways, b.clock.Now)
	next, err := b.table.Ways("+4989654321", "")
	if err != nil {
		b.t.Fatal(err)
	}
	order := Order{ID: "c_1", Room: "room", Number: "+4989654321", Slot: next(), Next: next, Leg: wire.Leg{
		Media: sfuMedia, SSRCFromPhone: 1, SSRCToPhone: 2, MaxRing: 60, MaxDuration: 7200,
	}}
	if _, err := b.agent.Place(order); err != nil {
		b.t.Fatal(err)
	}
}

func way(id string, far *carrier) trunk.Trunk {
	return trunk.Trunk{
		ID: id, Enabled: true, Host: far.addr.String(), Transport: far.network,
		Prefixes: []string{""}, DialFormat: trunk.E164, Codecs: []wire.Codec{wire.PCMA}, MaxCalls: 1,
	}
}

// answersThere brings the call up on a carrier and hangs it up.
func (b *bridge) answersThere(far *carrier) {
	b.t.Helper()
	d := far.invited()
	d.say(180, "one", "")
	b.event(wire.Ringing)
	d.say(200, "one", sdp(4000, "sendrecv"))
	far.request(sip.ACK)
	b.event(wire.Answered)
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		b.t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
}

// allOver is over for a call that left attempts behind.
func (b *bridge) allOver() {
	b.t.Helper()
	<-b.agent.Drain()
	waitFor(b.t, "no timer to be left", func() bool {
		b.clock.advance(giveUpTime) // an attempt left behind may set its timer only now
		return b.clock.waiting() == 0
	})
	for _, tr := range b.table.List() {
		if tr.Calls != 0 {
			b.t.Errorf("a slot of %s is still taken", tr.ID)
		}
	}
	select {
	case ev := <-b.events:
		b.t.Errorf("event after the ending: %+v", ev)
	default:
	}
}

func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// dialingOn waits for the event that says which trunk is tried now.
func (b *bridge) dialingOn(id string, seq int) {
	b.t.Helper()
	if ev := b.event(wire.Dialing); ev.Trunk != id || ev.Seq != seq {
		b.t.Errorf("%+v, want %s as number %d", ev, id, seq)
	}
}

func TestTrunkThatAnswers5xxOr408IsFollowedByTheNext(t *testing.T) {
	for _, status := range []int{408, 500, 503, 504, 580} {
		first, second := newCarrier(t, "udp"), newCarrier(t, "tcp")
		b := newBridge(t)
		b.placeOver(way("tr_1", first), way("tr_2", second))
		d := first.invited()
		d.say(100, "", "")
		d.say(status, "x", "")
		first.request(sip.ACK)
		b.dialingOn("tr_2", 1)
		b.answersThere(second)
		b.allOver()
		first.nothing()
	}
}

// The story of the person who was rung three times.
func TestBusyDeclinedAndTheLikeAreAnswersAndNoSecondTrunkIsTried(t *testing.T) {
	for status, reason := range map[int]wire.Ending{
		486: wire.Busy, 600: wire.Busy, 603: wire.Declined, 404: wire.NotFound, 480: wire.Unreachable,
		487: wire.Unreachable, 403: wire.TrunkFailed, 488: wire.TrunkFailed,
	} {
		first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
		b := newBridge(t)
		b.placeOver(way("tr_1", first), way("tr_2", second))
		d := first.invited()
		d.say(status, "x", "")
		first.request(sip.ACK)
		b.ended(reason)
		b.over()
		second.nothing()
	}
}

func TestPhoneThatHasRungOrSpokenIsNotRungAgain(t *testing.T) {
	for name, before := range map[string]func(b *bridge, d *dialogue){
		"ringing":     func(b *bridge, d *dialogue) { d.say(180, "one", ""); b.event(wire.Ringing) },
		"early media": func(b *bridge, d *dialogue) { d.say(183, "one", sdp(4000, "sendrecv")); b.event(wire.Early) },
	} {
		t.Run(name, func(t *testing.T) {
			first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
			b := newBridge(t)
			b.placeOver(way("tr_1", first), way("tr_2", second))
			d := first.invited()
			before(b, d)
			d.say(503, "one", "")
			first.request(sip.ACK)
			b.ended(wire.TrunkFailed)
			b.over()
			second.nothing()
		})
	}
}

func TestSilentTrunkIsFollowedByTheNextWithinFourSeconds(t *testing.T) {
	first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
	heard := make(chan bool, 8)
	b := newBridge(t, func(c *Config) {
		c.Heard = func(id string, answered bool) {
			if id == "tr_1" {
				heard <- answered
			}
		}
	})
	b.placeOver(way("tr_1", first), way("tr_2", second))
	first.invited()
	b.clock.advance(hurryTime)
	b.dialingOn("tr_2", 1)
	if <-heard {
		t.Error("the silent trunk is said to have answered")
	}
	b.answersThere(second)
	b.allOver()
}

func TestSilentTrunkThatFindsItsTongueIsCancelledAndItsAnswerHungUp(t *testing.T) {
	first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	b.placeOver(way("tr_1", first), way("tr_2", second))
	late := first.invited()
	b.clock.advance(hurryTime)
	b.dialingOn("tr_2", 1)
	d := second.invited()
	late.say(180, "late", "")
	cancel, reply := first.request(sip.CANCEL)
	reply(respond(cancel, 200, "late", ""))
	late.say(200, "late", sdp(4000, "sendrecv")) // crosses the CANCEL
	first.request(sip.ACK)
	bye, reply := first.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	d.say(180, "one", "")
	b.event(wire.Ringing)
	d.say(486, "one", "")
	second.request(sip.ACK)
	b.ended(wire.Busy)
	b.allOver()
}

func TestTrunkThatRefusesTCPOrHasNoAddressIsFollowedByTheNext(t *testing.T) {
	for name, edit := range map[string]func(*trunk.Trunk){
		"refusing TCP":  func(*trunk.Trunk) {},
		"unresolvable":  func(tr *trunk.Trunk) { tr.Host = "nowhere.example" },
		"no such proxy": func(tr *trunk.Trunk) { tr.Proxy = "nowhere.example:5060" },
	} {
		t.Run(name, func(t *testing.T) {
			first, second := newCarrier(t, "tcp"), newCarrier(t, "udp")
			first.close()
			b := newBridge(t, func(c *Config) { c.Resolver = names{} })
			one := way("tr_1", first)
			edit(&one)
			b.placeOver(one, way("tr_2", second))
			b.dialingOn("tr_2", 1)
			b.answersThere(second)
			b.allOver()
		})
	}
}

func TestHangupWhileTheCallGoesAnotherWayIsNotLost(t *testing.T) {
	first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	b.placeOver(way("tr_1", first), way("tr_2", second))
	first.invited()
	b.agent.mu.Lock()
	before := b.agent.calls["c_1"]
	b.agent.mu.Unlock()
	b.clock.advance(hurryTime)
	b.dialingOn("tr_2", 1)
	d := second.invited()
	d.say(180, "one", "")
	b.event(wire.Ringing)
	before.post(hangup{reason: wire.HangupRoom}) // found before, told after
	b.ended(wire.HangupRoom)
	cancel, reply := second.request(sip.CANCEL)
	reply(respond(cancel, 200, "one", ""))
	d.say(487, "one", "")
	second.request(sip.ACK)
	b.allOver()
}

func TestAllTrunksFail(t *testing.T) {
	first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	b.placeOver(way("tr_1", first), way("tr_2", second))
	d := first.invited()
	d.say(503, "x", "")
	first.request(sip.ACK)
	b.dialingOn("tr_2", 1)
	d = second.invited()
	d.say(503, "x", "")
	second.request(sip.ACK)
	if ev := b.ended(wire.TrunkFailed); ev.Code != 503 || ev.Trunk != "tr_2" || ev.Seq != 2 {
		t.Errorf("%+v", ev)
	}
	b.allOver()
}

func TestTrunkThatIsFullIsPassedOver(t *testing.T) {
	first, second, third := newCarrier(t, "udp"), newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	b.placeOver(way("tr_1", first), way("tr_2", second), way("tr_3", third))
	if _, err := b.table.First("+4989654321", "tr_2"); err != nil {
		t.Fatal(err)
	}
	d := first.invited()
	d.say(503, "x", "")
	first.request(sip.ACK)
	b.dialingOn("tr_3", 1)
	d = third.invited()
	d.say(486, "x", "")
	third.request(sip.ACK)
	b.ended(wire.Busy)
	second.nothing()
}

func TestNextAddressOfThePoolIsTriedBeforeTheNextTrunk(t *testing.T) {
	for name, fail := range map[string]func(b *bridge, d *dialogue){
		"503":    func(_ *bridge, d *dialogue) { d.say(503, "x", ""); d.request(sip.ACK) },
		"silent": func(b *bridge, d *dialogue) { b.settleHurry(); b.clock.advance(hurryTime) },
	} {
		t.Run(name, func(t *testing.T) {
			one, two, other := newCarrier(t, "udp"), newCarrier(t, "udp"), newCarrier(t, "udp")
			b := newBridge(t, func(c *Config) {
				c.Resolver = names{
					srv: map[string][]string{"_sip._udp.pool.example": {"one.example:" + port(one.addr), "two.example:" + port(two.addr)}},
					ip:  map[string]string{"one.example": "127.0.0.1", "two.example": "127.0.0.1"},
				}
			})
			pool := way("tr_1", one)
			pool.Host = "pool.example"
			b.placeOver(pool, way("tr_2", other))
			d := one.invited()
			fail(b, d)
			b.answersThere(two)
			b.allOver()
			other.nothing()
		})
	}
}

// settleHurry waits until the call knows of the pool's other addresses.
func (b *bridge) settleHurry() {
	settle(b.t, b, func(c *Call) bool { return len(c.rest) > 0 })
}

func TestSilenceOfTheLastTrunkIsGivenTheWholeTime(t *testing.T) {
	first := newCarrier(t, "udp")
	b := newBridge(t)
	b.placeOver(way("tr_1", first))
	first.invited()
	b.clock.advance(hurryTime)
	settle(t, b, func(c *Call) bool { return c.next == nil })
	b.clock.advance(firstResponseTime - hurryTime)
	b.ended(wire.TrunkFailed)
	settle(t, b, func(c *Call) bool { return c.timers[giveUp] != nil })
	b.clock.advance(giveUpTime)
	b.over()
}

// The agent that closed never: the attempt left behind was told to forget the
// agent's end by that end itself, every other time.
func TestAttemptLeftBehindDoesNotKeepTheAgentFromClosing(t *testing.T) {
	for range 8 {
		first, second := newCarrier(t, "udp"), newCarrier(t, "udp")
		b := newBridge(t)
		b.placeOver(way("tr_1", first), way("tr_2", second))
		first.invited().say(503, "x", "")
		first.request(sip.ACK)
		b.dialingOn("tr_2", 1)
		second.invited()
		closed := make(chan error, 1)
		go func() { closed <- b.agent.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Logf("close: %v", err)
			}
		case <-time.After(patience):
			t.Fatal("the agent does not close")
		}
	}
}
