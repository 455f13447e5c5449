package disk

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"signet/internal/db"
	"signet/internal/objects"
)

// Complete implements [objects.Store]. No byte is moved: the object is the list of its
// parts. Completing once more what is completed already gives the same answer, as long as
// the object is there.
func (s *Store) Complete(ctx context.Context, c objects.Completion) (o objects.Object, err error) {
	u := objects.Upload{Bucket: c.Bucket, Key: c.Key, ID: c.UploadID}
	defer s.hot.change(name{c.Bucket, c.Key})()
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		// In the order of all that lock both.
		if err := lockKey(ctx, tx, c.Bucket, c.Key); err != nil {
			return err
		}
		found, err := readUpload(ctx, tx, u, tx.Dialect().ForUpdate())
		if errors.Is(err, objects.ErrNoSuchUpload) {
			o, err = completed(ctx, tx, c, err)
			return err
		}
		if err != nil {
			return err
		}
		o, err = s.complete(ctx, tx, c, found)
		return err
	})
	return o, failed(err)
}

// completed returns the object that the upload has become, and otherwise none, where
// there is no such object or the parts were others.
func completed(ctx context.Context, tx *db.Tx, c objects.Completion, none error) (objects.Object, error) {
	at, err := readSlot(ctx, tx, c.Bucket, c.Key)
	if err != nil {
		return objects.Object{}, err
	}
	if at.current == nil || at.current.body != c.UploadID || at.current.etag != etagOf(c.Parts) {
		return objects.Object{}, none
	}
	return at.current.object(at.versioning)
}

func (s *Store) complete(ctx context.Context, tx *db.Tx, c objects.Completion, u objects.Upload) (objects.Object, error) {
	have, files, err := readParts(ctx, tx, u.ID, 0, objects.MaxParts)
	if err != nil {
		return objects.Object{}, err
	}
	parts, unused, err := choose(c.Parts, have, u.Checksum)
	if err != nil {
		return objects.Object{}, err
	}
	v := &row{bucket: c.Bucket, key: c.Key, body: u.ID, etag: etagOf(parts), parts: len(parts)}
	for _, p := range parts {
		v.size += p.Size
	}
	if c.Size >= 0 && c.Size != v.size {
		return objects.Object{}, objects.ErrRequest.Saying("the object has %d bytes, not the %d that x-amz-mp-object-size says", v.size, c.Size)
	}
	sum, err := agreed(c.Checksum, u.Checksum, parts)
	if err != nil {
		return objects.Object{}, err
	}
	v.checksum = encodeChecksum(sum)
	if err := v.say(u.Attributes); err != nil {
		return objects.Object{}, err
	}
	for _, i := range unused {
		if err := s.dropPart(ctx, tx, u.ID, have[i].Number, files[i]); err != nil {
			return objects.Object{}, err
		}
	}
	if err := join(ctx, tx, u.ID); err != nil {
		return objects.Object{}, err
	}
	o, err := s.place(ctx, tx, v, c.Conditions)
	o.Attributes = u.Attributes
	return o, err
}

// choose returns the parts that a client names, as we have them, and the indices of
// those it does not name.
func choose(named, have []objects.Part, sum objects.Checksum) (parts []objects.Part, unused []int, err error) {
	at := 0
	for i, p := range named {
		if i > 0 && p.Number <= named[i-1].Number {
			return nil, nil, objects.ErrPartOrder
		}
		for ; at < len(have) && have[at].Number < p.Number; at++ {
			unused = append(unused, at)
		}
		if at == len(have) || have[at].Number != p.Number || !samePart(p, have[at], sum) {
			return nil, nil, objects.ErrInvalidPart.Because("part %d", p.Number)
		}
		parts = append(parts, have[at])
		at++
	}
	for ; at < len(have); at++ {
		unused = append(unused, at)
	}
	for i, p := range parts {
		if i < len(parts)-1 && p.Size < objects.MinPartSize {
			return nil, nil, objects.ErrTooSmall.Because("part %d has %d bytes", p.Number, p.Size)
		}
	}
	if len(parts) == 0 {
		return nil, nil, objects.ErrMalformedXML
	}
	return parts, unused, nil
}

func samePart(named, have objects.Part, sum objects.Checksum) bool {
	if named.ETag != have.ETag {
		return false
	}
	if named.Checksum.Algorithm == "" || have.Checksum.Algorithm == "" && sum.Algorithm == "" {
		return true
	}
	return named.Checksum.Algorithm == have.Checksum.Algorithm && named.Checksum.Value == have.Checksum.Value
}

// etagOf is the MD5 of the MD5s of the parts, and how many they are.
func etagOf(parts []objects.Part) string {
	h := newETag()
	for _, p := range parts {
		b, err := hex.DecodeString(p.ETag)
		if err != nil {
			return "" // no tag of ours
		}
		h.Write(b)
	}
	return fmt.Sprintf("%s-%d", hex.EncodeToString(h.Sum(nil)), len(parts))
}

// agreed returns the checksum of the whole, and ErrDigest where the client says another one.
func agreed(said, wanted objects.Checksum, parts []objects.Part) (objects.Checksum, error) {
	if wanted.Algorithm == "" {
		wanted = withType(objects.Checksum{Algorithm: said.Algorithm, Type: said.Type})
	}
	if wanted.Algorithm == "" {
		return objects.Checksum{}, nil
	}
	sum := ofParts(wanted, parts)
	if said.Value != "" && (said.Algorithm != sum.Algorithm || !sameValue(said.Value, sum)) {
		return objects.Checksum{}, objects.ErrDigest
	}
	return sum, nil
}

// sameValue compares what a client says with a checksum. That over the parts has their
// number behind it, which some clients (minio-go) leave out.
func sameValue(said string, sum objects.Checksum) bool {
	if said == sum.Value {
		return true
	}
	bare, _, _ := strings.Cut(sum.Value, "-") // base64 has no such character
	return sum.Type == composite && said == bare
}

func (s *Store) dropPart(ctx context.Context, tx *db.Tx, upload string, number int, file string) error {
	if err := s.release(ctx, tx, file); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "DELETE FROM objects_disk_parts WHERE upload = $1 AND number = $2", upload, number)
	return err
}

// join ends an upload: its parts know where they begin.
func join(ctx context.Context, tx *db.Tx, upload string) error {
	_, err := tx.ExecContext(ctx, `
		UPDATE objects_disk_parts SET first = t.first
		FROM (SELECT number, SUM(size) OVER (ORDER BY number) - size AS first
		      FROM objects_disk_parts WHERE upload = $1) t
		WHERE objects_disk_parts.upload = $1 AND objects_disk_parts.number = t.number`, upload)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM objects_disk_uploads WHERE id = $1", upload)
	return err
}
