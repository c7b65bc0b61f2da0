package web

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"dialroom/sfu/dial"
	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

func TestOnlyAKeyOpensTheAPI(t *testing.T) {
	a := newAPI(t)
	for _, r := range described(t) {
		if r.open {
			continue
		}
		for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer x", "Bearer " + apiKey1 + "x", "Bearer " + apiKey1[1:], "Basic " + apiKey1, apiKey1, "Bearer  " + apiKey1} {
			status, body := a.askAs(t, authorization, r.method, apiPath+strings.ReplaceAll(r.path, "{id}", "x"), "{}")
			if got := decodeAnswer[apiError](t, body); status != 401 || got.Error != "unauthorized" || got.Description == "" {
				t.Errorf("%s %s with %q: %d %s", r.method, r.path, authorization, status, body)
			}
		}
	}
	for _, authorization := range []string{"Bearer " + apiKey1, "bearer " + apiKey2} {
		if status, body := a.askAs(t, authorization, "GET", "/api/v1/rooms", ""); status != 200 {
			t.Errorf("with a key: %d %s", status, body)
		}
	}
	if len(a.fake.links)+len(a.fake.hungUp)+len(a.fake.asked) > 0 {
		t.Error("something was done without a key")
	}
}

func TestWithoutKeysNobodyMayUseTheAPI(t *testing.T) {
	a := newAPI(t, func(o *Operators) { o.Keys = []APIKey{{ID: "empty"}} })
	for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer  "} {
		if status, _ := a.askAs(t, authorization, "GET", "/api/v1/rooms", ""); status != 401 {
			t.Errorf("%q: %d", authorization, status)
		}
	}
}

func TestWhatGoesOnNow(t *testing.T) {
	a := newAPI(t)
	for _, tc := range []struct{ path, want string }{
		{"/rooms", `{"data":[{"name":"sales","browsers":1,"phones":0,"calls":1}],"total":1,"limit":50,"offset":0,"next":null}`},
		{"/participants", `{"data":[{"id":"` + a.participant.ID() + `","room":"sales","name":"Ada","kind":"browser","role":"guest","audio":false,"video":false,"screen":false,"call":null}],"total":1,"limit":50,"offset":0,"next":null}`},
		{"/participants?room=nobody", `{"data":[],"total":0,"limit":50,"offset":0,"next":null}`},
		{"/calls?room=sales&limit=1", `{"data":[{"id":"c_live","direction":"out","room":"sales","number":"+4930123456","trunk":"tr_1","state":"dialing","participant":null}],"total":1,"limit":1,"offset":0,"next":null}`},
		{"/trunks?offset=1", `{"data":[],"total":1,"limit":50,"offset":1,"next":null}`},
	} {
		if status, body := a.ask(t, "GET", apiPath+tc.path, ""); status != 200 || strings.TrimSpace(body) != tc.want {
			t.Errorf("%s: %d %s", tc.path, status, body)
		}
	}
}

func TestAnOperatorHangsUpAndTakesPeopleOut(t *testing.T) {
	a := newAPI(t)
	if status, body := a.ask(t, "DELETE", "/api/v1/calls/c_live", ""); status != 202 || !slices.Equal(a.fake.hungUp, []string{"c_live"}) {
		t.Errorf("hang up: %d %s", status, body)
	}
	if status, _ := a.ask(t, "DELETE", "/api/v1/calls/c_gone", ""); status != 404 {
		t.Errorf("a call that is gone: %d", status)
	}
	if status, _ := a.ask(t, "DELETE", "/api/v1/participants/p_nobody", ""); status != 404 {
		t.Errorf("nobody: %d", status)
	}
	if status, body := a.ask(t, "DELETE", "/api/v1/participants/"+a.participant.ID(), ""); status != 204 || body != "" {
		t.Errorf("kick: %d %s", status, body)
	}
	if a.rooms.Get("sales") != nil {
		t.Error("the room outlives its last browser")
	}
}

func TestLinksAreMintedListedAndRevoked(t *testing.T) {
	a := newAPI(t)
	status, body := a.ask(t, "POST", "/api/v1/links", `{"room":" sales ","number":"030 / 123 456","trunk":"tr_1","name":"Ada Lovelace","expires_at":"2026-03-02T12:00:00+01:00","uses":3}`)
	minted := decodeAnswer[apiLink](t, body)
	if status != 201 || minted.State != "valid" || minted.Number != "+4930123456" || minted.Room != "sales" || *minted.ExpiresAt != "2026-03-02T11:00:00Z" || *minted.Uses != 3 {
		t.Fatalf("minted: %d %s", status, body)
	}
	address, err := url.Parse(minted.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := address.Query()
	if address.Host != "call.example.org:8080" || address.Path != "/room.html" || !strings.Contains(minted.URL, "dial=%2B4930123456") {
		t.Errorf("the address is %s", minted.URL)
	}
	wish := links.Wish{Room: q.Get("room"), Number: q.Get("dial"), Trunk: q.Get("trunk"), Name: q.Get("name")}
	if l, err := links.NewSigner(linkSecret).Verify(q.Get("link"), wish, apiNoon); err != nil || l.ID != minted.ID || l.Uses != 3 {
		t.Errorf("the token of the address: %+v, %v", l, err)
	}
	if _, body := a.ask(t, "GET", "/api/v1/links", ""); !strings.Contains(body, minted.URL) {
		t.Errorf("the list has not the same address: %s", body)
	}
	for range 2 {
		if status, body := a.ask(t, "DELETE", "/api/v1/links/"+minted.ID, ""); status != 204 {
			t.Errorf("revoke: %d %s", status, body)
		}
	}
	if status, _ := a.ask(t, "DELETE", "/api/v1/links/l_none", ""); status != 404 {
		t.Errorf("revoke nothing: %d", status)
	}
	_, body = a.ask(t, "POST", "/api/v1/links", `{"number":"610"}`)
	if every := decodeAnswer[apiLink](t, body); every.Room != every.ID+"-*" || every.ExpiresAt != nil || every.Uses != nil {
		t.Errorf("a link without a room: %s", body)
	}
}

func TestALinkForOwnersSaysSoInItsToken(t *testing.T) {
	a := newAPI(t)
	for role, owner := range map[string]bool{"": false, `,"role":"guest"`: false, `,"role":"owner"`: true} {
		status, body := a.ask(t, "POST", "/api/v1/links", `{"room":"r"`+role+`}`)
		minted := decodeAnswer[apiLink](t, body)
		u, err := url.Parse(minted.URL)
		if status != 201 || err != nil {
			t.Fatalf("%d %s", status, body)
		}
		l, err := links.NewSigner(linkSecret).Parse(u.Query().Get("link"))
		if err != nil || l.Owner != owner || a.fake.links[0].Owner != owner || (minted.Role == "owner") != owner {
			t.Errorf("%s: %s, token %+v, %v", role, body, l, err)
		}
	}
}

func TestAnOperatorMutesWhoSpeaks(t *testing.T) {
	a := newAPI(t)
	a.participant.SetState(room.State{Audio: true, Video: true})
	status, body := a.ask(t, "PATCH", "/api/v1/participants/"+a.participant.ID(), `{"audio":false}`)
	if got := decodeAnswer[apiParticipant](t, body); status != 200 || got.Audio || !got.Video || got.ID != a.participant.ID() || got.Room != "sales" {
		t.Errorf("%d %s", status, body)
	}
	if status, body := a.ask(t, "PATCH", "/api/v1/participants/"+a.participant.ID(), `{"audio":true}`); status != 409 {
		t.Errorf("unmute: %d %s", status, body)
	}
}

func TestTheListSaysHowALinkStands(t *testing.T) {
	a := newAPI(t)
	id := links.NewID()
	for want, l := range map[string]ledger.Link{
		"valid":   {Uses: 3, Used: 2, Expires: apiNoon.Add(time.Second)},
		"used":    {Uses: 3, Used: 3},
		"expired": {Expires: apiNoon},
		"revoked": {Revoked: apiNoon, Expires: apiNoon, Uses: 1, Used: 1},
	} {
		l.ID, l.Room, l.MintedAt = id, "r", apiNoon
		a.fake.links = []ledger.Link{l}
		_, body := a.ask(t, "GET", "/api/v1/links", "")
		if !strings.Contains(body, `"state":"`+want+`"`) {
			t.Errorf("%s: %s", want, body)
		}
	}
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	a := newAPI(t)
	for _, tc := range []struct{ method, path, body, field string }{
		{"GET", "/rooms?limit=0", "", "limit"}, {"GET", "/rooms?limit=501", "", "limit"}, {"GET", "/rooms?limit=x", "", "limit"},
		{"GET", "/links?offset=-1", "", "offset"}, {"GET", "/records?since=yesterday", "", "since"}, {"GET", "/refusals?until=2026", "", "until"},
		{"POST", "/links", "", "body"}, {"POST", "/links", "[]", "body"}, {"POST", "/links", "{}{}", "body"}, {"POST", "/links", `{"dial":"610"}`, "dial"},
		{"POST", "/links", `{"room":"*","number":"610"}`, "room"}, {"POST", "/links", `{"room":"` + strings.Repeat("r", 129) + `"}`, "room"},
		{"POST", "/links", `{"number":"+49@evil"}`, "number"}, {"POST", "/links", `{"number":"610","trunk":"a b"}`, "trunk"}, {"POST", "/links", `{"trunk":"tr_1"}`, "trunk"},
		{"POST", "/links", `{"name":" Ada"}`, "name"}, {"POST", "/links", `{"name":"A\u202eda"}`, "name"}, {"POST", "/links", `{"name":"` + strings.Repeat("a", 65) + `"}`, "name"},
		{"POST", "/links", `{"number":"610","uses":-1}`, "uses"}, {"POST", "/links", `{"number":"610","uses":1000001}`, "uses"}, {"POST", "/links", `{"uses":1}`, "uses"},
		{"POST", "/links", `{"expires_at":"720h"}`, "expires_at"}, {"POST", "/links", `{"expires_at":"2026-03-01T12:00:00Z"}`, "expires_at"},
		{"POST", "/explain", `{}`, "number"}, {"POST", "/explain", `{"number":"610","ip":"here"}`, "ip"},
		{"POST", "/explain", `{"number":610}`, "number"}, {"POST", "/links", `{"uses":"1"}`, "uses"}, {"PATCH", "/participants/p_1", `{"audio":"no"}`, "audio"}, {"PATCH", "/participants/p_1", `[]`, "body"},
		{"GET", "/records?asker=me", "", "asker"}, {"GET", "/refusals?asker=trunk", "", "asker"},
	} {
		status, body := a.ask(t, tc.method, apiPath+tc.path, tc.body)
		if got := decodeAnswer[apiError](t, body); status != 400 || got.Error != "bad-request" || !strings.HasPrefix(got.Description, tc.field+": ") ||
			strings.Contains(got.Description, "json") || strings.Contains(got.Description, " Go ") {
			t.Errorf("%s %s %s: %d %s", tc.method, tc.path, tc.body, status, body)
		}
	}
	if len(a.fake.links) != 0 {
		t.Errorf("minted %+v", a.fake.links)
	}
	for path, want := range map[string]int{"GET /api/v1/nothing": 404, "PUT /api/v1/rooms": 405} {
		method, path, _ := strings.Cut(path, " ")
		if status, body := a.ask(t, method, path, ""); status != want || decodeAnswer[apiError](t, body).Error == "" {
			t.Errorf("%s %s: %d %s", method, path, status, body)
		}
	}
}

func TestALinkThatCannotBeWrittenIsNotGivenOut(t *testing.T) {
	a := newAPI(t)
	a.fake.err = errors.New("secret: the disk is full")
	for _, path := range []string{"POST /links", "GET /links", "GET /records", "GET /records.csv", "GET /refusals", "GET /counters"} {
		method, path, _ := strings.Cut(path, " ")
		status, body := a.ask(t, method, apiPath+path, `{"number":"610"}`)
		if got := decodeAnswer[apiError](t, body); status != 503 || got.Error != "unavailable" || strings.Contains(body, "secret") {
			t.Errorf("%s %s: %d %s", method, path, status, body)
		}
	}
	b := newAPI(t, func(o *Operators) { o.Signer = nil })
	if status, body := b.ask(t, "POST", "/api/v1/links", `{"number":"610"}`); status != 409 || len(b.fake.links) != 0 {
		t.Errorf("without a secret: %d %s", status, body)
	}
	c := newAPI(t, func(o *Operators) {
		o.Trunks = func(context.Context) ([]wire.Trunk, error) { return nil, errors.New("refused") }
	})
	if status, body := c.ask(t, "GET", "/api/v1/trunks", ""); status != 502 {
		t.Errorf("without a bridge: %d %s", status, body)
	}
}

// aCall is a call of the ledger.
func aCall(i int) ledger.Call {
	return ledger.Call{
		Reservation: ledger.Reservation{ID: fmt.Sprint("c_", i), At: apiNoon, Room: "=1+1", Number: "+4930123456", Trunk: "tr_1",
			Asker: ledger.Asker{Kind: "link", Link: "l_1", IP: netip.MustParseAddr("192.0.2.7"), Participant: "p_1"}},
		Record: ledger.Record{Carrier: "tr_2", Answered: apiNoon.Add(time.Second), Ended: apiNoon.Add(time.Minute), Ending: "hangup-phone", Code: 200,
			Attempts: []ledger.Attempt{{Trunk: "tr_1", At: apiNoon, Code: 503}, {Trunk: "tr_2", At: apiNoon, Code: 200}}},
		Talk: 59 * time.Second, Price: 0.0196666,
	}
}

func TestListsGoOnWhereTheySay(t *testing.T) {
	a := newAPI(t)
	for i := range 7 {
		a.fake.calls = append(a.fake.calls, aCall(i))
	}
	var got []string
	pages := 0
	for next := "/api/v1/records?limit=3&room=a+b"; next != ""; pages++ {
		_, body := a.ask(t, "GET", next, "")
		page := decodeAnswer[struct {
			Data  []apiRecord
			Total int
			Next  *string
		}](t, body)
		for _, r := range page.Data {
			got = append(got, r.ID)
		}
		if next = ""; page.Next != nil {
			next = *page.Next
		}
	}
	if strings.Join(got, " ") != "c_0 c_1 c_2 c_3 c_4 c_5 c_6" || pages != 3 {
		t.Errorf("%d pages: %v", pages, got)
	}
	for _, f := range a.fake.filters {
		if f.Room != "a b" {
			t.Errorf("a page forgot the filter: %+v", f)
		}
	}
}

func TestFiltersReachTheLedger(t *testing.T) {
	a := newAPI(t)
	query := "?since=2026-03-01T00:00:00Z&until=2026-03-02T00:00:00%2B01:00&asker=script&key=crm&link=l_1&ip=192.0.2.7&room=r&number=%2B4930123456&trunk=tr_1"
	want := ledger.Filter{Since: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Asker: "script", Key: "crm", Link: "l_1", IP: "192.0.2.7",
		Room: "r", Number: "+4930123456", Trunk: "tr_1", Reason: "busy", Page: ledger.Page{Limit: 50}}
	if status, _ := a.ask(t, "GET", apiPath+"/records?direction=in", ""); status != 200 || a.fake.filters[0].Direction != ledger.In {
		t.Errorf("%d, asked for %+v", status, a.fake.filters)
	}
	if status, body := a.ask(t, "GET", apiPath+"/records.csv?direction=up", ""); status != 400 || !strings.Contains(body, "expected in or out") {
		t.Errorf("%d %s", status, body)
	}
	for _, path := range []string{"/records" + query + "&ending=busy", "/refusals" + query + "&reason=busy"} {
		if status, body := a.ask(t, "GET", apiPath+path, ""); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		got := a.fake.filters[len(a.fake.filters)-1]
		if !got.Until.Equal(want.Since.Add(23 * time.Hour)) {
			t.Errorf("until %v", got.Until)
		}
		if got.Until = want.Until; got != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestRecordsAsATable(t *testing.T) {
	a := newAPI(t)
	for i := range maxPage + 2 {
		a.fake.calls = append(a.fake.calls, aCall(i))
	}
	status, body := a.ask(t, "GET", "/api/v1/records.csv", "")
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if status != 200 || err != nil || len(rows) != maxPage+3 {
		t.Fatalf("%d, %d rows, %v", status, len(rows), err)
	}
	got := map[string]string{}
	for i, column := range rows[0] {
		got[column] = rows[1][i]
	}
	for column, want := range map[string]string{"id": "c_0", "at": "2026-03-01T12:00:00Z", "room": "'=1+1", "number": "+4930123456", "trunk_asked": "tr_1",
		"trunk": "tr_2", "attempts": "2", "seconds": "59", "price": "0.0197", "ip": "192.0.2.7", "code": "200"} {
		if got[column] != want {
			t.Errorf("%s is %q, want %q", column, got[column], want)
		}
	}
}

func TestCallsThatCameInAreInTheTable(t *testing.T) {
	a := newAPI(t)
	in := aCall(1)
	in.Direction, in.Called, in.Asker = ledger.In, "+4930123400", ledger.Asker{Kind: "extension", Key: "610"}
	formula := in
	formula.Called = "=1+1"
	a.fake.calls = []ledger.Call{in, formula, aCall(2)}
	_, body := a.ask(t, "GET", "/api/v1/records.csv", "")
	rows, err := csv.NewReader(strings.NewReader(body)).ReadAll()
	if err != nil || len(rows) != 4 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, want := range []string{"direction called", "in +4930123400", "in '=1+1", "out "} {
		if got := strings.Join(rows[i][len(rows[i])-2:], " "); got != want {
			t.Errorf("row %d ends with %q, want %q", i, got, want)
		}
	}
}

func TestExplainAsksTheGuard(t *testing.T) {
	a := newAPI(t)
	status, body := a.ask(t, "POST", "/api/v1/explain", `{"number":"030 123456","trunk":"tr_1","room":"r","ip":"2001:db8::1","key":"crm","link":"token"}`)
	want := dial.Question{Number: "030 123456", Trunk: "tr_1", Room: "r", IP: netip.MustParseAddr("2001:db8::1"), Key: "crm", Link: "token"}
	if status != 200 || len(a.fake.asked) != 1 || a.fake.asked[0] != want {
		t.Errorf("%d %s, asked %+v", status, body, a.fake.asked)
	}
}
