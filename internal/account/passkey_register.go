package account

import (
	"context"
	"errors"
	"log/slog"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"signet/internal/authapi"
	"signet/internal/db"
	"signet/internal/notify"
)

// passkeyAlgorithms are offered in this order; one of the first two is in every authenticator.
func passkeyAlgorithms() []protocol.CredentialParameter {
	return []protocol.CredentialParameter{
		{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgES256},
		{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgEdDSA},
		{Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.AlgRS256}, // Windows Hello on old machines
	}
}

// BeginRegistration asks the browser of a user, named by id, who proved themselves
// within 5 minutes, to make a passkey on a device that has none of theirs.
func (p *Passkeys) BeginRegistration(ctx context.Context, user string) (PasskeyChallenge, error) {
	var owner passkeyOwner
	err := p.c.change(ctx, user, true, func(tx *db.Tx, u User) error {
		handle, err := makeUserHandle(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		rows, err := passkeysOf(ctx, tx, u.ID)
		if err != nil {
			return err
		}
		if len(rows) >= MaxPasskeys {
			return ErrTooManyPasskeys
		}
		owner = passkeyOwner{handle: handle, name: accountName(u), displayName: u.DisplayName, credentials: records(rows)}
		return nil
	})
	if err != nil {
		return PasskeyChallenge{}, err
	}
	creation, session, err := p.web.BeginRegistration(owner,
		webauthn.WithCredentialParameters(passkeyAlgorithms()),
		webauthn.WithExclusions(owner.credentials.CredentialDescriptors()),
		webauthn.WithExtensions(webauthn.WithExtensionCredProps()))
	if err != nil {
		return PasskeyChallenge{}, err
	}
	return p.ask(toRegister, user, session.Challenge, creation.Response)
}

// accountName is what authenticators list the passkey under.
func accountName(u User) string {
	if len(u.Addresses) > 0 {
		return u.Addresses[0]
	}
	return u.DisplayName
}

// FinishRegistration stores the passkey that a browser made, which answers with the
// JSON of PublicKeyCredential.toJSON, of at most 64 KiB. Where name is empty it is
// called by who keeps it. It returns ErrPasskeyInvalid, ErrPasskeyOverdue,
// ErrPasskeyExists or ErrTooManyPasskeys.
func (p *Passkeys) FinishRegistration(ctx context.Context, user, handle, name string, response []byte) (Passkey, error) {
	if err := p.c.mayChange(ctx, user, false); err != nil { // when it began the user had just signed in
		return Passkey{}, err
	}
	if name != "" {
		if err := checkName("name", name); err != nil {
			return Passkey{}, err
		}
	}
	ch, err := p.asked(handle, toRegister, user)
	if err != nil {
		return Passkey{}, unregistered(ctx, user, err, ErrPasskeyOverdue)
	}
	record, err := p.verifyNew(ctx, user, ch, response)
	if err != nil {
		return Passkey{}, unregistered(ctx, user, err, ErrPasskeyInvalid)
	}
	row := passkeyRow{Passkey: Passkey{ID: newID("psk"), User: user, Name: name}, record: *record}
	row.AAGUID = aaguid(record)
	row.Synced, row.count = record.Flags.BackupState, record.Authenticator.SignCount
	if name == "" {
		row.Name = providerName(row.AAGUID)
	}
	err = p.c.change(ctx, user, false, func(tx *db.Tx, u User) error { return p.add(ctx, tx, u, ch, &row) })
	if err != nil {
		return Passkey{}, unregistered(ctx, user, err, ErrPasskeyOverdue)
	}
	return row.Passkey, nil
}

// add wants the user's row locked: so the passkeys are counted rightly.
func (p *Passkeys) add(ctx context.Context, tx *db.Tx, u User, ch ceremony, row *passkeyRow) error {
	row.Created = db.Now(p.c.users.now())
	if err := useChallenge(ctx, tx, ch, row.Created); err != nil {
		return err
	}
	all, err := passkeysOf(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	if len(all) >= MaxPasskeys {
		return ErrTooManyPasskeys
	}
	if err := insertPasskey(ctx, tx, *row); err != nil {
		return err
	}
	if err := deleteLinks(ctx, tx, u.ID, authapi.LinkSetup); err != nil {
		return err
	}
	p.c.tell(ctx, tx, u, notify.PasskeyAdded, row.Name)
	return p.c.users.record(ctx, tx, "user.passkey_add", u.ID, map[string]any{"passkey": row.ID, "aaguid": row.AAGUID, "synced": row.Synced})
}

// verifyNew checks an answer (section 7.1). Its error is whyNot where the answer is wrong.
func (p *Passkeys) verifyNew(ctx context.Context, user string, ch ceremony, response []byte) (*webauthn.Credential, error) {
	if len(response) > maxPasskeyResponse {
		return nil, whyNot("answer is too long")
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return nil, because(err)
	}
	// Before anything is verified with it: a huge RSA key would take very long.
	if len(parsed.Response.AttestationObject.AuthData.AttData.CredentialPublicKey) > maxPublicKey {
		return nil, whyNot("public key is too long")
	}
	handle, err := p.userHandle(ctx, user)
	if err != nil {
		return nil, err
	}
	record, err := p.web.CreateCredential(passkeyOwner{handle: handle}, p.session(ch, handle), parsed)
	if err != nil {
		return nil, because(err)
	}
	if rk := record.Extensions.RK; rk != nil && !*rk {
		return nil, whyNot("passkey is not discoverable")
	}
	return record, nil
}

// unregistered logs why a registration was refused, and returns what the client may know.
func unregistered(ctx context.Context, user string, err, refusal error) error {
	why, ok := errors.AsType[whyNot](err)
	if !ok {
		return err
	}
	slog.InfoContext(ctx, "passkey registration refused", "reason", string(why), "user", user)
	return refusal
}

// aaguid returns the model of an authenticator, empty where it is all zeros: it does not tell.
func aaguid(record *webauthn.Credential) string {
	id, err := uuid.FromBytes(record.Authenticator.AAGUID)
	if err != nil || id == uuid.Nil {
		return ""
	}
	return id.String()
}

// providerName returns what people call the keeper of a passkey. Authenticators may
// claim any AAGUID: it is good for a name and no more.
func providerName(aaguid string) string {
	switch aaguid {
	case "fbfc3007-154e-4ecc-8c0b-6e020557d7bd", "dd4ec289-e01d-41c9-bb89-70fa845d4bf2":
		return "iCloud Keychain"
	case "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4":
		return "Google Password Manager"
	case "08987058-cadc-4b81-b6e1-30de50dcbe96", "9ddd1817-af5a-4672-a2b9-3e3dd95000a9", "6028b017-b1d4-4c02-b4b3-afcdafc96bb2":
		return "Windows Hello"
	case "bada5566-a7aa-401f-bd96-45619a55120d":
		return "1Password"
	case "d548826e-79b4-db40-a3d8-11116f7e8349":
		return "Bitwarden"
	}
	return "Passkey"
}
