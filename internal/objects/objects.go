// Package objects is the S3 door: buckets and objects behind requests that prove
// their key (AWS Signature Version 4), and the keys, grants and policies that say
// who may do what.
//
// What keeps the objects is a [Store]: internal/objects/disk keeps them on this
// machine, internal/objects/upstream in any other S3 service. The door never asks a
// store whether somebody may: it asks [Access] first.
package objects

import (
	"context"
	"io"
	"time"
)

// MaxKeyLength is how long the key of an object may be, in bytes.
const MaxKeyLength = 1024

// MaxParts is the highest number of a part of a multipart upload.
const MaxParts = 10_000

// MinPartSize is how long each part but the last must be, in bytes.
const MinPartSize = 5 << 20

// MaxListed is how many entries a page of a list has at most.
const MaxListed = 1000

// Versioning is what a bucket does with the versions before.
type Versioning string

// The states of versioning; a bucket that once had it can only suspend it.
const (
	Unversioned         Versioning = ""
	VersioningEnabled   Versioning = "Enabled"
	VersioningSuspended Versioning = "Suspended"
)

// NullVersion is the id of the version that was written while versioning was off.
const NullVersion = "null"

// Checksum is one that the client declared and the door verified.
type Checksum struct {
	Algorithm string // CRC32, CRC32C, CRC64NVME, SHA1 or SHA256
	Value     string // base64, of a multipart object with -N behind it where it is of the type COMPOSITE
	Type      string // FULL_OBJECT or COMPOSITE; empty means FULL_OBJECT
}

// Attributes are what a client says of an object and gets back with it.
type Attributes struct {
	ContentType        string
	CacheControl       string
	ContentDisposition string
	ContentEncoding    string // without aws-chunked
	ContentLanguage    string
	Expires            string            // as it was sent
	Meta               map[string]string // x-amz-meta-*, names in lower case without the prefix
	Tags               []Tag             // in the order of their keys
}

// Tag is a tag of an object.
type Tag struct{ Key, Value string }

// Object is one version of an object, without its body.
type Object struct {
	Attributes

	Bucket, Key  string
	VersionID    string // empty where the bucket never had versioning
	Size         int64
	ETag         string // without quotes
	Modified     time.Time
	Checksum     Checksum // zero: none
	Parts        int      // of a multipart object; else 0
	Latest       bool     // in lists of versions
	DeleteMarker bool
}

// Body is what a client sends. Its last byte comes only once the proof over all of it
// holds: a store that commits at io.EOF alone never keeps a forged one.
type Body interface {
	io.Reader
	Length() int64         // bytes of the object; -1 where the client does not say: forms
	Checksums() []Checksum // that the client declared and that held; after io.EOF
}

// Conditions are the preconditions of RFC 9110, section 13, on reading, writing and
// copying. Zero values ask for nothing.
type Conditions struct {
	IfMatch           string // entity tags as sent, or *
	IfNoneMatch       string
	IfModifiedSince   time.Time
	IfUnmodifiedSince time.Time
}

// Range is a part of an object: First to Last, both within it. A negative First asks
// for the last -First bytes; Last below 0 means to the end.
type Range struct{ First, Last int64 }

// Ref names an object, or one version of it.
type Ref struct {
	Bucket, Key string
	VersionID   string // empty: the latest
}

// Get asks for an object.
type Get struct {
	Ref

	Conditions Conditions
	Range      *Range // nil: all of it
	Part       int    // that part of a multipart object; 0: all of it
}

// Content is an object with the part of its body that was asked for. Of a delete marker
// it has the Object alone: the door answers 404 or, where the version was named, 405.
type Content struct {
	Object

	First, Length int64 // where the body begins, and how long it is
	Partial       bool  // answer 206
	Body          io.ReadCloser
}

// Put is an object to keep.
type Put struct {
	Attributes

	Bucket, Key string
	Conditions  Conditions // If-Match and If-None-Match
	Body        Body
}

// Copy is an object to make of another, or of a part of it.
type Copy struct {
	Source     Ref
	Conditions Conditions // on the source
	Bucket     string
	Key        string
	Attributes *Attributes // nil: those of the source
	Tags       *[]Tag      // nil: those of the source
	Checksum   string      // algorithm to compute; empty: as the source has it
}

// Deleted is what became of a deletion.
type Deleted struct {
	VersionID    string // of the marker made, or of the version removed
	DeleteMarker bool
}

// List asks for a page of a bucket's objects, versions or uploads, in the order of the
// bytes of their keys.
type List struct {
	Bucket    string
	Prefix    string
	Delimiter string // any string; empty: none
	After     string // only keys, and common prefixes, after this one
	AfterID   string // with After: the version or upload of that key that ended the page before
	Max       int    // 0 to MaxListed
}

// Listing is a page.
type Listing struct {
	Objects  []Object // in lists of versions: each version and marker, newest first within its key
	Prefixes []string // what the delimiter rolled up; ordered, and counted into Max
	Next     string   // the key or prefix to go on after; empty: this was the last page
	NextID   string
}

// Upload is a multipart upload that is under way.
type Upload struct {
	Attributes

	Bucket, Key string
	ID          string
	Begun       time.Time
	By          string   // AccessKeyID of who began it
	Checksum    Checksum // the algorithm and type that was asked for; no value
}

// Uploads is a page of uploads.
type Uploads struct {
	Uploads  []Upload
	Prefixes []string
	Next     string
	NextID   string
}

// Part is a part of an upload.
type Part struct {
	Number   int // 1 to MaxParts
	Size     int64
	ETag     string
	Modified time.Time
	Checksum Checksum
}

// Completion is what a client says an object consists of.
type Completion struct {
	Bucket, Key, UploadID string
	Parts                 []Part // number, ETag and, where the client says so, checksum
	Conditions            Conditions
	Checksum              Checksum // of the whole, where the client says so
	Size                  int64    // of the whole, where the client says so (x-amz-mp-object-size); else -1
}

// Store keeps buckets' objects. Its methods are safe for concurrent use, and what they
// answered is durable. A reader sees the object before or the object after, whole.
//
// They return the faults of this package, among them ErrNoSuchBucket, ErrNoSuchKey,
// ErrNoSuchVersion, ErrNoSuchUpload, ErrPrecondition, ErrNotModified and ErrRange.
// A method that a [Body]'s Read stopped returns Read's error, wrapped at most, and keeps nothing.
type Store interface {
	MayMake(ctx context.Context, bucket string) error      // ErrBucketExists where it has one that clients must not take over
	CreateBucket(ctx context.Context, bucket string) error // nil where it is there
	DeleteBucket(ctx context.Context, bucket string) error // ErrBucketNotEmpty
	Versioning(ctx context.Context, bucket string) (Versioning, error)
	SetVersioning(ctx context.Context, bucket string, v Versioning) error

	Put(ctx context.Context, p Put) (Object, error)
	Get(ctx context.Context, g Get) (*Content, error)  // the caller closes the body; with ErrNotModified there is none
	Head(ctx context.Context, g Get) (*Content, error) // the same without a body
	Copy(ctx context.Context, c Copy) (Object, error)
	Delete(ctx context.Context, r Ref, c Conditions) (Deleted, error) // no error where the key is not there
	Tags(ctx context.Context, r Ref) ([]Tag, string, error)           // and the version they are of
	SetTags(ctx context.Context, r Ref, tags []Tag) (string, error)

	List(ctx context.Context, l List) (Listing, error)
	ListVersions(ctx context.Context, l List) (Listing, error)

	CreateUpload(ctx context.Context, u Upload) (string, error)
	PutPart(ctx context.Context, u Upload, number int, b Body) (Part, error)
	CopyPart(ctx context.Context, u Upload, number int, from Get) (Part, error)
	Complete(ctx context.Context, c Completion) (Object, error)
	Abort(ctx context.Context, u Upload) error
	Parts(ctx context.Context, u Upload, after, limit int) (Upload, []Part, bool, error) // true: there are more
	Uploads(ctx context.Context, l List) (Uploads, error)
}
