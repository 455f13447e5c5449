package account

import (
	"context"
	"database/sql"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// ErrSystemAccount refuses what would lock everybody out.
var ErrSystemAccount = fault.New(fault.Conflict, "it is the account that owns the installation, and stays enabled").Named("system-account")

// TenantInfo is an account as administrators of the installation see it.
type TenantInfo struct {
	Account
	MFA      bool      // its members are asked for a second factor at each sign-in
	Members  int       // disabled ones too
	Disabled time.Time // zero while its members may act
}

// ListAccounts returns all accounts by name. The caller needs accounts:write.
func (s *Service) ListAccounts(ctx context.Context) (all []TenantInfo, err error) {
	if err := ticket.From(ctx).Demand("accounts:write"); err != nil {
		return nil, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		all, err = accountInfos(ctx, tx)
		return err
	})
	return all, err
}

// DisableAccount closes every door to the members of an account, named by id or name,
// as long as they act in it. The caller needs accounts:write.
func (s *Service) DisableAccount(ctx context.Context, account string) error {
	return s.switchAccount(ctx, account, "account.disable", db.OrNull(db.Now(s.now())))
}

// EnableAccount lets the members of an account act again.
func (s *Service) EnableAccount(ctx context.Context, account string) error {
	return s.switchAccount(ctx, account, "account.enable", sql.NullTime{})
}

func (s *Service) switchAccount(ctx context.Context, account, action string, disabled sql.NullTime) error {
	if err := ticket.From(ctx).Demand("accounts:write"); err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		acc, err := lockAccount(ctx, tx, account)
		if err != nil {
			return err
		}
		if acc.System {
			return ErrSystemAccount
		}
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET disabled_at = $1 WHERE id = $2`, disabled, acc.ID); err != nil {
			return err
		}
		if s.closers.AccountSwitched != nil {
			tx.AfterCommit(s.closers.AccountSwitched)
		}
		return s.record(ctx, tx, action, acc.ID, map[string]any{"name": acc.Name})
	})
}

// SetAccountMFA has the members of an account, named by id or name, asked for a second
// factor at each sign-in. The caller is an administrator of it, or needs accounts:write
// and another account than the own.
func (s *Service) SetAccountMFA(ctx context.Context, account string, on bool) error {
	t := ticket.From(ctx)
	if t == nil {
		return ticket.ErrNone
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		if account == "" {
			account = t.Account
		}
		acc, err := lockAccount(ctx, tx, account)
		if err != nil {
			return err
		}
		if err := s.mayDemandMFA(t, acc); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE accounts SET mfa = $1 WHERE id = $2`, flag(on), acc.ID); err != nil {
			return err
		}
		return s.record(ctx, tx, "account.mfa", acc.ID, map[string]any{"on": on})
	})
}

// mayDemandMFA refuses whoever is not as strong as every member of the account can be.
func (s *Service) mayDemandMFA(t *ticket.Ticket, acc Account) error {
	switch {
	case t.Kind == ticket.System:
		return nil
	case acc.ID == t.Account:
		return s.mayTouch(t, s.expand([]string{everything}, acc.System))
	case t.May("accounts:write") && !acc.System:
		return nil
	}
	return ErrNoAccount
}

// FindAccount returns an account by id or name, whoever asks: the configuration names them.
func (s *Service) FindAccount(ctx context.Context, account string) (acc Account, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		acc, err = scanAccount(tx.QueryRowContext(ctx, `
			SELECT id, name, kind, created_at FROM accounts WHERE id = $1 OR name = $1
			ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1`, account))
		return err
	})
	return acc, err
}

// readAccount is accountFor in a transaction that only reads.
func (s *Service) readAccount(ctx context.Context, tx *db.Tx, t *ticket.Ticket, name string) (Account, error) {
	acc, err := findAccount(ctx, tx, name, t.Account)
	if err == nil && acc.ID != t.Account && t.Kind != ticket.System {
		return Account{}, ErrNoAccount
	}
	return acc, err
}

// lockAccount returns an account by id or name, disabled ones too, locked.
func lockAccount(ctx context.Context, tx *db.Tx, account string) (Account, error) {
	return scanAccount(tx.QueryRowContext(ctx, `
		SELECT id, name, kind, created_at FROM accounts WHERE id = $1 OR name = $1
		ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1`+tx.Dialect().ForUpdate(), account))
}

func accountInfos(ctx context.Context, tx *db.Tx) ([]TenantInfo, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT a.id, a.name, a.kind, a.created_at, a.disabled_at, a.mfa = 1,
		       (SELECT count(*) FROM memberships m WHERE m.account_id = a.id)
		FROM accounts a ORDER BY a.name, a.id`)
	return readRows(rows, err, func(scan func(...any) error) (a TenantInfo, err error) {
		var kind string
		var disabled sql.NullTime
		err = scan(&a.ID, &a.Name, &kind, &a.Created, &disabled, &a.MFA, &a.Members)
		a.System, a.Created, a.Disabled = kind == "system", a.Created.UTC(), db.Time(disabled)
		return a, err
	})
}
