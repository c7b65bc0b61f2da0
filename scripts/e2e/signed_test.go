package e2e

import (
	"encoding/json"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"dialroom/shared/config"
)

// signedOnly are settings in which nothing may be dialled but with a signed
// link, and no cap is in the way.
func signedOnly(secret string, change ...func(*config.Config)) options {
	return options{settings: func(c *config.Config) {
		c.Fraud.Allow = nil
		c.Fraud.PerMinute, c.Fraud.Concurrent, c.Fraud.PerDay = config.PerMinute{}, config.Concurrent{}, config.PerDay{}
		c.SFU.APIKeys = []config.APIKey{{ID: "ops", Key: "0123456789abcdef-ops"}}
		c.Links.Secret = secret
		for _, f := range change {
			f(c)
		}
	}}
}

const secretOfLinks = "0123456789abcdef-links"

// sfu runs a command of the sfu with the settings of this world.
func (w *world) sfu(args ...string) string {
	w.Helper()
	cmd := exec.Command(prepared.bin.SFU, append(args, "--config", w.stack.Settings)...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		w.Fatalf("sfu %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out)
}

// signed mints a link that starts without a camera and returns its address.
func (w *world) signed(args ...string) *url.URL {
	w.Helper()
	address, err := url.Parse(strings.TrimSpace(w.sfu(append([]string{"link", "mint"}, args...)...)))
	if err != nil {
		w.Fatal(err)
	}
	return set(address, "nocam", "1")
}

// set returns the address with another value of a parameter.
func set(address *url.URL, key, value string) *url.URL {
	edited, query := *address, address.Query()
	query.Set(key, value)
	edited.RawQuery = query.Encode()
	return &edited
}

// opened is the address as tabs open it.
func opened(address *url.URL) string { return strings.TrimPrefix(address.RequestURI(), "/") }

// linkState is how a link stands: "valid", "expired", "used", "revoked".
func (w *world) linkState(n int) (id, state string) {
	w.Helper()
	var list []struct{ ID, State string }
	if err := json.Unmarshal([]byte(w.sfu("link", "list", "--json")), &list); err != nil {
		w.Fatal(err)
	}
	return list[n].ID, list[n].State
}

func TestASignedLinkDialsItsNumberWhereNothingElseMayBeDialled(t *testing.T) {
	w := newWorld(t, signedOnly(secretOfLinks))
	b := newBrowser(w, nil)
	address := w.signed("--room", "sales", "--dial", "+49 30 123456", "--trunk", "tr_demo", "--name", "Ada Lovelace", "--uses", "1")
	p := b.open(opened(address))
	p.awaitState("answered")
	if got := strings.TrimPrefix(w.call("", 0).Number, "+"); got != "4930123456" {
		t.Errorf("the carrier was called for %q", got)
	}
	if _, state := w.linkState(0); state != "used" {
		t.Errorf("after its one use the link is %s", state)
	}
	p.press("Hang up")
	p.awaitState("ended")
	p.press("Call again")
	p.awaitState("refused")
	if _, reason := p.state(); reason != "link-used" {
		t.Errorf("called again with a used-up link: %s", reason)
	}
}

func TestALinkThatIsNotAsItWasMintedRingsNobodyAndSaysWhy(t *testing.T) {
	w := newWorld(t, signedOnly(secretOfLinks))
	b := newBrowser(w, nil)
	foreign := newWorld(t, signedOnly("fedcba9876543210-links"))
	mint := func(w *world, name string, more ...string) *url.URL {
		return w.signed(append([]string{"--room", strings.ReplaceAll(name, " ", "-"), "--dial", "+4930123456", "--name", "Tester"}, more...)...)
	}
	const invalid = "This link is not valid."
	for _, tc := range []struct {
		name, reason, words string
		make                func(name string) *url.URL
	}{
		{"edited number", "link-invalid", invalid, func(n string) *url.URL { return set(mint(w, n), "dial", "+4930123457") }},
		{"edited room", "link-invalid", invalid, func(n string) *url.URL { return set(mint(w, n), "room", "another") }},
		{"edited trunk", "link-invalid", invalid, func(n string) *url.URL { return set(mint(w, n), "trunk", "tr_demo") }},
		{"edited name", "link-invalid", invalid, func(n string) *url.URL { return set(mint(w, n), "name", "Eve") }},
		{"edited token", "link-invalid", invalid, func(n string) *url.URL {
			address := mint(w, n)
			token := address.Query().Get("link")
			return set(address, "link", token[:20]+"A"+token[20:])
		}},
		{"expired", "link-expired", "This link has expired.", func(n string) *url.URL {
			address := mint(w, n, "--expires", "2s")
			eventually(t, patience, "the link expires", func() bool { _, state := w.linkState(0); return state == "expired" })
			return address
		}},
		{"revoked", "link-invalid", invalid, func(n string) *url.URL {
			address := mint(w, n)
			id, _ := w.linkState(0)
			w.sfu("link", "revoke", id)
			return address
		}},
		{"foreign", "link-invalid", invalid, func(n string) *url.URL { return mint(foreign, n) }},
		{"no token", "not-allowed", "This number is not one this site may call.", func(n string) *url.URL { return set(mint(w, n), "link", "") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := b.open(opened(tc.make(tc.name)))
			p.awaitState("refused")
			if _, reason := p.state(); reason != tc.reason {
				t.Errorf("reason is %q, want %q", reason, tc.reason)
			}
			if words := p.text(`[data-testid="call-text"]`); words != tc.words {
				t.Errorf("the page says %q, want %q", words, tc.words)
			}
			p.close()
		})
	}
	if n := w.carrier.Count("INVITE"); n != 0 {
		t.Errorf("%d INVITEs, want none", n)
	}
}

func TestARoomThatOpensWithLinksOnlySaysSo(t *testing.T) {
	w := newWorld(t, signedOnly(secretOfLinks, func(c *config.Config) { c.Links.RequireToJoin = true }))
	b := newBrowser(w, nil)
	address := w.signed("--room", "board", "--name", "Ada")
	p := b.open(opened(set(address, "link", "")))
	eventually(t, patience, "the page is turned away", func() bool { return p.text("#left-title") == "You cannot join this room" })
	if words := p.text("#left-why"); words != "This link is not valid." {
		t.Errorf("the page says %q", words)
	}
	p.close()
	b.open(opened(address)).connected()
}

func TestEveryClickOnALinkWithoutARoomHasOneOfItsOwn(t *testing.T) {
	w := newWorld(t, signedOnly(secretOfLinks))
	b := newBrowser(w, nil)
	address := opened(w.signed("--dial", "+4930123456", "--name", "Tester", "--uses", "3"))
	rooms := map[string]bool{}
	for range 2 {
		p := b.open(address)
		p.awaitState("answered")
		rooms[p.text("h1[data-room-name]")] = true
		before := p.text("h1[data-room-name]")
		p.reload()
		p.connected()
		if after := p.text("h1[data-room-name]"); after != before {
			t.Errorf("a reload went from room %q to %q", before, after)
		}
	}
	if len(rooms) != 2 {
		t.Errorf("the rooms were %v", rooms)
	}
	if n := w.carrier.Count("INVITE"); n < 2 {
		t.Errorf("%d INVITEs, want two calls", n)
	}
}
