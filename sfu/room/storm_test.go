package room

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"dialroom/shared/wire"
)

// check looks at everything that must hold in a room at any time.
func (h *house) check(people []*person, step string) {
	h.t.Helper()
	for _, p := range people {
		if p.media == nil {
			continue
		}
		p.room.mu.Lock()
		shown, empty, voices := map[*Track]bool{}, false, 0
		for _, sl := range p.slots {
			carried := p.media.assigned[sl.Mid]
			switch {
			case sl.now == nil && carried != nil:
				h.t.Errorf("%s: %s still carries %s in %s", step, p.name, carried.Kind, sl.Mid)
			case sl.now == nil:
				empty = empty || sl.Carries(Opus)
				continue
			case carried != sl.now.track:
				h.t.Errorf("%s: %s carries something else in %s", step, p.name, sl.Mid)
			case shown[carried]:
				h.t.Errorf("%s: %s has one track twice", step, p.name)
			case sl.now.owner == p.id:
				h.t.Errorf("%s: %s hears itself", step, p.name)
			case !sl.takes(sl.now):
				h.t.Errorf("%s: %s cannot play what is in %s", step, p.name, sl.Mid)
			}
			shown[carried] = true
		}
		for _, q := range p.room.people {
			if s := q.tracks[Mic]; q != p.Participant && s != nil && q.up && q.on(Mic) {
				voices++
				if empty && !shown[s.track] {
					h.t.Errorf("%s: %s does not hear %s although a slot is free", step, p.name, q.name)
				}
			}
		}
		told := p.lastSlots()
		for _, sl := range p.slots {
			use := told[sl.Mid]
			if (use == nil) != (sl.now == nil) || use != nil && use.ID != sl.now.owner {
				h.t.Errorf("%s: %s was told another content of %s", step, p.name, sl.Mid)
			}
		}
		p.room.mu.Unlock()
	}
}

// lastSlots returns what the page believes.
func (p *person) lastSlots() map[string]*SlotUse {
	p.page.mu.Lock()
	defer p.page.mu.Unlock()
	for i := len(p.page.messages) - 1; i >= 0; i-- {
		if m, ok := p.page.messages[i].(SlotsChanged); ok {
			return m.Slots
		}
	}
	return nil
}

func TestWhateverHappensEveryoneHearsWhatTheyWereTold(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		h := newHouse(t)
		keeper := h.join("r", "keeper").publishes(Mic, Phone)
		room := keeper.Room()
		people := []*person{keeper}
		legs := map[string]*fakeLeg{}
		for step := range 200 {
			what := fmt.Sprintf("seed %d step %d", seed, step)
			one := people[random.IntN(len(people))]
			switch random.IntN(10) {
			case 0, 1:
				if len(people) < 12 {
					kinds := [][]Kind{{Mic}, {Mic, Phone}, {Mic, Phone, Camera}, {Camera, Screen, ScreenAudio}, {}}[random.IntN(5)]
					people = append(people, h.join("r", fmt.Sprint(step)).publishes(kinds...))
				}
			case 2:
				if one != keeper {
					one.Leave(one.page)
					people = remove(people, one)
				}
			case 3:
				one.SetState(State{Audio: random.IntN(3) > 0, Video: random.IntN(2) > 0, Screen: random.IntN(2) > 0})
			case 4:
				var view []View
				for range random.IntN(4) {
					view = append(view, View{people[random.IntN(len(people))].ID(), []Kind{Camera, Screen}[random.IntN(2)], 0})
				}
				one.SetView(view)
			case 5:
				one.SetMediaUp(random.IntN(4) > 0)
			case 6:
				id := fmt.Sprint("c_", step)
				legs[id] = newFakeLeg()
				h.call(room, keeper.ID(), id, id)
				room.UpdateCall(id, CallUpdate{State: wire.Answered, Leg: legs[id], Codec: []wire.Codec{wire.PCMA, wire.PCMU}[random.IntN(2)]})
			case 7:
				for id := range legs {
					room.UpdateCall(id, CallUpdate{State: wire.Ended})
					delete(legs, id)
					break
				}
			case 8:
				one.publishes(Mic, Camera)
				one.page.take() // a new connection believes nothing
				room.mu.Lock()
				one.sendSlots()
				room.mu.Unlock()
			default:
				for _, p := range people {
					if mic := p.media.tracks[Mic]; mic != nil {
						say(mic, uint8(random.IntN(90)))
					}
				}
				for _, leg := range legs {
					say(leg.track, uint8(random.IntN(90)))
				}
				h.clock.Advance(tickEvery)
			}
			h.check(people, what)
		}
	}
}

func remove(list []*person, p *person) []*person {
	var kept []*person
	for _, q := range list {
		if q != p {
			kept = append(kept, q)
		}
	}
	return kept
}

func TestManyComeAndGoAtOnce(t *testing.T) {
	m := New(Config{Grace: time.Millisecond, NewConference: func() Conference { return &fakeConf{} }})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				s := &page{}
				p, _, err := m.Join(JoinRequest{Room: fmt.Sprint(j % 3), Sender: s})
				if err != nil {
					t.Errorf("join: %v", err)
					return
				}
				p.SetMedia(newFakeMedia(p.ID(), Mic, Phone).with(2, 1, 1))
				id := fmt.Sprint(i, "-", j)
				if p.Room().AddCall(p.ID(), Call{ID: id, Number: "610"}) == nil {
					p.Room().UpdateCall(id, CallUpdate{State: wire.Answered, Leg: newFakeLeg(), Codec: wire.PCMA})
					p.Room().UpdateCall(id, CallUpdate{State: wire.Ended})
				}
				m.tick()
				if j%2 == 0 {
					p.Leave(s)
				} else {
					p.Vanish(s)
				}
			}
		})
	}
	wg.Wait()
	m.Close()
	if n := len(m.Rooms()); n != 0 {
		t.Errorf("%d rooms left", n)
	}
}
