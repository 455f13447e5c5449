package account

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"unicode/utf8"

	"signet/internal/db"
	"signet/internal/ticket"
)

// userFilter says which users to read. Zero values are all, by name.
type userFilter struct {
	user    string
	account string
	prefix  string // in lower case
	state   int
	order   db.Order
	after   any // name or time
	afterID string
	limit   int
}

// Values of userFilter.state; 0 is both.
const (
	stateEnabled  = 1
	stateDisabled = 2
)

func listUsers(ctx context.Context, tx *db.Tx, f userFilter) ([]UserInfo, error) {
	all, err := selectUsers(ctx, tx, f)
	if err != nil || len(all) == 0 {
		return all, err
	}
	index, ids := map[string]*UserInfo{}, []any{}
	for i := range all {
		index[all[i].ID] = &all[i]
		ids = append(ids, all[i].ID)
	}
	owned, err := addressesOf(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	for _, a := range owned {
		index[a.user].Addresses = append(index[a.user].Addresses, a.address)
	}
	held, err := rolesOfUsers(ctx, tx, f.account, ids)
	if err != nil {
		return nil, err
	}
	for _, h := range held {
		index[h.user].join(h.in, h.role)
	}
	return all, nil
}

// selectUsers returns users without addresses and memberships.
func selectUsers(ctx context.Context, tx *db.Tx, f userFilter) ([]UserInfo, error) {
	after, args := "", []any{f.user, f.account, f.prefix, utf8.RuneCountInString(f.prefix), f.state, f.limit}
	if f.order.Column == "" {
		f.order.Column = "u.sort_name"
	}
	if f.afterID != "" {
		after, args = " AND "+f.order.After("u.id", len(args)+1), append(args, f.after, f.afterID)
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT u.id, u.display_name, u.sort_name, u.created_at, u.disabled_at, s.seen_at,
		       EXISTS (SELECT 1 FROM user_passwords p WHERE p.user_id = u.id),
		       EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL),
		       (SELECT count(*) FROM user_passkeys k WHERE k.user_id = u.id),
		       u.mfa = 1
		FROM users u
		LEFT JOIN account_sessions s ON s.id = (
			SELECT n.id FROM account_sessions n WHERE n.user_id = u.id ORDER BY n.seen_at DESC, n.id LIMIT 1)
		WHERE ($1 = '' OR u.id = $1)
		  AND ($2 = '' OR EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = u.id AND m.account_id = $2))
		  AND ($3 = '' OR substr(u.sort_name, 1, $4) = $3 OR EXISTS (
		       SELECT 1 FROM user_emails e WHERE e.user_id = u.id AND e.verified_at IS NOT NULL AND substr(e.address, 1, $4) = $3))
		  AND ($5 = 0 OR ($5 = 1 AND u.disabled_at IS NULL) OR ($5 = 2 AND u.disabled_at IS NOT NULL))`+
		after+f.order.By("u.id")+` LIMIT $6`, args...)
	return readRows(rows, err, scanUserInfo)
}

func scanUserInfo(scan func(...any) error) (u UserInfo, err error) {
	var disabled, seen sql.NullTime
	err = scan(&u.ID, &u.DisplayName, &u.sortName, &u.Created, &disabled, &seen, &u.Password, &u.TOTP, &u.Passkeys, &u.MFA)
	u.Created, u.Disabled, u.LastSeen = u.Created.UTC(), db.Time(disabled), db.Time(seen)
	return u, err
}

type ownedAddress struct{ user, address string }

func addressesOf(ctx context.Context, tx *db.Tx, users []any) ([]ownedAddress, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT user_id, address FROM user_emails WHERE verified_at IS NOT NULL AND user_id IN (`+placeholders(1, len(users))+`)
		ORDER BY verified_at, address`, users...)
	return readRows(rows, err, func(scan func(...any) error) (a ownedAddress, err error) {
		err = scan(&a.user, &a.address)
		return a, err
	})
}

type heldRole struct {
	user string
	in   Membership
	role string // empty where the member has none
}

// rolesOfUsers returns what users are in that account, or in all where it is empty.
func rolesOfUsers(ctx context.Context, tx *db.Tx, account string, users []any) ([]heldRole, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT m.user_id, a.id, a.name, r.name FROM memberships m
		JOIN accounts a ON a.id = m.account_id
		LEFT JOIN membership_roles mr ON mr.account_id = m.account_id AND mr.user_id = m.user_id
		LEFT JOIN roles r ON r.id = mr.role_id
		WHERE ($1 = '' OR a.id = $1) AND m.user_id IN (`+placeholders(2, len(users))+`)
		ORDER BY a.name, r.name`, append([]any{account}, users...)...)
	return readRows(rows, err, func(scan func(...any) error) (h heldRole, err error) {
		var role sql.NullString
		err = scan(&h.user, &h.in.Account, &h.in.Name, &role)
		h.role = role.String
		return h, err
	})
}

// join notes a role in an account; rows come by account.
func (u *UserInfo) join(m Membership, role string) {
	n := len(u.Memberships)
	if n == 0 || u.Memberships[n-1].Account != m.Account {
		u.Memberships = append(u.Memberships, m)
		n++
	}
	if last := &u.Memberships[n-1]; role != "" {
		last.Roles = append(last.Roles, role)
	}
}

// placeholders returns "$2, $3" for two from 2.
func placeholders(from, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(all, ", ")
}

// readRows returns what scan makes of each row.
func readRows[T any](rows *sql.Rows, err error, scan func(scan func(...any) error) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

func setName(ctx context.Context, tx *db.Tx, user, name string) error {
	_, err := tx.ExecContext(ctx, `UPDATE users SET display_name = $1, sort_name = $2 WHERE id = $3`, name, sortName(name), user)
	return err
}

// proveAddress notes that the mailbox, or who may speak for it, proved a verified
// address of a user: identities are matched by it from then on.
func proveAddress(ctx context.Context, tx *db.Tx, user, address string) error {
	_, err := tx.ExecContext(ctx, `UPDATE user_emails SET proven = 1 WHERE user_id = $1 AND address = $2`, user, address)
	return err
}

// isProven reports whether a verified address of a user is proven too.
func isProven(ctx context.Context, tx *db.Tx, user, address string) (proven bool, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT count(*) > 0 FROM user_emails WHERE user_id = $1 AND address = $2 AND verified_at IS NOT NULL AND proven = 1`,
		user, address).Scan(&proven)
	return proven, err
}

// vouched is 1 where the operator of the installation says so.
func vouched(ctx context.Context) int {
	t := ticket.From(ctx)
	return flag(t != nil && t.Kind == ticket.System)
}
