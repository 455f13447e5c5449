package objects

import (
	"slices"
	"strings"

	"signet/internal/db"
	"signet/internal/fault"
)

// ErrAllowance is a text that no [Allowance] is written so.
var ErrAllowance = fault.New(fault.Invalid, "must be BUCKET:ROLE or BUCKET/PREFIX*:ROLE, where ROLE is read, write or admin, and BUCKET may end with *")

// Allowance is what somebody may do where: a role on buckets, or on keys of a beginning.
type Allowance struct {
	Bucket string // a name, or the beginning of names with * at its end
	Prefix string // only keys that begin so; empty: all, and the bucket itself
	Role   Role
}

// ParseAllowance reads a text such as photos:read, photos/2026/*:write or logs-*:admin.
// It returns ErrAllowance.
func ParseAllowance(text string) (Allowance, error) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return Allowance{}, ErrAllowance
	}
	name, prefix, deeper := strings.Cut(text[:colon], "/")
	if deeper {
		var star bool
		if prefix, star = strings.CutSuffix(prefix, "*"); !star || prefix == "" {
			return Allowance{}, ErrAllowance
		}
	}
	a := Allowance{Bucket: name, Prefix: prefix, Role: Role(text[colon+1:])}
	return a, a.check()
}

// String writes it as ParseAllowance reads it.
func (a Allowance) String() string {
	if a.Prefix == "" {
		return a.Bucket + ":" + string(a.Role)
	}
	return a.Bucket + "/" + a.Prefix + "*:" + string(a.Role)
}

func (a Allowance) check() error {
	name, star := strings.CutSuffix(a.Bucket, "*")
	switch {
	case a.Role.rank() == 0:
		return ErrAllowance.At("role")
	case !star && !goodBucketName(name), star && !goodBeginning(name):
		return ErrAllowance.At("bucket")
	case len(a.Prefix) > MaxKeyLength:
		return ErrAllowance.At("prefix")
	}
	return db.Clean("prefix", a.Prefix)
}

// goodBeginning reports whether names of buckets can begin so.
func goodBeginning(s string) bool {
	return len(s) < 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}

// rank orders the roles; 0 is none.
func (r Role) rank() int { return slices.Index([]Role{Read, Write, Admin}, r) + 1 }

// names reports whether the allowance is about the bucket.
func (a Allowance) names(bucket string) bool {
	if beginning, star := strings.CutSuffix(a.Bucket, "*"); star {
		return strings.HasPrefix(bucket, beginning)
	}
	return a.Bucket == bucket
}

// covers reports whether the allowance is enough for what is asked. One of a prefix is
// about keys that begin so, and lists no others; the bucket itself it leaves alone.
func (a Allowance) covers(q Question) bool {
	if !a.names(q.Bucket.Name) || q.Needs.rank() == 0 || a.Role.rank() < q.Needs.rank() {
		return false
	}
	switch {
	case a.Prefix == "":
		return true
	case q.Key != "":
		return strings.HasPrefix(q.Key, a.Prefix)
	case !slices.Contains(listing, q.Action):
		return false
	}
	asked := q.Values["s3:prefix"]
	return len(asked) > 0 && strings.HasPrefix(asked[0], a.Prefix)
}

// listing are the actions that tell keys, of those that begin with s3:prefix.
var listing = []string{"s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"}
