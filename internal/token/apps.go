package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
)

// AppAccess is what a user lets an app have.
type AppAccess struct {
	Client  Client
	Scopes  []string
	Since   time.Time
	Live    bool // it has tokens now
	Offline bool // and keeps them when the user signs out
	Bound   bool // and all of them are bound to a key or certificate of its own
}

// Apps returns the apps that a user let in, by name: those that they agreed to, and
// those that have tokens.
func (g *OAuth) Apps(ctx context.Context, user string) ([]AppAccess, error) {
	byClient := map[string]*AppAccess{}
	err := g.db.View(ctx, func(tx *db.Tx) error {
		clear(byClient)
		if err := addConsents(ctx, tx, byClient, user); err != nil {
			return err
		}
		if err := addFamilies(ctx, tx, byClient, user, g.now()); err != nil {
			return err
		}
		for id, a := range byClient {
			var err error
			if a.Client, err = findClient(ctx, tx, id, ""); err != nil {
				return err
			}
		}
		return nil
	})
	var all []AppAccess
	for _, a := range byClient {
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b AppAccess) int {
		return strings.Compare(a.Client.Name+"\x00"+a.Client.ID, b.Client.Name+"\x00"+b.Client.ID)
	})
	return all, err
}

// RemoveApp ends all that a user let an app have: what they agreed to, its tokens, and
// what it could still exchange for some. It returns ErrNoClient where there is nothing.
// Access tokens that are read without asking here are good for Lifetime more.
func (g *OAuth) RemoveApp(ctx context.Context, user, client string) error {
	if db.Clean("client_id", client) != nil {
		return ErrNoClient
	}
	return g.db.Update(ctx, func(tx *db.Tx) error {
		n, err := endApp(ctx, tx, user, client, g.now())
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNoClient
		}
		tx.AfterCommit(func() {
			g.tokens.Forget()
			g.authority.bus.Publish(endedTopic)
		})
		return g.audit.Record(ctx, tx, audit.Event{
			Action: "oauth_consent.withdraw", Target: client, Detail: map[string]any{"user": user},
		})
	})
}

// Serves returns ErrNoClient where an app is not there for who acts in an account.
func (g *OAuth) Serves(ctx context.Context, app Client, account string) error {
	return g.db.View(ctx, func(tx *db.Tx) error {
		ok, err := servesAccount(ctx, tx, app.Account, account)
		if err == nil && !ok {
			err = ErrNoClient
		}
		return err
	})
}

func addConsents(ctx context.Context, tx *db.Tx, to map[string]*AppAccess, user string) error {
	rows, err := tx.QueryContext(ctx, `SELECT client_id, scopes, created_at FROM oauth_consents WHERE user_id = $1`, user)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var client string
		var scopes db.JSON[[]string]
		a := &AppAccess{}
		if err := rows.Scan(&client, &scopes, &a.Since); err != nil {
			return err
		}
		a.Scopes, a.Since = scopes.V, a.Since.UTC()
		to[client] = a
	}
	return rows.Err()
}

// addFamilies adds what has a token that is good now.
func addFamilies(ctx context.Context, tx *db.Tx, to map[string]*AppAccess, user string, now time.Time) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT f.client_id, f.scopes, f.offline, f.created_at, t.jkt, t.sender_certificate
		FROM authority_families f JOIN authority_tokens t ON t.family = f.id
		WHERE f.user_id = $1 AND f.revoked_at IS NULL AND t.revoked_at IS NULL AND t.used_at IS NULL AND t.expires_at > $2`, user, now)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var client string
		var scopes db.JSON[[]string]
		var offline int
		var created time.Time
		var c Confirmation
		if err := rows.Scan(&client, &scopes, &offline, &created, &c.JKT, &c.X5T); err != nil {
			return err
		}
		a := to[client]
		if a == nil {
			a = &AppAccess{Since: created.UTC()}
			to[client] = a
		}
		bound := c.JKT != "" || c.X5T != ""
		a.Bound = bound && (a.Bound || !a.Live)
		a.Live, a.Offline = true, a.Offline || offline == 1
		for _, s := range scopes.V {
			if !slices.Contains(a.Scopes, s) {
				a.Scopes = append(a.Scopes, s)
			}
		}
		if created.Before(a.Since) {
			a.Since = created.UTC()
		}
	}
	return rows.Err()
}

// endApp ends what a user let a client have, and returns of how much. Codes come before
// families: an exchange under way is waited for, and its family then found.
func endApp(ctx context.Context, tx *db.Tx, user, client string, at time.Time) (ended int64, err error) {
	for _, end := range []struct {
		query string
		args  []any
	}{
		{`UPDATE oauth_codes SET expires_at = $1 WHERE user_id = $2 AND client_id = $3 AND used_at IS NULL AND expires_at > $1`, []any{at, user, client}},
		{`UPDATE oauth_devices SET state = 'denied' WHERE user_id = $1 AND client_id = $2 AND state = 'approved'`, []any{user, client}},
		{`UPDATE authority_families SET revoked_at = $1 WHERE user_id = $2 AND client_id = $3 AND revoked_at IS NULL`, []any{at, user, client}},
		{`DELETE FROM oauth_consents WHERE user_id = $1 AND client_id = $2`, []any{user, client}},
	} {
		res, err := tx.ExecContext(ctx, end.query, end.args...)
		if err != nil {
			return 0, err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return 0, err
		}
		ended += n
	}
	return ended, nil
}
