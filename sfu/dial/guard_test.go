package dial

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/shared/wire"
)

// judged are the lenient rules with a change.
func (h *house) judged(change func(*fraud.Settings)) {
	h.t.Helper()
	s := lenient()
	change(&s)
	h.SetPolicy(Policy{Rules: rules(h.t, s), MaxRing: time.Minute, AddPhone: true})
}

// refused dials and wants the refusal, recorded once and with nothing sent.
func (h *house) refused(req Request, want wire.Refusal) ledger.Refusal {
	h.t.Helper()
	before := len(h.ledger.refusals)
	c := h.Dial(h.t.Context(), req)
	synctest.Wait()
	if c.State != wire.Refused || c.Reason != string(want) || c.Text != wire.Words(string(want)) {
		h.t.Errorf("got %+v, want %s", c, want)
	}
	if len(h.ledger.refusals) != before+1 || len(h.ledger.reserved) != 0 || h.bridge.postCount() != 0 {
		h.t.Fatalf("%d refusals recorded, %d reservations, %d POSTs", len(h.ledger.refusals)-before, len(h.ledger.reserved), h.bridge.postCount())
	}
	r := h.ledger.refusals[before]
	if r.Reason != string(want) {
		h.t.Errorf("recorded %+v", r)
	}
	return r
}

func TestEveryCapRefusesInItsWords(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings func(*fraud.Settings)
		counters ledger.Counters
		want     wire.Refusal
	}{
		{"calls of the day", func(s *fraud.Settings) { s.PerDay.Total = 5 }, ledger.Counters{Day: ledger.Counts{Total: 5}}, wire.CapDay},
		{"of a client", func(s *fraud.Settings) { s.PerDay.IP = 5 }, ledger.Counters{Day: ledger.Counts{IP: 5}}, wire.CapDay},
		{"of a room", func(s *fraud.Settings) { s.PerDay.Room = 5 }, ledger.Counters{Day: ledger.Counts{Room: 5}}, wire.CapDay},
		{"of a number", func(s *fraud.Settings) { s.PerDay.Number = 5 }, ledger.Counters{Day: ledger.Counts{Number: 5}}, wire.CapDay},
		{"minutes", func(s *fraud.Settings) { s.PerDay.Minutes = 60 }, ledger.Counters{MinutesToday: 60}, wire.CapDay},
		{"of a client in a minute", func(s *fraud.Settings) { s.PerMinute.IP = 3 }, ledger.Counters{Minute: ledger.Counts{IP: 3}}, wire.CapMinute},
		{"at once", func(s *fraud.Settings) { s.Concurrent.Total = 2 }, ledger.Counters{Running: ledger.Counts{Total: 2}}, wire.CapConcurrent},
		{"of a client at once", func(s *fraud.Settings) { s.Concurrent.IP = 2 }, ledger.Counters{Running: ledger.Counts{IP: 2}}, wire.CapConcurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.judged(c.settings)
				h.ledger.counters = c.counters
				ann := h.join("sales")
				req := Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, IP: netip.MustParseAddr("2001:db8::1")}
				r := h.refused(req, c.want)
				if r.Asker.Kind != "page" || r.Asker.Bucket != "2001:db8::/64" || r.Number != phoneNumber || r.Room != "sales" || r.Asker.Participant != ann.ID() {
					t.Errorf("recorded %+v", r)
				}
				h.ledger.counters = ledger.Counters{}
				if c := h.Dial(t.Context(), req); c.State != wire.Dialing {
					t.Errorf("when there is room again: %+v", c)
				}
			})
		})
	}
}

func TestAScriptHasTheLimitsOfItsKey(t *testing.T) {
	limits := map[string]fraud.Key{"crm": {Allow: []string{"+4930"}, PerDay: 2, PerMinute: 3, Concurrent: 4}}
	for _, c := range []struct {
		name, key, number string
		counters          ledger.Counters
		want              wire.Refusal
	}{
		{"calls of the day", "crm", phoneNumber, ledger.Counters{Day: ledger.Counts{Key: 2}}, wire.CapDay},
		{"calls of the minute", "crm", phoneNumber, ledger.Counters{Minute: ledger.Counts{Key: 3}}, wire.CapMinute},
		{"calls at once", "crm", phoneNumber, ledger.Counters{Running: ledger.Counts{Key: 4}}, wire.CapConcurrent},
		{"a number that is not the key's", "crm", "+4940123456", ledger.Counters{}, wire.NotAllowed},
		{"just below", "crm", phoneNumber, ledger.Counters{Day: ledger.Counts{Key: 1}, Minute: ledger.Counts{Key: 2}, Running: ledger.Counts{Key: 3}}, ""},
		{"another key", "shop", "+4940123456", ledger.Counters{Day: ledger.Counts{Key: 99}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.judged(func(s *fraud.Settings) { s.Keys = limits })
				h.ledger.counters = c.counters
				_, err := h.Grant(t.Context(), wire.LegRequest{Room: "sales", Number: c.number, Key: c.key, Media: bridgeMedia})
				var refused *RefusedError
				switch {
				case c.want == "" && err != nil:
					t.Errorf("got %v", err)
				case c.want != "" && (!errors.As(err, &refused) || refused.Reason != string(c.want)):
					t.Errorf("got %v, want %s", err, c.want)
				case c.want != "" && (len(h.ledger.refusals) != 1 || h.ledger.refusals[0].Asker.Key != c.key || h.ledger.refusals[0].Asker.Kind != "script"):
					t.Errorf("recorded %+v", h.ledger.refusals)
				}
			})
		})
	}
}

// signed makes the token of a link.
func (h *house) signed(secret string, l links.Link) string {
	h.t.Helper()
	l.ID = links.NewID()
	token, err := links.NewSigner(secret).Mint(l)
	if err != nil {
		h.t.Fatal(err)
	}
	return token
}

func TestASignedLinkDialsItsOwnNumberAndNothingElse(t *testing.T) {
	inHouse(t, func(h *house) {
		h.judged(func(s *fraud.Settings) { s.Allow, s.RequireSigned = nil, true })
		ann := h.join("sales")
		pinned := links.Link{Room: "sales", Number: phoneNumber, Expires: time.Now().Add(time.Hour).Truncate(time.Second), Uses: 3}
		expired := pinned
		expired.Expires = time.Now().Add(-time.Second).Truncate(time.Second)
		elsewhere := pinned
		elsewhere.Room = "support"
		good := h.signed(linkSecret, pinned)
		for _, c := range []struct {
			name, token, number, trunk string
			want                       wire.Refusal
		}{
			{"no link", "", phoneNumber, "", wire.NotAllowed},
			{"an expired one", h.signed(linkSecret, expired), phoneNumber, "", wire.LinkExpired},
			{"of another site", h.signed("another secret of links", pinned), phoneNumber, "", wire.LinkInvalid},
			{"for another room", h.signed(linkSecret, elsewhere), phoneNumber, "", wire.LinkInvalid},
			{"an edited number", good, "+4930999999", "", wire.LinkInvalid},
			{"an edited trunk", good, phoneNumber, "tr_2", wire.LinkInvalid},
			{"an edited token", good[:len(good)-2] + "AA", phoneNumber, "", wire.LinkInvalid},
			{"no token at all", "x", phoneNumber, "", wire.LinkInvalid},
		} {
			t.Log(c.name)
			r := h.refused(Request{Room: "sales", Participant: ann.ID(), Number: c.number, Trunk: c.trunk, Link: c.token}, c.want)
			if kind := map[bool]string{true: "link", false: "page"}[c.token != ""]; r.Asker.Kind != kind {
				t.Errorf("recorded %+v", r)
			}
		}
		h.ledger.used = true
		r := h.refused(Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Link: good}, wire.LinkUsed)
		if r.Asker.Link == "" {
			t.Errorf("recorded %+v", r)
		}
		h.ledger.used = false
		h.ledger.revoked = true
		h.refused(Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Link: good}, wire.LinkInvalid)
		h.ledger.revoked = false

		if c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: "0049 30 123456", Link: good}); c.State != wire.Dialing {
			t.Fatalf("got %+v", c)
		}
		got := h.ledger.reserved[0]
		if got.Asker.Kind != "link" || got.Asker.Link == "" || got.Link == nil || got.Link.Uses != 3 || got.Link.ID != got.Asker.Link || !got.Link.Expires.Equal(pinned.Expires) {
			t.Errorf("reserved %+v, link %+v", got, got.Link)
		}
	})
}

func TestALinkIsStillUnderEveryCapAndBlockedType(t *testing.T) {
	inHouse(t, func(h *house) {
		h.judged(func(s *fraud.Settings) { s.Allow, s.PerDay.Total = nil, 1 })
		h.ledger.counters.Day.Total = 1
		ann := h.join("sales")
		token := h.signed(linkSecret, links.Link{Room: "sales", Number: phoneNumber})
		h.refused(Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Link: token}, wire.CapDay)
	})
}

func TestACallGetsWhatIsLeftOfTheDay(t *testing.T) {
	inHouse(t, func(h *house) {
		h.judged(func(s *fraud.Settings) {
			s.PerDay.Minutes, s.PerDay.Spend = 100, 1
			s.Rates = []fraud.Rate{{Prefix: "+49", PerMinute: 0.05}}
		})
		h.ledger.counters = ledger.Counters{MinutesToday: 70, SpendToday: 0.5} // 30 minutes, or 10 for the money
		h.placed(h.join("sales"))
		if got := h.bridge.posts[0].Leg.MaxDuration; got != 600 {
			t.Errorf("the leg may last %d s", got)
		}
		if got := h.ledger.terms[0]; got.MaxDuration != 10*time.Minute || got.Rate != 0.05 {
			t.Errorf("reserved on %+v", got)
		}
	})
}

func TestCallsEndTogetherWhenTheDayIsUsedUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		counters ledger.Counters
		over     map[string]bool // by number
	}{
		{"minutes are left", ledger.Counters{MinutesToday: 99, SpendToday: 0.9}, nil},
		{"the minutes are used up", ledger.Counters{MinutesToday: 100}, map[string]bool{phoneNumber: true, "610": true}},
		{"the money is used up, and a call inside the house costs none", ledger.Counters{SpendToday: 1}, map[string]bool{phoneNumber: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inHouse(t, func(h *house) {
				h.bridge.onDelete = func(id string, why wire.Ending) {
					if err := h.event(9, id, wire.Ended, because(why, 0)); err != nil {
						t.Error(err)
					}
				}
				h.judged(func(s *fraud.Settings) {
					s.PerDay.Minutes, s.PerDay.Spend = 100, 1
					s.Rates = []fraud.Rate{{Prefix: "+49", PerMinute: 0.05}}
				})
				ann := h.join("sales")
				ids := map[string]string{}
				for _, number := range []string{phoneNumber, "610"} {
					ids[number] = h.dial(ann, number).ID
					synctest.Wait()
					h.mustEvent(1, ids[number], wire.Answered, pcma)
				}
				h.ledger.mu.Lock()
				h.ledger.counters = c.counters
				h.ledger.mu.Unlock()
				time.Sleep(wire.LeaseInterval + time.Millisecond)
				for number, id := range ids {
					want := "dialing, answered"
					if c.over[number] {
						want += ", ended max-duration"
					}
					if got := ann.states(id); got != want {
						t.Errorf("%s: %s, want %s", number, got, want)
					}
				}
			})
		})
	}
}

func TestTheRecordHasEveryAttemptAndTheAnswer(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		id := h.placed(ann) // at tr_1
		on := func(trunk string, code int) func(*wire.CallEvent) {
			return func(ev *wire.CallEvent) { ev.Trunk, ev.Code = trunk, code }
		}
		h.mustEvent(1, id, wire.Dialing, on("tr_2", 503))
		h.mustEvent(2, id, wire.Ringing, on("tr_2", 180))
		h.mustEvent(3, id, wire.Answered, pcma, on("tr_2", 200))
		h.mustEvent(4, id, wire.Answered, pcma, on("tr_2", 200))
		h.mustEvent(5, id, wire.Ended, on("tr_2", 0), because(wire.HangupPhone, 0))
		r := h.ledger.last()
		if len(r.Attempts) != 2 || r.Attempts[0].Trunk != "tr_1" || r.Attempts[0].Code != 503 || r.Attempts[1].Trunk != "tr_2" || r.Attempts[1].Code != 200 {
			t.Errorf("settled %+v", r)
		}
		if len(h.ledger.answered) != 1 || h.ledger.answered[0] != id {
			t.Errorf("answered %v", h.ledger.answered)
		}
	})
}

func TestACallThatEndsBeforeTheBridgesAnswerIsNotHungUpAgain(t *testing.T) {
	inHouse(t, func(h *house) {
		h.bridge.onPost = func(req wire.CallRequest) error {
			return h.event(1, req.ID, wire.Ended, because(wire.Busy, 486))
		}
		h.placed(h.join("sales"))
		if got := h.bridge.hungUp(); got != "" {
			t.Errorf("the bridge was told to hang up %s", got)
		}
	})
}

func TestNobodyWaitsForARefusalToBeWrittenByABrokenLedger(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		h.ledger.hang = make(chan struct{})
		h.SetPolicy(Policy{})
		start := time.Now()
		if c := h.dial(ann, phoneNumber); c.Reason != string(wire.GuardUnavailable) || time.Since(start) > 0 {
			t.Errorf("got %+v after %v", c, time.Since(start))
		}
		close(h.ledger.hang)
	})
}
