// Package oauthtest is what tests of sign-ins at outside providers have in common.
package oauthtest

import (
	"net/http"
	"net/url"
	"testing"

	"signet/internal/egress"
	"signet/internal/login"
)

// Client returns the guarded client, with leave to reach loopback.
func Client(t testing.TB) *egress.Client {
	t.Helper()
	c, err := egress.New(egress.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// Ceremony returns a sign-in of its own for each n.
func Ceremony(n string) login.Ceremony {
	return login.Ceremony{
		State: "state-" + n, Verifier: "verifier-of-forty-three-characters-or-more-" + n, Nonce: "nonce-" + n,
		RedirectURI: "https://auth.example.org/login/callback/x",
	}
}

// Visit goes to the provider as a browser that agrees to all, and returns the
// parameters of the callback that it is sent back to.
func Visit(t testing.TB, address string) url.Values {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(r) // follows nothing
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatalf("the provider answered %d and sends nobody back: %v", res.StatusCode, err)
	}
	return back.Query()
}

// SignIn runs a whole sign-in at a provider.
func SignIn(t testing.TB, p login.Provider, begin, finish login.Ceremony) (login.Profile, error) {
	t.Helper()
	address, err := p.Begin(t.Context(), begin)
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return p.Finish(t.Context(), Visit(t, address).Get("code"), finish)
}
