package account

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/db"
)

// systemAccount returns the system account, locked until the transaction ends.
func systemAccount(ctx context.Context, tx *db.Tx) (Account, error) {
	return scanAccount(tx.QueryRowContext(ctx, `
		SELECT id, name, kind, created_at FROM accounts WHERE kind = 'system'`+tx.Dialect().ForUpdate()))
}

// findAccount returns the account of that name; where the name is empty the one
// with the id own, and where that is empty too the system account.
func findAccount(ctx context.Context, tx *db.Tx, name, own string) (Account, error) {
	const columns = `SELECT id, name, kind, created_at FROM accounts WHERE disabled_at IS NULL AND `
	switch {
	case name != "":
		return scanAccount(tx.QueryRowContext(ctx, columns+`name = $1`, name))
	case own != "":
		return scanAccount(tx.QueryRowContext(ctx, columns+`id = $1`, own))
	}
	return scanAccount(tx.QueryRowContext(ctx, columns+`kind = 'system'`))
}

func scanAccount(row *sql.Row) (Account, error) {
	var a Account
	var kind string
	err := row.Scan(&a.ID, &a.Name, &kind, &a.Created)
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, ErrNoAccount
	}
	a.System = kind == "system"
	return a, err
}

// insertAccount adds an account with its administrator role. Of several that add
// the system account at once one wins, and the others see no error.
func (s *Service) insertAccount(ctx context.Context, tx *db.Tx, name string, system bool) (Account, error) {
	a := Account{ID: newID("acc"), Name: name, System: system, Created: db.Now(s.now())}
	kind, conflict := "tenant", ""
	if system {
		kind, conflict = "system", " ON CONFLICT DO NOTHING"
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO accounts (id, name, kind, created_at) VALUES ($1, $2, $3, $4)`+conflict,
		a.ID, name, kind, a.Created)
	if err != nil {
		return Account{}, err
	}
	if n, _ := res.RowsAffected(); n == 0 {
		return Account{}, nil
	}
	if err := insertRole(ctx, tx, a.ID, Administrator, []string{everything}, a.Created); err != nil {
		return Account{}, err
	}
	return a, s.record(ctx, tx, "account.create", a.ID, map[string]any{"name": name})
}

func insertRole(ctx context.Context, tx *db.Tx, account, name string, permissions []string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO roles (id, account_id, name, permissions, created_at) VALUES ($1, $2, $3, $4, $5)`,
		newID("rol"), account, name, db.JSON[[]string]{V: permissions}, at)
	return err
}

// hasAdministrator reports whether somebody who may act is an administrator.
func hasAdministrator(ctx context.Context, tx *db.Tx, account string) (bool, error) {
	var n int
	err := tx.QueryRowContext(ctx, `
		SELECT count(*) FROM membership_roles m
		JOIN roles r ON r.id = m.role_id
		JOIN users u ON u.id = m.user_id
		WHERE m.account_id = $1 AND r.name = $2 AND u.disabled_at IS NULL`, account, Administrator).Scan(&n)
	return n > 0, err
}

// insertUser adds a user with one verified address and a membership. It reports
// whether the address is another's.
func insertUser(ctx context.Context, tx *db.Tx, u User, account, email string) (taken bool, err error) {
	if _, err := tx.ExecContext(ctx, `
		INSERT INTO users (id, display_name, sort_name, created_at) VALUES ($1, $2, $3, $4)`,
		u.ID, u.DisplayName, sortName(u.DisplayName), u.Created); err != nil {
		return false, err
	}
	if taken, err := insertAddress(ctx, tx, u.ID, email, u.Created); err != nil || taken {
		return taken, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO memberships (account_id, user_id, created_at) VALUES ($1, $2, $3)`,
		account, u.ID, u.Created)
	return false, err
}

// insertAddress adds a verified address, which counts as proven where the operator adds it.
func insertAddress(ctx context.Context, tx *db.Tx, user, address string, at time.Time) (taken bool, err error) {
	res, err := tx.ExecContext(ctx, `
		INSERT INTO user_emails (user_id, address, created_at, verified_at, proven) VALUES ($1, $2, $3, $3, $4)
		ON CONFLICT DO NOTHING`, user, address, at, vouched(ctx))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n == 0, err
}

func deleteAddress(ctx context.Context, tx *db.Tx, user, address string) error {
	return oneRow(ErrNoUser.At("address"))(tx.ExecContext(ctx, `
		DELETE FROM user_emails WHERE user_id = $1 AND address = $2`, user, address))
}

func insertMembershipRole(ctx context.Context, tx *db.Tx, account, user, role string) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO membership_roles (account_id, user_id, role_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		account, user, role)
	return err
}

func setDisabled(ctx context.Context, tx *db.Tx, user string, at sql.NullTime) error {
	_, err := tx.ExecContext(ctx, `UPDATE users SET disabled_at = $1 WHERE id = $2`, at, user)
	return err
}

// lookUp returns the user with that id or verified address. The clause locks the
// user's row, or is empty.
func (s *Service) lookUp(ctx context.Context, tx *db.Tx, user, clause string) (User, error) {
	var u User
	var disabled sql.NullTime
	id := user
	if a, err := FoldAddress("user", user); err == nil {
		if id, err = ownerOf(ctx, tx, a); err != nil {
			return User{}, err
		}
	}
	err := tx.QueryRowContext(ctx, `SELECT id, display_name, locale, created_at, disabled_at FROM users WHERE id = $1`+clause, id).
		Scan(&u.ID, &u.DisplayName, &u.Locale, &u.Created, &disabled)
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, ErrNoUser
	}
	if err != nil {
		return User{}, err
	}
	u.Disabled = db.Time(disabled)
	u.Addresses, err = addresses(ctx, tx, u.ID)
	return u, err
}

func ownerOf(ctx context.Context, tx *db.Tx, address string) (user string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT user_id FROM user_emails WHERE address = $1 AND verified_at IS NOT NULL`, address).
		Scan(&user)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNoUser
	}
	return user, err
}

func addresses(ctx context.Context, tx *db.Tx, user string) ([]string, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT address FROM user_emails WHERE user_id = $1 AND verified_at IS NOT NULL ORDER BY verified_at, address`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var a string
		if err := rows.Scan(&a); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// membership is what a user holds through one role in one account.
type membership struct {
	account     string
	system      bool
	permissions []string
}

func memberships(ctx context.Context, tx *db.Tx, user string) ([]membership, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT m.account_id, a.kind, r.permissions FROM memberships m
		JOIN accounts a ON a.id = m.account_id
		LEFT JOIN membership_roles mr ON mr.account_id = m.account_id AND mr.user_id = m.user_id
		LEFT JOIN roles r ON r.id = mr.role_id
		WHERE m.user_id = $1`, user)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []membership
	for rows.Next() {
		var m membership
		var kind string
		var p sql.Null[db.JSON[[]string]]
		if err := rows.Scan(&m.account, &kind, &p); err != nil {
			return nil, err
		}
		m.system, m.permissions = kind == "system", p.V.V
		all = append(all, m)
	}
	return all, rows.Err()
}

func insertToken(ctx context.Context, tx *db.Tx, t Token, account string, hash []byte) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO api_tokens (id, user_id, account_id, name, token_hash, scopes, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		t.ID, t.User, account, t.Name, hash, db.JSON[[]string]{V: t.Scopes}, t.Created, db.OrNull(t.Expires))
	return err
}

// tokensOf returns the tokens of a user that may be used at now, newest first.
func tokensOf(ctx context.Context, tx *db.Tx, user string, now time.Time) ([]Token, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT id, user_id, name, scopes, created_at, expires_at FROM api_tokens
		WHERE user_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)
		ORDER BY created_at DESC, id`, user, now)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []Token{}
	for rows.Next() {
		var t Token
		var scopes db.JSON[[]string]
		var expires sql.NullTime
		if err := rows.Scan(&t.ID, &t.User, &t.Name, &scopes, &t.Created, &expires); err != nil {
			return nil, err
		}
		t.Scopes, t.Created, t.Expires = scopes.V, t.Created.UTC(), db.Time(expires)
		all = append(all, t)
	}
	return all, rows.Err()
}

// tokenOwner returns the user of a token that is not revoked.
func tokenOwner(ctx context.Context, tx *db.Tx, id string) (user string, err error) {
	err = tx.QueryRowContext(ctx, `SELECT user_id FROM api_tokens WHERE id = $1 AND revoked_at IS NULL`, id).Scan(&user)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoToken
	}
	return user, err
}

func revokeToken(ctx context.Context, tx *db.Tx, id string, at time.Time) error {
	return oneRow(ErrNoToken)(tx.ExecContext(ctx, `
		UPDATE api_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL`, at, id))
}

func revokeTokens(ctx context.Context, tx *db.Tx, user string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `UPDATE api_tokens SET revoked_at = $1 WHERE user_id = $2 AND revoked_at IS NULL`, at, user)
	return err
}

// credentialRow is a stored token or key with what it gives.
type credentialRow struct {
	id, user, account string
	system            bool
	scopes            []string
	providers         []string
	permissions       []string
	expires, revoked  sql.NullTime
	disabled          sql.NullTime // of the user, or of the account
}

// live reports whether a credential may be used at now.
func live(expires, revoked sql.NullTime, now time.Time) bool {
	return !revoked.Valid && (!expires.Valid || now.Before(expires.Time))
}

// findToken returns the token with that hash and the permissions of its user in
// its account, or nil.
func findToken(ctx context.Context, tx *db.Tx, hash []byte) (*credentialRow, error) {
	var c credentialRow
	var kind string
	var scopes db.JSON[[]string]
	err := tx.QueryRowContext(ctx, `
		SELECT t.id, t.user_id, t.account_id, a.kind, t.scopes, t.expires_at, t.revoked_at, u.disabled_at
		FROM api_tokens t JOIN users u ON u.id = t.user_id JOIN accounts a ON a.id = t.account_id
		WHERE t.token_hash = $1 AND a.disabled_at IS NULL`, hash).
		Scan(&c.id, &c.user, &c.account, &kind, &scopes, &c.expires, &c.revoked, &c.disabled)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c.system, c.scopes = kind == "system", scopes.V
	held, err := memberships(ctx, tx, c.user)
	for _, m := range held {
		if m.account == c.account {
			c.permissions = append(c.permissions, m.permissions...)
		}
	}
	return &c, err
}

func insertKey(ctx context.Context, tx *db.Tx, id, account string, hash []byte, n NewKey, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO service_keys (id, account_id, name, key_hash, permissions, providers, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id, account, n.Name, hash, db.JSON[[]string]{V: n.Permissions}, db.JSON[[]string]{V: n.Providers}, at, db.OrNull(n.Expires))
	return err
}

func findKey(ctx context.Context, tx *db.Tx, hash []byte) (*credentialRow, error) {
	var c credentialRow
	var kind string
	var permissions, providers db.JSON[[]string]
	err := tx.QueryRowContext(ctx, `
		SELECT k.id, k.account_id, a.kind, k.permissions, k.providers, k.expires_at, k.revoked_at
		FROM service_keys k JOIN accounts a ON a.id = k.account_id
		WHERE k.key_hash = $1 AND a.disabled_at IS NULL`, hash).
		Scan(&c.id, &c.account, &kind, &permissions, &providers, &c.expires, &c.revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	c.system, c.permissions, c.providers = kind == "system", permissions.V, providers.V
	return &c, err
}

// accountOfMember returns the account of that name, or the first one, that a user
// is a member of.
func accountOfMember(ctx context.Context, tx *db.Tx, user, name string) (Account, error) {
	return scanAccount(tx.QueryRowContext(ctx, `
		SELECT a.id, a.name, a.kind, a.created_at FROM accounts a JOIN memberships m ON m.account_id = a.id
		WHERE m.user_id = $1 AND a.disabled_at IS NULL AND ($2 = '' OR a.name = $2)
		ORDER BY m.created_at, a.id LIMIT 1`, user, name))
}
