package account

import (
	"context"
	"database/sql"
	"errors"

	"signet/internal/db"
)

// findRole returns a role, locked until the transaction ends: it is not deleted while
// somebody gets it, nor stronger than it was looked at.
func findRole(ctx context.Context, tx *db.Tx, account, name string) (Role, error) {
	r := Role{Name: name}
	var p db.JSON[[]string]
	err := tx.QueryRowContext(ctx, `
		SELECT id, permissions, mfa = 1 FROM roles WHERE account_id = $1 AND name = $2`+tx.Dialect().ForUpdate(), account, name).Scan(&r.id, &p, &r.MFA)
	if errors.Is(err, sql.ErrNoRows) {
		return Role{}, ErrNoRole.At("role")
	}
	r.stored = p.V
	return r, err
}

// rolesOf returns the roles of an account by name: one, or all where name is empty.
func rolesOf(ctx context.Context, tx *db.Tx, account, name string) ([]Role, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT r.id, r.name, r.permissions, r.mfa = 1, (SELECT count(*) FROM membership_roles m WHERE m.role_id = r.id), r.created_at
		FROM roles r WHERE r.account_id = $1 AND ($2 = '' OR r.name = $2) ORDER BY r.name`, account, name)
	return readRows(rows, err, func(scan func(...any) error) (r Role, err error) {
		var p db.JSON[[]string]
		err = scan(&r.id, &r.Name, &p, &r.MFA, &r.Members, &r.Created)
		r.stored, r.Created = p.V, r.Created.UTC()
		return r, err
	})
}

func setRole(ctx context.Context, tx *db.Tx, id string, permissions []string, mfa bool) error {
	_, err := tx.ExecContext(ctx, `UPDATE roles SET permissions = $1, mfa = $2 WHERE id = $3`,
		db.JSON[[]string]{V: permissions}, flag(mfa), id)
	return err
}

func deleteRole(ctx context.Context, tx *db.Tx, id string) error {
	return oneRow(ErrRoleInUse)(tx.ExecContext(ctx, `
		DELETE FROM roles WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM membership_roles m WHERE m.role_id = $1)`, id))
}

func deleteMembershipRole(ctx context.Context, tx *db.Tx, account, user, role string) error {
	return oneRow(ErrNoRole.At("role"))(tx.ExecContext(ctx, `
		DELETE FROM membership_roles WHERE account_id = $1 AND user_id = $2 AND role_id = $3`, account, user, role))
}
