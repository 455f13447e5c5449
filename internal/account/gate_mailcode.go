package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/notify"
	"signet/internal/ticket"
)

// purposeMailCode is of tickets that wait for a mailed code.
const purposeMailCode = "mail-code"

// askMailCode begins a first sign-in by an address that the provider has no authority
// over: the user who has the address proves that they have its mailbox. It returns
// MFARequired where a code was mailed, and nil where nobody is to be found by address.
func (g *Gate) askMailCode(ctx context.Context, r authapi.OAuthRequest) error {
	r, err := checked(r)
	if err != nil {
		return err
	}
	code, secret := newMailCode(), ""
	var u User
	err = g.users.db.Update(ctx, func(tx *db.Tx) error {
		if _, err := findIdentity(ctx, tx, r.Provider, r.ProviderSub); err == nil {
			return ErrNoUser // they are known already
		} else if !errors.Is(err, ErrNoIdentity) {
			return err
		}
		if u, err = g.ids.ownerOfVerified(ctx, tx, r); err != nil {
			return err
		}
		secret, err = g.sessions.NewMFATicket(ctx, tx, MFATicket{
			User: u.ID, AMR: []string{r.Provider}, Purpose: purposeMailCode, Browser: r.Browser.Binding,
			Facts: MFAFacts{Provider: r.Provider, Pending: &r, CodeHash: mailCodeHash(u.ID, code)},
		})
		return err
	})
	if errors.Is(err, ErrNoUser) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := g.mayMail(ctx, r.Email, r.Browser); err != nil {
		return err
	}
	g.post.Send(ctx, notify.Message{To: []string{r.Email}, Locale: r.Locale, What: notify.MailCode, Values: map[string]any{"Code": code}})
	return authapi.NewMFARequired(secret, []string{authapi.MethodMailCode}, MFATicketLife)
}

// newMailCode returns eight random digits.
func newMailCode() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(100_000_000)) // never fails
	return fmt.Sprintf("%08d", n)
}

// mailCodeHash is good enough for ten minutes and five attempts.
func mailCodeHash(user, code string) []byte {
	h := sha256.Sum256([]byte("mail code " + user + " " + code))
	return h[:]
}

// mailCode finishes what askMailCode began: the identity is the user's from now on.
func (g *Gate) mailCode(ctx context.Context, m MFATicket, r authapi.MFARequest) (authapi.TokenResponse, error) {
	err := g.creds.checkCode(ctx, m.User, func() error {
		if m.Facts.Pending == nil || subtle.ConstantTimeCompare(mailCodeHash(m.User, digits(r.Code)), m.Facts.CodeHash) != 1 {
			return ErrCode
		}
		return g.users.db.Update(ctx, func(tx *db.Tx) error { return g.sessions.ConsumeMFATicket(ctx, tx, r.Ticket) })
	})
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	return g.resolve(ctx, *m.Facts.Pending, nil, r.Browser)
}

// resolve finds the user of an identity, and goes on with their sign-in.
func (g *Gate) resolve(ctx context.Context, r authapi.OAuthRequest, person *ticket.Ticket, b authapi.Browser) (authapi.TokenResponse, error) {
	found, err := g.ids.Resolve(ticket.With(ctx, ticket.Operator([]string{authapi.PermissionOAuth})), r, person)
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	if r.LinkToUserID != "" { // who links is signed in already
		return authapi.TokenResponse{UserID: found.User.ID, AccountID: found.Account.ID, Roles: found.Roles, Linked: found.Linked}, nil
	}
	return g.enter(ctx, proof{
		user: found.User.ID, account: found.Account.ID, amr: []string{r.Provider}, at: g.now(),
		facts: MFAFacts{Provider: r.Provider, Created: found.Created, Linked: found.Linked},
	}, b)
}
