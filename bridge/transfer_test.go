package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// onThePhone is a bridge with an answered call, c_page.
func onThePhone(t *testing.T) (*bridge, *carrier) {
	t.Helper()
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.place("c_page", 10)
	eventually(t, "answered", func() bool { return b.room.got("c_page") == "answered" })
	return b, far
}

func (b *bridge) transfer(key sign.Key, id, number string) answer {
	b.t.Helper()
	return b.ask(key, "POST", wire.PathCalls+"/"+id+"/transfer", wire.TransferRequest{Number: number})
}

func TestATransferIsADialThatTheSFUJudgesFirst(t *testing.T) {
	b, far := onThePhone(t)
	got := b.transfer(scriptKey, "c_page", "089 65 43 21")
	if got.status != 202 || got.Call.ID != "c_granted" || got.Call.Number != "+4989654321" || got.Call.Trunk != "tr_1" || got.Call.State != wire.Dialing {
		t.Fatalf("answered %d %s", got.status, got.raw)
	}
	if asked := b.room.asked(); len(asked) != 1 || asked[0].Room != "room" || asked[0].Number != "089 65 43 21" || asked[0].Trunk != "tr_1" || asked[0].Key != "crm" {
		t.Errorf("the sfu was asked %+v", asked)
	}
	// What was checked is what the phone is sent to.
	eventually(t, "REFER", func() bool {
		return slices.Equal(far.referred(), []string{fmt.Sprintf("<sip:+4989654321@127.0.0.1:%d>", far.port())})
	})
	if got := b.transfer(scriptKey, "c_page", "+4989654321"); got.status != 409 {
		t.Errorf("a second transfer is answered %d %s", got.status, got.raw)
	}
	if got := b.send(scriptKey, "GET", wire.PathCalls+"/c_granted", ""); got.status != 200 || got.Call.State != wire.Dialing {
		t.Errorf("GET answered %d %s", got.status, got.raw)
	}
	if got := b.send(scriptKey, "DELETE", wire.PathCalls+"/c_granted", ""); got.status != 204 {
		t.Errorf("DELETE answered %d %s", got.status, got.raw)
	}
	eventually(t, "the transfer is given up", func() bool { return b.room.got("c_granted") == "dialing, ended hangup-room" })
	if b.room.got("c_page") != "answered" || far.hungUp() != 0 {
		t.Error("the call has not gone on")
	}
}

func TestNoPhoneIsSentAwayUnlessTheSFUSaysYes(t *testing.T) {
	b, far := onThePhone(t)
	refused := `{"error":"refused","reason":"not-allowed","text":"x"}`
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"it refuses":           {&sign.StatusError{Status: 403, Body: []byte(refused)}, 403},
		"a cap is reached":     {&sign.StatusError{Status: 429, Body: []byte(`{"error":"refused","reason":"cap-day","text":"x"}`)}, 429},
		"it is not there":      {errors.New("gone"), 503},
		"it answers something": {&sign.StatusError{Status: 500}, 503},
	} {
		b.room.grants(func(wire.LegRequest) (wire.LegResponse, error) { return wire.LegResponse{}, c.err })
		if got := b.transfer(scriptKey, "c_page", "+4989654321"); got.status != c.status {
			t.Errorf("%s: answered %d %s", name, got.status, got.raw)
		}
	}
	b.room.grants(func(wire.LegRequest) (wire.LegResponse, error) {
		return wire.LegResponse{ID: "c_g2", Number: "+4989654321;x=y", Leg: *testLeg("sfu-1", 99)}, nil
	})
	if got := b.transfer(scriptKey, "c_page", "+4989654321"); got.status != 400 {
		t.Errorf("a number that is none: answered %d %s", got.status, got.raw)
	}
	if list := far.referred(); len(list) != 0 {
		t.Errorf("sent to %v", list)
	}
}

func TestTransfersThatAreNotToBeHad(t *testing.T) {
	b, far := onThePhone(t)
	if got := b.transfer(sfuKey, "c_page", "+4989654321"); got.status != 403 {
		t.Errorf("the sfu's key: answered %d %s", got.status, got.raw)
	}
	if got := b.transfer(scriptKey, "c_nobody", "+4989654321"); got.status != 404 {
		t.Errorf("an unknown call: answered %d %s", got.status, got.raw)
	}
	if got := b.send(scriptKey, "POST", wire.PathCalls+"/c_page/transfer", `{"number":""}`); got.status != 400 {
		t.Errorf("no number: answered %d %s", got.status, got.raw)
	}
	if n := len(b.room.asked()); n != 0 {
		t.Errorf("the sfu was asked %d times", n)
	}
	// The trunk takes two calls: this one, another, and none for the transfer.
	b.place("c_other", 20)
	if got := b.transfer(scriptKey, "c_page", "+4989654321"); got.status != 503 || got.Reason != "no-trunk" {
		t.Errorf("a full trunk: answered %d %s", got.status, got.raw)
	}
	eventually(t, "the sfu gets its reservation back", func() bool { return b.room.got("c_granted") == "ended no-trunk" })
	if got := b.send(sfuKey, "DELETE", wire.PathCalls+"/c_page", ""); got.status != 204 {
		t.Fatal(got.status)
	}
	if got := b.transfer(scriptKey, "c_page", "+4989654321"); got.status != 409 {
		t.Errorf("a call that is over: answered %d %s", got.status, got.raw)
	}
	if list := far.referred(); len(list) != 0 {
		t.Errorf("sent to %v", list)
	}
}
