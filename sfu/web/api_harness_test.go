package web

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dialroom/sfu/dial"
	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/sfu/room"
	"dialroom/shared/number"
	"dialroom/shared/wire"
)

const (
	apiKey1    = "0123456789abcdef-ops"
	apiKey2    = "0123456789abcdef-monitoring"
	linkSecret = "0123456789abcdef-links"
)

var apiNoon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeOperators is everything behind the API.
type fakeOperators struct {
	mu       sync.Mutex
	err      error // of the ledger
	calls    []ledger.Call
	refusals []ledger.Refusal
	filters  []ledger.Filter
	links    []ledger.Link
	asked    []dial.Question
	hungUp   []string
}

func (f *fakeOperators) Calls(_ context.Context, q ledger.Filter) ([]ledger.Call, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, q)
	begin := min(q.Offset, len(f.calls))
	return f.calls[begin:min(begin+q.Limit, len(f.calls))], len(f.calls), f.err
}

func (f *fakeOperators) Refusals(_ context.Context, q ledger.Filter) ([]ledger.Refusal, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, q)
	return f.refusals, len(f.refusals), f.err
}

func (f *fakeOperators) AddLink(_ context.Context, l ledger.Link) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.links = append([]ledger.Link{l}, f.links...)
	}
	return f.err
}

func (f *fakeOperators) Links(_ context.Context, p ledger.Page) ([]ledger.Link, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	begin := min(p.Offset, len(f.links))
	return f.links[begin:min(begin+p.Limit, len(f.links))], len(f.links), f.err
}

func (f *fakeOperators) RevokeLink(_ context.Context, id string, at time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.links {
		if f.links[i].ID == id {
			f.links[i].Revoked = at
			return f.err
		}
	}
	return ledger.ErrUnknownLink
}

func (f *fakeOperators) Explain(_ context.Context, q dial.Question) (dial.Explanation, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	return dial.Explanation{Number: "+4930123456", Type: "fixed_line", Region: "DE", Verdict: "refused", Reason: "cap-day", Text: "No.", Rule: "fraud.per_day.ip",
		Checks: []dial.Check{{Name: "fraud.per_day.ip", Counted: true, Limit: 10, Have: 10, Refusal: "cap-day"}},
		Trunks: []wire.Trunk{{ID: "tr_1", Name: "main", State: "up"}}}, nil
}

func (f *fakeOperators) Counters(context.Context) (dial.Usage, error) {
	return dial.Usage{DaySince: apiNoon, Caps: []dial.Check{{Name: "fraud.per_day.total", Counted: true, Limit: 200, Have: 3, OK: true}}}, f.err
}

func (f *fakeOperators) Hangup(call, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if call != "c_live" {
		return dial.ErrUnknownCall
	}
	f.hungUp = append(f.hungUp, call)
	return nil
}

// sentMessages is the other end of a participant's connection.
type sentMessages struct{ _ int }

func (*sentMessages) Send(any) {}

// apiSite is a server with an API and somebody in the room "sales".
type apiSite struct {
	*site
	fake        *fakeOperators
	rooms       *room.Manager
	participant *room.Participant
}

func newAPI(t *testing.T, change ...func(*Operators)) *apiSite {
	t.Helper()
	f := &fakeOperators{}
	rooms := room.New(room.Config{})
	t.Cleanup(rooms.Close)
	o := &Operators{
		Keys: []APIKey{{"ops", apiKey1}, {"monitoring", apiKey2}}, Rooms: rooms, Guard: f, Book: f, Links: f, Signer: links.NewSigner(linkSecret),
		Trunks: func(context.Context) ([]wire.Trunk, error) {
			return []wire.Trunk{{ID: "tr_1", Name: "main", Priority: 10, State: "up", Calls: 1, CallsIn: 1, MaxCalls: 10, MaxCallsIn: 4, MaxCallsOut: 8, LatencyMS: 7, Registration: wire.Registered, Problem: "p", Minute: 2, PerMinute: 5, MaxDuration: 60}}, nil
		},
		Number: func(raw string) (string, error) { n, err := number.Parse(raw, "DE"); return n.String(), err },
		Counts: func() Counts {
			return Counts{Rooms: 1, Placed: 3, Participants: map[string]int{"browser": 1}, Calls: map[string]int{}, Ended: map[string]uint64{}, Refused: map[string]uint64{}}
		},
		Now: func() time.Time { return apiNoon },
	}
	for _, c := range change {
		c(o)
	}
	a := &apiSite{fake: f, rooms: rooms}
	a.site = newSite(t, func(c *Config) { c.Operators = o })
	var err error
	if a.participant, _, err = rooms.Join(room.JoinRequest{Room: "sales", Name: "Ada", Sender: &sentMessages{}}); err != nil {
		t.Fatal(err)
	}
	if err := rooms.Get("sales").AddCall(a.participant.ID(), room.Call{ID: "c_live", Number: "+4930123456", Trunk: "tr_1", State: wire.Dialing}); err != nil {
		t.Fatal(err)
	}
	return a
}

// ask sends a request with a key and returns status and body.
func (a *apiSite) ask(t *testing.T, method, path, body string) (int, string) {
	t.Helper()
	return a.askAs(t, "Bearer "+apiKey1, method, path, body)
}

func (a *apiSite) askAs(t *testing.T, authorization, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s %s: Cache-Control is %q", method, path, got)
	}
	return resp.StatusCode, string(answer)
}

func decodeAnswer[T any](t *testing.T, body string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return v
}
