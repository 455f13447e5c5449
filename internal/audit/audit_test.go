package audit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/ticket"
)

func TestRowSaysWhoDidWhatForWhichRequest(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		ctx := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "u1", Account: "a1"})
		ctx = ticket.WithRequest(ctx, ticket.Request{ID: "r1", Address: "192.0.2.1"})
		err := d.Update(ctx, func(tx *db.Tx) error {
			return in.log.Record(ctx, tx, audit.Event{Action: "keys.revoke", Target: "k1", Reason: "lost", Detail: map[string]string{"b": "<2>", "a": "1"}})
		})
		if err != nil {
			t.Fatal(err)
		}
		in.link(t)
		list, _, err := in.log.List(reader(t), audit.Filter{}, "")
		if err != nil || len(list) != 1 {
			t.Fatalf("list: got %d rows, %v", len(list), err)
		}
		got := list[0]
		if got.ID == "" || len(got.MAC) != 64 {
			t.Errorf("got id %q, mac %q", got.ID, got.MAC)
		}
		got.ID, got.MAC = "", ""
		want := audit.Entry{
			Time: in.clock.now(), Actor: audit.Actor{Kind: ticket.User, ID: "u1"}, Account: "a1", Action: "keys.revoke", Target: "k1",
			Outcome: audit.Done, Reason: "lost", RequestID: "r1", Address: "192.0.2.1",
			Detail: `{"a":"1","b":"\u003c2\u003e"}`, Chain: 1, Sequence: 1,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
	})
}

func TestActorIsTheSystemOnlyOutsideRequests(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	for _, c := range []struct {
		name string
		ctx  context.Context
		want ticket.Kind
	}{
		{"background work", t.Context(), ticket.System},
		{"request without credential", ticket.WithRequest(t.Context(), ticket.Request{ID: "r"}), ""},
	} {
		if err := in.log.RecordAlone(c.ctx, audit.Event{Action: "test.actor", Target: c.name}); err != nil {
			t.Fatal(err)
		}
		list, _, err := in.log.List(reader(t), audit.Filter{Target: c.name}, "")
		if err != nil || len(list) != 1 || list[0].Actor.Kind != c.want {
			t.Errorf("%s: got %+v %v, want actor kind %q", c.name, list, err, c.want)
		}
	}
}

func TestRowIsThereExactlyWhereTheTransactionIs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		errRefused := errors.New("refused")
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			if err := in.log.Record(t.Context(), tx, audit.Event{Action: "test.row"}); err != nil {
				return err
			}
			return errRefused
		})
		if !errors.Is(err, errRefused) {
			t.Fatal(err)
		}
		if err := in.log.RecordAlone(t.Context(), audit.Event{Action: "test.refusal", Outcome: audit.Refused}); err != nil {
			t.Fatal(err)
		}
		list, _, err := in.log.List(reader(t), audit.Filter{}, "")
		if err != nil || len(list) != 1 || list[0].Action != "test.refusal" {
			t.Errorf("got %+v %v, want the refusal alone", list, err)
		}
	})
}

func TestHostileTextIsKeptHarmless(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		in.event(t, audit.Event{
			Action: "test.row", Target: "a\x00b\xff", Reason: strings.Repeat("x", 5000), Actor: audit.Actor{ID: "\xff\x00"},
			Detail: map[string]string{"nul": "\x00", "big": strings.Repeat("y", 20_000)},
		})
		in.event(t, audit.Event{Action: "test.row", Target: strings.Repeat("é", 1000), Detail: "\x00\xff"})
		in.stop(t)
		intact(t, in.verify(t), 2)
		list, _, err := in.log.List(reader(t), audit.Filter{Target: "a\uFFFDb\uFFFD"}, "")
		if err != nil || len(list) != 1 || len(list[0].Reason) != 1024 || !strings.HasPrefix(string(list[0].Detail), `{"omitted_bytes":2`) {
			t.Errorf("got %+v %v", list, err)
		}
	})
}

func TestMistakesOfTheCallerAreErrors(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	for _, e := range []audit.Event{{}, {Action: "revoke"}, {Action: ".revoke"}, {Action: "keys."}, {Action: "keys.revoke", Detail: func() {}}} {
		if err := in.log.RecordAlone(t.Context(), e); err == nil {
			t.Errorf("%+v was recorded", e)
		}
	}
}

func TestRefusalsThatAnyoneCanCauseAreSampledAndCounted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		refuse := func(ctx context.Context, n int, detail any) {
			t.Helper()
			for range n {
				if err := in.log.RecordAlone(ctx, audit.Event{Action: "login.password", Outcome: audit.Refused, Detail: detail}); err != nil {
					t.Fatal(err)
				}
			}
		}
		count := func(f audit.Filter) []audit.Entry {
			t.Helper()
			f.Limit = 500
			list, _, err := in.log.List(reader(t), f, "")
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		refuse(t.Context(), 120, nil)
		if n := len(count(audit.Filter{})); n != 20 {
			t.Errorf("120 refusals at once: got %d rows, want 20", n)
		}
		in.clock.add(3 * time.Second)
		refuse(t.Context(), 1, map[string]int{"x": 1})
		if got := count(audit.Filter{})[0].Detail; got != `{"suppressed":100,"x":1}` {
			t.Errorf("row after them: got detail %s", got)
		}

		// One whose name is proven has a bucket of their own.
		mallory := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "mallory"})
		refuse(mallory, 21, nil)
		if n := len(count(audit.Filter{Actor: "mallory"})); n != 20 {
			t.Errorf("refusals of a known caller: got %d rows, want 20", n)
		}

		// What is still suppressed at the end gets a row too.
		in.stop(t)
		rows := count(audit.Filter{Actor: "mallory"})
		if len(rows) != 21 || rows[0].Detail != `{"suppressed":1}` && rows[1].Detail != `{"suppressed":1}` && rows[20].Detail != `{"suppressed":1}` {
			t.Errorf("after the stop: got %d rows, want 21 with one that counts 1 suppressed", len(rows))
		}
		intact(t, in.verify(t), 20+1+20+1)
	})
}

func TestSuccessesAreNeverSampled(t *testing.T) {
	in := install(t, dbtest.SQLite(t))
	for range 50 {
		if err := in.log.RecordAlone(t.Context(), audit.Event{Action: "login.password"}); err != nil {
			t.Fatal(err)
		}
	}
	if list, _, err := in.log.List(reader(t), audit.Filter{Limit: 100}, ""); err != nil || len(list) != 50 {
		t.Errorf("got %d rows %v, want 50", len(list), err)
	}
}

func TestSearchFindsAndPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		start := in.clock.now()
		in.record(t, 30)
		same := in.clock.now().Add(time.Second)
		for _, action := range []string{"keys.revoke", "keys.create", "keysmith.create", "key.create", "Keys.create"} {
			in.event(t, audit.Event{Action: action, Time: same, Actor: audit.Actor{ID: "alice"}, Outcome: audit.Failed})
		}
		count := func(f audit.Filter) int {
			t.Helper()
			list, _, err := in.log.List(reader(t), f, "")
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		for _, c := range []struct {
			name string
			f    audit.Filter
			want int
		}{
			{"all", audit.Filter{}, 35},
			{"area", audit.Filter{Area: "keys"}, 2},
			{"action", audit.Filter{Action: "keys.create"}, 1},
			{"actor", audit.Filter{Actor: "alice"}, 5},
			{"outcome", audit.Filter{Outcome: audit.Failed}, 5},
			{"target", audit.Filter{Target: "target 3"}, 1},
			{"since", audit.Filter{Since: same}, 5},
			{"until", audit.Filter{Until: same}, 30},
			{"between", audit.Filter{Since: start.Add(5 * time.Millisecond), Until: start.Add(10 * time.Millisecond)}, 5},
			{"two conditions", audit.Filter{Actor: "alice", Area: "key"}, 1},
			{"nothing", audit.Filter{Actor: "bob"}, 0},
		} {
			if got := count(c.f); got != c.want {
				t.Errorf("%s: got %d rows, want %d", c.name, got, c.want)
			}
		}

		seen, pages := map[string]bool{}, 0
		for cursor := ""; ; {
			list, next, err := in.log.List(reader(t), audit.Filter{Limit: 2}, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if seen[e.ID] {
					t.Fatalf("row %s came twice", e.ID)
				}
				seen[e.ID] = true
			}
			if pages++; next == "" {
				break
			}
			cursor = next
		}
		if len(seen) != 35 || pages != 18 {
			t.Errorf("paging: got %d rows on %d pages, want 35 on 18", len(seen), pages)
		}
		var ids []string
		for cursor := ""; len(ids) <= len(seen); {
			list, next, err := in.log.List(reader(t), audit.Filter{Limit: 2, Sort: "time"}, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				ids = append(ids, e.ID)
			}
			if cursor = next; next == "" {
				break
			}
		}
		slices.Reverse(ids)
		all, _, err := in.log.List(reader(t), audit.Filter{}, "")
		if err != nil || !slices.EqualFunc(ids, all, func(id string, e audit.Entry) bool { return id == e.ID }) {
			t.Errorf("the oldest first: got %d rows, want the %d of the list backwards, %v", len(ids), len(all), err)
		}
		if _, _, err := in.log.List(reader(t), audit.Filter{Sort: "actor"}, ""); !errors.Is(err, db.ErrOrder) {
			t.Errorf("sorted by what has no index: got %v, want ErrOrder", err)
		}
		for _, bad := range []string{"x", "!!", "AAAA"} {
			if _, _, err := in.log.List(reader(t), audit.Filter{}, bad); err == nil {
				t.Errorf("cursor %q was accepted", bad)
			}
		}
	})
}

func TestPeopleReadWhatInvolvesThemselvesAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		in := install(t, d)
		for _, e := range []audit.Event{
			{Action: "a.one", Actor: audit.Actor{Kind: ticket.User, ID: "alice"}, Target: "x"},
			{Action: "a.two", Actor: audit.Actor{Kind: ticket.User, ID: "bob"}, Target: "alice"},
			{Action: "a.three", Actor: audit.Actor{Kind: ticket.User, ID: "bob"}, Target: "bob"},
		} {
			if err := d.Update(t.Context(), func(tx *db.Tx) error { return in.log.Record(t.Context(), tx, e) }); err != nil {
				t.Fatal(err)
			}
		}
		alice := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "alice"})
		list, _, err := in.log.List(alice, audit.Filter{Involving: "alice"}, "")
		if err != nil || len(list) != 2 {
			t.Errorf("own rows: got %d, %v, want 2", len(list), err)
		}
		for name, f := range map[string]audit.Filter{"all": {}, "another's": {Involving: "bob"}, "by actor": {Actor: "alice"}} {
			if _, _, err := in.log.List(alice, f, ""); !errors.Is(err, ticket.ErrForbidden) {
				t.Errorf("%s: got %v, want ErrForbidden", name, err)
			}
		}
		if _, _, err := in.log.List(t.Context(), audit.Filter{}, ""); !errors.Is(err, ticket.ErrNone) {
			t.Errorf("nobody: got %v, want ErrNone", err)
		}
	})
}
