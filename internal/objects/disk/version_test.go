package disk_test

import (
	"testing"

	"signet/internal/objects"
)

func (s store) versioning(t testing.TB, v objects.Versioning) {
	t.Helper()
	if err := s.SetVersioning(t.Context(), bucket, v); err != nil {
		t.Fatal(err)
	}
}

func (s store) delete(t testing.TB, r objects.Ref) objects.Deleted {
	t.Helper()
	d, err := s.Delete(t.Context(), r, objects.Conditions{})
	if err != nil {
		t.Fatalf("delete %+v: %v", r, err)
	}
	return d
}

// history lists the versions of all keys, newest first: their bodies, or - for a marker,
// and a star behind the latest.
func (s store) history(t testing.TB) (all []string) {
	t.Helper()
	l, err := s.ListVersions(t.Context(), objects.List{Bucket: bucket, Max: objects.MaxListed})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range l.Objects {
		line := o.Key + "="
		if o.DeleteMarker {
			line += "-"
		} else {
			line += s.get(t, ref(o.Key, o.VersionID))
		}
		if o.VersionID == objects.NullVersion {
			line += " null"
		}
		if o.Latest {
			line += " *"
		}
		all = append(all, line)
	}
	return all
}

func TestUnversionedBucketKeepsOneObject(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "1")
		if o := s.put(t, "a", "2"); o.VersionID != "" {
			t.Errorf("got version %q, want none", o.VersionID)
		}
		if got := s.get(t, ref("a")); got != "2" {
			t.Errorf("got %q, want 2", got)
		}
		if got := s.get(t, ref("a", "null")); got != "2" {
			t.Errorf("the null version: got %q, want 2", got)
		}
		if d := s.delete(t, ref("a")); d != (objects.Deleted{}) {
			t.Errorf("got %+v, want nothing", d)
		}
		_, err := s.Get(t.Context(), objects.Get{Ref: ref("a")})
		wants(t, "get", err, objects.ErrNoSuchKey)
		s.delete(t, ref("a"))
		s.put(t, "a", "3")
		s.delete(t, ref("a", "null"))
		same(t, "history", s.history(t), []string{})
		s.sweep(t)
		if n := s.files(t); n != 0 {
			t.Errorf("%d files are left", n)
		}
	})
}

func TestEachWriteIsAVersion(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "0") // before
		s.versioning(t, objects.VersioningEnabled)
		one, two := s.put(t, "a", "1"), s.put(t, "a", "2")
		if one.VersionID == "" || one.VersionID == two.VersionID {
			t.Errorf("got versions %q and %q", one.VersionID, two.VersionID)
		}
		same(t, "written", s.history(t), []string{"a=2 *", "a=1", "a=0 null"})

		marker := s.delete(t, ref("a"))
		if !marker.DeleteMarker || marker.VersionID == "" {
			t.Errorf("got %+v, want a marker", marker)
		}
		same(t, "deleted", s.history(t), []string{"a=- *", "a=2", "a=1", "a=0 null"})
		c, err := s.Get(t.Context(), objects.Get{Ref: ref("a")})
		if err != nil || !c.DeleteMarker || c.VersionID != marker.VersionID || c.Body != nil {
			t.Errorf("get: got %+v, %v; want the marker", c, err)
		}
		c, err = s.Get(t.Context(), objects.Get{Ref: ref("a", marker.VersionID)})
		if err != nil || !c.DeleteMarker {
			t.Errorf("get the marker: got %+v, %v", c, err)
		}
		if l, err := s.List(t.Context(), objects.List{Bucket: bucket, Max: 10}); err != nil || len(l.Objects) != 0 {
			t.Errorf("list: got %v, %v; want nothing", l.Objects, err)
		}

		if d := s.delete(t, ref("a", one.VersionID)); d.VersionID != one.VersionID || d.DeleteMarker {
			t.Errorf("delete a version behind: got %+v", d)
		}
		same(t, "a version behind is gone", s.history(t), []string{"a=- *", "a=2", "a=0 null"})
		if d := s.delete(t, ref("a", marker.VersionID)); d.VersionID != marker.VersionID || !d.DeleteMarker {
			t.Errorf("delete the marker: got %+v", d)
		}
		same(t, "the marker is gone", s.history(t), []string{"a=2 *", "a=0 null"})
		if got := s.get(t, ref("a")); got != "2" {
			t.Errorf("got %q, want 2 back", got)
		}
		s.delete(t, ref("a", two.VersionID))
		same(t, "the latest is gone", s.history(t), []string{"a=0 null *"})
		if d := s.delete(t, ref("a", "never")); d.VersionID != "never" || d.DeleteMarker {
			t.Errorf("delete what never was: got %+v", d)
		}
		s.delete(t, ref("a", "null"))
		same(t, "all gone", s.history(t), []string{})
		s.sweep(t)
		if n := s.files(t); n != 0 {
			t.Errorf("%d files are left", n)
		}
	})
}

func TestMarkerBehindAMarkerDoesNotComeForward(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.versioning(t, objects.VersioningEnabled)
		s.put(t, "a", "1")
		s.delete(t, ref("a"))
		second := s.delete(t, ref("a"))
		s.delete(t, ref("a", second.VersionID))
		same(t, "history", s.history(t), []string{"a=- *", "a=1"})
		s.delete(t, ref("b")) // of a key that never was
		same(t, "history", s.history(t), []string{"a=- *", "a=1", "b=- *"})
		s.put(t, "b", "1")
		same(t, "history", s.history(t), []string{"a=- *", "a=1", "b=1 *", "b=-"})
	})
}

func TestSuspendedBucketKeepsOneNullVersion(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.put(t, "a", "0")
		s.versioning(t, objects.VersioningEnabled)
		s.put(t, "a", "1")
		s.versioning(t, objects.VersioningSuspended)
		if o := s.put(t, "a", "2"); o.VersionID != objects.NullVersion {
			t.Errorf("got version %q, want null", o.VersionID)
		}
		same(t, "the null version behind is replaced", s.history(t), []string{"a=2 null *", "a=1"})
		s.put(t, "a", "3")
		same(t, "the null version in front is replaced", s.history(t), []string{"a=3 null *", "a=1"})
		if d := s.delete(t, ref("a")); d.VersionID != objects.NullVersion || !d.DeleteMarker {
			t.Errorf("got %+v, want a null marker", d)
		}
		same(t, "a null marker replaces it", s.history(t), []string{"a=- null *", "a=1"})
		s.delete(t, ref("a"))
		same(t, "a null marker replaces a null marker", s.history(t), []string{"a=- null *", "a=1"})
		s.put(t, "a", "4")
		same(t, "the marker is replaced", s.history(t), []string{"a=4 null *", "a=1"})
		s.versioning(t, objects.VersioningEnabled)
		s.put(t, "a", "5")
		same(t, "the null version stays", s.history(t), []string{"a=5 *", "a=4 null", "a=1"})
		wants(t, "never versioned", s.SetVersioning(t.Context(), bucket, objects.Unversioned), objects.ErrBucketState)
		s.sweep(t)
		if n := s.files(t); n != 3 {
			t.Errorf("got %d files, want 3", n)
		}
	})
}

func TestConditionsOnWritesAreKept(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		put := func(content string, c objects.Conditions) error {
			_, err := s.Put(t.Context(), objects.Put{Bucket: bucket, Key: "a", Body: text(content), Conditions: c})
			return err
		}
		wants(t, "If-Match on nothing", put("0", objects.Conditions{IfMatch: "*"}), objects.ErrNoSuchKey)
		wants(t, "If-None-Match on nothing", put("1", objects.Conditions{IfNoneMatch: "*"}), nil)
		wants(t, "If-None-Match", put("2", objects.Conditions{IfNoneMatch: "*"}), objects.ErrPrecondition)
		wants(t, "If-Match of another", put("3", objects.Conditions{IfMatch: md5Of([]byte("2"))}), objects.ErrPrecondition)
		wants(t, "If-Match", put("4", objects.Conditions{IfMatch: md5Of([]byte("1"))}), nil)

		remove := func(r objects.Ref, etag string) error {
			_, err := s.Delete(t.Context(), r, objects.Conditions{IfMatch: etag})
			return err
		}
		wants(t, "delete another", remove(ref("a"), "x"), objects.ErrPrecondition)
		wants(t, "delete what is not there", remove(ref("b"), "*"), objects.ErrNoSuchKey)
		s.versioning(t, objects.VersioningEnabled)
		wants(t, "delete it", remove(ref("a"), md5Of([]byte("4"))), nil)
		wants(t, "delete what a marker hides", remove(ref("a"), "*"), objects.ErrPrecondition)
		wants(t, "delete another version", remove(ref("a", "null"), "x"), objects.ErrPrecondition)
		wants(t, "delete the version", remove(ref("a", "null"), md5Of([]byte("4"))), nil)
		wants(t, "delete the version once more", remove(ref("a", "null"), "*"), objects.ErrNoSuchVersion)
		wants(t, "put where a marker is", put("5", objects.Conditions{IfNoneMatch: "*"}), nil)
		s.sweep(t)
		if n := s.files(t); n != 1 {
			t.Errorf("got %d files, want that of the last write", n)
		}
	})
}

func TestTagsAreOfOneVersion(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.versioning(t, objects.VersioningEnabled)
		one, two := s.put(t, "a", "1"), s.put(t, "a", "2")
		tags := func(k string) []objects.Tag { return []objects.Tag{{Key: k, Value: "v"}} }
		if id, err := s.SetTags(t.Context(), ref("a"), tags("latest")); err != nil || id != two.VersionID {
			t.Errorf("got %q, %v; want %q", id, err, two.VersionID)
		}
		if id, err := s.SetTags(t.Context(), ref("a", one.VersionID), tags("first")); err != nil || id != one.VersionID {
			t.Errorf("got %q, %v; want %q", id, err, one.VersionID)
		}
		got, id, err := s.Tags(t.Context(), ref("a"))
		if err != nil || id != two.VersionID {
			t.Errorf("got %q, %v", id, err)
		}
		same(t, "latest", got, tags("latest"))
		got, _, err = s.Tags(t.Context(), ref("a", one.VersionID))
		if err != nil {
			t.Error(err)
		}
		same(t, "first", got, tags("first"))
		marker := s.delete(t, ref("a"))
		_, _, err = s.Tags(t.Context(), ref("a"))
		wants(t, "behind a marker", err, objects.ErrNoSuchKey)
		_, _, err = s.Tags(t.Context(), ref("a", marker.VersionID))
		wants(t, "of a marker", err, objects.ErrMethod)
		_, err = s.SetTags(t.Context(), ref("a", marker.VersionID), nil)
		wants(t, "of a marker", err, objects.ErrMethod)
	})
}

func TestBucketGoesOnlyWhenItIsEmpty(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.versioning(t, objects.VersioningEnabled)
		one := s.put(t, "a", "1")
		wants(t, "with an object", s.DeleteBucket(t.Context(), bucket), objects.ErrBucketNotEmpty)
		s.delete(t, ref("a"))
		wants(t, "with a version", s.DeleteBucket(t.Context(), bucket), objects.ErrBucketNotEmpty)
		s.delete(t, ref("a", one.VersionID))
		wants(t, "with a marker", s.DeleteBucket(t.Context(), bucket), objects.ErrBucketNotEmpty)
		for _, o := range s.history(t) {
			t.Log(o)
		}
		l, err := s.ListVersions(t.Context(), objects.List{Bucket: bucket, Max: 1})
		if err != nil {
			t.Fatal(err)
		}
		s.delete(t, ref("a", l.Objects[0].VersionID))
		u := objects.Upload{Bucket: bucket, Key: "b"}
		if u.ID, err = s.CreateUpload(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutPart(t.Context(), u, 1, text("1")); err != nil {
			t.Fatal(err)
		}
		if err := s.CreateBucket(t.Context(), bucket); err != nil {
			t.Errorf("create what is there: %v", err)
		}
		wants(t, "with an upload", s.DeleteBucket(t.Context(), bucket), nil)
		wants(t, "once more", s.DeleteBucket(t.Context(), bucket), objects.ErrNoSuchBucket)
		_, err = s.Versioning(t.Context(), bucket)
		wants(t, "versioning", err, objects.ErrNoSuchBucket)
		wants(t, "set versioning", s.SetVersioning(t.Context(), bucket, objects.VersioningEnabled), objects.ErrNoSuchBucket)
		if err := s.CreateBucket(t.Context(), bucket); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Versioning(t.Context(), bucket); err != nil || v != objects.Unversioned {
			t.Errorf("a new bucket of that name: got %q, %v", v, err)
		}
		_, err = s.PutPart(t.Context(), u, 2, text("2"))
		wants(t, "a part of the old upload", err, objects.ErrNoSuchUpload)
		s.sweep(t)
		if n := s.files(t); n != 0 {
			t.Errorf("%d files are left", n)
		}
	})
}
