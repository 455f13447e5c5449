package token

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

func insertDevice(ctx context.Context, tx *db.Tx, d device) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO oauth_devices (hash, user_code, client_id, audiences, scopes, address, state, pause, user_id, account_id, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', '', $9, $10)`,
		d.hash, d.userCode, d.client, db.JSON[[]string]{V: d.audiences}, db.JSON[[]string]{V: d.scopes}, d.address, string(d.state),
		int64(d.pause/time.Second), d.created, d.expires)
	return err
}

const deviceColumns = `SELECT hash, client_id, audiences, scopes, address, state, pause, user_id, account_id, polled_at, created_at, expires_at FROM oauth_devices`

// findDevice returns the device of a device code, locked until the transaction ends.
func findDevice(ctx context.Context, tx *db.Tx, hash []byte) (device, error) {
	return scanDevice(tx.QueryRowContext(ctx, deviceColumns+` WHERE hash = $1`+tx.Dialect().ForUpdate(), hash))
}

func findDeviceByUser(ctx context.Context, tx *db.Tx, userCode []byte) (device, error) {
	return scanDevice(tx.QueryRowContext(ctx, deviceColumns+` WHERE user_code = $1`, userCode))
}

func scanDevice(row *sql.Row) (d device, err error) {
	var audiences, scopes db.JSON[[]string]
	var pause int64
	var polled sql.NullTime
	err = row.Scan(&d.hash, &d.client, &audiences, &scopes, &d.address, &d.state, &pause, &d.user, &d.account, &polled, &d.created, &d.expires)
	if errors.Is(err, sql.ErrNoRows) {
		return device{}, errNoToken
	}
	d.audiences, d.scopes, d.pause, d.polled = audiences.V, scopes.V, time.Duration(pause)*time.Second, db.Time(polled)
	return d, err
}

func notePoll(ctx context.Context, tx *db.Tx, hash []byte, at time.Time, pause time.Duration) error {
	_, err := tx.ExecContext(ctx, `UPDATE oauth_devices SET polled_at = $1, pause = $2 WHERE hash = $3`, at, int64(pause/time.Second), hash)
	return err
}

// moveDevice brings a device from one state to another, and reports whether it was the
// one who did. Who lets it in is kept with it.
func moveDevice(ctx context.Context, tx *db.Tx, d device, from, to deviceState) (moved bool, err error) {
	res, err := tx.ExecContext(ctx, `
		UPDATE oauth_devices SET state = $1, user_id = $2, account_id = $3 WHERE hash = $4 AND state = $5`,
		string(to), d.user, d.account, d.hash, string(from))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 1, err
}
