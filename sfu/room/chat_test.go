package room

import (
	"errors"
	"strconv"
	"strings"
	"testing"
)

func TestWhoJoinsReadsWhatWasWrittenBefore(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann")
	if err := ann.Chat(" hello\x00\n"); err != nil {
		t.Fatal(err)
	}
	told := last[Chat](t, ann.page)
	if want := (ChatLine{ID: ann.ID(), Name: "Ann", Text: "hello", At: h.clock.Now().UnixMilli()}); told.ChatLine != want {
		t.Errorf("told %+v", told)
	}
	bob := h.join("r", "Bob")
	ann.Leave(ann.page)
	if w := last[Welcome](t, bob.page); len(w.Chat) != 1 || w.Chat[0] != told.ChatLine {
		t.Errorf("Bob reads %+v", w.Chat)
	}
	// Her name stands there although she has gone.
	again := &page{}
	if _, _, err := h.Join(JoinRequest{Room: "r", Resume: bob.token, Sender: again}); err != nil {
		t.Fatal(err)
	}
	if w := last[Welcome](t, again); len(w.Chat) != 1 || w.Chat[0].Name != "Ann" {
		t.Errorf("Bob reads %+v after a reload", w.Chat)
	}
	bob.Leave(again)
	if w := last[Welcome](t, h.join("r", "Eve").page); len(w.Chat) != 0 {
		t.Errorf("the next room of that name reads %+v", w.Chat)
	}
}

func TestTheChatRemembersSoMuchAndNoMore(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"short lines": {"x", keepLines},
		"long lines":  {strings.Repeat("ü", MaxChat), keepBytes / (2*MaxChat + 3)},
	} {
		h := newHouse(t)
		ann := h.join("r", "Ann")
		for i := range 200 {
			number := strconv.Itoa(100 + i)
			if err := ann.Chat(number + c.text[min(6, len(c.text)-1):]); err != nil {
				t.Fatal(err)
			}
		}
		got := last[Welcome](t, h.join("r", "Bob").page).Chat
		if len(got) != c.want || !strings.HasPrefix(got[len(got)-1].Text, "299") || !strings.HasPrefix(got[0].Text, strconv.Itoa(300-c.want)) {
			t.Errorf("%s: %d lines, want %d", name, len(got), c.want)
		}
	}
}

func TestAnEmptyOrEndlessLineIsRefused(t *testing.T) {
	ann := newHouse(t).join("r", "Ann")
	for _, text := range []string{"", " \n\t", "\x00\u202e", strings.Repeat("x", MaxChat+1)} {
		if err := ann.Chat(text); !errors.Is(err, ErrChat) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
}
