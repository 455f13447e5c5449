package authroute

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

func domainSettings(ctx context.Context, tx *db.Tx) ([]Setting, error) {
	rows, err := tx.QueryContext(ctx, `SELECT domain, mode, updated_at, updated_by FROM authroute_domains`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Setting
	for rows.Next() {
		var s Setting
		if err := rows.Scan(&s.Domain, &s.Mode, &s.Updated, &s.By); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

func putSetting(ctx context.Context, tx *db.Tx, s Setting) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO authroute_domains (domain, mode, updated_at, updated_by) VALUES ($1, $2, $3, $4)
		ON CONFLICT (domain) DO UPDATE
		SET mode = excluded.mode, updated_at = excluded.updated_at, updated_by = excluded.updated_by`,
		s.Domain, s.Mode, db.Now(s.Updated), s.By)
	return err
}

func deleteSetting(ctx context.Context, tx *db.Tx, domain string) error {
	res, err := tx.ExecContext(ctx, `DELETE FROM authroute_domains WHERE domain = $1`, domain)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return ErrNotSet.At("domain")
	}
	return nil
}

// storedBypass returns the bypass, over or not; it is zero where there is none.
func storedBypass(ctx context.Context, tx *db.Tx) (b BypassState, err error) {
	err = tx.QueryRowContext(ctx, `SELECT until, reason, started_at, started_by FROM authroute_bypass WHERE id = 1`).
		Scan(&b.Until, &b.Reason, &b.Started, &b.By)
	if errors.Is(err, sql.ErrNoRows) {
		return BypassState{}, nil
	}
	return b, err
}

func putBypass(ctx context.Context, tx *db.Tx, b BypassState) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO authroute_bypass (id, until, reason, started_at, started_by) VALUES (1, $1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE
		SET until = excluded.until, reason = excluded.reason, started_at = excluded.started_at, started_by = excluded.started_by`,
		db.Now(b.Until), b.Reason, db.Now(b.Started), b.By)
	return err
}

// deleteBypass ends a bypass that is still on.
func deleteBypass(ctx context.Context, tx *db.Tx, now time.Time) error {
	res, err := tx.ExecContext(ctx, `DELETE FROM authroute_bypass WHERE id = 1 AND until > $1`, db.Now(now))
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return ErrNoBypass
	}
	return nil
}
