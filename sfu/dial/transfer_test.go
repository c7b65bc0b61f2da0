package dial

import (
	"testing"
	"testing/synctest"
	"time"

	"dialroom/shared/wire"
)

// sent grants the call that a phone is to place itself: by trunk, or as an
// extension of the house.
func (h *house) sent(trunk string) (id string) {
	h.t.Helper()
	resp, err := h.Grant(h.t.Context(), wire.LegRequest{Room: "sales", Number: phoneNumber, Trunk: trunk, Key: "crm", Media: bridgeMedia, Transfer: true})
	if err != nil {
		h.t.Fatal(err)
	}
	h.knows(resp.ID)
	h.mustEvent(1, resp.ID, wire.Dialing)
	return resp.ID
}

// dials has desk phone 610 dial a number, as a transfer told it to or of its
// own accord, and returns the call that is placed for it.
func (h *house) dials(number, transfer string) wire.CallRequest {
	h.t.Helper()
	granted, err := h.Grant(h.t.Context(), visitor(func(r *wire.LegRequest) {
		r.Room, r.Number = "", "610"
		r.Visitor = &wire.Visitor{Extension: "610", Dial: number, Transfer: transfer}
	}))
	if err != nil {
		h.t.Fatal(err)
	}
	h.knows(granted.ID)
	synctest.Wait()
	h.bridge.mu.Lock()
	defer h.bridge.mu.Unlock()
	return h.bridge.posts[len(h.bridge.posts)-1]
}

func (h *house) reservations() int {
	h.ledger.mu.Lock()
	defer h.ledger.mu.Unlock()
	return len(h.ledger.reserved)
}

func TestADeskPhoneThatIsSentAwayDialsOnceAndIsReservedOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		h.join("sales")
		id := h.sent("")
		placed := h.dials("00"+phoneNumber[1:], id) // as many a phone writes it
		if n := h.reservations(); n != 1 {
			t.Fatalf("%d reservations for one dial", n)
		}
		h.mustEvent(1, placed.ID, wire.Answered, pcma)
		h.mustEvent(2, id, wire.Ended, because(wire.Transferred, 200))
		if open := h.ledger.stillOpen(); len(open) != 1 || open[0] != id {
			t.Errorf("open are %v: the phone talks, and its call is not on the books", open)
		}
		if len(h.ledger.answered) != 1 || h.ledger.answered[0] != id {
			t.Errorf("answered: %v", h.ledger.answered)
		}
		time.Sleep(3 * time.Second)
		h.mustEvent(2, placed.ID, wire.Ended, because(wire.HangupPhone, 0))
		if r := h.ledger.last(); r.Ending != "hangup-phone" || r.Ended.Sub(r.Answered) < 3*time.Second || !r.Unseen.IsZero() {
			t.Errorf("settled %+v", r)
		}
	})
}

func TestAReservationIsHandedOnToNobodyElse(t *testing.T) {
	for name, c := range map[string]struct {
		trunk, number, transfer string
		before                  func(h *house, id string)
	}{
		"another number":             {number: "+4989654321"},
		"a call that is no transfer": {number: phoneNumber, transfer: "c_none"},
		"a transfer by a trunk":      {number: phoneNumber, trunk: "tr_1"},
		"a second time":              {number: phoneNumber, before: func(h *house, id string) { h.dials(phoneNumber, id) }},
		"a transfer that is over": {number: phoneNumber, before: func(h *house, id string) {
			h.mustEvent(2, id, wire.Ended, because(wire.Busy, 486))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.join("sales")
				id := h.sent(c.trunk)
				if c.before != nil {
					c.before(h, id)
				}
				if c.transfer == "" {
					c.transfer = id
				}
				if h.dials(c.number, c.transfer); h.reservations() != 2 {
					t.Errorf("%d reservations for two dials", h.reservations())
				}
			})
		})
	}
}

// A carrier that has connected our phone with another one tells nobody when
// they have hung up.
func TestACallThatACarrierHasTakenCountsAsTheLongestItCanBe(t *testing.T) {
	for name, c := range map[string]struct {
		trunk string
		why   wire.Ending
		code  int
		most  time.Duration
	}{
		"the other phone has answered":          {"tr_1", wire.Transferred, 200, time.Hour},
		"the phone hung up and is on its way":   {"tr_1", wire.Transferred, 0, time.Hour},
		"nobody says what became of it":         {"tr_1", wire.Unreachable, 0, time.Hour},
		"it rings on after we have given it up": {"tr_1", wire.NoAnswer, 0, time.Hour},
		"the room is empty before it is known":  {"tr_1", wire.RoomEmpty, 0, time.Hour},
		"the other phone was busy":              {"tr_1", wire.Busy, 486, 0},
		"the phone declined to call":            {"tr_1", wire.Declined, 603, 0},
		"the phone was not asked":               {"tr_1", wire.NoTrunk, 0, 0},
		"a desk phone, whose calls are ours":    {"", wire.Transferred, 200, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.join("sales")
				id := h.sent(c.trunk)
				h.mustEvent(2, id, wire.Ended, because(c.why, c.code))
				r := h.ledger.last()
				if most := max(0, r.Unseen.Sub(r.Ended)); most != c.most || (c.most > 0) == r.Answered.IsZero() {
					t.Errorf("on the books for %v: %+v", most, r)
				}
			})
		})
	}
}
