package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/egress"
	"signet/internal/fault"
	"signet/internal/push"
	"signet/internal/seal"
	"signet/internal/ticket"
	"signet/internal/token"
)

// people has alice, who is signed in.
type people struct{}

func (people) ByUser(context.Context, string, string) (token.Person, error) {
	return token.Person{}, nil
}

func (people) Profile(context.Context, string) (token.Profile, error) { return token.Profile{}, nil }

func (people) BySession(_ context.Context, user, session string) (token.Person, error) {
	if user != "usr_alice" || session != "ses_alice" {
		return token.Person{}, fault.New(fault.Unauthorized, "nobody is signed in")
	}
	return token.Person{
		User: user, Account: "acme", Roles: []string{"auditor"}, Permissions: []string{"audit:read"},
		AMR: []string{"hwk", "mfa"}, ACR: "phr", AuthTime: time.Now().Add(-time.Minute),
	}, nil
}

type anyAccount struct{}

func (anyAccount) AccountFor(context.Context, *db.Tx, string) (string, error) { return "acme", nil }

// world is hello beside Signet's own token authority.
type world struct {
	codes *token.Codes
	app   *app
	hello http.Handler
	d     *db.DB
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{d: dbtest.SQLite(t)}
	if _, err := w.d.SQL().ExecContext(t.Context(), `INSERT INTO accounts (id, name, kind, created_at) VALUES ('acme', 'acme', 'tenant', $1)`, time.Now().UTC()); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	signet := httptest.NewServer(mux)
	t.Cleanup(signet.Close)
	helloServer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.hello.ServeHTTP(rw, r) }))
	t.Cleanup(helloServer.Close)
	authority := token.New(w.d, seal.New(seal.NewRing(seal.NewKey())), push.New(w.d), audit.Discard, token.Options{Issuer: signet.URL, Now: time.Now})
	clients := token.NewClients(w.d, anyAccount{}, audit.Discard, token.ClientOptions{Now: time.Now})
	post, err := egress.New(egress.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(post.CloseIdle)
	w.codes = token.NewCodes(w.d, authority, token.CodeOptions{People: people{}, Audit: audit.Discard, Post: post, Now: time.Now})
	token.Routes(mux, authority)
	token.HandoffRoutes(mux, w.codes, clients)
	ctx := ticket.With(t.Context(), ticket.Operator([]string{"oauth:clients"}))
	c, secret, err := clients.Create(ctx, token.NewClient{
		Name: "Hello", Redirects: []string{"http://app.localhost:9080/callback"}, LogoutURI: helloServer.URL + "/backchannel-logout",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.app, err = newApp(config{
		signet: signet.URL, issuer: signet.URL, clientID: c.ID, secret: secret, audience: c.ID,
		origin: "http://app.localhost:9080", now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.hello = w.app.routes()
	return w
}

// browser keeps cookies by hand: Go's jar sends no Secure cookie by http, not even to localhost.
type browser struct {
	hello   http.Handler
	cookies map[string]string
}

func (w *world) browser() *browser { return &browser{hello: w.hello, cookies: map[string]string{}} }

func (b *browser) do(t *testing.T, method, target string, headers ...string) (*httptest.ResponseRecorder, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://app.localhost:9080"+target, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	b.hello.ServeHTTP(rec, r)
	for _, line := range rec.Header().Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %s is not one of this host only: %v", c.Name, c)
		}
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return rec, rec.Body.String()
}

// begin follows /login to Signet and returns the code that alice gets there.
func (w *world) begin(t *testing.T, b *browser) string {
	t.Helper()
	res, _ := b.do(t, http.MethodGet, "/login?locale=de")
	to, err := url.Parse(res.Header().Get("Location"))
	if err != nil || res.Code != http.StatusSeeOther || to.Path != "/login" || to.Query().Get("locale") != "de" {
		t.Fatalf("login: got %d to %v", res.Code, to)
	}
	code, err := w.codes.Issue(t.Context(), token.Handoff{
		Client: to.Query().Get("client_id"), Next: to.Query().Get("next"), Challenge: to.Query().Get("challenge"),
		User: "usr_alice", Session: "ses_alice",
	})
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func (w *world) signIn(t *testing.T) *browser {
	t.Helper()
	b := w.browser()
	res, text := b.do(t, http.MethodGet, "/callback?nonce="+w.begin(t, b))
	if res.Code != http.StatusSeeOther || res.Header().Get("Location") != "/" {
		t.Fatalf("callback: got %d %s", res.Code, text)
	}
	return b
}

func signedIn(t *testing.T, b *browser) bool {
	t.Helper()
	_, text := b.do(t, http.MethodGet, "/")
	return strings.Contains(text, "usr_alice")
}

func TestUserSignsInAndOut(t *testing.T) {
	w := newWorld(t)
	if _, text := w.browser().do(t, http.MethodGet, "/"); !strings.Contains(text, `href="/login"`) {
		t.Errorf("signed out, the page says %s", text)
	}
	b := w.signIn(t)
	_, text := b.do(t, http.MethodGet, "/")
	for _, want := range []string{"usr_alice", "acme", "auditor", "audit:read", "hwk mfa", "phr", w.app.signet + "/logout"} {
		if !strings.Contains(text, want) {
			t.Errorf("signed in, the page lacks %s:\n%s", want, text)
		}
	}
	if res, _ := b.do(t, http.MethodPost, "/logout", "Sec-Fetch-Site", "cross-site"); res.Code != http.StatusForbidden || !signedIn(t, b) {
		t.Errorf("another site signs out: got %d", res.Code)
	}
	kept := b.cookies[sessionCookie]
	b.do(t, http.MethodPost, "/logout", "Sec-Fetch-Site", "same-origin")
	b.cookies[sessionCookie] = kept
	if signedIn(t, b) {
		t.Error("the cookie is good after sign-out")
	}
}

func TestPageMayUseItsStyleAndNothingElse(t *testing.T) {
	w := newWorld(t)
	res, text := w.browser().do(t, http.MethodGet, "/")
	_, style, _ := strings.Cut(text, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	sum := sha256.Sum256([]byte(style))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"
	if got := res.Header().Get("Content-Security-Policy"); !strings.HasPrefix(got, want) || strings.Contains(text, "<script") {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCodeIsGoodInOneBrowserOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	code := w.begin(t, b)
	victim := w.browser()
	if res, _ := victim.do(t, http.MethodGet, "/callback?nonce="+code); res.Code != http.StatusBadRequest {
		t.Errorf("a browser that began nothing: got %d", res.Code)
	}
	w.begin(t, victim)
	if res, _ := victim.do(t, http.MethodGet, "/callback?nonce="+code); res.Code != http.StatusBadRequest || signedIn(t, victim) {
		t.Errorf("a browser that began another sign-in: got %d", res.Code)
	}
	if res, _ := b.do(t, http.MethodGet, "/callback?nonce="+code); res.Code != http.StatusBadRequest || signedIn(t, b) {
		t.Errorf("the code is used up, and its own browser got %d", res.Code)
	}
	if res, _ := b.do(t, http.MethodGet, "/callback"); res.Code != http.StatusBadRequest {
		t.Errorf("no code: got %d", res.Code)
	}
}

func TestEndOfTheSessionAtSignetSignsOutHere(t *testing.T) {
	w := newWorld(t)
	b := w.signIn(t)
	err := w.d.Update(t.Context(), func(tx *db.Tx) error { return w.codes.SessionsEnded(t.Context(), tx, []string{"ses_alice"}) })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.codes.Notify(t.Context()); err != nil {
		t.Fatal(err)
	}
	if signedIn(t, b) {
		t.Error("still signed in")
	}
}

func TestMadeUpLogoutTokenSignsNobodyOut(t *testing.T) {
	w := newWorld(t)
	b := w.signIn(t)
	for _, made := range []string{"", "x", "e30.e30."} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://app.localhost:9080/backchannel-logout",
			strings.NewReader(url.Values{"logout_token": {made}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		w.hello.ServeHTTP(rec, r)
		if rec.Code != http.StatusBadRequest {
			t.Errorf("%q: got %d, want 400", made, rec.Code)
		}
	}
	if !signedIn(t, b) {
		t.Error("signed out")
	}
}

func TestSessionEndsByItself(t *testing.T) {
	w := newWorld(t)
	b := w.signIn(t)
	w.app.sessions.now = func() time.Time { return time.Now().Add(sessionLife) }
	if signedIn(t, b) {
		t.Error("still signed in after its life")
	}
}

func TestWrongSecretIsNotTheUsersFault(t *testing.T) {
	w := newWorld(t)
	c := w.app.config
	c.secret = "sgc_wrong"
	w.app.door = handoff{c, w.app.guard}
	b := w.browser()
	if res, _ := b.do(t, http.MethodGet, "/callback?nonce="+w.begin(t, b)); res.Code != http.StatusBadGateway {
		t.Errorf("got %d, want 502", res.Code)
	}
}

func TestHelloWantsItsSecretFromTheEnvironment(t *testing.T) {
	t.Setenv("HELLO_CLIENT_SECRET", "")
	if _, _, err := configure([]string{"--client-id", "cli_x"}); err == nil {
		t.Error("configured without a secret")
	}
	t.Setenv("HELLO_CLIENT_SECRET", "sgc_x")
	c, listen, err := configure([]string{"--client-id", "cli_x", "--signet", "https://auth.example.org/"})
	if err != nil || c.issuer != "https://auth.example.org" || c.audience != "cli_x" || c.secret != "sgc_x" || listen != "127.0.0.1:9080" {
		t.Errorf("got %q, %v", listen, err)
	}
}
