package disk

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"signet/internal/db"
	"signet/internal/objects"
)

// row is a version of an object as the tables keep it.
type row struct {
	bucket, key string
	place       int64
	id          string
	marker      bool
	body        string
	size        int64
	etag        string
	modified    time.Time
	parts       int
	checksum    string
	attributes  string
	tags        string
	content     int64               // where its bytes are; 0: in files, or there are none
	bytes       []byte              // of content, where they were read
	said        *objects.Attributes // attributes and tags, once they were decoded
}

// columns of a version in both tables, in the order of [row.into] and [row.values].
const columns = `place, version_id, body, size, etag, modified_at, parts, checksum, attributes, tags, content`

func (r *row) values() []any {
	return []any{r.bucket, r.key, r.place, r.id, r.body, r.size, r.etag, r.modified, r.parts, r.checksum, r.attributes, r.tags, r.content}
}

func (r *row) into() []any {
	return []any{&r.place, &r.id, &r.body, &r.size, &r.etag, &r.modified, &r.parts, &r.checksum, &r.attributes, &r.tags, &r.content}
}

// say keeps what a client says of an object.
func (r *row) say(a objects.Attributes) error {
	r.said = nil
	said, err := json.Marshal(attributes{
		a.ContentType, a.CacheControl, a.ContentDisposition, a.ContentEncoding, a.ContentLanguage, a.Expires, a.Meta,
	})
	if err != nil {
		return err
	}
	r.attributes = string(said)
	r.tags, err = encodeTags(a.Tags)
	return err
}

// object is what a client gets to know, of a bucket whose versioning is v.
func (r *row) object(v objects.Versioning) (objects.Object, error) {
	o := r.listed(v)
	if err := r.decode(); err != nil {
		return o, err
	}
	o.Attributes = *r.said
	return o, nil
}

// decode fills said.
func (r *row) decode() error {
	if r.said != nil {
		return nil
	}
	a, err := decodeAttributes(r.attributes, r.tags)
	if err == nil {
		r.said = &a
	}
	return err
}

// listed is object without its attributes.
func (r *row) listed(v objects.Versioning) objects.Object {
	return objects.Object{
		Bucket: r.bucket, Key: r.key, VersionID: shown(v, r.id), Size: r.size, ETag: r.etag, Modified: r.modified.UTC(),
		Checksum: decodeChecksum(r.checksum), Parts: r.parts, DeleteMarker: r.marker,
	}
}

// shown hides the id of versions where there never were any.
func shown(v objects.Versioning, id string) string {
	if v == objects.Unversioned {
		return ""
	}
	return id
}

// attributes are [objects.Attributes] in JSON; tags are a column of their own.
type attributes struct {
	ContentType        string            `json:"type,omitempty"`
	CacheControl       string            `json:"cache,omitempty"`
	ContentDisposition string            `json:"disposition,omitempty"`
	ContentEncoding    string            `json:"encoding,omitempty"`
	ContentLanguage    string            `json:"language,omitempty"`
	Expires            string            `json:"expires,omitempty"`
	Meta               map[string]string `json:"meta,omitempty"`
}

func decodeAttributes(text, tags string) (objects.Attributes, error) {
	var a attributes
	if text != "{}" {
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			return objects.Attributes{}, fmt.Errorf("attributes: %w", err)
		}
	}
	list, err := decodeTags(tags)
	return objects.Attributes{
		ContentType: a.ContentType, CacheControl: a.CacheControl, ContentDisposition: a.ContentDisposition,
		ContentEncoding: a.ContentEncoding, ContentLanguage: a.ContentLanguage, Expires: a.Expires, Meta: a.Meta, Tags: list,
	}, err
}

// Tags are pairs: [["key","value"]].
func encodeTags(tags []objects.Tag) (string, error) {
	if len(tags) == 0 {
		return "[]", nil
	}
	pairs := make([][2]string, len(tags))
	for i, t := range tags {
		pairs[i] = [2]string{t.Key, t.Value}
	}
	text, err := json.Marshal(pairs)
	return string(text), err
}

func decodeTags(text string) ([]objects.Tag, error) {
	if text == "[]" {
		return nil, nil
	}
	var pairs [][2]string
	if err := json.Unmarshal([]byte(text), &pairs); err != nil {
		return nil, fmt.Errorf("tags: %w", err)
	}
	tags := make([]objects.Tag, len(pairs))
	for i, p := range pairs {
		tags[i] = objects.Tag{Key: p[0], Value: p[1]}
	}
	return tags, nil
}

// A checksum is its algorithm, type and value, with blanks between; empty where there is none.
func encodeChecksum(c objects.Checksum) string {
	if c.Algorithm == "" {
		return ""
	}
	if c.Type == "" {
		c.Type = fullObject
	}
	return c.Algorithm + " " + c.Type + " " + c.Value
}

func decodeChecksum(text string) objects.Checksum {
	algorithm, rest, _ := strings.Cut(text, " ")
	kind, value, _ := strings.Cut(rest, " ")
	return objects.Checksum{Algorithm: algorithm, Type: kind, Value: value}
}

// slot is what stands at a key: the versioning of its bucket and the object that
// readers see, which is nil where there is none.
type slot struct {
	versioning objects.Versioning
	current    *row
}

// The queries of a slot, without the bytes of the object and with them.
const (
	slotQuery = `
		SELECT b.versioning, ` + columns + `
		FROM objects_disk_buckets b LEFT JOIN objects_disk_objects o ON o.bucket = b.name AND o.key = $2
		WHERE b.name = $1`
	fullSlotQuery = `
		SELECT b.versioning, ` + columns + `, c.bytes
		FROM objects_disk_buckets b LEFT JOIN objects_disk_objects o ON o.bucket = b.name AND o.key = $2
			LEFT JOIN objects_disk_contents c ON c.id = o.content
		WHERE b.name = $1`
)

// readSlot returns ErrNoSuchBucket. The object comes without its bytes.
func readSlot(ctx context.Context, tx *db.Tx, bucket, key string) (slot, error) {
	row := tx.QueryRowContext(ctx, slotQuery, bucket, key)
	return scanSlot(row.Scan, bucket, key)
}

// scanSlot scans a row of one of the queries; bytes is where those of the object go.
func scanSlot(scan func(into ...any) error, bucket, key string, bytes ...any) (slot, error) {
	var (
		s                           slot
		id, body, etag, sum         sql.NullString
		said, tags                  sql.NullString
		place, size, parts, content sql.NullInt64
		modified                    sql.NullTime
	)
	into := []any{&s.versioning, &place, &id, &body, &size, &etag, &modified, &parts, &sum, &said, &tags, &content}
	err := scan(append(into, bytes...)...)
	if errors.Is(err, sql.ErrNoRows) {
		return s, objects.ErrNoSuchBucket
	}
	if err == nil && place.Valid {
		s.current = &row{
			bucket: bucket, key: key, place: place.Int64, id: id.String, body: body.String, size: size.Int64, etag: etag.String,
			modified: modified.Time, parts: int(parts.Int64), checksum: sum.String, attributes: said.String, tags: tags.String,
			content: content.Int64,
		}
	}
	return s, err
}

// readVersion returns one version with its bytes, and ErrNoSuchVersion.
func readVersion(ctx context.Context, tx *db.Tx, r objects.Ref) (*row, error) {
	v := &row{bucket: r.Bucket, key: r.Key}
	err := tx.QueryRowContext(ctx, `
		SELECT `+columns+`, c.bytes FROM objects_disk_objects o LEFT JOIN objects_disk_contents c ON c.id = o.content
		WHERE bucket = $1 AND key = $2 AND version_id = $3`,
		r.Bucket, r.Key, r.VersionID).Scan(append(v.into(), &v.bytes)...)
	if !errors.Is(err, sql.ErrNoRows) {
		return v, err
	}
	err = tx.QueryRowContext(ctx, `
		SELECT `+columns+`, c.bytes, marker FROM objects_disk_versions v LEFT JOIN objects_disk_contents c ON c.id = v.content
		WHERE bucket = $1 AND key = $2 AND version_id = $3`,
		r.Bucket, r.Key, r.VersionID).Scan(append(v.into(), &v.bytes, &v.marker)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, objects.ErrNoSuchVersion
	}
	return v, err
}

// readBehind returns the newest of the versions behind the object, and nil where there is
// none. It comes without its bytes.
func readBehind(ctx context.Context, tx *db.Tx, bucket, key string) (*row, error) {
	v := &row{bucket: bucket, key: key}
	err := tx.QueryRowContext(ctx, `
		SELECT `+columns+`, marker FROM objects_disk_versions WHERE bucket = $1 AND key = $2 ORDER BY place LIMIT 1`,
		bucket, key).Scan(append(v.into(), &v.marker)...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return v, err
}

// keepBytes keeps the bytes of a small object in the transaction of its row, and returns
// 0 where there are none.
func keepBytes(ctx context.Context, tx *db.Tx, bytes []byte) (content int64, err error) {
	if len(bytes) > 0 {
		err = tx.QueryRowContext(ctx, "INSERT INTO objects_disk_contents (bytes) VALUES ($1) RETURNING id", bytes).Scan(&content)
	}
	return content, err
}
