package control

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

func openTestReplies(t *testing.T, path string) *replies {
	t.Helper()
	r, err := openReplies(path, silent())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// asked is a request of a key with an Idempotency-Key.
func asked(key, header, body string) request {
	c := app.NewContext(0)
	c.Request.Header.Set("Idempotency-Key", header)
	return request{key: sign.Key{ID: key}, body: []byte(body), c: c}
}

// accepted answers once and fails the test when it is asked again.
func accepted(id string, times *int) func() (reply, error) {
	return func() (reply, error) {
		*times++
		return reply{202, wire.CallResponse{Call: wire.Call{ID: id, Room: "a <room> & more", Number: "610", State: wire.Dialing}}}, nil
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRepliesAreBounded(t *testing.T) {
	r := openTestReplies(t, "")
	key := func(i int) replyKey { return sha256.Sum256(fmt.Append(nil, i)) }
	for i := range maxReplies {
		entry, mine, err := r.claim(key(i), [32]byte{})
		if err != nil || !mine {
			t.Fatal(err)
		}
		if i > 0 {
			close(entry.done) // the very first is still under way
		}
	}
	if _, _, err := r.claim(key(maxReplies), [32]byte{}); err != nil {
		t.Fatal(err)
	}
	if r.known[key(0)] == nil || r.known[key(1)] != nil || len(r.known) != maxReplies {
		t.Error("not the oldest finished answer was forgotten")
	}
}

func TestAnswersOutliveTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replies")
	ctx := context.Background()
	times := 0
	r := openTestReplies(t, path) // never closed properly: the process was killed
	first, err := r.once(ctx, asked("crm", "k", "body"), accepted("c_1", &times))
	if err != nil {
		t.Fatal(err)
	}
	refusal := &sfuRefusal{429, wire.Error{Error: "refused", Reason: "cap-day", Text: "No."}}
	if _, err := r.once(ctx, asked("crm", "no", "body"), func() (reply, error) { return reply{}, refusal }); !errors.Is(err, refusal) {
		t.Fatal(err)
	}
	for range 3 {
		r = openTestReplies(t, path)
		again, err := r.once(ctx, asked("crm", "k", "body"), accepted("c_2", &times))
		if err != nil || again.status != 202 || asJSON(t, again.body) != asJSON(t, first.body) {
			t.Errorf("answered %d %s, %v, first %s", again.status, asJSON(t, again.body), err, asJSON(t, first.body))
		}
		if got, err := r.once(ctx, asked("crm", "no", "body"), accepted("c_2", &times)); err != nil || got.status != 429 ||
			asJSON(t, got.body) != asJSON(t, refusal.body) {
			t.Errorf("a refusal became %d %s, %v", got.status, asJSON(t, got.body), err)
		}
		if _, err := r.once(ctx, asked("crm", "k", "another body"), accepted("c_2", &times)); !errors.Is(err, errReused) {
			t.Errorf("another body: %v", err)
		}
	}
	if times != 1 {
		t.Errorf("placed %d calls", times)
	}
	if _, err := r.once(ctx, asked("other", "k", "body"), accepted("c_3", &times)); err != nil || times != 2 {
		t.Errorf("the key of another client: %v, %d", err, times)
	}
}

func TestARequestThatWasUnderWayAtAKillPlacesNoSecondCall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replies")
	killed := openTestReplies(t, path)
	times := 0
	_, _ = killed.once(context.Background(), asked("crm", "k", "body"), func() (reply, error) {
		// Here the process is killed: another one starts with what is on disk.
		next := openTestReplies(t, path)
		got, err := next.once(context.Background(), asked("crm", "k", "body"), accepted("c_2", &times))
		if err != nil || got.status != 503 || times != 0 {
			t.Errorf("answered %d, %v, placed %d calls", got.status, err, times)
		}
		return reply{202, nil}, nil
	})
}

// However much of the file is there: a claim that was written whole is kept,
// and what is not readable harms nothing else.
func TestAFileThatWasCutOffAnywhereIsRead(t *testing.T) {
	dir := t.TempDir()
	r := openTestReplies(t, filepath.Join(dir, "whole"))
	times := 0
	for i := range 3 {
		if _, err := r.once(context.Background(), asked("crm", fmt.Sprint(i), "body"), accepted("c_1", &times)); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(filepath.Join(dir, "whole"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "cut")
	for size := 0; size < len(whole); size += 13 {
		if err := os.WriteFile(path, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		cut, err := openReplies(path, silent())
		if err != nil {
			t.Fatalf("cut at %d: %v", size, err)
		}
		lines := strings.Count(string(whole[:size]), "\n")
		if want := lines / 2; len(cut.known) < want || len(cut.known) > want+1 {
			t.Errorf("cut at %d, in line %d: %d entries", size, lines, len(cut.known))
		}
		cut.close()
	}
}

func TestARequestThatCannotBeRememberedIsNotPlaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data", "replies")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	r := openTestReplies(t, path)
	r.store.close() // and no file can be made any more:
	if err := os.RemoveAll(filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	times := 0
	if _, err := r.once(context.Background(), asked("crm", "k", "body"), accepted("c_1", &times)); !errors.Is(err, errStore) || times != 0 {
		t.Errorf("got %v, placed %d", err, times)
	}
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := r.once(context.Background(), asked("crm", "k", "body"), accepted("c_1", &times)); err != nil || got.status != 202 {
		t.Errorf("once the disk is back: %d, %v", got.status, err)
	}
}

func TestTheFileOfAnswersIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "replies")
	r := openTestReplies(t, path)
	r.store.lines = 1 << 20 // as after a year
	times := 0
	if _, err := r.once(context.Background(), asked("crm", "k", "body"), accepted("c_1", &times)); err != nil {
		t.Fatal(err)
	}
	if r.store.lines != 2 {
		t.Errorf("the file has %d lines", r.store.lines)
	}
	if got := openTestReplies(t, path); len(got.known) != 1 {
		t.Errorf("%d entries after it was written anew", len(got.known))
	}
}

func FuzzReplyLine(f *testing.F) {
	whole, err := storedReply{answer: &reply{202, wire.CallResponse{Call: wire.Call{ID: "c_1"}}}}.line()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(repliesMagic))
	f.Add([]byte(`{"key":"","body":"","status":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if e, ok := parseReply(text); ok && e.answer != nil && (e.answer.status < 200 || e.answer.status > 599) {
			t.Errorf("%q has the status %d", text, e.answer.status)
		}
	})
}
