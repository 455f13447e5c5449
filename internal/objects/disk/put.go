package disk

import (
	"context"
	"crypto/rand"
	"errors"

	"signet/internal/db"
	"signet/internal/objects"
)

// Put implements [objects.Store].
func (s *Store) Put(ctx context.Context, p objects.Put) (objects.Object, error) {
	if n := p.Body.Length(); n < 0 || n > small {
		// Nobody shall send much that is then refused.
		if err := s.mayWrite(ctx, p.Bucket, p.Key, p.Conditions); err != nil {
			return objects.Object{}, err
		}
	}
	v := &row{bucket: p.Bucket, key: p.Key}
	if err := v.say(p.Attributes); err != nil {
		return objects.Object{}, err
	}
	t, err := s.take(p.Body, usual, s.inline)
	if err != nil {
		return objects.Object{}, err
	}
	v.body, v.bytes, v.size, v.etag, v.checksum = t.file, t.bytes, t.size, t.etag(), encodeChecksum(t.checksum)
	defer s.hot.change(name{p.Bucket, p.Key})()
	o, err := s.write(ctx, t.file, func(ctx context.Context, tx *db.Tx) (objects.Object, error) {
		return s.place(ctx, tx, v, p.Conditions)
	})
	o.Attributes = p.Attributes
	return o, err
}

func (s *Store) mayWrite(ctx context.Context, bucket, key string, c objects.Conditions) error {
	return s.db.View(ctx, func(tx *db.Tx) error {
		at, err := readSlot(ctx, tx, bucket, key)
		if err != nil {
			return err
		}
		return at.mayWrite(c)
	})
}

func (at slot) mayWrite(c objects.Conditions) error {
	if at.current == nil {
		return c.CheckWrite(nil)
	}
	o := at.current.listed(at.versioning)
	return c.CheckWrite(&o)
}

// write runs fn, which commits what a new file is for, and removes the file where it
// surely was not committed. Where that cannot be known, as with a connection that broke
// meanwhile, the file stays: either a row names it, or the sweeper finds it.
func (s *Store) write(ctx context.Context, file string, fn func(ctx context.Context, tx *db.Tx) (objects.Object, error)) (o objects.Object, err error) {
	ran := false
	err = s.group.update(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
		ran = false
		o, err = fn(ctx, tx)
		ran = err == nil
		return err
	})
	if err != nil && file != "" && (!ran || db.IsFull(err)) {
		err = errors.Join(err, s.files.discard(file))
	}
	if err != nil {
		return objects.Object{}, failed(err)
	}
	return o, nil
}

// place makes v the object that readers of its key see. What was there before becomes a
// version behind it, or goes, as the bucket's versioning says.
func (s *Store) place(ctx context.Context, tx *db.Tx, v *row, c objects.Conditions) (objects.Object, error) {
	if err := lockKey(ctx, tx, v.bucket, v.key); err != nil {
		return objects.Object{}, err
	}
	at, err := readSlot(ctx, tx, v.bucket, v.key)
	if err != nil {
		return objects.Object{}, err
	}
	if err := at.mayWrite(c); err != nil {
		return objects.Object{}, err
	}
	v.modified = s.time()
	if v.content, err = keepBytes(ctx, tx, v.bytes); err != nil {
		return objects.Object{}, err
	}
	if v.id, v.place, err = s.makeRoom(ctx, tx, v.bucket, v.key, at); err != nil {
		return objects.Object{}, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO objects_disk_objects (bucket, key, `+columns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (bucket, key) DO UPDATE SET
			place = excluded.place, version_id = excluded.version_id, body = excluded.body, size = excluded.size,
			etag = excluded.etag, modified_at = excluded.modified_at, parts = excluded.parts, checksum = excluded.checksum,
			attributes = excluded.attributes, tags = excluded.tags, content = excluded.content`, v.values()...)
	return v.listed(at.versioning), err
}

// makeRoom moves aside or releases what a new version takes the place of, and returns
// the id and the place of that version. The row of the current object stays where it
// is: the caller overwrites or removes it.
func (s *Store) makeRoom(ctx context.Context, tx *db.Tx, bucket, key string, at slot) (id string, place int64, err error) {
	if at.versioning == objects.Unversioned {
		if at.current == nil {
			return objects.NullVersion, 0, nil
		}
		return objects.NullVersion, at.current.place, s.drop(ctx, tx, at.current)
	}
	place, err = nextPlace(ctx, tx, bucket, key, at)
	if err != nil {
		return "", 0, err
	}
	id = objects.NullVersion
	if at.versioning == objects.VersioningEnabled {
		id = rand.Text()
	}
	if at.current != nil && at.current.id == id {
		return id, place, s.drop(ctx, tx, at.current)
	}
	if at.current != nil {
		if err := shelve(ctx, tx, bucket, key); err != nil {
			return "", 0, err
		}
	}
	if id == objects.NullVersion {
		err = s.dropNull(ctx, tx, bucket, key)
	}
	return id, place, err
}

// nextPlace returns the place before the newest version.
func nextPlace(ctx context.Context, tx *db.Tx, bucket, key string, at slot) (int64, error) {
	if at.current != nil {
		return at.current.place - 1, nil
	}
	newest, err := readBehind(ctx, tx, bucket, key)
	if err != nil || newest == nil {
		return 0, err
	}
	return newest.place - 1, nil
}

// shelve copies the current object to the versions behind it.
func shelve(ctx context.Context, tx *db.Tx, bucket, key string) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO objects_disk_versions (bucket, key, marker, `+columns+`)
		SELECT bucket, key, 0, `+columns+` FROM objects_disk_objects WHERE bucket = $1 AND key = $2`, bucket, key)
	return err
}

// dropNull removes the null version from those behind.
func (s *Store) dropNull(ctx context.Context, tx *db.Tx, bucket, key string) error {
	null, err := readVersion(ctx, tx, objects.Ref{Bucket: bucket, Key: key, VersionID: objects.NullVersion})
	if errors.Is(err, objects.ErrNoSuchVersion) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.drop(ctx, tx, null); err != nil {
		return err
	}
	return dropBehind(ctx, tx, null)
}

func dropBehind(ctx context.Context, tx *db.Tx, v *row) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM objects_disk_versions WHERE bucket = $1 AND key = $2 AND place = $3",
		v.bucket, v.key, v.place)
	return err
}

// drop gives up the bytes of a version. Others may have the same body: the sweeper looks.
func (s *Store) drop(ctx context.Context, tx *db.Tx, v *row) error {
	if v.content != 0 {
		_, err := tx.ExecContext(ctx, "DELETE FROM objects_disk_contents WHERE id = $1", v.content)
		return err
	}
	return s.release(ctx, tx, v.body)
}

// release has the sweeper look at a body, or at a file of a part, when [Keep] is over.
func (s *Store) release(ctx context.Context, tx *db.Tx, body string) error {
	if body == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO objects_disk_released (body, due_at) VALUES ($1, $2)
		ON CONFLICT (body) DO UPDATE SET due_at = excluded.due_at`, body, s.time().Add(Keep))
	return err
}
