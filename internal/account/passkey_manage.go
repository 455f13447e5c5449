package account

import (
	"context"

	"signet/internal/db"
	"signet/internal/notify"
)

// List returns the passkeys of a user, named by id, oldest first.
func (p *Passkeys) List(ctx context.Context, user string) ([]Passkey, error) {
	if err := p.c.mayChange(ctx, user, false); err != nil {
		return nil, err
	}
	all := []Passkey{}
	err := p.c.users.db.View(ctx, func(tx *db.Tx) error {
		rows, err := passkeysOf(ctx, tx, user)
		for _, row := range rows {
			all = append(all, row.Passkey)
		}
		return err
	})
	return all, err
}

// Rename gives a passkey of a user, named by id, another name.
func (p *Passkeys) Rename(ctx context.Context, user, id, name string) error {
	if err := checkName("name", name); err != nil {
		return err
	}
	return p.c.change(ctx, user, false, func(tx *db.Tx, u User) error {
		if err := renamePasskey(ctx, tx, u.ID, id, name); err != nil {
			return err
		}
		return p.c.users.record(ctx, tx, "user.passkey_rename", u.ID, map[string]any{"passkey": id})
	})
}

// Remove takes a passkey from a user, named by id, who proved themselves within 5
// minutes. It returns ErrLastWayIn where they could not sign in any more, and
// ErrLastFactor where they could not give the second factor that they switched on.
func (p *Passkeys) Remove(ctx context.Context, user, id string) error {
	return p.c.change(ctx, user, true, func(tx *db.Tx, u User) error {
		name, err := deletePasskey(ctx, tx, u.ID, id)
		if err != nil {
			return err
		}
		left, err := waysIn(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if left == 0 {
			return ErrLastWayIn
		}
		if err := keepFactor(ctx, tx, u.ID); err != nil {
			return err
		}
		p.c.tell(ctx, tx, u, notify.PasskeyRemoved, name)
		return p.c.users.record(ctx, tx, "user.passkey_remove", u.ID, map[string]any{"passkey": id})
	})
}
