package disk

import (
	"context"
	"database/sql"
	"errors"
	"hash/fnv"

	"signet/internal/db"
	"signet/internal/objects"
)

// lockKey lets nobody else change that key until the transaction ends, and nobody take
// the bucket away. SQLite's writer is alone anyhow. On PostgreSQL a row cannot be the
// lock: that of a new key is not there yet, and that of a version may move.
func lockKey(ctx context.Context, tx *db.Tx, bucket, key string) error {
	if tx.Dialect() != db.Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock_shared($1), pg_advisory_xact_lock($2)",
		lockID(bucket), lockID(bucket+"/"+key))
	return err
}

// lockBucket keeps every change of the bucket's keys away until the transaction ends.
func lockBucket(ctx context.Context, tx *db.Tx, bucket string) error {
	if tx.Dialect() != db.Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", lockID(bucket))
	return err
}

// lockID is the number of a lock. Two names with one number only wait for each other.
func lockID(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("objects_disk " + name)) // never fails
	return int64(h.Sum64())                        //nolint:gosec // all 64 bits are wanted
}

// MayMake implements [objects.Store]. Nobody but the door makes buckets here.
func (s *Store) MayMake(context.Context, string) error { return nil }

// CreateBucket implements [objects.Store].
func (s *Store) CreateBucket(ctx context.Context, bucket string) error {
	return failed(s.db.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO objects_disk_buckets (name, versioning, created_at) VALUES ($1, '', $2)
			ON CONFLICT (name) DO NOTHING`, bucket, s.time())
		return err
	}))
}

// DeleteBucket implements [objects.Store]. Uploads under way do not keep a bucket: they
// are aborted.
func (s *Store) DeleteBucket(ctx context.Context, bucket string) error {
	defer s.hot.change(name{bucket: bucket})()
	return failed(s.db.Update(ctx, func(tx *db.Tx) error {
		if err := lockBucket(ctx, tx, bucket); err != nil {
			return err
		}
		if _, err := readVersioning(ctx, tx, bucket); err != nil {
			return err
		}
		for _, table := range []string{"objects_disk_objects", "objects_disk_versions"} {
			var one int
			err := tx.QueryRowContext(ctx, "SELECT 1 FROM "+table+" WHERE bucket = $1 LIMIT 1", bucket).Scan(&one)
			if err == nil {
				return objects.ErrBucketNotEmpty
			}
			if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		if err := s.abortAll(ctx, tx, bucket); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM objects_disk_buckets WHERE name = $1", bucket)
		return err
	}))
}

// Versioning implements [objects.Store].
func (s *Store) Versioning(ctx context.Context, bucket string) (v objects.Versioning, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		v, err = readVersioning(ctx, tx, bucket)
		return err
	})
	return v, err
}

// SetVersioning implements [objects.Store]. It returns ErrBucketState where versioning
// is to be as if it had never been.
func (s *Store) SetVersioning(ctx context.Context, bucket string, v objects.Versioning) error {
	defer s.hot.change(name{bucket: bucket})()
	return failed(s.db.Update(ctx, func(tx *db.Tx) error {
		if err := lockBucket(ctx, tx, bucket); err != nil {
			return err
		}
		before, err := readVersioning(ctx, tx, bucket)
		if err != nil || v == before {
			return err
		}
		if v == objects.Unversioned {
			return objects.ErrBucketState
		}
		_, err = tx.ExecContext(ctx, "UPDATE objects_disk_buckets SET versioning = $1 WHERE name = $2", v, bucket)
		return err
	}))
}

// readVersioning returns ErrNoSuchBucket.
func readVersioning(ctx context.Context, tx *db.Tx, bucket string) (v objects.Versioning, err error) {
	err = tx.QueryRowContext(ctx, "SELECT versioning FROM objects_disk_buckets WHERE name = $1", bucket).Scan(&v)
	if errors.Is(err, sql.ErrNoRows) {
		err = objects.ErrNoSuchBucket
	}
	return v, err
}
