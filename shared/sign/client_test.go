package sign

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(h)
	c := NewClient(server.URL, testKey(), 5*time.Second, nil)
	t.Cleanup(func() {
		c.Close()
		server.Close()
	})
	return c
}

func TestTheClientSendsAndReadsJSON(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"digits":"5"}` || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s %v", body, err)
		}
		_, _ = io.WriteString(w, `{"id":"c_1"}`)
	})
	var out struct{ ID string }
	if err := c.Do(t.Context(), "POST", "/v1/x", map[string]string{"digits": "5"}, &out); err != nil || out.ID != "c_1" {
		t.Errorf("got %+v, %v", out, err)
	}
}

func TestARequestWithoutABodyHasNoContentType(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "" || r.ContentLength != 0 {
			t.Errorf("got %v, %d bytes", r.Header, r.ContentLength)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if err := c.Do(t.Context(), "DELETE", "/v1/calls/c_1?reason=room-empty", nil, nil); err != nil {
		t.Error(err)
	}
}

func TestAnAnswerOtherThan2xxIsAStatusErrorWithItsBody(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":"refused"}`)
	})
	var status *StatusError
	err := c.Do(t.Context(), "POST", "/v1/calls", struct{}{}, nil)
	if !errors.As(err, &status) || status.Status != 403 || string(status.Body) != `{"error":"refused"}` {
		t.Errorf("got %v", err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a" {
			t.Error("followed")
		}
		http.Redirect(w, r, "/b", http.StatusTemporaryRedirect)
	})
	var status *StatusError
	if err := c.Do(t.Context(), "GET", "/a", nil, nil); !errors.As(err, &status) || status.Status != 307 {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoAnswerIsNoStatusError(t *testing.T) {
	var status *StatusError
	c := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if err := c.Do(t.Context(), "GET", "/", nil, &struct{}{}); err == nil || errors.As(err, &status) {
		t.Errorf("an answer that is not JSON: %v", err)
	}
	if err := c.Do(t.Context(), "POST", "/", func() {}, nil); err == nil {
		t.Error("sent what is no JSON")
	}
	if err := c.Do(t.Context(), "POST", "/", strings.Repeat("x", MaxBody), nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a body too large: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Do(ctx, "GET", "/", nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := c.Do(t.Context(), "GET", "no-slash:%", nil, nil); err == nil {
		t.Error("a path that is none was sent")
	}
}
