package objects

import (
	"context"
	"errors"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// What grants can refuse.
var (
	ErrNoGrant      = fault.New(fault.NotFound, "no such grant")
	ErrGrantSubject = fault.New(fault.Invalid, "name either an access key or a user")
	ErrNoGrantUser  = fault.New(fault.NotFound, "no such user")
)

// Grant is what was granted to a key, with its successors, or to a user.
type Grant struct {
	ID      string
	Subject string // key:FAMILY or user:ID
	Allowance

	Account string // whose buckets it is about
	Owner   string // only buckets of this owner; empty: all of the account
	Created time.Time
	By      string // who granted it

	AccessKeyID, KeyName string // of the first key of a family
}

// holds reports whether who granted it has a say in the bucket.
func (g Grant) holds(b Bucket) bool {
	return g.Account == b.Account && (g.Owner == "" || g.Owner == b.Owner)
}

// NewGrant is what a grant is made from.
type NewGrant struct {
	AccessKeyID string // whom it is for: a key, with its successors,
	User        string // or a user, by id or address; of other accounts by id alone
	Account     string // name of the account whose buckets it is about; the caller's own where empty
	Allowance
}

// Grant grants something, or does nothing where it was granted already. With
// objects:write it is about all buckets of the caller's account, else about those that
// belong to the caller. It is the one way to share buckets with keys of other accounts,
// besides policies.
func (a *Access) Grant(ctx context.Context, n NewGrant) (made Grant, err error) {
	if err := n.check(); err != nil {
		return Grant{}, err
	}
	t := ticket.From(ctx)
	if made, err = authority(t); err != nil {
		return Grant{}, err
	}
	made.ID, made.Allowance, made.Created = newID("grt"), n.Allowance, db.Now(a.now())
	err = a.change(ctx, func(tx *db.Tx) error {
		home, err := a.subject(ctx, tx, t, n, &made)
		if err != nil {
			return err
		}
		if made.Account == "" {
			if made.Account, err = a.about(ctx, tx, n, home); err != nil {
				return err
			}
		}
		if err := insertGrant(ctx, tx, made); err != nil {
			return err
		}
		return a.record(ctx, tx, "objects.grant", made)
	})
	return made, err
}

func (n NewGrant) check() error {
	if (n.AccessKeyID == "") == (n.User == "") {
		return ErrGrantSubject
	}
	return n.Allowance.check()
}

// authority is the say that a caller has in buckets.
func authority(t *ticket.Ticket) (Grant, error) {
	switch {
	case t == nil:
		return Grant{}, ticket.ErrNone
	case t.Kind == ticket.System:
		return Grant{By: t.Subject}, nil
	case t.May(writeObjects):
		return Grant{By: t.Subject, Account: t.Account}, nil
	case t.Kind != ticket.User:
		return Grant{}, t.Demand(writeObjects)
	}
	return Grant{By: t.Subject, Account: t.Account, Owner: "user:" + t.Subject}, inScope(t, writeObjects)
}

// grantOf is a grant that comes with a key.
func grantOf(t *ticket.Ticket, k Key, what Allowance) Grant {
	g := Grant{ID: newID("grt"), Subject: "key:" + k.Family, Allowance: what, Account: k.Account, Created: k.Created, By: t.Subject}
	if t.Kind != ticket.System && !t.May(writeObjects) {
		g.Owner = k.Owner
	}
	return g
}

// subject finds whom a grant is for, and returns their account where they are of one.
func (a *Access) subject(ctx context.Context, tx *db.Tx, t *ticket.Ticket, n NewGrant, made *Grant) (account string, err error) {
	if n.AccessKeyID != "" {
		k, _, err := findKey(ctx, tx, n.AccessKeyID, "")
		made.Subject = "key:" + k.Family
		return k.Account, err
	}
	home := made.Account // people of other accounts are named by ids, which nobody can guess
	if t.Kind == ticket.System || strings.HasPrefix(n.User, "usr_") {
		home = ""
	}
	id, err := a.keys.o.Accounts.Member(ctx, tx, n.User, home)
	if fault.KindOf(err) == fault.NotFound {
		err = ErrNoGrantUser
	}
	made.Subject = "user:" + id
	return "", err
}

// about is the account that the command line grants in: the one that is named, that of
// the bucket, or that of the key.
func (a *Access) about(ctx context.Context, tx *db.Tx, n NewGrant, home string) (string, error) {
	if n.Account == "" {
		b, err := oneBucket(ctx, tx, n.Bucket)
		if err == nil && b.Account != "" {
			return b.Account, nil
		}
		if err != nil && !errors.Is(err, ErrNoSuchBucket) {
			return "", err
		}
		if home != "" {
			return home, nil
		}
	}
	return a.keys.o.Accounts.AccountFor(ctx, tx, n.Account)
}

// RevokeGrant takes back what was granted, at once. The caller has the say that Grant asks for.
func (a *Access) RevokeGrant(ctx context.Context, id string) error {
	own, err := authority(ticket.From(ctx))
	if err != nil {
		return err
	}
	return a.change(ctx, func(tx *db.Tx) error {
		g, err := findGrant(ctx, tx, id)
		if err != nil {
			return err
		}
		if own.Account != "" && own.Account != g.Account || own.Owner != "" && own.Owner != g.Owner {
			return ErrNoGrant
		}
		if err := deleteGrant(ctx, tx, id); err != nil {
			return err
		}
		return a.record(ctx, tx, "objects.revoke_grant", g)
	})
}

// GrantFilter says which grants; empty members ask for all that the caller may see.
type GrantFilter struct {
	Account     string // id, at the command line
	AccessKeyID string
	User        string // id
	Bucket      string // a name that they are about
}

// Grants lists grants in the order in which they were made: those about buckets of the
// caller's account with objects:read, else those that the caller gave; at the command
// line all.
func (a *Access) Grants(ctx context.Context, f GrantFilter) (list []Grant, err error) {
	t := ticket.From(ctx)
	account, owner := f.Account, ""
	switch {
	case t == nil:
		return nil, ticket.ErrNone
	case t.Kind == ticket.System:
	case t.Kind == ticket.User && !t.May(readObjects):
		account, owner, err = t.Account, "user:"+t.Subject, inScope(t, readObjects)
	default:
		account, err = reach(ctx, readObjects)
	}
	if err != nil {
		return nil, err
	}
	err = a.db.View(ctx, func(tx *db.Tx) error {
		subject, err := f.subject(ctx, tx)
		if err != nil {
			return err
		}
		list, err = listGrants(ctx, tx, account, owner, subject)
		return err
	})
	if f.Bucket == "" {
		return list, err
	}
	var about []Grant
	for _, g := range list {
		if g.names(f.Bucket) {
			about = append(about, g)
		}
	}
	return about, err
}

func (f GrantFilter) subject(ctx context.Context, tx *db.Tx) (string, error) {
	switch {
	case f.AccessKeyID != "":
		k, _, err := findKey(ctx, tx, f.AccessKeyID, "")
		return "key:" + k.Family, err
	case f.User != "":
		return "user:" + f.User, nil
	}
	return "", nil
}

// change runs fn in a transaction that changes grants, and forgets what was read before.
func (a *Access) change(ctx context.Context, fn func(tx *db.Tx) error) error {
	return a.db.Update(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(a.held.Forget)
		return fn(tx)
	})
}

func (a *Access) record(ctx context.Context, tx *db.Tx, action string, g Grant) error {
	return a.audit.Record(ctx, tx, audit.Event{
		Action: action, Target: g.ID, Account: g.Account,
		Detail: map[string]any{"subject": g.Subject, "allows": g.String(), "owner": g.Owner},
	})
}

func allowanceTexts(list []Allowance) (all []string) {
	for _, a := range list {
		all = append(all, a.String())
	}
	return all
}
