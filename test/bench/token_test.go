//go:build bench

package bench

import (
	"bytes"
	"crypto/rand"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/dpop/dpoptest"
	signettest "signet/test/signet"
)

// What requests at the endpoints of the token authority cost the server's processor,
// beside a bare net/http server that does the same primitives and no more ([serveBare]),
// in the same run, each on one processor. The design's bars are for a machine on which
// that costs 115 us for a token with a proof, 53 for one without and 22 for an answer:
// what they leave over that is what counts here.
func TestBenchTokenEndpoints(t *testing.T) {
	t.Run("in memory", func(t *testing.T) {
		benchEndpoints(t, "security: {keepClientTokens: false, senderConstraints: {dpop: {nonce: {store: memory}}}}\n", 150)
	})
	t.Run("kept in SQLite", func(t *testing.T) { benchEndpoints(t, "", 250) })
}

func benchEndpoints(t *testing.T, config string, proofBar float64) {
	const turns, requests, many = 5, 2000, 8000 // many of what is short: processor time comes in pieces of 10 ms
	one := []string{"GOMAXPROCS=1"}
	n := signettest.New(t, signettest.Options{Env: one, Config: "telemetry: {logLevel: warn}\n" + config})
	at := n.Start()
	bare, pid := startSelf(t, "tokens", one...)
	free, bound := newClient(t, n, "optional"), newClient(t, n, "required")
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	form := url.Values{"grant_type": {"client_credentials"}}
	nonce := send(t, c, at.Origin+"/token", bound, form, "").Header.Get("DPoP-Nonce")
	proofs := newProofs(t, at.Origin+"/token", nonce, turns*requests)
	value := token(t, c, at.Origin, free, form)
	var used, again atomic.Int64
	ask := func(address string, by *url.Userinfo, form url.Values, proof string) {
		if res := send(t, c, address, by, form, proof); res.StatusCode != http.StatusOK {
			t.Errorf("%s: got %d", address, res.StatusCode)
		}
	}
	ours := func(n int, do func()) float64 { return microseconds(at, n, do) }
	floor := func(n int, do func()) float64 {
		return microsecondsOf(func() time.Duration { return signettest.CPU(t, pid) }, n, do)
	}
	var proven, bearer, seen [2][]float64 // ours, the floor's
	for range turns {
		proven[0] = append(proven[0], ours(requests, func() { ask(at.Origin+"/token", bound, form, proofs[used.Add(1)-1]) }))
		proven[1] = append(proven[1], floor(requests, func() { ask("http://"+bare+"/proof", bound, form, proofs[again.Add(1)-1]) }))
		bearer[0] = append(bearer[0], ours(many, func() { ask(at.Origin+"/token", free, form, "") }))
		bearer[1] = append(bearer[1], floor(many, func() { ask("http://"+bare+"/bearer", free, form, "") }))
		about := url.Values{"token": {value}}
		seen[0] = append(seen[0], ours(many, func() { ask(at.Origin+"/introspect", free, about, "") }))
		seen[1] = append(seen[1], floor(many, func() { ask("http://"+bare+"/answer", free, about, "") }))
	}
	compare(t, "a token with a proof", proven, proofBar, 115)
	compare(t, "a bearer token", bearer, 70, 53)
	compare(t, "an introspection", seen, 40, 22)
}

// compare holds what a request costs to a bar in microseconds, as the design has it, and
// as a ratio: the bar is for a machine on which the floor costs that many microseconds.
func compare(t *testing.T, what string, us [2][]float64, bar, floor float64) {
	t.Helper()
	ratio, most := median(ratios(us[0], us[1])), bar/floor
	figure(t, median(us[0]) <= bar, "%s: %.0f us of processor, a bare server takes %.0f; the bar is %.0f us", what, median(us[0]), median(us[1]), bar)
	figure(t, ratio <= most, "%s: ratio %.2f to a bare server; the bar is %.2f (%.0f us where it takes %.0f)", what, ratio, most, bar, floor)
}

func newProofs(t *testing.T, address, nonce string, n int) (proofs []string) {
	t.Helper()
	k := dpoptest.NewSigner(t, "ES256")
	for range n {
		p := dpoptest.With(dpoptest.Payload(http.MethodPost, address, "", time.Now()), "jti", rand.Text(), "nonce", nonce)
		proofs = append(proofs, k.Proof(t, k.Header(), p))
	}
	return proofs
}

// newClient registers a client and returns its id and secret.
func newClient(t *testing.T, n *signettest.Installation, dpop string) *url.Userinfo {
	t.Helper()
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	n.JSON(&made, "admin", "client", "create", "--name", "Bench", "--grant", "client_credentials", "--dpop", dpop, "--json")
	n.Secrets.Add(made.Secret)
	return url.UserPassword(made.ID, made.Secret)
}

func send(t *testing.T, c *http.Client, address string, by *url.Userinfo, form url.Values, proof string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	secret, _ := by.Password()
	r.SetBasicAuth(by.Username(), secret)
	if proof != "" {
		r.Header.Set("DPoP", proof)
	}
	return do(t, c, r)
}

// do sends r and reads the answer whole; its body can be read again.
func do(t *testing.T, c *http.Client, r *http.Request) *http.Response {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res
}

func token(t *testing.T, c *http.Client, origin string, by *url.Userinfo, form url.Values) string {
	t.Helper()
	body, err := io.ReadAll(send(t, c, origin+"/token", by, form, "").Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(body), `"access_token":"`)
	value, _, ok := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("no token: %s", body)
	}
	return value
}

// microseconds returns the processor time that a server spends on a request, the mean of
// n, of which eight are under way at a time.
func microseconds(at *signettest.Instance, n int, do func()) float64 {
	return microsecondsOf(at.CPU, n, do)
}

// microsecondsOf is microseconds of a process whose processor time cpu tells.
func microsecondsOf(cpu func() time.Duration, n int, do func()) float64 {
	const workers = 8
	many := func(n int) {
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range n / workers {
					do()
				}
			})
		}
		all.Wait()
	}
	many(n / 10) // warm
	begun := cpu()
	many(n - n/10)
	return float64((cpu() - begun).Microseconds()) / float64(n-n/10)
}
