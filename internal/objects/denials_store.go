package objects

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"signet/internal/db"
)

func insertDenial(ctx context.Context, tx *db.Tx, n Denial) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO objects_denials (id, at, request_id, address, access_key_id, account_id, operation, bucket, object_key, code, reason, canonical)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		rand.Text(), db.Now(n.At), n.RequestID, n.Address, text(n.AccessKeyID, 128), n.Account, n.Operation,
		text(n.Bucket, 63), text(n.Key, MaxKeyLength), n.Code, text(n.Reason, 1000), text(n.Canonical, 8<<10))
	return err
}

// text is what a client sent as a database keeps it: UTF-8 without NUL, of at most most bytes.
func text(s string, most int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "?")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

func listDenials(ctx context.Context, tx *db.Tx, f DenialFilter) (list []Denial, next string, err error) {
	at, id, err := newest.ReadTime(f.Cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT id, at, request_id, address, access_key_id, account_id, operation, bucket, object_key, code, reason, canonical FROM objects_denials
		WHERE ($1 = '' OR account_id = $1) AND ($2 = '' OR access_key_id = $2) AND ($3 = '' OR bucket = $3) AND ($4 = '' OR request_id = $4)
			AND `+newest.After("id", 5)+` `+newest.By("id")+` LIMIT $7`,
		f.Account, f.AccessKeyID, f.Bucket, f.RequestID, at, id, f.Limit+1)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	var last string
	for rows.Next() {
		var n Denial
		if len(list) == f.Limit {
			before := list[len(list)-1]
			next = db.TimeCursor(before.At, last)
			break
		}
		err := rows.Scan(&last, &n.At, &n.RequestID, &n.Address, &n.AccessKeyID, &n.Account, &n.Operation, &n.Bucket, &n.Key, &n.Code, &n.Reason, &n.Canonical)
		if err != nil {
			return nil, "", err
		}
		list = append(list, n)
	}
	return list, next, rows.Err()
}

// newest is the order of denials.
var newest = db.Order{Column: "at", Down: true}

func countDenials(ctx context.Context, tx *db.Tx, account string, since time.Time) (n int, err error) {
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM objects_denials WHERE ($1 = '' OR account_id = $1) AND at >= $2`, account, db.Now(since)).Scan(&n)
	return n, err
}

func deleteDenials(ctx context.Context, tx *db.Tx, before time.Time, most int) (int64, error) {
	res, err := tx.ExecContext(ctx, `
		DELETE FROM objects_denials WHERE id IN (SELECT id FROM objects_denials WHERE at < $1 ORDER BY at LIMIT $2)`, before, most)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}
