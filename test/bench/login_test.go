//go:build bench

package bench

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	signettest "signet/test/signet"
)

// Sign-ins by password, through pages and cookies, of six people at once, beside a bare
// net/http server that hashes what it is sent with the same parameters, two at once as we
// do it, and beside argon2id without any server.
func TestBenchSignInBesideArgon2(t *testing.T) {
	const bar, turns, each = 0.85, 10, 2 * time.Second
	const password = "wooden elbow parade 42"
	n := signettest.New(t, signettest.Options{})
	at := n.Start()
	people := make(chan *signettest.Agent, 6) // two at a time of each of three users
	emails := map[*signettest.Agent]string{}
	for _, email := range []string{"ada@example.org", "bob@example.org", "eve@example.org"} {
		n.CreateUser(email)
		link := n.SetupLink(email)
		known := at.Agent(t)
		known.Post(link)
		if res := known.Post("/account/security/password", "password", password); res.Status != http.StatusSeeOther {
			t.Fatalf("password: got %d", res.Status)
		}
		for range 2 {
			a := at.Agent(t)
			a.Cookies["__Host-signet-device"] = known.Cookies["__Host-signet-device"]
			emails[a] = email
			people <- a
		}
	}
	address := startResponder(t, "argon2")
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 6}}
	form := url.Values{"email": {"ada@example.org"}, "password": {password}}
	bare := func() bool {
		return send(t, c, "http://"+address, url.User("ada"), form, "").StatusCode == http.StatusOK
	}
	alone := func() bool {
		argon2.IDKey([]byte(password), []byte("0123456789abcdef"), 2, 19*1024, 1, 32)
		return true
	}
	var ours, floor, argon []float64
	for range turns {
		ours = append(ours, rate(t, 6, each, func() bool {
			a := <-people
			defer func() { people <- a }()
			delete(a.Cookies, "__Host-signet") // who signs in has no session yet
			return a.Post("/login", "email", emails[a], "password", password).Status == http.StatusSeeOther
		}))
		floor = append(floor, rate(t, 6, each, bare))
		argon = append(argon, rate(t, 2, each, alone))
	}
	toFloor, toArgon := median(ratios(ours, floor)), median(ratios(ours, argon))
	figure(t, toFloor >= bar, "sign-ins by password: %.0f/s, %.2f of a bare server that hashes; the bar is %.2f", median(ours), toFloor, bar)
	figure(t, toArgon >= bar, "sign-ins by password: %.2f of argon2id without a server, of which the bare server has %.2f; the bar is %.2f",
		toArgon, median(ratios(floor, argon)), bar)
}

// rate runs fn on so many goroutines for that long, and returns how often a second.
func rate(t *testing.T, workers int, d time.Duration, fn func() bool) float64 {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	done, begun := 0, time.Now()
	for range workers {
		all.Go(func() {
			n := 0
			for time.Since(begun) < d {
				if !fn() {
					t.Error("refused")
					return
				}
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			done += n
		})
	}
	all.Wait()
	return float64(done) / time.Since(begun).Seconds()
}

// How long a wrong password takes for an address that nobody has, beside one that
// somebody has: the ratio is to be about 1.
func TestBenchUnknownAddressTakesAsLong(t *testing.T) {
	const turns = 20
	d := signettest.Dev(t)
	took := map[string][]time.Duration{}
	for n := range turns {
		both := []string{d.Ready.User.Email, "nobody@signet.test"}
		if n%2 == 1 { // whatever comes second in a pair has another's garbage to collect
			slices.Reverse(both)
		}
		for _, email := range both {
			form := url.Values{"email": {email}, "password": {"a wrong password 77"}}.Encode()
			begun := time.Now()
			res := d.Call(http.MethodPost, "/login", "", form, "Content-Type", "application/x-www-form-urlencoded")
			if res.Status == http.StatusUnauthorized { // and no more once it is throttled
				took[email] = append(took[email], time.Since(begun))
			}
		}
	}
	// What a machine does besides only adds: the fastest of each tell the work apart.
	known, unknown := slices.Min(took[d.Ready.User.Email]), slices.Min(took["nobody@signet.test"])
	ratio := float64(unknown) / float64(known)
	figure(t, ratio > 0.9 && ratio < 1.1, "wrong password: %s for nobody's address, %s for somebody's, ratio %.2f", unknown, known, ratio)
}

// The sign-in page: until its first byte, and its weight with all that it loads.
func TestBenchSignInPage(t *testing.T) {
	const bar, weight = 5 * time.Millisecond, 60 << 10
	d := signettest.Dev(t)
	var took []time.Duration
	for range 200 {
		begun := time.Now()
		d.Call(http.MethodGet, "/login", "", "")
		took = append(took, time.Since(begun))
	}
	figure(t, median(took) < bar, "sign-in page: whole within %s; the bar for its first byte is %s", median(took), bar)
	res := d.Call(http.MethodGet, "/login", "", "")
	total := len(res.Body)
	for _, part := range strings.Split(string(res.Body), `"`) {
		if strings.HasPrefix(part, "/assets/") {
			total += len(d.Call(http.MethodGet, part, "", "", "Accept-Encoding", "identity").Body)
		}
	}
	figure(t, total < weight, "sign-in page: %d bytes with all that it loads, not compressed; the bar is %d", total, weight)
}
