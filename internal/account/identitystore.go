package account

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/authapi"
	"signet/internal/db"
)

const identityColumns = `id, user_id, issuer, provider, provider_sub, email, display_name, created_at, last_used_at`

func scanIdentity(scan func(...any) error) (i Identity, err error) {
	err = scan(&i.ID, &i.User, &i.Issuer, &i.Provider, &i.ProviderSub, &i.Email, &i.DisplayName, &i.Created, &i.LastUsed)
	i.Created, i.LastUsed = i.Created.UTC(), i.LastUsed.UTC()
	return i, err
}

func findIdentity(ctx context.Context, tx *db.Tx, provider, sub string) (Identity, error) {
	i, err := scanIdentity(tx.QueryRowContext(ctx, `
		SELECT `+identityColumns+` FROM account_identities WHERE provider = $1 AND provider_sub = $2`, provider, sub).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Identity{}, ErrNoIdentity
	}
	return i, err
}

func identities(ctx context.Context, tx *db.Tx, user string) ([]Identity, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT `+identityColumns+` FROM account_identities WHERE user_id = $1 ORDER BY created_at, id`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Identity
	for rows.Next() {
		i, err := scanIdentity(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, rows.Err()
}

// insertIdentity returns errOvertaken where somebody has the identity. It waits for
// a transaction that is about to give it to somebody.
func insertIdentity(ctx context.Context, tx *db.Tx, i Identity) error {
	return firstOr(errOvertaken)(tx.ExecContext(ctx, `
		INSERT INTO account_identities (`+identityColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (provider, provider_sub) DO NOTHING`,
		i.ID, i.User, i.Issuer, i.Provider, i.ProviderSub, i.Email, i.DisplayName, i.Created, i.LastUsed))
}

// useIdentity returns errOvertaken where the identity was unlinked meanwhile.
func useIdentity(ctx context.Context, tx *db.Tx, id, user string, at time.Time) error {
	return firstOr(errOvertaken)(tx.ExecContext(ctx, `
		UPDATE account_identities SET last_used_at = $1 WHERE id = $2 AND user_id = $3`, at, id, user))
}

func deleteIdentity(ctx context.Context, tx *db.Tx, user, id string) (provider string, err error) {
	err = tx.QueryRowContext(ctx, `
		DELETE FROM account_identities WHERE id = $1 AND user_id = $2 RETURNING provider`, id, user).Scan(&provider)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNoIdentity
	}
	return provider, err
}

// waysIn returns how many credentials a user could begin a sign-in with: identities,
// passkeys, and a password where there is an address to type beside it.
func waysIn(ctx context.Context, tx *db.Tx, user string) (n int, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT (SELECT count(*) FROM account_identities WHERE user_id = $1)
		     + (SELECT count(*) FROM user_passkeys WHERE user_id = $1)
		     + (SELECT count(*) FROM user_passwords p WHERE p.user_id = $1 AND EXISTS (
		        SELECT 1 FROM user_emails e WHERE e.user_id = $1 AND e.verified_at IS NOT NULL))`, user).Scan(&n)
	return n, err
}

// insertNewcomer adds a user who signs up. It returns errOvertaken where somebody
// else has verified the address that the provider verified.
func insertNewcomer(ctx context.Context, tx *db.Tx, u User, account string, req authapi.OAuthRequest) error {
	if _, err := tx.ExecContext(ctx, `INSERT INTO users (id, display_name, locale, created_at) VALUES ($1, $2, $3, $4)`,
		u.ID, u.DisplayName, req.Locale, u.Created); err != nil {
		return err
	}
	if req.Email != "" {
		verified := sql.NullTime{}
		if req.EmailVerified {
			verified = db.OrNull(u.Created)
		}
		if err := firstOr(errOvertaken)(tx.ExecContext(ctx, `
			INSERT INTO user_emails (user_id, address, created_at, verified_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING`, u.ID, req.Email, u.Created, verified)); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO memberships (account_id, user_id, created_at) VALUES ($1, $2, $3)`,
		account, u.ID, u.Created)
	return err
}

func roleNames(ctx context.Context, tx *db.Tx, account, user string) ([]string, error) {
	return texts(tx.QueryContext(ctx, `
		SELECT r.name FROM membership_roles m JOIN roles r ON r.id = m.role_id
		WHERE m.account_id = $1 AND m.user_id = $2 ORDER BY r.name`, account, user))
}

// firstOr returns what to make of a statement that changes one row, or none where
// another transaction was first.
func firstOr(none error) func(sql.Result, error) error {
	return func(res sql.Result, err error) error {
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return none
	}
}
