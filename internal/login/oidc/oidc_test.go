package oidc_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/internal/login"
	"signet/internal/login/oidc"
	oauthtest "signet/test/oauth"
	oidctest "signet/test/oidc"
)

func provider(t *testing.T, s *oidctest.Server, now func() time.Time) *oidc.Provider {
	t.Helper()
	return oidc.New(oidc.Config{
		Name: "staff", Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: s.ClientSecret, Client: oauthtest.Client(t), Now: now,
		PostSecret: true, // the fake offers Basic and reads the body alone
	})
}

func TestAddressOfAnyProviderIsNeverTaken(t *testing.T) {
	s := oidctest.Start(t)
	s.Claims(func(c map[string]any) {
		c["email"], c["email_verified"], c["hd"], c["name"], c["locale"] = "ada@gmail.com", true, "gmail.com", "Ada", "de"
	})
	one := oauthtest.Ceremony("1")
	got, err := oauthtest.SignIn(t, provider(t, s, nil), one, one)
	if err != nil {
		t.Fatal(err)
	}
	want := login.Profile{Sub: "1234567890", Email: "ada@gmail.com", DisplayName: "Ada", Locale: "de"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestIssuerIsComparedAsItIsWritten(t *testing.T) {
	s := oidctest.Start(t)
	one := oauthtest.Ceremony("1")
	for _, iss := range []string{s.Issuer + "/", s.Issuer[len("http://"):], "https://evil.example"} {
		s.Claims(func(c map[string]any) { c["iss"] = iss })
		_, err := oauthtest.SignIn(t, provider(t, s, nil), one, one)
		if e, ok := login.AsCallbackError(err); !ok || e.Kind != login.TokenValidationFailed {
			t.Errorf("%s: got %v, want token_validation_failed", iss, err)
		}
	}
	elsewhere := oidc.New(oidc.Config{Name: "staff", Issuer: s.Issuer + "/", ClientID: "x", Client: oauthtest.Client(t)})
	if _, err := elsewhere.Begin(t.Context(), one); err == nil {
		t.Error("a discovery document of another issuer was taken")
	}
}

func TestUserInfoCompletesABareToken(t *testing.T) {
	s := oidctest.Start(t)
	s.Claims(func(c map[string]any) { delete(c, "email") })
	p := provider(t, s, nil)
	one := oauthtest.Ceremony("1")
	for name, c := range map[string]struct {
		info map[string]any
		want login.Profile
		kind login.Kind
	}{
		"the same person": {
			info: map[string]any{"sub": "1234567890", "email": "ada@example.org", "email_verified": true, "name": "Ada"},
			want: login.Profile{Sub: "1234567890", Email: "ada@example.org", DisplayName: "Ada"},
		},
		"somebody else": {info: map[string]any{"sub": "1", "email": "ada@example.org"}, kind: login.ProfileFetchFailed},
		"nobody":        {info: map[string]any{"email": "ada@example.org"}, kind: login.ProfileFetchFailed},
		"a refusal":     {kind: login.ProfileFetchFailed},
	} {
		s.Info(c.info)
		got, err := oauthtest.SignIn(t, p, one, one)
		if e, _ := login.AsCallbackError(err); c.kind != "" && (e == nil || e.Kind != c.kind) {
			t.Errorf("%s: got %v, want %s", name, err, c.kind)
		}
		if d := cmp.Diff(c.want, got); d != "" || c.kind == "" && err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
	}
}

func TestDiscoveryIsRenewedAndOutlivesAnOutage(t *testing.T) {
	s := oidctest.Start(t)
	now := time.Now()
	p := provider(t, s, func() time.Time { return now })
	begin := func() error {
		_, err := p.Begin(t.Context(), oauthtest.Ceremony("1"))
		return err
	}
	if err := begin(); err != nil {
		t.Fatal(err)
	}
	s.Refuse(http.StatusServiceUnavailable, "down", "down")
	for range 3 {
		if err := begin(); err != nil {
			t.Errorf("within the hour: %v", err)
		}
	}
	now = now.Add(2 * time.Hour)
	if err := begin(); err != nil { // this one met the outage
		t.Errorf("while the provider is away: %v", err)
	}
	s.Refuse(http.StatusServiceUnavailable, "down", "down")
	now = now.Add(time.Second)
	if err := begin(); err != nil {
		t.Errorf("still away: %v", err)
	}
}
