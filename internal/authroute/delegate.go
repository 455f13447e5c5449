package authroute

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"time"

	"signet/authproof"
	"signet/internal/db"
	"signet/internal/seal"
)

// Delegation is the public half of a subkey whose private half stays here, sealed.
// It signs nothing until its user's primary has certified it, by [Registry.Generate]
// with these very values.
type Delegation struct {
	KeyID           string
	PublicKey       string // standard base64
	Address         string
	Expires         time.Time
	SubkeySignature string // the possession proof that Generate asks for
}

// uncertified is how long a delegated key waits for its certificate.
const uncertified = 24 * time.Hour

// Delegate makes a subkey for a user who wants this installation to sign for them.
func (r *Registry) Delegate(ctx context.Context, address, expiresAt string) (Delegation, error) {
	user, err := owner(ctx)
	if err != nil {
		return Delegation{}, err
	}
	expires, err := r.parseExpiry(expiresAt)
	if err != nil {
		return Delegation{}, err
	}
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		return Delegation{}, err
	}
	d := Delegation{KeyID: authproof.KeyID(pub), PublicKey: encodeKey(pub), Expires: expires}
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		if d.Address, err = r.addressOf(ctx, tx, user, address); err != nil {
			return err
		}
		if err := tidyDelegations(ctx, tx, user, db.Now(r.now().Add(-uncertified))); err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(priv)
		if err != nil {
			return err
		}
		sealed, err := r.seal.Seal(der, delegationContext(d.KeyID, d.Address))
		if err != nil {
			return err
		}
		if err := insertDelegation(ctx, tx, user, d, sealed, db.Now(r.now())); err != nil {
			return err
		}
		return r.record(ctx, tx, "authroute.key_delegate", d.KeyID, map[string]any{"address": d.Address})
	})
	if err != nil {
		return Delegation{}, err
	}
	text := SubkeyText(d.Address, d.KeyID, d.PublicKey, expiresAt)
	d.SubkeySignature = base64.StdEncoding.EncodeToString(ed25519.Sign(priv, text))
	return d, nil
}

func delegationContext(keyID, address string) string {
	return seal.Context("authroute_delegations", "private_key", keyID, address)
}

// SealedColumns names the sealed values, for a rotation of the master key.
func SealedColumns() []seal.Column {
	return []seal.Column{{
		Table: "authroute_delegations", Name: "private_key", ID: []string{"key_id"}, With: []string{"address"},
		Context: func(v []string) string { return delegationContext(v[0], v[1]) },
	}}
}
