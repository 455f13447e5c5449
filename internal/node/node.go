// Package node holds the installation's own keys (Ed25519, RFC 8032): one by which
// peers know it, and one that signs the heads of its audit log.
//
// Both are made once for the whole installation, whichever instance comes first,
// and are kept sealed in the store.
package node

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"signet/internal/db"
	"signet/internal/seal"
)

// The rows of node_meta.
const (
	federationKey = "federation_privkey"
	headKey       = "audit_head_privkey"
)

// Sealer encrypts what is stored.
type Sealer interface {
	Seal(plaintext []byte, context string) ([]byte, error)
	Open(sealed []byte, context string) ([]byte, error)
}

// Node signs for the installation. It is safe for concurrent use.
type Node struct {
	federation ed25519.PrivateKey
	head       ed25519.PrivateKey
}

// Load returns the installation's keys, and makes them where there are none. Of
// instances that start together, all get the keys of the one that committed first.
func Load(ctx context.Context, d *db.DB, s Sealer) (*Node, error) {
	n := &Node{}
	err := d.Update(ctx, func(tx *db.Tx) (err error) {
		if n.federation, err = loadKey(ctx, tx, s, federationKey); err != nil {
			return err
		}
		n.head, err = loadKey(ctx, tx, s, headKey)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load the installation's keys: %w", err)
	}
	return n, nil
}

// Public returns the key by which peers know the installation.
func (n *Node) Public() ed25519.PublicKey { return n.federation.Public().(ed25519.PublicKey) }

// Sign signs what goes to peers: declarations, peer tokens, revocation lists.
func (n *Node) Sign(message []byte) []byte { return ed25519.Sign(n.federation, message) }

// HeadPublic returns the key that audit heads are verified with.
func (n *Node) HeadPublic() ed25519.PublicKey { return n.head.Public().(ed25519.PublicKey) }

// SignHead signs an audit head. It is another key than Sign's, so that no message
// a peer has us sign can pass for a head.
func (n *Node) SignHead(message []byte) []byte { return ed25519.Sign(n.head, message) }

// Columns names the sealed values, for a rotation of the master key.
func Columns() []seal.Column {
	return []seal.Column{{
		Table: "node_meta", Name: "value", ID: []string{"key"},
		Context: func(values []string) string { return sealedFor(values[0]) },
	}}
}

func sealedFor(name string) string { return seal.Context("node_meta", "value", name) }

// loadKey returns the key of that name. Where there is none it offers a new one and
// reads back which stands: only the insert settles who came first.
func loadKey(ctx context.Context, tx *db.Tx, s Sealer, name string) (ed25519.PrivateKey, error) {
	key, found, err := findKey(ctx, tx, s, name)
	if err != nil || found {
		return key, err
	}
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // it never fails
	sealed, err := s.Seal(seed, sealedFor(name))
	if err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO node_meta (key, value, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (key) DO NOTHING`, name, sealed, db.Now(time.Now()))
	if err != nil {
		return nil, err
	}
	key, found, err = findKey(ctx, tx, s, name)
	if err == nil && !found {
		err = errors.New("the store did not keep the key")
	}
	return key, err
}

func findKey(ctx context.Context, tx *db.Tx, s Sealer, name string) (ed25519.PrivateKey, bool, error) {
	var sealed []byte
	err := tx.QueryRowContext(ctx, `SELECT value FROM node_meta WHERE key = $1`, name).Scan(&sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	seed, err := s.Open(sealed, sealedFor(name))
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", name, err)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, false, fmt.Errorf("%s: has %d bytes, want %d", name, len(seed), ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), true, nil
}
