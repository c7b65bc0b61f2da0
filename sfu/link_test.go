package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"dialroom/shared/wire"
)

// operated is a site with an API key and signed links, where nothing may be
// dialled but by them.
type operated struct {
	*site
	cli string // settings for the commands: the same, with the port that the sfu got
}

func newOperated(t *testing.T, links string) *operated {
	t.Helper()
	s := newSiteWith(t, func(text string) string {
		text = strings.Replace(text, "sfu:\n", "sfu:\n  api_keys: [{id: ops, key: 0123456789abcdef-ops}]\n", 1)
		text = strings.Replace(text, `allow: ["+49"]`, "allow: []\n  per_minute: {ip: off}\n  concurrent: {total: off, ip: off}\n  per_day: {total: off, ip: off, number: off}", 1)
		return text + "links: {secret: 0123456789abcdef-links" + links + "}\n"
	})
	text, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return &operated{s, writeSettings(t, strings.Replace(string(text), "127.0.0.1:0", strings.TrimPrefix(s.URL(), "http://"), 1))}
}

// run runs a command as an operator would and returns what it printed.
func (o *operated) run(args ...string) (code int, out, errs string) {
	o.t.Helper()
	var stdout, stderr bytes.Buffer
	code = command(append(args, "--config", o.cli), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// mint mints a link and returns the parameters of its address.
func (o *operated) mint(args ...string) url.Values {
	o.t.Helper()
	code, out, errs := o.run(append([]string{"link", "mint"}, args...)...)
	address, err := url.Parse(strings.TrimSpace(out))
	if code != 0 || err != nil || address.Path != "/room.html" {
		o.t.Fatalf("mint %v: %d %q %q", args, code, out, errs)
	}
	return address.Query()
}

// click opens an address as the page does, and dials. It returns the call.
func (o *operated) click(q url.Values) message {
	o.t.Helper()
	v := o.visit(map[string]any{"type": "join", "room": q.Get("room"), "name": q.Get("name"), "link": q.Get("link")})
	v.await("welcome", func(m message) bool { return m.Type == "welcome" })
	v.send(map[string]any{"type": "dial", "number": q.Get("dial"), "trunk": q.Get("trunk")})
	return v.await("a call", func(m message) bool { return m.Type == "call" })
}

func edited(q url.Values, key, value string) url.Values {
	e := url.Values{}
	for k := range q {
		e.Set(k, q.Get(k))
	}
	e.Set(key, value)
	return e
}

func TestALinkDialsWhatItSaysAndNothingElse(t *testing.T) {
	o := newOperated(t, "")
	q := o.mint("--room", "sales", "--dial", "+49 30 123456", "--trunk", "tr_1", "--name", "Ada Lovelace", "--uses", "2", "--expires", "720h")
	other := newOperated(t, "").mint("--room", "sales", "--dial", "+4930123456", "--trunk", "tr_1", "--name", "Ada Lovelace")
	_, list, _ := o.run("link", "list")
	if q.Get("dial") != "+4930123456" || !strings.Contains(list, "0 of 2") {
		t.Fatalf("minted %v, listed\n%s", q, list)
	}
	for name, e := range map[string]struct {
		q      url.Values
		reason wire.Refusal
	}{
		"another number":   {edited(q, "dial", "+4930123457"), wire.LinkInvalid},
		"another trunk":    {edited(q, "trunk", "tr_2"), wire.LinkInvalid},
		"no trunk":         {edited(q, "trunk", ""), wire.LinkInvalid},
		"another room":     {edited(q, "room", "else"), wire.LinkInvalid},
		"another name":     {edited(q, "name", "Eve"), wire.LinkInvalid},
		"another token":    {edited(q, "link", "A"+q.Get("link")), wire.LinkInvalid},
		"half a token":     {edited(q, "link", q.Get("link")[:40]), wire.LinkInvalid},
		"another link":     {edited(q, "link", o.mint("--room", "sales", "--dial", "610").Get("link")), wire.LinkInvalid},
		"a foreign site's": {newOperated(t, "-of-another-site").mint("--room", "sales", "--dial", "+4930123456", "--trunk", "tr_1", "--name", "Ada Lovelace"), wire.LinkInvalid},
		"no token":         {edited(q, "link", ""), wire.NotAllowed},
		"a number of none": {edited(q, "dial", "+49@evil"), wire.BadNumber},
	} {
		if got := o.click(e.q); got.State != "refused" || got.Reason != string(e.reason) || got.Text != wire.Words(string(e.reason)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// Minted elsewhere, where the settings have the same secret.
	if got := o.click(other); got.State != "dialing" {
		t.Errorf("minted elsewhere: %+v", got)
	}
	soon(t, "the call of that link", o.bridge.placed)
	if got := o.click(edited(q, "room", "sales")); got.Reason != string(wire.AlreadyDialed) {
		t.Errorf("the number is being called: %+v", got)
	}
	select {
	case got := <-o.bridge.placed:
		t.Errorf("placed %+v", got)
	default:
	}
}

func TestALinkWithThreeUsesAndFiftyClicksAtOnceMakesThreeCalls(t *testing.T) {
	o := newOperated(t, "")
	q := o.mint("--dial", "+4930123456", "--uses", "3")
	begin, own := strings.CutSuffix(q.Get("room"), "*")
	if !own {
		t.Fatalf("the room of a link without one is %q", q.Get("room"))
	}
	var clicks sync.WaitGroup
	calls := make(chan message, 50)
	for i := range 50 {
		clicks.Go(func() { calls <- o.click(edited(q, "room", fmt.Sprint(begin, i))) })
	}
	clicks.Wait()
	close(calls)
	count := map[string]int{}
	for c := range calls {
		count[c.State+" "+c.Reason]++
	}
	if len(count) != 2 || count["dialing "] != 3 || count["refused link-used"] != 47 {
		t.Errorf("%v", count)
	}
	for range 3 {
		if got := soon(t, "a call", o.bridge.placed); got.Number != "+4930123456" {
			t.Errorf("placed %+v", got)
		}
	}
	if _, list, _ := o.run("link", "list"); !strings.Contains(list, "3 of 3") || !strings.Contains(list, "used") {
		t.Errorf("listed\n%s", list)
	}
}

func TestARevokedLinkDialsNothing(t *testing.T) {
	o := newOperated(t, "")
	q := o.mint("--room", "r", "--dial", "610")
	_, out, _ := o.run("link", "list", "--json")
	var list []cliLink
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) != 1 || list[0].State != "valid" {
		t.Fatalf("%v in %s", err, out)
	}
	if code, _, errs := o.run("link", "revoke", list[0].ID); code != 0 {
		t.Fatalf("revoke: %d %s", code, errs)
	}
	if got := o.click(q); got.Reason != string(wire.LinkInvalid) {
		t.Errorf("%+v", got)
	}
	if code, _, errs := o.run("link", "revoke", "l_none"); code != 1 || !strings.Contains(errs, "nothing with this id") {
		t.Errorf("revoke nothing: %d %q", code, errs)
	}
}

func TestARoomThatOpensWithLinksOnly(t *testing.T) {
	o := newOperated(t, ", require_to_join: true")
	good := o.mint("--room", "board")
	refused := func(what string, join map[string]any, code wire.Refusal) {
		t.Helper()
		v := o.visit(join)
		if got := v.await(what, func(m message) bool { return m.Type == "error" || m.Type == "welcome" }); got.Type != "error" || got.Code != any(string(code)) || got.Text == "" {
			t.Errorf("%s: %+v", what, got)
		}
	}
	refused("no link", map[string]any{"type": "join", "room": "board", "name": "Eve"}, wire.LinkInvalid)
	refused("another room", map[string]any{"type": "join", "room": "else", "name": "Eve", "link": good.Get("link")}, wire.LinkInvalid)
	v := o.visit(map[string]any{"type": "join", "room": "board", "name": "Ada", "link": good.Get("link")})
	v.await("welcome", func(m message) bool { return m.Type == "welcome" })
	_, out, _ := o.run("link", "list", "--json")
	var list []cliLink
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	o.run("link", "revoke", list[0].ID)
	refused("revoked", map[string]any{"type": "join", "room": "board", "name": "Bob", "link": good.Get("link")}, wire.LinkInvalid)
}

func TestTheCommandsSayWhatIsWrong(t *testing.T) {
	o := newOperated(t, "")
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"link"}, 2, "usage:"}, {[]string{"link", "steal"}, 2, "usage:"}, {[]string{"link", "revoke"}, 2, "usage:"},
		{[]string{"link", "mint", "610"}, 2, "usage:"}, {[]string{"explain"}, 2, "usage:"}, {[]string{"link", "mint", "--colour", "red"}, 2, "usage:"},
		{[]string{"link", "mint", "--dial", "+49@evil"}, 1, "number: "}, {[]string{"link", "mint", "--expires", "tomorrow"}, 1, "--expires"},
		{[]string{"link", "mint", "--uses", "3"}, 1, "uses: "}, {[]string{"link", "mint", "--help"}, 0, "usage:"},
	} {
		if code, out, errs := o.run(tc.args...); code != tc.code || !strings.Contains(errs, tc.says) || out != "" {
			t.Errorf("%v: %d %q %q", tc.args, code, out, errs)
		}
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := o.run("link", "list"); code != 1 || !strings.Contains(errs, "no sfu answers") {
		t.Errorf("without an sfu: %d %q", code, errs)
	}
}

func TestExplainSaysEverythingAndDoesNothing(t *testing.T) {
	o := newOperated(t, "")
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"--number", "+49 30 123456", "--ip", "192.0.2.7"}, []string{"+4930123456", "fixed_line", "DE", "refused", "not-allowed: This number is not one this site may call.", "fraud.allow", "fraud.per_day.room", "tr_1"}},
		{[]string{"--number", "what"}, []string{"refused", "bad-number"}},
		{[]string{"--number", "+4930123456", "--room", "r", "--link", o.mint("--room", "r", "--dial", "+4930123456").Get("link")}, []string{"allowed", "2h0m0s", "decided by  link"}},
		{[]string{"--number", "+4930123456", "--room", "r", "--link", "forged"}, []string{"refused", "link-invalid"}},
		{[]string{"--number", "+88213300655", "--key", "crm"}, []string{"satellite", "blocked-type", "keys.per_minute"}},
	} {
		for range 3 {
			code, out, errs := o.run(append([]string{"explain"}, tc.args...)...)
			for _, want := range tc.want {
				if code != 0 || !strings.Contains(out, want) {
					t.Fatalf("%v: %d, no %q in\n%s%s", tc.args, code, want, out, errs)
				}
			}
		}
	}
	_, out, _ := o.run("explain", "--number", "+4930123456", "--json")
	var e struct{ Checks []struct{ Have float64 } }
	if err := json.Unmarshal([]byte(out), &e); err != nil || len(e.Checks) == 0 {
		t.Fatalf("%v in %s", err, out)
	}
	for _, c := range e.Checks {
		if c.Have != 0 {
			t.Errorf("explaining was counted: %s", out)
		}
	}
}

func TestWhoComesWithALinkForOwnersOwnsItsRoomAndNoOther(t *testing.T) {
	o := newOperated(t, "")
	q := o.mint("--room", "sales", "--owner")
	role := func(room, link string) string {
		t.Helper()
		v := o.visit(map[string]any{"type": "join", "room": room, "name": "Ada", "link": link})
		return v.await("welcome", func(m message) bool { return m.Type == "welcome" }).Role
	}
	if got := role("sales", q.Get("link")); got != "owner" {
		t.Errorf("its room: %s", got)
	}
	for name, got := range map[string]string{
		"another room":   role("else", q.Get("link")),
		"no link":        role("sales", ""),
		"a guest's link": role("sales", o.mint("--room", "sales").Get("link")),
	} {
		if got != "guest" {
			t.Errorf("%s: %s", name, got)
		}
	}
	_, list, _ := o.run("link", "list")
	id := strings.Fields(strings.Split(list, "\n")[2])[0]
	if !strings.Contains(list, "owners") {
		t.Errorf("listed\n%s", list)
	}
	if code, _, errs := o.run("link", "revoke", id); code != 0 {
		t.Fatal(errs)
	}
	if got := role("sales", q.Get("link")); got != "guest" {
		t.Errorf("a revoked link: %s", got)
	}
}
