package token

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
)

// Demand says whether senders must prove themselves in a way.
type Demand string

// The demands, from the loosest on.
const (
	Off      Demand = "off"      // it is not used
	Optional Demand = "optional" // who does is held to it
	Required Demand = "required"
)

// stricter returns the stricter one of two.
func stricter(a, b Demand) Demand {
	switch {
	case a == Required || b == Required:
		return Required
	case a == Optional || b == Optional:
		return Optional
	}
	return Off
}

func (d Demand) valid() bool { return d == Off || d == Optional || d == Required }

// Policy is what senders must prove.
type Policy struct {
	DPoP Demand // a key (RFC 9449)
	MTLS Demand // a certificate (RFC 8705)
}

// Stricter returns what both demand together.
func (p Policy) Stricter(q Policy) Policy {
	return Policy{stricter(p.DPoP, q.DPoP), stricter(p.MTLS, q.MTLS)}
}

func (p Policy) check() error {
	switch {
	case !p.DPoP.valid():
		return ErrDemand.At("dpop")
	case !p.MTLS.valid():
		return ErrDemand.At("mtls")
	}
	return nil
}

// Demands returns what the senders of a client's tokens must prove: the stricter of what
// the client and its account demand.
func (s *Clients) Demands(ctx context.Context, c Client) (Policy, error) {
	p, err := s.tenants.Get(c.Account, func() (p Policy, err error) {
		err = s.db.View(ctx, func(tx *db.Tx) error {
			p, err = tenantPolicy(ctx, tx, c.Account)
			return err
		})
		return p, err
	})
	return p.Stricter(c.Policy), err
}

// TenantPolicy returns what an account, by id or name, demands of its clients: nothing
// (Off), where it never said. Of an account without a name it is the caller's own. The
// caller needs oauth:clients there; the operator sees all.
func (s *Clients) TenantPolicy(ctx context.Context, account string) (p Policy, err error) {
	err = s.withTenant(ctx, account, func(tx *db.Tx, id string) error {
		p, err = tenantPolicy(ctx, tx, id)
		return err
	})
	return p, err
}

// SetTenantPolicy sets what an account demands, as TenantPolicy names it. What is empty
// is Off: it is left to each client.
func (s *Clients) SetTenantPolicy(ctx context.Context, account string, p Policy) error {
	if p.DPoP == "" {
		p.DPoP = Off
	}
	if p.MTLS == "" {
		p.MTLS = Off
	}
	if err := p.check(); err != nil {
		return err
	}
	return s.withTenant(ctx, account, func(tx *db.Tx, id string) error {
		if err := setTenantPolicy(ctx, tx, id, p, db.Now(s.options.Now())); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, audit.Event{
			Action: "oauth_tenant.policy", Target: id, Detail: map[string]any{"dpop": p.DPoP, "mtls": p.MTLS},
		})
	})
}

// withTenant runs fn on an account whose clients the caller may change.
func (s *Clients) withTenant(ctx context.Context, account string, fn func(tx *db.Tx, id string) error) error {
	own, err := reach(ctx)
	if err != nil {
		return err
	}
	if db.Clean("account", account) != nil {
		return ErrNoTenant
	}
	return s.change(ctx, func(tx *db.Tx) (err error) {
		var id string
		if account == "" {
			id, err = s.accounts.AccountFor(ctx, tx, "")
		} else {
			id, err = findTenant(ctx, tx, account, own)
		}
		if err != nil {
			return err
		}
		return fn(tx, id)
	})
}

// findTenant returns the id of an account by id or name, of own only where that is not
// empty.
func findTenant(ctx context.Context, tx *db.Tx, account, own string) (id string, err error) {
	err = tx.QueryRowContext(ctx, `
		SELECT id FROM accounts WHERE (id = $1 OR name = $1) AND ($2 = '' OR id = $2)
		ORDER BY CASE WHEN id = $1 THEN 0 ELSE 1 END LIMIT 1`, account, own).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrNoTenant
	}
	return id, err
}

func tenantPolicy(ctx context.Context, tx *db.Tx, account string) (Policy, error) {
	p := Policy{Off, Off}
	err := tx.QueryRowContext(ctx, `SELECT dpop, mtls FROM oauth_tenants WHERE account_id = $1`, account).Scan(&p.DPoP, &p.MTLS)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	return p, err
}

func setTenantPolicy(ctx context.Context, tx *db.Tx, account string, p Policy, at time.Time) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO oauth_tenants (account_id, dpop, mtls, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (account_id) DO UPDATE SET dpop = excluded.dpop, mtls = excluded.mtls, changed_at = excluded.changed_at`,
		account, string(p.DPoP), string(p.MTLS), at)
	return err
}

// Demanding returns who demands keys (RFC 9449), and who certificates (RFC 8705), of the
// senders of tokens: live clients and accounts, by "client ID" and "account NAME". It is
// for checks of an installation, which ask for nobody.
func Demanding(ctx context.Context, d *db.DB) (keys, certificates []string, err error) {
	err = d.View(ctx, func(tx *db.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT 'client ' || id AS who, dpop, mtls FROM oauth_clients WHERE disabled_at IS NULL
			UNION ALL
			SELECT 'account ' || a.name AS who, t.dpop, t.mtls FROM oauth_tenants t JOIN accounts a ON a.id = t.account_id
			ORDER BY who`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var who string
			var p Policy
			if err := rows.Scan(&who, &p.DPoP, &p.MTLS); err != nil {
				return err
			}
			if p.DPoP == Required {
				keys = append(keys, who)
			}
			if p.MTLS == Required {
				certificates = append(certificates, who)
			}
		}
		return rows.Err()
	})
	return keys, certificates, err
}
