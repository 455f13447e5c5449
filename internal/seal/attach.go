package seal

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"signet/internal/db"
)

// ErrForeign means that the keys at hand are not those of the store.
var ErrForeign = fmt.Errorf("%w: the store was sealed under other keys", ErrWrongKey)

// Attach returns a sealer for the store d, which can also Derive.
//
// The first one to attach writes down which key the store is sealed under and
// makes the root secret. Later ones are refused with ErrForeign unless r holds
// every key in use and seals with one of them.
func Attach(ctx context.Context, d *db.DB, r *Ring) (*Sealer, error) {
	s := New(r)
	err := d.Update(ctx, func(tx *db.Tx) error {
		if err := s.recognise(ctx, tx); err != nil {
			return err
		}
		root, err := s.findRoot(ctx, tx)
		s.root = root
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("master keys: %w", err)
	}
	return s, nil
}

// recognise holds the ring against what the store says of its keys.
func (s *Sealer) recognise(ctx context.Context, tx *db.Tx) error {
	current, err := s.ring.Current()
	if err != nil {
		return err
	}
	known, err := knownKeys(ctx, tx)
	if err != nil {
		return err
	}
	if len(known) == 0 {
		known, err = adopt(ctx, tx, current)
		if err != nil {
			return err
		}
	}
	sealsKnown := false
	for _, have := range known {
		if err := s.holds(have); err != nil {
			return err
		}
		sealsKnown = sealsKnown || have.id == current.id
	}
	if !sealsKnown {
		return fmt.Errorf("%w (it does not know the current key %s; keys are changed by: signet seal rotate)", ErrForeign, current.id)
	}
	return nil
}

// holds reports whether the ring has the key that the store knows.
func (s *Sealer) holds(have knownKey) error {
	k, err := s.ring.Key(have.id)
	if errors.Is(err, ErrUnknownKey) {
		return fmt.Errorf("%w (give it the key file that holds %s): %w", ErrForeign, have.id, err)
	}
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(k.Fingerprint(), have.fingerprint) != 1 {
		return fmt.Errorf("%w (another key has the id %s)", ErrForeign, have.id)
	}
	return nil
}

// adopt makes k the first key of a new store. Where two start at once, the one
// whose row stands wins, and the other is held against it.
func adopt(ctx context.Context, tx *db.Tx, k Key) ([]knownKey, error) {
	if tx.Dialect() == db.Postgres {
		// Nothing stands yet that a row lock could hold.
		if _, err := tx.ExecContext(ctx, `LOCK TABLE seal_keys IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return nil, err
		}
		if known, err := knownKeys(ctx, tx); err != nil || len(known) > 0 {
			return known, err
		}
	}
	var roots int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM seal_roots`).Scan(&roots); err != nil {
		return nil, err
	}
	if roots > 0 {
		return nil, fmt.Errorf("%w (table seal_keys is empty: restore it from a backup)", ErrForeign)
	}
	if err := addKey(ctx, tx, k, time.Now()); err != nil {
		return nil, err
	}
	return knownKeys(ctx, tx)
}

type knownKey struct {
	id          string
	fingerprint []byte
}

// knownKeys returns the keys in use: those not retired.
func knownKeys(ctx context.Context, tx *db.Tx) ([]knownKey, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, fingerprint FROM seal_keys WHERE retired_at IS NULL ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []knownKey
	for rows.Next() {
		var k knownKey
		if err := rows.Scan(&k.id, &k.fingerprint); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

func addKey(ctx context.Context, tx *db.Tx, k Key, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO seal_keys (id, fingerprint, added_at) VALUES ($1, $2, $3)
		ON CONFLICT (id) DO NOTHING`, k.id, k.Fingerprint(), db.Now(at))
	return err
}

// rootName is the one row of seal_roots.
const rootName = "derivation"

func rootContext() string { return Context("seal_roots", "secret", rootName) }

// findRoot returns the root secret, and makes it where there is none.
func (s *Sealer) findRoot(ctx context.Context, tx *db.Tx) ([]byte, error) {
	sealed, err := s.Seal(random(keySize), rootContext())
	if err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO seal_roots (name, secret, created_at) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO NOTHING`, rootName, sealed, db.Now(time.Now()))
	if err != nil {
		return nil, err
	}
	if err := tx.QueryRowContext(ctx, `SELECT secret FROM seal_roots WHERE name = $1`, rootName).Scan(&sealed); err != nil {
		return nil, err
	}
	return s.Open(sealed, rootContext())
}
