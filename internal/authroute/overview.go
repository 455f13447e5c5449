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
}

// Search returns keys of all users by address, at most limit of them (500 at most, 100
// where it is 0), and the cursor of those that come after. The caller needs
// authroute:read.
func (r *Registry) Search(ctx context.Context, f KeyFilter, cursor string, limit int) (page []Key, next string, err error) {
	if err := ticket.From(ctx).Demand(readMail); err != nil {
		return nil, "", err
	}
	query := strings.ToLower(strings.TrimSpace(f.Query))
	after, err := db.ReadCursor(cursor, 2) // id, address
	if err == nil {
		err = db.Clean("q", query)
	}
	if err != nil {
		return nil, "", err
	}
	limit = min(max(cmp.Or(limit, 100), 1), searchLimit)
	revoked := 0
	if f.Revoked {
		revoked = 1
	}
	err = r.db.View(ctx, func(tx *db.Tx) error {
		page, err = queryKeys(ctx, tx, `($1 = 1 OR revoked_at IS NULL)
			AND ($2 = '' OR substr(address, 1, $3) = $2 OR user_id = $4 OR key_id = $2)
			AND ($5 = '' OR (address, key_id) > ($6, $5))
			ORDER BY address, key_id LIMIT $7`,
			revoked, query, utf8.RuneCountInString(query), strings.TrimSpace(f.Query), after[0], after[1], limit+1)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	if len(page) > limit {
		page = page[:limit]
		last := page[limit-1]
		next = db.Cursor(last.ID, last.Address)
	}
	return page, next, nil
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
