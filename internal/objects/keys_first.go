package objects

import (
	"context"
	"errors"

	"signet/internal/db"
)

// First keeps a key of the system account that the configuration names, once: one that
// was revoked stays so. Another secret than the one that is kept is ErrKeySecret. The
// caller is the command line.
func (k *Keys) First(ctx context.Context, accessKeyID, secret string) error {
	return k.change(ctx, func(tx *db.Tx) error {
		there, sealed, err := findKey(ctx, tx, accessKeyID, tx.Dialect().ForUpdate())
		if err == nil {
			return k.unchanged(there, sealed, secret)
		}
		if !errors.Is(err, ErrNoAccessKey) {
			return err
		}
		first := Key{ID: newID("sak"), AccessKeyID: accessKeyID, Name: "first key of the configuration", Created: db.Now(k.o.Now())}
		first.Family = first.ID
		if err := k.assign(ctx, tx, &first, NewKey{}); err != nil {
			return err
		}
		if err := k.insert(ctx, tx, first, secret); err != nil {
			return err
		}
		return k.record(ctx, tx, "objects.create_key", first, map[string]any{"name": first.Name})
	})
}

func (k *Keys) unchanged(there Key, sealed []byte, secret string) error {
	kept, err := k.seal.Open(sealed, keyContext(there.ID))
	if err != nil {
		return err
	}
	if there.Revoked.IsZero() && string(kept) != secret {
		return ErrKeySecret
	}
	return nil
}
