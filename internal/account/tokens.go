package account

import (
	"context"
	"errors"
	"slices"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// Prefixes tell the kinds of secret apart, for people and for secret scanners.
const (
	TokenPrefix = "sgt_" // a personal API token
	KeyPrefix   = "sgs_" // a service key
)

// Token describes a personal API token. Its secret is shown once and not kept.
type Token struct {
	ID      string
	User    string
	Name    string
	Scopes  []string // nil where it is not narrowed
	Created time.Time
	Expires time.Time // zero: never
	Revoked time.Time // zero while it may be used
}

// NewToken is what a token is created from.
type NewToken struct {
	User    string // id or verified address
	Account string // name of the account it acts in; the system account where empty
	Name    string
	Scopes  []string
	Expires time.Time
}

// CreateToken creates a personal API token and returns its secret. A user may
// create their own; the operator may create anybody's.
func (s *Service) CreateToken(ctx context.Context, n NewToken) (t Token, secret string, err error) {
	caller := ticket.From(ctx)
	if caller == nil {
		return Token{}, "", ticket.ErrNone
	}
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		u, err := s.lookUp(ctx, tx, n.User, tx.Dialect().ForUpdate())
		if err != nil {
			return err
		}
		if caller.Kind != ticket.System && (caller.Kind != ticket.User || caller.Subject != u.ID || caller.Scopes != nil) {
			return ErrNoUser
		}
		if !u.Disabled.IsZero() {
			return ErrNoUser.Because("the user is disabled")
		}
		acc, err := accountOfMember(ctx, tx, u.ID, n.Account)
		if err != nil {
			return err
		}
		t, secret, err = s.createToken(ctx, tx, u.ID, acc.ID, n)
		return err
	})
	return t, secret, err
}

func (s *Service) createToken(ctx context.Context, tx *db.Tx, user, account string, n NewToken) (Token, string, error) {
	if err := checkName("name", n.Name); err != nil {
		return Token{}, "", err
	}
	now := db.Now(s.now())
	for _, scope := range n.Scopes {
		if !s.holdable(scope, true) {
			return Token{}, "", ErrPermission.At(scope)
		}
	}
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		return Token{}, "", ErrExpiry.At("expires")
	}
	secret, hash := seal.NewSecret(TokenPrefix)
	t := Token{ID: newID("tok"), User: user, Name: n.Name, Scopes: n.Scopes, Created: now, Expires: n.Expires}
	if err := insertToken(ctx, tx, t, account, hash); err != nil {
		return Token{}, "", err
	}
	return t, secret, s.record(ctx, tx, "token.create", t.ID, map[string]any{"user": user, "name": n.Name, "scopes": n.Scopes})
}

// ListTokens returns the live API tokens of a user, named by id or verified address,
// newest first. Users see their own; others need users:read, in an account of the user.
func (s *Service) ListTokens(ctx context.Context, user string) (all []Token, err error) {
	err = s.readUser(ctx, user, func(tx *db.Tx, u User) error {
		all, err = tokensOf(ctx, tx, u.ID, db.Now(s.now()))
		return err
	})
	return all, err
}

// RevokeToken ends a token at once. Users may end their own; others need users:write
// and a user whom they may change.
func (s *Service) RevokeToken(ctx context.Context, id string) error {
	caller := ticket.From(ctx)
	if caller == nil {
		return ticket.ErrNone
	}
	return s.db.Update(ctx, func(tx *db.Tx) error {
		owner, err := tokenOwner(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.mayRevoke(ctx, tx, caller, owner); err != nil {
			return err
		}
		if err := revokeToken(ctx, tx, id, db.Now(s.now())); err != nil {
			return err
		}
		return s.record(ctx, tx, "token.revoke", id, map[string]any{"user": owner})
	})
}

// mayRevoke hides from who may not see a user that the token is there.
func (s *Service) mayRevoke(ctx context.Context, tx *db.Tx, t *ticket.Ticket, owner string) error {
	switch {
	case t.Kind == ticket.System, t.Kind == ticket.User && t.Subject == owner:
		return nil
	case !t.May("users:write"):
		return ErrNoToken
	}
	err := s.mayChange(ctx, tx, t, User{ID: owner})
	if errors.Is(err, ErrNoUser) {
		return ErrNoToken
	}
	return err
}

// NewKey is what a service key is created from.
type NewKey struct {
	Name        string
	Account     string   // name; the system account where empty
	Permissions []string // area:verb
	Providers   []string // identity providers it may speak for; "*" for all
	Expires     time.Time
}

// CreateKey creates a service key and returns its id and its secret.
func (s *Service) CreateKey(ctx context.Context, n NewKey) (id, secret string, err error) {
	t := ticket.From(ctx)
	if err := t.Demand("users:write"); err != nil {
		return "", "", err
	}
	if err := checkName("name", n.Name); err != nil {
		return "", "", err
	}
	for _, p := range n.Permissions {
		if !s.holdable(p, true) {
			return "", "", ErrPermission.At(p)
		}
		if err := t.Demand(p); err != nil {
			return "", "", err
		}
	}
	id = newID("key")
	secret, hash := seal.NewSecret(KeyPrefix)
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		acc, err := s.accountFor(ctx, tx, t, n.Account)
		if err != nil {
			return err
		}
		if err := insertKey(ctx, tx, id, acc.ID, hash, n, db.Now(s.now())); err != nil {
			return err
		}
		return s.record(ctx, tx, "service_key.create", id, map[string]any{"name": n.Name, "permissions": n.Permissions, "providers": n.Providers})
	})
	if err != nil {
		return "", "", err
	}
	return id, secret, nil
}

// ticketOfToken returns the caller that an API token proves, or nil.
func (s *Service) ticketOfToken(ctx context.Context, secret string) (*ticket.Ticket, error) {
	hash := seal.SecretHash(secret)
	var t *ticket.Ticket
	err := s.db.View(ctx, func(tx *db.Tx) error {
		row, err := findToken(ctx, tx, hash)
		if err != nil || row == nil || !live(row.expires, row.revoked, s.now()) || row.disabled.Valid {
			return err
		}
		t = &ticket.Ticket{
			Kind: ticket.User, Subject: row.user, Account: row.account, Credential: row.id,
			Scopes: row.scopes, Permissions: s.expand(row.permissions, row.system), AMR: []string{"api_token"},
		}
		if row.scopes != nil {
			t.Permissions = slices.DeleteFunc(t.Permissions, func(p string) bool { return !slices.Contains(row.scopes, p) })
		}
		return nil
	})
	return t, err
}

// ticketOfKey returns the caller that a service key proves, or nil.
func (s *Service) ticketOfKey(ctx context.Context, secret string) (*ticket.Ticket, error) {
	hash := seal.SecretHash(secret)
	var t *ticket.Ticket
	err := s.db.View(ctx, func(tx *db.Tx) error {
		row, err := findKey(ctx, tx, hash)
		if err != nil || row == nil || !live(row.expires, row.revoked, s.now()) {
			return err
		}
		t = &ticket.Ticket{
			Kind: ticket.Key, Subject: row.id, Account: row.account, Credential: row.id,
			Permissions: s.expand(row.permissions, row.system), Providers: row.providers,
		}
		return nil
	})
	return t, err
}

// record writes an audit row for what was done. Without a caller it was the
// installation itself.
func (s *Service) record(ctx context.Context, tx *db.Tx, action, target string, detail any) error {
	return s.audit.Record(ctx, tx, audit.Event{Action: action, Target: target, Detail: detail})
}
