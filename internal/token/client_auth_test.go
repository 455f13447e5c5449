package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/egress"
	"signet/internal/fault"
	"signet/internal/once"
	"signet/internal/token"
	"signet/internal/web"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// proving is clients that authenticate, and the time they do it at.
type proving struct {
	*token.Clients

	ctx context.Context // of who administers them
	now time.Time
}

func newProving(t *testing.T, d *db.DB, o token.ClientOptions) *proving {
	t.Helper()
	newClients(t, d) // the accounts
	// The replay store has a clock of its own, and takes nothing from before its birth.
	p := &proving{ctx: member(t.Context(), "acme", "oauth:clients"), now: time.Now().Add(time.Minute)}
	o.Issuer, o.Now = issuer, func() time.Time { return p.now }
	if o.Once == nil {
		o.Once = once.New(d, once.NewSQL(d), nil, once.Space{Name: token.AssertionSpace, Cap: 1000})
	}
	p.Clients = token.NewClients(d, byName{}, audit.Discard, o)
	return p
}

func (p *proving) create(t *testing.T, n token.NewClient) (id, secret string) {
	t.Helper()
	n.Name = "App"
	c, secret, err := p.Create(p.ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return c.ID, secret
}

// holds fails unless the request is the client's, or refused alike where id is empty.
func (p *proving) holds(t *testing.T, name string, r token.ClientRequest, id string) {
	t.Helper()
	c, err := p.AuthenticateRequest(t.Context(), r)
	switch {
	case id == "" && (!errors.Is(err, token.ErrSecret) || c.ID != ""):
		t.Errorf("%s: got %q, %v; want ErrSecret", name, c.ID, err)
	case id != "" && (err != nil || c.ID != id):
		t.Errorf("%s: got %q, %v; want %s", name, c.ID, err, id)
	}
}

func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

// form returns a body of names and values, in turn.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

func TestSecretCountsInTheRegisteredPlaceOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := newProving(t, d, token.ClientOptions{})
		id, secret := p.create(t, token.NewClient{ID: "by-basic"})
		post, posted := p.create(t, token.NewClient{ID: "by-post", Auth: token.AuthPost})
		public, _ := p.create(t, token.NewClient{ID: "public", Auth: token.AuthNone})
		keyed, _ := p.create(t, token.NewClient{ID: "keyed", Auth: token.AuthKey, JWKS: publicKeys(t)})
		plain := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
		for name, c := range map[string]struct {
			r    token.ClientRequest
			want string
		}{
			"basic":                         {token.ClientRequest{Authorization: basic(id, secret)}, id},
			"basic, and the same id":        {token.ClientRequest{Authorization: basic(id, secret), Form: form("client_id", id)}, id},
			"basic, and empty parameters":   {token.ClientRequest{Authorization: basic(id, secret), Form: form("client_secret", "", "client_assertion", "")}, id},
			"basic in lower case":           {token.ClientRequest{Authorization: strings.Replace(basic(id, secret), "B", "b", 1)}, id},
			"basic, form-encoded":           {token.ClientRequest{Authorization: plain("by%2Dbasic:" + secret)}, id},
			"basic, badly encoded":          {token.ClientRequest{Authorization: plain("by%2basic:" + secret + "%")}, ""},
			"basic, another id":             {token.ClientRequest{Authorization: basic(id, secret), Form: form("client_id", post)}, ""},
			"basic, wrong secret":           {token.ClientRequest{Authorization: basic(id, posted)}, ""},
			"basic, no secret":              {token.ClientRequest{Authorization: basic(id, "")}, ""},
			"basic, nobody":                 {token.ClientRequest{Authorization: basic("", "")}, ""},
			"basic, unknown":                {token.ClientRequest{Authorization: basic("nobody", secret)}, ""},
			"basic, NUL":                    {token.ClientRequest{Authorization: basic("by-basic\x00", secret)}, ""},
			"basic, no colon":               {token.ClientRequest{Authorization: plain(id)}, ""},
			"basic, no base64":              {token.ClientRequest{Authorization: "Basic !"}, ""},
			"bearer":                        {token.ClientRequest{Authorization: "Bearer " + secret}, ""},
			"basic secret by post":          {token.ClientRequest{Form: form("client_id", id, "client_secret", secret)}, ""},
			"basic client that names it":    {token.ClientRequest{Form: form("client_id", id)}, ""},
			"post":                          {token.ClientRequest{Form: form("client_id", post, "client_secret", posted)}, post},
			"post, wrong secret":            {token.ClientRequest{Form: form("client_id", post, "client_secret", secret)}, ""},
			"post, no id":                   {token.ClientRequest{Form: form("client_secret", posted)}, ""},
			"post secret by basic":          {token.ClientRequest{Authorization: basic(post, posted)}, ""},
			"public":                        {token.ClientRequest{Form: form("client_id", public)}, public},
			"public with a secret":          {token.ClientRequest{Form: form("client_id", public, "client_secret", "x")}, ""},
			"public by basic":               {token.ClientRequest{Authorization: basic(public, "")}, ""},
			"keyed that only names itself":  {token.ClientRequest{Form: form("client_id", keyed)}, ""},
			"keyed by basic":                {token.ClientRequest{Authorization: basic(keyed, "")}, ""},
			"another kind of assertion":     {token.ClientRequest{Form: form("client_assertion", "x", "client_assertion_type", "saml")}, ""},
			"assertion that is none":        {token.ClientRequest{Form: form("client_assertion", "x", "client_assertion_type", jwtBearer)}, ""},
			"type of assertion without one": {token.ClientRequest{Form: form("client_id", public, "client_assertion_type", jwtBearer)}, ""},
			"nothing":                       {token.ClientRequest{}, ""},
		} {
			p.holds(t, name, c.r, c.want)
		}
		for name, r := range map[string]token.ClientRequest{
			"basic and post":      {Authorization: basic(id, secret), Form: form("client_id", id, "client_secret", secret)},
			"basic and assertion": {Authorization: basic(id, secret), Form: form("client_assertion", "x")},
			"post and assertion":  {Form: form("client_id", id, "client_secret", secret, "client_assertion_type", jwtBearer)},
			"two ids":             {Form: form("client_id", public, "client_id", public)},
			"two secrets":         {Form: form("client_id", post, "client_secret", posted, "client_secret", posted)},
		} {
			if _, err := p.AuthenticateRequest(t.Context(), r); !errors.Is(err, token.ErrTwoProofs) {
				t.Errorf("%s: got %v, want ErrTwoProofs", name, err)
			}
		}
		for _, id := range []string{id, post, public} {
			if err := p.Disable(p.ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		p.holds(t, "disabled, basic", token.ClientRequest{Authorization: basic(id, secret)}, "")
		p.holds(t, "disabled, post", token.ClientRequest{Form: form("client_id", post, "client_secret", posted)}, "")
		p.holds(t, "disabled, public", token.ClientRequest{Form: form("client_id", public)}, "")
	})
}

func TestRefusedBasicIsChallenged(t *testing.T) {
	p := newProving(t, dbtest.SQLite(t), token.ClientOptions{})
	for authorization, want := range map[string]string{basic("x", "y"): `Basic realm="signet"`, "": ""} {
		_, err := p.AuthenticateRequest(t.Context(), token.ClientRequest{Authorization: authorization})
		problem := web.ProblemOf(t.Context(), err)
		if got := problem.Header.Get("WWW-Authenticate"); problem.Status != http.StatusUnauthorized || got != want {
			t.Errorf("got %d and %q, want 401 and %q", problem.Status, got, want)
		}
	}
}

func TestClientsOfADisabledAccountProveNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := newProving(t, d, token.ClientOptions{})
		id, secret := p.create(t, token.NewClient{})
		if _, err := d.SQL().ExecContext(t.Context(), `UPDATE accounts SET disabled_at = $1 WHERE id = 'acme'`, start); err != nil {
			t.Fatal(err)
		}
		p.holds(t, "disabled account", token.ClientRequest{Authorization: basic(id, secret)}, "")
	})
}

// signJWT returns a token under the key, with these members; alg stands in header.
func signJWT(t *testing.T, key crypto.Signer, header, claims map[string]any) string {
	t.Helper()
	parts := make([]string, 2)
	for i, m := range []map[string]any{header, claims} {
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = base64.RawURLEncoding.EncodeToString(text)
	}
	return signText(t, key, header["alg"], parts[0]+"."+parts[1])
}

func signText(t *testing.T, key crypto.Signer, alg any, text string) string {
	t.Helper()
	var signature []byte
	if k, ok := key.(*rsa.PrivateKey); ok {
		sum := crypto.SHA256.New()
		sum.Write([]byte(text))
		var o crypto.SignerOpts = crypto.SHA256
		if alg == "PS256" {
			o = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		var err error
		if signature, err = k.Sign(rand.Reader, sum.Sum(nil), o); err != nil {
			t.Fatal(err)
		}
	} else {
		signature = token.SignBare(t, key, []byte(text))
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// asserting is a client with keys of every kind.
type asserting struct {
	*proving

	id   string
	keys map[string]crypto.Signer // by alg
	jti  int
}

func newAsserting(t *testing.T, d *db.DB, o token.ClientOptions) *asserting {
	t.Helper()
	a := &asserting{proving: newProving(t, d, o), keys: newKeys(t)}
	a.id, _ = a.create(t, token.NewClient{ID: "keyed", Auth: token.AuthKey, JWKS: a.jwks(t)})
	return a
}

func newKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"ES256": ec, "EdDSA": ed, "Ed25519": ed, "PS256": rs, "RS256": rs}
}

func (a *asserting) jwks(t *testing.T) string {
	t.Helper()
	var all []jose.JSONWebKey
	for _, alg := range []string{"ES256", "EdDSA", "PS256"} {
		all = append(all, jose.JSONWebKey{Key: a.keys[alg].Public(), KeyID: alg})
	}
	return keysOf(t, all...)
}

// claims are those of a good assertion, but for the changes; nil takes one away.
func (a *asserting) claims(changes map[string]any) map[string]any {
	a.jti++
	all := map[string]any{
		"iss": a.id, "sub": a.id, "aud": issuer, "jti": fmt.Sprint("jti-", a.jti),
		"iat": a.now.Unix(), "exp": a.now.Add(time.Minute).Unix(),
	}
	return changed(all, changes)
}

func changed(all, changes map[string]any) map[string]any {
	for name, v := range changes {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	return all
}

func asserted(jwt string, more ...string) token.ClientRequest {
	return token.ClientRequest{Form: form(append([]string{"client_assertion", jwt, "client_assertion_type", jwtBearer}, more...)...)}
}

func TestAssertionIsForThisServerNowAndOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a := newAsserting(t, d, token.ClientOptions{})
		at := func(d time.Duration) int64 { return a.now.Add(d).Unix() }
		for name, c := range map[string]struct {
			header, claims map[string]any
			good           bool
		}{
			"plain":                      {nil, nil, true},
			"typ of RFC 7523bis":         {map[string]any{"typ": "client-authentication+jwt"}, nil, true},
			"typ JWT":                    {map[string]any{"typ": "JWT"}, nil, true},
			"no iat":                     {nil, map[string]any{"iat": nil}, true},
			"nbf now":                    {nil, map[string]any{"nbf": at(0)}, true},
			"clock 5 s behind":           {nil, map[string]any{"exp": at(-5 * time.Second)}, true},
			"clock 5 s ahead":            {nil, map[string]any{"iat": at(5 * time.Second)}, true},
			"5 minutes":                  {nil, map[string]any{"exp": at(5 * time.Minute)}, true},
			"no kid":                     {map[string]any{"kid": nil}, nil, true},
			"another kid":                {map[string]any{"kid": "PS256"}, nil, false},
			"typ of an access token":     {map[string]any{"typ": "at+jwt"}, nil, false},
			"typ of a proof":             {map[string]any{"typ": "dpop+jwt"}, nil, false},
			"typ that is a number":       {map[string]any{"typ": 7}, nil, false},
			"crit":                       {map[string]any{"crit": []string{"exp"}}, nil, false},
			"b64":                        {map[string]any{"b64": false}, nil, false},
			"aud of the token endpoint":  {nil, map[string]any{"aud": issuer + "/token"}, false},
			"aud as a list":              {nil, map[string]any{"aud": []string{issuer}}, false},
			"aud with a slash":           {nil, map[string]any{"aud": issuer + "/"}, false},
			"no aud":                     {nil, map[string]any{"aud": nil}, false},
			"iss of another":             {nil, map[string]any{"iss": "other"}, false},
			"of another":                 {nil, map[string]any{"iss": "other", "sub": "other"}, false},
			"no sub":                     {nil, map[string]any{"sub": nil}, false},
			"no jti":                     {nil, map[string]any{"jti": nil}, false},
			"jti of 257":                 {nil, map[string]any{"jti": strings.Repeat("x", 257)}, false},
			"no exp":                     {nil, map[string]any{"exp": nil}, false},
			"exp as text":                {nil, map[string]any{"exp": "4000000000"}, false},
			"exp with a fraction":        {nil, map[string]any{"exp": float64(at(time.Minute)) + 0.5}, false},
			"expired":                    {nil, map[string]any{"exp": at(-11 * time.Second)}, false},
			"good for long":              {nil, map[string]any{"exp": at(5*time.Minute + 12*time.Second)}, false},
			"iat in the future":          {nil, map[string]any{"iat": at(12 * time.Second)}, false},
			"iat 5 minutes ago and more": {nil, map[string]any{"iat": at(-5*time.Minute - 12*time.Second)}, false},
			"nbf in the future":          {nil, map[string]any{"nbf": at(12 * time.Second)}, false},
		} {
			want := ""
			if c.good {
				want = a.id
			}
			header := changed(map[string]any{"alg": "ES256", "kid": "ES256"}, c.header)
			r := asserted(signJWT(t, a.keys["ES256"], header, a.claims(c.claims)))
			p := a.proving
			p.holds(t, name, r, want)
			p.holds(t, name+", again", r, "")
		}
	})
}

func TestAssertionIsSignedByAKeyOfTheClient(t *testing.T) {
	a := newAsserting(t, dbtest.SQLite(t), token.ClientOptions{})
	others := newKeys(t)
	for _, alg := range []string{"ES256", "EdDSA", "Ed25519", "PS256", "RS256"} {
		kid := map[string]any{"alg": alg}
		a.holds(t, alg, asserted(signJWT(t, a.keys[alg], kid, a.claims(nil))), a.id)
		a.holds(t, alg+" of another", asserted(signJWT(t, others[alg], kid, a.claims(nil))), "")
	}
	for alg, key := range map[string]string{"none": "ES256", "HS256": "ES256", "ES384": "ES256", "PS384": "PS256", "es256": "ES256", "RS256": "ES256"} {
		a.holds(t, alg, asserted(signJWT(t, a.keys[key], map[string]any{"alg": alg}, a.claims(nil))), "")
	}
	es := map[string]any{"alg": "ES256"}
	a.holds(t, "its id beside", asserted(signJWT(t, a.keys["ES256"], es, a.claims(nil)), "client_id", a.id), a.id)
	a.holds(t, "another id beside", asserted(signJWT(t, a.keys["ES256"], es, a.claims(nil)), "client_id", "other"), "")
	jwt := signJWT(t, a.keys["ES256"], es, a.claims(nil))
	a.holds(t, "no signature", asserted(jwt[:strings.LastIndexByte(jwt, '.')+1]), "")
	e := base64.RawURLEncoding
	twice := e.EncodeToString([]byte(`{"alg":"ES256"}`)) + "." + e.EncodeToString([]byte(`{"sub":"other","sub":"keyed"}`))
	a.holds(t, "members twice", asserted(signText(t, a.keys["ES256"], "ES256", twice)), "")
	if err := a.Disable(a.ctx, a.id); err != nil {
		t.Fatal(err)
	}
	a.holds(t, "disabled", asserted(signJWT(t, a.keys["ES256"], es, a.claims(nil))), "")
}

// away is a replay store that nobody reaches.
type away struct{}

func (away) TakeUse(context.Context, once.Use) (string, error) { return "", once.ErrAway }

func TestAssertionIsNotTakenWhileTheReplayStoreIsAway(t *testing.T) {
	a := newAsserting(t, dbtest.SQLite(t), token.ClientOptions{Once: away{}})
	_, err := a.AuthenticateRequest(t.Context(), asserted(signJWT(t, a.keys["ES256"], map[string]any{"alg": "ES256"}, a.claims(nil))))
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("got %v, want a fault of kind Unavailable", err)
	}
	_, err = a.AuthenticateRequest(t.Context(), asserted(signJWT(t, newKeys(t)["ES256"], map[string]any{"alg": "ES256"}, a.claims(nil))))
	if !errors.Is(err, token.ErrSecret) {
		t.Errorf("signed by another: got %v, want ErrSecret, which takes no room in the store", err)
	}
}

func TestKeysAtAnAddressAreReadWhenTheyAreOldOrMayHaveChanged(t *testing.T) {
	var looks atomic.Int32
	var published atomic.Value
	published.Store("")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		looks.Add(1)
		if published.Load() == "" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(published.Load().(string)))
	}))
	t.Cleanup(site.Close)
	client, err := egress.New(egress.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	a := &asserting{proving: newProving(t, dbtest.SQLite(t), token.ClientOptions{Getter: client}), keys: newKeys(t)}
	a.id, _ = a.create(t, token.NewClient{ID: "far", Auth: token.AuthKey, JWKSURI: site.URL + "/jwks"})
	shows := func(name string, want string, wantLooks int32) {
		t.Helper()
		a.holds(t, name, asserted(signJWT(t, a.keys["ES256"], map[string]any{"alg": "ES256"}, a.claims(nil))), want)
		if got := looks.Load(); got != wantLooks {
			t.Errorf("%s: got %d looks, want %d", name, got, wantLooks)
		}
	}
	shows("nothing there", "", 1)
	published.Store(a.jwks(t))
	a.now = a.now.Add(9 * time.Second)
	shows("too soon to look again", "", 1)
	a.now = a.now.Add(2 * time.Second)
	shows("there now", "far", 2)
	a.now = a.now.Add(4 * time.Minute)
	shows("known", "far", 2)
	a.keys = newKeys(t)
	shows("a key that nobody published", "", 3)
	shows("and again", "", 3)
	published.Store(a.jwks(t))
	a.now = a.now.Add(11 * time.Second)
	shows("a new key", "far", 4)
	published.Store("")
	a.now = a.now.Add(5*time.Minute - time.Second)
	shows("gone, but known", "far", 4)
	a.now = a.now.Add(time.Second)
	shows("gone", "", 5)
}

// issued is a certificate and its key.
type issued struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func certify(t *testing.T, by *issued, template *x509.Certificate) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, crypto.Signer(key)
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{key, c}
}
