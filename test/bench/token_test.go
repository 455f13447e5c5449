//go:build bench

package bench

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"signet/internal/dpop/dpoptest"
	signettest "signet/test/signet"
)

// What requests at the endpoints of the token authority cost the server's processor,
// beside the bare primitives and an HTTP answer of the same server, in the same run.
func TestBenchTokenEndpoints(t *testing.T) {
	t.Run("in memory", func(t *testing.T) {
		benchEndpoints(t, "security: {keepClientTokens: false, senderConstraints: {dpop: {nonce: {store: memory}}}}\n", 150)
	})
	t.Run("kept in SQLite", func(t *testing.T) { benchEndpoints(t, "", 250) })
}

func benchEndpoints(t *testing.T, config string, bar float64) {
	const requests = 6000
	n := signettest.New(t, signettest.Options{Env: []string{"GOMAXPROCS=1"}, Config: "telemetry: {logLevel: warn}\n" + config})
	at := n.Start()
	free, bound := newClient(t, n, "optional"), newClient(t, n, "required")
	k := dpoptest.NewSigner(t, "ES256")
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	form := url.Values{"grant_type": {"client_credentials"}}
	nonce := send(t, c, at.Origin+"/token", bound, form, "").Header.Get("DPoP-Nonce")
	var proofs []string
	for range requests {
		p := dpoptest.With(dpoptest.Payload(http.MethodPost, at.Origin+"/token", "", time.Now()), "jti", rand.Text(), "nonce", nonce)
		proofs = append(proofs, k.Proof(t, k.Header(), p))
	}
	value := token(t, c, at.Origin, free, form)
	var next atomic.Int64
	ask := func(do func()) float64 { return microseconds(at, requests, do) }
	proven := ask(func() {
		mine := int(next.Add(1)) - 1
		if res := send(t, c, at.Origin+"/token", bound, form, proofs[mine]); res.StatusCode != http.StatusOK {
			t.Errorf("proof: got %d", res.StatusCode)
		}
	})
	bearer := ask(func() { send(t, c, at.Origin+"/token", free, form, "") })
	seen := ask(func() { send(t, c, at.Origin+"/introspect", free, url.Values{"token": {value}}, "") })
	floor := ask(func() { get(t, c, at.Origin+"/.well-known/oauth-authorization-server") })
	verify, sign := bareES256(t)
	figure(t, proven <= bar, "a token with a proof: %.0f us of processor; an answer, a bare verification and a bare signature: %.0f + %.0f + %.0f = %.0f us, ratio %.2f; the bar is %.0f us",
		proven, floor, verify, sign, floor+verify+sign, proven/(floor+verify+sign), bar)
	figure(t, bearer <= 70, "a bearer token: %.0f us; an answer and a bare signature: %.0f us, ratio %.2f; the bar is 70 us", bearer, floor+sign, bearer/(floor+sign))
	figure(t, seen <= 40, "an introspection: %.0f us; an answer: %.0f us, ratio %.2f; the bar is 40 us", seen, floor, seen/floor)
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

func get(t *testing.T, c *http.Client, address string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	do(t, c, r)
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

// bareES256 returns what one verification and one signature cost here, in microseconds.
func bareES256(t *testing.T) (verify, sign float64) {
	t.Helper()
	k, ok := dpoptest.NewSigner(t, "ES256").Private.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("no ECDSA key")
	}
	sum := sha256.Sum256([]byte("something"))
	signature, err := ecdsa.SignASN1(rand.Reader, k, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	verify = spent(func() { ecdsa.VerifyASN1(&k.PublicKey, sum[:], signature) })
	sign = spent(func() { _, _ = ecdsa.SignASN1(rand.Reader, k, sum[:]) })
	return verify, sign
}

// spent returns the processor time of one call, in microseconds, the mean of 2,000.
func spent(f func()) float64 {
	const n = 2000
	used := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	begun := used()
	for range n {
		f()
	}
	return float64((used() - begun).Microseconds()) / n
}
