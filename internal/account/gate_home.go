package account

import (
	"context"
	"database/sql"
	"errors"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/limit"
	"signet/internal/notify"
)

// maxActivity is how many events of a user are shown.
const maxActivity = 100

// User implements [authapi.Service]: the caller themselves.
func (g *Gate) User(ctx context.Context, id string) (out authapi.User, err error) {
	t, err := caller(ctx)
	if err != nil {
		return out, err
	}
	if id != t.Subject {
		return out, ErrNoUser
	}
	err = g.users.db.View(ctx, func(tx *db.Tx) error {
		out, err = g.user(ctx, tx, t.Subject, t.Account)
		return err
	})
	return out, err
}

func (g *Gate) user(ctx context.Context, tx *db.Tx, id, account string) (authapi.User, error) {
	row, err := passwordOf(ctx, tx, id)
	if err != nil {
		return authapi.User{}, err
	}
	f, err := factorsOf(ctx, tx, id)
	if err != nil {
		return authapi.User{}, err
	}
	u := authapi.User{
		ID: id, DisplayName: row.user.DisplayName, Addresses: row.user.Addresses, Created: row.user.Created, Password: row.hash != "",
		TOTP: f.TOTP, RecoveryCodes: f.RecoveryCodes, MFA: f.Required(), MFADemanded: f.Demanded, MFASwitched: f.Switched,
	}
	if err := tx.QueryRowContext(ctx, `SELECT u.locale, a.name FROM users u, accounts a WHERE u.id = $1 AND a.id = $2`, id, account).
		Scan(&u.Locale, &u.Account); err != nil {
		return u, err
	}
	if u.Account == id { // an account of their own
		u.Account = u.DisplayName
	}
	return u, g.possessions(ctx, tx, &u, account)
}

// possessions fills in what a user has several of.
func (g *Gate) possessions(ctx context.Context, tx *db.Tx, u *authapi.User, account string) (err error) {
	if u.Unverified, err = unverified(ctx, tx, u.ID); err != nil {
		return err
	}
	if u.Roles, err = roleNames(ctx, tx, account, u.ID); err != nil {
		return err
	}
	rows, err := passkeysOf(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	for _, k := range rows {
		u.Passkeys = append(u.Passkeys, passkeyView(k.Passkey))
	}
	all, err := identities(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	for _, i := range all {
		u.Identities = append(u.Identities, identityView(i))
	}
	u.Recovery, err = recoveryAt(ctx, tx, u.ID, g.now())
	return err
}

func identityView(i Identity) authapi.Identity {
	return authapi.Identity{
		ID: i.ID, Provider: i.Provider, DisplayName: i.DisplayName, Email: i.Email, Created: i.Created, LastUsed: i.LastUsed,
	}
}

func passkeyView(k Passkey) authapi.Passkey {
	return authapi.Passkey{ID: k.ID, Name: k.Name, Synced: k.Synced, Created: k.Created, LastUsed: k.LastUsed}
}

// UpdateUser implements [authapi.Service].
func (g *Gate) UpdateUser(ctx context.Context, id string, r authapi.UpdateUserRequest) error {
	if err := checkName("displayName", r.DisplayName); err != nil {
		return err
	}
	if r.Locale != "" && !languageTag(r.Locale) {
		return errLocale.At("locale")
	}
	return g.own(ctx, func(user string) error {
		if id != user {
			return ErrNoUser
		}
		return g.creds.change(ctx, user, false, func(tx *db.Tx, u User) error {
			if _, err := tx.ExecContext(ctx, `UPDATE users SET display_name = $1 WHERE id = $2`, r.DisplayName, u.ID); err != nil {
				return err
			}
			if err := setLocale(ctx, tx, u.ID, r.Locale); err != nil {
				return err
			}
			return g.users.record(ctx, tx, "user.change", u.ID, nil)
		})
	})
}

// own runs fn for the caller.
func (g *Gate) own(ctx context.Context, fn func(user string) error) error {
	t, err := caller(ctx)
	if err != nil {
		return err
	}
	return fn(t.Subject)
}

// maxUnverified is how many addresses a user may claim at a time.
const maxUnverified = 5

// AddAddress implements [authapi.Service]. It needs a sign-in of the last 5 minutes: who
// has the mailbox gets a new password by it.
func (g *Gate) AddAddress(ctx context.Context, r authapi.AddressRequest) error {
	email, err := FoldAddress("email", r.Email)
	if err != nil {
		return err
	}
	return g.own(ctx, func(user string) error {
		if err := g.creds.mayChange(ctx, user, true); err != nil {
			return err
		}
		if err := g.creds.throttle.Take(ctx,
			limit.Bucket{Name: "mail.address", Key: email, Rate: mailAddressRate},
			limit.Bucket{Name: "mail.user", Key: user, Rate: mailPrefixRate}); err != nil {
			return err
		}
		m := notify.Message{To: []string{email}, Locale: r.Locale, What: notify.Verify}
		return g.mail(ctx, &m, linkRow{purpose: authapi.LinkVerify, user: user, email: email, locale: r.Locale, next: "/account", expires: g.now().Add(shortLink)},
			func(ctx context.Context, tx *db.Tx, _ *linkRow) error {
				if _, err := g.users.Hold(ctx, tx, user); err != nil {
					return err
				}
				return claimEmail(ctx, tx, user, email, g)
			})
	})
}

// claimEmail notes an address that the user says is theirs. Who else has it is not told.
func claimEmail(ctx context.Context, tx *db.Tx, user, email string, g *Gate) error {
	claimed, err := unverified(ctx, tx, user)
	if err != nil {
		return err
	}
	if len(claimed) >= maxUnverified {
		return errManyAddresses.At("email")
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO user_emails (user_id, address, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, user, email, g.now())
	return err
}

// RemoveAddress implements [authapi.Service].
func (g *Gate) RemoveAddress(ctx context.Context, r authapi.AddressRequest) error {
	email, err := FoldAddress("email", r.Email)
	if err != nil {
		return err
	}
	return g.own(ctx, func(user string) error {
		return g.creds.change(ctx, user, true, func(tx *db.Tx, u User) error {
			return g.users.removeAddress(ctx, tx, u, email)
		})
	})
}

// SetPassword implements [authapi.Service].
func (g *Gate) SetPassword(ctx context.Context, r authapi.SetPasswordRequest) error {
	return g.own(ctx, func(user string) error { return g.creds.SetPassword(ctx, user, r.Old, r.New) })
}

// RemovePassword implements [authapi.Service].
func (g *Gate) RemovePassword(ctx context.Context) error {
	return g.own(ctx, func(user string) error { return g.creds.RemovePassword(ctx, user) })
}

// SetMFA implements [authapi.Service].
func (g *Gate) SetMFA(ctx context.Context, r authapi.SetMFARequest) error {
	return g.own(ctx, func(user string) error { return g.creds.SetMFA(ctx, user, r.On) })
}

// BeginTOTP implements [authapi.Service].
func (g *Gate) BeginTOTP(ctx context.Context) (out authapi.Enrolment, err error) {
	t, err := caller(ctx)
	if err != nil {
		return authapi.Enrolment{}, err
	}
	err = g.own(ctx, func(user string) error {
		out, err = g.beginTOTP(ctx, user, t.Session)
		return err
	})
	return out, err
}

// ConfirmTOTP implements [authapi.Service].
func (g *Gate) ConfirmTOTP(ctx context.Context, r authapi.CodeRequest) error {
	return g.own(ctx, func(user string) error { return g.creds.ConfirmTOTP(ctx, user, digits(r.Code)) })
}

// RemoveTOTP implements [authapi.Service].
func (g *Gate) RemoveTOTP(ctx context.Context) error {
	return g.own(ctx, func(user string) error { return g.creds.RemoveTOTP(ctx, user) })
}

// RenewRecoveryCodes implements [authapi.Service].
func (g *Gate) RenewRecoveryCodes(ctx context.Context) (out authapi.RecoveryCodes, err error) {
	err = g.own(ctx, func(user string) error {
		out.Codes, err = g.creds.RegenerateRecoveryCodes(ctx, user)
		return err
	})
	return out, err
}

// BeginEnrolPasskey implements [authapi.Service].
func (g *Gate) BeginEnrolPasskey(ctx context.Context) (out authapi.Challenge, err error) {
	err = g.own(ctx, func(user string) error {
		out, err = challenge(g.keys.BeginRegistration(ctx, user))
		return err
	})
	return out, err
}

// EnrolPasskey implements [authapi.Service].
func (g *Gate) EnrolPasskey(ctx context.Context, r authapi.EnrolPasskeyRequest) (out authapi.Passkey, err error) {
	err = g.own(ctx, func(user string) error {
		k, err := g.keys.FinishRegistration(ctx, user, r.Handle, r.Name, r.Response)
		out = passkeyView(k)
		return err
	})
	return out, err
}

// RenamePasskey implements [authapi.Service].
func (g *Gate) RenamePasskey(ctx context.Context, r authapi.RenameRequest) error {
	return g.own(ctx, func(user string) error { return g.keys.Rename(ctx, user, r.ID, r.Name) })
}

// RemovePasskey implements [authapi.Service].
func (g *Gate) RemovePasskey(ctx context.Context, r authapi.IDRequest) error {
	return g.own(ctx, func(user string) error { return g.keys.Remove(ctx, user, r.ID) })
}

// Unlink implements [authapi.Service].
func (g *Gate) Unlink(ctx context.Context, r authapi.IDRequest) error {
	return g.own(ctx, func(user string) error { return g.ids.Unlink(ctx, user, r.ID) })
}

// CancelRecovery implements [authapi.Service]. Any live session is enough.
func (g *Gate) CancelRecovery(ctx context.Context) error {
	return g.own(ctx, func(user string) error {
		return g.creds.change(ctx, user, false, func(tx *db.Tx, u User) error {
			if err := deleteLinks(ctx, tx, u.ID, authapi.LinkRecover); err != nil {
				return err
			}
			return g.users.record(ctx, tx, "user.recovery_cancel", u.ID, nil)
		})
	})
}

// Sessions implements [authapi.Service].
func (g *Gate) Sessions(ctx context.Context) (out []authapi.SessionInfo, err error) {
	err = g.own(ctx, func(user string) error {
		all, err := g.sessions.List(ctx, user)
		for _, s := range all {
			out = append(out, authapi.SessionInfo{
				ID: s.ID, Agent: s.Agent, Device: s.Device, Address: s.Address, AMR: s.AMR, Created: s.Created, LastSeen: s.LastSeen, Expires: s.Expires, Current: s.Current,
			})
		}
		return err
	})
	return out, err
}

// RevokeSession implements [authapi.Service].
func (g *Gate) RevokeSession(ctx context.Context, r authapi.IDRequest) error {
	return g.own(ctx, func(user string) error { return g.sessions.Revoke(ctx, user, r.ID) })
}

// RevokeOtherSessions implements [authapi.Service].
func (g *Gate) RevokeOtherSessions(ctx context.Context) error {
	t, err := caller(ctx)
	if err != nil {
		return err
	}
	_, err = g.sessions.RevokeOthers(ctx, t.Subject, t.Session)
	return err
}

// Tokens implements [authapi.Service].
func (g *Gate) Tokens(ctx context.Context) (out []authapi.APIToken, err error) {
	err = g.own(ctx, func(user string) error {
		return g.users.db.View(ctx, func(tx *db.Tx) error {
			all, err := tokensOf(ctx, tx, user, g.now())
			for _, t := range all {
				out = append(out, tokenView(t, ""))
			}
			return err
		})
	})
	return out, err
}

func tokenView(t Token, secret string) authapi.APIToken {
	return authapi.APIToken{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Created: t.Created, Expires: t.Expires, Secret: secret}
}

// CreateToken implements [authapi.Service]. It needs a sign-in of the last 5 minutes:
// the token outlives the session.
func (g *Gate) CreateToken(ctx context.Context, r authapi.CreateTokenRequest) (authapi.APIToken, error) {
	t, err := caller(ctx)
	if err != nil {
		return authapi.APIToken{}, err
	}
	if !g.creds.isFresh(t) {
		return authapi.APIToken{}, ErrStepUp
	}
	name, err := g.accountName(ctx, t.Account)
	if err != nil {
		return authapi.APIToken{}, err
	}
	made, secret, err := g.users.CreateToken(ctx, NewToken{User: t.Subject, Account: name, Name: r.Name, Scopes: r.Scopes, Expires: r.Expires})
	return tokenView(made, secret), err
}

func (g *Gate) accountName(ctx context.Context, id string) (name string, err error) {
	err = g.users.db.View(ctx, func(tx *db.Tx) error {
		err := tx.QueryRowContext(ctx, `SELECT name FROM accounts WHERE id = $1`, id).Scan(&name)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNoAccount
		}
		return err
	})
	return name, err
}

// RevokeToken implements [authapi.Service].
func (g *Gate) RevokeToken(ctx context.Context, r authapi.IDRequest) error {
	return g.own(ctx, func(string) error { return g.users.RevokeToken(ctx, r.ID) })
}

// Activity implements [authapi.Service].
func (g *Gate) Activity(ctx context.Context) (out []authapi.Activity, err error) {
	err = g.own(ctx, func(user string) error {
		out, err = g.log.OfUser(ctx, user, maxActivity)
		return err
	})
	return out, err
}
