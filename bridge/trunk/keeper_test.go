package trunk

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dialroom/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// stillClock moves when a test says so.
type stillClock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[*stillTimer]bool
}

type stillTimer struct {
	at time.Time
	f  func()
}

func newStillClock() *stillClock {
	return &stillClock{now: time.Unix(1_700_000_000, 0), timers: make(map[*stillTimer]bool)}
}

func (c *stillClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *stillClock) AfterFunc(d time.Duration, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &stillTimer{c.now.Add(d), f}
	c.timers[t] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

// next moves to the first timer that is set, waiting until there is one, and
// returns how long that took on the clock.
func (c *stillClock) next(t *testing.T) time.Duration {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Microsecond) {
		c.mu.Lock()
		var first *stillTimer
		for timer := range c.timers {
			if first == nil || timer.at.Before(first.at) {
				first = timer
			}
		}
		if first != nil {
			took := first.at.Sub(c.now)
			c.now = first.at
			delete(c.timers, first)
			c.mu.Unlock()
			first.f()
			return took
		}
		c.mu.Unlock()
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for anything")
		}
	}
}

// asked is one request of a keeper; the test answers it.
type asked struct {
	trunk   string
	expires time.Duration // -1: a probe
	answer  chan answer
}

type answer struct {
	d   time.Duration
	err error
}

// signals is a Signaller that a test plays.
type signals chan asked

func (s signals) ask(ctx context.Context, id string, expires time.Duration) (time.Duration, error) {
	q := asked{id, expires, make(chan answer, 1)}
	select {
	case s <- q:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case a := <-q.answer:
		return a.d, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s signals) Register(ctx context.Context, t Trunk, expires time.Duration) (time.Duration, error) {
	return s.ask(ctx, t.ID, expires)
}

func (s signals) Probe(ctx context.Context, t Trunk) (time.Duration, error) {
	return s.ask(ctx, t.ID, -1)
}

// says answers the next request.
func (s signals) says(t *testing.T, d time.Duration, err error) asked {
	t.Helper()
	select {
	case q := <-s:
		q.answer <- answer{d, err}
		return q
	case <-time.After(patience):
		t.Fatal("waited in vain for a request")
	}
	panic("unreachable")
}

func (t *Table) face(id string) wire.Trunk {
	for _, w := range t.List() {
		if w.ID == id {
			return w
		}
	}
	return wire.Trunk{}
}

func awaits(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func keep(t *testing.T, trunks ...Trunk) (*Keeper, *Table, *stillClock, signals) {
	t.Helper()
	table, clock, out := NewTable(trunks, time.Now), newStillClock(), make(signals)
	k := NewKeeper(table, out, clock, slog.New(slog.DiscardHandler))
	k.Load(trunks)
	t.Cleanup(k.Close)
	return k, table, clock, out
}

func registering(id string) Trunk {
	t := tr(id, 10, "+")
	t.Register = true
	return t
}

var errNo = errors.New("the far end answers 403 Forbidden")

func TestRegistrationIsRefreshedAtFourFifthsOfWhatWasGranted(t *testing.T) {
	_, table, clock, out := keep(t, registering("a"))
	if got := table.face("a"); got.Registration != wire.Registering || got.State != "up" {
		t.Errorf("before the first answer: %+v", got)
	}
	if q := out.says(t, 100*time.Second, nil); q.expires != registerFor {
		t.Errorf("asked for %v", q.expires)
	}
	if got := clock.next(t); got != 80*time.Second {
		t.Errorf("refreshed after %v, want 80s", got)
	}
	out.says(t, 3000*time.Second, nil)
	if got := clock.next(t); got != 2400*time.Second {
		t.Errorf("refreshed after %v, want 40m", got)
	}
	if got := table.face("a"); got.Registration != wire.Registered || got.State != "up" {
		t.Errorf("registered: %+v", got)
	}
	out.says(t, time.Minute, nil)
}

// The story of the loop that ended on its first error.
func TestRegistrationThatFailsIsTriedForEver(t *testing.T) {
	_, table, clock, out := keep(t, registering("a"))
	least := firstRetry
	for i := range 40 {
		out.says(t, 0, errNo)
		got := clock.next(t)
		if got > least || got < least*9/10 {
			t.Fatalf("attempt %d after %v, want about %v", i+2, got, least)
		}
		least = min(2*least, lastRetry)
	}
	if got := table.face("a"); got.Registration != wire.Unregistered || got.State != "down" || got.Problem != errNo.Error() {
		t.Errorf("unregistered: %+v", got)
	}
	out.says(t, time.Minute, nil)
	clock.next(t)
	if got := table.face("a"); got.Registration != wire.Registered || got.State != "up" || got.Problem != "" {
		t.Errorf("registered after all: %+v", got)
	}
	out.says(t, 0, errNo)
	if got := clock.next(t); got > firstRetry+shortestRefresh {
		t.Errorf("the backoff did not start afresh: %v", got)
	}
	out.says(t, time.Minute, nil)
}

func TestRegistrationHoldsUntilItRunsOutThoughARefreshFails(t *testing.T) {
	_, table, clock, out := keep(t, registering("a"))
	out.says(t, 100*time.Second, nil)
	clock.next(t) // 80 s
	var waited time.Duration
	for waited < 20*time.Second {
		if got := table.face("a").Registration; got != wire.Registered {
			t.Fatalf("%s after %v", got, 80*time.Second+waited)
		}
		out.says(t, 0, errNo)
		waited += clock.next(t)
	}
	out.says(t, 0, errNo)
	clock.next(t)
	if got := table.face("a").Registration; got != wire.Unregistered {
		t.Errorf("%s although it has run out", got)
	}
	out.says(t, time.Minute, nil)
}

func TestRetryAfterIsObeyed(t *testing.T) {
	_, _, clock, out := keep(t, registering("a"))
	out.says(t, 0, &RetryAfter{Err: errNo, Wait: 90 * time.Second})
	if got := clock.next(t); got != 90*time.Second {
		t.Errorf("came again after %v", got)
	}
	out.says(t, 0, &RetryAfter{Err: errNo, Wait: 1000 * time.Hour})
	if got := clock.next(t); got != longestRetryAfter {
		t.Errorf("came again after %v", got)
	}
	out.says(t, time.Minute, nil)
}

func TestLostConnectionIsRegisteredAgainAtOnce(t *testing.T) {
	k, _, _, out := keep(t, registering("a"))
	out.says(t, time.Hour, nil)
	k.Renew("a")
	k.Renew("nobody")
	out.says(t, time.Hour, nil)
}

func TestReloadLeavesTheUnchangedAloneAndUnregistersTheGone(t *testing.T) {
	k, table, _, out := keep(t, registering("a"), registering("b"))
	out.says(t, time.Hour, nil)
	out.says(t, time.Hour, nil)
	awaits(t, "both registered", func() bool {
		return table.face("a").Registration == wire.Registered && table.face("b").Registration == wire.Registered
	})
	next := []Trunk{registering("a")}
	table.Load(next)
	k.Load(next)
	if q := out.says(t, 0, nil); q.trunk != "b" || q.expires != 0 {
		t.Errorf("%+v, want b to be unregistered", q)
	}
	if got := table.face("a").Registration; got != wire.Registered {
		t.Errorf("a is %s after a reload that did not touch it", got)
	}
}

func TestCloseUnregistersAndDoesNotWaitForASilentCarrier(t *testing.T) {
	k, _, _, out := keep(t, registering("a"))
	out.says(t, time.Hour, nil)
	done := make(chan struct{})
	go func() { k.Close(); close(done) }()
	if q := <-out; q.expires != 0 {
		t.Errorf("%+v", q)
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("waits for ever")
	}
}

func probed(id string) Trunk {
	t := tr(id, 10, "+")
	t.ProbeEvery = 30 * time.Second
	return t
}

func TestTrunkThatMissesTwoProbesIsDownAndComesBackWithAnAnswer(t *testing.T) {
	_, table, clock, out := keep(t, probed("a"))
	out.says(t, 25*time.Millisecond, nil)
	if got := clock.next(t); got != 30*time.Second {
		t.Errorf("probed again after %v", got)
	}
	if got := table.face("a"); got.State != "up" || got.LatencyMS != 25 {
		t.Errorf("%+v", got)
	}
	out.says(t, 0, errNo)
	if got := clock.next(t); got != againSoon {
		t.Errorf("after a miss probed again after %v", got)
	}
	if got := table.face("a"); got.State != "up" {
		t.Errorf("down after one miss: %+v", got)
	}
	out.says(t, 0, errNo)
	if got := clock.next(t); got != whileDown {
		t.Errorf("while down probed again after %v", got)
	}
	if got := table.face("a"); got.State != "down" || got.Problem == "" || got.LatencyMS != 0 {
		t.Errorf("%+v", got)
	}
	out.says(t, time.Millisecond, nil)
	clock.next(t)
	if got := table.face("a"); got.State != "up" || got.Problem != "" {
		t.Errorf("%+v", got)
	}
	out.says(t, time.Millisecond, nil)
}

func TestTrunkThatIsDownIsTriedLastAndNotNever(t *testing.T) {
	table := NewTable([]Trunk{tr("a", 10, "+"), tr("b", 20, "+"), tr("c", 30, "+")}, time.Now)
	order := func() string {
		slots, err := table.Choose("+4930123456", "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for slot := range slots {
			got += slot.Trunk.ID
			slot.Release()
		}
		return got
	}
	table.Heard("a", false)
	if got := order(); got != "bca" {
		t.Errorf("a is down: %s", got)
	}
	if slot, err := table.First("+4930123456", "a"); err != nil || slot.Trunk.ID != "a" {
		t.Errorf("pinned: %v, %v", slot, err)
	}
	table.Heard("b", false)
	table.Heard("c", false)
	if got := order(); got != "abc" {
		t.Errorf("all are down: %s", got)
	}
	table.Heard("b", true)
	if got := order(); got != "bac" {
		t.Errorf("b is up: %s", got)
	}
}

func TestNationalRulesBothWays(t *testing.T) {
	trunk := Trunk{DialFormat: National, Rules: []Rule{{"+49", "0"}, {"+", "00"}, {"+4930", ""}}}
	for _, test := range []struct{ name, number, user string }{
		{"the own country by its trunk prefix", "+4989654321", "089654321"},
		{"the own city by the subscriber number alone", "+4930123456", "123456"},
		{"abroad by the international prefix", "+12125550123", "0012125550123"},
		{"an extension stays as it is", "610", "610"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := trunk.User(test.number); got != test.user {
				t.Errorf("%s is dialled as %s, want %s", test.number, got, test.user)
			}
		})
	}
	back := Trunk{DialFormat: National, Rules: []Rule{{"+49", "0"}, {"+", "00"}}}
	for user, want := range map[string]string{
		"089654321": "+4989654321", "0012125550123": "+12125550123", "+4989654321": "+4989654321", "anonymous": "anonymous", "": "",
	} {
		if got := back.Canonical(user); got != want {
			t.Errorf("%q comes in as %q, want %q", user, got, want)
		}
	}
	if got := (&Trunk{DialFormat: E164}).Canonical("4989654321"); got != "+4989654321" {
		t.Errorf("without a plus: %s", got)
	}
}
