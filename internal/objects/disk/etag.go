package disk

import (
	"crypto/md5" //nolint:gosec // S3's entity tags are MD5s by their definition; they prove nothing
	"hash"
)

// newETag computes an entity tag.
func newETag() hash.Hash { return md5.New() } //nolint:gosec // as above
