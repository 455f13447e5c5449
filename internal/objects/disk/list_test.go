package disk_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/objects"
	"signet/internal/objects/disk"
)

// listed is a page by names: keys, prefixes in brackets.
func listed(l objects.Listing) (all []string) {
	for _, o := range l.Objects {
		all = append(all, o.Key)
	}
	for _, p := range l.Prefixes {
		all = append(all, "["+p+"]")
	}
	return all
}

func TestListRollsUpWhatTheDelimiterSays(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		for _, key := range []string{"a", "b/1", "b/2", "b/c/3", "c//4", "d", "ä/5", "퟿/6", "\U0010FFFF/7", "\U0010FFFF8"} {
			s.put(t, key, key)
		}
		for _, c := range []struct {
			name string
			l    objects.List
			want []string
			next string
		}{
			{"all", objects.List{Max: 20}, []string{"a", "b/1", "b/2", "b/c/3", "c//4", "d", "ä/5", "퟿/6", "\U0010FFFF/7", "\U0010FFFF8"}, ""},
			{"folders", objects.List{Delimiter: "/", Max: 20}, []string{"a", "d", "\U0010FFFF8", "[b/]", "[c/]", "[ä/]", "[퟿/]", "[\U0010FFFF/]"}, ""},
			{"a folder", objects.List{Prefix: "b/", Delimiter: "/", Max: 20}, []string{"b/1", "b/2", "[b/c/]"}, ""},
			{"a page", objects.List{Delimiter: "/", Max: 2}, []string{"a", "[b/]"}, "b/"},
			{"the next page", objects.List{Delimiter: "/", Max: 2, After: "b/"}, []string{"d", "[c/]"}, "d"},
			{"a full page that is the last", objects.List{Prefix: "b/", Max: 3}, []string{"b/1", "b/2", "b/c/3"}, ""},
			{"prefix before After", objects.List{Prefix: "b/", After: "b/1", Max: 20}, []string{"b/2", "b/c/3"}, ""},
			{"prefix behind After", objects.List{Prefix: "b/", After: "a", Max: 20}, []string{"b/1", "b/2", "b/c/3"}, ""},
			{"prefix that After has passed", objects.List{Prefix: "b/", After: "c", Max: 20}, nil, ""},
			{"After within a folder", objects.List{Delimiter: "/", After: "b/1", Max: 20}, []string{"d", "\U0010FFFF8", "[c/]", "[ä/]", "[퟿/]", "[\U0010FFFF/]"}, ""},
			{"delimiter of two characters", objects.List{Delimiter: "//", Prefix: "c", Max: 20}, []string{"[c//]"}, ""},
			{"prefix that is a key", objects.List{Prefix: "d", Delimiter: "/", Max: 20}, []string{"d"}, ""},
			{"the last characters there are", objects.List{Prefix: "\U0010FFFF", Max: 20}, []string{"\U0010FFFF/7", "\U0010FFFF8"}, ""},
			{"before the surrogates", objects.List{Prefix: "퟿", Max: 20}, []string{"퟿/6"}, ""},
			{"nothing", objects.List{Max: 0}, nil, ""},
		} {
			c.l.Bucket = bucket
			l, err := s.List(t.Context(), c.l)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			same(t, c.name, listed(l), c.want)
			if l.Next != c.next || l.NextID != "" {
				t.Errorf("%s: goes on after %q %q, want %q", c.name, l.Next, l.NextID, c.next)
			}
		}
	})
}

// model lists as a list is defined: everything is read, nothing is skipped.
func model(keys []string, l objects.List) (all []string, next string) {
	var last string
	seen := map[string]bool{}
	for _, key := range keys {
		entry := key
		rest, ok := strings.CutPrefix(key, l.Prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, l.Delimiter); l.Delimiter != "" && i >= 0 {
			entry = "[" + l.Prefix + rest[:i+len(l.Delimiter)] + "]"
		}
		name := strings.Trim(entry, "[]")
		if seen[entry] || name <= l.After {
			continue
		}
		if len(all) == l.Max {
			return all, last
		}
		seen[entry] = true
		all, last = append(all, entry), name
	}
	return all, ""
}

// randomKey has few characters, so that prefixes meet; some of them stand at the edges
// of what UTF-8 has.
func randomKey(r *rand.Rand) string {
	characters := []rune{'a', 'b', '/', '/', '-', 0x7F, 0x80, 0x7FF, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF}
	key := make([]rune, 1+r.IntN(5))
	for i := range key {
		key[i] = characters[r.IntN(len(characters))]
	}
	return string(key)
}

func TestPagesAreThoseOfANaiveList(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		unique := map[string]bool{}
		for range 400 {
			unique[randomKey(r)] = true
		}
		var keys []string
		for key := range unique {
			keys = append(keys, key)
			s.put(t, key, "")
		}
		slices.Sort(keys)
		for range 600 {
			l := objects.List{Bucket: bucket, Max: 1 + r.IntN(40)}
			if r.IntN(2) == 0 {
				l.Prefix = string([]rune(randomKey(r))[:1])
			}
			if r.IntN(3) > 0 {
				l.Delimiter = []string{"/", "a", "-", "//", "\U0010FFFF"}[r.IntN(5)]
			}
			if r.IntN(3) > 0 {
				l.After = randomKey(r)
			}
			got, err := s.List(t.Context(), l)
			if err != nil {
				t.Fatalf("%#v: %v", l, err)
			}
			want, next := model(keys, l)
			have := listed(got)
			slices.Sort(have)
			slices.Sort(want)
			if !slices.Equal(have, want) || got.Next != next {
				t.Fatalf("%#v: got %q and %q, want %q and %q", l, have, got.Next, want, next)
			}
		}
	})
}

func TestVersionsArePagedWithinAKey(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.versioning(t, objects.VersioningEnabled)
		for range 5 {
			for _, key := range []string{"a", "b", "c/1", "c/2", "d"} {
				s.put(t, key, "x")
			}
			s.delete(t, ref("b"))
		}
		whole, err := s.ListVersions(t.Context(), objects.List{Bucket: bucket, Max: 1000})
		if err != nil || len(whole.Objects) != 30 || whole.Next != "" {
			t.Fatalf("got %d versions and %q, %v; want 30 in one page", len(whole.Objects), whole.Next, err)
		}
		for size := 1; size < 32; size++ {
			var all []objects.Object
			l := objects.List{Bucket: bucket, Max: size}
			for {
				p, err := s.ListVersions(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, p.Objects...)
				if p.Next == "" {
					break
				}
				l.After, l.AfterID = p.Next, p.NextID
			}
			same(t, fmt.Sprintf("pages of %d", size), all, whole.Objects)
		}
		folders, err := s.ListVersions(t.Context(), objects.List{Bucket: bucket, Max: 1000, Delimiter: "/"})
		if err != nil || len(folders.Objects) != 20 || !slices.Equal(folders.Prefixes, []string{"c/"}) {
			t.Errorf("got %d versions and %q, %v; want 20 and c/", len(folders.Objects), folders.Prefixes, err)
		}
		rest, err := s.ListVersions(t.Context(), objects.List{Bucket: bucket, Max: 1000, Delimiter: "/", After: "c/"})
		if err != nil || len(rest.Objects) != 5 || rest.Objects[0].Key != "d" {
			t.Errorf("after the folder: got %d versions, %v; want those of d", len(rest.Objects), err)
		}
	})
}

func TestWhoDeletesEachPageOfVersionsMeetsAll(t *testing.T) {
	each(t, func(t *testing.T, s store) {
		s.versioning(t, objects.VersioningEnabled)
		for range 7 {
			s.put(t, "a", "x")
			s.put(t, "b", "x")
			s.delete(t, ref("b"))
		}
		for l := (objects.List{Bucket: bucket, Max: 4}); ; {
			p, err := s.ListVersions(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range p.Objects {
				s.delete(t, ref(o.Key, o.VersionID))
			}
			if p.Next == "" {
				break
			}
			l.After, l.AfterID = p.Next, p.NextID
		}
		same(t, "history", s.history(t), []string{})
	})
}

// fill puts many keys of no bytes at once.
func fill(t testing.TB, d *db.DB, bucket string, keys int, key func(i int) string) {
	t.Helper()
	for i := 0; i < keys; {
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			for end := min(keys, i+10_000); i < end; i++ {
				_, err := tx.ExecContext(t.Context(), `
					INSERT INTO objects_disk_objects (bucket, key, place, version_id, body, size, etag, modified_at, parts, checksum, attributes, tags, content)
					VALUES ($1, $2, 0, 'null', '', 0, 'd41d8cd98f00b204e9800998ecf8427e', $3, 0, '', '{}', '[]', 0)`,
					bucket, key(i), db.Now(time.Now()))
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A page reads as many rows as it has entries, and a few more, wherever it begins and
// however many keys it rolls up.
func TestPageReadsNoMoreThanItShows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStore(t, d, disk.Options{})
		const keys = 100_000
		fill(t, d, bucket, keys, func(i int) string { return fmt.Sprintf("%03d/%05d", i/1000, i) })
		for _, c := range []struct {
			name    string
			l       objects.List
			entries int
			most    int // rows
		}{
			{"the first page", objects.List{Max: 1000}, 1000, 1001},
			{"a page in the middle", objects.List{Max: 1000, After: "050/50500"}, 1000, 1001},
			{"the last page", objects.List{Max: 1000, After: "099/99499"}, 500, 501},
			{"a prefix", objects.List{Max: 1000, Prefix: "070/"}, 1000, 1001},
			{"a hundred folders of a thousand", objects.List{Max: 1000, Delimiter: "/"}, 100, 400},
			{"ten folders", objects.List{Max: 10, Delimiter: "/", After: "050/"}, 10, 50},
		} {
			c.l.Bucket = bucket
			l, reads, err := s.ListCounting(t.Context(), c.l)
			if err != nil {
				t.Fatal(err)
			}
			if got := len(l.Objects) + len(l.Prefixes); got != c.entries || reads > c.most {
				t.Errorf("%s: got %d entries by %d rows, want %d by at most %d", c.name, got, reads, c.entries, c.most)
			}
		}
		for _, query := range disk.ListQueries() {
			plan := s.explain(t, query)
			if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Sort") || strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN objects") {
				t.Errorf("a page reads or sorts the whole table:\n%s\n%s", query, plan)
			}
		}
	})
}

// explain returns the plan of a query of a batch.
func (s store) explain(t *testing.T, query string) string {
	t.Helper()
	verb := "EXPLAIN QUERY PLAN "
	if s.db.Dialect() == db.Postgres {
		verb = "EXPLAIN "
	}
	var all []string
	err := s.ViewPage(t.Context(), bucket, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(t.Context(), verb+query, bucket, "050/", 0, 1001, "051/")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, x int
			var line string
			into := []any{&id, &parent, &x, &line}
			if s.db.Dialect() == db.Postgres {
				into = into[3:]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			all = append(all, line)
		}
		return rows.Err()
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("no plan: %v", err)
	}
	return strings.Join(all, "\n")
}
