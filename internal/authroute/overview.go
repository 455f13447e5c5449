package authroute

import (
	"cmp"
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"signet/internal/db"
	"signet/internal/policyproto"
	"signet/internal/ticket"
)

// KeyFilter narrows a search for keys. Zero members do not.
type KeyFilter struct {
	Query   string // how an address begins, or the id of a user or a key
	Revoked bool   // revoked ones too
	Sort    string // address, created, or either with - before it for the reverse; address where it is empty
}

// Search returns keys of all users, at most limit of them (500 at most, 100
// where it is 0), and the cursor of those that come after. The caller needs
// authroute:read.
func (r *Registry) Search(ctx context.Context, f KeyFilter, cursor string, limit int) (page []Key, next string, err error) {
	if err := ticket.From(ctx).Demand(readMail); err != nil {
		return nil, "", err
	}
	query := strings.ToLower(strings.TrimSpace(f.Query))
	order, err := db.ReadOrder(f.Sort, "address", map[string]string{"address": "address", "created": "created_at"})
	if err == nil {
		err = db.Clean("q", query)
	}
	if err != nil {
		return nil, "", err
	}
	after, id, err := afterKey(order, cursor)
	if err != nil {
		return nil, "", err
	}
	limit = min(max(cmp.Or(limit, 100), 1), searchLimit)
	revoked := 0
	if f.Revoked {
		revoked = 1
	}
	where, args := "", []any{revoked, query, utf8.RuneCountInString(query), strings.TrimSpace(f.Query), limit + 1}
	if id != "" {
		where, args = " AND "+order.After("key_id", len(args)+1), append(args, after, id)
	}
	err = r.db.View(ctx, func(tx *db.Tx) error {
		page, err = queryKeys(ctx, tx, `($1 = 1 OR revoked_at IS NULL)
			AND ($2 = '' OR substr(address, 1, $3) = $2 OR user_id = $4 OR key_id = $2)`+where+order.By("key_id")+` LIMIT $5`, args...)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = db.Cursor(last.Address, last.ID)
		if order.Word == "created" {
			next = db.TimeCursor(last.Created, last.ID)
		}
	}
	return page, next, nil
}

// afterKey returns the values of a cursor: an address or a time, and an id.
func afterKey(o db.Order, cursor string) (after any, id string, err error) {
	if o.Word == "created" {
		return o.ReadTime(cursor)
	}
	values, err := db.ReadCursor(cursor, 2)
	if err != nil {
		return nil, "", err
	}
	return values[0], values[1], nil
}

// Get returns any key, for who may see them all.
func (r *Registry) Get(ctx context.Context, keyID string) (k Key, err error) {
	if err := ticket.From(ctx).Demand(readMail); err != nil {
		return Key{}, err
	}
	if err := db.Clean("key_id", keyID); err != nil {
		return Key{}, err
	}
	err = r.db.View(ctx, func(tx *db.Tx) error {
		k, err = findKey(ctx, tx, keyID, "")
		return err
	})
	return k, err
}

// Counts are how many mails got each result.
type Counts map[Result]int

// Total is their sum.
func (c Counts) Total() (n int) {
	for _, one := range c {
		n += one
	}
	return n
}

// Count counts the verdicts from a time on until another. The caller needs authroute:read.
func (v *Verdicts) Count(ctx context.Context, from, to time.Time) (Counts, error) {
	if err := ticket.From(ctx).Demand(readMail); err != nil {
		return nil, err
	}
	all := Counts{}
	groups, err := v.groups(ctx, Filter{From: from, To: to})
	for _, g := range groups {
		all[g.result] += g.n
	}
	return all, err
}

// Outlook is what would have become of the mails of a sender domain in a mode.
type Outlook struct {
	Mode                           Mode
	Mails, Refused, Held, Deferred int
}

// DryRun tells for each mode what would have become of the mails of a sender domain
// since a time, by their verdicts. Mails without a proof are remembered for 7 days. The
// caller needs authroute:admin.
func (v *Verdicts) DryRun(ctx context.Context, d Domain, since time.Time) ([]Outlook, error) {
	if err := ticket.From(ctx).Demand(adminMail); err != nil {
		return nil, err
	}
	groups, err := v.groups(ctx, Filter{Domain: d.Name, From: since})
	if err != nil {
		return nil, err
	}
	var all []Outlook
	for _, m := range []Mode{Monitor, Quarantine, Enforce, Require} {
		d.Mode = m
		o := Outlook{Mode: m}
		for _, g := range groups {
			o.add(Decide(Verdict{Result: g.result, Cause: g.cause, Domain: d}), g.n)
		}
		all = append(all, o)
	}
	return all, nil
}

func (o *Outlook) add(a policyproto.Action, n int) {
	o.Mails += n
	word, _, _ := strings.Cut(a.String(), " ")
	switch word {
	case "REJECT":
		o.Refused += n
	case "HOLD":
		o.Held += n
	case "DEFER", "DEFER_IF_PERMIT":
		o.Deferred += n
	}
}

type verdictGroup struct {
	result Result
	cause  Cause
	n      int
}

func (v *Verdicts) groups(ctx context.Context, f Filter) (all []verdictGroup, err error) {
	before, err := f.check("")
	if err != nil {
		return nil, err
	}
	err = v.db.View(ctx, func(tx *db.Tx) error {
		where, args := f.where(before)
		rows, err := tx.QueryContext(ctx, `SELECT verification_result, failure_reason, count(*) FROM authroute_verifications
			WHERE `+where+` GROUP BY verification_result, failure_reason`, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var g verdictGroup
			if err := rows.Scan(&g.result, &g.cause, &g.n); err != nil {
				return err
			}
			all = append(all, g)
		}
		return rows.Err()
	})
	return all, err
}
