package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"text/tabwriter"
	"time"
)

const linkUsage = `usage: sfu link mint [--room ROOM] [--dial NUMBER] [--trunk ID] [--name NAME] [--expires 720h|TIME] [--uses N] [--owner]
       sfu link list
       sfu link revoke ID
`

// cliLink is a link as the API tells of it.
type cliLink struct {
	ID        string  `json:"id"`
	State     string  `json:"state"`
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

// link is the command link.
func (c *cli) link(args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "mint":
			return c.mintLink(args[1:])
		case "list":
			return c.listLinks(args[1:])
		case "revoke":
			return c.revokeLink(args[1:])
		}
	}
	fmt.Fprint(c.errs, linkUsage)
	return errUsage
}

// mintLink is link mint. It prints the address.
func (c *cli) mintLink(args []string) error {
	f := c.flags("link mint", "link mint [--room ROOM] [--dial NUMBER] [--trunk ID] [--name NAME] [--expires 720h|TIME] [--uses N] [--owner]")
	room := f.String("room", "", "the room it opens; when it ends in *, or without one, every click gets a room of its own")
	dial := f.String("dial", "", "the `number` it calls; without one it only opens the room")
	trunk := f.String("trunk", "", "the `id` of the trunk to use, and no other")
	name := f.String("name", "", "what the visitor is called; without it the page asks")
	expires := f.String("expires", "", "how long it is good, such as 720h, or until when, such as 2027-01-31T12:00:00Z; never, without it")
	uses := f.Int("uses", 0, "how many calls it is good for; any number, without it")
	owner := f.Bool("owner", false, "who comes with it owns the room: may mute and remove others")
	if _, err := parse(f, args, 0); err != nil {
		return err
	}
	wish := map[string]any{}
	for key, value := range map[string]string{"room": *room, "number": *dial, "trunk": *trunk, "name": *name} {
		if value != "" {
			wish[key] = value
		}
	}
	if *owner {
		wish["role"] = "owner"
	}
	if *uses != 0 {
		wish["uses"] = *uses
	}
	if *expires != "" {
		at, err := time.Parse(time.RFC3339, *expires)
		if d, notDuration := time.ParseDuration(*expires); notDuration == nil {
			at, err = time.Now().Add(d), nil
		}
		if err != nil {
			return fmt.Errorf("--expires: expected 720h or 2027-01-31T12:00:00Z, got %q", *expires)
		}
		wish["expires_at"] = at.UTC().Format(time.RFC3339)
	}
	var minted cliLink
	if err := c.do(http.MethodPost, "/api/v1/links", wish, &minted); err != nil {
		return err
	}
	if c.asJSON {
		return c.print(minted)
	}
	_, err := fmt.Fprintln(c.out, minted.URL)
	return err
}

// listLinks is link list, the newest first.
func (c *cli) listLinks(args []string) error {
	if _, err := parse(c.flags("link list", "link list"), args, 0); err != nil {
		return err
	}
	all := []cliLink{}
	next := "/api/v1/links?limit=500"
	for next != "" {
		var page struct {
			Data []cliLink `json:"data"`
			Next *string   `json:"next"`
		}
		if err := c.do(http.MethodGet, next, nil, &page); err != nil {
			return err
		}
		all, next = append(all, page.Data...), ""
		if page.Next != nil {
			next = *page.Next
		}
	}
	if c.asJSON {
		return c.print(all)
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tSTATE\tUSED\tEXPIRES\tFOR\tROOM\tNUMBER\tTRUNK\tNAME")
	for _, l := range all {
		used, expires := strconv.Itoa(l.Used), "never"
		if l.Uses != nil {
			used += " of " + strconv.Itoa(*l.Uses)
		}
		if l.ExpiresAt != nil {
			expires = *l.ExpiresAt
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%ss\t%s\t%s\t%s\t%s\n", l.ID, l.State, used, expires, l.Role, l.Room, l.Number, l.Trunk, l.Name)
	}
	return w.Flush()
}

// revokeLink is link revoke.
func (c *cli) revokeLink(args []string) error {
	f := c.flags("link revoke", "link revoke ID")
	ids, err := parse(f, args, 1)
	if err != nil {
		return err
	}
	return c.do(http.MethodDelete, "/api/v1/links/"+url.PathEscape(ids[0]), nil, nil)
}
