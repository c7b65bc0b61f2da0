package dial

import (
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

func TestADialIsReservedAndThenSentOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		h.bridge.onPost = func(req wire.CallRequest) error {
			if open := h.ledger.stillOpen(); len(open) != 1 || open[0] != req.ID {
				t.Errorf("sent with %v reserved", open)
			}
			return nil
		}
		c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: " 49 (30) 12-34-56", Trunk: "tr_9"})
		if c.State != wire.Dialing || c.Number != phoneNumber || c.Trunk != "tr_9" {
			t.Errorf("got %+v", c)
		}
		if n := h.bridge.postCount(); n != 1 {
			t.Fatalf("%d POSTs", n)
		}
		want := wire.CallRequest{ID: c.ID, Room: "sales", Number: phoneNumber, Trunk: "tr_9", Leg: &wire.Leg{Media: "127.0.0.1:40100",
			SSRCFromPhone: 1, SSRCToPhone: 1001, Instance: "s1", MaxRing: 60, MaxDuration: 3600}}
		if !reflect.DeepEqual(h.bridge.posts[0], want) {
			t.Errorf("sent %+v, leg %+v", h.bridge.posts[0], h.bridge.posts[0].Leg)
		}
		r := h.ledger.reserved[0]
		if r.ID != c.ID || r.Number != phoneNumber || r.Room != "sales" || r.Trunk != "tr_9" || r.Asker.Kind != "page" || r.Asker.Participant != ann.ID() {
			t.Errorf("reserved %+v", r)
		}
		if got := ann.states(c.ID); got != "dialing" {
			t.Errorf("the page saw %q", got)
		}
	})
}

func TestWhatIsRefusedIsNeverSent(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(h *house)
		request Request
		want    wire.Refusal
		number  string // in the answer
	}{
		{"no number", nil, Request{Number: "+49@evil"}, wire.BadNumber, ""},
		{"a trunk that cannot be one", nil, Request{Number: phoneNumber, Trunk: "tr/../x"}, wire.BadTrunk, phoneNumber},
		{"a number no rule covers", func(h *house) {
			h.SetPolicy(Policy{Rules: rules(t, fraud.Settings{Allow: []string{"+48"}}), AddPhone: true})
		}, Request{Number: phoneNumber}, wire.NotAllowed, phoneNumber},
		{"an extension no trunk carries", func(h *house) {
			h.SetPolicy(Policy{Rules: rules(t, fraud.Settings{Allow: []string{"+"}})})
		}, Request{Number: "610"}, wire.NotAllowed, "610"},
		{"no rules", func(h *house) { h.SetPolicy(Policy{}) }, Request{Number: phoneNumber}, wire.GuardUnavailable, phoneNumber},
		{"a broken ledger", func(h *house) { h.ledger.broken = true }, Request{Number: phoneNumber}, wire.GuardUnavailable, phoneNumber},
		{"a room that has ended", nil, Request{Room: "gone", Number: phoneNumber}, wire.Refusal(wire.RoomEmpty), phoneNumber},
		{"a process that ends", func(h *house) { h.Drain() }, Request{Number: phoneNumber}, wire.Refusal(wire.Shutdown), phoneNumber},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				ann := h.join("sales")
				if c.prepare != nil {
					c.prepare(h)
				}
				if c.request.Room == "" {
					c.request.Room = "sales"
				}
				c.request.Participant = ann.ID()
				got := h.Dial(t.Context(), c.request)
				if got.State != wire.Refused || got.Reason != string(c.want) || got.Number != c.number || got.Text == "" || got.ID == "" {
					t.Errorf("got %+v", got)
				}
				if c.want == wire.BadTrunk && got.Trunk+h.ledger.refusals[0].Trunk != "" {
					t.Errorf("what cannot be a trunk was sent back as %q and written down as %q", got.Trunk, h.ledger.refusals[0].Trunk)
				}
				if h.bridge.postCount() != 0 || len(h.ledger.reserved) != 0 || len(ann.states(got.ID)) != 0 || h.Active() != 0 {
					t.Errorf("%d POSTs, %d reservations, told %q, %d active", h.bridge.postCount(), len(h.ledger.reserved), ann.states(got.ID), h.Active())
				}
				synctest.Wait() // the refusal may be written in passing
				if !h.ledger.broken && (len(h.ledger.refusals) != 1 || h.ledger.refusals[0].Reason != string(c.want)) {
					t.Errorf("recorded %+v", h.ledger.refusals)
				}
			})
		})
	}
}

func TestTheRefusalsOfFraudAreThoseOfTheProtocol(t *testing.T) {
	if fraud.NotAllowed != string(wire.NotAllowed) {
		t.Errorf("%q, %q", fraud.NotAllowed, wire.NotAllowed)
	}
}

func TestAFailedReservationMayBeTriedAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		h.ledger.broken = true
		if c := h.dial(ann, phoneNumber); c.Reason != string(wire.GuardUnavailable) {
			t.Fatalf("got %+v", c)
		}
		synctest.Wait() // the refusal is written in passing
		h.ledger.broken = false
		if c := h.dial(ann, phoneNumber); c.State != wire.Dialing {
			t.Errorf("got %+v", c)
		}
	})
}

func TestTwoHundredDialsAtOnceAreOneCall(t *testing.T) {
	for name, again := range map[string]bool{"by links": false, "by call again": true} {
		t.Run(name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				ann := h.join("sales")
				var wg sync.WaitGroup
				var mu sync.Mutex
				results := map[string]int{}
				for range 200 {
					wg.Go(func() {
						c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Again: again})
						mu.Lock()
						defer mu.Unlock()
						results[string(c.State)+c.Reason]++
					})
				}
				wg.Wait()
				if n := h.bridge.postCount(); n != 1 || len(h.ledger.reserved) != 1 {
					t.Errorf("%d POSTs, %d reservations", n, len(h.ledger.reserved))
				}
				if results["dialing"] != 1 || results["refusedalready-dialed"] != 199 {
					t.Errorf("got %v", results)
				}
			})
		})
	}
}

func TestCallAgainDialsAgainOnceTheFirstCallIsOver(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		first := h.placed(ann)
		h.mustEvent(1, first, wire.Ended, because(wire.Busy, 486))
		if c := h.dial(ann, phoneNumber); c.Reason != string(wire.AlreadyDialed) {
			t.Errorf("without again: %+v", c)
		}
		if c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Again: true}); c.State != wire.Dialing {
			t.Errorf("with again: %+v", c)
		}
	})
}

func TestALinkClickedAgainRingsAndEndsTheOldCallFirst(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		first := h.placed(ann)
		h.mustEvent(1, first, wire.Answered, pcma)
		ann.Vanish(ann) // the tab was closed
		h.bridge.onDelete = func(id string, why wire.Ending) {
			time.Sleep(300 * time.Millisecond) // the BYE takes its time, and the new call waits for it
			if n := h.bridge.postCount(); id == first && n != 1 {
				t.Errorf("%d POSTs before the old call was over", n)
			}
			_ = h.event(2, id, wire.Ended, because(why, 0))
		}
		ben := h.join("sales")
		c := h.dial(ben, phoneNumber)
		if c.State != wire.Dialing {
			t.Fatalf("got %+v", c)
		}
		time.Sleep(time.Second)
		if got := h.bridge.hungUp(); got != first+"?reason=room-empty" {
			t.Errorf("hung up %q", got)
		}
		if n := h.bridge.postCount(); n != 2 || h.bridge.posts[1].ID != c.ID {
			t.Errorf("%d POSTs", n)
		}
		if got := h.ledger.last().Ending; got != string(wire.RoomEmpty) {
			t.Errorf("the old call ended %q", got)
		}
	})
}

func TestWhatTheBridgeRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer error
		want   string // what the page sees
		again  bool   // it may simply be dialled again: nothing was sent
	}{
		{"its own prefixes", refusal(http.StatusForbidden, string(wire.NotAllowed)), "refused not-allowed", true},
		{"without a reason", refusal(http.StatusForbidden, ""), "refused not-allowed", true},
		{"an unknown trunk", refusal(http.StatusNotFound, ""), "refused bad-trunk", true},
		{"its own limit", refusal(http.StatusTooManyRequests, string(wire.CapConcurrent)), "refused cap-concurrent", true},
		{"no trunk carries it", refusal(http.StatusServiceUnavailable, string(wire.NoTrunk)), "ended no-trunk", false},
		{"the bridge cannot remember the request", refusal(http.StatusServiceUnavailable, string(wire.GuardUnavailable)), "refused guard-unavailable", true},
		{"the trunk is down", refusal(http.StatusServiceUnavailable, ""), "ended trunk-failed", false},
		{"our signature", refusal(http.StatusUnauthorized, ""), "ended trunk-failed", false},
		{"nobody is there", errDown, "ended bridge-lost", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				ann := h.join("sales")
				h.bridge.onPost = func(wire.CallRequest) error { return c.answer }
				call := h.dial(ann, phoneNumber)
				if got := ann.states(call.ID); got != "dialing, "+c.want {
					t.Errorf("the page saw %q, want %q", got, c.want)
				}
				if h.Active() != 0 || !strings.HasSuffix(c.want, h.ledger.last().Ending) {
					t.Errorf("%d active, settled %+v", h.Active(), h.ledger.last())
				}
				h.bridge.set(func(b *fakeBridge) { b.onPost = nil })
				if got := h.dial(ann, phoneNumber); (got.State == wire.Dialing) != c.again {
					t.Errorf("dialled again: %+v", got)
				}
			})
		})
	}
}

func TestAScriptGetsALegByTheSameSteps(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		req := wire.LegRequest{Room: "sales", Number: "0049 30 123456", Trunk: "tr_9", Name: "Front desk", Key: "crm", Media: bridgeMedia}
		resp, err := h.Grant(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Number != phoneNumber || resp.Leg.Instance != "s1" || resp.Leg.MaxRing != 60 || resp.Leg.SSRCFromPhone == 0 {
			t.Errorf("granted %+v", resp)
		}
		want := ledger.Asker{Kind: "script", Key: "crm"}
		if r := h.ledger.reserved[0]; r.ID != resp.ID || r.Asker != want || r.Number != phoneNumber {
			t.Errorf("reserved %+v", r)
		}
		h.bridge.set(func(b *fakeBridge) { b.calls[resp.ID] = true })
		h.mustEvent(1, resp.ID, wire.Answered, pcma)
		if got := ann.states(resp.ID); got != "dialing, answered" {
			t.Errorf("the page saw %q", got)
		}
		var phone room.Info
		for _, p := range ann.Room().Participants() {
			if p.Kind == room.Telephone {
				phone = p
			}
		}
		if phone.Name != "Front desk" || phone.Call != resp.ID {
			t.Errorf("the phone is %+v", phone)
		}
		if h.bridge.postCount() != 0 {
			t.Error("the sfu placed it too")
		}
		if _, err := h.Grant(t.Context(), req); err == nil || err.(*RefusedError).Reason != string(wire.AlreadyDialed) {
			t.Errorf("a second one while it runs: %v", err)
		}
		h.mustEvent(2, resp.ID, wire.Ended, because(wire.HangupPhone, 0))
		if _, err := h.Grant(t.Context(), req); err != nil {
			t.Errorf("another one afterwards: %v", err)
		}
	})
}

func TestALegIsRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		req    wire.LegRequest
		reason wire.Refusal
		is     error
	}{
		{"for no number", wire.LegRequest{Room: "sales", Number: "x", Media: bridgeMedia}, wire.BadNumber, nil},
		{"for a call that goes nowhere", wire.LegRequest{Room: "sales", Number: phoneNumber, Direction: "sideways", Media: bridgeMedia}, wire.NotAllowed, nil},
		{"without a room", wire.LegRequest{Room: " ", Number: phoneNumber, Media: bridgeMedia}, "", room.ErrName},
		{"without the bridge's address", wire.LegRequest{Room: "sales", Number: phoneNumber, Media: "here"}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				_, err := h.Grant(t.Context(), c.req)
				var refused *RefusedError
				switch {
				case err == nil:
					t.Error("granted")
				case c.reason != "" && (!errors.As(err, &refused) || refused.Reason != string(c.reason)):
					t.Errorf("got %v", err)
				case c.is != nil && !errors.Is(err, c.is):
					t.Errorf("got %v", err)
				}
				if len(h.ledger.reserved) != 0 || len(h.rooms.Rooms()) != 0 {
					t.Error("something was reserved or opened")
				}
			})
		})
	}
}

func TestAScriptsRoomWaitsForItsFirstBrowser(t *testing.T) {
	inHouse(t, func(h *house) {
		resp, err := h.Grant(t.Context(), wire.LegRequest{Room: "empty", Number: phoneNumber, Media: bridgeMedia})
		if err != nil {
			t.Fatal(err)
		}
		h.bridge.set(func(b *fakeBridge) { b.calls[resp.ID] = true })
		h.mustEvent(1, resp.ID, wire.Ringing)
		time.Sleep(16 * time.Second) // more than the grace
		if got := h.bridge.hungUp(); got != resp.ID+"?reason=room-empty" {
			t.Errorf("hung up %q", got)
		}
	})
}

func TestALegThatIsNeverUsedIsTakenBack(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		resp, err := h.Grant(t.Context(), wire.LegRequest{Room: "sales", Number: phoneNumber, Media: bridgeMedia})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(wire.LeaseExpiry + 2*wire.LeaseInterval)
		if got := ann.states(resp.ID); got != "dialing, ended bridge-lost" {
			t.Errorf("the page saw %q", got)
		}
		synctest.Wait()
		if err := h.event(1, resp.ID, wire.Ringing); !errors.Is(err, ErrUnknownCall) {
			t.Errorf("a late event: %v", err)
		}
	})
}
