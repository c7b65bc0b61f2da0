package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"dialroom/shared/wire"
)

func TestATrunksLimitsHoldForTheSFUAndForScripts(t *testing.T) {
	far := newCarrier(t, 486)
	b := newBridge(t, far)
	text, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	b.write(strings.Replace(string(text), "max_calls: 2}", `max_calls: 2, per_minute: 2, allowed_prefixes: ["+4989"]}`, 1))
	b.m.Reload()
	number := "+4989654321"
	b.room.grants(func(wire.LegRequest) (wire.LegResponse, error) {
		return wire.LegResponse{ID: "c_granted", Number: number, Leg: *testLeg("sfu-1", 99)}, nil
	})
	script := func() answer { return b.send(scriptKey, "POST", wire.PathCalls, `{"room":"r","number":"any"}`) }
	number = "+4930123456"
	if got := script(); got.status != 403 || got.Reason != "not-allowed" {
		t.Errorf("a number the trunk may not dial: %d %s", got.status, got.raw)
	}
	if got := b.ask(sfuKey, "POST", wire.PathCalls, wire.CallRequest{ID: "c_no", Room: "r", Number: number, Leg: testLeg("sfu-1", 3)}); got.status != 403 || got.Reason != "not-allowed" {
		t.Errorf("the same from the sfu: %d %s", got.status, got.raw)
	}
	for i, id := range []string{"c_1", "c_2"} {
		if got := b.place(id, uint32(10+i)); got.status != 202 {
			t.Fatalf("call %s: %d %s", id, got.status, got.raw)
		}
		eventually(t, "the end", func() bool { return b.room.got(id) == "ended busy" })
	}
	number = "+4989654321"
	if got := script(); got.status != 429 || got.Reason != "cap-minute" {
		t.Errorf("a third call in a minute: %d %s", got.status, got.raw)
	}
	if got := b.place("c_3", 20); got.status != 429 || got.Reason != "cap-minute" {
		t.Errorf("the same from the sfu: %d %s", got.status, got.raw)
	}
	b.clock.advance(time.Minute)
	if got := b.place("c_4", 21); got.status != 202 {
		t.Errorf("a minute later: %d %s", got.status, got.raw)
	}
	eventually(t, "three INVITEs", func() bool { return len(far.invited()) == 3 })
}

func TestTrunksThatCouldCarryANumber(t *testing.T) {
	b := newBridge(t, newCarrier(t, 200))
	src, err := os.ReadFile(b.path)
	if err != nil {
		t.Fatal(err)
	}
	b.write(string(src) + "\nextensions: [{number: \"610\", password: \"a password of 610\"}]\nnumbers: [{number: \"+4989700\", room: reception}]\n")
	b.m.Reload()
	for _, tc := range []struct {
		query, ids string
		status     int
	}{
		{"?number=%2B4989654321", "tr_1", 200},
		{"?number=%2B4989654321&trunk=tr_1", "tr_1", 200},
		{"?number=%2B12125550123", "", 503},
		{"?number=%2B4989654321&trunk=tr_none", "", 404},
		{"?number=%2B49", "", 400},
		{"?number=610", "", 503}, // our own desk phone, which is not there
		{"?number=%2B4989700", "inside", 200},
		{"?number=%2B4989700&trunk=tr_1", "tr_1", 200},
		{"", "tr_1 tr_off", 200},
	} {
		got := b.send(sfuKey, "GET", wire.PathTrunks+tc.query, "")
		var list wire.Trunks
		_ = json.Unmarshal(got.raw, &list)
		var ids []string
		for _, trunk := range list.Trunks {
			ids = append(ids, trunk.ID)
		}
		if list.Inside {
			ids = append(ids, "inside")
		}
		if got.status != tc.status || strings.Join(ids, " ") != tc.ids {
			t.Errorf("%s: %d %s", tc.query, got.status, got.raw)
		}
	}
}
