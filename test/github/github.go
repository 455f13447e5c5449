// Package githubtest is a GitHub for tests: its sign-in and the two calls of its API
// that a sign-in needs, with GitHub's shapes and oddities. Errors of the token
// endpoint come with status 200, ids are numbers, addresses may be null, and a call
// without the right headers is refused.
package githubtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Credentials of the one OAuth app.
const (
	ClientID     = "Iv1.8a61f9b3a7aba766"
	ClientSecret = "fake-github-secret" //nolint:gosec // opens nothing
)

// User is who signs in, and what goes wrong meanwhile.
type User struct {
	ID     int64
	Login  string
	Name   string // "" is null
	Emails []Email

	Denies      bool // the person says no
	NoScope     bool // the person takes user:email out
	Suspended   bool // 403 at the API
	RateLimited bool // 403 at the API, with X-RateLimit-Remaining: 0
	NoEmails    bool // 404 at /user/emails
	Garbled     bool // the API answers with a page
}

// Email is one address of a user.
type Email struct {
	Email      string  `json:"email"`
	Primary    bool    `json:"primary"`
	Verified   bool    `json:"verified"`
	Visibility *string `json:"visibility"`
}

// Server is a GitHub on loopback, in the form of an Enterprise Server: the API is
// below /api/v3.
type Server struct {
	URL string

	mu      sync.Mutex
	user    User
	sendISS bool
	status  int // of the token endpoint; 0 works
	grants  map[string]grant
	tokens  map[string]grant
}

type grant struct {
	user                User
	redirect, challenge string
	scope               string
}

// Start starts a server and ends it with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{grants: map[string]grant{}, tokens: map[string]grant{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login/oauth/authorize", s.authorize)
	mux.HandleFunc("POST /login/oauth/access_token", s.token)
	mux.HandleFunc("GET /api/v3/user", s.api(func(u User) (int, any) { return http.StatusOK, u.profile() }))
	mux.HandleFunc("GET /api/v3/user/emails", s.api(func(u User) (int, any) {
		if u.NoEmails {
			return http.StatusNotFound, message("Not Found")
		}
		return http.StatusOK, u.Emails
	}))
	h := httptest.NewServer(mux)
	t.Cleanup(h.Close)
	s.URL = h.URL
	return s
}

// SignIn makes u the person at the browser.
func (s *Server) SignIn(u User) { s.locked(func() { s.user = u }) }

// SendIssuer has callbacks carry iss (RFC 9207), as GitHub's did in April 2026.
func (s *Server) SendIssuer() { s.locked(func() { s.sendISS = true }) }

// Break has the token endpoint answer with a status and a page; 0 mends it.
func (s *Server) Break(status int) { s.locked(func() { s.status = status }) }

func (s *Server) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("client_id") != ClientID {
		http.NotFound(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := url.Values{"state": {q.Get("state")}}
	switch {
	case s.user.Denies:
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The user has denied your application access.")
		answer.Set("error_uri", "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-authorization-request-errors/#access-denied")
	default:
		g := grant{user: s.user, redirect: q.Get("redirect_uri"), scope: q.Get("scope")}
		if q.Get("code_challenge_method") == "S256" {
			g.challenge = q.Get("code_challenge")
		}
		if s.user.NoScope {
			g.scope = ""
		}
		code := rand.Text()[:20]
		s.grants[code] = g
		answer.Set("code", code)
	}
	if s.sendISS {
		answer.Set("iss", s.URL+"/login/oauth")
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusFound) //nolint:gosec // a fake registers no URIs
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != 0 {
		http.Error(w, "<html>Unicorn!</html>", s.status)
		return
	}
	g, known := s.grants[r.PostFormValue("code")]
	delete(s.grants, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	switch {
	case r.PostFormValue("client_id") != ClientID || r.PostFormValue("client_secret") != ClientSecret:
		refuse(w, r, "incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.")
	case !known, g.challenge == "", g.challenge != base64.RawURLEncoding.EncodeToString(sum[:]):
		refuse(w, r, "bad_verification_code", "The code passed is incorrect or expired.")
	case g.redirect != r.PostFormValue("redirect_uri"):
		refuse(w, r, "redirect_uri_mismatch", "The redirect_uri MUST match the registered callback URL for this application.")
	default:
		token := "gho_" + rand.Text()
		s.tokens[token] = g
		answer(w, r, url.Values{"access_token": {token}, "scope": {strings.ReplaceAll(g.scope, " ", ",")}, "token_type": {"bearer"}})
	}
}

func refuse(w http.ResponseWriter, r *http.Request, code, text string) {
	answer(w, r, url.Values{"error": {code}, "error_description": {text}, "error_uri": {"https://docs.github.com/" + code}})
}

// answer is a form unless JSON is asked for, always with status 200.
func answer(w http.ResponseWriter, r *http.Request, v url.Values) {
	if !strings.Contains(r.Header.Get("Accept"), "json") {
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = w.Write([]byte(v.Encode())) // the client may be gone
		return
	}
	members := map[string]string{}
	for k := range v {
		members[k] = v.Get(k)
	}
	writeJSON(w, http.StatusOK, members)
}

func (s *Server) api(call func(User) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		s.mu.Lock()
		g, known := s.tokens[token]
		s.mu.Unlock()
		switch {
		case r.UserAgent() == "" || strings.HasPrefix(r.UserAgent(), "Go-http-client"):
			http.Error(w, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header", http.StatusForbidden)
		case r.Header.Get("Accept") != "application/vnd.github+json", r.Header.Get("X-GitHub-Api-Version") != "2022-11-28":
			writeJSON(w, http.StatusBadRequest, message("Bad Request"))
		case !known:
			writeJSON(w, http.StatusUnauthorized, message("Bad credentials"))
		case g.user.Suspended:
			writeJSON(w, http.StatusForbidden, message("Sorry. Your account was suspended."))
		case g.user.RateLimited:
			w.Header().Set("X-RateLimit-Remaining", "0")
			writeJSON(w, http.StatusForbidden, message("API rate limit exceeded for user ID 1."))
		case g.user.Garbled:
			_, _ = w.Write([]byte("<html>Unicorn!</html>")) // the client may be gone
		case r.URL.Path == "/api/v3/user/emails" && g.scope == "":
			writeJSON(w, http.StatusNotFound, message("Not Found"))
		default:
			status, body := call(g.user)
			writeJSON(w, status, body)
		}
	}
}

// profile is the public profile: its address is the one shown to the public.
func (u User) profile() map[string]any {
	p := map[string]any{"login": u.Login, "id": u.ID, "node_id": "MDQ6VXNlcjE=", "type": "User", "name": nil, "email": nil}
	if u.Name != "" {
		p["name"] = u.Name
	}
	return p
}

func message(text string) map[string]string {
	return map[string]string{"message": text, "documentation_url": "https://docs.github.com/rest"}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
