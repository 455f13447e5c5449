package authroute_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"signet/authproof"
	"signet/internal/audit"
	"signet/internal/authroute"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/fault"
	"signet/internal/seal"
	"signet/internal/ticket"
)

const testOrigin = "https://auth.example.org"

// directory gives each user the addresses under their name; users exist as rows
// only for the foreign key.
type directory map[string][]string

func (d directory) VerifiedAddresses(_ context.Context, _ *db.Tx, user string) ([]string, error) {
	return d[user], nil
}

type registryFixture struct {
	*authroute.Registry
	db        *db.DB
	keys      *authroute.Keyset
	clock     time.Time
	published atomic.Int32
}

// ticker is a bus that never gives notice: tests load by hand.
type ticker struct{}

func (ticker) Subscribe(string) (<-chan struct{}, func()) { return nil, func() {} }

func eachRegistry(t *testing.T, test func(t *testing.T, f *registryFixture)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := &registryFixture{db: d, clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
		users := directory{"alice": {"alice@example.org", "al@example.org", "alice@elsewhere.example"}, "bob": {"bob@example.org"}, "new": nil}
		for user := range users {
			if _, err := d.SQL().ExecContext(t.Context(), `INSERT INTO users (id, display_name, created_at) VALUES ($1, $1, $2)`, user, f.clock); err != nil {
				t.Fatal(err)
			}
		}
		now := func() time.Time { return f.clock }
		f.Registry = authroute.NewRegistry(d, users, audit.Discard, seal.New(seal.NewRing(seal.NewKey())), authroute.RegistryOptions{
			Origin: testOrigin, Hosted: func(domain string) bool { return domain == "example.org" },
			Publish: func(string) { f.published.Add(1) }, Now: now,
		})
		f.keys = authroute.NewKeyset(d, ticker{}, now, nil)
		test(t, f)
	})
}

func as(t *testing.T, user string) context.Context {
	return ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: user})
}

// pair is a key pair with the forms that requests carry.
type pair struct {
	priv       ed25519.PrivateKey
	public, id string
}

func newPair(t *testing.T) pair {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair{priv, base64.StdEncoding.EncodeToString(pub), authproof.KeyID(pub)}
}

func (p pair) sign(text []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(p.priv, text))
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05Z") }

// primaryRequest is a good request for a first primary key, or to replace old.
func (f *registryFixture) primaryRequest(p pair, old *pair, address string) authroute.NewPrimary {
	n := authroute.NewPrimary{PublicKey: p.public, Address: address, Timestamp: stamp(f.clock)}
	previous := ""
	if old != nil {
		previous = old.id
	}
	text := authroute.PrimaryText(testOrigin, address, p.public, previous, n.Timestamp)
	n.Signature = p.sign(text)
	if old != nil {
		n.PreviousSignature = old.sign(text)
	}
	return n
}

func (f *registryFixture) subkeyRequest(primary, p pair, address string) authroute.NewSubkey {
	expires := stamp(f.clock.AddDate(0, 6, 0))
	text := authroute.SubkeyText(address, p.id, p.public, expires)
	return authroute.NewSubkey{
		KeyID: p.id, PublicKey: p.public, ExpiresAt: expires, Address: address,
		Signature: primary.sign(text), SubkeySignature: p.sign(text),
	}
}

// register gives a user a primary key and one subkey.
func (f *registryFixture) register(t *testing.T, user, address string) (primary, sub pair) {
	t.Helper()
	primary, sub = newPair(t), newPair(t)
	if _, err := f.SetPrimary(as(t, user), f.primaryRequest(primary, nil, address)); err != nil {
		t.Fatalf("primary: %v", err)
	}
	if _, err := f.Generate(as(t, user), f.subkeyRequest(primary, sub, address)); err != nil {
		t.Fatalf("subkey: %v", err)
	}
	return primary, sub
}

func (f *registryFixture) load(t *testing.T) {
	t.Helper()
	if err := f.keys.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSubkeyIsCertifiedAndPublished(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		primary, sub := f.register(t, "alice", "alice@example.org")
		keys, err := f.List(as(t, "alice"), false)
		if err != nil || len(keys) != 2 {
			t.Fatalf("got %v, %v, want two keys", keys, err)
		}
		if k := keys[1]; k.ID != sub.id || k.Primary != primary.id || k.Type != authroute.Subkey || !k.Expires.Equal(f.clock.AddDate(0, 6, 0)) {
			t.Errorf("got %+v", k)
		}
		text := authroute.SubkeyText("alice@example.org", sub.id, sub.public, stamp(keys[1].Expires))
		if !ed25519.Verify(keys[0].Public, text, keys[1].Certificate) {
			t.Error("the certificate does not verify under the primary key")
		}
		f.load(t)
		if live := f.keys.Live("alice@example.org", f.clock); len(live) != 1 || live[0].ID != sub.id {
			t.Errorf("published: got %v, want the subkey alone", live)
		}
		if live := f.keys.Live("alice@example.org", f.clock.AddDate(0, 6, 0)); len(live) != 0 {
			t.Errorf("published after its expiry: %v", live)
		}
		if f.keys.Owners() != 1 || f.published.Load() != 2 {
			t.Errorf("got %d owners and %d notices, want 1 and 2", f.keys.Owners(), f.published.Load())
		}
		events, err := f.Events(as(t, "alice"), sub.id)
		if err != nil || len(events) != 1 || events[0].Type != "created" {
			t.Errorf("events: got %v, %v", events, err)
		}
	})
}

func TestRegistryRefusesWithoutWriting(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		primary, sub := f.register(t, "alice", "alice@example.org")
		bobPrimary, bobSub := f.register(t, "bob", "bob@example.org")
		other, fresh := newPair(t), newPair(t)

		subkey := func(change func(n *authroute.NewSubkey)) error {
			n := f.subkeyRequest(primary, fresh, "alice@example.org")
			change(&n)
			_, err := f.Generate(as(t, "alice"), n)
			return err
		}
		first := func(change func(n *authroute.NewPrimary)) error {
			n := f.primaryRequest(fresh, &primary, "alice@example.org")
			change(&n)
			_, err := f.SetPrimary(as(t, "alice"), n)
			return err
		}
		resigned := func(n authroute.NewSubkey, by, own pair) authroute.NewSubkey {
			text := authroute.SubkeyText(n.Address, n.KeyID, n.PublicKey, n.ExpiresAt)
			n.Signature, n.SubkeySignature = by.sign(text), own.sign(text)
			return n
		}
		smallOrder := base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 31)...))
		past, far := stamp(f.clock), stamp(f.clock.AddDate(3, 0, 0))

		for name, c := range map[string]struct {
			err   error
			want  error
			field string
		}{
			"subkey signed by another primary": {subkey(func(n *authroute.NewSubkey) { *n = resigned(*n, bobPrimary, fresh) }), authroute.ErrPrimary, "signature"},
			"subkey signed by itself":          {subkey(func(n *authroute.NewSubkey) { *n = resigned(*n, fresh, fresh) }), authroute.ErrPrimary, "signature"},
			"subkey without possession":        {subkey(func(n *authroute.NewSubkey) { n.SubkeySignature = n.Signature }), authroute.ErrPossession, "subkey_signature"},
			"somebody else's public key":       {subkey(func(n *authroute.NewSubkey) { *n = f.subkeyRequest(primary, bobSub, "alice@example.org") }), authroute.ErrExists, "public_key"},
			"own key twice":                    {subkey(func(n *authroute.NewSubkey) { *n = f.subkeyRequest(primary, sub, "alice@example.org") }), authroute.ErrExists, "public_key"},
			"foreign key id":                   {subkey(func(n *authroute.NewSubkey) { n.KeyID = other.id }), authroute.ErrKeyID, "key_id"},
			"key id in upper case":             {subkey(func(n *authroute.NewSubkey) { n.KeyID = strings.ToUpper(n.KeyID) }), authroute.ErrKeyID, "key_id"},
			"malformed base64":                 {subkey(func(n *authroute.NewSubkey) { n.PublicKey = "!" + n.PublicKey[1:] }), authroute.ErrPublicKey, "public_key"},
			"URL-safe base64":                  {subkey(func(n *authroute.NewSubkey) { n.PublicKey = base64.RawURLEncoding.EncodeToString(make([]byte, 32)) }), authroute.ErrPublicKey, "public_key"},
			"31 bytes":                         {subkey(func(n *authroute.NewSubkey) { n.PublicKey = base64.StdEncoding.EncodeToString(make([]byte, 31)) }), authroute.ErrPublicKey, "public_key"},
			"small-order point":                {subkey(func(n *authroute.NewSubkey) { n.PublicKey = smallOrder }), authroute.ErrPublicKey, "public_key"},
			"short signature":                  {subkey(func(n *authroute.NewSubkey) { n.Signature = "AAAA" }), authroute.ErrSignature, "signature"},
			"no subkey signature":              {subkey(func(n *authroute.NewSubkey) { n.SubkeySignature = "" }), authroute.ErrSignature, "subkey_signature"},
			"expired":                          {subkey(func(n *authroute.NewSubkey) { n.ExpiresAt = past }), authroute.ErrExpiry, "expires_at"},
			"expiry too far":                   {subkey(func(n *authroute.NewSubkey) { n.ExpiresAt = far }), authroute.ErrExpiry, "expires_at"},
			"expiry with a zone":               {subkey(func(n *authroute.NewSubkey) { n.ExpiresAt = "2026-09-01T12:00:00+00:00" }), authroute.ErrTime, "expires_at"},
			"expiry with a fraction":           {subkey(func(n *authroute.NewSubkey) { n.ExpiresAt = "2026-09-01T12:00:00.5Z" }), authroute.ErrTime, "expires_at"},
			"another's address":                {subkey(func(n *authroute.NewSubkey) { n.Address = "bob@example.org" }), authroute.ErrAddress, "address"},
			"domain that is not hosted":        {subkey(func(n *authroute.NewSubkey) { n.Address = "alice@elsewhere.example" }), authroute.ErrDomain, "address"},
			"altered expiry":                   {subkey(func(n *authroute.NewSubkey) { n.ExpiresAt = stamp(f.clock.AddDate(1, 0, 0)) }), authroute.ErrPrimary, "signature"},

			"replaced without the old one": {first(func(n *authroute.NewPrimary) { n.PreviousSignature = "" }), authroute.ErrPrimaryExists, ""},
			"replaced by who knows of none": {first(func(n *authroute.NewPrimary) {
				n.PreviousSignature, n.Signature = "", fresh.sign(authroute.PrimaryText(testOrigin, n.Address, n.PublicKey, "", n.Timestamp))
			}), authroute.ErrPrimaryExists, ""},
			"replaced by another's key":  {first(func(n *authroute.NewPrimary) { n.PreviousSignature = n.Signature }), authroute.ErrOldPrimary, "previous_signature"},
			"primary without possession": {first(func(n *authroute.NewPrimary) { n.Signature = n.PreviousSignature }), authroute.ErrPrimary, "signature"},
			"old request":                {first(func(n *authroute.NewPrimary) { n.Timestamp = stamp(f.clock.Add(-301 * time.Second)) }), authroute.ErrTimestamp, "timestamp"},
			"request ahead of its time":  {first(func(n *authroute.NewPrimary) { n.Timestamp = stamp(f.clock.Add(time.Minute)) }), authroute.ErrTimestamp, "timestamp"},
			"request of another origin": {first(func(n *authroute.NewPrimary) {
				n.Signature = fresh.sign(authroute.PrimaryText("https://evil.example", n.Address, n.PublicKey, primary.id, n.Timestamp))
			}), authroute.ErrPrimary, "signature"},
			"certificate for another's key": {first(func(n *authroute.NewPrimary) {
				n.Recertify = []authroute.Recertification{{KeyID: bobSub.id, Signature: n.Signature}}
			}), authroute.ErrNotFound, "recertify[0].key_id"},
			"certificate that does not hold": {first(func(n *authroute.NewPrimary) {
				n.Recertify = []authroute.Recertification{{KeyID: sub.id, Signature: n.Signature}}
			}), authroute.ErrPrimary, "recertify[0].signature"},

			"revoking another's key":   {f.Revoke(as(t, "bob"), sub.id, ""), authroute.ErrNotFound, ""},
			"revoking no key":          {f.Revoke(as(t, "bob"), "x", ""), authroute.ErrNotFound, ""},
			"reason with NUL":          {f.Revoke(as(t, "alice"), sub.id, "a\x00"), nil, "reason"},
			"events of another's key":  {second(f.Events(as(t, "bob"), sub.id)), authroute.ErrNotFound, ""},
			"nobody":                   {second(f.List(t.Context(), false)), ticket.ErrNone, ""},
			"a service key":            {second(f.List(ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.Key, Subject: "alice"}), false)), ticket.ErrForbidden, ""},
			"a token out of scope":     {second(f.List(ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "alice", Scopes: []string{"objects"}}), false)), ticket.ErrForbidden, ""},
			"a user without addresses": {second(f.Generate(as(t, "new"), f.subkeyRequest(primary, fresh, ""))), authroute.ErrAddress, "address"},
		} {
			got, ok := fault.As(c.err)
			if !ok || (c.want != nil && !errors.Is(c.err, c.want)) || got.Field != c.field {
				t.Errorf("%s: got %v, want %v at %q", name, c.err, c.want, c.field)
			}
		}
		for user, want := range map[string]int{"alice": 2, "bob": 2} {
			if keys, err := f.List(as(t, user), true); err != nil || len(keys) != want || slices.ContainsFunc(keys, func(k authroute.Key) bool { return !k.Revoked.IsZero() }) {
				t.Errorf("%s has %v (%v) after refusals, want %d live keys", user, keys, err, want)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

func TestReplacingThePrimaryKeepsWhatItCertifiesAnew(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		old, kept := f.register(t, "alice", "alice@example.org")
		dropped, successor := newPair(t), newPair(t)
		if _, err := f.Generate(as(t, "alice"), f.subkeyRequest(old, dropped, "al@example.org")); err != nil {
			t.Fatal(err)
		}
		f.load(t)
		n := f.primaryRequest(successor, &old, "alice@example.org")
		k, _ := f.keys.Find(kept.id)
		text := authroute.SubkeyText(k.Address, k.ID, kept.public, stamp(k.Expires))
		n.Recertify = []authroute.Recertification{{KeyID: kept.id, Signature: successor.sign(text)}}
		app := ticket.With(t.Context(), &ticket.Ticket{Kind: ticket.User, Subject: "alice", Scopes: []string{"authroute:keys"}, ACR: "urn:signet:2"})
		if _, err := f.SetPrimary(app, n); !errors.Is(err, ticket.ErrStale) {
			t.Errorf("an app's token of an old sign-in: got %v, want ErrStale", err)
		}
		if _, err := f.SetPrimary(as(t, "alice"), n); err != nil {
			t.Fatal(err)
		}
		f.load(t)
		for id, live := range map[string]bool{old.id: false, kept.id: true, dropped.id: false, successor.id: true} {
			if k, ok := f.keys.Find(id); !ok || k.Revoked.IsZero() != live {
				t.Errorf("key %s: got %+v, want live %t", id[:8], k, live)
			}
		}
		if k, _ := f.keys.Find(kept.id); k.Primary != successor.id || !ed25519.Verify(successor.priv.Public().(ed25519.PublicKey), text, k.Certificate) {
			t.Error("the kept subkey does not carry the new certificate")
		}
		// The same request again must not do anything: its old key is not the primary any more.
		if _, err := f.SetPrimary(as(t, "alice"), n); err == nil {
			t.Error("a replayed replacement was accepted")
		}
	})
}

func TestRevokingAPrimaryRevokesItsSubkeys(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		primary, sub := f.register(t, "alice", "alice@example.org")
		_, bobs := f.register(t, "bob", "bob@example.org")
		f.load(t)
		if err := f.Revoke(as(t, "alice"), primary.id, "laptop stolen"); err != nil {
			t.Fatal(err)
		}
		if err := f.Revoke(as(t, "alice"), primary.id, ""); !errors.Is(err, authroute.ErrRevoked) {
			t.Errorf("again: got %v, want ErrRevoked", err)
		}
		f.load(t)
		for id, live := range map[string]bool{primary.id: false, sub.id: false, bobs.id: true} {
			if k, _ := f.keys.Find(id); k.Revoked.IsZero() != live {
				t.Errorf("key %s: got %+v, want live %t", id[:8], k, live)
			}
		}
		keys, err := f.List(as(t, "alice"), true)
		if err != nil || len(keys) != 2 || keys[0].Note != "laptop stolen" || keys[0].Reason != authroute.Unspecified {
			t.Errorf("got %+v, %v", keys, err)
		}
		if f.keys.Owners() != 1 {
			t.Errorf("got %d owners, want 1", f.keys.Owners())
		}
		// A new first primary needs no old signature: there is no old key left to ask.
		if _, err := f.SetPrimary(as(t, "alice"), f.primaryRequest(newPair(t), nil, "alice@example.org")); err != nil {
			t.Errorf("a new primary after revocation: %v", err)
		}
	})
}

func TestOperatorRevokesAnybodysKey(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		_, sub := f.register(t, "alice", "alice@example.org")
		op := ticket.With(t.Context(), ticket.Operator([]string{"authroute:admin"}))
		if err := f.Revoke(op, sub.id, "keyCompromise"); err != nil {
			t.Fatal(err)
		}
		f.load(t)
		if k, _ := f.keys.Find(sub.id); k.Reason != authroute.KeyCompromise {
			t.Errorf("got %+v", k)
		}
	})
}

func TestLeavingRevokesInTheSameTransaction(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		primary, sub := f.register(t, "alice", "alice@example.org")
		second := newPair(t)
		if _, err := f.Generate(as(t, "alice"), f.subkeyRequest(primary, second, "al@example.org")); err != nil {
			t.Fatal(err)
		}
		abort := errors.New("abort")
		err := f.db.Update(t.Context(), func(tx *db.Tx) error {
			return errors.Join(f.CloseUser(t.Context(), tx, "alice"), abort)
		})
		if !errors.Is(err, abort) {
			t.Fatal(err)
		}
		f.load(t)
		if k, _ := f.keys.Find(sub.id); !k.Revoked.IsZero() {
			t.Error("an aborted transaction revoked")
		}
		closing := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := f.db.Update(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
			f.load(t)
		}
		live := func(want ...bool) {
			t.Helper()
			for i, p := range []pair{primary, sub, second} {
				if k, _ := f.keys.Find(p.id); k.Revoked.IsZero() != want[i] {
					t.Errorf("key %d: got live %t, want %t", i, k.Revoked.IsZero(), want[i])
				}
			}
		}
		closing(func(tx *db.Tx) error { return f.CloseAddress(t.Context(), tx, "alice", "alice@example.org") })
		live(true, false, true)
		closing(func(tx *db.Tx) error { return f.CloseUser(t.Context(), tx, "alice") })
		live(false, false, false)
	})
}

func TestDelegatedSubkeyCountsOnlyOnceCertified(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		primary, _ := f.register(t, "alice", "alice@example.org")
		expires := stamp(f.clock.AddDate(0, 1, 0))
		d, err := f.Delegate(as(t, "alice"), "al@example.org", expires)
		if err != nil {
			t.Fatal(err)
		}
		f.load(t)
		if _, ok := f.keys.Find(d.KeyID); ok {
			t.Error("an uncertified key is registered")
		}
		text := authroute.SubkeyText(d.Address, d.KeyID, d.PublicKey, expires)
		n := authroute.NewSubkey{
			KeyID: d.KeyID, PublicKey: d.PublicKey, ExpiresAt: expires, Address: d.Address,
			Signature: primary.sign(text), SubkeySignature: d.SubkeySignature,
		}
		if _, err := f.Generate(as(t, "alice"), n); err != nil {
			t.Fatal(err)
		}
		f.load(t)
		if live := f.keys.Live("al@example.org", f.clock); len(live) != 1 {
			t.Errorf("got %v, want the delegated key", live)
		}
		var sealed []byte
		read := func() error {
			return f.db.View(t.Context(), func(tx *db.Tx) error {
				return tx.QueryRowContext(t.Context(), `SELECT private_key FROM authroute_delegations WHERE key_id = $1`, d.KeyID).Scan(&sealed)
			})
		}
		if err := read(); err != nil || len(sealed) < 48 {
			t.Errorf("sealed private key: %d bytes, %v", len(sealed), err)
		}
		if err := f.Revoke(as(t, "alice"), d.KeyID, ""); err != nil {
			t.Fatal(err)
		}
		if err := read(); err == nil {
			t.Error("the private half outlived the revocation")
		}
	})
}

func TestRevocationListIsSignedAndPaged(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		_, a := f.register(t, "alice", "alice@example.org")
		_, b := f.register(t, "bob", "bob@example.org")
		node := newPair(t)
		list := func(since int64) authroute.RevocationList {
			f.load(t)
			return authroute.Revocations(f.keys, signer{node.priv}, since, f.clock)
		}
		if l := list(0); l.Sequence != 0 || len(l.Revocations) != 0 || l.Signature == "" {
			t.Errorf("empty list: got %+v", l)
		}
		for _, p := range []struct {
			user string
			pair pair
		}{{"bob", b}, {"alice", a}} {
			f.clock = f.clock.Add(time.Second)
			if err := f.Revoke(as(t, p.user), p.pair.id, "superseded"); err != nil {
				t.Fatal(err)
			}
		}
		l := list(0)
		if len(l.Revocations) != 2 || l.Revocations[0].KeyID != b.id || l.Revocations[0].Domain != "example.org" || l.Revocations[1].Reason != authroute.Superseded {
			t.Fatalf("got %+v", l)
		}
		if !l.Updated.Equal(f.clock) || !l.NextUpdate.After(f.clock) {
			t.Errorf("dates: got %v and %v at %v", l.Updated, l.NextUpdate, f.clock)
		}
		lines := []string{a.id + " " + stamp(f.clock) + "\n", b.id + " " + stamp(f.clock.Add(-time.Second)) + "\n"}
		slices.Sort(lines)
		text := fmt.Sprintf("authroute-revocations:v1\n%d\n%s\n%s\n%s", l.Sequence, stamp(l.Updated), stamp(l.NextUpdate), strings.Join(lines, ""))
		signature, err := base64.StdEncoding.DecodeString(l.Signature)
		if err != nil || !ed25519.Verify(node.priv.Public().(ed25519.PublicKey), []byte(text), signature) {
			t.Errorf("the signature does not hold over\n%s", text)
		}
		f.keys.Find(b.id)
		k, _ := f.keys.Find(b.id)
		// A part carries the signature of the whole, and so cannot pass for it.
		if page := list(k.Sequence); len(page.Revocations) != 1 || page.Revocations[0].KeyID != a.id || page.Sequence != l.Sequence || page.Signature != l.Signature {
			t.Errorf("since %d: got %+v", k.Sequence, page)
		}
		if page := list(l.Sequence); len(page.Revocations) != 0 {
			t.Errorf("since the last: got %+v", page)
		}
	})
}

type signer struct{ priv ed25519.PrivateKey }

func (s signer) Sign(m []byte) []byte { return ed25519.Sign(s.priv, m) }

func TestConcurrentChangesKeepEverySequence(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		primary, _ := f.register(t, "alice", "alice@example.org")
		var wg sync.WaitGroup
		stop := make(chan struct{})
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if err := f.keys.Load(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
		var writers sync.WaitGroup
		ids := make([]string, 32)
		for i := range ids {
			p := newPair(t)
			ids[i] = p.id
			writers.Go(func() {
				if _, err := f.Generate(as(t, "alice"), f.subkeyRequest(primary, p, "alice@example.org")); err != nil {
					t.Error(err)
				}
				if err := f.Revoke(as(t, "alice"), p.id, ""); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
		close(stop)
		wg.Wait()
		f.load(t)
		for _, id := range ids {
			if k, ok := f.keys.Find(id); !ok || k.Revoked.IsZero() {
				t.Errorf("the memory passed over key %s: %+v", id[:8], k)
			}
		}
	})
}

func TestListOfAStoreThatIsAwayIsNotGiven(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		p := authroute.NewPublisher(f.keys, signer{newPair(t).priv})
		if _, err := p.List(0, f.clock); !errors.Is(err, authroute.ErrStaleList) {
			t.Errorf("before the first answer: got %v, want ErrStaleList", err)
		}
		f.load(t)
		if _, err := p.List(0, f.clock); err != nil {
			t.Errorf("fresh: %v", err)
		}
		if _, err := p.List(0, f.clock.Add(time.Minute)); !errors.Is(err, authroute.ErrStaleList) {
			t.Errorf("a minute later: got %v, want ErrStaleList", err)
		}
	})
}

func TestListNumbersGoOnAfterARestore(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		_, sub := f.register(t, "alice", "alice@example.org")
		node := signer{newPair(t).priv}
		if err := f.db.Update(t.Context(), func(tx *db.Tx) error { return authroute.Restored(t.Context(), tx, f.clock) }); err != nil {
			t.Fatal(err)
		}
		f.load(t)
		before := authroute.Revocations(f.keys, node, 0, f.clock)
		if before.Sequence < f.clock.UnixMilli() {
			t.Errorf("after the restore: got %d, want at least %d", before.Sequence, f.clock.UnixMilli())
		}
		if err := f.Revoke(as(t, "alice"), sub.id, ""); err != nil {
			t.Fatal(err)
		}
		f.load(t)
		if after := authroute.Revocations(f.keys, node, 0, f.clock); after.Sequence <= before.Sequence || len(after.Revocations) != 1 {
			t.Errorf("got %+v after %d", after, before.Sequence)
		}
	})
}

func TestSubkeysOfAUserAreBounded(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		primary, sub := f.register(t, "alice", "alice@example.org")
		add := func() error {
			_, err := f.Generate(as(t, "alice"), f.subkeyRequest(primary, newPair(t), "alice@example.org"))
			return err
		}
		for i := range 99 {
			if err := add(); err != nil {
				t.Fatalf("subkey %d: %v", i+2, err)
			}
		}
		if err := add(); !errors.Is(err, authroute.ErrQuota) {
			t.Errorf("the 101st: got %v, want ErrQuota", err)
		}
		if err := f.Revoke(as(t, "alice"), sub.id, ""); err != nil {
			t.Fatal(err)
		}
		if err := add(); err != nil {
			t.Errorf("after one was revoked: %v", err)
		}
	})
}

func TestUncertifiedDelegationsAreBoundedAndDropped(t *testing.T) {
	eachRegistry(t, func(t *testing.T, f *registryFixture) {
		delegate := func() error {
			_, err := f.Delegate(as(t, "alice"), "", stamp(f.clock.AddDate(0, 1, 0)))
			return err
		}
		for i := range 100 {
			if err := delegate(); err != nil {
				t.Fatalf("delegation %d: %v", i+1, err)
			}
		}
		if err := delegate(); !errors.Is(err, authroute.ErrQuota) {
			t.Errorf("the 101st: got %v, want ErrQuota", err)
		}
		f.clock = f.clock.Add(25 * time.Hour)
		if err := delegate(); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}
