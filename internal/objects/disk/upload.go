package disk

import (
	"context"
	"database/sql"
	"errors"

	"signet/internal/db"
	"signet/internal/objects"
)

// CreateUpload implements [objects.Store].
func (s *Store) CreateUpload(ctx context.Context, u objects.Upload) (string, error) {
	r := &row{}
	if err := r.say(u.Attributes); err != nil {
		return "", err
	}
	id := newName(s.now())
	err := s.db.Update(ctx, func(tx *db.Tx) error {
		if err := lockKey(ctx, tx, u.Bucket, u.Key); err != nil {
			return err
		}
		if _, err := readVersioning(ctx, tx, u.Bucket); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `
			INSERT INTO objects_disk_uploads (id, bucket, key, begun_at, begun_by, checksum, attributes, tags)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			id, u.Bucket, u.Key, s.time(), u.By, encodeChecksum(withType(u.Checksum)), r.attributes, r.tags)
		return err
	})
	return id, failed(err)
}

// readUpload returns the upload that u names, by bucket, key and id, and ErrNoSuchUpload.
// lock keeps others from changing it or its parts until the transaction ends.
func readUpload(ctx context.Context, tx *db.Tx, u objects.Upload, lock string) (objects.Upload, error) {
	found := objects.Upload{Bucket: u.Bucket, Key: u.Key, ID: u.ID}
	var sum, said, tags string
	err := tx.QueryRowContext(ctx, `
		SELECT begun_at, begun_by, checksum, attributes, tags FROM objects_disk_uploads
		WHERE id = $1 AND bucket = $2 AND key = $3`+lock, u.ID, u.Bucket, u.Key).
		Scan(&found.Begun, &found.By, &sum, &said, &tags)
	if errors.Is(err, sql.ErrNoRows) {
		if _, err := readVersioning(ctx, tx, u.Bucket); err != nil {
			return found, err
		}
		return found, objects.ErrNoSuchUpload
	}
	if err != nil {
		return found, err
	}
	found.Begun, found.Checksum = found.Begun.UTC(), decodeChecksum(sum)
	found.Attributes, err = decodeAttributes(said, tags)
	return found, err
}

// viewUpload is readUpload in a transaction of its own.
func (s *Store) viewUpload(ctx context.Context, u objects.Upload) (found objects.Upload, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		found, err = readUpload(ctx, tx, u, "")
		return err
	})
	return found, err
}

// PutPart implements [objects.Store]. A part that brings no checksum of the algorithm
// that the upload asked for gets one here.
func (s *Store) PutPart(ctx context.Context, u objects.Upload, number int, b objects.Body) (objects.Part, error) {
	if number < 1 || number > objects.MaxParts {
		return objects.Part{}, objects.ErrPartNumber
	}
	found, err := s.viewUpload(ctx, u)
	if err != nil {
		return objects.Part{}, err
	}
	t, err := s.take(b, wish{algorithm: found.Checksum.Algorithm}, 0)
	if err != nil {
		return objects.Part{}, err
	}
	p := objects.Part{Number: number, Size: t.size, ETag: t.etag(), Checksum: t.checksum}
	_, err = s.write(ctx, t.file, func(ctx context.Context, tx *db.Tx) (objects.Object, error) {
		p.Modified = s.time()
		return objects.Object{}, s.putPart(ctx, tx, found, p, t.file)
	})
	return p, err
}

func (s *Store) putPart(ctx context.Context, tx *db.Tx, u objects.Upload, p objects.Part, file string) error {
	if _, err := readUpload(ctx, tx, u, tx.Dialect().ForUpdate()); err != nil {
		return err
	}
	var before string
	err := tx.QueryRowContext(ctx, "SELECT file FROM objects_disk_parts WHERE upload = $1 AND number = $2", u.ID, p.Number).Scan(&before)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err := s.release(ctx, tx, before); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO objects_disk_parts (upload, number, file, first, size, etag, modified_at, checksum)
		VALUES ($1, $2, $3, 0, $4, $5, $6, $7)
		ON CONFLICT (upload, number) DO UPDATE SET
			file = excluded.file, size = excluded.size, etag = excluded.etag, modified_at = excluded.modified_at,
			checksum = excluded.checksum`,
		u.ID, p.Number, file, p.Size, p.ETag, p.Modified, encodeChecksum(p.Checksum))
	return err
}

// CopyPart implements [objects.Store].
func (s *Store) CopyPart(ctx context.Context, u objects.Upload, number int, from objects.Get) (objects.Part, error) {
	conditions := from.Conditions
	from.Conditions = objects.Conditions{}
	c, where, err := s.look(ctx, from)
	if err != nil {
		return objects.Part{}, err
	}
	if err := readable(c.Object, from.Ref); err != nil {
		return objects.Part{}, err
	}
	if err := conditions.CheckSource(c.Object); err != nil {
		return objects.Part{}, err
	}
	if r := from.Range; r != nil && r.Last >= c.Size { // unlike a reader, a copy gets no less than it asks for
		return objects.Part{}, objects.ErrArgument.Saying("Range specified is not valid for source object of size: %d", c.Size)
	}
	body, err := s.open(where)
	if err != nil {
		return objects.Part{}, err
	}
	defer body.Close()
	return s.PutPart(ctx, u, number, ownBody{body, c.Length})
}

// readable refuses a delete marker as the source of a copy.
func readable(o objects.Object, r objects.Ref) error {
	switch {
	case !o.DeleteMarker:
		return nil
	case r.VersionID == "":
		return objects.ErrNoSuchKey
	}
	return objects.ErrRequest.Saying("the source of a copy may not be a delete marker")
}

// Abort implements [objects.Store].
func (s *Store) Abort(ctx context.Context, u objects.Upload) error {
	return failed(s.db.Update(ctx, func(tx *db.Tx) error {
		if _, err := readUpload(ctx, tx, u, tx.Dialect().ForUpdate()); err != nil {
			return err
		}
		return s.dropUpload(ctx, tx, u.ID)
	}))
}

// dropUpload removes an upload. Its parts stay until the sweeper finds that nothing
// refers to them.
func (s *Store) dropUpload(ctx context.Context, tx *db.Tx, id string) error {
	if err := s.release(ctx, tx, id); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM objects_disk_uploads WHERE id = $1", id)
	return err
}

// abortAll aborts all uploads of a bucket.
func (s *Store) abortAll(ctx context.Context, tx *db.Tx, bucket string) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO objects_disk_released (body, due_at)
		SELECT id, $2 FROM objects_disk_uploads WHERE bucket = $1`, bucket, s.time().Add(Keep))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM objects_disk_uploads WHERE bucket = $1", bucket)
	return err
}

// Parts implements [objects.Store].
func (s *Store) Parts(ctx context.Context, u objects.Upload, after, limit int) (found objects.Upload, parts []objects.Part, more bool, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		if found, err = readUpload(ctx, tx, u, ""); err != nil {
			return err
		}
		parts, _, err = readParts(ctx, tx, u.ID, after, limit+1)
		return err
	})
	if err == nil && len(parts) > limit {
		parts, more = parts[:limit], true
	}
	return found, parts, more, err
}

// readParts returns parts in order, and their files.
func readParts(ctx context.Context, tx *db.Tx, upload string, after, limit int) (parts []objects.Part, files []string, err error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT number, file, size, etag, modified_at, checksum FROM objects_disk_parts
		WHERE upload = $1 AND number > $2 ORDER BY number LIMIT $3`, upload, after, limit)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p objects.Part
		var file, sum string
		if err := rows.Scan(&p.Number, &file, &p.Size, &p.ETag, &p.Modified, &sum); err != nil {
			return nil, nil, err
		}
		p.Modified, p.Checksum = p.Modified.UTC(), decodeChecksum(sum)
		parts, files = append(parts, p), append(files, file)
	}
	return parts, files, rows.Err()
}

// Uploads implements [objects.Store]. The uploads come without their attributes.
func (s *Store) Uploads(ctx context.Context, l objects.List) (out objects.Uploads, err error) {
	err = s.viewPage(ctx, l.Bucket, func(tx *db.Tx, _ objects.Versioning) error {
		p, err := collect(uploadsOf(ctx, tx, l), l, func(u objects.Upload) string { return u.Key })
		out = objects.Uploads{Uploads: p.rows, Prefixes: p.prefixes, Next: p.next}
		if p.last != nil {
			out.NextID = p.last.ID
		}
		return err
	})
	return out, err
}

// behindIDs sorts behind the id of every upload.
const behindIDs = "~"

func uploadsOf(ctx context.Context, tx *db.Tx, l objects.List) *stream[objects.Upload, string] {
	from := bound[string]{l.Prefix, ""}
	if l.After >= l.Prefix {
		from = bound[string]{l.After, l.AfterID}
		if l.AfterID == "" {
			from.rank = behindIDs
		}
	}
	end := after(l.Prefix)
	query := `
		SELECT key, id, begun_at, begun_by, checksum FROM objects_disk_uploads
		WHERE bucket = $1 AND key >= $2 AND (key > $2 OR id > $3)` + pageEnd(end, "key, id")
	return &stream[objects.Upload, string]{
		at: func(u objects.Upload) bound[string] { return bound[string]{u.Key, u.ID} }, from: from, batch: firstBatch(l),
		fetch: func(from bound[string], limit int) ([]objects.Upload, error) {
			return readUploads(ctx, tx, l.Bucket, query, upTo(end, l.Bucket, from.key, from.rank, limit))
		},
	}
}

func readUploads(ctx context.Context, tx *db.Tx, bucket, query string, args []any) ([]objects.Upload, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []objects.Upload
	for rows.Next() {
		u := objects.Upload{Bucket: bucket}
		var sum string
		if err := rows.Scan(&u.Key, &u.ID, &u.Begun, &u.By, &sum); err != nil {
			return nil, err
		}
		u.Begun, u.Checksum = u.Begun.UTC(), decodeChecksum(sum)
		all = append(all, u)
	}
	return all, rows.Err()
}
