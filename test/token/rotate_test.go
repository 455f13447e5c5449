package token_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	"signet/resource"
	signettest "signet/test/signet"
)

// readers verify tokens as resources do: one keeps the keys that it has got, the other
// one is new each time.
type readers struct {
	issuer, jwks string
	kept         *resource.Guard
}

func newReaders(t testing.TB, issuer, jwks string) readers {
	t.Helper()
	r := readers{issuer: issuer, jwks: jwks}
	r.kept = r.guard(t)
	return r
}

func (r readers) guard(t testing.TB) *resource.Guard {
	t.Helper()
	g, err := resource.Protect(r.issuer, r.issuer, resource.Keys(r.jwks))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (r readers) check(t testing.TB, token string) {
	t.Helper()
	for name, g := range map[string]*resource.Guard{"that keeps the keys": r.kept, "that has just begun": r.guard(t)} {
		if _, err := g.Access(t.Context(), token); err != nil {
			t.Errorf("resource %s: %v", name, err)
		}
	}
}

func TestSigningKeysRotateUnderTrafficWithoutARefusal(t *testing.T) {
	t.Parallel()
	n := signettest.New(t, signettest.Options{
		StoreURL: dbtest.EmptyPostgresURL(t), Env: []string{"SIGNET_SERVER_ORIGIN=" + balanced, "SIGNET_TELEMETRY_LOG_LEVEL=warn"},
	})
	nodes := []*signettest.Instance{n.Start(), n.Start()}
	app := newApp(t, n, "app", "--audience", balanced)
	if _, status := n.Try("token", "rotate"); status != 1 {
		t.Fatalf("rotate while caches do not have the next key: status %d, want 1", status)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	kids := &signers{seen: map[string]int{}}
	var old atomic.Value
	for n, node := range nodes {
		c, r := newCaller(t, &http.Transport{}), newReaders(t, balanced, nodes[1-n].Origin+"/jwks")
		all.Go(func() {
			for ctx.Err() == nil {
				a := c.post(node.Origin+"/token", own(), app...) //nolint:contextcheck // a request is not cut off at the end
				if a.Status != http.StatusOK {
					t.Errorf("token: got %d %s", a.Status, a.Body)
					return
				}
				r.check(t, a.Access) //nolint:contextcheck // nor is this
				kids.note(n, a.Access)
				old.CompareAndSwap(nil, a.Access)
			}
		})
	}
	signettest.Await(t, "both nodes sign", 10*time.Second, func() error { return kids.want(1) })
	// The next key has been published for as long as others may keep the keys.
	_, err := n.Store(t).SQL().ExecContext(t.Context(), `UPDATE token_keys SET created_at = created_at - interval '7 minutes' WHERE state = 'next'`)
	if err != nil {
		t.Fatal(err)
	}
	n.Run("token", "rotate")
	signettest.Await(t, "both nodes sign with the new key", 10*time.Second, func() error { return kids.want(2) })
	stop()
	all.Wait()
	newReaders(t, balanced, nodes[0].Origin+"/jwks").check(t, old.Load().(string)) // of the key before
	t.Logf("%d tokens, none of them refused", kids.total())
}

// signers counts which node signed with which key.
type signers struct {
	sync.Mutex
	seen map[string]int // by node and header
}

func (s *signers) note(node int, token string) {
	header, _, _ := strings.Cut(token, ".")
	s.Lock()
	defer s.Unlock()
	s.seen[string(rune('0'+node))+header]++
}

// want returns an error unless each of two nodes has signed with so many keys.
func (s *signers) want(keys int) error {
	s.Lock()
	defer s.Unlock()
	if len(s.seen) < 2*keys {
		return errAnswer
	}
	return nil
}

func (s *signers) total() (n int) {
	s.Lock()
	defer s.Unlock()
	for _, of := range s.seen {
		n += of
	}
	return n
}
