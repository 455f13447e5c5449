package disk_test

import (
	"slices"
	"testing"

	"signet/internal/objects"
)

func TestCopySharesTheBodyUntilTheLastOfThemIsGone(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		tags := []objects.Tag{{Key: "k", Value: "v"}}
		said := objects.Attributes{ContentType: "a/b", Meta: map[string]string{"x": "1"}, Tags: tags}
		source, err := s.Put(t.Context(), objects.Put{Attributes: said, Bucket: bucket, Key: "a", Body: text("0123")})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.CreateBucket(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		o, err := s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: "other", Key: "b"})
		if err != nil {
			t.Fatal(err)
		}
		want := source
		want.Bucket, want.Key = "other", "b"
		same(t, "copy", o, want)
		if n := s.files(t); n != 1 {
			t.Errorf("got %d files, want one", n)
		}
		s.delete(t, ref("a"))
		s.sweep(t)
		copied := objects.Ref{Bucket: "other", Key: "b"}
		if got := s.get(t, copied); got != "0123" {
			t.Errorf("got %q, want 0123", got)
		}
		s.delete(t, copied)
		s.sweep(t)
		s.nothingLeft(t)
	})
}

func TestCopyOntoItselfChangesWhatIsSaid(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		before, err := s.Put(t.Context(), objects.Put{
			Attributes: objects.Attributes{ContentType: "a/b", Tags: []objects.Tag{{Key: "k", Value: "v"}}},
			Bucket:     bucket, Key: "a", Body: text("0123"),
		})
		if err != nil {
			t.Fatal(err)
		}
		other := objects.Attributes{ContentType: "c/d"}
		o, err := s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: bucket, Key: "a", Attributes: &other})
		if err != nil || o.ContentType != "c/d" || len(o.Tags) != 1 || o.ETag != before.ETag {
			t.Errorf("got %+v, %v", o, err)
		}
		if o, err = s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: bucket, Key: "a", Tags: &[]objects.Tag{}}); err != nil || o.ContentType != "c/d" || len(o.Tags) != 0 {
			t.Errorf("got %+v, %v", o, err)
		}
		s.versioning(t, objects.VersioningEnabled)
		s.put(t, "a", "4567")
		if _, err := s.Copy(t.Context(), objects.Copy{Source: ref("a", "null"), Bucket: bucket, Key: "a"}); err != nil {
			t.Fatal(err)
		}
		same(t, "an old version comes back", s.history(t), []string{"a=0123 *", "a=4567", "a=0123 null"})
		s.delete(t, ref("a", "null"))
		s.sweep(t)
		same(t, "swept", s.history(t), []string{"a=0123 *", "a=4567"})
	})
}

func TestCopyAsksTheSource(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		o := s.put(t, "a", "0123")
		for _, c := range []struct {
			name string
			c    objects.Conditions
			want error
		}{
			{"If-Match", objects.Conditions{IfMatch: o.ETag}, nil},
			{"If-Match of another", objects.Conditions{IfMatch: "x"}, objects.ErrPrecondition},
			{"If-None-Match", objects.Conditions{IfNoneMatch: o.ETag}, objects.ErrPrecondition},
			{"If-None-Match of another", objects.Conditions{IfNoneMatch: "x"}, nil},
		} {
			_, err := s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: bucket, Key: "b", Conditions: c.c})
			wants(t, c.name, err, c.want)
		}
		_, err := s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: "nowhere", Key: "b"})
		wants(t, "to no bucket", err, objects.ErrNoSuchBucket)
		s.versioning(t, objects.VersioningEnabled)
		marker := s.delete(t, ref("a"))
		_, err = s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: bucket, Key: "b"})
		wants(t, "what a marker hides", err, objects.ErrNoSuchKey)
		_, err = s.Copy(t.Context(), objects.Copy{Source: ref("a", marker.VersionID), Bucket: bucket, Key: "b"})
		wants(t, "a marker", err, objects.ErrRequest)
	})
}

func TestCopyHasTheChecksumThatIsAskedFor(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		u := s.begin(t, "a", objects.Checksum{Algorithm: "SHA256"})
		one, two := noise(1, objects.MinPartSize), noise(2, 100)
		if _, err := s.Complete(t.Context(), completion(u, s.part(t, u, 1, one), s.part(t, u, 2, two))); err != nil {
			t.Fatal(err)
		}
		for _, algorithm := range []string{"SHA256", "CRC64NVME", "CRC32"} {
			o, err := s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: bucket, Key: "b", Checksum: algorithm})
			want := objects.Checksum{Algorithm: algorithm, Type: "FULL_OBJECT", Value: b64(sumOf(algorithm, slices.Concat(one, two)))}
			if err != nil || o.Checksum != want {
				t.Errorf("got %+v, %v; want %+v", o.Checksum, err, want)
			}
		}
		_, err := s.Copy(t.Context(), objects.Copy{Source: ref("a"), Bucket: bucket, Key: "b", Checksum: "MD4"})
		wants(t, "unknown", err, objects.ErrRequest)
	})
}
