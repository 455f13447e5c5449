package token

import (
	"context"
	"time"

	"signet/internal/db"
	"signet/internal/ticket"
)

// SigningKey is a key of the authority as people see it.
type SigningKey struct {
	ID        string // RFC 7638 thumbprint: kid
	Algorithm Algorithm
	State     string    // next, active or retired
	Since     time.Time // when it was published
	Ready     time.Time // of the next key: from when Rotate has it sign
	Until     time.Time // of a retired key: until when it verifies
}

// Keys lists the keys, the oldest first. A retired one that has ended is left out.
func (a *Authority) Keys(ctx context.Context) (all []SigningKey, err error) {
	if err := ticket.From(ctx).Demand("oauth:keys"); err != nil {
		return nil, err
	}
	if _, err := a.current(ctx); err != nil { // there are keys
		return nil, err
	}
	var rows []keyRow
	err = a.db.View(ctx, func(tx *db.Tx) error {
		rows, err = selectKeys(ctx, tx)
		return err
	})
	for _, r := range rows {
		if !(stored{state: r.state, expires: r.expires}).verifiesAt(a.options.Now()) {
			continue
		}
		k := SigningKey{ID: r.id, Algorithm: r.alg, State: string(r.state), Since: r.created.UTC(), Until: r.expires}
		if r.state == stateNext {
			k.Ready = k.Since.Add(lead)
		}
		all = append(all, k)
	}
	return all, err
}
