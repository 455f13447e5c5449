package disk

import (
	"context"
	"errors"

	"signet/internal/db"
	"signet/internal/objects"
)

// Delete implements [objects.Store]. Conditions on an object that is not there fail:
// with ErrPrecondition where a delete marker hides it, else with ErrNoSuchKey.
func (s *Store) Delete(ctx context.Context, r objects.Ref, c objects.Conditions) (done objects.Deleted, err error) {
	defer s.hot.change(name{r.Bucket, r.Key})()
	err = s.group.update(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		if err := lockKey(ctx, tx, r.Bucket, r.Key); err != nil {
			return err
		}
		at, err := readSlot(ctx, tx, r.Bucket, r.Key)
		if err != nil {
			return err
		}
		if r.VersionID != "" {
			done, err = s.deleteVersion(ctx, tx, r, c, at)
			return err
		}
		if err := mayDelete(ctx, tx, r, c, at); err != nil {
			return err
		}
		done, err = s.deleteLatest(ctx, tx, r, at)
		return err
	})
	return done, failed(err)
}

func mayDelete(ctx context.Context, tx *db.Tx, r objects.Ref, c objects.Conditions, at slot) error {
	err := at.mayWrite(c)
	if !errors.Is(err, objects.ErrNoSuchKey) {
		return err
	}
	newest, behind := readBehind(ctx, tx, r.Bucket, r.Key)
	if behind != nil {
		return behind
	}
	if newest != nil && newest.marker {
		return objects.ErrPrecondition
	}
	return err
}

// deleteLatest removes the object or, where there is versioning, hides it behind a marker.
func (s *Store) deleteLatest(ctx context.Context, tx *db.Tx, r objects.Ref, at slot) (objects.Deleted, error) {
	if at.versioning == objects.Unversioned && at.current == nil {
		return objects.Deleted{}, nil
	}
	id, place, err := s.makeRoom(ctx, tx, r.Bucket, r.Key, at)
	if err != nil {
		return objects.Deleted{}, err
	}
	if at.current != nil {
		if err := dropCurrent(ctx, tx, r); err != nil {
			return objects.Deleted{}, err
		}
	}
	if at.versioning == objects.Unversioned {
		return objects.Deleted{}, nil
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO objects_disk_versions (bucket, key, marker, `+columns+`)
		VALUES ($1, $2, 1, $3, $4, '', 0, '', $5, 0, '', '{}', '[]', 0)`, r.Bucket, r.Key, place, id, s.time())
	return objects.Deleted{VersionID: id, DeleteMarker: true}, err
}

func dropCurrent(ctx context.Context, tx *db.Tx, r objects.Ref) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM objects_disk_objects WHERE bucket = $1 AND key = $2", r.Bucket, r.Key)
	return err
}

// deleteVersion removes a version for good. The one behind it comes to the front.
func (s *Store) deleteVersion(ctx context.Context, tx *db.Tx, r objects.Ref, c objects.Conditions, at slot) (objects.Deleted, error) {
	v, err := readVersion(ctx, tx, r)
	if errors.Is(err, objects.ErrNoSuchVersion) {
		if c.IfMatch != "" {
			return objects.Deleted{}, err
		}
		return objects.Deleted{VersionID: r.VersionID}, nil
	}
	if err != nil {
		return objects.Deleted{}, err
	}
	o := v.listed(at.versioning)
	if err := c.CheckWrite(&o); err != nil {
		return objects.Deleted{}, err
	}
	if err := s.drop(ctx, tx, v); err != nil {
		return objects.Deleted{}, err
	}
	if at.current != nil && at.current.id == r.VersionID {
		err = dropCurrent(ctx, tx, r)
		at.current = nil
	} else {
		err = dropBehind(ctx, tx, v)
	}
	if err == nil && at.current == nil {
		err = bringForward(ctx, tx, r.Bucket, r.Key)
	}
	return objects.Deleted{VersionID: shown(at.versioning, r.VersionID), DeleteMarker: v.marker}, err
}

// bringForward makes the newest version the object that readers see, unless it is a marker.
func bringForward(ctx context.Context, tx *db.Tx, bucket, key string) error {
	newest, err := readBehind(ctx, tx, bucket, key)
	if err != nil || newest == nil || newest.marker {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO objects_disk_objects (bucket, key, `+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`, newest.values()...)
	if err != nil {
		return err
	}
	return dropBehind(ctx, tx, newest)
}
