package objects_test

import (
	"bytes"
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
	"signet/internal/objects/objectstest"
)

// browsing is an office with a door, and people at the console.
func browsing(t *testing.T, d *db.DB) (*office, *objects.Browser, *objectstest.House) {
	t.Helper()
	o := newOffice(t, d)
	store, err := disk.New(d, t.TempDir(), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := objectstest.Open(t, d, store, func(door *objects.DoorOptions) {
		door.Lookup, door.Admit, door.Allow, door.Now = o.keys.Lookup, o.keys.Admit, o.access.Allow, o.clock.now
	})
	return o, objects.NewBrowser(store, o.buckets, o.access, o.keys, h.URL, "us-east-1", o.clock.now), h
}

func TestPersonLooksIntoTheirBucketsAlone(t *testing.T) {
	o, w, _ := browsing(t, dbtest.SQLite(t))
	ann, bob := o.as(o.ann, o.acme), o.as(o.bob, o.acme)
	if _, err := w.Make(ann, "papers"); err != nil {
		t.Fatal(err)
	}
	mine, err := w.Mine(ann)
	if err != nil || len(mine) != 1 || mine[0].Name != "papers" {
		t.Errorf("got %+v, %v", mine, err)
	}
	if _, _, err := w.Look(ann, "papers", "", ""); err != nil {
		t.Errorf("the owner: %v", err)
	}
	for what, err := range map[string]error{
		"look":   func() error { _, _, err := w.Look(bob, "papers", "", ""); return err }(),
		"remove": w.Remove(bob, "papers", "k"), "delete": w.RemoveBucket(bob, "papers"),
		"link":   func() error { _, err := w.Link(bob, "papers", "k", time.Hour); return err }(),
		"upload": func() error { _, err := w.UploadForm(bob, "papers", "", ""); return err }(),
	} {
		if !errors.Is(err, objects.ErrAccessDenied) {
			t.Errorf("%s by another: got %v, want ErrAccessDenied", what, err)
		}
	}
	if _, err := w.Mine(context.Background()); err == nil {
		t.Error("nobody got buckets")
	}
}

func TestGrantsGoWithTheirBucket(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o, w, _ := browsing(t, d)
		ann, bob := o.as(o.ann, o.acme), o.as(o.bob, o.acme)
		remake := func() {
			if _, err := w.Make(ann, "papers"); err != nil {
				t.Fatal(err)
			}
		}
		remake()
		_, err := o.access.Grant(ann, objects.NewGrant{User: o.bob, Allowance: objects.Allowance{Bucket: "papers", Role: objects.Read}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Look(bob, "papers", "", ""); err != nil {
			t.Fatalf("with the grant: %v", err)
		}
		if err := w.RemoveBucket(ann, "papers"); err != nil {
			t.Fatal(err)
		}
		remake()
		o.clock.advance(time.Second)
		if _, _, err := w.Look(bob, "papers", "", ""); !errors.Is(err, objects.ErrAccessDenied) {
			t.Errorf("in another bucket of that name: got %v, want ErrAccessDenied", err)
		}
	})
}

func TestPersonLooksForWhatNothingIsCalled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o, w, _ := browsing(t, d)
		ann := o.as(o.ann, o.acme)
		if _, err := w.Make(ann, "papers"); err != nil {
			t.Fatal(err)
		}
		if v, err := w.Versioning(ann, "papers"); err != nil || v != objects.Unversioned {
			t.Errorf("versioning: got %q, %v", v, err)
		}
		if _, err := w.Versioning(o.as(o.bob, o.acme), "papers"); !errors.Is(err, objects.ErrAccessDenied) {
			t.Errorf("versioning for another: got %v, want ErrAccessDenied", err)
		}
		for _, c := range []struct {
			bucket, prefix string
			want           error
		}{
			{"pa\x00pers", "", objects.ErrNoSuchBucket},
			{"nothing", "", objects.ErrNoSuchBucket},
			{"papers", "a\x00b", objects.ErrArgument},
			{"papers", "\xff", objects.ErrArgument},
			{"papers", strings.Repeat("x", 1025), objects.ErrKeyTooLong},
		} {
			if _, _, err := w.Look(ann, c.bucket, c.prefix, ""); !errors.Is(err, c.want) {
				t.Errorf("%q below %.20q: got %v, want %v", c.bucket, c.prefix, err, c.want)
			}
		}
		if err := w.Remove(ann, "papers", "a\x00b"); !errors.Is(err, objects.ErrArgument) {
			t.Errorf("remove: got %v, want ErrArgument", err)
		}
	})
}

func TestFormAndLinkGoThroughTheDoor(t *testing.T) {
	o, w, h := browsing(t, dbtest.SQLite(t))
	ann := o.as(o.ann, o.acme)
	if _, err := w.Make(ann, "papers"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UploadForm(ann, "papers", "2026/", "https://auth.example.org/console/buckets"); !errors.Is(err, objects.ErrNoOwnKey) {
		t.Fatalf("without a key: got %v, want ErrNoOwnKey", err)
	}
	if _, _, err := o.keys.Create(ann, objects.NewKey{Name: "mine", User: o.ann}); err != nil {
		t.Fatal(err)
	}
	f, err := w.UploadForm(ann, "papers", "2026/", "https://auth.example.org/console/buckets")
	if err != nil {
		t.Fatal(err)
	}
	post := func(change func(name, value string) string) objectstest.Answer {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		for _, field := range f.Fields {
			_ = m.WriteField(field.Name, change(field.Name, field.Value))
		}
		part, _ := m.CreateFormFile("file", "é plan.txt")
		_, _ = part.Write([]byte("the plan"))
		_ = m.Close()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.Action, &b)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", m.FormDataContentType())
		return h.Do(r)
	}
	same := func(_, value string) string { return value }
	if a := post(same); a.Status != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "https://auth.example.org/console/buckets?") {
		t.Fatalf("upload: got %d %v %s", a.Status, a.Header, a.Body)
	}
	post(func(name, value string) string {
		if name == "key" {
			return "elsewhere/${filename}"
		}
		return value
	}).Wants(t, "another prefix than was signed", 403, "AccessDenied")
	_, page, err := w.Look(ann, "papers", "2026/", "")
	if err != nil || len(page.Objects) != 1 || page.Objects[0].Key != "2026/é plan.txt" {
		t.Fatalf("got %+v, %v", page, err)
	}
	link, err := w.Link(ann, "papers", "2026/é plan.txt", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	get := func() objectstest.Answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		return h.Do(r)
	}
	if a := get(); a.Body != "the plan" {
		t.Errorf("link: got %d %s", a.Status, a.Body)
	}
	o.clock.advance(time.Hour + time.Second)
	get().Wants(t, "an hour later", 403, "AccessDenied")
	if _, err := w.Link(ann, "papers", "k", time.Second); !errors.Is(err, objects.ErrLinkLife) {
		t.Errorf("a link of a second: got %v, want ErrLinkLife", err)
	}
}
