package objects

import (
	"context"
	"database/sql"
	"errors"

	"signet/internal/db"
)

const grantColumns = `
	SELECT g.id, g.subject, g.account_id, g.owner, g.bucket, g.prefix, g.role, g.created_at, g.created_by, k.access_key_id, k.name
	FROM bucket_permissions g LEFT JOIN api_keys k ON g.subject = 'key:' || k.id `

func scanGrant(row interface{ Scan(...any) error }) (g Grant, err error) {
	var keyID, keyName sql.NullString
	err = row.Scan(&g.ID, &g.Subject, &g.Account, &g.Owner, &g.Bucket, &g.Prefix, &g.Role, &g.Created, &g.By, &keyID, &keyName)
	if errors.Is(err, sql.ErrNoRows) {
		return g, ErrNoGrant
	}
	g.Created, g.AccessKeyID, g.KeyName = g.Created.UTC(), keyID.String, keyName.String
	return g, err
}

func insertGrant(ctx context.Context, tx *db.Tx, g Grant) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO bucket_permissions (id, subject, account_id, owner, bucket, prefix, role, created_at, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		g.ID, g.Subject, g.Account, g.Owner, g.Bucket, g.Prefix, g.Role, g.Created, g.By)
	return err
}

func findGrant(ctx context.Context, tx *db.Tx, id string) (Grant, error) {
	if db.Clean("grant_id", id) != nil {
		return Grant{}, ErrNoGrant
	}
	return scanGrant(tx.QueryRowContext(ctx, grantColumns+`WHERE g.id = $1`, id))
}

func deleteGrant(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM bucket_permissions WHERE id = $1`, id)
	return err
}

// listGrants returns the grants of these; empty ones ask for all.
func listGrants(ctx context.Context, tx *db.Tx, account, owner, subject string) ([]Grant, error) {
	return scanGrants(tx.QueryContext(ctx, grantColumns+`
		WHERE ($1 = '' OR g.account_id = $1) AND ($2 = '' OR g.owner = $2) AND ($3 = '' OR g.subject = $3) ORDER BY g.created_at, g.id`, account, owner, subject))
}

// grantsOf returns what the family of a key was granted and, where there is one, a user.
func grantsOf(ctx context.Context, tx *db.Tx, key, user string) ([]Grant, error) {
	return scanGrants(tx.QueryContext(ctx, grantColumns+`
		WHERE g.subject = (SELECT 'key:' || family FROM api_keys WHERE id = $1) OR $2 <> '' AND g.subject = 'user:' || $2
		ORDER BY g.created_at, g.id`, key, user))
}

func scanGrants(rows *sql.Rows, err error) (all []Grant, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		g, err := scanGrant(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, rows.Err()
}
