package account

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"signet/internal/authapi"
	"signet/internal/fault"
)

const (
	// MaxPasskeys is how many a user may have.
	MaxPasskeys = 20

	// PasskeyTime is how long a challenge waits for its answer.
	PasskeyTime = 5 * time.Minute

	// maxPasskeyResponse and maxPublicKey, in bytes, bound what an answer makes us do.
	// The largest key that is let in is RSA of 8192 bits.
	maxPasskeyResponse = 64 << 10
	maxPublicKey       = 1200
)

// What passkeys can be refused for.
var (
	// ErrPasskey is the one answer to every assertion that proves nothing. The log says why.
	ErrPasskey = fault.New(fault.Unauthorized, "the passkey did not prove who you are").Named(authapi.WordPasskey)

	ErrPasskeyInvalid  = fault.New(fault.Invalid, "the new passkey could not be verified: try again, or use another device").Named("passkey-invalid")
	ErrPasskeyOverdue  = fault.New(fault.Conflict, "it took longer than 5 minutes, or was done already: begin again").Named("passkey-overdue")
	ErrPasskeyExists   = fault.New(fault.Conflict, "this passkey is set up already").Named("passkey-exists")
	ErrTooManyPasskeys = fault.Newf(fault.Conflict, "there are %d passkeys, and more are not possible: remove one first", MaxPasskeys).Named("too-many-passkeys")
	ErrNoPasskey       = fault.New(fault.NotFound, "no such passkey")
)

// Passkey is a WebAuthn credential that a user can sign in with.
type Passkey struct {
	ID       string
	User     string
	Name     string
	AAGUID   string // model of the authenticator, as a UUID; empty where it does not tell
	Synced   bool   // backed up, as its authenticator said last
	Created  time.Time
	LastUsed time.Time // zero before the first use
}

// PasskeyChallenge is what a browser is asked.
type PasskeyChallenge struct {
	// Options is for PublicKeyCredential.parseCreationOptionsFromJSON or
	// parseRequestOptionsFromJSON.
	Options json.RawMessage

	// Handle comes back with the answer. It is no secret, and it must come from the
	// browser that was asked: keep it in a cookie.
	Handle  string
	Expires time.Time
}

// PasskeyOptions say for which site passkeys are.
type PasskeyOptions struct {
	RPID    string   // host name of the site: passkeys are bound to it for ever
	Origins []string // of the pages that ask for passkeys, such as https://auth.example.org
	RPName  string   // what authenticators may show
}

// Passkeys registers passkeys and checks their assertions (Web Authentication,
// level 3). All are discoverable, and the authenticator verifies the user each
// time: so one is a whole sign-in, and a second factor too. It is safe for concurrent use.
//
// Nothing is stored when a ceremony begins: a stranger may begin as many as they like.
type Passkeys struct {
	c   *Credentials
	web *webauthn.WebAuthn
	key []byte // of handles
}

// NewPasskeys returns the passkeys of the users of c. It returns an error where no
// passkey could be made for such a site: an address such as 127.0.0.1 has none.
func NewPasskeys(c *Credentials, o PasskeyOptions) (*Passkeys, error) {
	if err := protocol.ValidateRPID(o.RPID); err != nil || o.RPID == "" {
		return nil, fmt.Errorf("passkeys: %q is not a host name that passkeys can be made for", o.RPID)
	}
	times := webauthn.TimeoutConfig{Timeout: PasskeyTime, TimeoutUVD: PasskeyTime}
	discoverable := true
	web, err := webauthn.New(&webauthn.Config{
		RPID: o.RPID, RPDisplayName: o.RPName, RPOrigins: o.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			RequireResidentKey: &discoverable,
			ResidentKey:        protocol.ResidentKeyRequirementRequired,
			UserVerification:   protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: times, Registration: times},
		// Password managers volunteer outputs, and none of them decides anything here.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return &Passkeys{c: c, web: web, key: c.seal.Derive("account passkey")}, nil
}

// passkeyOwner is a user as the library asks for one.
type passkeyOwner struct {
	handle      []byte
	name        string
	displayName string
	credentials webauthn.Credentials
}

func (o passkeyOwner) WebAuthnID() []byte                         { return o.handle }
func (o passkeyOwner) WebAuthnName() string                       { return o.name }
func (o passkeyOwner) WebAuthnDisplayName() string                { return o.displayName }
func (o passkeyOwner) WebAuthnCredentials() []webauthn.Credential { return o.credentials }

// session is what the library wants to know of the question when the answer comes.
// userHandle is empty where nobody was known yet.
func (p *Passkeys) session(ch ceremony, userHandle []byte) webauthn.SessionData {
	return webauthn.SessionData{
		Challenge: ch.encoded(), RelyingPartyID: p.web.Config.RPID, UserID: userHandle,
		UserVerification: protocol.VerificationRequired, CredParams: passkeyAlgorithms(),
	}
}
