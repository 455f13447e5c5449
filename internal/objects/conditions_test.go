package objects_test

import (
	"errors"
	"testing"
	"time"

	"signet/internal/objects"
)

var written = time.Date(2026, 5, 4, 12, 0, 0, 250_000_000, time.UTC)

func TestReaderIsAnsweredInTheOrderOfPrecedence(t *testing.T) {
	o := objects.Object{ETag: "abc", Modified: written}
	second := written.Truncate(time.Second)
	before, later := second.Add(-time.Second), second.Add(time.Second)
	for _, c := range []struct {
		name string
		c    objects.Conditions
		want error
	}{
		{"nothing asked", objects.Conditions{}, nil},
		{"If-Match of its tag", objects.Conditions{IfMatch: `"abc"`}, nil},
		{"If-Match without quotes", objects.Conditions{IfMatch: `abc`}, nil},
		{"If-Match of a list", objects.Conditions{IfMatch: `"x", "abc"`}, nil},
		{"If-Match of all", objects.Conditions{IfMatch: `*`}, nil},
		{"If-Match of another tag", objects.Conditions{IfMatch: `"ab"`}, objects.ErrPrecondition},
		{"If-None-Match of its tag", objects.Conditions{IfNoneMatch: `"abc"`}, objects.ErrNotModified},
		{"If-None-Match of its weak tag", objects.Conditions{IfNoneMatch: `W/"abc"`}, objects.ErrNotModified},
		{"If-None-Match of all", objects.Conditions{IfNoneMatch: `*`}, objects.ErrNotModified},
		{"If-None-Match of another tag", objects.Conditions{IfNoneMatch: `"abcd"`}, nil},
		{"modified since the second before", objects.Conditions{IfModifiedSince: before}, nil},
		{"modified since its own second", objects.Conditions{IfModifiedSince: second}, objects.ErrNotModified},
		{"unmodified since the second before", objects.Conditions{IfUnmodifiedSince: before}, objects.ErrPrecondition},
		{"unmodified since its own second", objects.Conditions{IfUnmodifiedSince: second}, nil},
		{"If-Match stands above If-Unmodified-Since", objects.Conditions{IfMatch: "abc", IfUnmodifiedSince: before}, nil},
		{"If-None-Match stands above If-Modified-Since", objects.Conditions{IfNoneMatch: "x", IfModifiedSince: later}, nil},
		{"a failed If-Match stands above If-None-Match", objects.Conditions{IfMatch: "x", IfNoneMatch: "abc"}, objects.ErrPrecondition},
		{"both of the first hold", objects.Conditions{IfMatch: "abc", IfNoneMatch: "abc"}, objects.ErrNotModified},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.c.Check(o); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			want := c.want
			if want != nil {
				want = objects.ErrPrecondition
			}
			if err := c.c.CheckSource(o); !errors.Is(err, want) {
				t.Errorf("as the source of a copy: got %v, want %v", err, want)
			}
		})
	}
}

func TestWriterIsAnsweredByWhatIsThere(t *testing.T) {
	o := &objects.Object{ETag: "abc", Modified: written}
	for _, c := range []struct {
		name string
		c    objects.Conditions
		at   *objects.Object
		want error
	}{
		{"nothing asked, nothing there", objects.Conditions{}, nil, nil},
		{"nothing asked", objects.Conditions{}, o, nil},
		{"only where there is none, none there", objects.Conditions{IfNoneMatch: "*"}, nil, nil},
		{"only where there is none", objects.Conditions{IfNoneMatch: "*"}, o, objects.ErrPrecondition},
		{"only this one", objects.Conditions{IfMatch: `"abc"`}, o, nil},
		{"only another one", objects.Conditions{IfMatch: `"x"`}, o, objects.ErrPrecondition},
		{"only this one, none there", objects.Conditions{IfMatch: `"abc"`}, nil, objects.ErrNoSuchKey},
		{"only where there is one, none there", objects.Conditions{IfMatch: "*"}, nil, objects.ErrNoSuchKey},
		{"only where it is not this one", objects.Conditions{IfNoneMatch: `"abc"`}, o, objects.ErrPrecondition},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.c.CheckWrite(c.at); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
