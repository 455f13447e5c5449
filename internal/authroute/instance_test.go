package authroute_test

import (
	"context"
	"crypto/ed25519"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/authproof"
	"signet/internal/audit"
	"signet/internal/authroute"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/once"
	"signet/internal/policyproto"
	"signet/internal/push"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// relay is the audience of version 2 proofs in these tests.
const relay = "mx.example.org"

// instance is one instance of an installation that hosts example.org, with what
// judges mail: all of it real. It knows no later time than clock's.
type instance struct {
	*clock
	db       *db.DB
	reg      *prometheus.Registry
	metrics  *authroute.Metrics
	bus      *push.Bus
	audit    *audit.Log
	domains  *authroute.Domains
	bypass   *authroute.Bypass
	registry *authroute.Registry
	keys     *authroute.Keyset
	names    *nameServer
	verifier *authroute.Verifier
}

// eachInstance runs test on every engine.
func eachInstance(t *testing.T, test func(t *testing.T, in *instance)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { test(t, newInstance(t, d, authroute.VerifierConfig{})) })
}

// anInstance returns one on SQLite, for what the engine has no part in.
func anInstance(t *testing.T, config authroute.VerifierConfig) *instance {
	t.Helper()
	return newInstance(t, dbtest.SQLite(t), config)
}

// newInstance returns an instance on d. Several can share one store.
func newInstance(t testing.TB, d *db.DB, config authroute.VerifierConfig) *instance {
	t.Helper()
	in := &instance{clock: newClock(), db: d, reg: prometheus.NewRegistry(), bus: push.New(d)}
	in.audit = audit.New(d, [32]byte{}, nil, audit.Options{})
	in.domains = authroute.NewDomains(d, in.bus, in.audit, authroute.DomainsConfig{
		Domains: map[string]authroute.Domain{"example.org": {Mode: authroute.Enforce, Hosted: true}},
	}, in.Now)
	in.bypass = authroute.NewBypass(d, in.bus, in.audit, in.Now)
	in.metrics = authroute.NewMetrics(in.reg, authroute.Sources{Bypassed: in.bypass.On})
	users := directory{"alice": {"alice@example.org", "sales@example.org"}, "bob": {"bob@example.org"}}
	in.registry = authroute.NewRegistry(d, users, in.audit, seal.New(seal.NewRing(seal.NewKey())), authroute.RegistryOptions{
		Origin: testOrigin, Hosted: in.domains.Hosted, Publish: in.bus.Publish, Now: in.Now,
	})
	for user := range users {
		_, err := d.SQL().ExecContext(t.Context(), `INSERT INTO users (id, display_name, created_at) VALUES ($1, $1, $2) ON CONFLICT DO NOTHING`,
			user, db.Now(in.Now()))
		if err != nil {
			t.Fatal(err)
		}
	}
	in.keys = authroute.NewKeyset(d, in.bus, in.Now, nil)
	in.names = newNameServer(t, missing(60))
	in.verifier = in.judge(config)
	in.refresh(t)
	return in
}

// judge returns a verifier of its own on the same store, as another instance has it.
func (in *instance) judge(c authroute.VerifierConfig) *authroute.Verifier {
	return in.judgeWith(c, once.NewSQL(in.db))
}

// judgeWith returns a verifier that keeps used proofs in store.
func (in *instance) judgeWith(c authroute.VerifierConfig, store once.Store) *authroute.Verifier {
	c.Window, c.Audiences, c.Now = authproof.Window, []string{relay}, in.Now
	guard := once.New(in.db, store, nil, once.Space{Name: authroute.ReplaySpace, Cap: 10_000_000})
	dns := authroute.NewResolver(authroute.ResolverConfig{Server: in.names.addr, Timeout: 400 * time.Millisecond, Now: in.Now}, in.metrics)
	return authroute.NewVerifier(c, in.domains, in.bypass, in.keys, dns, authroute.NewReplay(guard, c.Window, in.Now))
}

func (in *instance) refresh(t testing.TB) {
	t.Helper()
	for _, load := range []func(context.Context) error{in.keys.Load, in.domains.Load, in.bypass.Load} {
		if err := load(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a worker until the test ends.
func run(t testing.TB, worker func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- worker(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
}

// eventually waits until ok, for at most half a minute.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within half a minute", what)
		}
	}
}

func operator(ctx context.Context) context.Context {
	return ticket.With(ctx, ticket.Operator([]string{"authroute:admin", "authroute:read"}))
}

// keyring is a user's keys.
type keyring struct {
	primary, subkey ed25519.PrivateKey
	address         string
}

// register gives a user a primary key and a subkey for address, for an hour.
func (in *instance) register(t testing.TB, user, address string) keyring {
	t.Helper()
	s := keyring{primary: newPrivate(t), address: address}
	ctx := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: user})
	if _, err := in.registry.SetPrimary(ctx, authroute.PrimaryRequest(s.primary, testOrigin, address, in.Now())); err != nil {
		t.Fatal(err)
	}
	s.subkey = newPrivate(t)
	if _, err := in.registry.Generate(ctx, authroute.SubkeyRequest(s.primary, s.subkey, address, in.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	in.refresh(t)
	return s
}

// revoke revokes the user's subkey.
func (in *instance) revoke(t testing.TB, user string, s keyring) {
	t.Helper()
	ctx := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: user})
	if err := in.registry.Revoke(ctx, keyID(s.subkey), "lost"); err != nil {
		t.Fatal(err)
	}
	in.refresh(t)
}

func newPrivate(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return priv
}

func keyID(priv ed25519.PrivateKey) string {
	return authproof.KeyID(priv.Public().(ed25519.PublicKey)) // crypto/ed25519 promises the type
}

// sign makes a proof. Members that claims leaves empty are those of a good version 2 proof.
func (in *instance) sign(t testing.TB, priv ed25519.PrivateKey, c authproof.Claims) string {
	t.Helper()
	if c.Version == 0 {
		c.Version, c.Audience = 2, relay
	}
	if c.Timestamp.IsZero() {
		c.Timestamp = in.Now()
	}
	if c.MessageID == "" {
		c.MessageID = "<" + rand(t) + "@example.org>"
	}
	proof, err := authproof.Sign(priv, c)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// rand returns a text that no other call returns.
func rand(t testing.TB) string { return keyID(newPrivate(t))[:16] }

// mail is one mail with a proof, or none where it is empty.
func mail(t testing.TB, sender, proof string) authroute.Request {
	q := authroute.Request{
		Carried:       policyproto.Carried{Form: policyproto.Parameter, Proof: proof, Sender: sender},
		ClientAddress: "192.0.2.1", Host: "relay-a", Instance: rand(t), QueueID: rand(t),
	}
	if proof == "" {
		q.Carried.Form = policyproto.NoProof
	}
	return q
}

// expect judges a mail.
func (in *instance) expect(t *testing.T, what string, q authroute.Request, want authroute.Cause) authroute.Verdict {
	t.Helper()
	return expectOf(t, in.verifier, what, q, want)
}

func expectOf(t *testing.T, v *authroute.Verifier, what string, q authroute.Request, want authroute.Cause) authroute.Verdict {
	t.Helper()
	got := v.Judge(t.Context(), q)
	if got.Cause != want || got.Result != want.Result() {
		t.Errorf("%s: got %s %q, want %s %q", what, got.Result, got.Cause, want.Result(), want)
	}
	return got
}

func writeFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
