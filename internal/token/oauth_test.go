package token_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/dpop"
	"signet/internal/once"
	"signet/internal/push"
	"signet/internal/seal"
	"signet/internal/ticket"
	"signet/internal/token"
	"signet/internal/web"
	redistest "signet/test/redis"
)

// newborn is how old a store of used proofs must be to take those without a nonce.
const newborn = 11 * time.Second

// house is an authority with its endpoints, on one node or several that share a store.
type house struct {
	t       testing.TB
	d       *db.DB
	offset  atomic.Int64 // of the clock, in nanoseconds
	frozen  atomic.Pointer[time.Time]
	people  signedIn
	lock    sync.Mutex
	events  []audit.Event
	clients *token.Clients
	codes   *token.Codes
	nodes   []*node
}

// node is one instance.
type node struct {
	*token.OAuth

	mux     http.Handler
	metrics *prometheus.Registry
}

// houseOptions are what houses differ in.
type houseOptions struct {
	store  func(t testing.TB, d *db.DB) once.Store // memory where nil
	nodes  int                                     // 1 where 0
	sender func(o *token.SenderOptions)
	second func(t testing.TB, d *db.DB) once.Store // takes the place of store while it is away; may be nil
	guard  func(g *once.Guard)                     // is told of each node's; may be nil

	forgetful bool
	clientCAs *x509.CertPool // nil for none
}

func (h *house) now() time.Time {
	if at := h.frozen.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(h.offset.Load()))
}

// freeze has the clock stand still.
func (h *house) freeze() {
	at := h.now()
	h.frozen.Store(&at)
}

func (h *house) advance(d time.Duration) { h.offset.Add(int64(d)) }

func newHouse(t testing.TB, d *db.DB, o houseOptions) *house {
	t.Helper()
	h := &house{t: t, d: d}
	h.advance(newborn) // proofs of before are refused by a store that is younger
	for _, id := range []string{"acme", "other", "root"} {
		kind := "tenant"
		if id == "root" {
			kind = "system"
		}
		if _, err := d.SQL().ExecContext(t.Context(), `INSERT INTO accounts (id, name, kind, created_at) VALUES ($1, $1, $2, $3)`, id, kind, start); err != nil {
			t.Fatal(err)
		}
	}
	h.people = signedIn{"ses_alice": {
		User: "usr_alice", Account: "acme", Roles: []string{"auditor"}, Permissions: []string{"mail:send", "users:write"},
		AMR: []string{"hwk", "mfa"}, ACR: "phr", AuthTime: h.now().Add(-time.Minute).UTC().Truncate(time.Second),
	}}
	if o.store == nil {
		o.store = inMemory
	}
	for range max(o.nodes, 1) {
		h.nodes = append(h.nodes, h.newNode(o))
	}
	return h
}

func inMemory(testing.TB, *db.DB) once.Store { return once.NewMemory() }

// run has a store work in the background until the test ends.
func run(t testing.TB, work func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = work(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func inSQL(t testing.TB, d *db.DB) once.Store {
	s := once.NewSQL(d)
	run(t, s.Run)
	return s
}

func (h *house) newNode(o houseOptions) *node {
	h.t.Helper()
	bus := push.New(h.d)
	authority := token.New(h.d, seal.New(seal.NewRing(masterKey())), bus, audit.Discard, token.Options{Issuer: issuer, Now: h.now})
	auditor := locked{recorder{&h.events}, &h.lock}
	store := o.store(h.t, h.d)
	var second once.Store
	if o.second != nil {
		second = o.second(h.t, h.d)
	}
	guard := once.New(h.d, store, second, once.Space{Name: token.ProofSpace, Cap: 100_000, Skew: 10 * time.Second})
	if o.guard != nil {
		o.guard(guard)
	}
	h.clients = token.NewClients(h.d, byName{}, auditor, token.ClientOptions{
		Catalogue: []ticket.Permission{{Name: "mail:send"}, {Name: "users:write"}, {Name: "peers:approve", Node: true}}, Issuer: issuer, ClientCAs: o.clientCAs, Now: h.now,
	})
	h.codes = token.NewCodes(h.d, authority, token.CodeOptions{People: h.people, Audit: auditor, Now: h.now})
	sender := token.SenderOptions{
		Origin: issuer, MTLSOrigin: "https://mtls.example.org", DPoP: true,
		Proofs: dpop.Policy{Algorithms: []string{"ES256", "EdDSA", "Ed25519", "PS256"}, Lifetime: time.Minute, Skew: 10 * time.Second},
		Window: 5 * time.Minute, NonceTTL: 5 * time.Minute, ReplayStatus: http.StatusUnauthorized, MTLS: true,
		Certificates: token.CertificateHeader{Name: "Client-Cert"}, Now: h.now,
	}
	if o.sender != nil {
		o.sender(&sender)
	}
	n := &node{metrics: prometheus.NewRegistry()}
	metrics := token.NewMetrics(n.metrics)
	n.OAuth = token.NewOAuth(h.d, authority, h.clients, token.OAuthOptions{
		People: h.people, Audit: auditor, Metrics: metrics, Forgetful: o.forgetful, Now: h.now,
		Senders: token.NewSenders(h.d, h.clients, guard, auditor, metrics, sender),
	})
	mux := http.NewServeMux()
	token.OAuthRoutes(mux, n.OAuth)
	if err := token.MetadataRoutes(mux, n.OAuth); err != nil {
		h.t.Fatal(err)
	}
	n.mux = web.Chain(mux, web.Identify(nil))
	return n
}

// count returns a counter of the node's metrics, by name and label.
func (n *node) count(t *testing.T, name, label string) float64 {
	t.Helper()
	families, err := n.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == label {
					return m.GetCounter().GetValue()
				}
			}
		}
	}
	t.Fatalf("no metric %s with %s", name, label)
	return 0
}

// client registers a client of acme, with every grant and these changes.
func (h *house) client(change func(n *token.NewClient)) (id, secret string) {
	h.t.Helper()
	n := token.NewClient{
		Name: "App", Grants: token.Grants(), Redirects: []string{"https://app.example.org/cb"}, Consent: token.ConsentNever,
		Scopes: []string{"openid", "profile", "email", "offline_access", "mail:send"}, Audiences: []string{api, issuer},
	}
	if change != nil {
		change(&n)
	}
	if n.Auth == token.AuthNone {
		n.Grants = slices.DeleteFunc(n.Grants, func(g string) bool { return g == token.GrantCredentials })
	}
	c, secret, err := h.clients.Create(member(h.t.Context(), "acme", "oauth:clients", "mail:send"), n)
	if err != nil {
		h.t.Fatal(err)
	}
	return c.ID, secret
}

// answer is what an endpoint said.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// call sends a form as a client with a secret would. Headers are pairs.
func (n *node) call(t testing.TB, path, id, secret string, form url.Values, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://elsewhere.example.org"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return n.send(t, r)
}

func (n *node) send(t testing.TB, r *http.Request) answer {
	t.Helper()
	w := httptest.NewRecorder()
	n.mux.ServeHTTP(w, r)
	a := answer{status: w.Code, header: w.Header()}
	if w.Body.Len() > 0 && json.Unmarshal(w.Body.Bytes(), &a.body) != nil {
		t.Fatalf("%s: not JSON: %s", r.URL.Path, w.Body)
	}
	return a
}

// wants fails the test where an answer is another one.
func (a answer) wants(t testing.TB, name string, status int, code string) {
	t.Helper()
	if a.status != status || a.text("error") != code {
		t.Errorf("%s: got %d %v, want %d %s", name, a.status, a.body, status, code)
	}
	if a.status != http.StatusOK && a.status != http.StatusCreated && a.text("error") == "" {
		t.Errorf("%s: no error code: %v", name, a.body)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("%s: Cache-Control: got %q", name, got)
	}
}

// holder is who holds a key and makes proofs with it.
type holder struct {
	t   testing.TB
	key *ecdsa.PrivateKey
	now func() time.Time
}

func (h *house) holder() holder {
	h.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		h.t.Fatal(err)
	}
	return holder{h.t, key, h.now}
}

func (k holder) jwk() map[string]string {
	raw, err := k.key.PublicKey.Bytes()
	if err != nil {
		k.t.Fatal(err)
	}
	return map[string]string{"kty": "EC", "crv": "P-256", "x": b64(raw[1:33]), "y": b64(raw[33:])}
}

func (k holder) thumbprint() string {
	j := k.jwk()
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + j["x"] + `","y":"` + j["y"] + `"}`))
	return b64(sum[:])
}

// proof is a good one for a POST to path, with changes; nil takes a member away.
func (k holder) proof(path string, changes map[string]any) string {
	k.t.Helper()
	payload := map[string]any{"jti": rand.Text(), "htm": "POST", "htu": issuer + path, "iat": k.now().Unix()}
	for name, v := range changes {
		payload[name] = v
		if v == nil {
			delete(payload, name)
		}
	}
	head, _ := json.Marshal(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": k.jwk()})
	body, _ := json.Marshal(payload)
	signed := b64(head) + "." + b64(body)
	return signed + "." + b64(signBareES256(k.t, k.key, signed))
}

func signBareES256(t testing.TB, key *ecdsa.PrivateKey, signed string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 64)
	r.FillBytes(out[:32])
	s.FillBytes(out[32:])
	return out
}

func ath(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return b64(sum[:])
}

// authorize asks for a code as usr_alice, with changes to the request.
func (h *house) authorize(id string, changes ...string) (code string) {
	h.t.Helper()
	to, err := h.asked(id, changes...)
	if err != nil {
		h.t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		h.t.Fatal(err)
	}
	if u.Query().Get("iss") != issuer {
		h.t.Errorf("iss: got %q", u.Query().Get("iss"))
	}
	return u.Query().Get("code")
}

func (h *house) asked(id string, changes ...string) (to string, err error) {
	q := form("client_id", id, "response_type", "code", "redirect_uri", "https://app.example.org/cb", "scope", "openid mail:send",
		"state", "s1", "nonce", "n1", "code_challenge", challenge, "code_challenge_method", "S256")
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	g := h.nodes[0].OAuth
	a, err := g.Begin(h.t.Context(), q)
	if err != nil {
		return "", err
	}
	return g.Grant(h.t.Context(), a, "usr_alice", "ses_alice", false)
}

// exchange is the form that redeems a code.
func exchange(code string) url.Values {
	return form("grant_type", "authorization_code", "code", code, "redirect_uri", "https://app.example.org/cb", "code_verifier", verifier)
}

// onEveryStore runs f on SQLite and PostgreSQL with one node and memory or SQL, and on
// PostgreSQL with two nodes over SQL and over Redis.
func onEveryStore(t *testing.T, f func(t *testing.T, d *db.DB, o houseOptions)) {
	t.Run("sqlite, memory", func(t *testing.T) { f(t, dbtest.SQLite(t), houseOptions{}) })
	t.Run("sqlite, sql", func(t *testing.T) { f(t, dbtest.SQLite(t), houseOptions{store: inSQL}) })
	t.Run("postgres, two nodes", func(t *testing.T) { f(t, dbtest.Postgres(t), houseOptions{store: inSQL, nodes: 2}) })
	t.Run("postgres, redis, two nodes", func(t *testing.T) {
		server := redistest.Start(t)
		f(t, dbtest.Postgres(t), houseOptions{nodes: 2, store: func(t testing.TB, _ *db.DB) once.Store { return inRedis(t, server) }})
	})
}

func inRedis(t testing.TB, server *redistest.Server) once.Store {
	r, err := once.OpenRedis(t.Context(), server.URL(), "signet:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}
