package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed" // the description of the API
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/sfu/dial"
	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// This file is the frame of the operators' API: who may use it, how lists and
// errors look. What it does is in api_live.go, api_links.go and api_records.go,
// and described for programs in openapi.json, which a test holds against the routes.

const apiPath = "/api/v1"

// Wrong keys of one address that get an answer of their own, and a line in the log.
const (
	wrongKeyBurst      = 20
	wrongKeysPerSecond = 0.2
)

//go:embed openapi.json
var openAPI []byte

// APIKey opens the operators' API.
type APIKey struct{ ID, Key string }

// Book is what was written down; *ledger.Ledger is one.
type Book interface {
	Calls(ctx context.Context, f ledger.Filter) (calls []ledger.Call, total int, err error)
	Refusals(ctx context.Context, f ledger.Filter) (refusals []ledger.Refusal, total int, err error)
}

// LinkBook keeps the links that were minted; *ledger.Ledger is one.
type LinkBook interface {
	AddLink(ctx context.Context, l ledger.Link) error
	Links(ctx context.Context, p ledger.Page) (links []ledger.Link, total int, err error)
	RevokeLink(ctx context.Context, id string, at time.Time) error
}

// Guard explains its verdicts and ends calls; *dial.Service is one.
type Guard interface {
	Explain(ctx context.Context, q dial.Question) (dial.Explanation, error)
	Counters(ctx context.Context) (dial.Usage, error)
	Hangup(call, participant string) error
}

// Operators is what the operators' API shows and changes. Without Keys nobody may use it.
type Operators struct {
	Keys   []APIKey
	Rooms  *room.Manager
	Guard  Guard
	Book   Book
	Links  LinkBook
	Signer *links.Signer // nil when the settings have no secret for links
	Trunks func(ctx context.Context) ([]wire.Trunk, error)
	// Number brings a number into its canonical spelling.
	Number func(raw string) (string, error)
	Counts func() Counts
	Now    func() time.Time // nil is the system's
}

// Errors of the API. A badField names what is wrong with a request.
var (
	errNoKey    = errors.New("no API key, or not one of the settings")
	errTooMany  = errors.New("too many requests without a key")
	errUnmute   = errors.New("only they themselves can unmute")
	errNotFound = errors.New("there is no such thing")
	errNoRoute  = errors.New("no such path")
	errNoMethod = errors.New("no such method here")
	errNoLinks  = errors.New("links.secret is not set")
	errNoBridge = errors.New("the bridge does not answer")
	errBook     = errors.New("the ledger does not answer")
)

type badField struct{ text string }

func (e *badField) Error() string { return e.text }

func bad(format string, args ...any) error { return &badField{fmt.Sprintf(format, args...)} }

// operation is one thing the API does. It returns the status and what becomes
// the JSON body, nil for none.
type operation func(c context.Context, ctx *app.RequestContext, key string) (status int, body any, err error)

// apiRoutes is the list of all operations. {id} in openapi.json is :id here.
func (s *Server) apiRoutes() {
	for _, r := range []struct {
		method, path string
		do           operation
	}{
		{http.MethodGet, "/rooms", s.listRooms},
		{http.MethodGet, "/participants", s.listParticipants},
		{http.MethodDelete, "/participants/:id", s.kick},
		{http.MethodPatch, "/participants/:id", s.mute},
		{http.MethodGet, "/calls", s.listCalls},
		{http.MethodDelete, "/calls/:id", s.hangUp},
		{http.MethodGet, "/trunks", s.listTrunks},
		{http.MethodGet, "/counters", s.counters},
		{http.MethodGet, "/records", s.listRecords},
		{http.MethodGet, "/records.csv", s.recordsCSV},
		{http.MethodGet, "/refusals", s.listRefusals},
		{http.MethodGet, "/links", s.listLinks},
		{http.MethodPost, "/links", s.mintLink},
		{http.MethodDelete, "/links/:id", s.revokeLink},
		{http.MethodPost, "/explain", s.explain},
	} {
		s.hertz.Handle(r.method, apiPath+r.path, s.operator(r.do))
		if r.method == http.MethodGet {
			s.hertz.HEAD(apiPath+r.path, s.operator(r.do))
		}
	}
	describe := func(_ context.Context, ctx *app.RequestContext) { ctx.Data(http.StatusOK, "application/json", openAPI) }
	s.hertz.GET(apiPath+"/openapi.json", describe)
	s.hertz.HEAD(apiPath+"/openapi.json", describe)
}

// operator lets through who has a key.
func (s *Server) operator(do operation) app.HandlerFunc {
	return func(c context.Context, ctx *app.RequestContext) {
		key, ok := s.apiKey(ctx)
		if !ok {
			client := s.client(ctx)
			if !s.keys.allow(client, 1, s.cfg.Now()) { // nobody guesses a key, but the log must not be flooded
				ctx.Response.Header.Set("Retry-After", "10")
				s.apiFail(ctx, errTooMany)
				return
			}
			s.log.Warn("API request refused", "path", string(ctx.Path()), "client", client)
			ctx.Response.Header.Set("WWW-Authenticate", `Bearer realm="dialroom"`) // RFC 6750 §3
			s.apiFail(ctx, errNoKey)
			return
		}
		status, body, err := do(c, ctx, key)
		switch {
		case err != nil:
			s.apiFail(ctx, err)
		case body == nil:
			ctx.SetStatusCode(status)
		default:
			ctx.PureJSON(status, body) // an address keeps its "&"
		}
	}
}

// apiKey finds whose key a request has. Hashes are compared, in constant time
// and all of them, so that neither length nor content nor order can be timed.
func (s *Server) apiKey(ctx *app.RequestContext) (id string, ok bool) {
	scheme, given, _ := strings.Cut(string(ctx.GetHeader("Authorization")), " ")
	if !strings.EqualFold(scheme, "Bearer") || given == "" { // RFC 9110 §11.1
		return "", false
	}
	hash := sha256.Sum256([]byte(given))
	for _, k := range s.cfg.Operators.Keys {
		want := sha256.Sum256([]byte(k.Key))
		if subtle.ConstantTimeCompare(hash[:], want[:]) == 1 && k.Key != "" {
			id, ok = k.ID, true
		}
	}
	return id, ok
}

// apiError is the body of every answer of the API that is not 2xx.
type apiError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func (s *Server) apiFail(ctx *app.RequestContext, err error) {
	status, body := apiAnswerTo(err)
	if status >= http.StatusInternalServerError {
		s.log.Error("API request failed", "path", string(ctx.Path()), "error", err)
	}
	ctx.JSON(status, body)
}

func apiAnswerTo(err error) (int, apiError) {
	var field *badField
	switch {
	case errors.As(err, &field):
		return http.StatusBadRequest, apiError{"bad-request", field.text}
	case errors.Is(err, errNoKey):
		return http.StatusUnauthorized, apiError{"unauthorized", "The request needs the header Authorization: Bearer KEY with a key of sfu.api_keys."}
	case errors.Is(err, errTooMany):
		return http.StatusTooManyRequests, apiError{"too-many", "Too many requests without a valid key; wait a few seconds."}
	case errors.Is(err, errNotFound):
		return http.StatusNotFound, apiError{"not-found", "There is nothing with this id."}
	case errors.Is(err, errUnmute):
		return http.StatusConflict, apiError{"not-allowed", "Only they themselves can switch their microphone on."}
	case errors.Is(err, errNoRoute):
		return http.StatusNotFound, apiError{"not-found", "The API has no such path; " + apiPath + "/openapi.json describes it."}
	case errors.Is(err, errNoMethod):
		return http.StatusMethodNotAllowed, apiError{"method-not-allowed", "This path does not take that kind of request."}
	case errors.Is(err, errNoLinks):
		return http.StatusConflict, apiError{"no-secret", "Links cannot be signed: links.secret is not set."}
	case errors.Is(err, errBook):
		return http.StatusServiceUnavailable, apiError{"unavailable", "The ledger cannot be used at the moment."}
	case errors.Is(err, errNoBridge):
		return http.StatusBadGateway, apiError{"no-bridge", "The bridge cannot be reached."}
	}
	status, body := answerTo(err)
	return status, apiError{body.Error, body.Text}
}

// list is the shape of every list. Next is where it goes on, null at its end.
type list struct {
	Data   any     `json:"data"`
	Total  int     `json:"total"`
	Limit  int     `json:"limit"`
	Offset int     `json:"offset"`
	Next   *string `json:"next"`
}

// Pages of lists. A page of calls at the most has 200 KB.
const (
	defaultPage = 50
	maxPage     = 500
)

// pageOf reads limit and offset.
func pageOf(ctx *app.RequestContext, most int) (limit, offset int, err error) {
	limit, offset = min(defaultPage, most), 0
	for _, q := range []struct {
		name       string
		into       *int
		least, top int
	}{{"limit", &limit, 1, most}, {"offset", &offset, 0, 1 << 30}} {
		text, set := ctx.GetQuery(q.name)
		if !set {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < q.least || n > q.top {
			return 0, 0, bad("%s: expected a number from %d to %d", q.name, q.least, q.top)
		}
		*q.into = n
	}
	return limit, offset, nil
}

// listOf makes a page of a list out of what is on it.
func listOf[T any](ctx *app.RequestContext, data []T, total, limit, offset int) list {
	if data == nil {
		data = []T{}
	}
	l := list{Data: data, Total: total, Limit: limit, Offset: offset}
	if end := offset + len(data); end < total && len(data) > 0 {
		query := url.Values{}
		ctx.QueryArgs().VisitAll(func(k, v []byte) { query.Set(string(k), string(v)) })
		query.Set("offset", strconv.Itoa(end))
		query.Set("limit", strconv.Itoa(limit))
		next := string(ctx.Path()) + "?" + query.Encode()
		l.Next = &next
	}
	return l
}

// pageFrom cuts a page out of everything.
func pageFrom[T any](ctx *app.RequestContext, all []T) (int, any, error) {
	limit, offset, err := pageOf(ctx, maxPage)
	if err != nil {
		return 0, nil, err
	}
	begin := min(offset, len(all))
	return http.StatusOK, listOf(ctx, all[begin:min(begin+limit, len(all))], len(all), limit, offset), nil
}

// readJSON reads a body strictly.
func readJSON(ctx *app.RequestContext, into any) error {
	if err := wire.Decode(ctx.Request.Body(), into); err != nil {
		return bad("%v", err)
	}
	return nil
}

// when writes a time, null for none.
func when(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(time.RFC3339)
	return &text
}

func (s *Server) apiNow() time.Time {
	if s.cfg.Operators.Now != nil {
		return s.cfg.Operators.Now()
	}
	return time.Now()
}
