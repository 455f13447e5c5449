package faults_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/authroute"
	"signet/internal/seal"
	signettest "signet/test/signet"
)

// Killed at any moment, signet seal rotate leaves every sealed value readable, also
// what is sealed meanwhile; the next rotation finishes.
func TestKilledRotationLeavesEverySecretReadable(t *testing.T) {
	t.Parallel()
	onEachEngine(t, func(t *testing.T, url string) {
		s := newSite(t, signettest.Options{StoreURL: url})
		for range size(100, 1000) {
			s.delegate(t)
		}
		k := newKiller(t, s.Installation, "seal", "rotate")
		for range size(8, 50) {
			k.run(s.Installation, "seal", "rotate")
			s.delegate(t) // by an instance that saw the rotation end
			s.verifySealed(t, "")
		}
		s.Run("seal", "rotate")
		s.verifySealed(t, s.currentKey(t))
		s.signet.Kill()
		s.signet.Restart()
		s.delegate(t)
		s.verifySealed(t, s.currentKey(t))
		s.verify(t, s.signet)
		k.report(t)
	})
}

// perUser is how many delegated keys a user gets here; a hundred may wait for their
// certificate.
const perUser = 80

// delegate has a subkey made and sealed.
func (s *site) delegate(t *testing.T) {
	t.Helper()
	if len(s.delegated)%perUser == 0 {
		s.delegator = s.NewUser(s.signet, fmt.Sprintf("user%d@%s", len(s.delegated), domain))
	}
	body, err := json.Marshal(map[string]string{"expires_at": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	if err != nil {
		t.Fatal(err)
	}
	a := s.signet.Call(http.MethodPost, "/api/v1/authroute/keys/delegate", s.delegator.Token, string(body))
	if a.Status != http.StatusCreated {
		t.Fatalf("delegate: %d %s", a.Status, a.Body)
	}
	var made struct {
		KeyID string `json:"key_id"`
	}
	a.JSON(t, &made)
	s.delegated = append(s.delegated, made.KeyID)
}

// verifySealed opens every sealed key as a new instance would, and checks that it is
// the one that was promised, and sealed under the master key named, where one is.
func (s *site) verifySealed(t *testing.T, under string) {
	t.Helper()
	ring, err := seal.LoadOrCreate(s.KeyFile(), false)
	if err != nil {
		t.Fatal(err)
	}
	d := s.Store(t)
	defer d.Close()
	sealer, err := seal.Attach(t.Context(), d, ring)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := d.SQL().QueryContext(t.Context(), `SELECT key_id, address, private_key FROM authroute_delegations`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	opened := map[string]bool{}
	for rows.Next() {
		var id, address string
		var sealed []byte
		if err := rows.Scan(&id, &address, &sealed); err != nil {
			t.Fatal(err)
		}
		der, err := sealer.Open(sealed, authroute.SealedColumns()[0].Context([]string{id, address}))
		if err != nil {
			t.Fatalf("sealed key %s: %v", id, err)
		}
		opened[id] = idOf(t, der) == id
		if under != "" && seal.KeyID(sealed) != under {
			t.Errorf("sealed key %s is under %s, want %s", id, seal.KeyID(sealed), under)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, id := range s.delegated {
		if !opened[id] {
			t.Errorf("key %s was promised, and none like it is sealed", id)
		}
	}
}

// idOf returns the key id of a private key in PKCS#8.
func idOf(t *testing.T, der []byte) string {
	t.Helper()
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	priv, ok := k.(ed25519.PrivateKey)
	if !ok {
		t.Fatalf("sealed is a %T, want an Ed25519 key", k)
	}
	return authproof.KeyID(priv.Public().(ed25519.PublicKey)) // crypto/ed25519 promises the type
}

// currentKey returns the id of the master key that seals now.
func (s *site) currentKey(t *testing.T) string {
	t.Helper()
	ring, err := seal.LoadOrCreate(s.KeyFile(), false)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ring.Current()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal.New(seal.NewRing(k)).Seal(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return seal.KeyID(sealed)
}
