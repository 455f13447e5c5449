package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/ticket"
	"signet/internal/token"
)

const callback = "https://app.example.org/cb"

// publicKeys returns the JWKS with the public half of a new key.
func publicKeys(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keysOf(t, jose.JSONWebKey{Key: &k.PublicKey, KeyID: "k1"})
}

func keysOf(t *testing.T, keys ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestClientKeepsEverythingItWasCreatedWith(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, _ := newClients(t, d)
		ctx := member(t.Context(), "acme", "oauth:clients")
		keys := publicKeys(t)
		n := token.NewClient{
			ID: "dev-dpop", Name: "App", Auth: token.AuthKey, Grants: []string{token.GrantCode, token.GrantRefresh, token.GrantDevice},
			Scopes: []string{"openid", "reports.read"}, Redirects: []string{callback}, PostLogoutRedirects: []string{"https://app.example.org/bye"},
			LogoutURI: "https://app.example.org/logout", Audiences: []string{api}, Format: token.Opaque, JWKS: keys,
			Consent: token.ConsentNever, Policy: token.Policy{DPoP: token.Required, MTLS: token.Off},
		}
		want := token.Client{
			ID: "dev-dpop", Account: "acme", Name: "App", Auth: token.AuthKey, Grants: n.Grants, Scopes: n.Scopes, Redirects: n.Redirects,
			PostLogoutRedirects: n.PostLogoutRedirects, LogoutURI: n.LogoutURI, Audiences: n.Audiences, Format: token.Opaque, JWKS: keys,
			Consent: token.ConsentNever, Policy: n.Policy, Created: start,
		}
		created, secret, err := s.Create(ctx, n)
		if err != nil || secret != "" {
			t.Fatalf("got secret %q, %v; want none of a client with keys", secret, err)
		}
		got, err := s.Get(ctx, "dev-dpop")
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]token.Client{"created": created, "kept": got} {
			if d := cmp.Diff(want, c); d != "" {
				t.Errorf("%s (-want +got):\n%s", name, d)
			}
		}
		for name, ctx := range map[string]context.Context{"its account": ctx, "another": member(t.Context(), "other", "oauth:clients")} {
			if _, _, err := s.Create(ctx, token.NewClient{ID: "dev-dpop", Name: "Twin"}); !errors.Is(err, token.ErrClientTaken) || fault.KindOf(err) != fault.Conflict {
				t.Errorf("%s takes the id again: got %v, want ErrClientTaken", name, err)
			}
		}
	})
}

func TestOnlyFittingClientsAreCreated(t *testing.T) {
	s, _ := newClients(t, dbtest.SQLite(t))
	ctx := member(t.Context(), "acme", "oauth:clients")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keys := publicKeys(t)
	code := []string{token.GrantCode}
	for name, c := range map[string]struct {
		field string
		n     token.NewClient
	}{
		"id with a capital":                    {"client_id", token.NewClient{ID: "Dev"}},
		"id of 65":                             {"client_id", token.NewClient{ID: strings.Repeat("x", 65)}},
		"id like a user's":                     {"client_id", token.NewClient{ID: "usr_x"}},
		"id like a made one":                   {"client_id", token.NewClient{ID: "cli_x"}},
		"unknown proof":                        {"auth_method", token.NewClient{Auth: "client_secret_jwt"}},
		"password grant":                       {"grants", token.NewClient{Grants: []string{"password"}}},
		"grant twice":                          {"grants", token.NewClient{Grants: []string{token.GrantDevice, token.GrantDevice}}},
		"public with client_credentials":       {"grants", token.NewClient{Auth: token.AuthNone, Grants: []string{token.GrantCredentials}}},
		"refresh alone":                        {"grants", token.NewClient{Grants: []string{token.GrantRefresh}}},
		"code without a redirect URI":          {"grants", token.NewClient{Grants: code}},
		"scope of two words":                   {"scopes", token.NewClient{Scopes: []string{"a b"}}},
		"scope of 101":                         {"scopes", token.NewClient{Scopes: []string{strings.Repeat("x", 101)}}},
		"51 scopes":                            {"scopes", token.NewClient{Scopes: make([]string, 51)}},
		"scope of the node":                    {"scopes", token.NewClient{Scopes: []string{"oauth:keys"}}},
		"bad redirect after logout":            {"post_logout_redirect_uris", token.NewClient{PostLogoutRedirects: []string{"http://app.example.org/"}}},
		"keys beside a secret":                 {"jwks", token.NewClient{JWKS: keys}},
		"key address beside a secret":          {"jwks_uri", token.NewClient{JWKSURI: "https://app.example.org/jwks"}},
		"no keys":                              {"jwks", token.NewClient{Auth: token.AuthKey}},
		"keys twice":                           {"jwks", token.NewClient{Auth: token.AuthKey, JWKS: keys, JWKSURI: "https://app.example.org/jwks"}},
		"a private key":                        {"jwks", token.NewClient{Auth: token.AuthKey, JWKS: keysOf(t, jose.JSONWebKey{Key: private})}},
		"a symmetric key":                      {"jwks", token.NewClient{Auth: token.AuthKey, JWKS: keysOf(t, jose.JSONWebKey{Key: []byte("0123456789abcdef")})}},
		"keys that are none":                   {"jwks", token.NewClient{Auth: token.AuthKey, JWKS: `{"keys":[]}`}},
		"keys named twice":                     {"jwks", token.NewClient{Auth: token.AuthKey, JWKS: strings.Replace(keys, `{"keys"`, `{"keys":[],"keys"`, 1)}},
		"key address in the open":              {"jwks_uri", token.NewClient{Auth: token.AuthSelfSigned, JWKSURI: "http://app.example.org/jwks"}},
		"certificate of nobody":                {"tls_subject", token.NewClient{Auth: token.AuthTLS}},
		"certificate of two":                   {"tls_subject", token.NewClient{Auth: token.AuthTLS, TLSSubject: "dns:a.example b.example"}},
		"certificate of an unknown kind":       {"tls_subject", token.NewClient{Auth: token.AuthTLS, TLSSubject: "cn:app"}},
		"certificate with a bad DN":            {"tls_subject", token.NewClient{Auth: token.AuthTLS, TLSSubject: "dn:CN=app,"}},
		"certificate with a bad address":       {"tls_subject", token.NewClient{Auth: token.AuthTLS, TLSSubject: "ip:app"}},
		"subject beside a secret":              {"tls_subject", token.NewClient{TLSSubject: "dns:app.example.org"}},
		"consent of another kind":              {"consent", token.NewClient{Consent: "always"}},
		"public app of the device, never asks": {"consent", token.NewClient{Auth: token.AuthNone, Consent: token.ConsentNever, Redirects: []string{"http://127.0.0.1/cb"}}},
		"DPoP by taste":                        {"dpop", token.NewClient{Policy: token.Policy{DPoP: "maybe"}}},
		"mTLS by taste":                        {"mtls", token.NewClient{Policy: token.Policy{MTLS: "maybe"}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.n.Name = "x"
			_, _, err := s.Create(ctx, c.n)
			if f, ok := fault.As(err); !ok || f.Field != c.field || f.Kind != fault.Invalid {
				t.Errorf("got %v, want a fault at %s", err, c.field)
			}
		})
	}
	for name, n := range map[string]token.NewClient{
		"public with code and device": {ID: "dev-public", Auth: token.AuthNone, Grants: []string{token.GrantCode, token.GrantRefresh, token.GrantDevice}, Redirects: []string{"http://127.0.0.1/callback"}},
		"post":                        {Auth: token.AuthPost, Grants: []string{token.GrantCredentials}},
		"certificate":                 {Auth: token.AuthTLS, TLSSubject: "dn:CN=app,O=Example\\, Inc.,C=DE"},
		"own certificate":             {Auth: token.AuthSelfSigned, JWKSURI: "http://127.0.0.1:9000/jwks"},
	} {
		n.Name = "x"
		if _, _, err := s.Create(ctx, n); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLoopbackRedirectWithoutAPortIsAnyPort(t *testing.T) {
	for registered, uris := range map[string]map[string]bool{
		"http://127.0.0.1/callback": {
			"http://127.0.0.1/callback": true, "http://127.0.0.1:1/callback": true, "http://127.0.0.1:65535/callback": true,
			"http://127.0.0.1:0/callback": false, "http://127.0.0.1:65536/callback": false, "http://127.0.0.1:080/callback": false,
			"http://127.0.0.1:80/callback/": false, "http://127.0.0.1:80/callback?x": false, "http://127.0.0.1:80/Callback": false,
			"http://127.0.0.1:/callback": false, "http://127.0.0.1:+80/callback": false, "http://127.0.0.1:80@evil.example/callback": false,
			"https://127.0.0.1:80/callback": false, "http://localhost:80/callback": false, "http://127.0.0.2:80/callback": false, "http://[::1]:80/callback": false,
		},
		"http://[::1]/cb?x=1":              {"http://[::1]:8000/cb?x=1": true, "http://[::1]:8000/cb": false},
		"http://localhost":                 {"http://localhost:7000": true, "http://localhost:7000/": false, "http://localhost:7000@evil.example": false},
		"http://127.0.0.1:7000/callback":   {"http://127.0.0.1:7000/callback": true, "http://127.0.0.1:7001/callback": false, "http://127.0.0.1/callback": false},
		"https://127.0.0.1/callback":       {"https://127.0.0.1:7000/callback": false},
		"http://app.localhost/callback":    {"http://app.localhost:7000/callback": false},
		"https://app.example.org/callback": {"https://app.example.org:8443/callback": false},
	} {
		c := token.Client{Redirects: []string{registered}, PostLogoutRedirects: []string{registered}}
		for uri, want := range uris {
			if c.MayRedirect(uri) != want || c.MayLeaveTo(uri) != want {
				t.Errorf("%s, where %s is registered: got %t, want %t", uri, registered, !want, want)
			}
		}
	}
}

func TestClientIsUpdatedByItsAccountOnlyAndKeepsWhatItIs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, events := newClients(t, d)
		acme := member(t.Context(), "acme", "oauth:clients")
		c, _, err := s.Create(acme, token.NewClient{Name: "App", Redirects: []string{callback}})
		if err != nil {
			t.Fatal(err)
		}
		change := func(c *token.Client) {
			c.Name, c.Auth, c.Grants, c.Scopes = "New", token.AuthPost, []string{token.GrantCode}, []string{"openid"}
			c.Redirects, c.PostLogoutRedirects, c.LogoutURI = []string{callback + "2"}, []string{callback}, callback
			c.Audiences, c.Format, c.Consent, c.Policy = []string{api}, token.Opaque, token.ConsentNever, token.Policy{DPoP: token.Required, MTLS: token.Off}
		}
		if _, _, err := s.Update(member(t.Context(), "other", "oauth:clients"), c.ID, change); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("another account: got %v, want ErrNoClient", err)
		}
		change(&c)
		for _, want := range []bool{true, false} { // the second time, nothing is other
			_, changed, err := s.Update(acme, c.ID, change)
			if err != nil || changed != want {
				t.Errorf("got changed %t, %v; want %t", changed, err, want)
			}
		}
		got, err := s.Get(acme, c.ID)
		if d := cmp.Diff(c, got); err != nil || d != "" {
			t.Errorf("%v, kept (-want +got):\n%s", err, d)
		}
		if n := len(*events); n != 2 || (*events)[1].Action != "oauth_client.update" {
			t.Errorf("audit: got %v, want one creation and one update", *events)
		}
		for field, change := range map[string]func(*token.Client){
			"client_id":     func(c *token.Client) { c.ID = "other" },
			"account":       func(c *token.Client) { c.Account = "other" },
			"auth_method":   func(c *token.Client) { c.Auth = token.AuthNone },
			"redirect_uris": func(c *token.Client) { c.Redirects = []string{"/"} },
			"scopes":        func(c *token.Client) { c.Scopes = []string{"oauth:keys"} },
		} {
			_, _, err := s.Update(acme, c.ID, change)
			if f, ok := fault.As(err); !ok || f.Field != field {
				t.Errorf("got %v, want a fault at %s", err, field)
			}
		}
	})
}

func TestNobodyGetsAtAPermissionThroughAClient(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, _ := newClients(t, d)
		weak, strong := member(t.Context(), "acme", "oauth:clients"), member(t.Context(), "acme", "oauth:clients", "users:write")
		n := token.NewClient{ID: "strong", Name: "App", Grants: []string{token.GrantCredentials}, Scopes: []string{"users:write"}}
		if _, _, err := s.Create(weak, n); !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("create: got %v, want ErrForbidden", err)
		}
		if _, _, err := s.Create(strong, n); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Rotate(weak, "strong", true); !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("rotate: got %v, want ErrForbidden", err)
		}
		for name, change := range map[string]func(*token.Client){
			"rename": func(c *token.Client) { c.Name = "Mine" },
			"weaken": func(c *token.Client) { c.Scopes = nil },
		} {
			if _, _, err := s.Update(weak, "strong", change); !errors.Is(err, ticket.ErrForbidden) {
				t.Errorf("%s: got %v, want ErrForbidden", name, err)
			}
		}
		if _, _, err := s.Create(weak, token.NewClient{ID: "weak", Name: "App"}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Update(weak, "weak", func(c *token.Client) { c.Scopes = []string{"users:write"} }); !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("strengthen: got %v, want ErrForbidden", err)
		}
		if _, _, err := s.Create(operator(t.Context()), token.NewClient{ID: "node", Name: "App", Account: "acme", Scopes: []string{"oauth:keys"}}); !errors.Is(err, token.ErrNodeOnly) {
			t.Errorf("a tenant's client gets the node's permission: %v", err)
		}
		if _, err := d.SQL().ExecContext(t.Context(), `INSERT INTO accounts (id, name, kind, created_at) VALUES ('system', 'system', 'system', $1)`, start); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Create(operator(t.Context()), token.NewClient{ID: "node", Name: "App", Account: "system", Scopes: []string{"oauth:keys"}}); err != nil {
			t.Errorf("the system account's client: %v", err)
		}
	})
}

func TestRotatedSecretIsGoodForADay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		newClients(t, d) // the accounts
		now := start
		s := token.NewClients(d, byName{}, audit.Discard, token.ClientOptions{Now: func() time.Time { return now }})
		ctx := member(t.Context(), "acme", "oauth:clients")
		c, first, err := s.Create(ctx, token.NewClient{Name: "App"})
		if err != nil {
			t.Fatal(err)
		}
		good := func(secrets map[string]bool) {
			t.Helper()
			for secret, want := range secrets {
				if _, err := s.Authenticate(t.Context(), c.ID, secret); (err == nil) != want || err != nil && !errors.Is(err, token.ErrSecret) {
					t.Errorf("got %v, want good %t", err, want)
				}
			}
		}
		rotate := func(ctx context.Context, endOld bool) string {
			t.Helper()
			secret, err := s.Rotate(ctx, c.ID, endOld)
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
		second := rotate(ctx, false)
		good(map[string]bool{first: true, second: true})
		if got, err := s.Get(ctx, c.ID); err != nil || !got.OldSecretUntil.Equal(start.Add(24*time.Hour)) {
			t.Errorf("old secret until %v, %v; want a day", got.OldSecretUntil, err)
		}
		now = start.Add(24*time.Hour - time.Microsecond)
		good(map[string]bool{first: true, second: true})
		now = start.Add(24 * time.Hour)
		good(map[string]bool{first: false, second: true})
		third := rotate(ctx, false)
		good(map[string]bool{first: false, second: true, third: true})
		fourth := rotate(operator(t.Context()), true)
		good(map[string]bool{first: false, second: false, third: false, fourth: true, "": false})

		if _, err := s.Rotate(member(t.Context(), "other", "oauth:clients"), c.ID, true); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("another account: got %v, want ErrNoClient", err)
		}
		if err := s.Disable(ctx, c.ID); err != nil {
			t.Fatal(err)
		}
		good(map[string]bool{fourth: false})
		if _, err := s.Rotate(ctx, c.ID, true); !errors.Is(err, token.ErrNoClient) {
			t.Errorf("disabled: got %v, want ErrNoClient", err)
		}
		public, secret, err := s.Create(ctx, token.NewClient{Name: "Public", Auth: token.AuthNone})
		if err != nil || secret != "" {
			t.Fatalf("public client: secret %q, %v", secret, err)
		}
		if _, err := s.Rotate(ctx, public.ID, false); !errors.Is(err, token.ErrNoSecret) {
			t.Errorf("public: got %v, want ErrNoSecret", err)
		}
		if _, err := s.Authenticate(t.Context(), public.ID, ""); !errors.Is(err, token.ErrSecret) {
			t.Errorf("public with an empty secret: got %v, want ErrSecret", err)
		}
	})
}

func TestStricterPolicyOfClientAndAccountHolds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, events := newClients(t, d)
		acme, other := member(t.Context(), "acme", "oauth:clients"), member(t.Context(), "other", "oauth:clients")
		c := token.Client{Account: "acme", Policy: token.Policy{DPoP: token.Off, MTLS: token.Optional}}
		demands := func(want token.Policy) {
			t.Helper()
			if got, err := s.Demands(t.Context(), c); err != nil || got != want {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		}
		demands(c.Policy)
		if err := s.SetTenantPolicy(acme, "", token.Policy{DPoP: token.Required}); err != nil {
			t.Fatal(err)
		}
		demands(token.Policy{DPoP: token.Required, MTLS: token.Optional})
		for name, ctx := range map[string]context.Context{"own": acme, "operator": operator(t.Context())} {
			got, err := s.TenantPolicy(ctx, "acme")
			if want := (token.Policy{DPoP: token.Required, MTLS: token.Off}); err != nil || got != want {
				t.Errorf("%s: got %v, %v; want %v", name, got, err, want)
			}
		}
		if err := s.SetTenantPolicy(operator(t.Context()), "acme", token.Policy{DPoP: token.Optional, MTLS: token.Required}); err != nil {
			t.Fatal(err)
		}
		demands(token.Policy{DPoP: token.Optional, MTLS: token.Required})
		c.Account, c.Policy.DPoP = "other", token.Required
		demands(token.Policy{DPoP: token.Required, MTLS: token.Optional})

		if _, err := s.TenantPolicy(other, "acme"); !errors.Is(err, token.ErrNoTenant) {
			t.Errorf("another account sees it: %v", err)
		}
		if err := s.SetTenantPolicy(other, "acme", token.Policy{}); !errors.Is(err, token.ErrNoTenant) {
			t.Errorf("another account sets it: %v", err)
		}
		if err := s.SetTenantPolicy(member(t.Context(), "acme", "users:write"), "", token.Policy{}); !errors.Is(err, ticket.ErrForbidden) {
			t.Errorf("without the permission: %v", err)
		}
		if err := s.SetTenantPolicy(acme, "", token.Policy{DPoP: "maybe"}); !errors.Is(err, token.ErrDemand) {
			t.Errorf("got %v, want ErrDemand", err)
		}
		if n := len(*events); n != 2 || (*events)[0].Action != "oauth_tenant.policy" || (*events)[0].Target != "acme" {
			t.Errorf("audit: %v", *events)
		}
	})
}
