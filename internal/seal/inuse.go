package seal

import (
	"context"
	"crypto/subtle"
	"fmt"

	"signet/internal/db"
)

// InUse returns the fingerprints, by id, of the master keys that the store d needs
// to be opened: what a backup must say of itself. It is empty for a store that
// nobody attached to yet.
func InUse(ctx context.Context, d *db.DB) (map[string][]byte, error) {
	in := map[string][]byte{}
	err := d.View(ctx, func(tx *db.Tx) error {
		known, err := knownKeys(ctx, tx)
		for _, k := range known {
			in[k.id] = k.fingerprint
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("master keys in use: %w", err)
	}
	return in, nil
}

// Holds returns an error that wraps ErrForeign unless the ring has every one of
// the keys, as [InUse] returned them.
func (r *Ring) Holds(inUse map[string][]byte) error {
	for id, fingerprint := range inUse {
		k, err := r.Key(id)
		if err != nil {
			return fmt.Errorf("%w (give it the key file that holds %s)", ErrForeign, id)
		}
		if subtle.ConstantTimeCompare(k.Fingerprint(), fingerprint) != 1 {
			return fmt.Errorf("%w (another key has the id %s)", ErrForeign, id)
		}
	}
	return nil
}
