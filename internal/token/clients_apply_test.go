package token_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/token"
)

func TestAppliedClientIsAsItWasSaidAndATrialLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, events := newClients(t, d)
		ctx := member(t.Context(), "acme", "oauth:clients")
		n := token.NewClient{ID: "app", Name: "App", Redirects: []string{callback}, Grants: []string{token.GrantCode}}
		apply := func(name string, want token.Outcome, trial bool) string {
			t.Helper()
			got, secret, err := s.Apply(ctx, n, trial)
			if err != nil || got != want {
				t.Errorf("%s: got %q, %v; want %q", name, got, err, want)
			}
			return secret
		}
		apply("a trial", token.Created, true)
		if _, err := s.Get(ctx, "app"); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("after a trial: got %v, want ErrNoClient", err)
		}
		first := apply("the first time", token.Created, false)
		if _, err := s.Authenticate(t.Context(), "app", first); err != nil {
			t.Errorf("its secret: %v", err)
		}
		apply("the second time", token.Unchanged, false)
		n.Name = "New"
		apply("a trial of a change", token.Changed, true)
		if c, err := s.Get(ctx, "app"); err != nil || c.Name != "App" {
			t.Errorf("after a trial: got %q, %v; want App", c.Name, err)
		}
		apply("a change", token.Changed, false)
		if c, err := s.Get(ctx, "app"); err != nil || c.Name != "New" {
			t.Errorf("after a change: got %q, %v; want New", c.Name, err)
		}
		n.Secret = strings.Repeat("x", 43)
		apply("a secret", token.Changed, false)
		apply("the same secret", token.Unchanged, false)
		for _, secret := range []string{first, n.Secret} {
			if _, err := s.Authenticate(t.Context(), "app", secret); err != nil {
				t.Errorf("a day long both are good: %v", err)
			}
		}
		var actions []string
		for _, e := range *events {
			actions = append(actions, strings.TrimPrefix(e.Action, "oauth_client."))
		}
		// The recorder does not roll the trial's back, as a database does.
		if d := cmp.Diff([]string{"create", "update", "update", "rotate"}, actions); d != "" {
			t.Errorf("audit (-want +got):\n%s", d)
		}
		for name, bad := range map[string]string{"short": "hunter2", "with a space": strings.Repeat("x", 42) + " y"} {
			n.Secret = bad
			if _, _, err := s.Apply(ctx, n, false); !errors.Is(err, token.ErrOwnSecret) {
				t.Errorf("%s: got %v, want ErrOwnSecret", name, err)
			}
		}
		n.Secret = ""
		if _, _, err := s.Apply(member(t.Context(), "other", "oauth:clients"), n, false); !errors.Is(err, token.ErrClientTaken) {
			t.Errorf("another account: got %v, want ErrClientTaken", err)
		}
		n.Account = "other"
		if _, _, err := s.Apply(operator(t.Context()), n, false); !errors.Is(err, token.ErrFixed) {
			t.Errorf("to another account: got %v, want ErrFixed", err)
		}
		n.Account = ""
		if err := s.Disable(ctx, "app"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Apply(ctx, n, false); !errors.Is(err, token.ErrClientTaken) {
			t.Errorf("deleted: got %v, want ErrClientTaken", err)
		}
	})
}
