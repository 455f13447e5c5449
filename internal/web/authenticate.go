package web

import (
	"net/http"

	"signet/internal/fault"
	"signet/internal/ticket"
)

var errTwoCredentials = fault.New(fault.Malformed, "request carries several credentials; send one")

// Authenticator reads one kind of credential.
type Authenticator interface {
	// Authenticate returns nil and nil where the request carries no credential of
	// its kind, and an error where it carries a bad one. WithHeader gives the error
	// a WWW-Authenticate of its own.
	Authenticate(r *http.Request) (*ticket.Ticket, error)
}

// Authenticate puts the caller's ticket into the context. A request without a
// credential passes without a ticket: services refuse it. A bad credential is
// refused at once, also on routes that need none, and so are several in one
// request (RFC 6750, section 2).
func Authenticate(list ...Authenticator) Middleware {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t, err := authenticate(r, list)
			if err != nil {
				Fail(w, r, err)
				return
			}
			if t != nil {
				r = r.WithContext(ticket.With(r.Context(), t))
			}
			next.ServeHTTP(w, r)
		})
	}
}

func authenticate(r *http.Request, list []Authenticator) (*ticket.Ticket, error) {
	if len(r.Header.Values("Authorization")) > 1 {
		return nil, errTwoCredentials
	}
	var found *ticket.Ticket
	for _, a := range list {
		t, err := a.Authenticate(r)
		switch {
		case err != nil:
			return nil, err
		case t != nil && found != nil:
			return nil, errTwoCredentials
		case t != nil:
			found = t
		}
	}
	return found, nil
}
