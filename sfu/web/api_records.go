package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/sfu/ledger"
)

// This file is what was written down: calls and refusals, the newest first.

// maxCSV is how many records one CSV may have: a busy month, some 10 MB.
const maxCSV = 50_000

type apiAttempt struct {
	Trunk string  `json:"trunk"`
	At    *string `json:"at"`
	Code  int     `json:"code"`
}

// apiRecord is a call that was placed, or came in.
type apiRecord struct {
	ID          string       `json:"id"`
	Direction   string       `json:"direction"` // ledger.Out or ledger.In
	At          *string      `json:"at"`
	Asker       string       `json:"asker"` // ledger.Asker.Kind
	Key         string       `json:"key"`
	Link        string       `json:"link"`
	IP          string       `json:"ip"`
	Participant string       `json:"participant"`
	Room        string       `json:"room"`
	Number      string       `json:"number"` // the other one's: called, or the caller
	Called      string       `json:"called"` // where it came in
	TrunkAsked  string       `json:"trunk_asked"`
	Trunk       string       `json:"trunk"`
	Attempts    []apiAttempt `json:"attempts"`
	AnsweredAt  *string      `json:"answered_at"`
	EndedAt     *string      `json:"ended_at"`
	Ending      string       `json:"ending"` // "" while it runs
	Code        int          `json:"code"`
	Seconds     float64      `json:"seconds"` // talked
	Price       float64      `json:"price"`   // estimated, in the currency of the rates
}

// apiRefusal is a call that was not placed.
type apiRefusal struct {
	ID          int64   `json:"id"`
	At          *string `json:"at"`
	Asker       string  `json:"asker"`
	Key         string  `json:"key"`
	Link        string  `json:"link"`
	IP          string  `json:"ip"`
	Participant string  `json:"participant"`
	Room        string  `json:"room"`
	Number      string  `json:"number"`
	Trunk       string  `json:"trunk"`
	Reason      string  `json:"reason"`
}

// Who may ask for a call, and by which ways one comes in beside: the kinds of
// ledger.Asker, as openapi.json lists them.
const (
	whoAsks    = "page, link, script, extension"
	whoseCalls = whoAsks + ", trunk, room"
)

// filterOf reads what a list of the past is narrowed down to. reason is the name
// of the parameter that says how it ended, askers lists the kinds there are.
func filterOf(ctx *app.RequestContext, reason, askers string) (f ledger.Filter, err error) {
	for name, into := range map[string]*string{"asker": &f.Asker, "key": &f.Key, "link": &f.Link, "ip": &f.IP,
		"room": &f.Room, "number": &f.Number, "trunk": &f.Trunk, reason: &f.Reason} {
		*into = ctx.Query(name)
	}
	if f.Asker != "" && !slices.Contains(strings.Split(askers, ", "), f.Asker) {
		return f, bad("asker: expected one of %s", askers)
	}
	for _, q := range []struct {
		name string
		into *time.Time
	}{{"since", &f.Since}, {"until", &f.Until}} {
		if text, set := ctx.GetQuery(q.name); set {
			if *q.into, err = time.Parse(time.RFC3339, text); err != nil {
				return f, bad("%s: expected a time such as 2027-01-31T12:00:00Z", q.name)
			}
		}
	}
	return f, nil
}

// recordFilter is filterOf for calls, which have a direction.
func recordFilter(ctx *app.RequestContext) (ledger.Filter, error) {
	f, err := filterOf(ctx, "ending", whoseCalls)
	f.Direction = ctx.Query("direction")
	if err == nil && f.Direction != "" && f.Direction != ledger.In && f.Direction != ledger.Out {
		err = bad("direction: expected in or out")
	}
	return f, err
}

// listRecords is GET /records.
func (s *Server) listRecords(c context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	f, err := recordFilter(ctx)
	if err != nil {
		return 0, nil, err
	}
	if f.Limit, f.Offset, err = pageOf(ctx, maxPage); err != nil {
		return 0, nil, err
	}
	calls, total, err := s.cfg.Operators.Book.Calls(c, f)
	if err != nil {
		return 0, nil, errors.Join(errBook, err)
	}
	data := make([]apiRecord, 0, len(calls))
	for _, call := range calls {
		data = append(data, recordOf(call))
	}
	return http.StatusOK, listOf(ctx, data, total, f.Limit, f.Offset), nil
}

func recordOf(c ledger.Call) apiRecord {
	r := apiRecord{ID: c.ID, Direction: cmp.Or(c.Direction, ledger.Out), Called: c.Called, At: when(c.At), Asker: c.Asker.Kind, Key: c.Asker.Key, Link: c.Asker.Link, IP: ipText(c.Asker.IP),
		Participant: c.Asker.Participant, Room: c.Room, Number: c.Number, TrunkAsked: c.Trunk, Trunk: c.Carrier,
		Attempts: []apiAttempt{}, AnsweredAt: when(c.Answered), EndedAt: when(c.Ended), Ending: c.Ending, Code: c.Code,
		Seconds: math.Round(c.Talk.Seconds()*10) / 10, Price: math.Round(c.Price*1e4) / 1e4}
	for _, a := range c.Attempts {
		r.Attempts = append(r.Attempts, apiAttempt{Trunk: a.Trunk, At: when(a.At), Code: a.Code})
	}
	return r
}

// recordsCSV is GET /records.csv: the same as a table whose first line names the
// columns (RFC 4180), up to maxCSV records of it. X-Total-Count says how many
// there are, so that a table that was cut off can be known by it.
func (s *Server) recordsCSV(c context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	f, err := recordFilter(ctx)
	if err != nil {
		return 0, nil, err
	}
	if _, f.Offset, err = pageOf(ctx, maxPage); err != nil {
		return 0, nil, err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b) // a buffer takes everything: no errors to look at
	_ = w.Write([]string{"id", "at", "asker", "key", "link", "ip", "participant", "room", "number", "trunk_asked", "trunk",
		"attempts", "answered_at", "ended_at", "ending", "code", "seconds", "price", "direction", "called"})
	f.Limit = maxPage
	for end := f.Offset + maxCSV; ; {
		calls, total, err := s.cfg.Operators.Book.Calls(c, f)
		if err != nil {
			return 0, nil, errors.Join(errBook, err)
		}
		for _, call := range calls {
			_ = w.Write(recordOf(call).row())
		}
		if f.Offset += len(calls); len(calls) == 0 || f.Offset >= min(total, end) {
			ctx.Response.Header.Set("X-Total-Count", strconv.Itoa(total))
			break
		}
	}
	w.Flush()
	ctx.Response.Header.Set("Content-Disposition", `attachment; filename="calls.csv"`)
	ctx.Data(http.StatusOK, "text/csv; charset=utf-8", b.Bytes())
	return http.StatusOK, nil, nil
}

func (r apiRecord) row() []string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	return []string{r.ID, orEmpty(r.At), r.Asker, r.Key, r.Link, r.IP, r.Participant, plain(r.Room), r.Number, plain(r.TrunkAsked), r.Trunk,
		strconv.Itoa(len(r.Attempts)), orEmpty(r.AnsweredAt), orEmpty(r.EndedAt), r.Ending, strconv.Itoa(r.Code), number(r.Seconds), number(r.Price),
		r.Direction, dialled(r.Called)}
}

// dialled keeps a number as it is; what a desk phone has dialled may be any text.
func dialled(s string) string {
	if strings.Trim(strings.TrimPrefix(s, "+"), "0123456789") == "" {
		return s
	}
	return plain(s)
}

// plain keeps text that strangers chose, the names of rooms, from being a
// formula to the program that opens the file.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// listRefusals is GET /refusals.
func (s *Server) listRefusals(c context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	f, err := filterOf(ctx, "reason", whoAsks)
	if err != nil {
		return 0, nil, err
	}
	if f.Limit, f.Offset, err = pageOf(ctx, maxPage); err != nil {
		return 0, nil, err
	}
	refusals, total, err := s.cfg.Operators.Book.Refusals(c, f)
	if err != nil {
		return 0, nil, errors.Join(errBook, err)
	}
	data := make([]apiRefusal, 0, len(refusals))
	for _, r := range refusals {
		data = append(data, apiRefusal{ID: r.ID, At: when(r.At), Asker: r.Asker.Kind, Key: r.Asker.Key, Link: r.Asker.Link, IP: ipText(r.Asker.IP),
			Participant: r.Asker.Participant, Room: r.Room, Number: r.Number, Trunk: r.Trunk, Reason: r.Reason})
	}
	return http.StatusOK, listOf(ctx, data, total, f.Limit, f.Offset), nil
}

func ipText(ip netip.Addr) string {
	if !ip.IsValid() {
		return ""
	}
	return ip.String()
}
