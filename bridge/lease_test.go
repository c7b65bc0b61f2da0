package main

import (
	"strings"
	"testing"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

func TestCallThatIsNotRenewedIsHungUp(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.place("c_1", 10)
	b.place("c_2", 20)
	eventually(t, "both answered", func() bool { return b.room.got("c_1") == "answered" && b.room.got("c_2") == "answered" })
	b.clock.advance(wire.LeaseInterval) // no more, or their silence ends them first
	if got := b.ask(sfuKey, "POST", wire.PathLease, wire.LeaseRequest{Instance: "sfu-1", Calls: []string{"c_1", "c_2"}}); got.status != 200 {
		t.Fatalf("lease answered %d %s", got.status, got.raw)
	}
	b.clock.advance(wire.LeaseExpiry - wire.LeaseInterval) // when it would have run out
	if n := far.hungUp(); n != 0 {
		t.Fatalf("%d renewed calls were hung up", n)
	}
	b.clock.advance(wire.LeaseInterval)
	eventually(t, "both hung up", func() bool { return far.hungUp() == 2 })
	eventually(t, "both ended", func() bool {
		return b.room.got("c_1") == "answered, ended room-empty" && b.room.got("c_2") == "answered, ended room-empty"
	})
}

func TestLeaseOfAnotherInstanceHangsUp(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.place("c_1", 10)
	eventually(t, "answered", func() bool { return b.room.got("c_1") == "answered" })
	got := b.ask(sfuKey, "POST", wire.PathLease, wire.LeaseRequest{Instance: "sfu-2", Calls: []string{}})
	if got.status != 200 || !strings.HasSuffix(string(got.raw), `,"calls":[]}`) {
		t.Errorf("lease answered %d %s", got.status, got.raw)
	}
	eventually(t, "hung up", func() bool { return far.hungUp() == 1 })
}

func TestCallUnknownToTheSFUIsHungUp(t *testing.T) {
	far := newCarrier(t, 200)
	b := newBridge(t, far)
	b.room.takes(func(wire.CallEvent) error { return &sign.StatusError{Status: 404} })
	b.place("c_1", 10)
	eventually(t, "hung up", func() bool { return far.hungUp() == 1 })
}
