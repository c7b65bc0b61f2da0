package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// counted returns the counters for a reservation as FraudGuard would get them.
func counted(t *testing.T, l *Ledger, r Reservation, since Since) Counters {
	t.Helper()
	c, err := l.Count(t.Context(), r, since)
	if err != nil {
		t.Fatal(err)
	}
	var judged Counters
	no := errors.New("no")
	if err := l.Reserve(t.Context(), r, since, func(c Counters) (Terms, error) { judged = c; return Terms{}, no }); err != no {
		t.Fatalf("the judge's error came back as %v", err)
	}
	if c != judged {
		t.Errorf("Count says %+v, Reserve judges by %+v", c, judged)
	}
	return c
}

var errFull = errors.New("the cap is reached")

// capOf is a judge with a cap on the day.
func capOf(n int) func(Counters) (Terms, error) {
	return func(c Counters) (Terms, error) {
		if c.Day.Total >= n {
			return Terms{}, errFull
		}
		return Terms{}, nil
	}
}

func TestACapHoldsHoweverManyAskAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path)
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[error]int{}
	for i := range 200 {
		wg.Go(func() {
			err := l.Reserve(t.Context(), reservation(fmt.Sprint("c_", i)), today, capOf(5))
			mu.Lock()
			defer mu.Unlock()
			got[err]++
		})
	}
	wg.Wait()
	if got[nil] != 5 || got[errFull] != 195 {
		t.Errorf("got %v", got)
	}
	if n := rows(t, path, `SELECT count(*) FROM calls`); n[0] != "5" {
		t.Errorf("%s rows", n[0])
	}
}

// The counters are held against a count of all rows, over a random history.
func TestTheCountersAreWhatARecountWouldSay(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
	ctx, random := t.Context(), rand.New(rand.NewPCG(1, 2))
	type fate struct {
		r                       Reservation
		answered, ended, unseen time.Time
	}
	var all []fate
	pick := func(what string) string { return fmt.Sprint(what, random.IntN(3)) }
	for i := range 400 {
		f := fate{r: Reservation{ID: fmt.Sprint("c_", i), At: noon.Add(time.Duration(random.Int64N(int64(40*time.Hour))) - 30*time.Hour).Truncate(time.Millisecond),
			Asker: Asker{Kind: "script", Key: pick("key"), Bucket: pick("192.0.2.")}, Room: pick("room "), Number: pick("+4930")}}
		if i%3 == 0 {
			f.r.Asker = Asker{Kind: "page", Bucket: pick("192.0.2.")}
		}
		if err := reserve(ctx, l, f.r); err != nil {
			t.Fatal(err)
		}
		if random.IntN(3) > 0 {
			f.answered = f.r.At.Add(time.Duration(random.IntN(20)) * time.Second)
			l.Answered(ctx, f.r.ID, f.answered)
		}
		if random.IntN(4) > 0 {
			f.ended = f.r.At.Add(time.Duration(20+random.IntN(7200)) * time.Second)
			if i%10 == 0 {
				f.unseen = f.ended.Add(time.Hour)
			}
			if err := l.Settle(ctx, f.r.ID, Record{Answered: f.answered, Ended: f.ended, Unseen: f.unseen}); err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, f)
	}
	for range 40 {
		r := Reservation{At: noon.Add(time.Duration(random.Int64N(int64(time.Hour)))), Asker: Asker{Key: pick("key"), Bucket: pick("192.0.2.")}, Room: pick("room "), Number: pick("+4930")}
		if random.IntN(3) == 0 {
			r.Asker.Key = ""
		}
		// Any period must be right, not only days that are whole quarters of an hour.
		since := Since{Day: noon.Add(-time.Duration(random.Int64N(int64(30 * time.Hour)))), Minute: noon.Add(-time.Duration(random.Int64N(int64(time.Hour))))}
		if random.IntN(2) == 0 {
			since = Since{Day: today.Day, Minute: r.At.Add(-time.Minute)}
		}
		var want Counters
		for _, f := range all {
			one := Counts{Total: 1}
			for _, c := range []struct {
				a, b string
				n    *int
			}{{f.r.Asker.Bucket, r.Asker.Bucket, &one.IP}, {f.r.Room, r.Room, &one.Room}, {f.r.Number, r.Number, &one.Number}, {f.r.Asker.Key, r.Asker.Key, &one.Key}} {
				if c.a == c.b && c.a != "" {
					*c.n = 1
				}
			}
			running := f.ended.IsZero()
			unseen := f.unseen.After(r.At)
			if running || unseen {
				want.Running.add(one)
			}
			if running || unseen || !f.r.At.Before(since.Day) {
				want.Day.add(one)
			}
			if !f.r.At.Before(since.Minute) {
				want.Minute.add(one)
			}
			end, over := f.ended, f.ended
			if running {
				end = r.At
			}
			if !f.unseen.IsZero() {
				end = f.unseen
			}
			// Talk counts from the quarter of an hour in which the day begins.
			if !f.answered.IsZero() && end.After(f.answered) && (running || !over.Before(since.Day.Truncate(slot*time.Millisecond))) {
				want.MinutesToday += end.Sub(f.answered).Minutes()
				want.SpendToday += end.Sub(f.answered).Minutes() * 0.06
			}
		}
		got := counted(t, l, r, since)
		if math.Abs(got.MinutesToday-want.MinutesToday) > 0.01 || math.Abs(got.SpendToday-want.SpendToday) > 0.001 {
			t.Fatalf("since %v: %v minutes and %v, want %v and %v", since, got.MinutesToday, got.SpendToday, want.MinutesToday, want.SpendToday)
		}
		got.MinutesToday, got.SpendToday, want.MinutesToday, want.SpendToday = 0, 0, 0, 0
		if got != want {
			t.Fatalf("since %v:\n got %+v\nwant %+v", since, got, want)
		}
	}
}

func TestAClockThatIsPutBackOpensNoCap(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
	for i := range 5 {
		if err := l.Reserve(t.Context(), reservation(fmt.Sprint("c_", i)), today, capOf(5)); err != nil {
			t.Fatal(err)
		}
	}
	for _, back := range []time.Duration{time.Second, time.Hour, 40 * 24 * time.Hour} {
		r := reservation("c_late")
		r.At = noon.Add(-back)
		since := Since{Day: r.At.Truncate(24 * time.Hour), Minute: r.At.Add(-time.Minute)}
		if err := l.Reserve(t.Context(), r, since, capOf(5)); err != errFull {
			t.Errorf("%v back: %v", back, err)
		}
	}
}

func TestAUseOfALinkIsTakenWithTheReservation(t *testing.T) {
	l, ctx := openTest(t, filepath.Join(t.TempDir(), "ledger.db")), t.Context()
	link := Link{ID: "l_1", MintedAt: noon, Room: "sales", Number: "+4930123456", Uses: 3, Expires: noon.Add(time.Hour)}
	if err := l.AddLink(ctx, link); err != nil {
		t.Fatal(err)
	}
	dial := func(id string, link Link) error {
		r := reservation(id)
		r.Link = &link
		return reserve(ctx, l, r)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	got := map[error]int{}
	for i := range 50 {
		wg.Go(func() {
			err := dial(fmt.Sprint("c_", i), link)
			mu.Lock()
			defer mu.Unlock()
			got[err]++
		})
	}
	wg.Wait()
	if got[nil] != 3 || got[ErrLinkUsed] != 47 {
		t.Errorf("50 clicks: %v", got)
	}
	if c := counted(t, l, reservation("c_x"), today); c.Day.Total != 3 {
		t.Errorf("%d reserved", c.Day.Total)
	}

	if got, err := l.Link(ctx, "l_1"); err != nil || got.Owner {
		t.Errorf("a guest's link: %+v, %v", got, err)
	}
	elsewhere := Link{ID: "l_2", Owner: true, Room: "sales", Number: "+4930123456"} // minted where this ledger was not
	for i := range 5 {
		if err := dial(fmt.Sprint("c_any_", i), elsewhere); err != nil {
			t.Errorf("a link for any number of calls: %v", err)
		}
	}
	r := reservation("c_refused")
	r.Link = &elsewhere
	if err := l.Reserve(ctx, r, today, capOf(0)); err != errFull {
		t.Errorf("beyond a cap: %v", err)
	}
	if got, err := l.Link(ctx, "l_2"); err != nil || got.Used != 5 || !got.Owner || !got.MintedAt.Equal(noon) {
		t.Errorf("a refused call took a use: %+v, %v", got, err)
	}
	if err := l.RevokeLink(ctx, "l_2", noon); err != nil {
		t.Fatal(err)
	}
	if err := dial("c_revoked", elsewhere); err != ErrLinkRevoked {
		t.Errorf("a revoked link: %v", err)
	}
	if err := l.RevokeLink(ctx, "l_3", noon); err != ErrUnknownLink {
		t.Errorf("revoking what is not there: %v", err)
	}
	if _, err := l.Link(ctx, "l_3"); err != ErrUnknownLink {
		t.Errorf("asking for what is not there: %v", err)
	}
	list, total, err := l.Links(ctx, Page{Limit: 1, Offset: 1})
	if err != nil || total != 2 || len(list) != 1 || list[0].ID != "l_2" || !list[0].Revoked.Equal(noon) {
		t.Errorf("the second link of %d: %+v, %v", total, list, err)
	}
}

func TestRecordsAreListedPageByPage(t *testing.T) {
	l, ctx := openTest(t, filepath.Join(t.TempDir(), "ledger.db")), t.Context()
	for i := range 10 {
		r := reservation(fmt.Sprint("c_", i))
		r.At, r.Room, r.Asker.Bucket = noon.Add(time.Duration(i)*time.Second), fmt.Sprint("room ", i%2), "192.0.2.7"
		if err := reserve(ctx, l, r); err != nil {
			t.Fatal(err)
		}
	}
	answered := noon.Add(10 * time.Second)
	attempts := []Attempt{{Trunk: "tr_1", At: noon.UTC(), Code: 503}, {Trunk: "tr_2", At: answered.UTC(), Code: 200}}
	if err := l.Settle(ctx, "c_3", Record{Carrier: "tr_2", Answered: answered, Ended: answered.Add(90 * time.Second), Ending: "hangup-phone", Code: 200, Attempts: attempts}); err != nil {
		t.Fatal(err)
	}
	ids := func(f Filter) string {
		t.Helper()
		list, total, err := l.Calls(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, c := range list {
			ids = append(ids, strings.TrimPrefix(c.ID, "c_"))
		}
		return fmt.Sprint(strings.Join(ids, ""), " of ", total)
	}
	for _, c := range []struct {
		name string
		f    Filter
		want string
	}{
		{"all, newest first", Filter{}, "9876543210 of 10"},
		{"a page", Filter{Page: Page{Limit: 3, Offset: 6}}, "321 of 10"},
		{"behind the last", Filter{Page: Page{Limit: 3, Offset: 60}}, " of 10"},
		{"a room", Filter{Room: "room 1"}, "97531 of 5"},
		{"a while", Filter{Since: noon.Add(2 * time.Second), Until: noon.Add(5 * time.Second)}, "432 of 3"},
		{"what ended", Filter{Reason: "hangup-phone"}, "3 of 1"},
		{"what runs", Filter{Running: true, Page: Page{Limit: 2}}, "98 of 9"},
		{"a trunk that carried", Filter{Trunk: "tr_2"}, "3 of 1"},
		{"a trunk that was asked for, and a room", Filter{Trunk: "tr_1", Room: "room 0"}, "86420 of 5"},
		{"an address", Filter{IP: "192.0.2.7"}, "9876543210 of 10"},
		{"somebody else", Filter{Key: "crm"}, " of 0"},
	} {
		if got := ids(c.f); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	list, _, _ := l.Calls(ctx, Filter{Reason: "hangup-phone"})
	c := list[0]
	if c.Talk != 90*time.Second || c.Price != 0.09 || c.Rate != 0.06 || c.MaxDuration != time.Hour || !c.Answered.Equal(answered) ||
		c.Carrier != "tr_2" || c.Trunk != "tr_1" || c.Asker.IP != netip.MustParseAddr("192.0.2.7") || len(c.Attempts) != 2 || c.Attempts[0] != attempts[0] {
		t.Errorf("got %+v", c)
	}

	for i := range 4 {
		if err := l.Refused(ctx, Refusal{At: noon.Add(time.Duration(i) * time.Second), Asker: Asker{Kind: "link", Link: "l_1", Bucket: "2001:db8::/64"}, Reason: []string{"cap-day", "blocked"}[i%2]}); err != nil {
			t.Fatal(err)
		}
	}
	refusals, total, err := l.Refusals(ctx, Filter{Reason: "cap-day", IP: "2001:db8::/64", Asker: "link", Link: "l_1", Page: Page{Limit: 1}})
	if err != nil || total != 2 || len(refusals) != 1 || !refusals[0].At.Equal(noon.Add(2*time.Second)) || refusals[0].Asker.Link != "l_1" {
		t.Errorf("%d refusals: %+v, %v", total, refusals, err)
	}
}

func TestOldRowsGoInSmallSteps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, Options{Retention: 100 * time.Hour, Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ctx := t.Context()
	err = l.write(ctx, "filling", relaxed, func(ctx context.Context, tx *tx) error {
		for i := range 3 * pruneStep {
			r := reservation(fmt.Sprint("c_", i))
			r.At = noon.Add(-time.Duration(i) * time.Hour)
			if err := tx.insert(ctx, r, Terms{}); err != nil {
				return err
			}
			if _, err := tx.exec(ctx, `INSERT INTO refusals (id, at, asker, key, ip, participant, room, number, trunk, reason) VALUES (?, ?, '', '', '', '', '', '', '', '')`,
				3*pruneStep-i, r.At.UnixMilli()); err != nil {
				return err
			}
		}
		_, err := tx.exec(ctx, `UPDATE calls SET ended_at = reserved_at WHERE id <> 'c_700'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []Link{{ID: "l_gone", MintedAt: noon, Expires: noon.Add(-101 * time.Hour)}, {ID: "l_kept", MintedAt: noon.Add(-9999 * time.Hour)}} {
		if err := l.AddLink(ctx, link); err != nil {
			t.Fatal(err)
		}
	}
	l.prune(ctx, noon)
	// What runs stays, however old.
	if got := rows(t, path, `SELECT (SELECT count(*) FROM calls) || ' ' || (SELECT count(*) FROM refusals) || ' ' ||
		(SELECT max(id) FROM links) || ' ' || (SELECT count(*) > 0 AND min(slot) >= `+fmt.Sprint(noon.Add(-tallyLife).UnixMilli()/slot)+` FROM tally)`); got[0] != "102 101 l_kept 1" {
		t.Errorf("left: %s", got[0])
	}
}
