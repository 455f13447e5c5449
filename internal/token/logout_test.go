package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/egress"
	"signet/internal/push"
	"signet/internal/seal"
	"signet/internal/token"
)

// listener is an app that hears of logouts.
type listener struct {
	*httptest.Server

	lock   sync.Mutex
	status int
	tokens []string
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{status: http.StatusOK}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.lock.Lock()
		defer l.lock.Unlock()
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("got %s of %q", r.Method, r.Header.Get("Content-Type"))
		}
		l.tokens = append(l.tokens, r.PostFormValue("logout_token"))
		w.WriteHeader(l.status)
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) heard() int {
	l.lock.Lock()
	defer l.lock.Unlock()
	return len(l.tokens)
}

func (l *listener) answer(status int) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.status = status
}

// hearing is a desk whose app hears at l, and has been handed alice's session.
func hearing(t *testing.T, d *db.DB, l *listener) *desk {
	t.Helper()
	k := newDesk(t, d, token.NewClient{LogoutURI: l.URL + "/backchannel-logout"})
	post, err := egress.New(egress.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(post.CloseIdle)
	k.codes = k.newCodes(post)
	k.issue(t)
	return k
}

func (k *desk) end(t *testing.T, sessions ...string) {
	t.Helper()
	err := k.d.Update(t.Context(), func(tx *db.Tx) error { return k.codes.SessionsEnded(t.Context(), tx, sessions) })
	if err != nil {
		t.Fatal(err)
	}
}

func (k *desk) notify(t *testing.T) {
	t.Helper()
	if err := k.codes.Notify(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (k *desk) waiting(t *testing.T) (n int) {
	t.Helper()
	if err := k.d.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM logout_notices`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAppHearsThatASessionEndedByALogoutToken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := listen(t)
		k := hearing(t, d, l)
		k.end(t, "ses_alice", "ses_unknown")
		k.notify(t)
		if l.heard() != 1 || k.waiting(t) != 0 {
			t.Fatalf("heard %d times and %d wait, want 1 and 0", l.heard(), k.waiting(t))
		}
		_, private := k.authority.ActiveKey(t)
		jws, err := jose.ParseSigned(l.tokens[0], []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		if typ := jws.Signatures[0].Header.ExtraHeaders["typ"]; typ != "logout+jwt" {
			t.Errorf("typ: got %v, want logout+jwt", typ)
		}
		text, err := jws.Verify(private.Public())
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if id, _ := got["jti"].(string); len(id) < 26 {
			t.Errorf("jti: got %q, want 128 bits", id)
		}
		delete(got, "jti")
		want := map[string]any{
			"iss": issuer, "aud": k.app.ID, "sub": "usr_alice", "sid": "ses_alice",
			"iat": float64(start.Unix()), "exp": float64(start.Add(2 * time.Minute).Unix()),
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("claims (-want +got):\n%s", d)
		}
		if _, err := k.authority.Verify(t.Context(), l.tokens[0], k.app.ID); !errors.Is(err, token.ErrToken) {
			t.Errorf("as an access token: got %v, want ErrToken", err)
		}
	})
}

func TestAppThatIsAwayHearsLater(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := listen(t)
		k := hearing(t, d, l)
		l.answer(http.StatusServiceUnavailable)
		k.end(t, "ses_alice")
		k.notify(t)
		for n, pause := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second} {
			k.authority.advance(pause - time.Second)
			k.notify(t)
			if got := l.heard(); got != n+1 {
				t.Fatalf("before pause %d is over: asked %d times, want %d", n, got, n+1)
			}
			k.authority.advance(time.Second)
			k.notify(t)
			if got := l.heard(); got != n+2 {
				t.Fatalf("after pause %d: asked %d times, want %d", n, got, n+2)
			}
		}
		l.answer(http.StatusNoContent)
		k.authority.advance(40 * time.Second)
		k.notify(t)
		if got := k.waiting(t); got != 0 {
			t.Errorf("%d wait, want none", got)
		}
	})
}

func TestAppThatStaysAwayIsGivenUpAfterAnHour(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := listen(t)
		k := hearing(t, d, l)
		l.answer(http.StatusBadRequest)
		k.end(t, "ses_alice")
		begun := *k.authority.now
		for k.waiting(t) > 0 {
			k.notify(t)
			k.authority.advance(time.Second)
			if k.authority.now.Sub(begun) > 2*time.Hour {
				t.Fatal("it is still tried after two hours")
			}
		}
		took := k.authority.now.Sub(begun)
		if took < 45*time.Minute || took > time.Hour+time.Second || l.heard() > 15 {
			t.Errorf("given up after %v and %d attempts, want most of an hour and some ten", took, l.heard())
		}
	})
}

func TestTwoInstancesSendANoticeOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := listen(t)
		k := hearing(t, d, l)
		post, err := egress.New(egress.Config{Loopback: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(post.CloseIdle)
		const sessions = 40
		var ids []string
		for n := range sessions {
			id := "ses_" + string(rune('A'+n))
			k.sessions[id] = token.Person{User: "usr_alice", Account: "acme"}
			h := k.handoff()
			h.Session = id
			if _, err := k.codes.Issue(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		k.end(t, ids...)
		var all sync.WaitGroup
		for range 4 {
			instance := k.newCodes(post)
			all.Go(func() {
				if err := instance.Notify(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		k.notify(t)
		if got := l.heard(); got != sessions {
			t.Errorf("sent %d, want %d", got, sessions)
		}
	})
}

func TestSessionsThatDoNotEndAreNotToldOf(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := listen(t)
		k := hearing(t, d, l)
		back := errors.New("rolled back")
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			if err := k.codes.SessionsEnded(t.Context(), tx, []string{"ses_alice"}); err != nil {
				return err
			}
			return back
		})
		if !errors.Is(err, back) {
			t.Fatal(err)
		}
		k.notify(t)
		if l.heard() != 0 {
			t.Error("told of it")
		}
		if err := k.clients.Disable(operator(t.Context()), k.app.ID); err != nil {
			t.Fatal(err)
		}
		k.end(t, "ses_alice")
		k.notify(t)
		if l.heard() != 0 {
			t.Error("a disabled client was told")
		}
	})
}

// On PostgreSQL a session can be handed on while it is being ended: the transaction that
// ends it does not see that.
func TestAppHearsOfASessionThatEndedWhileItWasHandedOn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := listen(t)
		k := hearing(t, d, l)
		look := func() int {
			k.authority.advance(time.Minute)
			if err := k.codes.Prune(t.Context()); err != nil {
				t.Fatal(err)
			}
			k.notify(t)
			return l.heard()
		}
		if got := look(); got != 0 {
			t.Errorf("a session that lives: told %d times, want none", got)
		}
		delete(k.sessions, "ses_alice")
		for _, when := range []string{"once it ended", "a minute later"} {
			if got := look(); got != 1 {
				t.Errorf("%s: told %d times, want once", when, got)
			}
		}
	})
}

func TestRunTellsOfEndedSessionsAtOnce(t *testing.T) {
	l := listen(t)
	k := hearing(t, dbtest.SQLite(t), l)
	bus := push.New(k.d)
	k.authority.Authority = token.New(k.d, seal.New(seal.NewRing(masterKey())), bus, audit.Discard,
		token.Options{Issuer: issuer, Now: func() time.Time { return start }})
	post, err := egress.New(egress.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(post.CloseIdle)
	k.codes = k.newCodes(post)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for _, run := range []func(context.Context) error{bus.Run, k.codes.Run} {
		go func() { done <- run(ctx) }()
	}
	k.end(t, "ses_alice")
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	late := time.After(10 * time.Second)
	for l.heard() == 0 {
		select {
		case <-poll.C:
		case <-late:
			t.Fatal("not told within 10 s")
		}
	}
	cancel()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
