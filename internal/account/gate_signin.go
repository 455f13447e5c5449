package account

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/ticket"
)

// ErrFactorNeeded refuses a password alone where a second factor is asked.
var ErrFactorNeeded = fault.New(fault.Forbidden, "prove it with your second factor: the password alone is not enough").Named("factor-needed")

var errMethod = fault.New(fault.Invalid, "must be passkey, totp or recovery_code").At("method")

// Password implements [authapi.Service].
func (g *Gate) Password(ctx context.Context, r authapi.PasswordRequest) (authapi.TokenResponse, error) {
	u, err := g.creds.CheckPassword(ctx, r.Address, r.Password, origin(r.Browser))
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	return g.enter(ctx, proof{user: u.ID, amr: []string{AMRPassword}, at: g.now(), device: true}, r.Browser)
}

func (g *Gate) now() time.Time { return db.Now(g.users.now()) }

func origin(b authapi.Browser) Origin {
	a, _ := netip.ParseAddr(b.Address) // none shares a budget
	return Origin{Address: a, Device: b.Device}
}

// OAuth implements [authapi.Service].
func (g *Gate) OAuth(ctx context.Context, r authapi.OAuthRequest) (authapi.TokenResponse, error) {
	if r.MailCode && r.EmailVerified && r.LinkToUserID == "" {
		if err := g.askMailCode(ctx, r); err != nil {
			return authapi.TokenResponse{}, err
		}
		r.EmailVerified = false
	}
	return g.resolve(ctx, r, ticket.From(ctx), r.Browser)
}

// BeginPasskey implements [authapi.Service].
func (g *Gate) BeginPasskey(ctx context.Context, r authapi.BeginPasskeyRequest) (authapi.Challenge, error) {
	switch {
	case r.Ticket != "":
		m, err := g.signInTicket(ctx, r.Ticket, r.Browser)
		if err != nil {
			return authapi.Challenge{}, err
		}
		return challenge(g.keys.BeginFactor(ctx, m.User))
	case r.StepUp:
		t, err := caller(ctx)
		if err != nil {
			return authapi.Challenge{}, err
		}
		return challenge(g.keys.BeginFactor(ctx, t.Subject))
	}
	return challenge(g.keys.BeginSignIn(ctx))
}

func challenge(c PasskeyChallenge, err error) (authapi.Challenge, error) {
	return authapi.Challenge{Options: c.Options, Handle: c.Handle}, err
}

// passkeyAMR are the methods of a passkey that verified its user.
func passkeyAMR() []string { return []string{AMRPasskey, AMRPresence, AMRMultiple} }

// Passkey implements [authapi.Service].
func (g *Gate) Passkey(ctx context.Context, r authapi.PasskeyRequest) (authapi.TokenResponse, error) {
	u, _, err := g.keys.FinishSignIn(ctx, r.Handle, r.Assertion)
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	return g.enter(ctx, proof{user: u.ID, amr: passkeyAMR(), at: g.now(), device: true}, r.Browser)
}

// MFA implements [authapi.Service].
func (g *Gate) MFA(ctx context.Context, r authapi.MFARequest) (authapi.TokenResponse, error) {
	m, err := g.sessions.MFATicket(ctx, r.Ticket, r.Browser.Binding)
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	if m.Purpose == purposeMailCode {
		return g.mailCode(ctx, m, r)
	}
	amr, left, err := g.second(ctx, m, r)
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	res, err := g.open(ctx, proof{
		user: m.User, account: m.Account, amr: methods(m.AMR, amr), at: m.Created, facts: m.Facts, ticket: r.Ticket, device: true,
	}, r.Browser)
	if err == nil && r.Method == authapi.MethodRecoveryCode {
		res.CodesLeft = &left
	}
	return res, err
}

// signInTicket returns the ticket of a sign-in whose first factor is proven.
func (g *Gate) signInTicket(ctx context.Context, secret string, b authapi.Browser) (MFATicket, error) {
	m, err := g.sessions.MFATicket(ctx, secret, b.Binding)
	if err == nil && m.Purpose != purposeSignIn {
		err = ErrMFATicket
	}
	return m, err
}

// second checks a second factor, and returns its methods and how many recovery codes
// are left where one was used.
func (g *Gate) second(ctx context.Context, m MFATicket, r authapi.MFARequest) (amr []string, left int, err error) {
	switch r.Method {
	case authapi.MethodPasskey:
		_, err = g.keys.FinishFactor(ctx, m.User, r.Handle, r.Assertion)
		return passkeyAMR(), 0, err
	case authapi.MethodRecoveryCode:
		left, err = g.creds.CheckRecoveryCode(ctx, m.User, r.Code)
	case authapi.MethodTOTP:
		err = g.code(ctx, m, r.Code)
	default:
		err = errMethod
	}
	return []string{AMROneTime, AMRMultiple}, left, err
}

// code checks a code of the authenticator app, or confirms the app with it where this
// sign-in has the user set one up.
func (g *Gate) code(ctx context.Context, m MFATicket, code string) error {
	f, err := g.creds.Factors(ctx, m.User)
	if err != nil {
		return refusal(err)
	}
	if len(f.Methods()) == 0 {
		return g.creds.ConfirmTOTP(asUser(ctx, m), m.User, digits(code))
	}
	return g.creds.CheckTOTP(ctx, m.User, digits(code))
}

// asUser is a context of the user of an MFA ticket, for setting up the factor that it
// asks for.
func asUser(ctx context.Context, m MFATicket) context.Context {
	return ticket.With(ctx, &ticket.Ticket{Kind: ticket.User, Subject: m.User, Account: m.Account, AMR: m.AMR, AuthTime: m.Created})
}

// EnrolFactor implements [authapi.Service].
func (g *Gate) EnrolFactor(ctx context.Context, r authapi.EnrolFactorRequest) (authapi.Enrolment, error) {
	m, err := g.signInTicket(ctx, r.Ticket, r.Browser)
	if err != nil {
		return authapi.Enrolment{}, err
	}
	f, err := g.creds.Factors(ctx, m.User)
	if err != nil {
		return authapi.Enrolment{}, refusal(err)
	}
	if len(f.Methods()) > 0 { // the first factor alone must not replace the second
		return authapi.Enrolment{}, ErrTOTPExists
	}
	return g.beginTOTP(asUser(ctx, m), m.User, r.Browser.Binding)
}

// beginTOTP labels the app by this installation and the user's first address.
func (g *Gate) beginTOTP(ctx context.Context, user, holder string) (authapi.Enrolment, error) {
	var u User
	err := g.users.db.View(ctx, func(tx *db.Tx) (err error) {
		u, err = g.users.lookUp(ctx, tx, user, "")
		return err
	})
	if err != nil {
		return authapi.Enrolment{}, err
	}
	e, err := g.creds.BeginTOTP(ctx, user, g.o.host(), accountName(u), holder)
	return authapi.Enrolment{URL: e.URL, Secret: e.Secret, RecoveryCodes: e.RecoveryCodes}, err
}

// digits returns a code as people type it, without the space in its middle.
func digits(code string) string { return strings.ReplaceAll(code, " ", "") }

// StepUp implements [authapi.Service].
func (g *Gate) StepUp(ctx context.Context, r authapi.StepUpRequest) (authapi.TokenResponse, error) {
	t, err := caller(ctx)
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	amr, err := g.again(ctx, t, r)
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	res := authapi.TokenResponse{UserID: t.Subject, AccountID: t.Account}
	if res.RefreshToken, err = g.sessions.Refresh(ctx, t.Session, amr, g.now()); err != nil {
		return authapi.TokenResponse{}, err
	}
	var now *ticket.Ticket
	err = g.users.db.View(ctx, func(tx *db.Tx) error {
		if res.Roles, err = roleNames(ctx, tx, t.Account, t.Subject); err != nil {
			return err
		}
		s, err := g.sessions.look(ctx, tx, t.Session)
		if err != nil {
			return err
		}
		now, err = g.sessions.ticketOf(ctx, tx, s)
		return err
	})
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	return g.signed(ctx, res, now)
}

// again checks what the caller proves themselves with once more.
func (g *Gate) again(ctx context.Context, t *ticket.Ticket, r authapi.StepUpRequest) (amr []string, err error) {
	switch {
	case len(r.Assertion) > 0:
		_, err = g.keys.FinishFactor(ctx, t.Subject, r.Handle, r.Assertion)
		return passkeyAMR(), err
	case r.Code != "":
		return []string{AMROneTime}, g.creds.CheckTOTP(ctx, t.Subject, digits(r.Code))
	}
	f, err := g.creds.Factors(ctx, t.Subject)
	if err != nil {
		return nil, err
	}
	if f.Required() && (f.TOTP || f.Passkeys > 0) { // a password and a copied session must not remove the factor
		return nil, ErrFactorNeeded
	}
	return []string{AMRPassword}, g.creds.ConfirmPassword(ctx, t.Subject, r.Password)
}

// Session implements [authapi.Service].
func (g *Gate) Session(ctx context.Context, r authapi.SessionRequest) (authapi.Session, error) {
	c, err := g.sessions.Check(ctx, r.RefreshToken, Browser{Address: r.Browser.Address, Agent: r.Browser.Agent})
	if err != nil {
		return authapi.Session{}, err
	}
	s := authapi.Session{Ticket: c.Ticket, DisplayName: c.User.DisplayName, Successor: c.Successor, Expires: c.Session.Expires}
	var roles []string
	err = g.users.db.View(ctx, func(tx *db.Tx) error {
		if err := tx.QueryRowContext(ctx, `
			SELECT u.locale, a.name FROM users u, accounts a WHERE u.id = $1 AND a.id = $2`, c.User.ID, c.Session.Account).
			Scan(&s.Locale, &s.Account); err != nil {
			return err
		}
		roles, err = roleNames(ctx, tx, c.Session.Account, c.User.ID)
		return err
	})
	if err != nil {
		return authapi.Session{}, err
	}
	s.AccessToken, _, err = g.tokens.Issue(ctx, c.Ticket, roles)
	return s, err
}

// SignOut implements [authapi.Service].
func (g *Gate) SignOut(ctx context.Context, r authapi.SignOutRequest) error {
	return g.sessions.End(ctx, r.RefreshToken)
}
