package account

import (
	"context"
	"errors"
	"log/slog"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"signet/internal/db"
)

// whyNot says why a passkey was refused, to the log alone.
type whyNot string

func (w whyNot) Error() string { return string(w) }

// because returns what the library found wrong. Its details hold nothing of the
// answer. What it would tell a developer may; but of the flags and the RP ID it
// tells nothing else.
func because(err error) error {
	e, ok := errors.AsType[*protocol.Error](err)
	switch {
	case !ok:
		return whyNot("answer cannot be read")
	case e.Details == protocol.ErrVerification.Details:
		return whyNot(e.DevInfo)
	}
	return whyNot(e.Details)
}

// BeginSignIn asks a browser for any passkey of this site, of whomever.
func (p *Passkeys) BeginSignIn(context.Context) (PasskeyChallenge, error) {
	assertion, session, err := p.web.BeginDiscoverableLogin()
	if err != nil {
		return PasskeyChallenge{}, err
	}
	return p.ask(toSignIn, "", session.Challenge, assertion.Response)
}

// FinishSignIn returns the user whose passkey answered, with the JSON of
// PublicKeyCredential.toJSON, of at most 64 KiB; and else ErrPasskey. It is a whole
// sign-in: no second factor is asked. The caller holds the user in the transaction
// that makes a session.
func (p *Passkeys) FinishSignIn(ctx context.Context, handle string, response []byte) (User, Passkey, error) {
	u, k, err := p.check(ctx, toSignIn, "", handle, response)
	return u, k, refused(ctx, "", err)
}

// BeginFactor asks for a passkey of a user, named by id: as a second factor, or
// to prove themselves again. It returns ErrNoPasskey where they have none. Call it
// only after the first factor: it tells which passkeys there are.
func (p *Passkeys) BeginFactor(ctx context.Context, user string) (PasskeyChallenge, error) {
	var rows []passkeyRow
	err := p.c.users.db.View(ctx, func(tx *db.Tx) (err error) {
		rows, err = passkeysOf(ctx, tx, user)
		return err
	})
	if err != nil {
		return PasskeyChallenge{}, err
	}
	if len(rows) == 0 {
		return PasskeyChallenge{}, ErrNoPasskey
	}
	assertion, session, err := p.web.BeginLogin(passkeyOwner{handle: rows[0].handle, credentials: records(rows)})
	if err != nil {
		return PasskeyChallenge{}, err
	}
	return p.ask(asFactor, user, session.Challenge, assertion.Response)
}

// FinishFactor returns the passkey of that user which answered, and else ErrPasskey.
// A passkey that has just been removed or added counts as it is now.
func (p *Passkeys) FinishFactor(ctx context.Context, user, handle string, response []byte) (Passkey, error) {
	_, k, err := p.check(ctx, asFactor, user, handle, response)
	return k, refused(ctx, user, err)
}

// refused logs why an assertion proved nothing, and returns what the client may know.
func refused(ctx context.Context, user string, err error) error {
	why, ok := errors.AsType[whyNot](err)
	if !ok {
		return err
	}
	slog.InfoContext(ctx, "passkey refused", "reason", string(why), "user", user)
	return ErrPasskey
}

// check is of an answer to a question for that purpose and user, who is empty where
// nobody was known. Its error is whyNot where the answer proves nothing.
func (p *Passkeys) check(ctx context.Context, why purpose, user, handle string, response []byte) (User, Passkey, error) {
	ch, err := p.asked(handle, why, user)
	if err != nil {
		return User{}, Passkey{}, err
	}
	if len(response) > maxPasskeyResponse {
		return User{}, Passkey{}, whyNot("answer is too long")
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return User{}, Passkey{}, because(err)
	}
	row, err := p.find(ctx, parsed.RawID)
	if err != nil {
		return User{}, Passkey{}, err
	}
	if why == asFactor && row.User != user {
		return User{}, Passkey{}, whyNot("passkey is another user's")
	}
	if err := p.verify(why, ch, row, parsed); err != nil {
		return User{}, Passkey{}, err
	}
	return p.use(ctx, ch, row, parsed.Response.AuthenticatorData)
}

// verify checks an assertion (section 7.2), all but the counter.
func (p *Passkeys) verify(why purpose, ch ceremony, row passkeyRow, parsed *protocol.ParsedCredentialAssertionData) (err error) {
	owner := passkeyOwner{handle: row.handle, credentials: webauthn.Credentials{row.record}}
	if why == toSignIn {
		// It compares the user handle, which must be there, with the owner's.
		_, _, err = p.web.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return owner, nil }, p.session(ch, nil), parsed)
	} else {
		_, err = p.web.ValidateLogin(owner, p.session(ch, row.handle), parsed)
	}
	if err != nil {
		return because(err)
	}
	return nil
}

// use spends the challenge and moves the counter on. With a counter that does not
// grow (section 6.1.1) nothing is proven, and the challenge is spent all the same.
func (p *Passkeys) use(ctx context.Context, ch ceremony, row passkeyRow, auth protocol.AuthenticatorData) (u User, k Passkey, err error) {
	cloned := false
	err = p.c.users.db.Update(ctx, func(tx *db.Tx) error {
		if u, err = p.c.users.Hold(ctx, tx, row.User); errors.Is(err, ErrNoUser) {
			return whyNot("user is disabled")
		} else if err != nil {
			return err
		}
		at := db.Now(p.c.users.now())
		if err := useChallenge(ctx, tx, ch, at); err != nil {
			return err
		}
		k = row.Passkey
		k.Synced, k.LastUsed = auth.Flags.HasBackupState(), at
		grew, err := usePasskey(ctx, tx, k, auth.Counter)
		if err != nil || grew {
			return err
		}
		cloned = true
		return p.c.users.record(ctx, tx, "user.passkey_cloned", u.ID, map[string]any{"passkey": k.ID, "counter": auth.Counter})
	})
	if err == nil && cloned {
		err = whyNot("counter did not grow: the passkey may have been copied")
	}
	if err != nil {
		return User{}, Passkey{}, err
	}
	return u, k, nil
}

func (p *Passkeys) find(ctx context.Context, credential []byte) (row passkeyRow, err error) {
	err = p.c.users.db.View(ctx, func(tx *db.Tx) (err error) {
		row, err = passkeyByCredential(ctx, tx, credential)
		return err
	})
	return row, err
}

func (p *Passkeys) userHandle(ctx context.Context, user string) (handle []byte, err error) {
	err = p.c.users.db.View(ctx, func(tx *db.Tx) (err error) {
		handle, err = findUserHandle(ctx, tx, user)
		return err
	})
	return handle, err
}
