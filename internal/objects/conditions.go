package objects

import (
	"errors"
	"strings"
	"time"
)

// Check asks whether a reader wants o, in the order of precedence of RFC 9110,
// section 13.2.2: If-None-Match stands above If-Modified-Since, and If-Match above
// If-Unmodified-Since. It returns ErrPrecondition or ErrNotModified.
//
// Times are compared in whole seconds, as headers say them.
func (c Conditions) Check(o Object) error {
	modified := o.Modified.Truncate(time.Second)
	switch {
	case c.IfMatch != "":
		if !names(c.IfMatch, o.ETag) {
			return ErrPrecondition
		}
	case !c.IfUnmodifiedSince.IsZero() && modified.After(c.IfUnmodifiedSince):
		return ErrPrecondition
	}
	switch {
	case c.IfNoneMatch != "":
		if names(c.IfNoneMatch, o.ETag) {
			return ErrNotModified
		}
	case !c.IfModifiedSince.IsZero() && !modified.After(c.IfModifiedSince):
		return ErrNotModified
	}
	return nil
}

// CheckSource is [Conditions.Check] for the source of a copy, which has no answer but
// ErrPrecondition.
func (c Conditions) CheckSource(o Object) error {
	if err := c.Check(o); err != nil {
		if errors.Is(err, ErrNotModified) {
			return ErrPrecondition
		}
		return err
	}
	return nil
}

// CheckWrite asks whether a writer may replace current, which is nil where there is no
// object. It returns ErrPrecondition and, where If-Match names an object that is not
// there, ErrNoSuchKey.
func (c Conditions) CheckWrite(current *Object) error {
	if current == nil {
		if c.IfMatch != "" {
			return ErrNoSuchKey
		}
		return nil
	}
	if c.IfMatch != "" && !names(c.IfMatch, current.ETag) {
		return ErrPrecondition
	}
	if c.IfNoneMatch != "" && names(c.IfNoneMatch, current.ETag) {
		return ErrPrecondition
	}
	return nil
}

// names reports whether a list of entity tags names etag. S3's tags are strong, and
// its clients leave the quotes out at times. No tag of ours has a comma.
func names(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.Trim(strings.TrimPrefix(tag, "W/"), `"`) == etag {
			return true
		}
	}
	return false
}
