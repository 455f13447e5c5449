package account

import (
	"context"
	"errors"
	"strings"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/notify"
	"signet/internal/seal"
)

// UseLink implements [authapi.Service].
func (g *Gate) UseLink(ctx context.Context, r authapi.UseLinkRequest) (authapi.TokenResponse, error) {
	var l linkRow
	var u User
	err := g.users.db.View(ctx, func(tx *db.Tx) (err error) {
		l, u, err = g.findLink(ctx, tx, r.Code)
		return err
	})
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	if g.now().Before(l.notBefore) {
		return authapi.TokenResponse{}, ErrTooEarly
	}
	switch l.purpose {
	case authapi.LinkSignUp:
		return g.finishSignUp(ctx, l, r)
	case authapi.LinkReset:
		return authapi.TokenResponse{}, g.reset(ctx, u, r)
	case authapi.LinkVerify:
		return authapi.TokenResponse{}, g.verifyAddress(ctx, l, r)
	case authapi.LinkSetup:
		return g.setUp(ctx, l, u, r)
	case authapi.LinkRecover:
		return authapi.TokenResponse{}, g.recover(ctx, u, r)
	case authapi.LinkFirst:
		return g.first(ctx, r)
	}
	return authapi.TokenResponse{}, ErrLink
}

// finishSignUp makes the user, in an account of their own.
func (g *Gate) finishSignUp(ctx context.Context, l linkRow, r authapi.UseLinkRequest) (authapi.TokenResponse, error) {
	if g.o.SignUp != "open" {
		return authapi.TokenResponse{}, ErrSignUpClosed
	}
	u := User{ID: newID("usr"), DisplayName: strings.TrimSpace(r.DisplayName), Addresses: []string{l.email}, Created: g.now()}
	if err := checkName("displayName", u.DisplayName); err != nil {
		return authapi.TokenResponse{}, err
	}
	hash, short, err := g.creds.hash(ctx, passwordRow{user: u}, r.Password, origin(r.Browser).prefix())
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	var acc Account
	err = g.users.db.Update(ctx, func(tx *db.Tx) error {
		if err := useLink(ctx, tx, r.Code, g.now()); err != nil {
			return err
		}
		if acc, err = g.users.insertAccount(ctx, tx, u.ID, false); err != nil {
			return err
		}
		taken, err := insertUser(ctx, tx, u, acc.ID, l.email)
		if err != nil {
			return err
		}
		if taken { // somebody was faster, with the same mailbox
			return ErrLink
		}
		if err := proveAddress(ctx, tx, u.ID, l.email); err != nil {
			return err
		}
		if err := setLocale(ctx, tx, u.ID, r.Locale); err != nil {
			return err
		}
		if err := storePassword(ctx, tx, u.ID, hash, short, g.now()); err != nil {
			return err
		}
		return g.users.record(ctx, tx, "user.create", u.ID, map[string]any{"account": acc.ID, "by": "sign-up"})
	})
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	return g.enter(ctx, proof{user: u.ID, account: acc.ID, amr: []string{AMRPassword}, at: g.now(), facts: MFAFacts{Created: true}, device: true, first: true}, r.Browser)
}

// reset sets a password. Whoever was signed in is not any more.
func (g *Gate) reset(ctx context.Context, u User, r authapi.UseLinkRequest) error {
	f, err := g.creds.Factors(ctx, u.ID)
	if err != nil {
		return refusal(err)
	}
	hash, short, err := g.creds.hash(ctx, passwordRow{user: u, factored: f.TOTP || f.Switched}, r.Password, origin(r.Browser).prefix())
	if err != nil {
		return err
	}
	return g.users.db.Update(ctx, func(tx *db.Tx) error {
		u, err := g.users.Hold(ctx, tx, u.ID)
		if err != nil {
			return ErrLink
		}
		if err := useLink(ctx, tx, r.Code, g.now()); err != nil {
			return err
		}
		now, err := factorsOf(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if short && !now.TOTP && !now.Switched {
			return ErrChanged.At("password")
		}
		if err := storePassword(ctx, tx, u.ID, hash, short, g.now()); err != nil {
			return err
		}
		if err := noteReset(ctx, tx, u.ID, g.now()); err != nil {
			return err
		}
		if err := g.sessions.CloseUser(ctx, tx, u.ID); err != nil {
			return err
		}
		g.creds.tell(ctx, tx, u, notify.PasswordReset, "")
		return g.users.record(ctx, tx, "user.password_reset", u.ID, nil)
	})
}

// verifyAddress takes an address for the caller's, who asked for it: whoever else opens
// the link, such as the owner of a mailbox that is not the caller's, proves nothing.
func (g *Gate) verifyAddress(ctx context.Context, l linkRow, r authapi.UseLinkRequest) error {
	t, err := caller(ctx)
	if err != nil {
		return err
	}
	if t.Subject != l.user {
		return ErrLink
	}
	return g.users.db.Update(ctx, func(tx *db.Tx) error {
		u, err := g.users.Hold(ctx, tx, l.user)
		if err != nil {
			return err
		}
		if err := useLink(ctx, tx, r.Code, g.now()); err != nil {
			return err
		}
		if err := g.takeAddress(ctx, tx, u.ID, l.email); err != nil {
			return err
		}
		if err := proveAddress(ctx, tx, u.ID, l.email); err != nil {
			return err
		}
		g.creds.tell(ctx, tx, u, "address_added", l.email) // to the addresses that were there
		return g.users.record(ctx, tx, "user.address_add", u.ID, map[string]any{"address": l.email, "by": "link"})
	})
}

// takeAddress makes an address of a user verified.
func (g *Gate) takeAddress(ctx context.Context, tx *db.Tx, user, email string) error {
	switch owner, err := ownerOf(ctx, tx, email); {
	case err == nil && owner == user:
		return nil
	case err == nil:
		return ErrTaken.At("email")
	case !errors.Is(err, ErrNoUser):
		return err
	}
	return verifyEmail(ctx, tx, user, email, g.now())
}

// setUp signs in who was invited, and the first administrator: they set up how they
// sign in from then on. The link is good until they have.
func (g *Gate) setUp(ctx context.Context, l linkRow, u User, r authapi.UseLinkRequest) (authapi.TokenResponse, error) {
	err := g.users.db.Update(ctx, func(tx *db.Tx) error {
		if _, err := g.users.Hold(ctx, tx, u.ID); err != nil {
			return ErrLink
		}
		ways, err := waysIn(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if ways > 0 {
			if err := useLink(ctx, tx, r.Code, g.now()); err != nil {
				return err
			}
		} else if _, err := selectLink(ctx, tx, seal.SecretHash(r.Code), g.now()); err != nil {
			return err
		}
		return g.takeAddress(ctx, tx, u.ID, l.email)
	})
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	return g.enter(ctx, proof{user: u.ID, amr: []string{AMRLink}, at: g.now(), device: true, first: true}, r.Browser)
}

// recover removes all second factors, and ends what somebody may have done with them.
func (g *Gate) recover(ctx context.Context, u User, r authapi.UseLinkRequest) error {
	return g.users.db.Update(ctx, func(tx *db.Tx) error {
		u, err := g.users.Hold(ctx, tx, u.ID)
		if err != nil {
			return ErrLink
		}
		f, err := factorsOf(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if f.Demanded {
			return ErrRecoveryRefused
		}
		if err := g.mayRecover(ctx, tx, u); err != nil {
			return err
		}
		if err := useLink(ctx, tx, r.Code, g.now()); err != nil {
			return err
		}
		if err := g.drop(ctx, tx, u, r); err != nil {
			return err
		}
		return g.dropFactors(ctx, tx, u)
	})
}

// keepOrDrop lists what a recovery leaves unless its user says otherwise.
func (g *Gate) keepOrDrop(ctx context.Context, tx *db.Tx, user string, l *authapi.Link) error {
	all, err := identities(ctx, tx, user)
	if err != nil {
		return err
	}
	for _, i := range all {
		l.Identities = append(l.Identities, identityView(i))
	}
	l.MailKeys, err = g.mailKeys.CountUser(ctx, tx, user)
	return err
}

// drop takes from a user what they said somebody else may have used.
func (g *Gate) drop(ctx context.Context, tx *db.Tx, u User, r authapi.UseLinkRequest) error {
	for _, id := range r.DropIdentities {
		provider, err := deleteIdentity(ctx, tx, u.ID, id)
		if err != nil {
			return err
		}
		if err := g.users.record(ctx, tx, "identity.unlink", id, map[string]any{"user": u.ID, "provider": provider, "by": "recovery"}); err != nil {
			return err
		}
	}
	if len(r.DropIdentities) > 0 { // passkeys go too: a password or another identity must be left
		row, err := passwordOf(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		left, err := identities(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if row.hash == "" && len(left) == 0 {
			return ErrLastWayIn.At("identity")
		}
	}
	if !r.DropMailKeys {
		return nil
	}
	return g.mailKeys.DropUser(ctx, tx, u.ID, "the account was recovered")
}

// dropFactors removes what a user proves themselves with beside password and
// identities, and everything that was opened with it.
func (g *Gate) dropFactors(ctx context.Context, tx *db.Tx, u User) error {
	if err := deleteFactors(ctx, tx, u.ID); err != nil {
		return err
	}
	if err := g.sessions.CloseUser(ctx, tx, u.ID); err != nil {
		return err
	}
	if err := revokeTokens(ctx, tx, u.ID, g.now()); err != nil {
		return err
	}
	g.creds.tell(ctx, tx, u, notify.Recovered, "")
	return g.users.record(ctx, tx, "user.factors_reset", u.ID, nil)
}
