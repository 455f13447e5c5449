package disk_test

import (
	"strings"
	"testing"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

func TestSmallBodiesStandInTheirRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStore(t, d, disk.Options{})
		small, large := strings.Repeat("x", disk.Inline), strings.Repeat("x", disk.Inline+1)
		s.put(t, "small", small)
		if n := s.files(t); n != 0 {
			t.Errorf("got %d files, want none", n)
		}
		s.put(t, "large", large)
		if n := s.files(t); n != 1 {
			t.Errorf("got %d files, want that of the large one", n)
		}
		s.put(t, "empty", "")
		for key, want := range map[string]string{"small": small, "large": large, "empty": ""} {
			if got := s.get(t, ref(key)); got != want {
				t.Errorf("%s: got %d bytes, want %d", key, len(got), len(want))
			}
		}
		s.put(t, "digits", "0123456789")
		for _, g := range []objects.Get{{Range: &objects.Range{First: 2, Last: 5}}, {Range: &objects.Range{First: -8, Last: -1}}, {Part: 1}} {
			g.Ref = ref("digits")
			want := map[bool]string{true: "0123456789"}[g.Part == 1]
			if g.Range != nil {
				want = map[int64]string{2: "2345", -8: "23456789"}[g.Range.First]
			}
			if got, err := read(t.Context(), s.Store, g); err != nil || string(got) != want {
				t.Errorf("%+v: got %q, %v; want %q", g, got, err, want)
			}
		}

		s.versioning(t, objects.VersioningEnabled)
		s.put(t, "digits", "second")
		o, err := s.Copy(t.Context(), objects.Copy{Source: ref("digits", "null"), Bucket: bucket, Key: "digits", Checksum: "CRC32"})
		if err != nil || o.Checksum.Value != b64(sumOf("CRC32", []byte("0123456789"))) {
			t.Errorf("copy: got %+v, %v", o, err)
		}
		s.delete(t, ref("digits"))
		s.put(t, "digits", large)
		var bodies []string
		for _, line := range s.history(t) {
			if strings.HasPrefix(line, "digits=") && len(line) < 50 {
				bodies = append(bodies, line)
			}
		}
		same(t, "history", bodies, []string{"digits=-", "digits=0123456789", "digits=second", "digits=0123456789 null"})

		u := s.begin(t, "parts")
		p, err := s.CopyPart(t.Context(), u, 1, objects.Get{Ref: ref("small"), Range: &objects.Range{First: 0, Last: 9}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Complete(t.Context(), completion(u, p)); err != nil {
			t.Fatal(err)
		}
		if got := s.get(t, ref("parts")); got != strings.Repeat("x", 10) {
			t.Errorf("got %q", got)
		}
		for l := s.all(t); len(l) > 0; l = s.all(t) {
			for _, o := range l {
				s.delete(t, ref(o.Key, o.VersionID))
			}
		}
		s.sweep(t)
		s.nothingLeft(t)
	})
}

// all lists all versions.
func (s store) all(t testing.TB) []objects.Object {
	t.Helper()
	l, err := s.ListVersions(t.Context(), objects.List{Bucket: bucket, Max: objects.MaxListed})
	if err != nil {
		t.Fatal(err)
	}
	return l.Objects
}
