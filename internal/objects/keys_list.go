package objects

import (
	"context"
	"errors"

	"signet/internal/db"
	"signet/internal/ticket"
)

// KeyFilter says which keys; empty members ask for all that the caller may see.
type KeyFilter struct {
	Account string // id, at the command line
	Own     bool   // only those that act for the caller
	Ended   bool   // revoked and expired ones too
}

// List returns keys, the youngest first: of the caller's account with objects:read, else
// the caller's own; at the command line those of all accounts.
func (k *Keys) List(ctx context.Context, f KeyFilter) (list []Key, err error) {
	t := ticket.From(ctx)
	account, user := f.Account, ""
	switch {
	case t == nil:
		return nil, ticket.ErrNone
	case t.Kind == ticket.System:
	case t.Kind == ticket.User && (f.Own || !t.May(readObjects)):
		account, user = "", t.Subject
		err = inScope(t, readObjects)
	default:
		account, err = reach(ctx, readObjects)
	}
	if err != nil {
		return nil, err
	}
	err = k.db.View(ctx, func(tx *db.Tx) error {
		list, err = listKeys(ctx, tx, account, user)
		return err
	})
	if f.Ended {
		return list, err
	}
	var live []Key
	for _, one := range list {
		if one.Live(k.o.Now()) {
			live = append(live, one)
		}
	}
	return live, err
}

// Get returns a key by its access key id, to whoever may see it.
func (k *Keys) Get(ctx context.Context, accessKeyID string) (found Key, err error) {
	err = k.db.View(ctx, func(tx *db.Tx) error {
		found, err = k.reachable(ctx, tx, accessKeyID, readObjects, "")
		return err
	})
	return found, err
}

// reachable returns a key that the caller may see or change: the caller's own, with the
// permission those of the caller's account, and at the command line all. The clause locks
// its row, or is empty.
func (k *Keys) reachable(ctx context.Context, tx *db.Tx, accessKeyID, permission, clause string) (Key, error) {
	t := ticket.From(ctx)
	found, _, err := findKey(ctx, tx, accessKeyID, clause)
	if err != nil && !errors.Is(err, ErrNoAccessKey) {
		return Key{}, err
	}
	if t != nil && t.Kind == ticket.System {
		return found, err
	}
	if t != nil && err == nil && t.Kind == ticket.User && found.User == t.Subject {
		return found, inScope(t, permission)
	}
	account, missing := reach(ctx, permission)
	if missing != nil {
		return Key{}, missing
	}
	if err != nil || found.Account != account {
		return Key{}, ErrNoAccessKey
	}
	return found, nil
}
