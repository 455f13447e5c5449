package account

import (
	"context"
	"database/sql"
	"time"

	"signet/internal/db"
	"signet/internal/ticket"
)

// Overview is the state of an account, in numbers.
type Overview struct {
	Account        TenantInfo
	Enabled        int // members who may act
	Disabled       int
	Sessions       int // that have not ended, and were used lately enough
	NoWayIn        int // enabled members without password, passkey and identity
	Administrators int // enabled members with the role administrator
	BareAdmins     int // administrators without an authenticator app and a passkey
}

// Overview returns the state of the caller's account. The caller needs users:read, and
// acts in an account: the operator does not.
func (s *Service) Overview(ctx context.Context) (o Overview, err error) {
	t := ticket.From(ctx)
	if err := t.Demand("users:read"); err != nil {
		return o, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		if o, err = overviewOf(ctx, tx, t.Account, db.Now(s.now())); err != nil {
			return err
		}
		o.Account, err = accountInfo(ctx, tx, t.Account)
		return err
	})
	return o, err
}

const (
	enabledMembers = `FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.account_id = $1 AND u.disabled_at IS NULL`
	administrators = enabledMembers + ` AND EXISTS (
		SELECT 1 FROM membership_roles mr JOIN roles r ON r.id = mr.role_id
		WHERE mr.account_id = m.account_id AND mr.user_id = m.user_id AND r.name = '` + Administrator + `')`
)

func overviewOf(ctx context.Context, tx *db.Tx, account string, now time.Time) (o Overview, err error) {
	err = tx.QueryRowContext(ctx, `SELECT
		(SELECT count(*) `+enabledMembers+`),
		(SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.account_id = $1 AND u.disabled_at IS NOT NULL),
		(SELECT count(*) FROM account_sessions WHERE account_id = $1 AND ended_at IS NULL AND expires_at > $2),
		(SELECT count(*) `+enabledMembers+`
			AND NOT EXISTS (SELECT 1 FROM user_passwords p WHERE p.user_id = u.id)
			AND NOT EXISTS (SELECT 1 FROM user_passkeys k WHERE k.user_id = u.id)
			AND NOT EXISTS (SELECT 1 FROM account_identities i WHERE i.user_id = u.id)),
		(SELECT count(*) `+administrators+`),
		(SELECT count(*) `+administrators+`
			AND NOT EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = u.id AND t.confirmed_at IS NOT NULL)
			AND NOT EXISTS (SELECT 1 FROM user_passkeys k WHERE k.user_id = u.id))`, account, now).
		Scan(&o.Enabled, &o.Disabled, &o.Sessions, &o.NoWayIn, &o.Administrators, &o.BareAdmins)
	return o, err
}

func accountInfo(ctx context.Context, tx *db.Tx, id string) (TenantInfo, error) {
	all, err := accountInfos(ctx, tx)
	for _, a := range all {
		if a.ID == id {
			return a, err
		}
	}
	if err == nil {
		err = ErrNoAccount
	}
	return TenantInfo{}, err
}

// MemberSession is a session with whose it is.
type MemberSession struct {
	Session
	UserName string
}

// ListAll returns the live sessions that act in the caller's account, 100 from a cursor
// on, and the next cursor, which is empty at the end. sort is created or seen, with - for
// the newest first; empty is -created. The caller needs users:read.
func (s *Sessions) ListAll(ctx context.Context, sort, cursor string) (all []MemberSession, next string, err error) {
	t := ticket.From(ctx)
	if err := t.Demand("users:read"); err != nil {
		return nil, "", err
	}
	order, err := db.ReadOrder(sort, "-created", map[string]string{"created": "s.created_at", "seen": "s.seen_at"})
	if err != nil {
		return nil, "", err
	}
	at, id, err := order.ReadTime(cursor)
	if err != nil {
		return nil, "", err
	}
	err = s.users.db.View(ctx, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT s.id, s.user_id, s.account_id, s.amr, s.auth_time, s.created_at, s.seen_at, s.expires_at, s.address, s.agent, u.display_name
			FROM account_sessions s JOIN users u ON u.id = s.user_id
			WHERE s.account_id = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND `+order.After("s.id", 3)+order.By("s.id")+` LIMIT $5`, t.Account, db.Now(s.users.now()), at, id, userPage+1)
		all, err = readRows(rows, err, scanMemberSession)
		if err != nil {
			return err
		}
		if len(all) > userPage {
			all = all[:userPage]
			last := all[userPage-1]
			next = db.TimeCursor(map[string]time.Time{"created": last.Created, "seen": last.LastSeen}[order.Word], last.ID)
		}
		all, err = s.notTooOld(ctx, tx, t, all)
		return err
	})
	return all, next, err
}

// notTooOld drops what Check would refuse now for its age: those who administer have less time.
func (s *Sessions) notTooOld(ctx context.Context, tx *db.Tx, t *ticket.Ticket, all []MemberSession) ([]MemberSession, error) {
	powerful, live := map[string]bool{}, []MemberSession{}
	for _, c := range all {
		strong, known := powerful[c.User]
		if !known {
			held, err := memberships(ctx, tx, c.User)
			if err != nil {
				return nil, err
			}
			strong = s.users.powerful(held)
			powerful[c.User] = strong
		}
		c.Expires = s.expiry(c.Session, strong)
		if s.users.now().Before(c.Expires) {
			c.Current = c.ID == t.Session
			live = append(live, c)
		}
	}
	return live, nil
}

func scanMemberSession(scan func(...any) error) (c MemberSession, err error) {
	var amr db.JSON[[]string]
	err = scan(&c.ID, &c.User, &c.Account, &amr, &c.AuthTime, &c.Created, &c.LastSeen, &c.Expires, &c.Address, &c.Agent, &c.UserName)
	c.AMR, c.ACR, c.Device = amr.V, ACR(amr.V), device(c.Agent)
	c.AuthTime, c.Created, c.LastSeen, c.Expires = c.AuthTime.UTC(), c.Created.UTC(), c.LastSeen.UTC(), c.Expires.UTC()
	return c, err
}

// MemberToken is an API token with whose it is.
type MemberToken struct {
	Token
	UserName string
}

// ListAllTokens returns the live API tokens that act in the caller's account, as
// [Sessions.ListAll] does sessions; sort is created or -created.
func (s *Service) ListAllTokens(ctx context.Context, sort, cursor string) (all []MemberToken, next string, err error) {
	t := ticket.From(ctx)
	if err := t.Demand("users:read"); err != nil {
		return nil, "", err
	}
	order, err := db.ReadOrder(sort, "-created", map[string]string{"created": "t.created_at"})
	if err != nil {
		return nil, "", err
	}
	at, id, err := order.ReadTime(cursor)
	if err != nil {
		return nil, "", err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT t.id, t.user_id, t.name, t.scopes, t.created_at, t.expires_at, u.display_name
			FROM api_tokens t JOIN users u ON u.id = t.user_id
			WHERE t.account_id = $1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $2)
			  AND `+order.After("t.id", 3)+order.By("t.id")+` LIMIT $5`, t.Account, db.Now(s.now()), at, id, userPage+1)
		all, err = readRows(rows, err, scanMemberToken)
		return err
	})
	if len(all) > userPage {
		all = all[:userPage]
		next = db.TimeCursor(all[userPage-1].Created, all[userPage-1].ID)
	}
	return all, next, err
}

func scanMemberToken(scan func(...any) error) (t MemberToken, err error) {
	var scopes db.JSON[[]string]
	var expires sql.NullTime
	err = scan(&t.ID, &t.User, &t.Name, &scopes, &t.Created, &expires, &t.UserName)
	t.Scopes, t.Created, t.Expires = scopes.V, t.Created.UTC(), db.Time(expires)
	return t, err
}
