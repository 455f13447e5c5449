package login

import "context"

// Provider is one identity provider. It is safe for concurrent use and asks the
// provider nothing before its first Begin.
type Provider interface {
	// Name is the provider in this installation, such as "github": in the path of its
	// callback (/login/callback/{name}), in the state, and where its identities are kept.
	Name() string
	// Label is the name for people, such as "GitHub".
	Label() string
	// Issuer is whom the name stands for. Identities are keyed by it.
	Issuer() string
	// Begin returns the address to send the browser to.
	Begin(ctx context.Context, c Ceremony) (url string, err error)
	// Finish exchanges the code of the callback, asks who it is and checks the answer.
	// It keeps no token of the provider. Where it was the provider that failed or
	// refused, the error is a *CallbackError.
	Finish(ctx context.Context, code string, c Ceremony) (Profile, error)
}

// responseIssuer is a provider that calls itself something else than its Issuer in
// the parameter iss of a callback (RFC 9207).
type responseIssuer interface{ ResponseIssuer() string }

// Ceremony is one sign-in as the provider sees it. Begin and Finish get the same.
type Ceremony struct {
	State       string // 256 bits, base64url
	Verifier    string // PKCE (RFC 7636), 43 characters
	Nonce       string // OpenID Connect, 43 characters
	RedirectURI string
	Locale      string // language for the provider's pages; may be empty
}

// Profile is who somebody is at a provider.
type Profile struct {
	Sub   string // for ever, 1 to 255 bytes
	Email string // as the provider tells it; may be empty

	// EmailVerified is the adapter's decision that the provider has authority over the
	// address, and says it is theirs. A provider's own word alone is not enough.
	EmailVerified bool

	// MailCode asks the caller to have a code that is mailed now to Email typed in before
	// it takes EmailVerified for true.
	MailCode bool

	DisplayName string // at most 200 characters; may be empty
	Locale      string // BCP 47; may be empty
}
