package app

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"signet/internal/account"
	"signet/internal/authapi"
	"signet/internal/config"
	"signet/internal/ticket"
)

// signedIn is an installation with a user who has just signed in, the middleware that
// checks sessions, and a request of the user's browser.
func signedIn(t testing.TB) (a *App, check http.Handler, r *http.Request, seen func() *ticket.Ticket) {
	t.Helper()
	cfg := config.Default()
	cfg.Server.DataDir = t.TempDir()
	cfg.Store.URL = config.Secret("sqlite:" + filepath.Join(cfg.Server.DataDir, "signet.db"))
	a, err := OpenOrCreate(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	operator := a.AsOperator(t.Context())
	u, err := a.Accounts.CreateUser(operator, account.NewUser{Email: "alice@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	const password = "wooden elbow parade 42"
	if err := a.Credentials.SetPassword(operator, u.ID, "", password); err != nil {
		t.Fatal(err)
	}
	res, err := a.Gate.Password(t.Context(), authapi.PasswordRequest{Address: "alice@example.org", Password: password})
	if err != nil {
		t.Fatal(err)
	}
	pages, _, err := a.newLogin(nil)
	if err != nil {
		t.Fatal(err)
	}
	var last *ticket.Ticket
	check = pages.Sessions(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { last = ticket.From(r.Context()) }))
	r = httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console", nil)
	r.AddCookie(&http.Cookie{Name: "__Host-signet", Value: res.RefreshToken})
	return a, check, r, func() *ticket.Ticket { return last }
}

func TestASessionIsCheckedWithoutTheDatabaseForSomeSeconds(t *testing.T) {
	a, check, r, seen := signedIn(t)
	check.ServeHTTP(httptest.NewRecorder(), r)
	if got := seen(); got == nil || got.Kind != ticket.User {
		t.Fatalf("first request: got %+v", got)
	}
	if err := a.DB.Close(); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	check.ServeHTTP(httptest.NewRecorder(), r)
	if got := seen(); got == nil && time.Since(begun) < time.Second {
		t.Error("the second request asked the database, which is closed")
	}
}

func BenchmarkSessionCheck(b *testing.B) {
	_, check, r, _ := signedIn(b)
	w := httptest.NewRecorder()
	check.ServeHTTP(w, r)
	b.ReportAllocs()
	for b.Loop() {
		check.ServeHTTP(w, r)
	}
}
