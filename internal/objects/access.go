package objects

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"signet/internal/db"
	"signet/internal/recent"
)

// Access says who may do what at the door. It is safe for concurrent use.
type Access struct {
	db      *db.DB
	buckets *Buckets
	audit   Auditor
	keys    *Keys
	held    *recent.Cache[string, []Grant] // by id of the key
	now     func() time.Time

	lock     sync.Mutex
	policies map[string]readPolicy // by bucket
}

// NewAccess returns who may what in these buckets with these keys.
func NewAccess(d *db.DB, b *Buckets, a Auditor, k *Keys, now func() time.Time) *Access {
	return &Access{
		db: d, buckets: b, audit: a, keys: k, held: recent.New[string, []Grant](now), now: now, policies: map[string]readPolicy{},
	}
}

// Allow returns nil where the caller may, else ErrAccessDenied. It asks in this order:
//
//  1. Where authentication is off, everybody may.
//  2. What the bucket's policy denies, nobody may; but its owner may read, replace and
//     delete the policy, so that nobody is locked out for good.
//  3. The owner may, within the account of the bucket. A key that is limited to its
//     grants is no owner.
//  4. Who was granted it may: the key or, unless the key is limited, its user.
//  5. Who the policy allows it may.
//  6. Objects of a public bucket everybody may get. They are not listed: that takes a policy.
//  7. Nobody else may.
func (a *Access) Allow(ctx context.Context, c Caller, q Question) error {
	if c.Open {
		return nil
	}
	says := a.judge(c, q)
	owner := c.owns(q.Bucket)
	if says.denies && (!owner || !slices.Contains(ownersPolicy, q.Action)) {
		return ErrAccessDenied
	}
	if owner {
		return nil
	}
	granted, err := a.granted(ctx, c, q)
	if err != nil {
		return err
	}
	if granted || says.allows || q.Bucket.PublicRead && slices.Contains(publicRead, q.Action) {
		return nil
	}
	return ErrAccessDenied
}

// ownersPolicy are the actions that no policy takes from the owner.
var ownersPolicy = []string{"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}

// publicRead are the actions that the canned ACL public-read opens to everybody.
var publicRead = []string{"s3:GetObject", "s3:GetObjectVersion"}

func (c Caller) owns(b Bucket) bool {
	return c.Owner != "" && c.Owner == b.Owner && c.Account == b.Account && !c.Limited
}

// granted reports whether a grant covers what is asked.
func (a *Access) granted(ctx context.Context, c Caller, q Question) (bool, error) {
	if c.Anonymous() {
		return false, nil
	}
	all, err := a.grants(ctx, c)
	return slices.ContainsFunc(all, func(g Grant) bool { return g.covers(q) && c.holds(g, all, q) }), err
}

// holds reports whether a grant, among all those of the caller's key and user, is good
// for the caller. What users granted to keys of their own reaches as far as they do.
func (c Caller) holds(g Grant, all []Grant, q Question) bool {
	ofUser := strings.HasPrefix(g.Subject, "user:")
	switch {
	case ofUser && c.Limited:
		return false
	case g.holds(q.Bucket):
		return true
	case ofUser || c.User == "" || g.Owner != "user:"+c.User:
		return false
	}
	return slices.ContainsFunc(all, func(u Grant) bool {
		return strings.HasPrefix(u.Subject, "user:") && u.holds(q.Bucket) && u.covers(q)
	})
}

// grants returns what the caller's key and user were granted, as it was within the last
// second.
func (a *Access) grants(ctx context.Context, c Caller) ([]Grant, error) {
	return a.held.Get(c.Key, func() (all []Grant, err error) {
		err = a.db.View(ctx, func(tx *db.Tx) error {
			if !c.Temporary || c.User != "" {
				all, err = grantsOf(ctx, tx, c.Key, c.User)
				return err
			}
			list, err := sessionGrants(ctx, tx, c.Key)
			for _, what := range list {
				all = append(all, Grant{Subject: "key:" + c.Key, Allowance: what, Account: c.Account})
			}
			return err
		})
		return all, err
	})
}

// Visible returns the buckets that the caller's ListBuckets shows: those that belong to
// the caller, and those in which something was granted.
func (a *Access) Visible(ctx context.Context, c Caller) ([]Bucket, error) {
	if c.Open {
		return a.buckets.All(ctx, "")
	}
	if c.Anonymous() || c.Account == "" {
		return nil, nil
	}
	grants, err := a.grants(ctx, c)
	if err != nil {
		return nil, err
	}
	accounts := []string{c.Account}
	for _, g := range grants {
		if !slices.Contains(accounts, g.Account) {
			accounts = append(accounts, g.Account)
		}
	}
	var seen []Bucket
	for _, account := range accounts {
		all, err := a.buckets.All(ctx, account)
		if err != nil {
			return nil, err
		}
		for _, b := range all {
			if c.owns(b) || slices.ContainsFunc(grants, func(g Grant) bool { return g.names(b.Name) && c.holds(g, grants, g.within(b)) }) {
				seen = append(seen, b)
			}
		}
	}
	slices.SortFunc(seen, func(x, y Bucket) int { return strings.Compare(x.Name, y.Name) })
	return seen, nil
}

// within is a question that the grant covers in a bucket.
func (g Grant) within(b Bucket) Question {
	return Question{Action: listing[0], Needs: Read, Bucket: b, Values: map[string][]string{"s3:prefix": {g.Prefix}}}
}
