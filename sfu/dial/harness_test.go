package dial

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"dialroom/sfu/fraud"
	"dialroom/sfu/links"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		dialForever(dir, os.Getenv(childURL))
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	phoneNumber = "+4930123456"
	bridgeMedia = "127.0.0.1:40200"
)

// house is a Service with everything around it. It lives in a synctest bubble:
// time passes only when everybody waits.
type house struct {
	*Service
	t      *testing.T
	rooms  *room.Manager
	ledger *fakeLedger
	bridge *fakeBridge
	legs   *fakeLegs
}

// inHouse runs a test in a house of its own.
func inHouse(t *testing.T, test func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &house{t: t, ledger: &fakeLedger{open: map[string]bool{}}, legs: &fakeLegs{}}
		h.bridge = &fakeBridge{instance: "b1", calls: map[string]bool{}}
		h.rooms = room.New(room.Config{
			NewConference:  func() room.Conference { return fakeConference{} },
			OnCallOrphaned: func(call string, why wire.Ending) { h.Orphaned(call, why) },
		})
		h.Service = New(Config{Rooms: h.rooms, NewLeg: h.legs.make, Ledger: h.ledger, Bridge: h.bridge, Instance: "s1",
			Links:  links.NewSigner(linkSecret),
			Policy: Policy{Rules: rules(t, lenient()), MaxRing: time.Minute, AddPhone: true}})
		test(h)
		h.Close()
		h.rooms.Close()
		if open := h.ledger.stillOpen(); len(open) > 0 {
			t.Errorf("not settled: %v", open)
		}
		if n := h.legs.open(); n > 0 {
			t.Errorf("%d legs are open", n)
		}
	})
}

const linkSecret = "a secret of links for tests"

// lenient are settings that let every number pass.
func lenient() fraud.Settings {
	return fraud.Settings{Allow: []string{"+"}, Carried: []string{"", "+"}, MaxDuration: time.Hour}
}

func rules(t testing.TB, s fraud.Settings) *fraud.Rules {
	r, err := fraud.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// page is a browser in a room, with the messages it got.
type page struct {
	*room.Participant
	mu   sync.Mutex
	msgs []any
}

func (p *page) Send(msg any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.msgs = append(p.msgs, msg)
}

// states lists what the page was told about a call: "dialing", "ended busy 486" …
func (p *page) states(id string) string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, m := range p.msgs {
		if c, ok := m.(room.CallChanged); ok && c.ID == id {
			s := string(c.State)
			if c.Reason != "" {
				s += " " + c.Reason
			}
			if c.Code != 0 {
				s += fmt.Sprint(" ", c.Code)
			}
			list = append(list, s)
		}
	}
	return strings.Join(list, ", ")
}

func (h *house) join(roomName string) *page {
	h.t.Helper()
	p := &page{}
	participant, _, err := h.rooms.Join(room.JoinRequest{Room: roomName, Name: "Ann", Sender: p})
	if err != nil {
		h.t.Fatal(err)
	}
	p.Participant = participant
	return p
}

// dial asks for a call as p's page does.
func (h *house) dial(p *page, number string) room.Call {
	return h.Dial(h.t.Context(), Request{Room: p.Room().Name(), Participant: p.ID(), Number: number, IP: netip.MustParseAddr("192.0.2.7")})
}

// placed dials and waits until the bridge has the call.
func (h *house) placed(p *page) string {
	h.t.Helper()
	c := h.dial(p, phoneNumber)
	if c.State != wire.Dialing {
		h.t.Fatalf("got %+v", c)
	}
	synctest.Wait()
	return c.ID
}

func (h *house) event(seq int, id string, state wire.State, change ...func(*wire.CallEvent)) error {
	ev := wire.CallEvent{Seq: seq, ID: id, State: state}
	for _, f := range change {
		f(&ev)
	}
	return h.Event(h.t.Context(), ev)
}

func (h *house) mustEvent(seq int, id string, state wire.State, change ...func(*wire.CallEvent)) {
	h.t.Helper()
	if err := h.event(seq, id, state, change...); err != nil {
		h.t.Fatalf("event %s: %v", state, err)
	}
}

func pcma(ev *wire.CallEvent) { ev.Codec = wire.PCMA }

func because(reason wire.Ending, code int) func(*wire.CallEvent) {
	return func(ev *wire.CallEvent) { ev.Reason, ev.Code = reason, code }
}
