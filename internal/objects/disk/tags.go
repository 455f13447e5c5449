package disk

import (
	"context"

	"signet/internal/db"
	"signet/internal/objects"
)

// Tags implements [objects.Store]. Of a delete marker that is named it returns ErrMethod.
func (s *Store) Tags(ctx context.Context, r objects.Ref) (tags []objects.Tag, id string, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		v, versioning, err := findTagged(ctx, tx, r)
		if err != nil {
			return err
		}
		id = shown(versioning, v.id)
		tags, err = decodeTags(v.tags)
		return err
	})
	return tags, id, err
}

// SetTags implements [objects.Store]. Of a delete marker that is named it returns ErrMethod.
func (s *Store) SetTags(ctx context.Context, r objects.Ref, tags []objects.Tag) (id string, err error) {
	text, err := encodeTags(tags)
	if err != nil {
		return "", err
	}
	defer s.hot.change(name{r.Bucket, r.Key})()
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if err := lockKey(ctx, tx, r.Bucket, r.Key); err != nil {
			return err
		}
		v, versioning, err := findTagged(ctx, tx, r)
		if err != nil {
			return err
		}
		id = shown(versioning, v.id)
		for _, table := range []string{"objects_disk_objects", "objects_disk_versions"} {
			_, err := tx.ExecContext(ctx, "UPDATE "+table+" SET tags = $1 WHERE bucket = $2 AND key = $3 AND version_id = $4",
				text, r.Bucket, r.Key, v.id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return id, failed(err)
}

// findTagged returns ErrNoSuchKey where a marker hides the key.
func findTagged(ctx context.Context, tx *db.Tx, r objects.Ref) (*row, objects.Versioning, error) {
	v, versioning, err := find(ctx, tx, r)
	if err != nil || !v.marker {
		return v, versioning, err
	}
	if r.VersionID == "" {
		return nil, "", objects.ErrNoSuchKey
	}
	return nil, "", objects.ErrMethod
}
