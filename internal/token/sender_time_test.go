package token_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/once"
	"signet/internal/token"
	redistest "signet/test/redis"
)

// A proof with an iat as far in the future as clocks may differ lives longest. It must be
// remembered for all that time: others forget it too early.
func TestProofOfTheFutureIsRememberedAsLongAsItIsGood(t *testing.T) {
	d := dbtest.SQLite(t)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, d, houseOptions{sender: func(o *token.SenderOptions) { o.Window = 0 }})
		time.Sleep(newborn) //nolint:forbidigo // the bubble's clock
		h.advance(-newborn)
		id, secret := h.bound()
		k := h.holder()
		proof := k.proof("/token", map[string]any{"iat": time.Now().Add(10 * time.Second).Unix()})
		ask := func() answer {
			return h.nodes[0].call(t, "/token", id, secret, form("grant_type", "client_credentials"), "DPoP", proof)
		}
		ask().wants(t, "the first time", 200, "")
		for passed := time.Duration(0); passed < 2*time.Minute; passed += time.Second {
			if a := ask(); a.status == http.StatusOK {
				t.Fatalf("taken again after %s", passed)
			}
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		}
	})
}

func TestUsedProofIsRefusedAfterRedisHasLostIt(t *testing.T) {
	server := redistest.Start(t)
	d := dbtest.Postgres(t)
	var guard *once.Guard
	h := newHouse(t, d, houseOptions{
		sender: func(o *token.SenderOptions) { o.Nonces = true },
		store:  func(t testing.TB, _ *db.DB) once.Store { return inRedis(t, server) },
		guard:  func(g *once.Guard) { guard = g },
		second: inSQL,
	})
	run(t, guard.Watch)
	id, secret := h.bound()
	n, k := h.nodes[0], h.holder()
	ask := func(proof string) answer {
		return n.call(t, "/token", id, secret, form("grant_type", "client_credentials"), "DPoP", proof)
	}
	nonce := ask(k.proof("/token", nil)).header.Get("DPoP-Nonce")
	var used []string
	for range 100 {
		proof := k.proof("/token", map[string]any{"nonce": nonce})
		ask(proof).wants(t, "a new one", 200, "")
		used = append(used, proof)
	}
	server.Kill()
	server.Restart() // empty
	for _, proof := range used {
		if a := ask(proof); a.status == http.StatusOK {
			t.Fatal("a used proof was taken again")
		}
	}
	await(t, 20*time.Second, func() error { // a client that goes on is served again
		a := ask(k.proof("/token", map[string]any{"nonce": nonce}))
		if fresh := a.header.Get("DPoP-Nonce"); fresh != "" {
			nonce = fresh
		}
		if a.status != http.StatusOK {
			return errors.New("a new proof is not taken: " + a.text("error"))
		}
		return nil
	})
	for _, proof := range used {
		if a := ask(proof); a.status == http.StatusOK {
			t.Fatal("a used proof was taken again")
		}
	}
}

// await asks every 50 ms until done has no error.
func await(t *testing.T, within time.Duration, done func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(within)
	for {
		err := done()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-tick.C:
		}
	}
}
