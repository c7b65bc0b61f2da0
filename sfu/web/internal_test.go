package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"dialroom/sfu/dial"
	"dialroom/sfu/room"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

func (st *site) bridge(t *testing.T) *sign.Client {
	t.Helper()
	c := sign.NewClient(st.base, sign.Key{ID: "bridge", Secret: []byte(bridgeSecret)}, 5*time.Second, nil)
	t.Cleanup(c.Close)
	return c
}

func TestTheBridgeGetsALegAndReportsEvents(t *testing.T) {
	st := newSite(t, nil)
	req := wire.LegRequest{Room: "sales", Number: "+4930123456", Key: "crm", Media: "127.0.0.1:4000"}
	var granted wire.LegResponse
	if err := st.bridge(t).Do(t.Context(), "POST", wire.PathLegs, req, &granted); err != nil || granted.ID != "c_1" {
		t.Errorf("got %+v, %v", granted, err)
	}
	event := wire.CallEvent{Seq: 1, ID: "c_1", State: wire.Answered, Codec: wire.PCMA, At: 1}
	if err := st.bridge(t).Do(t.Context(), "POST", wire.PathEvents, event, nil); err != nil {
		t.Error(err)
	}
	if !reflect.DeepEqual(st.calls.legs, []wire.LegRequest{req}) || !reflect.DeepEqual(st.calls.event, []wire.CallEvent{event}) {
		t.Errorf("got %+v and %+v", st.calls.legs, st.calls.event)
	}
}

func TestErrorsOfADialBecomeAnswers(t *testing.T) {
	for _, c := range []struct {
		err                 error
		status              int
		code, reason, words string
	}{
		{&dial.RefusedError{Reason: "not-allowed"}, 403, "refused", "not-allowed", wire.Words("not-allowed")},
		{&dial.RefusedError{Reason: "cap-day"}, 429, "refused", "cap-day", wire.Words("cap-day")},
		{&dial.RefusedError{Reason: "bad-trunk"}, 404, "refused", "bad-trunk", wire.Words("bad-trunk")},
		{&dial.RefusedError{Reason: "guard-unavailable"}, 503, "refused", "guard-unavailable", wire.Words("guard-unavailable")},
		{fmt.Errorf("a full disk: %w", sign.ErrStore), 503, "refused", "guard-unavailable", wire.Words("guard-unavailable")},
		{&dial.RefusedError{Reason: "shutdown"}, 503, "refused", "shutdown", wire.Words("shutdown")},
		{fmt.Errorf("wrapped: %w", dial.ErrUnknownCall), 404, "not-found", "", "There is no such call."},
		{room.ErrName, 400, "bad-request", "", "This cannot be the name of a room."},
		{room.ErrRooms, 503, "unavailable", "", "There is no more space; please try again later."},
		{room.ErrShutdown, 503, "unavailable", "shutdown", wire.Words("shutdown")},
		{errors.New("disk on fire"), 500, "internal", "", "Something went wrong here."},
	} {
		st := newSite(t, nil)
		st.calls.err = c.err
		for _, path := range []string{wire.PathLegs, wire.PathEvents} {
			var status *sign.StatusError
			err := st.bridge(t).Do(t.Context(), "POST", path, struct{}{}, nil)
			if !errors.As(err, &status) {
				t.Fatalf("%v: %v", c.err, err)
			}
			var body wire.Error
			if err := json.Unmarshal(status.Body, &body); err != nil {
				t.Fatal(err)
			}
			if want := (wire.Error{Error: c.code, Reason: c.reason, Text: c.words}); status.Status != c.status || body != want {
				t.Errorf("%v: %d %+v, want %d %+v", c.err, status.Status, body, c.status, want)
			}
		}
	}
}

// send sends a request that was signed, perhaps not well.
func (st *site) send(t *testing.T, key sign.Key, path, body string, change func(*http.Request)) int {
	t.Helper()
	req, err := http.NewRequest("POST", st.base+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if err := sign.Request(req, []byte(body), key, time.Now()); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	resp, err := st.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func TestOnlyTheBridgeReachesTheInternalRequests(t *testing.T) {
	st := newSite(t, nil)
	bridge := sign.Key{ID: "bridge", Secret: []byte(bridgeSecret)}
	script := sign.Key{ID: "crm", Secret: []byte("0123456789abcdef-script")}
	wrong := sign.Key{ID: "bridge", Secret: []byte("0123456789abcdef-wrong!")}
	for _, path := range []string{wire.PathLegs, wire.PathEvents} {
		for name, c := range map[string]struct {
			key    sign.Key
			body   string
			change func(*http.Request)
			want   int
		}{
			"not signed":            {bridge, "{}", func(r *http.Request) { r.Header.Del("Signature") }, 401},
			"a wrong secret":        {wrong, "{}", nil, 401},
			"another path":          {bridge, "{}", func(r *http.Request) { r.URL.RawQuery = "x" }, 401},
			"a script's key":        {script, "{}", nil, 403},
			"no JSON":               {bridge, "{", nil, 400},
			"JSON of another shape": {bridge, `{"room":5,"seq":"x"}`, nil, 400},
		} {
			if got := st.send(t, c.key, path, c.body, c.change); got != c.want {
				t.Errorf("%s %s: %d, want %d", path, name, got, c.want)
			}
		}
	}
	if len(st.calls.legs)+len(st.calls.event) != 0 {
		t.Errorf("reached the calls: %v %v", st.calls.legs, st.calls.event)
	}
}

func TestAReplayedRequestIsRefused(t *testing.T) {
	st := newSite(t, nil)
	var copied http.Header
	bridge := sign.Key{ID: "bridge", Secret: []byte(bridgeSecret)}
	if got := st.send(t, bridge, wire.PathEvents, "{}", func(r *http.Request) { copied = r.Header.Clone() }); got != 204 {
		t.Fatalf("the first: %d", got)
	}
	if got := st.send(t, bridge, wire.PathEvents, "{}", func(r *http.Request) { r.Header = copied }); got != 401 {
		t.Errorf("the second: %d", got)
	}
	if len(st.calls.event) != 1 {
		t.Errorf("%d events", len(st.calls.event))
	}
}
