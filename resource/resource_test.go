package resource_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"signet/internal/dpop/dpoptest"
	"signet/resource"
)

func containsError(challenge, code string) bool {
	return strings.Contains(challenge, `error="`+code+`"`)
}

func TestGoodTokensComeInWithWhatTheySay(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	if got := code(t, get(t, g, nil, "Authorization", "Bearer "+i.token(t))); got != "ok" {
		t.Errorf("a bearer token: got %s", got)
	}
	for _, alg := range []string{"ES256", "EdDSA", "Ed25519", "PS256"} {
		s := dpoptest.NewSigner(t, alg)
		token := i.bound(t, s)
		if got := code(t, get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", i.proof(t, s, token))); got != "ok" {
			t.Errorf("a token bound to a key of %s: got %s", alg, got)
		}
	}
	c, err := g.Access(t.Context(), i.token(t, "aud", []string{"x", audience}, "roles", []string{"a"}, "permissions", []string{"a:b"}, "account", "acme"))
	if err != nil || c.Subject != "usr_alice" || c.Client != "cli_app" || c.Session != "ses_1" || !c.HasScope("write") || c.HasScope("wri") ||
		c.Roles[0] != "a" || c.Permissions[0] != "a:b" || c.Account != "acme" || !c.AuthTime.Equal(start.Add(-time.Minute)) {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, ok := resource.From(t.Context()); ok {
		t.Error("without a guard there is a token")
	}
}

func TestTokensOfOtherAccountsDoNotComeInWhereAccountsAreNamed(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t, resource.Accounts("acme", "zoo"))
	for account, want := range map[any]string{"acme": "ok", "zoo": "ok", "evil": "invalid_token", nil: "invalid_token"} {
		if got := code(t, get(t, g, nil, "Authorization", "Bearer "+i.token(t, "account", account))); got != want {
			t.Errorf("%v: got %s, want %s", account, got, want)
		}
	}
}

func TestTokensOfOthersDoNotComeIn(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	good := strings.Split(i.token(t), ".")
	changed := func(h, p object) string { return i.sign(t, h, p) }
	for name, token := range map[string]string{
		"nothing":               "x",
		"two parts":             good[0] + "." + good[1],
		"no signature":          good[0] + "." + good[1] + ".",
		"payload replaced":      good[0] + "." + b64([]byte(`{"sub":"root"}`)) + "." + good[2],
		"alg none":              b64([]byte(`{"alg":"none","kid":"k1","typ":"at+jwt"}`)) + "." + good[1] + ".",
		"alg of HMAC":           changed(dpoptest.With(header(), "alg", "HS256"), i.claims()),
		"symmetric key":         changed(dpoptest.With(header(), "alg", "HS256", "kid", "hmac"), i.claims()),
		"alg of RSA":            changed(dpoptest.With(header(), "alg", "PS256"), i.claims()),
		"typ JWT":               changed(dpoptest.With(header(), "typ", "JWT"), i.claims()),
		"typ of a logout token": changed(dpoptest.With(header(), "typ", "logout+jwt"), i.claims()),
		"typ of a proof":        changed(dpoptest.With(header(), "typ", "dpop+jwt"), i.claims()),
		"own key":               changed(dpoptest.With(header(), "jwk", object{}), i.claims()),
		"crit":                  changed(dpoptest.With(header(), "crit", []string{"x"}), i.claims()),
		"unknown kid":           changed(dpoptest.With(header(), "kid", "k9"), i.claims()),
		"no kid":                changed(without(header(), "kid"), i.claims()),
		"another issuer":        i.token(t, "iss", "https://evil.example"),
		"another audience":      i.token(t, "aud", "https://other.example.org"),
		"no audience":           i.token(t, "aud", nil),
		"no subject":            i.token(t, "sub", nil),
		"no client":             i.token(t, "client_id", nil),
		"no jti":                i.token(t, "jti", nil),
		"expired":               i.token(t, "exp", start.Add(-10*time.Second).Unix(), "iat", start.Add(-time.Hour).Unix()),
		"no end":                i.token(t, "exp", nil),
		"end as a text":         i.token(t, "exp", "9999999999"),
		"end before its start":  i.token(t, "iat", start.Unix(), "exp", start.Add(-5*time.Second).Unix()),
		"from the future":       i.token(t, "iat", start.Add(11*time.Second).Unix()),
		"not yet":               i.token(t, "nbf", start.Add(11*time.Second).Unix()),
		"unknown confirmation":  i.token(t, "cnf", object{"kid": "x"}),
		"empty confirmation":    i.token(t, "cnf", object{}),
		"too long":              i.token(t, "x", strings.Repeat("x", 8<<10)),
		"roles of a text":       i.token(t, "roles", "admin"),
	} {
		res := get(t, g, nil, "Authorization", "Bearer "+token)
		if got := code(t, res); got != "invalid_token" || res.Code != http.StatusUnauthorized || res.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: got %d %s, want 401 invalid_token", name, res.Code, got)
		}
	}
}

func TestCredentialsAreOneHeaderOfOneScheme(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	token := i.token(t)
	for _, c := range []struct {
		name    string
		headers []string
		status  int
		code    string
	}{
		{"none", nil, 401, ""},
		{"another scheme", []string{"Authorization", "Basic eDp5"}, 401, ""},
		{"the scheme alone", []string{"Authorization", "Bearer "}, 401, "invalid_token"},
		{"two lines", []string{"Authorization", "Bearer " + token, "Authorization", "Bearer " + token}, 400, "invalid_request"},
		{"two schemes", []string{"Authorization", "DPoP " + token, "Authorization", "Bearer " + token}, 400, "invalid_request"},
		{"two schemes in a line", []string{"Authorization", "Bearer " + token + ", DPoP " + token}, 400, "invalid_request"},
		{"scheme in other case", []string{"Authorization", "bEARER " + token}, 204, "ok"},
		{"a token that is not bound, as DPoP", []string{"Authorization", "DPoP " + token}, 401, "invalid_token"},
	} {
		res := get(t, g, nil, c.headers...)
		if got := code(t, res); res.Code != c.status || got != c.code {
			t.Errorf("%s: got %d %q, want %d %q", c.name, res.Code, got, c.status, c.code)
		}
	}
	got := get(t, g, nil).Header().Values("WWW-Authenticate")
	if len(got) != 2 || got[0] != `DPoP algs="ES256 EdDSA Ed25519 PS256"` || got[1] != "Bearer" {
		t.Errorf("without credentials the challenges are %q", got)
	}
}

// The same attacks that package dpop refuses do not come in by HTTP.
func TestBadProofsDoNotComeIn(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	s := dpoptest.NewSigner(t, "ES256")
	token := i.bound(t, s)
	payload := dpoptest.Payload(http.MethodGet, audience+"/notes", token, start)
	attacks := dpoptest.Attacks(t, s, payload, start)
	if len(attacks) < 80 {
		t.Fatalf("%d attacks: most are missing", len(attacks))
	}
	for _, a := range attacks {
		headers := []string{"Authorization", "DPoP " + token}
		for _, h := range a.Headers {
			headers = append(headers, "DPoP", h)
		}
		res := get(t, g, nil, headers...)
		if got := code(t, res); got != "invalid_dpop_proof" || res.Code != http.StatusUnauthorized {
			t.Errorf("%s: got %d %s, want 401 invalid_dpop_proof", a.Name, res.Code, got)
		}
	}
	for name, c := range map[string]struct{ proof, code string }{
		"12 no ath":                  {i.proof(t, s, token, "ath", nil), "invalid_dpop_proof"},
		"12 ath of another token":    {i.proof(t, s, token+"x"), "invalid_dpop_proof"},
		"13 of another key":          {i.proof(t, dpoptest.NewSigner(t, "ES256"), token), "invalid_token"},
		"13 of a key of another alg": {i.proof(t, dpoptest.NewSigner(t, "EdDSA"), token), "invalid_token"},
	} {
		if got := code(t, get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", c.proof)); got != c.code {
			t.Errorf("%s: got %s, want %s", name, got, c.code)
		}
	}
	if got := code(t, get(t, g, nil, "Authorization", "DPoP "+token)); got != "invalid_dpop_proof" {
		t.Errorf("no proof: got %s", got)
	}
	if got := code(t, get(t, g, nil, "Authorization", "Bearer "+token)); got != "invalid_token" {
		t.Errorf("as Bearer: got %s", got)
	}
	if got := code(t, get(t, g, nil, "Authorization", "Bearer "+token, "DPoP", i.proof(t, s, token))); got != "invalid_token" {
		t.Errorf("as Bearer with a proof: got %s", got)
	}
	// None of them has spent the jti.
	if got := code(t, get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", s.Proof(t, s.Header(), payload))); got != "ok" {
		t.Errorf("the good proof after all of them: got %s", got)
	}
}

// A proof that says it is from the future must be remembered until it is too old, not for
// a fixed time after it was seen.
func TestProofIsGoodOnceOverItsWholeTime(t *testing.T) {
	for _, ahead := range []time.Duration{-69 * time.Second, -30 * time.Second, 0, 10 * time.Second} {
		i := newIssuer(t)
		g := i.guard(t)
		i.add(5 * time.Minute) // since the guard began to remember
		s := dpoptest.NewSigner(t, "ES256")
		token := i.bound(t, s, "exp", i.now().Add(time.Hour).Unix())
		proof := i.proof(t, s, token, "iat", i.now().Add(ahead).Unix())
		first := get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", proof)
		if got := code(t, first); got != "ok" {
			t.Fatalf("%s ahead: got %s the first time", ahead, got)
		}
		for waited := time.Duration(0); waited < 3*time.Minute; waited += 500 * time.Millisecond {
			res := get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", proof)
			if got := code(t, res); got != "invalid_dpop_proof" || res.Code != http.StatusUnauthorized {
				t.Fatalf("%s ahead, %s later: got %s", ahead, waited, got)
			}
			i.add(500 * time.Millisecond)
		}
		// Another one has the first forgotten, which must not come back with the time.
		if got := code(t, get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", i.proof(t, s, token))); got != "ok" {
			t.Errorf("%s ahead, another proof: got %s", ahead, got)
		}
		i.add(-3 * time.Minute)
		if got := code(t, get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", proof)); got != "invalid_dpop_proof" {
			t.Errorf("%s ahead, after the clock was set back: got %s", ahead, got)
		}
	}
}

// What is used up is the jti, with any other iat or nonce.
func TestAnotherProofWithTheSameIDDoesNotComeIn(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	s, other := dpoptest.NewSigner(t, "ES256"), dpoptest.NewSigner(t, "ES256")
	for n, want := range []string{"ok", "invalid_dpop_proof"} {
		i.add(time.Second)
		token := i.bound(t, s)
		proof := i.proof(t, s, token, "jti", "same", "x", n)
		if got := code(t, get(t, g, nil, "Authorization", "DPoP "+token, "DPOP", proof)); got != want {
			t.Errorf("proof %d: got %s, want %s", n, got, want)
		}
	}
	token := i.bound(t, other)
	if got := code(t, get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", i.proof(t, other, token, "jti", "same"))); got != "ok" {
		t.Errorf("the same id of another key: got %s", got)
	}
}

func TestOfManyUsesOfOneProofAtOnceOneWins(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	s := dpoptest.NewSigner(t, "ES256")
	token := i.bound(t, s)
	proof := i.proof(t, s, token)
	var in atomic.Int64
	var all sync.WaitGroup
	begin := make(chan struct{})
	h := g.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { in.Add(1) }))
	for range 64 {
		all.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/notes", nil)
			r.Header.Set("Authorization", "DPoP "+token)
			r.Header.Set("DPoP", proof)
			<-begin
			h.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	close(begin)
	all.Wait()
	if in.Load() != 1 {
		t.Errorf("%d came in, want 1", in.Load())
	}
}

func TestNonceIsDemandedAndItsRefusalSpendsNothing(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t, resource.Nonces([32]byte{1}, 5*time.Minute))
	s := dpoptest.NewSigner(t, "ES256")
	token := i.bound(t, s)
	ask := func(pairs ...any) (string, string) {
		res := get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", i.proof(t, s, token, pairs...))
		if n := res.Header().Values("DPoP-Nonce"); len(n) != 1 {
			t.Errorf("%d nonces in the answer", len(n))
		}
		return code(t, res), res.Header().Get("DPoP-Nonce")
	}
	got, nonce := ask("jti", "same")
	if got != "use_dpop_nonce" {
		t.Fatalf("without a nonce: got %s", got)
	}
	if got, _ := ask("jti", "same", "nonce", "made up"); got != "use_dpop_nonce" {
		t.Errorf("with a made-up nonce: got %s", got)
	}
	// A wrong ath is not looked at before the nonce (RFC 9449, section 9).
	if got, _ := ask("ath", "x"); got != "use_dpop_nonce" {
		t.Errorf("without a nonce and with a wrong ath: got %s", got)
	}
	if got, _ := ask("jti", "same", "nonce", nonce); got != "ok" {
		t.Errorf("with the nonce and the same jti: got %s", got)
	}
	if got, _ := ask("nonce", nonce); got != "ok" {
		t.Errorf("with the nonce again and another jti: got %s", got)
	}
	i.add(5 * time.Minute)
	token = i.bound(t, s)
	if got, _ := ask("nonce", nonce); got != "use_dpop_nonce" {
		t.Errorf("with an old nonce: got %s", got)
	}
}

func TestTokensBoundToACertificateComeInWithItAlone(t *testing.T) {
	i := newIssuer(t)
	cert, other := &x509.Certificate{Raw: []byte("one")}, &x509.Certificate{Raw: []byte("another")}
	sum := sha256.Sum256(cert.Raw)
	s := dpoptest.NewSigner(t, "ES256")
	byCert := i.token(t, "cnf", object{"x5t#S256": b64(sum[:])})
	both := i.token(t, "cnf", object{"x5t#S256": b64(sum[:]), "jkt": thumbprint(t, s)})
	ask := func(g *resource.Guard, shown *x509.Certificate, scheme, token, proof string) error {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/notes", nil)
		if shown != nil {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{shown}}
		}
		r.Header.Set("Authorization", scheme+" "+token)
		if proof != "" {
			r.Header.Set("DPoP", proof)
		}
		_, err := g.Check(r)
		return err
	}
	g := i.guard(t)
	for _, c := range []struct {
		name          string
		shown         *x509.Certificate
		scheme, token string
		proof         string
		good          bool
	}{
		{"with it", cert, "Bearer", byCert, "", true},
		{"with another", other, "Bearer", byCert, "", false},
		{"with none", nil, "Bearer", byCert, "", false},
		{"with it and the proof", cert, "DPoP", both, i.proof(t, s, both), true},
		{"without the proof", cert, "DPoP", both, "", false},
		{"with the proof alone", nil, "DPoP", both, i.proof(t, s, both), false},
		{"with the proof and another", other, "DPoP", both, i.proof(t, s, both), false},
	} {
		if err := ask(g, c.shown, c.scheme, c.token, c.proof); (err == nil) != c.good {
			t.Errorf("%s: got %v, want good %t", c.name, err, c.good)
		}
	}
	behind := i.guard(t, resource.Certificate(func(*http.Request) *x509.Certificate { return cert }))
	if err := ask(behind, nil, "Bearer", byCert, ""); err != nil {
		t.Errorf("as a proxy says: %v", err)
	}
	if err := ask(i.guard(t, resource.SenderConstrained()), nil, "Bearer", i.token(t), ""); err == nil {
		t.Error("a token that is bound to nothing comes in where senders must prove themselves")
	}
}

func TestRequirementsAreChallenged(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	fresh := resource.RequireFresh(5*time.Minute, "phr", "mfa")
	for _, c := range []struct {
		name     string
		requires []resource.Requirement
		claims   []any
		status   int
		code     string
		says     []string
	}{
		{"scopes that it has", []resource.Requirement{resource.RequireScope("read", "write")}, nil, 204, "ok", nil},
		{"a scope that it lacks", []resource.Requirement{resource.RequireScope("read", "delete")}, nil, 403, "insufficient_scope", []string{`scope="read delete"`}},
		{"no scope at all", []resource.Requirement{resource.RequireScope("read")}, []any{"scope", nil}, 403, "insufficient_scope", nil},
		{"fresh", []resource.Requirement{fresh}, nil, 204, "ok", nil},
		{"fresh by a second way", []resource.Requirement{fresh}, []any{"acr", "mfa"}, 204, "ok", nil},
		{"too old", []resource.Requirement{fresh}, []any{"auth_time", start.Add(-301 * time.Second).Unix()}, 401, "insufficient_user_authentication", []string{`max_age="300"`, `acr_values="phr mfa"`}},
		{"of another kind", []resource.Requirement{fresh}, []any{"acr", "pwd"}, 401, "insufficient_user_authentication", []string{`acr_values="phr mfa"`}},
		{"no kind", []resource.Requirement{fresh}, []any{"acr", nil}, 401, "insufficient_user_authentication", nil},
		{"nobody signed in", []resource.Requirement{resource.RequireFresh(0)}, []any{"auth_time", nil}, 401, "insufficient_user_authentication", nil},
		{"both, and the first fails", []resource.Requirement{resource.RequireScope("delete"), fresh}, []any{"auth_time", nil}, 403, "insufficient_scope", nil},
	} {
		res := get(t, g, c.requires, "Authorization", "Bearer "+i.token(t, c.claims...))
		if got := code(t, res); got != c.code || res.Code != c.status {
			t.Errorf("%s: got %d %s, want %d %s", c.name, res.Code, got, c.status, c.code)
		}
		for _, want := range c.says {
			if got := strings.Join(res.Header().Values("WWW-Authenticate"), "; "); !strings.Contains(got, want) {
				t.Errorf("%s: the challenge %s lacks %s", c.name, got, want)
			}
		}
	}
}

func TestLogoutTokensSayWhatEnded(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	h := dpoptest.With(header(), "typ", "logout+jwt")
	event := object{"http://schemas.openid.net/event/backchannel-logout": object{}}
	p := object{"iss": i.URL, "aud": "cli_app", "sub": "usr_alice", "sid": "ses_1", "jti": "j", "iat": start.Unix(), "exp": start.Add(2 * time.Minute).Unix(), "events": event}
	l, err := g.Logout(t.Context(), i.sign(t, h, p), "cli_app")
	if err != nil || l.Session != "ses_1" || l.Subject != "usr_alice" || l.ID != "j" {
		t.Fatalf("got %+v, %v", l, err)
	}
	for name, token := range map[string]string{
		"access token":             i.sign(t, header(), p),
		"no event":                 i.sign(t, h, without(p, "events")),
		"another event":            i.sign(t, h, dpoptest.With(p, "events", object{"http://x.example.org": object{}})),
		"events a list":            i.sign(t, h, dpoptest.With(p, "events", []string{"http://schemas.openid.net/event/backchannel-logout"})),
		"nonce":                    i.sign(t, h, dpoptest.With(p, "nonce", "x")),
		"nonce null":               i.sign(t, h, `{"nonce":null,`+string(marshal(t, p)[1:])),
		"neither user nor session": i.sign(t, h, dpoptest.With(p, "sid", nil, "sub", nil)),
		"another audience":         i.sign(t, h, dpoptest.With(p, "aud", "cli_other")),
		"another issuer":           i.sign(t, h, dpoptest.With(p, "iss", "https://evil.example")),
		"expired":                  i.sign(t, h, dpoptest.With(p, "iat", start.Add(-time.Hour).Unix(), "exp", start.Add(-time.Minute).Unix())),
		"no end":                   i.sign(t, h, dpoptest.With(p, "exp", nil)),
		"made up":                  "e30.e30.",
	} {
		if l, err := g.Logout(t.Context(), token, "cli_app"); err == nil {
			t.Errorf("%s: ends %+v, want a refusal", name, l)
		}
	}
}

func TestGuardIsNotMadeOfNothing(t *testing.T) {
	for _, c := range [][2]string{{"", audience}, {"https://auth.example.org", ""}} {
		if _, err := resource.Protect(c[0], c[1]); err == nil {
			t.Errorf("%q is made", c)
		}
	}
	if _, err := resource.Protect("https://auth.example.org", "x", resource.Origin("api.example.org")); err == nil {
		t.Error("an origin without a scheme is taken")
	}
	// Without an origin nobody can check what a proof was made for: that is no client's fault.
	i := newIssuer(t)
	s := dpoptest.NewSigner(t, "ES256")
	g, err := resource.Protect(i.URL, "cli_app", resource.Clock(i.now))
	if err != nil {
		t.Fatal(err)
	}
	token := i.bound(t, s, "aud", "cli_app")
	if res := get(t, g, nil, "Authorization", "DPoP "+token, "DPoP", i.proof(t, s, token)); res.Code != http.StatusServiceUnavailable {
		t.Errorf("got %d, want 503", res.Code)
	}
}

func TestKeysAreNotAskedForWithEveryToken(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	for n := range 5 {
		if _, err := g.Access(t.Context(), i.token(t)); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Access(t.Context(), i.sign(t, dpoptest.With(header(), "kid", "made up"+strconv.Itoa(n)), i.claims())); err == nil {
			t.Fatal("a made-up key was taken")
		}
	}
	if got := i.asked.Load(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
	i.rotate(t, "k2")
	i.add(10 * time.Second)
	i.lock.Lock()
	second := dpoptest.Signer{Private: i.keys["k2"], Algorithm: "ES256"}
	i.lock.Unlock()
	if _, err := g.Access(t.Context(), second.Proof(t, dpoptest.With(header(), "kid", "k2"), i.claims())); err != nil || i.asked.Load() != 2 {
		t.Errorf("a new key: got %v after %d looks", err, i.asked.Load())
	}
}

func TestKnownKeysServeWhileTheIssuerIsAway(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	if _, err := g.Access(t.Context(), i.token(t)); err != nil {
		t.Fatal(err)
	}
	i.away.Store(true)
	for range 20 {
		i.add(time.Hour)
		if _, err := g.Access(t.Context(), i.token(t)); err != nil {
			t.Fatalf("after %s: %v", i.now().Sub(start), err)
		}
	}
	unknown := i.sign(t, dpoptest.With(header(), "kid", "k9"), i.claims())
	if res := get(t, g, nil, "Authorization", "Bearer "+unknown); res.Code != http.StatusServiceUnavailable {
		t.Errorf("a key that may be new: got %d, want 503", res.Code)
	}
	i.add(5 * time.Hour)
	if _, err := g.Access(t.Context(), i.token(t)); err == nil {
		t.Error("keys serve for more than a day that nobody has confirmed")
	}
	i.away.Store(false)
	i.add(10 * time.Second)
	if _, err := g.Access(t.Context(), i.token(t)); err != nil {
		t.Errorf("when the issuer is back: %v", err)
	}
}

func TestIssuerThatSaysNothingHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &http.Client{Transport: silence{}}
		g, err := resource.Protect("https://auth.example.org", audience, resource.HTTPClient(silent))
		if err != nil {
			t.Fatal(err)
		}
		s := dpoptest.NewSigner(t, "ES256")
		began := time.Now()
		_, err = g.Access(t.Context(), s.Proof(t, header(), object{}))
		if took := time.Since(began); err == nil || took > 5*time.Second {
			t.Errorf("got %v after %s, want an error after 5 s", err, took)
		}
		if _, err = g.Access(t.Context(), s.Proof(t, header(), object{})); err == nil || time.Since(began) > 5*time.Second {
			t.Errorf("the next one: got %v after %s, want an error at once", err, time.Since(began))
		}
	})
}

// silence is a server that takes requests and does not answer.
type silence struct{}

func (silence) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

func TestManyFirstRequestsAskOnce(t *testing.T) {
	i := newIssuer(t)
	g := i.guard(t)
	token := i.token(t)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			if _, err := g.Access(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := i.asked.Load(); got != 1 {
		t.Errorf("asked %d times, want 1", got)
	}
}
