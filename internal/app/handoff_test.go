package app

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"signet/internal/account"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/token"
)

// handed is an installation with an app, and its user signed in.
func handed(t *testing.T, logoutURI string) (a *App, app token.Client, session account.Session, secret string) {
	t.Helper()
	a, user, _ := seeded(t)
	ctx := a.AsOperator(t.Context())
	app, _, err := a.Clients.Create(ctx, token.NewClient{
		Name: "Hello", Redirects: []string{"http://app.localhost:8081/callback"}, LogoutURI: logoutURI,
	})
	if err != nil {
		t.Fatal(err)
	}
	err = a.DB.Update(ctx, func(tx *db.Tx) error {
		session, secret, err = a.Sessions.Create(ctx, tx, account.NewSession{
			User: user, Account: app.Account, AMR: []string{account.AMRPasskey}, AuthTime: time.Now(),
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, app, session, secret
}

func TestASessionReachesAnAppAndItsEndDoesToo(t *testing.T) {
	heard := make(chan string, 1)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		heard <- r.PostFormValue("logout_token")
	}))
	t.Cleanup(listener.Close)
	a, app, session, secret := handed(t, listener.URL)
	verifier := strings.Repeat("v", 43)
	sum := sha256.Sum256([]byte(verifier))
	issue := func() string {
		code, err := a.Codes.Issue(t.Context(), token.Handoff{
			Client: app.ID, Next: "http://app.localhost:8081/", Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
			User: session.User, Session: session.ID,
		})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}

	got, err := a.Codes.Redeem(t.Context(), app, issue(), verifier)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := a.Tokens.Verify(t.Context(), got.AccessToken, app.ID)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != session.User || claims.Session != session.ID || claims.Account != app.Account || claims.ACR != session.ACR ||
		!slices.Contains(claims.Permissions, "users:write") || !slices.Contains(got.Roles, "administrator") {
		t.Errorf("got %+v, want what the session %+v proves", claims, session)
	}

	code := issue()
	if err := a.Sessions.End(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Codes.Redeem(t.Context(), app, code, verifier); !errors.Is(err, token.ErrGrant) {
		t.Errorf("session ended before its code was redeemed: got %v, want ErrGrant", err)
	}
	if err := a.Codes.Notify(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-heard:
	default:
		t.Error("the app was not told that the session ended")
	}
}

func TestNobodyIsSignedInByTheSessionOfAnother(t *testing.T) {
	a, _, session, _ := handed(t, "")
	for name, c := range map[string][2]string{"unknown user": {"usr_x", session.ID}, "unknown session": {session.User, "ses_x"}} {
		_, err := sessionPeople{a}.BySession(t.Context(), c[0], c[1])
		if k := fault.KindOf(err); k != fault.NotFound && k != fault.Unauthorized {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAppsOnThisMachineAreReachedInDevelopmentOnly(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "inside") }))
	t.Cleanup(inside.Close)
	for origin, want := range map[string]bool{
		"http://localhost:8080": true, "http://127.0.0.1": true, "http://login.localhost:8080": true,
		"https://auth.example.org": false, "http://auth.example.org": false, "https://localhost": false,
	} {
		c, err := appClient(origin)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), inside.URL); (err == nil) != want {
			t.Errorf("%s: got %v, want reachable %t", origin, err, want)
		}
		c.CloseIdle()
	}
}
