package objects

import (
	"context"
	"database/sql"
	"errors"

	"signet/internal/db"
)

const bucketColumns = `SELECT name, account_id, owner, created_at, public_read, policy, cors FROM objects_buckets`

func insertBucket(ctx context.Context, tx *db.Tx, b Bucket) (bool, error) {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO objects_buckets (name, account_id, owner, created_at, public_read, policy, cors)
		VALUES ($1, $2, $3, $4, 0, '', '') ON CONFLICT (name) DO NOTHING`,
		b.Name, b.Account, b.Owner, b.Created)
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

func oneBucket(ctx context.Context, tx *db.Tx, name string) (Bucket, error) {
	return scanBucket(tx.QueryRowContext(ctx, bucketColumns+` WHERE name = $1`, name))
}

func lockedBucket(ctx context.Context, tx *db.Tx, name string) (Bucket, error) {
	return scanBucket(tx.QueryRowContext(ctx, bucketColumns+` WHERE name = $1`+tx.Dialect().ForUpdate(), name))
}

func scanBucket(row interface{ Scan(...any) error }) (b Bucket, err error) {
	var public int
	err = row.Scan(&b.Name, &b.Account, &b.Owner, &b.Created, &public, &b.Policy, &b.CORS)
	if errors.Is(err, sql.ErrNoRows) {
		return b, ErrNoSuchBucket
	}
	b.PublicRead = public == 1
	return b, err
}

func updateBucket(ctx context.Context, tx *db.Tx, b Bucket) error {
	public := 0
	if b.PublicRead {
		public = 1
	}
	_, err := tx.ExecContext(ctx, `UPDATE objects_buckets SET public_read = $2, policy = $3, cors = $4, owner = $5 WHERE name = $1`,
		b.Name, public, b.Policy, b.CORS, b.Owner)
	return err
}

func deleteBucket(ctx context.Context, tx *db.Tx, b Bucket) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM objects_buckets WHERE name = $1`, b.Name)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `DELETE FROM bucket_permissions WHERE account_id = $1 AND bucket = $2`, b.Account, b.Name)
	return err
}

func allBuckets(ctx context.Context, tx *db.Tx, account string) ([]Bucket, error) {
	rows, err := tx.QueryContext(ctx, bucketColumns+` WHERE account_id = $1 OR $1 = '' ORDER BY name`, account)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Bucket
	for rows.Next() {
		b, err := scanBucket(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, rows.Err()
}
