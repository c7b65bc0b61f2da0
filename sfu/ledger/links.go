package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// ErrUnknownLink is returned for links that the ledger does not have.
var ErrUnknownLink = errors.New("ledger: no such link")

// Link is a signed link and what became of it. Times that are not set are zero.
type Link struct {
	ID       string
	MintedAt time.Time
	Room     string
	Number   string
	Trunk    string
	Name     string
	Expires  time.Time // zero: never
	Uses     int       // calls; 0 is any number
	Owner    bool      // who comes with it is an owner of the room
	Used     int
	Revoked  time.Time
}

const addLink = `
INSERT INTO links (id, minted_at, room, number, trunk, name, expires_at, uses, owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING`

// AddLink writes a link that was minted. One that is there stays as it is.
func (l *Ledger) AddLink(ctx context.Context, link Link) error {
	return l.write(ctx, "adding a link", durable, func(ctx context.Context, tx *tx) error {
		return tx.addLink(ctx, link)
	})
}

func (t *tx) addLink(ctx context.Context, link Link) error {
	_, err := t.exec(ctx, addLink, link.ID, link.MintedAt.UnixMilli(), link.Room, link.Number, link.Trunk, link.Name, milli(link.Expires), link.Uses, link.Owner)
	return err
}

// takeUse takes one use of a link. A link whose signature is right and that the
// ledger does not have, because it was minted elsewhere, is added.
func (t *tx) takeUse(ctx context.Context, link Link, now time.Time) error {
	if link.MintedAt.IsZero() {
		link.MintedAt = now
	}
	if err := t.addLink(ctx, link); err != nil {
		return err
	}
	res, err := t.exec(ctx, `UPDATE links SET used = used + 1 WHERE id = ?1 AND revoked_at IS NULL AND (?2 = 0 OR used < ?2)`, link.ID, link.Uses)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	var revoked sql.NullInt64
	if err := t.queryRow(ctx, `SELECT revoked_at FROM links WHERE id = ?`, link.ID).Scan(&revoked); err != nil {
		return err
	}
	if revoked.Valid {
		return refused{ErrLinkRevoked}
	}
	return refused{ErrLinkUsed}
}

// RevokeLink takes a link back; calls that run go on. The first time stands.
// Errors: ErrUnknownLink.
func (l *Ledger) RevokeLink(ctx context.Context, id string, at time.Time) error {
	return l.write(ctx, "revoking a link", durable, func(ctx context.Context, tx *tx) error {
		res, err := tx.exec(ctx, `UPDATE links SET revoked_at = ifnull(revoked_at, ?) WHERE id = ?`, at.UnixMilli(), id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return refused{ErrUnknownLink}
	})
}

const linkColumns = `id, minted_at, room, number, trunk, name, expires_at, uses, owner, used, revoked_at`

// Link returns one link. Errors: ErrUnknownLink.
func (l *Ledger) Link(ctx context.Context, id string) (link Link, err error) {
	err = l.read(ctx, "reading a link", func(tx *tx) error {
		link, err = scanLink(tx.queryRow(ctx, `SELECT `+linkColumns+` FROM links WHERE id = ?`, id))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Link{}, ErrUnknownLink
	}
	return link, err
}

// Links returns links, newest first, and how many there are.
func (l *Ledger) Links(ctx context.Context, p Page) (list []Link, total int, err error) {
	err = l.read(ctx, "listing links", func(tx *tx) error {
		if err := tx.queryRow(ctx, `SELECT count(*) FROM links`).Scan(&total); err != nil {
			return err
		}
		list, err = all(ctx, tx, scanLink, `SELECT `+linkColumns+` FROM links ORDER BY minted_at DESC, id LIMIT ? OFFSET ?`, p.limit(), p.Offset)
		return err
	})
	return list, total, err
}

func scanLink(row scanner) (link Link, err error) {
	var minted int64
	var expires, revoked sql.NullInt64
	err = row.Scan(&link.ID, &minted, &link.Room, &link.Number, &link.Trunk, &link.Name, &expires, &link.Uses, &link.Owner, &link.Used, &revoked)
	link.MintedAt, link.Expires, link.Revoked = time.UnixMilli(minted), instant(expires), instant(revoked)
	return link, err
}
