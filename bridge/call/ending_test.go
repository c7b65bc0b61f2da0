package call

import (
	"fmt"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

func TestEnding(t *testing.T) {
	tests := []struct {
		name   string
		status int
		reason string
		rang   bool
		want   wire.Ending
	}{
		{"busy here", 486, "", true, wire.Busy},
		{"busy everywhere", 600, "", false, wire.Busy},
		{"decline", 603, "", true, wire.Declined},
		{"unwanted", 607, "", true, wire.Declined},
		{"not found", 404, "", false, wire.NotFound},
		{"does not exist anywhere", 604, "", false, wire.NotFound},
		{"gone", 410, "", false, wire.NotFound},
		{"address incomplete", 484, "", false, wire.NotFound},
		{"temporarily unavailable before it rang is an unreachable phone", 480, "", false, wire.Unreachable},
		{"temporarily unavailable after it rang is nobody answering", 480, "", true, wire.NoAnswer},
		{"request timeout before it rang", 408, "", false, wire.Unreachable},
		{"request timeout after it rang", 408, "", true, wire.NoAnswer},
		{"terminated by the network after it rang", 487, "", true, wire.NoAnswer},
		{"forbidden", 403, "", false, wire.TrunkFailed},
		{"payment required", 402, "", false, wire.TrunkFailed},
		{"not acceptable here", 488, "", false, wire.TrunkFailed},
		{"internal error", 500, "", false, wire.TrunkFailed},
		{"service unavailable", 503, "", true, wire.TrunkFailed},
		{"a redirection is not followed", 302, "", false, wire.Unreachable},
		{"a status nobody has heard of", 699, "", false, wire.TrunkFailed},

		{"480 because the user is busy", 480, "Q.850;cause=17", true, wire.Busy},
		{"480 because nobody answered", 480, `Q.850 ;cause=19 ;text="no answer"`, false, wire.NoAnswer},
		{"480 because the subscriber is absent", 480, "Q.850;cause=20", true, wire.Unreachable},
		{"500 because the call was rejected", 500, "Q.850;text=\"x\";cause=21", false, wire.Declined},
		{"503 because the number does not exist", 503, "SIP;cause=503,Q.850;cause=1", false, wire.NotFound},
		{"404 stays not found whatever the cause", 404, "Q.850;cause=17", false, wire.NotFound},
		{"a SIP cause is not a Q.850 cause", 480, "SIP;cause=17", false, wire.Unreachable},
		{"a cause that says nothing changes nothing", 480, "Q.850;cause=16", true, wire.NoAnswer},
		{"a cause that is no number changes nothing", 480, "Q.850;cause=busy", true, wire.NoAnswer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res := sip.NewResponse(test.status, "x")
			if test.reason != "" {
				res.AppendHeader(sip.NewHeader("Reason", test.reason))
			}
			if got := ending(res, test.rang); got != test.want {
				t.Errorf("%d is %s, want %s", test.status, got, test.want)
			}
		})
	}
}

func TestEveryStatusHasAnEnding(t *testing.T) {
	for status := 300; status < 700; status++ {
		if got := ending(sip.NewResponse(status, "x"), false); got == "" {
			t.Errorf("%d has none", status)
		}
	}
}

func TestRefusalsReachTheRoom(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.say(180, "one", "")
	b.event(wire.Ringing)
	d.say(480, "one", "", "Reason: Q.850;cause=21")
	far.request(sip.ACK)
	if ev := b.ended(wire.Declined); ev.Code != 480 {
		t.Errorf("ended %+v", ev)
	}
	b.over()
}

func TestHistoryForgetsTheOldest(t *testing.T) {
	h := newHistory()
	for i := range historySize + 10 {
		h.add(wire.Call{ID: fmt.Sprint(i)})
	}
	if h.has("9") || !h.has("10") || !h.has(fmt.Sprint(historySize+9)) || len(h.calls) != historySize {
		t.Errorf("%d calls kept, wrong ones", len(h.calls))
	}
}
