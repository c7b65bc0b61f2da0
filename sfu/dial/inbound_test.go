package dial

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// visitor is a request for a leg of a call that comes in.
func visitor(edit ...func(*wire.LegRequest)) wire.LegRequest {
	req := wire.LegRequest{Room: "reception", Number: "+4989654321", Trunk: "tr_1", Name: "Ada", Direction: wire.In, Media: bridgeMedia,
		Visitor: &wire.Visitor{Called: "+4930123400", Wait: 60}}
	for _, f := range edit {
		f(&req)
	}
	return req
}

// knows makes the bridge have a call that it asked for.
func (h *house) knows(id string) { h.bridge.set(func(b *fakeBridge) { b.calls[id] = true }) }

func (h *house) progressed() []string {
	synctest.Wait()
	h.bridge.mu.Lock()
	defer h.bridge.mu.Unlock()
	return append([]string(nil), h.bridge.progress...)
}

func TestAnInboundCallRingsInItsRoomUntilSomebodyJoins(t *testing.T) {
	inHouse(t, func(h *house) {
		granted, err := h.Grant(context.Background(), visitor())
		if err != nil {
			t.Fatal(err)
		}
		if granted.Present || granted.Room != "reception" || granted.Leg.Instance != "s1" {
			t.Errorf("granted %+v", granted)
		}
		h.knows(granted.ID)
		calls := h.rooms.Get("reception").Calls()
		if len(calls) != 1 || calls[0].State != wire.Ringing || calls[0].Direction != wire.In {
			t.Fatalf("the room sees %+v", calls)
		}
		time.Sleep(30 * time.Second)
		if got := h.progressed(); len(got) != 0 {
			t.Fatalf("the caller was told %v in an empty room", got)
		}
		page := h.join("reception")
		synctest.Wait()
		if got := h.progressed(); len(got) != 1 || got[0] != granted.ID+" answered" {
			t.Fatalf("the caller was told %v", got)
		}
		if err := h.Event(context.Background(), wire.CallEvent{Seq: 1, ID: granted.ID, State: wire.Answered, Codec: wire.PCMA}); err != nil {
			t.Fatal(err)
		}
		people := h.rooms.Get("reception").Participants()
		if len(people) != 2 || people[1].Name != "Ada" || people[1].Kind != room.Telephone {
			t.Errorf("in the room: %+v", people)
		}
		if len(h.ledger.reserved) != 0 {
			t.Error("a call that costs nothing was reserved")
		}
		page.Leave(page)
	})
}

func TestAnInboundCallIsOnRecordAndCountsAgainstNothing(t *testing.T) {
	for _, test := range []struct {
		name  string
		edit  func(*wire.LegRequest)
		asker ledger.Asker
	}{
		{"by a trunk", func(*wire.LegRequest) {}, ledger.Asker{Kind: "trunk", Key: "tr_1"}},
		{"from a registered phone", func(r *wire.LegRequest) { r.Trunk, r.Visitor.Extension = "", "610" }, ledger.Asker{Kind: "extension", Key: "610"}},
		{"from another room", func(r *wire.LegRequest) { r.Trunk, r.Visitor.House = "", true }, ledger.Asker{Kind: "room"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.ledger.broken = true // which keeps nobody out
				page := h.join("reception")
				granted, err := h.Grant(context.Background(), visitor(test.edit))
				if err != nil {
					t.Fatal(err)
				}
				h.knows(granted.ID)
				time.Sleep(time.Second)
				h.mustEvent(1, granted.ID, wire.Answered, pcma)
				time.Sleep(time.Minute)
				h.mustEvent(2, granted.ID, wire.Ended, because(wire.HangupPhone, 200))
				notes := h.ledger.notes
				if len(notes) != 3 {
					t.Fatalf("%d notes: %+v", len(notes), notes)
				}
				for i, n := range notes {
					if n.ID != granted.ID || n.Room != "reception" || n.Number != "+4989654321" || n.Called != "+4930123400" || n.Asker != test.asker {
						t.Errorf("note %d: %+v", i, n)
					}
				}
				begun, answered, ended := notes[0], notes[1], notes[2]
				if !begun.Answered.IsZero() || answered.Answered.Sub(begun.At) != time.Second || !answered.Ended.IsZero() {
					t.Errorf("begun %+v, answered %+v", begun, answered)
				}
				if ended.Ended.Sub(ended.Answered) != time.Minute || ended.Ending != string(wire.HangupPhone) {
					t.Errorf("ended %+v", ended)
				}
				if len(h.ledger.reserved)+len(h.ledger.records)+len(h.ledger.answered) != 0 {
					t.Error("it was counted")
				}
				page.Leave(page)
			})
		})
	}
}

func TestAnInboundCallIntoAnOccupiedRoomIsSaidToBe(t *testing.T) {
	inHouse(t, func(h *house) {
		page := h.join("reception")
		granted, err := h.Grant(context.Background(), visitor())
		if err != nil || !granted.Present {
			t.Fatalf("%+v, %v", granted, err)
		}
		h.knows(granted.ID)
		synctest.Wait()
		if got := h.progressed(); len(got) != 0 {
			t.Errorf("told twice: %v", got)
		}
		page.Leave(page)
	})
}

func TestAnInboundCallNobodyTakesEndsWithItsRoom(t *testing.T) {
	inHouse(t, func(h *house) {
		granted, err := h.Grant(context.Background(), visitor())
		if err != nil {
			t.Fatal(err)
		}
		h.knows(granted.ID)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if h.rooms.Get("reception") != nil {
			t.Error("the room is still open")
		}
		if got := h.bridge.hungUp(); got != granted.ID+"?reason=room-empty" {
			t.Errorf("hung up: %v", got)
		}
	})
}

func TestADirectCallIsADialLikeAnyOther(t *testing.T) {
	direct := visitor(func(r *wire.LegRequest) {
		r.Room, r.Number = "", "610"
		r.Visitor = &wire.Visitor{Extension: "610", Dial: "00493099999999"}
	})
	t.Run("the number is dialled and its fate told", func(t *testing.T) {
		inHouse(t, func(h *house) {
			granted, err := h.Grant(context.Background(), direct)
			if err != nil {
				t.Fatal(err)
			}
			h.knows(granted.ID)
			synctest.Wait()
			h.bridge.mu.Lock()
			placed := h.bridge.posts
			h.bridge.mu.Unlock()
			if len(placed) != 1 || placed[0].Number != "+493099999999" {
				t.Fatalf("placed %+v", placed)
			}
			if got := h.ledger.reserved; len(got) != 1 || got[0].Asker.Kind != "extension" || got[0].Asker.Key != "610" {
				t.Errorf("reserved %+v", got)
			}
			out := placed[0].ID
			for i, state := range []wire.State{wire.Ringing, wire.Early, wire.Answered} {
				ev := wire.CallEvent{Seq: i + 1, ID: out, State: state}
				if state != wire.Ringing {
					ev.Codec = wire.PCMA
				}
				if err := h.Event(context.Background(), ev); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			want := granted.ID + " ringing " + granted.ID + " early " + granted.ID + " answered"
			if got := strings.Join(h.progressed(), " "); got != want {
				t.Errorf("told %s, want %s", got, want)
			}
			_ = h.Event(context.Background(), wire.CallEvent{Seq: 1, ID: granted.ID, State: wire.Answered, Codec: wire.PCMA})
			time.Sleep(time.Minute) // no browser ever comes, and none is needed
			if h.Active() != 2 {
				t.Fatalf("%d calls", h.Active())
			}
			_ = h.Event(context.Background(), wire.CallEvent{Seq: 4, ID: out, State: wire.Ended, Reason: wire.HangupPhone})
			synctest.Wait()
			if got := h.bridge.hungUp(); got != granted.ID+"?reason=hangup-phone" {
				t.Errorf("hung up: %v", got)
			}
		})
	})
	t.Run("the guard has the last word", func(t *testing.T) {
		inHouse(t, func(h *house) {
			h.SetPolicy(Policy{})
			if _, err := h.Grant(context.Background(), direct); err == nil {
				t.Error("dialled without a guard")
			}
			if h.bridge.postCount() != 0 {
				t.Error("something was placed")
			}
		})
	})
}

func TestKeysPressedAtAPhoneAreShownToItsRoom(t *testing.T) {
	inHouse(t, func(h *house) {
		page := h.join("reception")
		granted, err := h.Grant(context.Background(), visitor())
		if err != nil {
			t.Fatal(err)
		}
		h.knows(granted.ID)
		h.mustEvent(1, granted.ID, wire.Answered, pcma)
		press := func(seq int, digits string) {
			h.mustEvent(seq, granted.ID, wire.Answered, func(ev *wire.CallEvent) { ev.Digits = digits })
		}
		press(2, "4")
		press(2, "4") // delivered twice
		press(3, "<b>")
		press(4, "#")
		var got []string
		page.mu.Lock()
		for _, msg := range page.msgs {
			if k, ok := msg.(room.Keys); ok && k.Type == "dtmf" && k.Call == granted.ID {
				got = append(got, k.Digits)
			}
		}
		page.mu.Unlock()
		if strings.Join(got, " ") != "4 #" {
			t.Errorf("shown: %v", got)
		}
		page.Leave(page)
	})
}

func TestKeysOfADeskPhoneReachTheNumberItHasCalled(t *testing.T) {
	inHouse(t, func(h *house) {
		granted, err := h.Grant(context.Background(), visitor(func(r *wire.LegRequest) {
			r.Room, r.Number = "", "610"
			r.Visitor = &wire.Visitor{Extension: "610", Dial: "00493099999999"}
		}))
		if err != nil {
			t.Fatal(err)
		}
		h.knows(granted.ID)
		synctest.Wait()
		h.bridge.mu.Lock()
		out := h.bridge.posts[0].ID
		h.bridge.mu.Unlock()
		h.mustEvent(1, out, wire.Answered, pcma)
		h.mustEvent(1, granted.ID, wire.Answered, pcma)
		h.mustEvent(2, granted.ID, wire.Answered, func(ev *wire.CallEvent) { ev.Digits = "5" })
		synctest.Wait()
		h.bridge.mu.Lock()
		defer h.bridge.mu.Unlock()
		if got := h.bridge.digits; len(got) != 1 || got[0] != "5" {
			t.Errorf("sent: %v", got)
		}
	})
}

func TestAVirtualNumberCostsNothing(t *testing.T) {
	inHouse(t, func(h *house) {
		h.SetPolicy(Policy{Rules: rules(t, fraud.Settings{Own: []string{"+4930123400"}, MaxDuration: time.Hour}), Numbers: map[string]string{"+4930123400": "reception"}, MaxRing: time.Minute})
		page := h.join("sales")
		if c := h.Dial(context.Background(), Request{Room: "sales", Participant: page.ID(), Number: "+4930123400"}); c.State != wire.Dialing {
			t.Errorf("refused: %+v", c)
		}
		if c := h.Dial(context.Background(), Request{Room: "sales", Participant: page.ID(), Number: "+4930123401"}); c.State != wire.Refused {
			t.Errorf("not refused: %+v", c)
		}
		page.Leave(page)
	})
}

func TestARoomThatDialsItsOwnNumberIsRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		page := h.join("reception")
		h.Dial(context.Background(), Request{Room: "reception", Participant: page.ID(), Number: "+4930123400"})
		synctest.Wait()
		_, err := h.Grant(context.Background(), visitor(func(r *wire.LegRequest) { r.Visitor.House = true }))
		if err == nil {
			t.Error("the room would hear itself")
		}
		page.Leave(page)
	})
}
