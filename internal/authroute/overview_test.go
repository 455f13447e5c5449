package authroute_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/authroute"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
)

func TestDryRunTellsWhatEachModeWouldHaveDone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBook(t, d)
		stop := b.start()
		for n, v := range []authroute.Verification{
			{Sender: "a@example.org", Result: authroute.Pass},
			{Sender: "A@Example.ORG", Result: authroute.Fail, Cause: authroute.Revoked},
			{Sender: "a@example.org", Result: authroute.Fail, Cause: authroute.Stale},
			{Sender: "a@example.org", Result: authroute.None, Cause: authroute.NoProof},
			{Sender: "a@example.org", Result: authroute.None, Cause: authroute.Bypassed},
			{Sender: "a@example.org", Result: authroute.TempError, Cause: authroute.DNSTrouble},
			{Sender: "a@notexample.org", Result: authroute.Fail, Cause: authroute.Revoked},
			{Sender: "org", Result: authroute.Fail, Cause: authroute.Revoked},
		} {
			v.At, v.QueueID = time.Now(), string(rune('a'+n))
			if err := b.Record(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		ctx := operator(t.Context())
		got, err := b.DryRun(ctx, authroute.Domain{Name: "example.org", DeferStale: true}, time.Now().Add(-time.Hour))
		want := []authroute.Outlook{
			{Mode: authroute.Monitor, Mails: 6},
			{Mode: authroute.Quarantine, Mails: 6, Held: 2},
			{Mode: authroute.Enforce, Mails: 6, Refused: 1, Deferred: 1},
			{Mode: authroute.Require, Mails: 6, Refused: 2, Deferred: 2},
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("dry run (%v), want -, got +:\n%s", err, diff)
		}
		counts, err := b.Count(ctx, time.Now().Add(-time.Hour), time.Time{})
		if diff := cmp.Diff(authroute.Counts{authroute.Pass: 1, authroute.Fail: 4, authroute.None: 2, authroute.TempError: 1}, counts); err != nil || diff != "" {
			t.Errorf("counts (%v), want -, got +:\n%s", err, diff)
		}
		if _, err := b.DryRun(as(t, "alice"), authroute.Domain{}, time.Time{}); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("dry run without permission: got %v, want forbidden", err)
		}
		if _, err := b.Count(as(t, "alice"), time.Time{}, time.Time{}); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("count without permission: got %v, want forbidden", err)
		}
	})
}

func TestKeysOfAllUsersAreFoundPageByPage(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		_, al := f.register(t, "alice", "al@example.org")
		f.register(t, "bob", "bob@example.org")
		ctx := operator(t.Context())
		if err := f.Revoke(as(t, "alice"), al.id, ""); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			filter authroute.KeyFilter
			want   int
		}{
			"all":             {authroute.KeyFilter{}, 3},
			"revoked too":     {authroute.KeyFilter{Revoked: true}, 4},
			"address":         {authroute.KeyFilter{Query: "BOB@"}, 2},
			"owner":           {authroute.KeyFilter{Query: "alice"}, 1},
			"key":             {authroute.KeyFilter{Query: al.id, Revoked: true}, 1},
			"no pattern":      {authroute.KeyFilter{Query: "%"}, 0},
			"part of address": {authroute.KeyFilter{Query: "example.org"}, 0},
		} {
			seen, cursor := map[string]bool{}, ""
			for range 10 {
				page, next, err := f.Search(ctx, c.filter, cursor, 1)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for _, k := range page {
					seen[k.ID] = true
				}
				if cursor = next; cursor == "" {
					break
				}
			}
			if len(seen) != c.want {
				t.Errorf("%s: got %d keys, want %d", name, len(seen), c.want)
			}
		}
		inOrder := func(sort string) (ids []string) {
			t.Helper()
			for cursor, n := "", 0; n < 10; n++ {
				page, next, err := f.Search(ctx, authroute.KeyFilter{Revoked: true, Sort: sort}, cursor, 1)
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range page {
					ids = append(ids, k.ID)
				}
				if cursor = next; next == "" {
					break
				}
			}
			return ids
		}
		for _, by := range []string{"address", "created"} {
			up, down := inOrder(by), inOrder("-"+by)
			if slices.Reverse(down); len(up) != 4 || !slices.Equal(up, down) {
				t.Errorf("by %s: up %q, down, backwards, %q", by, up, down)
			}
		}
		if _, _, err := f.Search(ctx, authroute.KeyFilter{Sort: "owner"}, "", 0); !errors.Is(err, db.ErrOrder) {
			t.Errorf("sorted by what is no column: got %v, want ErrOrder", err)
		}
		if _, _, err := f.Search(as(t, "alice"), authroute.KeyFilter{}, "", 0); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("without permission: got %v, want forbidden", err)
		}
		if _, _, err := f.Search(ctx, authroute.KeyFilter{}, "!", 0); fault.KindOf(err) != fault.Invalid {
			t.Errorf("a cursor of nobody: got %v, want invalid", err)
		}
		if k, err := f.Get(ctx, al.id); err != nil || k.User != "alice" {
			t.Errorf("one key: got %+v, %v", k, err)
		}
		if _, err := f.Get(as(t, "alice"), al.id); fault.KindOf(err) != fault.Forbidden {
			t.Errorf("one key without permission: got %v, want forbidden", err)
		}
	})
}
