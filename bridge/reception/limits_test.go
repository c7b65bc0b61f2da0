package reception

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/call"
	"dialroom/bridge/registrar"
	"dialroom/bridge/trunk"
)

// strangers is an agent that has sent no INVITE.
type strangers struct{}

func (strangers) OwnInvite(*sip.Request) bool { return false }

// fromTrunk is an INVITE to a virtual number from a trunk's host.
func fromTrunk(t *testing.T) *sip.Request {
	t.Helper()
	number := sip.Uri{Scheme: "sip", User: "+4930123400", Host: "192.0.2.10"}
	req := sip.NewRequest(sip.INVITE, number)
	req.AppendHeader(&sip.FromHeader{Address: sip.Uri{Scheme: "sip", User: "+4989654321", Host: "192.0.2.1"}, Params: sip.NewParams()})
	req.AppendHeader(&sip.ToHeader{Address: number, Params: sip.NewParams()})
	req.AppendHeader(&sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: "192.0.2.1", Params: sip.NewParams()})
	callID := sip.CallIDHeader("one")
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.INVITE})
	req.SetSource("192.0.2.1:5060")
	return req
}

func TestACallerOverTheLimitHearsBusyAndTheLinesAreForTheOtherDirection(t *testing.T) {
	table := trunk.NewTable([]trunk.Trunk{{ID: "tr_1", Enabled: true, Host: "192.0.2.1", Prefixes: []string{"+"}, MaxCalls: 3, MaxIn: 1}}, time.Now)
	d := New(Config{Agent: strangers{}, Trunks: table, Registrar: registrar.New(registrar.Config{}), Logger: slog.New(slog.DiscardHandler)})
	d.Load(map[string]call.Line{"+4930123400": {Room: "reception"}})
	first := d.Admit(fromTrunk(t))
	if first.Visit == nil || first.Visit.Slot == nil {
		t.Fatalf("the first caller: %+v", first)
	}
	if second := d.Admit(fromTrunk(t)); second.Answer == nil || second.Answer.StatusCode != sip.StatusBusyHere {
		t.Errorf("the second caller: %+v", second)
	} else if why := second.Answer.GetHeader("Reason"); why == nil || !strings.HasPrefix(why.Value(), "Q.850;cause=17;") {
		t.Errorf("its network hears %v", why)
	}
	for range 2 {
		if _, err := table.First("+4989654321", ""); err != nil {
			t.Errorf("a call that goes out: %v", err)
		}
	}
	first.Visit.Slot.Release()
	if third := d.Admit(fromTrunk(t)); third.Visit == nil {
		t.Errorf("after the first has hung up: %+v", third)
	}
}
