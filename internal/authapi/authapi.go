// Package authapi is the contract between login, which meets browsers, and account,
// which knows users: what one asks the other, and what it gets. Account serves it
// in process, and at /auth/* of the internal listener, where [Client] asks.
//
// Members of requests and answers are JSON in snake case, except those of
// [OAuthRequest], whose names are older. Refusals are faults ([fault.Error]); those
// that a page treats in its own way have a word (see the constants).
package authapi

import (
	"context"
	"encoding/json"
	"time"

	"signet/internal/fault"
	"signet/internal/ticket"
)

// Service is what account does for login. Methods take the caller from the context
// ([As]): login itself where nobody is signed in, else the user.
type Service interface {
	SignIns
	Links
	Home
}

// SignIns are the ways in. Each answers with tokens, or [MFARequired] where a second
// factor is to come first.
type SignIns interface {
	Password(ctx context.Context, r PasswordRequest) (TokenResponse, error)
	OAuth(ctx context.Context, r OAuthRequest) (TokenResponse, error)
	// BeginPasskey begins a sign-in, or a second factor where the request names an MFA
	// ticket, or a step-up of the caller.
	BeginPasskey(ctx context.Context, r BeginPasskeyRequest) (Challenge, error)
	Passkey(ctx context.Context, r PasskeyRequest) (TokenResponse, error)
	// EnrolFactor begins to set up an authenticator app where MFARequired has no
	// methods. MFA with its first code finishes.
	EnrolFactor(ctx context.Context, r EnrolFactorRequest) (Enrolment, error)
	// MFA finishes what MFARequired began.
	MFA(ctx context.Context, r MFARequest) (TokenResponse, error)
	// StepUp proves the caller once more: their session's sign-in time becomes now.
	StepUp(ctx context.Context, r StepUpRequest) (TokenResponse, error)
	// Session returns who is signed in.
	Session(ctx context.Context, r SessionRequest) (Session, error)
	// SignOut ends a session. Ending an unknown one is no error.
	SignOut(ctx context.Context, r SignOutRequest) error
}

// Links are what mailed links do. SignUp and Forgot tell nobody whether there is such
// a user.
type Links interface {
	SignUp(ctx context.Context, r SignUpRequest) error
	Forgot(ctx context.Context, r ForgotRequest) error
	// Recover mails a link that removes all second factors, after a wait.
	Recover(ctx context.Context, r RecoverRequest) error
	// Link says what a mailed code is for. It does not use it.
	Link(ctx context.Context, r LinkRequest) (Link, error)
	// UseLink does what the code is for. Where that signs in, the answer has tokens.
	UseLink(ctx context.Context, r UseLinkRequest) (TokenResponse, error)
}

// Home is what users see and change of themselves.
type Home interface {
	User(ctx context.Context, id string) (User, error)
	UpdateUser(ctx context.Context, id string, r UpdateUserRequest) error
	AddAddress(ctx context.Context, r AddressRequest) error // mails a link to it
	RemoveAddress(ctx context.Context, r AddressRequest) error

	SetPassword(ctx context.Context, r SetPasswordRequest) error
	RemovePassword(ctx context.Context) error
	SetMFA(ctx context.Context, r SetMFARequest) error
	BeginTOTP(ctx context.Context) (Enrolment, error)
	ConfirmTOTP(ctx context.Context, r CodeRequest) error
	RemoveTOTP(ctx context.Context) error
	RenewRecoveryCodes(ctx context.Context) (RecoveryCodes, error)
	BeginEnrolPasskey(ctx context.Context) (Challenge, error)
	EnrolPasskey(ctx context.Context, r EnrolPasskeyRequest) (Passkey, error)
	RenamePasskey(ctx context.Context, r RenameRequest) error
	RemovePasskey(ctx context.Context, r IDRequest) error
	Unlink(ctx context.Context, r IDRequest) error // an identity
	CancelRecovery(ctx context.Context) error

	Sessions(ctx context.Context) ([]SessionInfo, error)
	RevokeSession(ctx context.Context, r IDRequest) error
	RevokeOtherSessions(ctx context.Context) error

	Tokens(ctx context.Context) ([]APIToken, error)
	CreateToken(ctx context.Context, r CreateTokenRequest) (APIToken, error)
	RevokeToken(ctx context.Context, r IDRequest) error

	Activity(ctx context.Context) ([]Activity, error)
}

// Words of refusals that pages treat in their own way.
const (
	WordCredentials  = "credentials"      // the address or the password is wrong
	WordCode         = "code"             // the one-time or recovery code is wrong
	WordPasskey      = "passkey"          // the passkey proved nothing
	WordMFATicket    = "mfa-ticket"       // the MFA ticket is unknown, used, expired or another browser's
	WordSession      = "no-session"       // the session is unknown or ended
	WordLink         = "link"             // the mailed code is unknown, used or expired
	WordStepUp       = "step-up-required" // the sign-in is older than 5 minutes
	WordLinkRequired = "link_required"    // the address is a user's: sign in as usual to link
	WordSignUpClosed = "sign-up-closed"   // nobody is known by this identity
	WordTooEarly     = "too-early"        // the wait of a recovery is not over
)

// Browser is what login knows of the browser that a request came from.
type Browser struct {
	Address string `json:"address,omitempty"` // IP address
	Agent   string `json:"agent,omitempty"`   // User-Agent, cut to 200 bytes
	Device  string `json:"device,omitempty"`  // what earlier TokenResponses called device, with dots between; may be empty
	Binding string `json:"binding,omitempty"` // a random value that only this browser has: MFA tickets are tied to it
}

// PasswordRequest is a sign-in by password.
type PasswordRequest struct {
	Address  string  `json:"address"`
	Password string  `json:"password"`
	Browser  Browser `json:"browser"`
}

// OAuthRequest says who somebody is at an identity provider. Whoever sends it has
// checked it there.
type OAuthRequest struct {
	Provider      string  `json:"provider"`               // name in this installation, such as "github"
	ProviderSub   string  `json:"providerSub"`            // the person there, for ever; compared byte by byte
	Email         string  `json:"email,omitempty"`        // as the provider tells it
	EmailVerified bool    `json:"emailVerified"`          // the provider has authority over the address, and says it is theirs; ASCII addresses alone count
	MailCode      bool    `json:"mailCode,omitempty"`     // the address finds its user only once a code that is mailed there now was typed in
	LinkToUserID  string  `json:"linkToUserId,omitempty"` // link with this user, and do nothing else
	DisplayName   string  `json:"displayName,omitempty"`
	Locale        string  `json:"locale,omitempty"` // BCP 47
	Browser       Browser `json:"browser,omitzero"`
}

// TokenResponse is a sign-in that succeeded (RFC 6749, section 5.1, with more members).
type TokenResponse struct {
	AccessToken  string   `json:"access_token,omitempty"` // a JWT (RFC 9068); only over HTTP
	TokenType    string   `json:"token_type,omitempty"`   // Bearer
	ExpiresIn    int      `json:"expires_in,omitempty"`   // seconds
	RefreshToken string   `json:"refresh_token"`          // the session: what the cookie keeps
	UserID       string   `json:"user_id"`
	AccountID    string   `json:"account_id"`
	Roles        []string `json:"roles"`
	Created      bool     `json:"created"` // the user is new
	Linked       bool     `json:"linked"`  // an identity is new on a user who was there
	Device       string   `json:"device,omitempty"`
	// CodesLeft is how many recovery codes are left, where one was used.
	CodesLeft *int `json:"codes_left,omitempty"`
}

// MFARequired is the error of a first factor that needs a second one.
type MFARequired struct {
	Word      string   `json:"error"` // mfa_required
	Ticket    string   `json:"mfa_ticket"`
	Methods   []string `json:"methods"`              // of passkey, totp, recovery_code; empty where the user must set one up first; mail_code alone
	ExpiresIn int      `json:"expires_in"`           // seconds
	NoRecover bool     `json:"no_recover,omitempty"` // who lost every factor asks an administrator: Recover refuses
}

// NewMFARequired returns the error.
func NewMFARequired(ticket string, methods []string, expires time.Duration) *MFARequired {
	return &MFARequired{Word: "mfa_required", Ticket: ticket, Methods: methods, ExpiresIn: int(expires.Seconds())}
}

// Error implements error.
func (*MFARequired) Error() string { return "a second factor is required" }

// The methods of a second factor.
const (
	MethodPasskey      = "passkey"
	MethodTOTP         = "totp"
	MethodRecoveryCode = "recovery_code"
	MethodMailCode     = "mail_code" // of an address by which an identity finds its user
)

// MFARequest is a second factor: a code, or the assertion of a passkey with the
// handle of its challenge.
type MFARequest struct {
	Ticket    string          `json:"mfa_ticket"`
	Method    string          `json:"method"`
	Code      string          `json:"code,omitempty"`
	Handle    string          `json:"handle,omitempty"`
	Assertion json.RawMessage `json:"assertion,omitempty"`
	Browser   Browser         `json:"browser"`
}

// EnrolFactorRequest begins to set up the second factor that a sign-in needs.
type EnrolFactorRequest struct {
	Ticket  string  `json:"mfa_ticket"`
	Browser Browser `json:"browser"`
}

// BeginPasskeyRequest begins an assertion. Both members may be empty.
type BeginPasskeyRequest struct {
	Ticket  string  `json:"mfa_ticket,omitempty"`
	StepUp  bool    `json:"step_up,omitempty"` // of the caller
	Browser Browser `json:"browser"`
}

// Challenge is what a browser's WebAuthn call begins with.
type Challenge struct {
	Options json.RawMessage `json:"options"` // for PublicKeyCredential.parse...OptionsFromJSON
	Handle  string          `json:"handle"`  // to be kept at the browser, and sent with the answer
}

// PasskeyRequest is a sign-in by a discoverable passkey.
type PasskeyRequest struct {
	Handle    string          `json:"handle"`
	Assertion json.RawMessage `json:"assertion"`
	Browser   Browser         `json:"browser"`
}

// StepUpRequest proves the caller once more, by one of its members.
type StepUpRequest struct {
	Password  string          `json:"password,omitempty"`
	Code      string          `json:"code,omitempty"` // of the authenticator app
	Handle    string          `json:"handle,omitempty"`
	Assertion json.RawMessage `json:"assertion,omitempty"`
	Browser   Browser         `json:"browser"`
}

// SessionRequest asks whose session it is.
type SessionRequest struct {
	RefreshToken string  `json:"refresh_token"`
	Browser      Browser `json:"browser"`
}

// Session is who is signed in.
type Session struct {
	Ticket      *ticket.Ticket `json:"ticket"`
	DisplayName string         `json:"display_name"`
	Locale      string         `json:"locale,omitempty"`
	Account     string         `json:"account"`                 // name
	Successor   string         `json:"refresh_token,omitempty"` // the value that the browser must keep from now on; empty: as before
	Expires     time.Time      `json:"expires"`
	AccessToken string         `json:"access_token,omitempty"` // proves the user to account; only over HTTP
}

// SignOutRequest ends a session.
type SignOutRequest struct {
	RefreshToken string `json:"refresh_token"`
}

// SignUpRequest asks for a link to sign up with.
type SignUpRequest struct {
	Email   string  `json:"email"`
	Locale  string  `json:"locale,omitempty"`
	Next    string  `json:"next,omitempty"` // where to go on; checked by login
	Browser Browser `json:"browser"`
}

// ForgotRequest asks for a link to set a new password with.
type ForgotRequest struct {
	Email   string  `json:"email"`
	Locale  string  `json:"locale,omitempty"`
	Next    string  `json:"next,omitempty"`
	Browser Browser `json:"browser"`
}

// RecoverRequest asks for a link that removes second factors.
type RecoverRequest struct {
	Ticket  string  `json:"mfa_ticket"`
	Locale  string  `json:"locale,omitempty"`
	Browser Browser `json:"browser"`
}

// LinkPurpose says what a mailed link does.
type LinkPurpose string

// The purposes.
const (
	LinkSignUp  LinkPurpose = "sign-up" // makes a user: needs a name and a password
	LinkReset   LinkPurpose = "reset"   // sets a password
	LinkVerify  LinkPurpose = "verify"  // proves an address
	LinkSetup   LinkPurpose = "setup"   // signs a new user in, who sets up how to sign in from then on
	LinkRecover LinkPurpose = "recover" // removes second factors, from NotBefore on
	LinkFirst   LinkPurpose = "first"   // makes the first administrator: needs an address, and goes on as setup does
)

// LinkRequest names a mailed code.
type LinkRequest struct {
	Code string `json:"code"`
}

// Link is what a mailed code is for.
type Link struct {
	Purpose     LinkPurpose `json:"purpose"`
	Email       string      `json:"email"`
	DisplayName string      `json:"display_name,omitempty"`
	Account     string      `json:"account,omitempty"` // name
	Locale      string      `json:"locale,omitempty"`
	Next        string      `json:"next,omitempty"`
	NotBefore   time.Time   `json:"not_before,omitzero"`
	Expires     time.Time   `json:"expires"`

	// Of a recovery that is due: what the user has besides, to keep or drop.
	Identities []Identity `json:"identities,omitempty"`
	MailKeys   int        `json:"mail_keys,omitempty"`
}

// UseLinkRequest does what a mailed code is for. Which members count, the purpose says.
type UseLinkRequest struct {
	Code        string  `json:"code"`
	Email       string  `json:"email,omitempty"`
	DisplayName string  `json:"display_name,omitempty"`
	Password    string  `json:"password,omitempty"`
	Locale      string  `json:"locale,omitempty"`
	Browser     Browser `json:"browser"`

	// Of a recovery: what goes with the second factors.
	DropIdentities []string `json:"drop_identities,omitempty"` // ids
	DropMailKeys   bool     `json:"drop_mail_keys,omitempty"`
}

// User is what a user sees of themselves.
type User struct {
	ID            string     `json:"id"`
	DisplayName   string     `json:"display_name"`
	Locale        string     `json:"locale,omitempty"`
	Account       string     `json:"account"`   // name
	Addresses     []string   `json:"addresses"` // verified
	Unverified    []string   `json:"unverified"`
	Roles         []string   `json:"roles"`
	Password      bool       `json:"password"` // there is one
	TOTP          bool       `json:"totp"`
	RecoveryCodes int        `json:"recovery_codes"` // left
	MFA           bool       `json:"mfa"`            // a second factor is asked
	MFADemanded   bool       `json:"mfa_demanded"`   // by a role or the account
	MFASwitched   bool       `json:"mfa_switched"`   // by the user
	Passkeys      []Passkey  `json:"passkeys"`
	Identities    []Identity `json:"identities"`
	Recovery      time.Time  `json:"recovery,omitzero"` // when a recovery that waits takes effect
	Created       time.Time  `json:"created"`
}

// Passkey is one of a user.
type Passkey struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Synced   bool      `json:"synced"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used,omitzero"`
}

// Identity is who a user is at an identity provider.
type Identity struct {
	ID          string    `json:"id"`
	Provider    string    `json:"provider"`
	DisplayName string    `json:"display_name"`
	Email       string    `json:"email"`
	Created     time.Time `json:"created"`
	LastUsed    time.Time `json:"last_used,omitzero"`
}

// UpdateUserRequest changes the profile.
type UpdateUserRequest struct {
	DisplayName string `json:"display_name"`
	Locale      string `json:"locale"`
}

// AddressRequest names an address of the caller.
type AddressRequest struct {
	Email  string `json:"email"`
	Locale string `json:"locale,omitempty"`
}

// SetPasswordRequest sets or changes the caller's password.
type SetPasswordRequest struct {
	Old string `json:"old_password,omitempty"`
	New string `json:"password"`
}

// SetMFARequest switches the second factor of the caller on or off.
type SetMFARequest struct {
	On bool `json:"on"`
}

// Enrolment is what an authenticator app is set up with. Who began it is shown the same
// again until its first code, for an hour.
type Enrolment struct {
	URL           string   `json:"url"`    // otpauth://totp/..., for a QR code
	Secret        string   `json:"secret"` // base32, for typing
	RecoveryCodes []string `json:"recovery_codes"`
}

// CodeRequest is a code of the authenticator app.
type CodeRequest struct {
	Code string `json:"code"`
}

// RecoveryCodes are new ones. They are shown once.
type RecoveryCodes struct {
	Codes []string `json:"codes"`
}

// EnrolPasskeyRequest is a new passkey.
type EnrolPasskeyRequest struct {
	Handle   string          `json:"handle"`
	Name     string          `json:"name,omitempty"`
	Response json.RawMessage `json:"response"`
}

// RenameRequest renames something of the caller.
type RenameRequest struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// IDRequest names something of the caller.
type IDRequest struct {
	ID string `json:"id"`
}

// SessionInfo is a session as its user sees it.
type SessionInfo struct {
	ID       string    `json:"id"`
	Agent    string    `json:"agent"`
	Device   string    `json:"device"` // what the agent says it is, for people
	Address  string    `json:"address"`
	AMR      []string  `json:"amr"`
	Created  time.Time `json:"created"`
	LastSeen time.Time `json:"last_seen"`
	Expires  time.Time `json:"expires"`
	Current  bool      `json:"current"`
}

// APIToken is a personal API token. Secret is there only in the answer that made it.
type APIToken struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes,omitempty"` // nil: not narrowed
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`
	Secret  string    `json:"secret,omitempty"`
}

// CreateTokenRequest makes a personal API token of the caller.
type CreateTokenRequest struct {
	Name    string    `json:"name"`
	Scopes  []string  `json:"scopes,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// Activity is something that the caller did, or that was done to them.
type Activity struct {
	Time    time.Time `json:"time"`
	Action  string    `json:"action"` // area.verb
	Outcome string    `json:"outcome"`
	Address string    `json:"address,omitempty"` // IP address
	BySelf  bool      `json:"by_self"`
}

// Word returns the word of the fault in err's tree, or that of its kind.
func Word(err error) string {
	e, ok := fault.As(err)
	switch {
	case !ok:
		return fault.Internal.String()
	case e.Word != "":
		return e.Word
	}
	return e.Kind.String()
}
