// Package ticket carries the verified caller of one request.
//
// An authenticator makes the ticket, the web middleware puts it into the
// context, and services ask it what the caller may do.
package ticket

import (
	"context"
	"slices"
	"time"

	"signet/internal/fault"
)

// What a ticket can refuse.
var (
	ErrNone      = fault.New(fault.Unauthorized, "authentication is required: send an API token in Authorization: Bearer sgt_...")
	ErrForbidden = fault.New(fault.Forbidden, "permission is missing")
)

// Kind says what sort of caller it is.
type Kind string

// The kinds of caller, as the audit log names them.
const (
	User   Kind = "user"   // a person, or a token that acts for one
	Client Kind = "client" // a relying app
	Key    Kind = "key"    // a service key
	Peer   Kind = "peer"   // another installation
	System Kind = "system" // this installation itself, or its operator at the command line
)

// Sender is what a request proved about the sender of its token: at most one is set.
type Sender struct {
	JKT string `json:"jkt,omitempty"`      // RFC 7638 thumbprint of the DPoP key, base64url
	X5T string `json:"x5t#S256,omitempty"` // RFC 8705 thumbprint of the client certificate, base64url
}

// Ticket is the verified caller of one request. It is not changed once made.
type Ticket struct {
	Kind        Kind      `json:"kind"`
	Subject     string    `json:"sub"`         // the user, client, key or peer
	Account     string    `json:"account"`     // the account (tenant) that the caller acts in
	Permissions []string  `json:"permissions"` // area:verb
	Scopes      []string  `json:"scopes"`      // of the access token; nil where the credential has none and so is not narrowed
	AMR         []string  `json:"amr"`         // RFC 8176 methods
	ACR         string    `json:"acr"`
	AuthTime    time.Time `json:"auth_time"` // when a person last proved themselves; zero for tokens that cannot say
	Session     string    `json:"sid"`
	Credential  string    `json:"credential,omitempty"` // id of the API token, service key or access token used; never its secret
	Sender      Sender    `json:"sender,omitzero"`
	Providers   []string  `json:"providers,omitempty"` // identity providers that a service key may speak for; "*" is all
}

// May reports whether the caller holds the permission, such as "mail:redrive".
func (t *Ticket) May(permission string) bool {
	return t != nil && slices.Contains(t.Permissions, permission)
}

// InScope reports whether the caller's credential reaches into scope. A credential
// that was not narrowed by scopes reaches everywhere.
func (t *Ticket) InScope(scope string) bool {
	return t != nil && (t.Scopes == nil || slices.Contains(t.Scopes, scope))
}

// SpeaksFor reports whether the caller is a service key that may tell who signed in
// at the identity provider.
func (t *Ticket) SpeaksFor(provider string) bool {
	return t != nil && t.Kind == Key && (slices.Contains(t.Providers, "*") || slices.Contains(t.Providers, provider))
}

// Demand returns nil where the caller may, ErrNone where there is no caller, and
// else an ErrForbidden that names the permission.
func (t *Ticket) Demand(permission string) error {
	switch {
	case t == nil:
		return ErrNone
	case !t.May(permission):
		return ErrForbidden.Because("%s", permission)
	}
	return nil
}

// Operator is the ticket of somebody who runs the command line on the store itself.
func Operator(permissions []string) *Ticket {
	return &Ticket{Kind: System, Subject: "cli", Permissions: permissions}
}

type key struct{}

// With returns a context that carries t.
func With(ctx context.Context, t *Ticket) context.Context { return context.WithValue(ctx, key{}, t) }

// From returns the caller of the request, or nil where nobody is proven.
func From(ctx context.Context) *Ticket {
	t, _ := ctx.Value(key{}).(*Ticket)
	return t
}
