package token_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/ticket"
	"signet/internal/token"
)

// byName takes the name of an account for its id.
type byName struct{}

func (byName) AccountFor(ctx context.Context, _ *db.Tx, name string) (string, error) {
	if name == "" {
		name = ticket.From(ctx).Account
	}
	return name, nil
}

// recorder keeps what was recorded.
type recorder struct{ events *[]audit.Event }

func (r recorder) Record(_ context.Context, _ *db.Tx, e audit.Event) error {
	*r.events = append(*r.events, e)
	return nil
}

func newClients(t *testing.T, d *db.DB) (*token.Clients, *[]audit.Event) {
	t.Helper()
	for _, id := range []string{"acme", "other"} {
		if _, err := d.SQL().ExecContext(t.Context(), `INSERT INTO accounts (id, name, kind, created_at) VALUES ($1, $1, 'tenant', $2)`,
			id, start); err != nil {
			t.Fatal(err)
		}
	}
	events := &[]audit.Event{}
	return token.NewClients(d, byName{}, recorder{events}, token.ClientOptions{
		Catalogue: []ticket.Permission{{Name: "users:write"}, {Name: "oauth:clients"}, {Name: "oauth:keys", Node: true}},
		Now:       func() time.Time { return start },
	}), events
}

func member(ctx context.Context, account string, permissions ...string) context.Context {
	return ticket.With(ctx, &ticket.Ticket{Kind: ticket.User, Subject: "usr_x", Account: account, Permissions: permissions})
}

func TestClientIsCreatedSeenAndDisabledByItsAccountOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, events := newClients(t, d)
		acme, other := member(t.Context(), "acme", "oauth:clients"), member(t.Context(), "other", "oauth:clients")
		c, _, err := s.Create(acme, token.NewClient{
			Name: "App", Redirects: []string{"https://app.example.org/cb"}, Audiences: []string{api},
		})
		if err != nil {
			t.Fatal(err)
		}
		for name, ctx := range map[string]context.Context{"own": acme, "operator": operator(t.Context())} {
			got, err := s.Get(ctx, c.ID)
			if d := cmp.Diff(c, got); err != nil || d != "" {
				t.Errorf("%s: %v\n%s", name, err, d)
			}
			if all, err := s.List(ctx); err != nil || len(all) != 1 {
				t.Errorf("%s lists %v, %v", name, all, err)
			}
		}
		if _, err := s.Get(other, c.ID); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("another account gets it: %v", err)
		}
		if all, err := s.List(other); err != nil || len(all) != 0 {
			t.Errorf("another account lists %v, %v", all, err)
		}
		if err := s.Disable(other, c.ID); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("another account disables it: %v", err)
		}
		if err := s.Disable(acme, c.ID); err != nil {
			t.Fatal(err)
		}
		if err := s.Disable(acme, c.ID); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("twice: got %v, want ErrNoClient", err)
		}
		var actions []string
		for _, e := range *events {
			actions = append(actions, e.Action)
		}
		if d := cmp.Diff([]string{"oauth_client.create", "oauth_client.disable"}, actions); d != "" {
			t.Errorf("audit (-want +got):\n%s", d)
		}
	})
}

func TestClientsNeedTheirPermission(t *testing.T) {
	s, _ := newClients(t, dbtest.SQLite(t))
	for name, c := range map[string]struct {
		ctx  context.Context
		want error
	}{
		"nobody":          {t.Context(), ticket.ErrNone},
		"without":         {member(t.Context(), "acme", "users:write"), ticket.ErrForbidden},
		"with no account": {member(t.Context(), "", "oauth:clients"), token.ErrNoClient},
	} {
		t.Run(name, func(t *testing.T) {
			_, getting := s.Get(c.ctx, "cli_x")
			_, listing := s.List(c.ctx)
			for what, err := range map[string]error{"get": getting, "list": listing, "disable": s.Disable(c.ctx, "cli_x")} {
				if !errors.Is(err, c.want) {
					t.Errorf("%s: got %v, want %v", what, err, c.want)
				}
			}
			if _, _, err := s.Create(c.ctx, token.NewClient{Name: "x"}); err == nil {
				t.Error("created")
			}
		})
	}
}

func TestOnlyTheSecretOfALiveClientProvesIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, _ := newClients(t, d)
		ctx := member(t.Context(), "acme", "oauth:clients")
		c, secret, err := s.Create(ctx, token.NewClient{Name: "App"})
		if err != nil {
			t.Fatal(err)
		}
		_, others, err := s.Create(ctx, token.NewClient{Name: "Other"})
		if err != nil {
			t.Fatal(err)
		}
		if len(secret) != len(token.SecretPrefix)+43 {
			t.Errorf("the secret has %d characters, want 256 bits", len(secret))
		}
		var kept []byte
		if err := d.SQL().QueryRowContext(t.Context(), `SELECT secret_hash FROM oauth_clients WHERE id = $1`, c.ID).Scan(&kept); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(kept), secret) || len(kept) != 32 {
			t.Error("the secret itself is kept")
		}
		if got, err := s.Authenticate(t.Context(), c.ID, secret); err != nil || got.ID != c.ID {
			t.Errorf("its secret: got %v, %v", got.ID, err)
		}
		for _, bad := range [][2]string{{c.ID, ""}, {c.ID, others}, {c.ID, secret + "A"}, {"cli_x", secret}, {"\x00", secret}, {"", ""}} {
			if _, err := s.Authenticate(t.Context(), bad[0], bad[1]); !errors.Is(err, token.ErrSecret) {
				t.Errorf("%q: got %v, want ErrSecret", bad[0], err)
			}
		}
		if err := s.Disable(ctx, c.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authenticate(t.Context(), c.ID, secret); !errors.Is(err, token.ErrSecret) {
			t.Errorf("disabled: got %v, want ErrSecret", err)
		}
	})
}

func TestRedirectURIsAreHTTPSOrLoopbackAndExact(t *testing.T) {
	s, _ := newClients(t, dbtest.SQLite(t))
	ctx := member(t.Context(), "acme", "oauth:clients")
	for _, good := range []string{
		"https://app.example.org", "https://app.example.org:8443/cb?x=1&y=%20", "https://[2001:db8::1]/cb",
		"http://127.0.0.1:7000/cb", "http://[::1]/cb", "http://localhost/cb", "http://app.localhost:8081/cb",
	} {
		c, _, err := s.Create(ctx, token.NewClient{Name: "x", Redirects: []string{good}})
		if err != nil {
			t.Errorf("%s: %v", good, err)
			continue
		}
		if !c.MayRedirect(good) || c.MayRedirect(good+"/") || c.MayRedirect(strings.ToUpper(good)) || c.MayRedirect("") {
			t.Errorf("%s is not compared exactly", good)
		}
	}
	for _, bad := range []string{
		"", "/cb", "//app.example.org/cb", "app.example.org", "https:app.example.org", "https:///cb", "https://:443/cb",
		"http://app.example.org/cb", "http://127.0.0.1.example.org/", "http://localhost.example.org/", "http://applocalhost/", "http://127.0.0.1@evil.example/",
		"https://user@app.example.org/", "https://@app.example.org/", "https://app.example.org/#", "https://app.example.org/#x",
		"https://app.example.org/\n", "https://app.example.org/\x00", "https://app.example.org/ x", "https://app.example.org/\u202e",
		"https://*.example.org/", "https://app.example.org\\@evil.example/", "https://app.example.org:0/", "https://app.example.org:70000/",
		"https://app.example.org:/", "https://[::1%25eth0]/", "https://%61pp.example.org/", "javascript:alert(1)", "myapp://cb",
		"data:text/html,x", "ftp://app.example.org/", "https://app.example.org/" + strings.Repeat("x", 2000),
	} {
		if _, _, err := s.Create(ctx, token.NewClient{Name: "x", Redirects: []string{bad}}); !errors.Is(err, token.ErrRedirect) {
			t.Errorf("%q: got %v, want ErrRedirect", bad, err)
		}
	}
}

func TestClientMembersHaveLimits(t *testing.T) {
	s, _ := newClients(t, dbtest.SQLite(t))
	ctx := member(t.Context(), "acme", "oauth:clients")
	for field, n := range map[string]token.NewClient{
		"name":          {Name: "a\nb"},
		"audiences":     {Name: "x", Audiences: []string{"two words"}},
		"token_format":  {Name: "x", Format: "paper"},
		"redirect_uris": {Name: "x", Redirects: make([]string, 51)},

		"backchannel_logout_uri": {Name: "x", LogoutURI: "http://app.example.org/backchannel-logout"},
	} {
		_, _, err := s.Create(ctx, n)
		if f, ok := fault.As(err); !ok || f.Field != field || f.Kind != fault.Invalid {
			t.Errorf("got %v, want a fault at %s", err, field)
		}
	}
}
