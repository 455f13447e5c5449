package disk

import (
	"context"
	"database/sql"
	"errors"

	"signet/internal/db"
	"signet/internal/objects"
)

// Get implements [objects.Store]. Where the writer that the body is copied to can take
// from a file by itself, as that of net/http does, the bytes do not pass this process.
func (s *Store) Get(ctx context.Context, g objects.Get) (*objects.Content, error) {
	c, where, err := s.look(ctx, g)
	if err != nil || c.DeleteMarker {
		return c, err // with ErrNotModified, what there is
	}
	c.Body, err = s.open(where)
	return c, err
}

// Head implements [objects.Store].
func (s *Store) Head(ctx context.Context, g objects.Get) (*objects.Content, error) {
	c, _, err := s.look(ctx, g)
	return c, err
}

// look finds an object, the part of it that is asked for, and where the bytes of this
// part are.
func (s *Store) look(ctx context.Context, g objects.Get) (c *objects.Content, where source, err error) {
	if g.VersionID == "" {
		// Most reads need one statement, and no transaction around it.
		at, err := s.glance(ctx, g.Ref)
		if err != nil {
			return nil, source{}, err
		}
		if at.current != nil && at.current.parts == 0 {
			return s.show(ctx, nil, g, at.current, at.versioning)
		}
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		v, versioning, err := find(ctx, tx, g.Ref)
		if err != nil {
			return err
		}
		c, where, err = s.show(ctx, tx, g, v, versioning)
		return err
	})
	return c, where, err
}

// glance reads a slot, with the bytes of the object.
func (s *Store) glance(ctx context.Context, r objects.Ref) (slot, error) {
	n := name{r.Bucket, r.Key}
	at, ok, since := s.hot.get(n)
	if ok {
		return at, nil
	}
	var bytes []byte
	at, err := scanSlot(func(into ...any) error {
		return s.db.One(ctx, fullSlotQuery, []any{r.Bucket, r.Key}, into...)
	}, r.Bucket, r.Key, &bytes)
	if at.current != nil {
		at.current.bytes = bytes
		if err := at.current.decode(); err != nil {
			return at, err
		}
		s.hot.keep(n, at, since)
	}
	return at, err
}

// show says what of v is asked for, and where it is. tx is for objects of parts alone.
func (s *Store) show(ctx context.Context, tx *db.Tx, g objects.Get, v *row, versioning objects.Versioning) (*objects.Content, source, error) {
	o, err := v.object(versioning)
	c := &objects.Content{Object: o}
	if err != nil || v.marker {
		return c, source{}, err
	}
	if err := g.Conditions.Check(o); err != nil {
		return c, source{}, err
	}
	if err := cut(ctx, tx, g, v, c); err != nil {
		return nil, source{}, err
	}
	where, err := locate(ctx, tx, v, c.First, c.Length)
	return c, where, err
}

// find returns the version that r names, with its bytes. It may be a marker.
func find(ctx context.Context, tx *db.Tx, r objects.Ref) (*row, objects.Versioning, error) {
	if r.VersionID != "" {
		versioning, err := readVersioning(ctx, tx, r.Bucket)
		if err != nil {
			return nil, "", err
		}
		v, err := readVersion(ctx, tx, r)
		return v, versioning, err
	}
	var bytes []byte
	at, err := scanSlot(tx.QueryRowContext(ctx, fullSlotQuery, r.Bucket, r.Key).Scan, r.Bucket, r.Key, &bytes)
	if err != nil {
		return nil, "", err
	}
	if at.current != nil {
		at.current.bytes = bytes
		return at.current, at.versioning, nil
	}
	if at.versioning != objects.Unversioned {
		newest, err := readBehind(ctx, tx, r.Bucket, r.Key)
		if err != nil || newest != nil && newest.marker {
			return newest, at.versioning, err
		}
	}
	return nil, "", objects.ErrNoSuchKey
}

// cut says where the part that is asked for begins and how long it is.
func cut(ctx context.Context, tx *db.Tx, g objects.Get, v *row, c *objects.Content) error {
	c.Length = v.size
	switch {
	case g.Part != 0:
		c.Partial = true
		return cutPart(ctx, tx, g.Part, v, c)
	case g.Range != nil:
		c.Partial = true
		return cutRange(*g.Range, v.size, c)
	}
	return nil
}

// cutPart counts the parts that the object has: their numbers may have gaps.
func cutPart(ctx context.Context, tx *db.Tx, number int, v *row, c *objects.Content) error {
	if number < 0 || number > max(v.parts, 1) {
		return objects.ErrPartOfObject
	}
	if v.parts == 0 {
		return nil
	}
	return tx.QueryRowContext(ctx, `
		SELECT first, size FROM objects_disk_parts WHERE upload = $1 ORDER BY number LIMIT 1 OFFSET $2`,
		v.body, number-1).Scan(&c.First, &c.Length)
}

// cutRange clips a range to the object (RFC 9110, section 14.1.2), or returns ErrRange.
func cutRange(r objects.Range, size int64, c *objects.Content) error {
	first, last := r.First, r.Last
	if first < 0 {
		first, last = max(0, size+first), size-1
	}
	if last < 0 || last >= size {
		last = size - 1
	}
	if first > last {
		return objects.ErrRange
	}
	c.First, c.Length = first, last-first+1
	return nil
}

// source is where bytes of a body are: in files or, without any, here.
type source struct {
	files []extent
	bytes []byte
}

// extent is a part of a file: length bytes from first on.
type extent struct {
	file          string
	size          int64 // of the file
	first, length int64
}

// locate returns where length bytes of a body are, from first on.
func locate(ctx context.Context, tx *db.Tx, v *row, first, length int64) (p source, err error) {
	switch {
	case v.body == "":
		p.bytes = v.bytes[first:][:length]
	case v.parts == 0:
		p.files = []extent{{v.body, v.size, first, length}}
	default:
		p.files, err = readExtents(ctx, tx, v, first, length)
	}
	return p, err
}

// readExtents returns the files that bytes of an object of parts are in, in order.
func readExtents(ctx context.Context, tx *db.Tx, v *row, first, length int64) ([]extent, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT file, size, first FROM objects_disk_parts
		WHERE upload = $1 AND size > 0 AND first < $2 AND first + size > $3 ORDER BY number`, v.body, first+length, first)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []extent
	for rows.Next() {
		var e extent
		var begin int64 // of the part in the object
		if err := rows.Scan(&e.file, &e.size, &begin); err != nil {
			return nil, err
		}
		e.first = max(0, first-begin)
		e.length = min(e.size, first+length-begin) - e.first
		all = append(all, e)
	}
	return all, errors.Join(rows.Err(), enough(all, length))
}

func enough(all []extent, want int64) error {
	var have int64
	for _, e := range all {
		have += e.length
	}
	if have != want {
		return sql.ErrNoRows // a row of a part is missing
	}
	return nil
}
