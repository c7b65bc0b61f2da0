package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/sfu/ledger"
	"dialroom/sfu/links"
	"dialroom/sfu/room"
)

// This file is signed links: mint, list, revoke.

// apiWish is the body of POST /links.
type apiWish struct {
	Room      string `json:"room"`
	Number    string `json:"number"`
	Trunk     string `json:"trunk"`
	Name      string `json:"name"`
	ExpiresAt string `json:"expires_at"` // RFC 3339
	Uses      int    `json:"uses"`
	Role      string `json:"role"` // "guest" or "owner"; "" is guest
}

// apiLink is a link as it is listed. Uses null is any number of calls.
type apiLink struct {
	ID        string  `json:"id"`
	State     string  `json:"state"` // "valid", "expired", "used", "revoked"
	URL       string  `json:"url"`
	Room      string  `json:"room"`
	Number    string  `json:"number"`
	Trunk     string  `json:"trunk"`
	Name      string  `json:"name"`
	MintedAt  *string `json:"minted_at"`
	ExpiresAt *string `json:"expires_at"`
	RevokedAt *string `json:"revoked_at"`
	Uses      *int    `json:"uses"`
	Used      int     `json:"used"`
	Role      string  `json:"role"`
}

// mintLink is POST /links.
func (s *Server) mintLink(c context.Context, ctx *app.RequestContext, key string) (int, any, error) {
	var wish apiWish
	if err := readJSON(ctx, &wish); err != nil {
		return 0, nil, err
	}
	link, err := s.linkOf(wish)
	if err != nil {
		return 0, nil, err
	}
	if s.cfg.Operators.Signer == nil {
		return 0, nil, errNoLinks
	}
	row := ledger.Link{ID: link.ID, MintedAt: s.apiNow(), Room: link.Room, Number: link.Number, Trunk: link.Trunk, Name: link.Name,
		Expires: link.Expires, Uses: link.Uses, Owner: link.Owner}
	answer, err := s.apiLink(row)
	if err != nil {
		return 0, nil, bad("%v", err)
	}
	// On disk before anybody has it: a link that the ledger does not know is not valid.
	if err := s.cfg.Operators.Links.AddLink(c, row); err != nil {
		return 0, nil, errors.Join(errBook, err)
	}
	s.log.Info("link minted", "link", link.ID, "room", link.Room, "uses", link.Uses, "operator", key)
	return http.StatusCreated, answer, nil
}

// linkOf checks a wish and brings it into the form in which links are compared.
func (s *Server) linkOf(wish apiWish) (links.Link, error) {
	link := links.Link{ID: links.NewID(), Trunk: wish.Trunk, Name: wish.Name, Uses: wish.Uses, Owner: wish.Role == string(room.Owner)}
	var err error
	if wish.Room == "" {
		wish.Room = link.ID + "-" + links.EveryRoom // each click has a room of its own
	}
	if link.Room, err = room.CleanName(wish.Room); err != nil || link.Room == links.EveryRoom {
		return link, bad("room: expected the name of a room, up to %d characters, of which the last may be *", room.MaxRoomName)
	}
	if wish.Number != "" {
		if link.Number, err = s.cfg.Operators.Number(wish.Number); err != nil {
			return link, bad("number: %v", err)
		}
	}
	switch {
	case wish.Role != "" && wish.Role != string(room.Guest) && wish.Role != string(room.Owner):
		return link, bad("role: expected guest or owner")
	case !isTrunk(wish.Trunk):
		return link, bad("trunk: expected the id of a trunk")
	case wish.Trunk != "" && wish.Number == "":
		return link, bad("trunk: expected a number to call by it")
	case !isDisplayName(wish.Name):
		return link, bad("name: expected up to %d characters without line breaks or spaces around it", room.MaxName)
	case wish.Uses < 0 || wish.Uses > links.MaxUses:
		return link, bad("uses: expected a number from 1 to %d, or none", links.MaxUses)
	case wish.Uses > 0 && wish.Number == "":
		return link, bad("uses: expected a number, for it is calls that are counted")
	}
	if wish.ExpiresAt != "" {
		at, err := time.Parse(time.RFC3339, wish.ExpiresAt)
		if err != nil {
			return link, bad("expires_at: expected a time such as 2027-01-31T12:00:00Z")
		}
		if link.Expires = at.UTC().Truncate(time.Second); !link.Expires.After(s.apiNow()) {
			return link, bad("expires_at: expected a time to come")
		}
	}
	return link, nil
}

// isDisplayName wants a name that everybody shows as it is, so that it can be compared.
func isDisplayName(name string) bool {
	return utf8.RuneCountInString(name) <= room.MaxName && utf8.ValidString(name) && strings.Join(strings.Fields(name), " ") == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) })
}

func isTrunk(id string) bool {
	return len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

// apiLink describes a link of the ledger. Its token is made anew: the same link
// always has the same one.
func (s *Server) apiLink(row ledger.Link) (apiLink, error) {
	l := apiLink{ID: row.ID, State: "valid", Room: row.Room, Number: row.Number, Trunk: row.Trunk, Name: row.Name,
		MintedAt: when(row.MintedAt), ExpiresAt: when(row.Expires), RevokedAt: when(row.Revoked), Used: row.Used, Role: string(room.Guest)}
	if row.Owner {
		l.Role = string(room.Owner)
	}
	if row.Uses > 0 {
		l.Uses = &row.Uses
	}
	link := links.Link{ID: row.ID, Room: row.Room, Number: row.Number, Trunk: row.Trunk, Name: row.Name, Expires: row.Expires, Uses: row.Uses, Owner: row.Owner}
	switch {
	case !row.Revoked.IsZero():
		l.State = "revoked"
	case link.Expired(s.apiNow()):
		l.State = "expired"
	case row.Uses > 0 && row.Used >= row.Uses:
		l.State = "used"
	}
	if s.cfg.Operators.Signer == nil {
		return l, nil
	}
	token, err := s.cfg.Operators.Signer.Mint(link)
	if err != nil {
		return l, err
	}
	l.URL = s.roomURL(link, token)
	return l, nil
}

// roomURL is the address of a link.
func (s *Server) roomURL(l links.Link, token string) string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(s.cfg.PublicURL, "/") + "/room.html?room=" + url.QueryEscape(l.Room))
	for _, p := range []struct{ key, value string }{{"dial", l.Number}, {"trunk", l.Trunk}, {"name", l.Name}, {"link", token}} {
		if p.value != "" {
			b.WriteString("&" + p.key + "=" + url.QueryEscape(p.value))
		}
	}
	return b.String()
}

// listLinks is GET /links, the newest first.
func (s *Server) listLinks(c context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	limit, offset, err := pageOf(ctx, maxPage)
	if err != nil {
		return 0, nil, err
	}
	rows, total, err := s.cfg.Operators.Links.Links(c, ledger.Page{Limit: limit, Offset: offset})
	if err != nil {
		return 0, nil, errors.Join(errBook, err)
	}
	data := make([]apiLink, 0, len(rows))
	for _, row := range rows {
		l, err := s.apiLink(row)
		if err != nil {
			return 0, nil, err
		}
		data = append(data, l)
	}
	return http.StatusOK, listOf(ctx, data, total, limit, offset), nil
}

// revokeLink is DELETE /links/{id}. Revoking twice is no error.
func (s *Server) revokeLink(c context.Context, ctx *app.RequestContext, key string) (int, any, error) {
	id := ctx.Param("id")
	if err := s.cfg.Operators.Links.RevokeLink(c, id, s.apiNow()); errors.Is(err, ledger.ErrUnknownLink) {
		return 0, nil, errNotFound
	} else if err != nil {
		return 0, nil, errors.Join(errBook, err)
	}
	s.log.Info("link revoked", "link", id, "operator", key)
	return http.StatusNoContent, nil, nil
}
