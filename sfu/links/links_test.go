package links

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

const secret = "0123456789abcdef-links"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func whole() Link {
	return Link{ID: NewID(), Room: "Empfang 1", Number: "+4930123456", Trunk: "tr_main", Name: "Ada Lovelace", Expires: noon.Add(time.Hour), Uses: 3}
}

func mint(t testing.TB, l Link) string {
	t.Helper()
	token, err := NewSigner(secret).Mint(l)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (l Link) wish() Wish { return Wish{Room: l.Room, Number: l.Number, Trunk: l.Trunk, Name: l.Name} }

func TestATokenSaysWhatWasMinted(t *testing.T) {
	for _, l := range []Link{whole(), {ID: NewID(), Room: "r", Owner: true}, {ID: NewID(), Room: "r"}, {ID: NewID(), Room: "räume 日本", Number: "610", Uses: MaxUses}} {
		token := mint(t, l)
		if strings.ContainsFunc(token, func(r rune) bool {
			return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", r)
		}) {
			t.Errorf("%q needs escaping in an address", token)
		}
		got, err := NewSigner(secret).Parse(token)
		if err != nil || got != l {
			t.Errorf("got %+v, %v, want %+v", got, err, l)
		}
	}
}

func TestEveryAlterationOfATokenIsRefused(t *testing.T) {
	s, token := NewSigner(secret), mint(t, whole())
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, altered string) {
		t.Helper()
		if _, err := s.Parse(altered); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range raw {
		for bit := range 8 {
			b := append([]byte(nil), raw...)
			b[i] ^= 1 << bit
			refused("a flipped bit", base64.RawURLEncoding.EncodeToString(b))
		}
	}
	for i := range token {
		refused("a character left out", token[:i]+token[i+1:])
		refused("a character twice", token[:i]+token[i:i+1]+token[i:])
		refused("a line break", token[:i]+"\n"+token[i:])
		refused("a part", token[:i])
		for _, r := range "A-_z=+ " {
			if rune(token[i]) != r {
				refused("another character", token[:i]+string(r)+token[i+1:])
			}
		}
	}
	refused("padding", token+"=")
	refused("something behind it", token+"AAAA")
	refused("twice", token+token)
	refused("too long", strings.Repeat("A", MaxToken+1))
}

func TestALinkOfAnotherSecretIsRefused(t *testing.T) {
	token := mint(t, whole())
	for _, other := range []*Signer{nil, NewSigner(""), NewSigner(secret + "x"), NewSigner("another secret of another site")} {
		if _, err := other.Parse(token); !errors.Is(err, ErrInvalid) {
			t.Errorf("read: %v", err)
		}
	}
}

func TestVerify(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Link, *Wish)
		at   time.Time
		want error
	}{
		{"the link as it was minted", func(*Link, *Wish) {}, noon, nil},
		{"another room", func(_ *Link, w *Wish) { w.Room = "other" }, noon, ErrInvalid},
		{"another number", func(_ *Link, w *Wish) { w.Number = "+4930123457" }, noon, ErrInvalid},
		{"no number", func(_ *Link, w *Wish) { w.Number = "" }, noon, ErrInvalid},
		{"another trunk", func(_ *Link, w *Wish) { w.Trunk = "tr_other" }, noon, ErrInvalid},
		{"the trunk left out", func(_ *Link, w *Wish) { w.Trunk = "" }, noon, ErrInvalid},
		{"a trunk where none is pinned", func(l *Link, _ *Wish) { l.Trunk = "" }, noon, ErrInvalid},
		{"a number where none is pinned", func(l *Link, _ *Wish) { l.Number = "" }, noon, ErrInvalid},
		{"another name", func(_ *Link, w *Wish) { w.Name = "Eve" }, noon, ErrInvalid},
		{"any name where none is pinned", func(l *Link, _ *Wish) { l.Name = "" }, noon, nil},
		{"the second before it expires", func(*Link, *Wish) {}, noon.Add(time.Hour - time.Second), nil},
		{"the second it expires", func(*Link, *Wish) {}, noon.Add(time.Hour), ErrExpired},
		{"a link without expiry", func(l *Link, _ *Wish) { l.Expires = time.Time{} }, noon.AddDate(100, 0, 0), nil},
		{"a room of its own for each click", func(l *Link, w *Wish) { l.Room, w.Room = "sales-*", "sales-k3v9" }, noon, nil},
		{"a room that begins otherwise", func(l *Link, w *Wish) { l.Room, w.Room = "sales-*", "sale" }, noon, ErrInvalid},
		{"a room of its own with nothing of its own", func(l *Link, w *Wish) { l.Room, w.Room = "sales-*", "sales-" }, noon, ErrInvalid},
		{"expired and edited", func(_ *Link, w *Wish) { w.Room = "other" }, noon.Add(2 * time.Hour), ErrInvalid},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := whole()
			w := l.wish()
			tc.edit(&l, &w)
			if _, err := NewSigner(secret).Verify(mint(t, l), w, tc.at); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestWhatCannotBeMinted(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(*Link)
	}{
		{"no room", func(l *Link) { l.Room = "" }},
		{"every room there is", func(l *Link) { l.Room = EveryRoom }},
		{"no id", func(l *Link) { l.ID = "" }},
		{"an id that is none", func(l *Link) { l.ID = "l_../../" }},
		{"an id in capitals", func(l *Link) { l.ID = strings.ToUpper(l.ID) }},
		{"fewer than no uses", func(l *Link) { l.Uses = -1 }},
		{"too many uses", func(l *Link) { l.Uses = MaxUses + 1 }},
		{"half a second", func(l *Link) { l.Expires = noon.Add(time.Millisecond) }},
		{"before 1970", func(l *Link) { l.Expires = time.Unix(-1, 0) }},
		{"a name that is a novel", func(l *Link) { l.Name = strings.Repeat("x", maxField+1) }},
		{"a name that is no text", func(l *Link) { l.Name = "\xff" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := whole()
			tc.edit(&l)
			if token, err := NewSigner(secret).Mint(l); err == nil {
				t.Errorf("minted %s", token)
			}
		})
	}
	if _, err := NewSigner("").Mint(whole()); err == nil {
		t.Error("minted without a secret")
	}
}

func TestErrorsAreRefusalsOfTheProtocol(t *testing.T) {
	for err, want := range map[error]string{ErrInvalid: "link-invalid", ErrExpired: "link-expired", ErrUsed: "link-used", errors.New("disk full"): ""} {
		if got := Refusal(err); got != want {
			t.Errorf("%v is %q", err, got)
		}
	}
}

// FuzzParse: nothing but what was minted is a link, and nothing panics.
func FuzzParse(f *testing.F) {
	l := Link{ID: "l_aaaaaaaaaaaaaaaa", Room: "Empfang", Number: "+4930123456", Uses: 3}
	token := mint(f, l)
	for _, seed := range []string{token, "", token[1:], token + "=", "AQ", strings.Repeat("_", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := NewSigner(secret).Parse(s); (err == nil) != (s == token) || err == nil && got != l {
			t.Errorf("%q is %+v, %v", s, got, err)
		}
	})
}

// FuzzDecode: a payload is one link or none, whoever signed it.
func FuzzDecode(f *testing.F) {
	for _, l := range []Link{whole(), {ID: NewID(), Room: "r", Owner: true}} {
		raw, err := base64.RawURLEncoding.DecodeString(mint(f, l))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw[:len(raw)-32])
	}
	f.Add([]byte{forGuests})
	f.Fuzz(func(t *testing.T, payload []byte) {
		l, err := decode(payload)
		if err != nil {
			return
		}
		if l.Room == "" || l.Uses < 0 || l.Uses > MaxUses || len(l.Name) > maxField {
			t.Errorf("%+v", l)
		}
	})
}
