package reception

import (
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/call"
	"dialroom/bridge/trunk"
)

func TestCallByARegistrationLeadsWhereTheCarrierSaysItWasDialled(t *testing.T) {
	d := New(Config{})
	d.Load(map[string]call.Line{"+4930123400": {Room: "reception"}, "+4930123456": {Room: "main"}})
	acc := trunk.Trunk{ID: "tr_a", CallerID: "+4930123456", Username: "alice", DialFormat: trunk.E164}
	for _, test := range []struct{ name, to, party, want string }{
		{"To names the number", "sip:4930123400@carrier", "", "4930123400"},
		{"the called party goes before To", "sip:alice@carrier", "<sip:+4930123400@carrier;user=phone>", "+4930123400"},
		{"To names the account: the account's own number", "sip:alice@carrier", "", "+4930123456"},
		{"a called party that leads nowhere is passed over", "sip:4930123400@carrier", "<sip:nobody@carrier>", "4930123400"},
		{"nonsense is passed over", "sip:4930123400@carrier", "<<", "4930123400"},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := sip.NewRequest(sip.INVITE, sip.Uri{Scheme: "sip", User: "tr_a", Host: "192.0.2.1"})
			var to sip.Uri
			if err := sip.ParseUri(test.to, &to); err != nil {
				t.Fatal(err)
			}
			req.AppendHeader(&sip.ToHeader{Address: to})
			if test.party != "" {
				req.AppendHeader(sip.NewHeader("P-Called-Party-ID", test.party))
			}
			if got := d.dialled(req, &acc); got != test.want {
				t.Errorf("leads to %q, want %q", got, test.want)
			}
		})
	}
}
