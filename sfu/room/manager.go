package room

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"dialroom/shared/wire"
)

// Limits of a Manager that was given none.
const (
	defaultGrace           = 15 * time.Second
	defaultMaxRooms        = 10_000
	defaultMaxParticipants = 100
)

// tickEvery is how often levels are read: fast enough that a new voice is
// heard with its first word, slow enough to be free.
const tickEvery = 200 * time.Millisecond

// Why somebody cannot enter.
var (
	ErrFull   = errors.New("the room is full")
	ErrRooms  = errors.New("too many rooms")
	ErrClosed = errors.New("the room has ended")
	// ErrShutdown refuses everybody once the Manager is closed.
	ErrShutdown = errors.New("shutting down")
)

// Config is what a Manager needs; zero values mean the defaults.
type Config struct {
	// Grace is how long a browser whose WebSocket is gone may come back, and how
	// long a room opened for a call waits for its first browser.
	Grace           time.Duration
	MaxRooms        int
	MaxParticipants int // per room, phones included
	// NewConference makes the phones' side of a room when its first phone comes.
	NewConference func() Conference
	// OnCallOrphaned is told of every live call whose room has ended, with the
	// ending it must get. It must not block; no lock is held.
	OnCallOrphaned func(call string, why wire.Ending)
	Clock          Clock
	Logger         *slog.Logger
}

// Manager holds the rooms of one process.
type Manager struct {
	cfg Config // fixed after New

	mu     sync.Mutex // guards what follows; a room's lock may be held when it is taken, never the other way round
	rooms  map[string]*Room
	active map[*Room]bool // rooms the ticker visits
	ticker Timer          // nil while no room is active
	closed bool

	ticking  sync.Mutex // one tick at a time
	visiting []*Room    // scratch of tick, guarded by ticking
}

// New returns a Manager without rooms.
func New(cfg Config) *Manager {
	if cfg.Grace <= 0 {
		cfg.Grace = defaultGrace
	}
	if cfg.MaxRooms <= 0 {
		cfg.MaxRooms = defaultMaxRooms
	}
	if cfg.MaxParticipants <= 0 {
		cfg.MaxParticipants = defaultMaxParticipants
	}
	if cfg.OnCallOrphaned == nil {
		cfg.OnCallOrphaned = func(string, wire.Ending) {}
	}
	if cfg.Clock == nil {
		cfg.Clock = SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Manager{cfg: cfg, rooms: map[string]*Room{}, active: map[*Room]bool{}}
}

// JoinRequest is a browser's wish to enter a room.
type JoinRequest struct {
	Room       string // as typed; see CleanName
	Name       string
	Role       Role   // of somebody new; who resumes keeps the old one
	AddPhone   bool   // what the page is told it may, see May
	Resume     string // the token of an earlier Welcome, or ""
	ICEServers []ICEServer
	// Sender takes the participant's messages. Its value is the identity of
	// the connection, so it must be comparable: a pointer.
	Sender Sender
	// OnLeft is called once when the participant has left for good, with no lock
	// held; a resumed participant keeps the function of its first join.
	OnLeft func()
	// Session is kept with the participant, across resumes; see Participant.Session.
	Session any
}

// Sender takes messages towards a page. Send must not block and keeps their
// order; it is called with the room's lock held.
type Sender interface {
	Send(msg any)
}

// Join brings a browser into a room, which it opens when needed, and sends it a
// [Welcome]. With a valid resume token the earlier participant is taken over,
// media and all: its old Sender gets [Replaced], and nobody else notices. With an
// invalid one the browser joins as somebody new. Errors: ErrName, ErrRooms,
// ErrFull, ErrShutdown.
func (m *Manager) Join(req JoinRequest) (p *Participant, resumed bool, err error) {
	name, err := CleanName(req.Room)
	if err != nil {
		return nil, false, err
	}
	for {
		r, err := m.open(name)
		if err != nil {
			return nil, false, err
		}
		p, resumed, err := r.join(req)
		if !errors.Is(err, ErrClosed) {
			return p, resumed, err
		}
		// The room ended between the two steps; open the next one of that name.
	}
}

// Open returns the room for a call that somebody outside places into it. A room
// opened so waits Grace for its first browser, then it ends. Errors: ErrName,
// ErrRooms, ErrShutdown.
func (m *Manager) Open(rawName string) (*Room, error) {
	name, err := CleanName(rawName)
	if err != nil {
		return nil, err
	}
	for {
		r, err := m.open(name)
		if err != nil {
			return nil, err
		}
		if r.expect() {
			return r, nil
		}
	}
}

// Get returns the room of that name, or nil.
func (m *Manager) Get(rawName string) *Room {
	name, err := CleanName(rawName)
	if err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rooms[name]
}

// CanResume reports whether a join with this token would be a resume: somebody
// who was let in before comes back.
func (m *Manager) CanResume(rawName, token string) bool {
	r := m.Get(rawName)
	if r == nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byToken(token) != nil
}

func (m *Manager) open(name string) (*Room, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, ErrShutdown
	}
	if r := m.rooms[name]; r != nil {
		return r, nil
	}
	if len(m.rooms) >= m.cfg.MaxRooms {
		return nil, ErrRooms
	}
	r := newRoom(m, name)
	m.rooms[name] = r
	r.log.Info("room opened")
	return r, nil
}

// Rooms returns the rooms there are, in the order of their names.
func (m *Manager) Rooms() []*Room {
	m.mu.Lock()
	list := make([]*Room, 0, len(m.rooms))
	for _, r := range m.rooms {
		list = append(list, r)
	}
	m.mu.Unlock()
	slices.SortFunc(list, func(a, b *Room) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return list
}

// Close ends every room. Live calls are orphaned with the ending shutdown.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	if m.ticker != nil {
		m.ticker.Stop()
		m.ticker = nil
	}
	list := make([]*Room, 0, len(m.rooms))
	for _, r := range m.rooms {
		list = append(list, r)
	}
	m.mu.Unlock()
	for _, r := range list {
		r.update(func() { r.end(wire.Shutdown) })
	}
	m.ticking.Lock() // a tick under way ends before Close does
	defer m.ticking.Unlock()
}

// forget drops an ended room.
func (m *Manager) forget(r *Room) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.active, r)
	if m.rooms[r.name] == r {
		delete(m.rooms, r.name)
	}
}

// setActive says whether the ticker must visit r.
func (m *Manager) setActive(r *Room, on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !on {
		delete(m.active, r)
		return
	}
	if m.closed {
		return
	}
	m.active[r] = true
	if m.ticker == nil {
		m.ticker = m.cfg.Clock.AfterFunc(tickEvery, m.tick)
	}
}

// tick follows the levels of all active rooms, then arms itself again while there are any.
func (m *Manager) tick() {
	m.ticking.Lock()
	defer m.ticking.Unlock()
	m.mu.Lock()
	m.visiting = m.visiting[:0]
	for r := range m.active {
		m.visiting = append(m.visiting, r)
	}
	m.mu.Unlock()

	for i, r := range m.visiting {
		r.tick()
		m.visiting[i] = nil
	}

	m.mu.Lock()
	defer m.mu.Unlock()
	m.ticker = nil
	if len(m.active) > 0 && !m.closed {
		m.ticker = m.cfg.Clock.AfterFunc(tickEvery, m.tick)
	}
}
