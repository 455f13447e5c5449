package login

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"signet/internal/authapi"
	"signet/internal/fault"
	"signet/internal/ticket"
	"signet/internal/web"
)

const (
	// cached is how long an instance believes what account said of a session. Ended
	// ones are forgotten at once where the notice comes, and within a second else.
	cached = 5 * time.Second
	// maxCached bounds the memory: some 100 MB.
	maxCached = 100_000
)

// sessions remembers who is signed in.
type sessions struct {
	accounts authapi.Service
	bus      Bus
	topic    string
	now      func() time.Time

	mu    sync.RWMutex
	known map[[sha256.Size]byte]known
	age   uint64 // how often all was forgotten
}

type known struct {
	session authapi.Session
	until   time.Time
}

func newSessions(accounts authapi.Service, b Bus, o Options) *sessions {
	return &sessions{accounts: accounts, bus: b, topic: o.Changed, now: o.Now, known: map[[sha256.Size]byte]known{}}
}

// run forgets all sessions whenever one ended.
func (s *sessions) run(ctx context.Context) error {
	changes, cancel := s.bus.Subscribe(s.topic)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
			s.forget()
		}
	}
}

func (s *sessions) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.known)
	s.age++
}

// of returns who is signed in by the value of the cookie.
func (s *sessions) of(ctx context.Context, secret string, b authapi.Browser) (authapi.Session, error) {
	hash, now := sha256.Sum256([]byte(secret)), s.now()
	s.mu.RLock()
	k, ok := s.known[hash]
	age := s.age
	s.mu.RUnlock()
	if ok && now.Before(k.until) {
		return k.session, nil
	}
	found, err := s.accounts.Session(ctx, authapi.SessionRequest{RefreshToken: secret, Browser: b})
	if err != nil {
		return authapi.Session{}, err
	}
	if found.Successor == "" { // the other value is asked for next
		s.keep(hash, known{found, now.Add(cached)}, age)
	}
	return found, nil
}

// keep remembers what account said, unless all was forgotten since it was asked: then
// the session may have ended after account looked.
func (s *sessions) keep(hash [sha256.Size]byte, k known, age uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if age != s.age {
		return
	}
	if len(s.known) >= maxCached {
		clear(s.known)
	}
	s.known[hash] = k
}

type sessionKey struct{}

// Sessions puts who is signed in by cookie into the context of a request that
// carries no other credential. Requests that change something must come from a page
// of this origin. A cookie that is good no more is removed, and nobody is signed in.
func (l *Login) Sessions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, err := l.identify(w, r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case strings.Contains(r.Header.Get("Accept"), "text/html"): // somebody reads it
			l.page(func(http.ResponseWriter, *http.Request) error { return err }).ServeHTTP(w, r)
		default:
			web.Fail(w, r, err)
		}
	})
}

func (l *Login) identify(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	secret := value(r, sessionCookie)
	if secret == "" || ticket.From(r.Context()) != nil || fromApp(r) {
		return r, nil
	}
	s, err := l.sessions.of(r.Context(), secret, l.browser(r))
	if fault.KindOf(err) == fault.Unauthorized {
		set(w, sessionCookie, "", 0)
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := l.sameOrigin(r); err != nil {
		return r, err
	}
	if s.Successor != "" {
		set(w, sessionCookie, s.Successor, s.Expires.Sub(l.o.Now()))
	}
	ctx := context.WithValue(authapi.As(r.Context(), s), sessionKey{}, s)
	return r.WithContext(ctx), nil
}

// sessionOf returns who is signed in; ok is false where nobody is.
func sessionOf(r *http.Request) (s authapi.Session, ok bool) {
	s, ok = r.Context().Value(sessionKey{}).(authapi.Session)
	return s, ok
}

// browser is what account may know of the browser.
func (l *Login) browser(r *http.Request) authapi.Browser {
	agent := r.UserAgent()
	return authapi.Browser{
		Address: ticket.RequestFrom(r.Context()).Address, Agent: agent[:min(len(agent), 200)],
		Device: value(r, deviceCookie), Binding: value(r, browserCookie),
	}
}

// signedIn lets only those pass who are signed in, and others sign in first.
func (l *Login) signedIn(f handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if _, ok := sessionOf(r); !ok {
			return l.askToSignIn(w, r)
		}
		err := f(w, r)
		switch {
		case authapi.Word(err) == authapi.WordStepUp:
			return l.askToConfirm(w, r)
		case authapi.Word(err) == authapi.WordSession || errors.Is(err, ticket.ErrNone):
			l.sessions.forget()
			return l.askToSignIn(w, r)
		}
		return err
	}
}

// Members makes a page of another part of f: for who is signed in, in the language of
// its reader, with refusals that are pages too. Forms of other origins are refused.
func (l *Login) Members(f func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return l.page(l.signedIn(f))
}

// SessionOf returns who is signed in by cookie; ok is false where nobody is.
func SessionOf(r *http.Request) (s authapi.Session, ok bool) { return sessionOf(r) }
