package account

import (
	"net/http"
	"strings"

	"signet/internal/fault"
	"signet/internal/ticket"
)

// errCredential answers every API token and service key that proves nothing:
// which of them exist is nobody's business.
var errCredential = fault.New(fault.Unauthorized, "the API token or service key is unknown, expired or revoked")

// Authenticator proves callers by API token (Authorization: Bearer sgt_...) and
// service key (X-Api-Key: sgs_...).
type Authenticator struct{ accounts *Service }

// NewAuthenticator returns an authenticator over s.
func NewAuthenticator(s *Service) Authenticator { return Authenticator{s} }

// Authenticate returns the caller, nil where the request carries neither, and a
// fault of kind Unauthorized where what it carries is not good.
func (a Authenticator) Authenticate(r *http.Request) (*ticket.Ticket, error) {
	token, isToken := bearer(r)
	isToken = isToken && strings.HasPrefix(token, TokenPrefix)
	keys := r.Header.Values("X-Api-Key")
	switch {
	case isToken && len(keys) > 0, len(keys) > 1:
		return nil, errCredential.Because("send one credential only")
	case isToken:
		return found(a.accounts.ticketOfToken(r.Context(), token))
	case len(keys) == 1:
		return found(a.accounts.ticketOfKey(r.Context(), keys[0]))
	}
	return nil, nil
}

func found(t *ticket.Ticket, err error) (*ticket.Ticket, error) {
	if err == nil && t == nil {
		err = errCredential
	}
	return t, err
}

// bearer returns the token of RFC 6750, section 2.1; the scheme's case is free
// (RFC 9110, section 11.1).
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}
