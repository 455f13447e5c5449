package objects

import (
	"context"
	"maps"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/recent"
	"signet/internal/ticket"
)

// Auditor writes to the audit log, in the caller's transaction.
type Auditor interface {
	Record(ctx context.Context, tx *db.Tx, e audit.Event) error
	RecordAlone(ctx context.Context, e audit.Event) error
}

// Buckets keeps whose each bucket is and what its owner set. What is in them, stores
// keep.
type Buckets struct {
	db    *db.DB
	audit Auditor
	held  *recent.Cache[string, Bucket]
	now   func() time.Time
}

// NewBuckets returns the buckets in d.
func NewBuckets(d *db.DB, a Auditor, now func() time.Time) *Buckets {
	return &Buckets{db: d, audit: a, held: recent.New[string, Bucket](now), now: now}
}

// Get returns a bucket as it was within the last second, or ErrNoSuchBucket.
func (b *Buckets) Get(ctx context.Context, name string) (Bucket, error) {
	return b.held.Get(name, func() (found Bucket, err error) {
		err = b.db.View(ctx, func(tx *db.Tx) error {
			found, err = oneBucket(ctx, tx, name)
			return err
		})
		return found, err
	})
}

// Claim makes a bucket the caller's. It refuses anonymous callers, and keys that have no
// more than what was granted to them: ErrAccessDenied. A name that is taken is
// ErrBucketOwned where it is the caller's, else ErrBucketExists.
func (b *Buckets) Claim(ctx context.Context, c Caller, name string) (Bucket, error) {
	if c.Anonymous() || c.Limited {
		return Bucket{}, ErrAccessDenied
	}
	if !goodBucketName(name) {
		return Bucket{}, ErrBucketName
	}
	fresh := Bucket{Name: name, Account: c.Account, Owner: c.Owner, Created: db.Now(b.now())}
	err := b.db.Update(ctx, func(tx *db.Tx) error {
		made, err := insertBucket(ctx, tx, fresh)
		if err != nil {
			return err
		}
		if !made {
			return b.taken(ctx, tx, c, name)
		}
		return b.record(ctx, tx, c, fresh, "objects.create_bucket", nil)
	})
	return fresh, err
}

func (b *Buckets) taken(ctx context.Context, tx *db.Tx, c Caller, name string) error {
	there, err := oneBucket(ctx, tx, name)
	if err != nil {
		return err
	}
	if there.Owner == c.Owner {
		return ErrBucketOwned
	}
	return ErrBucketExists
}

// Remove forgets a bucket that its store no longer has, and the grants that name it: who
// makes one of that name later means another.
func (b *Buckets) Remove(ctx context.Context, c Caller, name string) error {
	return b.db.Update(ctx, func(tx *db.Tx) error {
		gone, err := oneBucket(ctx, tx, name)
		if err != nil {
			return err
		}
		if err := deleteBucket(ctx, tx, gone); err != nil {
			return err
		}
		tx.AfterCommit(b.held.Forget)
		return b.record(ctx, tx, c, gone, "objects.delete_bucket", nil)
	})
}

// Setting is one thing that is set on a bucket.
type Setting struct {
	Action string         // of the audit log
	Detail map[string]any // for the audit log
	Apply  func(*Bucket)
}

// Set changes a bucket. Whether the caller may, the door has asked.
func (b *Buckets) Set(ctx context.Context, c Caller, name string, s Setting) error {
	return b.db.Update(ctx, func(tx *db.Tx) error {
		changed, err := lockedBucket(ctx, tx, name)
		if err != nil {
			return err
		}
		s.Apply(&changed)
		if err := updateBucket(ctx, tx, changed); err != nil {
			return err
		}
		tx.AfterCommit(b.held.Forget)
		return b.record(ctx, tx, c, changed, s.Action, s.Detail)
	})
}

// All returns the buckets of an account in the order of their names; of an empty
// account, all.
func (b *Buckets) All(ctx context.Context, account string) (list []Bucket, err error) {
	err = b.db.View(ctx, func(tx *db.Tx) error {
		list, err = allBuckets(ctx, tx, account)
		return err
	})
	return list, err
}

func (b *Buckets) record(ctx context.Context, tx *db.Tx, c Caller, of Bucket, action string, detail map[string]any) error {
	e := audit.Event{Action: action, Target: of.Name, Account: of.Account, Detail: detail}
	if c.Key != "" || c.Open {
		e.Actor = c.actor()
		e.Detail = c.with(detail)
	}
	return b.audit.Record(ctx, tx, e)
}

// actor is how the audit log names a caller.
func (c Caller) actor() audit.Actor {
	if c.User != "" {
		return audit.Actor{Kind: ticket.User, ID: c.User}
	}
	return audit.Actor{Kind: ticket.Key, ID: c.Key}
}

// with adds the caller's key to what the audit log keeps.
func (c Caller) with(detail map[string]any) map[string]any {
	all := map[string]any{"access_key_id": c.AccessKeyID}
	maps.Copy(all, detail)
	return all
}
