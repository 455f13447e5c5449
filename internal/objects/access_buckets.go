package objects

import (
	"context"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// What handing a bucket over can refuse.
var (
	ErrNoBucket = fault.New(fault.NotFound, "no such bucket")
	ErrNewOwner = fault.New(fault.Invalid, "name either an access key or a user, of the bucket's account")
)

// List returns the buckets of the caller's account with objects:read, else the caller's
// own; at the command line those of all accounts, or of the one with that id.
func (a *Access) List(ctx context.Context, account string) ([]Bucket, error) {
	account, owner, err := a.bucketsOf(ctx, account)
	if err != nil {
		return nil, err
	}
	all, err := a.buckets.All(ctx, account)
	if owner == "" {
		return all, err
	}
	var own []Bucket
	for _, b := range all {
		if b.Owner == owner {
			own = append(own, b)
		}
	}
	return own, err
}

// Bucket returns one of the buckets that List returns.
func (a *Access) Bucket(ctx context.Context, name string) (found Bucket, err error) {
	account, owner, err := a.bucketsOf(ctx, "")
	if err != nil {
		return Bucket{}, err
	}
	if !goodBucketName(name) {
		return Bucket{}, ErrNoBucket
	}
	err = a.db.View(ctx, func(tx *db.Tx) error {
		found, err = oneBucket(ctx, tx, name)
		return err
	})
	if fault.KindOf(err) == fault.NotFound || err == nil && (account != "" && found.Account != account || owner != "" && found.Owner != owner) {
		return Bucket{}, ErrNoBucket
	}
	return found, err
}

// bucketsOf is whose buckets the caller may see: of an account, all where it is empty; of
// an owner, anybody where it is empty.
func (a *Access) bucketsOf(ctx context.Context, wanted string) (account, owner string, err error) {
	t := ticket.From(ctx)
	switch {
	case t == nil:
		return "", "", ticket.ErrNone
	case t.Kind == ticket.System:
		return wanted, "", nil
	case t.Kind == ticket.User && !t.May(readObjects):
		return t.Account, "user:" + t.Subject, inScope(t, readObjects)
	}
	account, err = reach(ctx, readObjects)
	return account, "", err
}

// NewOwner is whom a bucket is handed to: a key, with its successors, or a user.
type NewOwner struct{ AccessKeyID, User string }

// HandOver gives a bucket to another owner of its account, such as that of somebody who
// left. Where it has no account yet, since it was made while authentication was off, it
// is the new owner's. The caller needs objects:write.
func (a *Access) HandOver(ctx context.Context, name string, to NewOwner) error {
	account, err := reach(ctx, writeObjects)
	if err != nil {
		return err
	}
	if (to.AccessKeyID == "") == (to.User == "") {
		return ErrNewOwner
	}
	if !goodBucketName(name) {
		return ErrNoBucket
	}
	return a.db.Update(ctx, func(tx *db.Tx) error {
		tx.AfterCommit(a.buckets.held.Forget)
		b, err := lockedBucket(ctx, tx, name)
		if fault.KindOf(err) == fault.NotFound || err == nil && account != "" && b.Account != account {
			return ErrNoBucket
		}
		if err != nil {
			return err
		}
		if err := a.ownerOf(ctx, tx, to, &b); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE objects_buckets SET owner = $1, account_id = $2 WHERE name = $3`, b.Owner, b.Account, name); err != nil {
			return err
		}
		return a.audit.Record(ctx, tx, audit.Event{Action: "objects.hand_over_bucket", Target: name, Account: b.Account, Detail: map[string]any{"owner": b.Owner}})
	})
}

// ownerOf sets the owner of b.
func (a *Access) ownerOf(ctx context.Context, tx *db.Tx, to NewOwner, b *Bucket) error {
	if to.AccessKeyID != "" {
		k, _, err := findKey(ctx, tx, to.AccessKeyID, "")
		if err != nil || b.Account != "" && k.Account != b.Account {
			return ErrNewOwner
		}
		b.Owner, b.Account = k.Owner, k.Account
		return nil
	}
	if b.Account == "" {
		home, err := a.keys.o.Accounts.AccountFor(ctx, tx, "")
		if err != nil {
			return err
		}
		b.Account = home
	}
	id, err := a.keys.o.Accounts.Member(ctx, tx, to.User, b.Account)
	if fault.KindOf(err) == fault.NotFound {
		return ErrNewOwner
	}
	b.Owner = "user:" + id
	return err
}
