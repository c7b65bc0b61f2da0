package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"dialroom/sfu/ledger"
)

// schema is a JSON Schema as far as openapi.json uses it.
type schema struct {
	Ref        string `json:"$ref"`
	Type       any
	Required   []string
	Properties map[string]*schema
	Items      *schema
	Enum       []string
	More       json.RawMessage `json:"additionalProperties"`
}

// document is openapi.json as far as it is tested.
type document struct {
	OpenAPI string `json:"openapi"`
	Paths   map[string]map[string]struct {
		OperationID string `json:"operationId"`
		Security    []any
		RequestBody *struct {
			Content map[string]struct{ Schema *schema }
		}
		Responses map[string]struct {
			Ref     string `json:"$ref"`
			Content map[string]struct{ Schema *schema }
		}
	}
	Components struct {
		Schemas   map[string]*schema
		Responses map[string]any
	}
}

func readDocument(t *testing.T) (d document) {
	t.Helper()
	if err := json.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// operationOf is an operation that the document describes.
type operationOf struct {
	method, path string
	open         bool // needs no key
}

func described(t *testing.T) (list []operationOf) {
	t.Helper()
	for path, methods := range readDocument(t).Paths {
		for method, op := range methods {
			list = append(list, operationOf{strings.ToUpper(method), path, op.Security != nil && len(op.Security) == 0})
		}
	}
	return list
}

func TestTheDescriptionHasExactlyTheRoutes(t *testing.T) {
	a := newAPI(t)
	var served, want []string
	for _, r := range a.hertz.Routes() {
		if path, ok := strings.CutPrefix(r.Path, apiPath); ok && r.Method != http.MethodHead {
			served = append(served, r.Method+" "+strings.ReplaceAll(path, ":id", "{id}"))
		}
	}
	ids := map[string]bool{}
	for path, methods := range readDocument(t).Paths {
		for method, op := range methods {
			want = append(want, strings.ToUpper(method)+" "+path)
			if op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s %s has no operationId of its own", method, path)
			}
			ids[op.OperationID] = true
		}
	}
	slices.Sort(served)
	slices.Sort(want)
	if !slices.Equal(served, want) {
		t.Errorf("served    %v\ndescribed %v", served, want)
	}
}

func TestTheDescriptionNamesEveryoneWhoAsks(t *testing.T) {
	d := readDocument(t)
	for name, askers := range map[string]string{"Record": whoseCalls, "Refusal": whoAsks} {
		if got := strings.Join(d.Components.Schemas[name].Properties["asker"].Enum, ", "); got != askers {
			t.Errorf("%s: described %s, there are %s", name, got, askers)
		}
	}
}

func TestTheDescriptionIsServedToEverybody(t *testing.T) {
	a := newAPI(t)
	status, body := a.askAs(t, "", "GET", "/api/v1/openapi.json", "")
	if status != 200 || body != string(openAPI) || readDocument(t).OpenAPI != "3.1.0" {
		t.Errorf("%d, %d bytes", status, len(body))
	}
}

// Every answer has the fields that the description promises, and no others.
func TestAnswersAreAsDescribed(t *testing.T) {
	a := newAPI(t)
	a.fake.calls = []ledger.Call{aCall(1), {Reservation: ledger.Reservation{ID: "c_2", At: apiNoon, Asker: ledger.Asker{Kind: "page"}}},
		{Reservation: ledger.Reservation{ID: "c_3", At: apiNoon, Direction: ledger.In, Called: "+4930123400", Asker: ledger.Asker{Kind: "trunk", Key: "tr_1"}}}}
	a.fake.refusals = []ledger.Refusal{{ID: 1, At: apiNoon, Asker: ledger.Asker{Kind: "script", Key: "crm"}, Reason: "bad-number"}}
	d := readDocument(t)
	tested := map[string]bool{}
	try := func(method, path, body string, status int) {
		t.Helper()
		got, answer := a.ask(t, method, apiPath+path, body)
		template := strings.Split(path, "?")[0]
		if parts := strings.Split(template, "/"); len(parts) == 3 {
			template = "/" + parts[1] + "/{id}"
		}
		op := d.Paths[template][strings.ToLower(method)]
		response, ok := op.Responses[fmt.Sprint(got)]
		if got != status || !ok {
			t.Fatalf("%s %s: %d %s", method, path, got, answer)
		}
		if status < 300 {
			tested[op.OperationID] = true
		}
		if response.Ref != "" || status >= 400 {
			d.hold(t, path, d.Components.Schemas["Error"], decodeAnswer[any](t, answer))
		} else if s := response.Content["application/json"].Schema; s != nil {
			d.hold(t, method+" "+path, s, decodeAnswer[any](t, answer))
		}
		if op.RequestBody != nil && status < 300 {
			d.hold(t, "body of "+path, op.RequestBody.Content["application/json"].Schema, decodeAnswer[any](t, body))
		}
	}
	try("GET", "/openapi.json", "", 200)
	try("GET", "/rooms", "", 200)
	try("GET", "/rooms?limit=x", "", 400)
	try("GET", "/participants", "", 200)
	try("GET", "/calls", "", 200)
	try("GET", "/trunks", "", 200)
	try("GET", "/counters", "", 200)
	try("GET", "/records", "", 200)
	try("GET", "/records.csv", "", 200)
	try("GET", "/refusals", "", 200)
	try("POST", "/links", `{"room":"r","number":"610","trunk":"tr_1","name":"Ada","expires_at":"2026-04-01T00:00:00Z","uses":3}`, 201)
	try("POST", "/links", `{}`, 201)
	try("POST", "/links", `{"room":"r","role":"owner"}`, 201)
	try("POST", "/links", `{"role":"king"}`, 400)
	try("POST", "/links", `{"uses":-1}`, 400)
	a.fake.links[0].Revoked, a.fake.links[1].Used = apiNoon.Add(time.Hour), 3
	try("GET", "/links", "", 200)
	try("DELETE", "/links/"+a.fake.links[0].ID, "", 204)
	try("DELETE", "/links/l_none", "", 404)
	try("POST", "/explain", `{"number":"610","room":"r","trunk":"t","ip":"192.0.2.7","key":"crm","link":"x"}`, 200)
	try("DELETE", "/calls/c_live", "", 202)
	try("DELETE", "/calls/c_none", "", 404)
	try("PATCH", "/participants/"+a.participant.ID(), `{"audio":false}`, 200)
	try("PATCH", "/participants/"+a.participant.ID(), `{"audio":true}`, 409)
	try("PATCH", "/participants/"+a.participant.ID(), `{}`, 400)
	try("PATCH", "/participants/p_none", `{"audio":false}`, 404)
	try("DELETE", "/participants/"+a.participant.ID(), "", 204)
	try("DELETE", "/participants/p_none", "", 404)
	for _, methods := range d.Paths {
		for method, op := range methods {
			if !tested[op.OperationID] {
				t.Errorf("%s %s is not tested", method, op.OperationID)
			}
			if _, ok := op.Responses[fmt.Sprint(http.StatusUnauthorized)]; !ok && op.OperationID != "describe" {
				t.Errorf("%s does not say that it needs a key", op.OperationID)
			}
		}
	}
}

// hold holds a value against a schema.
func (d document) hold(t *testing.T, at string, s *schema, v any) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		if s = d.Components.Schemas[name]; s == nil {
			t.Fatalf("%s: there is no schema %s", at, name)
		}
	}
	if !isOf(s.Type, v) {
		t.Errorf("%s: %v is not of type %v", at, v, s.Type)
	}
	if text, ok := v.(string); ok && s.Enum != nil && !slices.Contains(s.Enum, text) {
		t.Errorf("%s: %q is none of %v", at, text, s.Enum)
	}
	switch v := v.(type) {
	case []any:
		for i, item := range v {
			d.hold(t, fmt.Sprintf("%s[%d]", at, i), s.Items, item)
		}
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				t.Errorf("%s: %s is missing", at, name)
			}
		}
		for name, value := range v {
			switch property := s.Properties[name]; {
			case property != nil:
				d.hold(t, at+"."+name, property, value)
			case string(s.More) == "false":
				t.Errorf("%s: %s is not described", at, name)
			}
		}
	}
}

func isOf(types, v any) bool {
	list, ok := types.([]any)
	if !ok {
		list = []any{types}
	}
	return slices.ContainsFunc(list, func(name any) bool {
		switch v := v.(type) {
		case nil:
			return name == "null"
		case bool:
			return name == "boolean"
		case string:
			return name == "string"
		case float64:
			return name == "number" || name == "integer" && v == float64(int64(v))
		case []any:
			return name == "array"
		default:
			return name == "object"
		}
	})
}
