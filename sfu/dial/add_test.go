package dial

import (
	"testing"
	"testing/synctest"
	"time"

	"dialroom/sfu/fraud"
	"dialroom/sfu/links"
	"dialroom/shared/wire"
)

const otherNumber = "+4930123457"

func TestATypedNumberIsJudgedAsThatOfSomebodyWithoutALink(t *testing.T) {
	inHouse(t, func(h *house) {
		h.judged(func(s *fraud.Settings) { s.Allow = []string{otherNumber} })
		ann := h.join("sales")
		token := h.signed(linkSecret, links.Link{Room: "sales", Number: phoneNumber})
		if c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: otherNumber, Link: token}); c.Reason != string(wire.LinkInvalid) {
			t.Errorf("the link's own dial: %+v", c)
		}
		c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: otherNumber, Link: token, Add: true})
		if c.State != wire.Dialing {
			t.Fatalf("a number that all may dial: %+v", c)
		}
		if got := h.ledger.reserved[0].Asker; got.Kind != "page" || got.Link != "" || got.Participant != ann.ID() {
			t.Errorf("reserved for %+v", got)
		}
		if shown, _ := h.rooms.Get("sales").Call(c.ID); !shown.Added {
			t.Errorf("the room shows %+v", shown)
		}
		if c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Link: token, Add: true}); c.Reason != string(wire.NotAllowed) {
			t.Errorf("a number that only the link may dial: %+v", c)
		}
	})
}

func TestATypedNumberMayBeCalledAgainButNotTwiceAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		ann := h.join("sales")
		add := Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Add: true}
		first := h.dial(ann, phoneNumber)
		synctest.Wait()
		if c := h.Dial(t.Context(), add); c.Reason != string(wire.AlreadyDialed) {
			t.Errorf("while it rings: %+v", c)
		}
		h.mustEvent(1, first.ID, wire.Ended, because(wire.Busy, 486))
		if c := h.Dial(t.Context(), add); c.State != wire.Dialing {
			t.Errorf("after it was busy: %+v", c)
		}
	})
}

func TestWithoutFurtherPhonesAPageHasOneNumber(t *testing.T) {
	inHouse(t, func(h *house) {
		h.SetPolicy(Policy{Rules: rules(t, lenient()), MaxRing: time.Minute})
		if h.MayAddPhone() {
			t.Error("pages are told that they may")
		}
		ann, bob := h.join("sales"), h.join("sales")
		if c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Add: true}); c.Reason != string(wire.NotAllowed) {
			t.Errorf("a typed number: %+v", c)
		}
		first := h.dial(ann, phoneNumber)
		if first.State != wire.Dialing {
			t.Fatalf("the number of the address: %+v", first)
		}
		synctest.Wait()
		h.mustEvent(1, first.ID, wire.Ended, because(wire.Busy, 486))
		if c := h.dial(ann, otherNumber); c.Reason != string(wire.NotAllowed) {
			t.Errorf("another one: %+v", c)
		}
		if c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: phoneNumber, Again: true}); c.State != wire.Dialing {
			t.Errorf("the same again: %+v", c)
		}
		if c := h.dial(bob, otherNumber); c.State != wire.Dialing {
			t.Errorf("the number of somebody else: %+v", c)
		} else {
			synctest.Wait()
			h.mustEvent(1, c.ID, wire.Ended, because(wire.Busy, 486))
		}
		if c := h.Dial(t.Context(), Request{Room: "sales", Participant: ann.ID(), Number: otherNumber, Again: true, Add: true}); c.State != wire.Dialing {
			t.Errorf("again what somebody else in the room has called: %+v", c)
		}
	})
}
