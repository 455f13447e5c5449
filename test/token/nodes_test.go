package token_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	"signet/internal/dpop/dpoptest"
	redistest "signet/test/redis"
	signettest "signet/test/signet"
)

// balanced is the address of a balancer before both nodes, which nobody asks: it is what
// proofs are made for.
const balanced = "https://auth.example.test"

// cluster is two nodes of one installation, on PostgreSQL and Redis.
type cluster struct {
	*signettest.Installation
	nodes []*signettest.Instance
	redis *redistest.Server
	key   dpoptest.Signer
	app   []string
	caller
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{redis: redistest.Start(t), key: dpoptest.NewSigner(t, "ES256"), caller: newCaller(t, &http.Transport{})}
	c.Installation = signettest.New(t, signettest.Options{
		StoreURL: dbtest.EmptyPostgresURL(t),
		Env: []string{
			"SIGNET_REDIS_URL=" + c.redis.URL(), "SIGNET_SERVER_ORIGIN=" + balanced, "SIGNET_TELEMETRY_LOG_LEVEL=warn",
			"SIGNET_SERVER_TRUSTED_PROXIES=127.0.0.1/32", // the balancer
		},
	})
	for range 2 {
		c.nodes = append(c.nodes, c.Start())
	}
	c.app = newApp(t, c.Installation, "app", "--dpop", "required")
	return c
}

// ask asks a node for a token with a proof.
func (c *cluster) ask(node *signettest.Instance, proof string) (answer, error) {
	return c.try(node.Origin+"/token", own(), append([]string{"DPoP", proof}, c.app...)...)
}

func (c *cluster) proof(t testing.TB, nonce string) string {
	t.Helper()
	return prove(t, c.key, balanced+"/token", "", "nonce", nonce)
}

// nonce gets one of a node.
func (c *cluster) nonce(t testing.TB, node *signettest.Instance) string {
	t.Helper()
	a, err := c.ask(node, prove(t, c.key, balanced+"/token", ""))
	if err != nil || a.Status != http.StatusBadRequest || a.Error != "use_dpop_nonce" {
		t.Fatalf("proof without nonce: got %d %s, %v; want 400 use_dpop_nonce", a.Status, a.Body, err)
	}
	return a.Header.Get("DPoP-Nonce")
}

func TestProofThatWasUsedAtOneNodeIsRefusedAtAllWhateverBecomesOfRedis(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	used := c.use(t, 100)
	if got, want := c.replay(t, used), (map[int]int{http.StatusUnauthorized: 200}); !maps.Equal(got, want) {
		t.Fatalf("used proofs at both nodes: got answers %v, want %v", got, want)
	}
	l := c.load(t)
	l.await(t, 20)
	c.redis.Kill()
	c.awaitStore(t, "sql")
	l.await(t, 20)
	if got := c.replay(t, used); got[http.StatusOK] != 0 {
		t.Errorf("used proofs while Redis was away: got answers %v", got)
	}
	c.redis.Restart()
	c.awaitStore(t, "redis")
	l.await(t, 20)
	if got := c.replay(t, used); got[http.StatusOK] != 0 {
		t.Errorf("used proofs after Redis came back empty: got answers %v", got)
	}
	done, failed := l.end()
	t.Logf("meanwhile %d tokens; %d requests got 503", done, failed)
}

func TestNothingIsIssuedWhileNoStoreCanTellUsedProofs(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	node := c.nodes[0]
	nonce := c.nonce(t, node)
	if a, err := c.ask(node, c.proof(t, nonce)); err != nil || a.Status != http.StatusOK {
		t.Fatalf("with all stores: got %d %s, %v", a.Status, a.Body, err)
	}
	before := node.Metric(`authority_dpop_requests_total{result="unavailable"}`)
	// The database stays, but its table of used proofs does not answer.
	tx, err := c.Store(t).SQL().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), `LOCK TABLE once_values IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	c.redis.Kill()
	for range 3 {
		a, err := c.ask(node, c.proof(t, nonce))
		if err != nil || a.Status != http.StatusServiceUnavailable || a.Access != "" {
			t.Errorf("with no store: got %d %s, %v; want 503", a.Status, a.Body, err)
		}
	}
	if got := node.Metric(`authority_dpop_requests_total{result="unavailable"}`) - before; got < 3 {
		t.Errorf(`authority_dpop_requests_total{result="unavailable"} rose by %v, want 3`, got)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	// A nonce of the store that stands in says that it may be asked.
	signettest.Await(t, "tokens are issued again", 15*time.Second, func() error {
		a, err := c.ask(node, c.proof(t, nonce))
		if err == nil && a.Status != http.StatusOK {
			err = fmt.Errorf("%w: %d %s", errAnswer, a.Status, a.Body)
		}
		if next := a.Header.Get("DPoP-Nonce"); next != "" {
			nonce = next
		}
		return err
	})
}

// awaitStore waits until the nodes keep used proofs in a store.
func (c *cluster) awaitStore(t *testing.T, want string) {
	t.Helper()
	d := c.Store(t)
	defer d.Close()
	signettest.Await(t, "used proofs go to "+want, 20*time.Second, func() error {
		var name string
		err := d.SQL().QueryRowContext(t.Context(), `SELECT store FROM once_epoch`).Scan(&name)
		if err == nil && name != want {
			err = fmt.Errorf("%w: it is %s", errAnswer, name)
		}
		return err
	})
}

// use has so many proofs accepted, by the nodes in turn.
func (c *cluster) use(t *testing.T, many int) (used []string) {
	t.Helper()
	nonce := c.nonce(t, c.nodes[0])
	for n := range many {
		proof := c.proof(t, nonce)
		a, err := c.ask(c.nodes[n%2], proof)
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("first use of a proof: got %d %s, %v", a.Status, a.Body, err)
		}
		used = append(used, proof)
	}
	return used
}

// replay shows used proofs to both nodes, the other one first, and returns how often each
// status was the answer.
func (c *cluster) replay(t *testing.T, used []string) map[int]int {
	t.Helper()
	got := map[int]int{}
	for round := range 2 {
		for n, proof := range used {
			a, err := c.ask(c.nodes[(n+1+round)%2], proof)
			if err != nil {
				t.Fatal(err)
			}
			got[a.Status]++
		}
	}
	return got
}

var errAnswer = errors.New("answer")

// load asks both nodes for tokens all the time, as a client does that heeds nonces.
type load struct {
	done, failed atomic.Int64
	stop         context.CancelFunc
	gone         sync.WaitGroup
}

func (c *cluster) load(t *testing.T) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop}
	t.Cleanup(func() { l.end() })
	for _, node := range c.nodes {
		nonce := c.nonce(t, node)
		l.gone.Go(func() {
			for ctx.Err() == nil {
				a, err := c.ask(node, c.proof(t, nonce)) //nolint:contextcheck // a request is not cut off at the end
				switch {
				case err != nil && ctx.Err() == nil:
					t.Error(err)
					return
				case a.Status == http.StatusOK:
					l.done.Add(1)
				case a.Status == http.StatusServiceUnavailable:
					l.failed.Add(1)
				case a.Error != "use_dpop_nonce" && !strings.Contains(a.Why, "send a new one"):
					t.Errorf("honest request: got %d %s", a.Status, a.Body)
				}
				if next := a.Header.Get("DPoP-Nonce"); next != "" {
					nonce = next
				}
			}
		})
	}
	return l
}

// await waits for so many tokens more.
func (l *load) await(t *testing.T, more int64) {
	t.Helper()
	from := l.done.Load()
	signettest.Await(t, "tokens are issued", 20*time.Second, func() error {
		if got := l.done.Load() - from; got < more {
			return fmt.Errorf("%w: %d of %d", errAnswer, got, more)
		}
		return nil
	})
}

func (l *load) end() (done, failed int64) {
	l.stop()
	l.gone.Wait()
	return l.done.Load(), l.failed.Load()
}
