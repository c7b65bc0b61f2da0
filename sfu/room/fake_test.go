package room

import (
	"slices"
	"sync"
	"testing"
	"time"

	"dialroom/shared/wire"
)

// fakeClock runs timers when a test advances it, on the test's goroutine.
type fakeClock struct {
	mu     sync.Mutex
	now    time.Time
	timers []*fakeTimer
}

type fakeTimer struct {
	clock *fakeClock
	at    time.Time
	f     func()
}

func newFakeClock() *fakeClock { return &fakeClock{now: time.Unix(1_700_000_000, 0)} }

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) AfterFunc(d time.Duration, f func()) Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &fakeTimer{clock: c, at: c.now.Add(d), f: f}
	c.timers = append(c.timers, t)
	return t
}

func (t *fakeTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	i := slices.Index(t.clock.timers, t)
	if i < 0 {
		return false
	}
	t.clock.timers = slices.Delete(t.clock.timers, i, i+1)
	return true
}

func (c *fakeClock) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.timers)
}

func (c *fakeClock) Advance(d time.Duration) {
	end := c.Now().Add(d)
	for {
		c.mu.Lock()
		var next *fakeTimer
		for _, t := range c.timers {
			if !t.at.After(end) && (next == nil || t.at.Before(next.at)) {
				next = t
			}
		}
		if next == nil {
			c.now = end
			c.mu.Unlock()
			return
		}
		c.timers = slices.Delete(c.timers, slices.Index(c.timers, next), slices.Index(c.timers, next)+1)
		c.now = next.at
		c.mu.Unlock()
		next.f()
	}
}

// page is a browser's page: it keeps what it was sent.
type page struct {
	mu       sync.Mutex
	messages []any
}

func (p *page) Send(msg any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.messages = append(p.messages, msg)
}

// take returns what came since the last take.
func (p *page) take() []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.messages
	p.messages = nil
	return list
}

// last returns the newest message of type T among those not taken yet.
func last[T any](t *testing.T, p *page) T {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range slices.Backward(p.messages) {
		if m, ok := m.(T); ok {
			return m
		}
	}
	var none T
	t.Fatalf("no %T among %v", none, p.messages)
	return none
}

func count[T any](p *page) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, m := range p.messages {
		if _, ok := m.(T); ok {
			n++
		}
	}
	return n
}

// fakeMedia is a browser's connection.
type fakeMedia struct {
	mu       sync.Mutex
	tracks   map[Kind]*Track
	slots    []SlotInfo
	assigned map[string]*Track
	assigns  int
}

func newFakeMedia(owner string, kinds ...Kind) *fakeMedia {
	m := &fakeMedia{tracks: map[Kind]*Track{}, assigned: map[string]*Track{}}
	for _, k := range kinds {
		m.tracks[k] = &Track{Owner: owner, Kind: k}
	}
	return m
}

// with gives the connection a pool of slots.
func (m *fakeMedia) with(voice, phone, video int) *fakeMedia {
	add := func(n int, name string, codecs ...Codec) {
		for i := range n {
			m.slots = append(m.slots, SlotInfo{Mid: name + string(rune('0'+i)), Codecs: codecs})
		}
	}
	add(voice, "v", Opus)
	add(phone, "p", PCMA, PCMU, G722)
	add(video, "c", VP8, H264)
	return m
}

func (m *fakeMedia) Tracks() map[Kind]*Track { return m.tracks }
func (m *fakeMedia) Slots() []SlotInfo       { return m.slots }
func (m *fakeMedia) Assign(mid string, t *Track) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.assigns++
	if t == nil {
		delete(m.assigned, mid)
		return
	}
	m.assigned[mid] = t
}

// say publishes one packet of a level in dBov below 0.
func say(t *Track, level uint8) {
	t.SetLevel(level)
	t.Forward(&Packet{Codec: Opus, Level: level})
}

type fakeLeg struct{ track *Track }

func newFakeLeg() *fakeLeg         { return &fakeLeg{&Track{Owner: "call", Kind: Phone}} }
func (l *fakeLeg) Track() *Track   { return l.track }
func (f *fakeConf) Add(l Leg)      { f.legs = append(f.legs, l) }
func (f *fakeConf) Close()         { f.closed = true }
func (f *fakeConf) has(l Leg) bool { return slices.Contains(f.legs, l) }

type fakeConf struct {
	legs    []Leg
	sources []*Track
	told    int
	closed  bool
}

func (f *fakeConf) Remove(l Leg) {
	f.legs = slices.DeleteFunc(f.legs, func(x Leg) bool { return x == l })
}
func (f *fakeConf) SetSources(list []*Track) { f.sources = list; f.told++ }

// house is a Manager with everything around it faked.
type house struct {
	*Manager
	t        *testing.T
	clock    *fakeClock
	confs    []*fakeConf
	orphaned map[string]wire.Ending
}

func newHouse(t *testing.T, change ...func(*Config)) *house {
	h := &house{t: t, clock: newFakeClock(), orphaned: map[string]wire.Ending{}}
	cfg := Config{
		Grace: 15 * time.Second,
		Clock: h.clock,
		NewConference: func() Conference {
			h.confs = append(h.confs, &fakeConf{})
			return h.confs[len(h.confs)-1]
		},
		OnCallOrphaned: func(call string, why wire.Ending) { h.orphaned[call] = why },
	}
	for _, f := range change {
		f(&cfg)
	}
	h.Manager = New(cfg)
	t.Cleanup(h.Close)
	return h
}

// person is a browser in a room.
type person struct {
	*Participant
	page  *page
	media *fakeMedia
	left  int
	token string
}

func (h *house) join(room, name string) *person {
	h.t.Helper()
	p := &person{page: &page{}}
	var err error
	p.Participant, _, err = h.Join(JoinRequest{Room: room, Name: name, Sender: p.page, OnLeft: func() { p.left++ }})
	if err != nil {
		h.t.Fatalf("join %q: %v", room, err)
	}
	p.token = last[Welcome](h.t, p.page).Resume
	return p
}

// publishes gives the person a connection with 4 voice, 2 phone and 4 video slots.
func (p *person) publishes(kinds ...Kind) *person {
	p.media = newFakeMedia(p.ID(), kinds...).with(4, 2, 4)
	p.SetMedia(p.media)
	return p
}

// hears returns who flows in the person's slots, by "kind name".
func (p *person) hears() []string {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	var list []string
	for _, sl := range p.slots {
		if sl.now != nil {
			list = append(list, sl.now.use()+" "+p.room.byID(sl.now.owner).name)
			if p.media.assigned[sl.Mid] != sl.now.track {
				list = append(list, "but the media carries another track in "+sl.Mid)
			}
		}
	}
	return list
}

func (h *house) call(room *Room, by, id, number string) {
	h.t.Helper()
	if err := room.AddCall(by, Call{ID: id, Number: number, State: wire.Dialing}); err != nil {
		h.t.Fatalf("add call: %v", err)
	}
}
