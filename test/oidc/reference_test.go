// These tests let our side of OpenID Connect talk to an implementation that is not
// ours and that is certified.
package oidctest_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/limit"
	"signet/internal/login"
	"signet/internal/login/oidc"
	oauthtest "signet/test/oauth"
	oidctest "signet/test/oidc"
)

const (
	origin   = "https://auth.example.org"
	redirect = origin + "/login/callback/staff"
)

// config is our client at the provider.
func config(t *testing.T, r *oidctest.Reference) oidc.Config {
	t.Helper()
	return oidc.Config{
		Name: "staff", Issuer: r.Issuer, ClientID: r.ClientID, ClientSecret: r.ClientSecret, Client: oauthtest.Client(t),
	}
}

// service is an installation with that client.
func service(d *db.DB, c oidc.Config, key string) *login.Providers {
	return login.NewProviders(d, login.ProviderOptions{
		Providers: []login.Provider{oidc.New(c)}, Origin: origin, Key: []byte(strings.Repeat(key, 32)),
		Limiter: limit.NewMemory(limit.PerMinute(1000), 100), Locale: func(tag string) string { return tag },
	})
}

// begin starts a sign-in and returns the callback that comes of it.
func begin(t *testing.T, s *login.Providers, p *oidctest.Person) login.CallbackRequest {
	t.Helper()
	started, err := s.Start(t.Context(), login.StartRequest{
		Provider: "staff", Purpose: login.PurposeSignIn, Locale: "de", Next: "/console", Address: netip.MustParseAddr("192.0.2.7"),
	})
	if err != nil {
		t.Fatal(err)
	}
	q := p.Visit(t, started.URL)
	return login.CallbackRequest{
		Provider: "staff", State: q.Get("state"), Code: q.Get("code"), Error: q.Get("error"), Iss: q.Get("iss"), Browser: started.Browser,
	}
}

func refused(t *testing.T, what string, err error, want login.Kind, reason string) {
	t.Helper()
	e, ok := login.AsCallbackError(err)
	if !ok || e.Kind != want || !strings.Contains(e.Error(), reason) {
		t.Errorf("%s: got %v, want %s because of %q", what, err, want, reason)
	}
}

func TestSomebodySignsInAtACertifiedProvider(t *testing.T) {
	for where, inToken := range map[string]bool{"claims in the ID token": true, "claims at UserInfo": false} {
		t.Run(where, func(t *testing.T) {
			r := oidctest.StartReference(t, oidctest.ReferenceOptions{Redirect: redirect, ClaimsInToken: inToken})
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				s, ada := service(d, config(t, r), "k"), oidctest.NewPerson(t, "ada")
				callback := begin(t, s, ada)
				if callback.Iss != r.Issuer {
					t.Errorf("got iss %q, want %q (RFC 9207)", callback.Iss, r.Issuer)
				}
				got, err := s.Callback(t.Context(), callback)
				if err != nil {
					t.Fatal(err)
				}
				want := login.Result{
					Provider: "staff", Issuer: r.Issuer, Purpose: login.PurposeSignIn, Next: "/console", Locale: "de",
					Profile: login.Profile{Sub: "ada", Email: "ada@gmail.com", DisplayName: "ada at work", Locale: "de-CH"},
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
			})
		})
	}
}

func TestCertifiedProviderAndWeRefuseTheSame(t *testing.T) {
	r := oidctest.StartReference(t, oidctest.ReferenceOptions{Redirect: redirect})
	ada := oidctest.NewPerson(t, "ada")
	d := dbtest.SQLite(t)
	s := service(d, config(t, r), "k")

	_, err := service(d, config(t, r), "x").Callback(t.Context(), begin(t, s, ada))
	refused(t, "another installation's verifier", err, login.TokenExchangeFailed, "invalid_grant")

	elsewhere := begin(t, s, ada)
	elsewhere.Iss = "https://evil.example"
	_, err = s.Callback(t.Context(), elsewhere)
	refused(t, "iss of another provider", err, login.InvalidState, "another issuer")

	wrong := config(t, r)
	wrong.ClientSecret = "guessed"
	_, err = service(d, wrong, "k").Callback(t.Context(), begin(t, s, ada))
	refused(t, "a wrong secret", err, login.TokenExchangeFailed, "invalid_client")

	used := begin(t, s, ada)
	if _, err := s.Callback(t.Context(), used); err != nil {
		t.Fatal(err)
	}
	_, err = s.Callback(t.Context(), used)
	refused(t, "a callback that came before", err, login.InvalidState, "used up")
	injected := begin(t, s, ada)
	injected.Code = used.Code
	_, err = s.Callback(t.Context(), injected)
	refused(t, "a used code in another sign-in", err, login.TokenExchangeFailed, "invalid_grant")

	eve := oidctest.NewPerson(t, "eve")
	eve.Denies = true
	res, err := s.Callback(t.Context(), begin(t, s, eve))
	refused(t, "denied consent", err, login.DeniedConsent, "access_denied")
	if res.Next != "/console" || res.Profile.Sub != "" {
		t.Errorf("denied consent: got %+v, want where to go on and nobody", res)
	}
}

func TestCertifiedProviderHoldsACodeToItsCeremony(t *testing.T) {
	r := oidctest.StartReference(t, oidctest.ReferenceOptions{Redirect: redirect})
	p, ada := oidc.New(config(t, r)), oidctest.NewPerson(t, "ada")
	one := oauthtest.Ceremony("1")
	one.RedirectURI = redirect
	address, err := p.Begin(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	code := func() string { return ada.Visit(t, address).Get("code") }

	good := code()
	if _, err := p.Finish(t.Context(), good, one); err != nil {
		t.Fatalf("the right ceremony: %v", err)
	}
	_, err = p.Finish(t.Context(), good, one)
	refused(t, "a code that came before", err, login.TokenExchangeFailed, "invalid_grant")

	other := one
	other.Verifier = oauthtest.Ceremony("2").Verifier
	_, err = p.Finish(t.Context(), code(), other)
	refused(t, "another verifier", err, login.TokenExchangeFailed, "invalid_grant")

	other = one
	other.Nonce = "nonce-2"
	_, err = p.Finish(t.Context(), code(), other)
	refused(t, "another nonce", err, login.TokenValidationFailed, "nonce")

	for what, change := range map[string]func(url.Values){
		"no challenge":    func(q url.Values) { q.Del("code_challenge"); q.Del("code_challenge_method") },
		"plain challenge": func(q url.Values) { q.Set("code_challenge_method", "plain") },
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(q)
		u.RawQuery = q.Encode()
		if got := ada.Visit(t, u.String()); got.Get("error") != "invalid_request" || got.Has("code") {
			t.Errorf("%s: got %v, want invalid_request", what, got)
		}
	}
}

func TestProvidersWordForAnAddressIsHeardAndNotTaken(t *testing.T) {
	r := oidctest.StartReference(t, oidctest.ReferenceOptions{Redirect: redirect})
	c := config(t, r)
	one := oauthtest.Ceremony("1")
	one.RedirectURI = redirect
	for _, trusting := range []bool{false, true} {
		if trusting {
			c.Authority = func(c oidc.Claims) bool { return c.EmailVerified }
		}
		p := oidc.New(c)
		address, err := p.Begin(t.Context(), one)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Finish(t.Context(), oidctest.NewPerson(t, "ada").Visit(t, address).Get("code"), one)
		if err != nil || got.Email != "ada@gmail.com" || got.EmailVerified != trusting {
			t.Errorf("trusting %t: got %+v, %v", trusting, got, err)
		}
	}
}

func TestCertifiedProviderTakesPromptAndLocale(t *testing.T) {
	r := oidctest.StartReference(t, oidctest.ReferenceOptions{Redirect: redirect})
	d := dbtest.SQLite(t)
	for _, c := range []struct {
		prompt string
		forms  int // that somebody is shown who signed in there before
	}{{"", 0}, {"login", 1}, {"consent", 1}} {
		change := config(t, r)
		change.Prompt = c.prompt
		s, ada := service(d, change, "k"), oidctest.NewPerson(t, "ada")
		begin(t, s, ada)
		if len(ada.Seen) == 0 || !strings.Contains(ada.Seen[0], "ui_locales") {
			t.Errorf("prompt %q: the provider was not told the language", c.prompt)
		}
		callback := begin(t, s, ada)
		if len(ada.Seen) != c.forms {
			t.Errorf("prompt %q: got %d forms the second time, want %d", c.prompt, len(ada.Seen), c.forms)
		}
		if _, err := s.Callback(t.Context(), callback); err != nil {
			t.Errorf("prompt %q: %v", c.prompt, err)
		}
	}
}
