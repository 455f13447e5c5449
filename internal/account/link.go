package account

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/notify"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// How long mailed links are good.
const (
	shortLink   = time.Hour // sign-up, reset, verification; the first administrator's setup
	inviteLink  = 7 * 24 * time.Hour
	recoverWait = 48 * time.Hour
	recoverLink = recoverWait + 7*24*time.Hour

	// recoverAfterReset is for how long after a password reset nothing is recovered by
	// mail: who has the mailbox alone must not get in.
	recoverAfterReset = 7 * 24 * time.Hour
)

// What mailed links can refuse.
var (
	errManyAddresses = fault.Newf(fault.Conflict, "there are %d addresses that wait to be confirmed: confirm or remove one first", maxUnverified).Named("many")

	ErrLink            = fault.New(fault.Gone, "the link was used, has expired or is not whole: ask for a new one").Named(authapi.WordLink)
	ErrTooEarly        = fault.New(fault.Conflict, "it is too early for this link").Named(authapi.WordTooEarly)
	ErrRecoveryRefused = fault.New(fault.Forbidden, "this account cannot be recovered by mail: ask an administrator").Named("recovery-refused")
)

// Who may have mails sent.
var (
	mailAddressRate = limit.Rate{Burst: 4, Every: 15 * time.Minute} // to one address
	mailPrefixRate  = limit.Rate{Burst: 20, Every: time.Minute}     // from one network
)

// linkRow is a mailed code. Only its hash is stored.
type linkRow struct {
	purpose            authapi.LinkPurpose
	user               string // empty: nobody's, which opens nothing but a sign-up
	email              string
	locale, next       string
	notBefore, expires time.Time
}

// newLink stores a link and returns its address.
func (g *Gate) newLink(ctx context.Context, tx *db.Tx, l linkRow) (address string, err error) {
	code, hash := seal.NewSecret("")
	if err := insertLink(ctx, tx, hash, l, g.now()); err != nil {
		return "", err
	}
	return g.o.Origin + linkPath(l.purpose) + code, nil
}

func linkPath(p authapi.LinkPurpose) string {
	if p == authapi.LinkSetup || p == authapi.LinkFirst {
		return "/setup/"
	}
	return "/login/link/"
}

// mayMail spends of the budgets of an address and a network.
func (g *Gate) mayMail(ctx context.Context, email string, b authapi.Browser) error {
	return g.creds.throttle.Take(ctx,
		limit.Bucket{Name: "mail.address", Key: email, Rate: mailAddressRate},
		limit.Bucket{Name: "mail.prefix", Key: origin(b).prefix(), Rate: mailPrefixRate})
}

// SignUp implements [authapi.Service]. It does as much for an address that has a user
// as for one that has none.
func (g *Gate) SignUp(ctx context.Context, r authapi.SignUpRequest) error {
	if g.o.SignUp != "open" {
		return ErrSignUpClosed
	}
	email, err := FoldAddress("email", r.Email)
	if err != nil {
		return err
	}
	if err := g.mayMail(ctx, email, r.Browser); err != nil {
		return err
	}
	m := notify.Message{To: []string{email}, Locale: r.Locale, What: notify.SignUp}
	return g.mail(ctx, &m, linkRow{purpose: authapi.LinkSignUp, email: email, locale: r.Locale, next: r.Next, expires: g.now().Add(shortLink)},
		func(ctx context.Context, tx *db.Tx, _ *linkRow) error {
			_, err := ownerOf(ctx, tx, email)
			if err == nil {
				m.What = notify.SignUpKnown
			}
			if errors.Is(err, ErrNoUser) {
				err = nil
			}
			return err
		})
}

// mail stores a link, after look has looked whose it is, and sends it.
func (g *Gate) mail(ctx context.Context, m *notify.Message, l linkRow, look func(ctx context.Context, tx *db.Tx, l *linkRow) error) error {
	var address string
	err := g.users.db.Update(ctx, func(tx *db.Tx) (err error) {
		if err := look(ctx, tx, &l); err != nil {
			return err
		}
		address, err = g.newLink(ctx, tx, l)
		return err
	})
	if err != nil {
		return err
	}
	switch m.What {
	case notify.SignUpKnown, notify.ResetNone:
		address = g.o.Origin + "/login"
	case "": // there is nobody to write to
		return nil
	}
	m.Link = address
	g.post.Send(ctx, *m)
	return nil
}

// Forgot implements [authapi.Service].
func (g *Gate) Forgot(ctx context.Context, r authapi.ForgotRequest) error {
	email, err := FoldAddress("email", r.Email)
	if err != nil {
		return err
	}
	if err := g.mayMail(ctx, email, r.Browser); err != nil {
		return err
	}
	m := notify.Message{To: []string{email}, Locale: r.Locale}
	return g.mail(ctx, &m, linkRow{purpose: authapi.LinkReset, email: email, locale: r.Locale, next: r.Next, expires: g.now().Add(shortLink)},
		func(ctx context.Context, tx *db.Tx, l *linkRow) error {
			row, err := passwordAt(ctx, tx, email)
			switch {
			case err != nil:
				return err
			case row.user.ID == "" || !row.user.Disabled.IsZero():
				m.What, l.user = "", ""
			case row.hash == "":
				m.What, l.user = notify.ResetNone, ""
			default:
				m.What, l.user = notify.Reset, row.user.ID
			}
			return nil
		})
}

// Recover implements [authapi.Service]. The first factor is proven: it has an MFA ticket.
func (g *Gate) Recover(ctx context.Context, r authapi.RecoverRequest) error {
	t, err := g.signInTicket(ctx, r.Ticket, r.Browser)
	if err != nil {
		return err
	}
	f, err := g.creds.Factors(ctx, t.User)
	if err != nil {
		return refusal(err)
	}
	if f.Demanded {
		return ErrRecoveryRefused
	}
	if err := g.mayMail(ctx, "user "+t.User, r.Browser); err != nil {
		return err
	}
	from := g.now().Add(recoverWait)
	m := notify.Message{Locale: r.Locale, What: notify.Recover, Values: map[string]any{"Time": from}}
	err = g.mail(ctx, &m, linkRow{purpose: authapi.LinkRecover, user: t.User, locale: r.Locale, notBefore: from, expires: g.now().Add(recoverLink)},
		func(ctx context.Context, tx *db.Tx, l *linkRow) error {
			u, err := g.users.Hold(ctx, tx, t.User)
			if err != nil {
				return refusal(err)
			}
			if err := g.mayRecover(ctx, tx, u); err != nil {
				return err
			}
			if err := deleteLinks(ctx, tx, u.ID, authapi.LinkRecover); err != nil {
				return err
			}
			m.To, l.email = u.Addresses, u.Addresses[0]
			return g.users.record(ticket.With(ctx, nil), tx, "user.recovery_begin", u.ID, map[string]any{"from": from})
		})
	return err
}

// mayRecover refuses who has no address, and whose password was reset by mail lately.
func (g *Gate) mayRecover(ctx context.Context, tx *db.Tx, u User) error {
	if len(u.Addresses) == 0 {
		return ErrRecoveryRefused
	}
	reset, err := resetAt(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	if !reset.IsZero() && g.now().Sub(reset) < recoverAfterReset {
		return ErrRecoveryRefused
	}
	return nil
}

// Link implements [authapi.Service].
func (g *Gate) Link(ctx context.Context, r authapi.LinkRequest) (out authapi.Link, err error) {
	err = g.users.db.View(ctx, func(tx *db.Tx) error {
		l, u, err := g.findLink(ctx, tx, r.Code)
		if err != nil {
			return err
		}
		out = authapi.Link{
			Purpose: l.purpose, Email: l.email, DisplayName: u.DisplayName, Locale: l.locale, Next: l.next, NotBefore: l.notBefore, Expires: l.expires,
		}
		if l.purpose != authapi.LinkRecover || g.now().Before(l.notBefore) {
			return nil
		}
		return g.keepOrDrop(ctx, tx, u.ID, &out)
	})
	if err != nil || out.Purpose != authapi.LinkFirst {
		return out, err
	}
	has, err := g.users.HasAdministrator(ctx)
	if err == nil && has { // the command line was faster
		return authapi.Link{}, ErrLink
	}
	return out, err
}

// findLink returns a live link and its user, who may be nobody for a sign-up.
func (g *Gate) findLink(ctx context.Context, tx *db.Tx, code string) (linkRow, User, error) {
	l, err := selectLink(ctx, tx, seal.SecretHash(code), g.now())
	if err != nil || l.purpose == authapi.LinkSignUp || l.purpose == authapi.LinkFirst {
		return l, User{}, err
	}
	if l.user == "" {
		return linkRow{}, User{}, ErrLink
	}
	u, err := g.users.lookUp(ctx, tx, l.user, "")
	if err == nil && !u.Disabled.IsZero() {
		err = ErrNoUser
	}
	if errors.Is(err, ErrNoUser) {
		err = ErrLink
	}
	return l, u, err
}

// FirstLink returns the address of a link by which whoever has it becomes the first
// administrator, for an hour. It ends those made before, and returns ErrAdminExists
// where there is an administrator.
func (g *Gate) FirstLink(ctx context.Context) (address string, err error) {
	has, err := g.users.HasAdministrator(ctx)
	if err != nil {
		return "", err
	}
	if has {
		return "", ErrAdminExists
	}
	err = g.users.db.Update(ctx, func(tx *db.Tx) error {
		if err := deleteFirstLinks(ctx, tx); err != nil {
			return err
		}
		address, err = g.newLink(ctx, tx, linkRow{purpose: authapi.LinkFirst, expires: g.now().Add(shortLink)})
		return err
	})
	return address, err
}

// first makes the first administrator, who then sets up how they sign in.
func (g *Gate) first(ctx context.Context, r authapi.UseLinkRequest) (authapi.TokenResponse, error) {
	u, err := g.users.BootstrapAdmin(ticket.With(ctx, nil), r.Email)
	if errors.Is(err, ErrAdminExists) {
		err = ErrLink
	}
	if err != nil {
		return authapi.TokenResponse{}, err
	}
	if err := g.users.db.Update(ctx, func(tx *db.Tx) error { return deleteFirstLinks(ctx, tx) }); err != nil {
		return authapi.TokenResponse{}, err
	}
	return g.enter(ctx, proof{user: u.ID, amr: []string{AMRLink}, at: g.now(), device: true, first: true}, r.Browser)
}

// SetupLink returns the address of a link by which a user, named by id or address, sets
// up how they sign in. The caller may change the user; the link is the caller's to hand over.
func (g *Gate) SetupLink(ctx context.Context, user string) (address string, err error) {
	err = g.users.changeUser(ctx, user, func(tx *db.Tx, u User) error {
		if !u.Disabled.IsZero() {
			return ErrNoUser
		}
		if address, err = g.setupLink(ctx, tx, u, shortLink); err != nil {
			return err
		}
		return g.users.record(ctx, tx, "user.setup_link", u.ID, nil)
	})
	return address, err
}

func (g *Gate) setupLink(ctx context.Context, tx *db.Tx, u User, life time.Duration) (string, error) {
	if len(u.Addresses) == 0 {
		return "", ErrRecoveryRefused
	}
	return g.newLink(ctx, tx, linkRow{purpose: authapi.LinkSetup, user: u.ID, email: u.Addresses[0], expires: g.now().Add(life)})
}

// Invite creates a user and mails them a link to set up how they sign in.
func (g *Gate) Invite(ctx context.Context, n NewUser) (User, error) {
	u, err := g.users.CreateUser(ctx, n)
	if err != nil {
		return User{}, err
	}
	var link string
	err = g.users.db.Update(ctx, func(tx *db.Tx) error {
		link, err = g.setupLink(ctx, tx, u, inviteLink)
		return err
	})
	if err == nil {
		g.post.Send(ctx, notify.Message{To: u.Addresses, What: notify.Setup, Link: link, Values: map[string]any{"Account": n.Account}})
	}
	return u, err
}

// ResetFactors removes all second factors of a user, named by id or address, at once.
// The caller may change the user.
func (g *Gate) ResetFactors(ctx context.Context, user string) error {
	return g.users.changeUser(ctx, user, func(tx *db.Tx, u User) error { return g.dropFactors(ctx, tx, u) })
}

// Run deletes links that expired, until ctx ends.
func (g *Gate) Run(ctx context.Context) error {
	tick := time.NewTicker(pruneLinksEvery)
	defer tick.Stop()
	for {
		if err := g.pruneLinks(ctx); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "expired links were not deleted", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

const (
	pruneLinksEvery = 10 * time.Minute
	pruneLinksBatch = 500
)

func (g *Gate) pruneLinks(ctx context.Context) error {
	for {
		var n int64
		err := g.users.db.Update(ctx, func(tx *db.Tx) (err error) {
			n, err = pruneLinks(ctx, tx, g.now().AddDate(0, 0, -1), pruneLinksBatch)
			return err
		})
		if err != nil || n < pruneLinksBatch {
			return err
		}
	}
}
