package node_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/node"
	"signet/internal/seal"
)

func load(t *testing.T, d *db.DB, s node.Sealer) *node.Node {
	t.Helper()
	n, err := node.Load(t.Context(), d, s)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return n
}

func TestKeysAreMadeOnceAndStay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := seal.New(seal.NewRing(seal.NewKey()))
		first, second := load(t, d, s), load(t, d, s)
		if !first.Public().Equal(second.Public()) || !first.HeadPublic().Equal(second.HeadPublic()) {
			t.Error("a second start has other keys than the first")
		}
		if first.Public().Equal(first.HeadPublic()) {
			t.Error("both purposes have one key")
		}
		message := []byte("m")
		if !ed25519.Verify(first.Public(), message, second.Sign(message)) {
			t.Error("Sign does not verify under Public")
		}
		if !ed25519.Verify(first.HeadPublic(), message, second.SignHead(message)) {
			t.Error("SignHead does not verify under HeadPublic")
		}
	})
}

func TestInstancesThatStartTogetherHaveTheSameKeys(t *testing.T) {
	url := dbtest.PostgresURL(t)
	s := seal.New(seal.NewRing(seal.NewKey()))
	const instances = 8
	var nodes [instances]*node.Node
	var wg sync.WaitGroup
	for i := range nodes {
		d, err := db.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		wg.Go(func() {
			n, err := node.Load(context.WithoutCancel(t.Context()), d, s)
			if err != nil {
				t.Errorf("instance %d: %v", i, err)
				return
			}
			nodes[i] = n
		})
	}
	wg.Wait()
	for i, n := range nodes {
		if n != nil && nodes[0] != nil && (!n.Public().Equal(nodes[0].Public()) || !n.HeadPublic().Equal(nodes[0].HeadPublic())) {
			t.Errorf("instance %d has keys of its own", i)
		}
	}
}

func TestKeysAreSealedEachInItsPlace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := seal.New(seal.NewRing(seal.NewKey()))
		load(t, d, s)

		if _, err := node.Load(t.Context(), d, seal.New(seal.NewRing(seal.NewKey()))); !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("under another master key: got %v, want ErrUnknownKey", err)
		}
		exec(t, d, `UPDATE node_meta SET value = (SELECT value FROM node_meta WHERE key = 'audit_head_privkey') WHERE key = 'federation_privkey'`)
		if _, err := node.Load(t.Context(), d, s); !errors.Is(err, seal.ErrContext) {
			t.Errorf("key of the other purpose: got %v, want ErrContext", err)
		}
	})
}

func TestKeysOutliveTheMasterKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		path := filepath.Join(t.TempDir(), "master.key")
		ring, err := seal.LoadOrCreate(path, true)
		if err != nil {
			t.Fatal(err)
		}
		s, err := seal.Attach(t.Context(), d, ring)
		if err != nil {
			t.Fatal(err)
		}
		before, sealed := load(t, d, s), value(t, d)
		if err := seal.Rotate(t.Context(), d, path, node.Columns(), func(int, int) {}); err != nil {
			t.Fatalf("rotate: %v", err)
		}
		if bytes.Equal(value(t, d), sealed) {
			t.Error("rotation did not rewrap the key")
		}
		if after := load(t, d, s); !after.Public().Equal(before.Public()) {
			t.Error("rotation changed the key")
		}
	})
}

func value(t *testing.T, d *db.DB) (b []byte) {
	t.Helper()
	err := d.SQL().QueryRowContext(t.Context(), `SELECT value FROM node_meta WHERE key = 'federation_privkey'`).Scan(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func exec(t *testing.T, d *db.DB, statement string) {
	t.Helper()
	if _, err := d.SQL().ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
