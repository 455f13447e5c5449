package account

import (
	"context"
	"errors"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/limit"
	"signet/internal/notify"
	"signet/internal/ticket"
)

// How long a password is, in characters (code points) after Unicode normalisation to
// NFC. There are no other rules of composition (NIST SP 800-63B-4, section 3.1.1.2).
const (
	MinPassword       = 15
	MinPasswordFactor = 8 // where the user has an authenticator app, or has switched MFA on
	MaxPassword       = 128

	maxPasswordBytes = 4096 // before normalisation
)

// What a password can be refused for.
var (
	// ErrCredentials is the one answer to every sign-in that proves nothing: address
	// unknown, password wrong or none, user disabled.
	ErrCredentials = fault.New(fault.Unauthorized, "the address or the password is wrong").Named(authapi.WordCredentials)

	ErrPasswordShort = fault.Newf(fault.Invalid, "must have at least %d characters, or %d where a second factor is asked", MinPassword, MinPasswordFactor).Named("password-short")
	ErrPasswordLong  = fault.Newf(fault.Invalid, "must have at most %d characters", MaxPassword).Named("password-long")
	ErrGuessable     = fault.New(fault.Invalid, "is too easy to guess: it is common or leaked, repeats itself, or is mostly your own name or address").Named("password-guessable")
	ErrOldPassword   = fault.New(fault.Forbidden, "is not the present password").Named("old-password")
	ErrNoPassword    = fault.New(fault.NotFound, "the user has no password")
)

// passwordRow is a user with what is kept of their password.
type passwordRow struct {
	user     User
	hash     string // PHC; empty where there is none
	short    bool   // under MinPassword characters
	factored bool   // a second factor is asked, by what only the user can change: what others demand, they may take back
}

// CheckPassword returns the user whose verified address and password these are, and
// else ErrCredentials, which takes as long whether or not there is such a user.
// Wrong passwords are counted: limit.ErrRate says when to try again. ErrBusy means
// that too many are being checked.
//
// The caller asks for a second factor where [Factors.Required], and holds the user
// in the transaction that makes a session.
func (c *Credentials) CheckPassword(ctx context.Context, address, password string, from Origin) (User, error) {
	folded, err := FoldAddress("address", address)
	var row passwordRow
	if err == nil { // what is no address is nobody's
		if row, err = c.findPassword(ctx, folded); err != nil {
			return User{}, err
		}
		address = folded
	}
	group, buckets := from.prefix(), []limit.Bucket{
		{Name: "password.prefix", Key: from.prefix(), Rate: prefixRate},
		{Name: "password.address", Key: address, Rate: strangerRate},
	}
	device, known := c.knownDevice(from.Device, row.user.ID)
	if known {
		group = "user " + row.user.ID // of all their browsers: anybody can have many of their own known
		buckets = []limit.Bucket{{Name: "password.device", Key: row.user.ID + " " + device, Rate: deviceRate}}
	}
	var upgraded string
	err = c.attempt(ctx, ErrCredentials, func() (err error) {
		upgraded, err = c.verify(ctx, row, password, group, known)
		return err
	}, buckets...)
	if err != nil {
		return User{}, err
	}
	if upgraded == "" {
		return row.user, nil
	}
	return row.user, c.users.db.Update(ctx, func(tx *db.Tx) error {
		return replaceHash(ctx, tx, row.user.ID, row.hash, upgraded)
	})
}

// verify returns nil where password is the row's, and a new hash where the stored one
// is of another cost than today's.
func (c *Credentials) verify(ctx context.Context, row passwordRow, password, group string, known bool) (upgraded string, err error) {
	stored, has := c.decoy, row.hash != ""
	if has {
		if stored, err = parsePHC(row.hash); err != nil {
			return "", err
		}
	}
	password, normal := normalise(password)
	matches := false
	err = c.slots.do(ctx, group, known, func() {
		// First the hash: it takes as long for everybody.
		matches = stored.matches(password) && has && normal && row.user.Disabled.IsZero()
		if matches && stored.cost != passwordCost {
			upgraded = hashPassword(password, passwordCost).String()
		}
	})
	if err == nil && !matches {
		err = ErrCredentials
	}
	return upgraded, err
}

// SetPassword gives a user, named by id, a password, or changes it. A user must have
// proven themselves within 5 minutes, and else send the old one; the operator needs
// neither. It returns ErrStepUp, ErrOldPassword, or what is wrong with the new one.
func (c *Credentials) SetPassword(ctx context.Context, user, old, password string) error {
	if err := c.mayChange(ctx, user, false); err != nil {
		return err
	}
	var row passwordRow
	err := c.users.db.View(ctx, func(tx *db.Tx) (err error) {
		row, err = passwordOf(ctx, tx, user)
		return err
	})
	if err != nil {
		return err
	}
	if !row.user.Disabled.IsZero() {
		return ErrNoUser
	}
	if _, err := c.accept(row, password); err != nil {
		return err
	}
	if !c.isFresh(ticket.From(ctx)) {
		if err := c.provePassword(ctx, row, old); err != nil {
			return err
		}
	}
	hash, short, err := c.hash(ctx, row, password, "user "+user)
	if err != nil {
		return err
	}
	return c.change(ctx, user, false, func(tx *db.Tx, u User) error {
		now, err := passwordOf(ctx, tx, user)
		if err != nil {
			return err
		}
		if now.hash != row.hash || short && !now.factored {
			return ErrChanged.At("password")
		}
		if err := storePassword(ctx, tx, user, hash, short, db.Now(c.users.now())); err != nil {
			return err
		}
		if err := deleteMFATickets(ctx, tx, user); err != nil { // the old password proved them
			return err
		}
		if err := deleteLinks(ctx, tx, user, authapi.LinkSetup); err != nil {
			return err
		}
		c.tell(ctx, tx, u, notify.PasswordSet, "")
		return c.users.record(ctx, tx, "user.password_set", u.ID, map[string]any{"replaced": row.hash != ""})
	})
}

// provePassword holds the old password against the stored one, on a budget of its
// own: whoever has a session may not try for ever.
func (c *Credentials) provePassword(ctx context.Context, row passwordRow, old string) error {
	if row.hash == "" || old == "" {
		return ErrStepUp
	}
	err := c.attempt(ctx, ErrCredentials, func() error {
		_, err := c.verify(ctx, row, old, "user "+row.user.ID, true)
		return err
	}, limit.Bucket{Name: "password.change", Key: row.user.ID, Rate: deviceRate})
	if errors.Is(err, ErrCredentials) {
		return ErrOldPassword.At("oldPassword")
	}
	return err
}

// RemovePassword removes the password of a user, named by id, who proved themselves
// within 5 minutes. It returns ErrLastWayIn where they could not sign in any more.
func (c *Credentials) RemovePassword(ctx context.Context, user string) error {
	return c.change(ctx, user, true, func(tx *db.Tx, u User) error {
		if err := deletePassword(ctx, tx, u.ID); err != nil {
			return err
		}
		if err := deleteMFATickets(ctx, tx, u.ID); err != nil {
			return err
		}
		left, err := waysIn(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if left == 0 {
			return ErrLastWayIn.At("password")
		}
		c.tell(ctx, tx, u, notify.PasswordRemoved, "")
		return c.users.record(ctx, tx, "user.password_remove", u.ID, nil)
	})
}

// hash returns the hash of a password that a user may have, and whether it is too short
// to stand alone. Group is who waits for a slot.
func (c *Credentials) hash(ctx context.Context, row passwordRow, password, group string) (hash string, short bool, err error) {
	password, err = c.accept(row, password)
	if err != nil {
		return "", false, err
	}
	known := row.hash != ""
	err = c.slots.do(ctx, group, known, func() { hash = hashPassword(password, passwordCost).String() })
	return hash, utf8.RuneCountInString(password) < MinPassword, err
}

// accept returns the password as it is hashed, or what is wrong with it.
func (c *Credentials) accept(row passwordRow, password string) (string, error) {
	if err := db.Clean("password", password); err != nil {
		return "", err
	}
	normal, ok := normalise(password)
	least := MinPassword
	if row.factored {
		least = MinPasswordFactor
	}
	switch {
	case !ok:
		return "", ErrPasswordLong.At("password")
	case utf8.RuneCountInString(normal) < least:
		return "", ErrPasswordShort.At("password")
	case c.guess.guessable(normal, ownWords(row.user)):
		return "", ErrGuessable.At("password")
	}
	return normal, nil
}

// normalise returns password in NFC, so that it is the same on every keyboard, and
// whether it is one that can have been set. What is too long is cut.
func normalise(password string) (string, bool) {
	if len(password) > maxPasswordBytes {
		return password[:maxPasswordBytes], false
	}
	if db.Clean("", password) != nil {
		return password, false
	}
	n := norm.NFC.String(password)
	return n, utf8.RuneCountInString(n) <= MaxPassword
}

func (c *Credentials) findPassword(ctx context.Context, address string) (row passwordRow, err error) {
	err = c.users.db.View(ctx, func(tx *db.Tx) (err error) {
		row, err = passwordAt(ctx, tx, address)
		return err
	})
	return row, err
}

// ConfirmPassword returns nil where the password is that of a user, named by id, who is
// signed in, and else ErrCredentials or ErrStepUp where there is none.
func (c *Credentials) ConfirmPassword(ctx context.Context, user, password string) error {
	var row passwordRow
	err := c.users.db.View(ctx, func(tx *db.Tx) (err error) {
		row, err = passwordOf(ctx, tx, user)
		return err
	})
	if err != nil {
		return err
	}
	err = c.provePassword(ctx, row, password)
	if errors.Is(err, ErrOldPassword) {
		return ErrCredentials
	}
	return err
}
