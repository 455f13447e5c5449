package disk

import (
	"context"
	"io"

	"signet/internal/db"
	"signet/internal/objects"
)

// Copy implements [objects.Store]. The copy shares the body of its source.
func (s *Store) Copy(ctx context.Context, c objects.Copy) (o objects.Object, err error) {
	sum, of, err := s.checksumOfCopy(ctx, c)
	if err != nil {
		return objects.Object{}, err
	}
	defer s.hot.change(name{c.Bucket, c.Key})()
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		// First, since source and copy may be one.
		if err := lockKey(ctx, tx, c.Bucket, c.Key); err != nil {
			return err
		}
		source, said, err := readSource(ctx, tx, c)
		if err != nil {
			return err
		}
		v := *source
		v.bucket, v.key = c.Bucket, c.Key
		if sum.Algorithm != "" {
			if of != v.body+v.etag {
				return objects.ErrConflict
			}
			v.checksum = encodeChecksum(sum)
		}
		if err := v.say(said); err != nil {
			return err
		}
		o, err = s.place(ctx, tx, &v, objects.Conditions{})
		o.Attributes = said
		return err
	})
	return o, failed(err)
}

// readSource returns the source of a copy and what will be said of the copy.
func readSource(ctx context.Context, tx *db.Tx, c objects.Copy) (*row, objects.Attributes, error) {
	v, versioning, err := find(ctx, tx, c.Source)
	if err != nil {
		return nil, objects.Attributes{}, err
	}
	o, err := v.object(versioning)
	if err == nil {
		err = readable(o, c.Source)
	}
	if err == nil {
		err = c.Conditions.CheckSource(o)
	}
	said := o.Attributes
	if c.Attributes != nil {
		tags := said.Tags
		said = *c.Attributes
		said.Tags = tags
	}
	if c.Tags != nil {
		said.Tags = *c.Tags
	}
	return v, said, err
}

// checksumOfCopy computes the checksum that is asked for where the source has not got
// it, and says of which body and entity tag.
func (s *Store) checksumOfCopy(ctx context.Context, c objects.Copy) (sum objects.Checksum, of string, err error) {
	if c.Checksum == "" {
		return sum, "", nil
	}
	var where source
	err = s.db.View(ctx, func(tx *db.Tx) error {
		v, _, err := readSource(ctx, tx, c)
		if err != nil {
			return err
		}
		of = v.body + v.etag
		if have := decodeChecksum(v.checksum); have.Algorithm == c.Checksum && have.Type == fullObject {
			sum = have
			return nil
		}
		where, err = locate(ctx, tx, v, 0, v.size)
		return err
	})
	if err != nil || sum.Algorithm != "" {
		return sum, of, err
	}
	h := newHash(c.Checksum)
	if h == nil {
		return sum, "", objects.ErrRequest.Saying("there is no checksum algorithm %q", c.Checksum)
	}
	body, err := s.open(where)
	if err != nil {
		return sum, "", err
	}
	defer body.Close()
	read := hashed{body, h, c.Checksum}
	if _, err := io.Copy(io.Discard, read); err != nil {
		return sum, "", err
	}
	return read.checksum(), of, nil
}
