package token

import (
	"encoding/json"
	"net/http"
	"strings"

	"signet/internal/fault"
	"signet/internal/web"
)

// What OAuth endpoints refuse, by the words of RFC 6749, section 5.2, and RFC 8707,
// section 2. The word with underscores is the error code.
var (
	ErrRequest      = fault.New(fault.Malformed, "request is not valid").Named("invalid-request")
	ErrUnauthorized = fault.New(fault.Malformed, "client may not use this grant").Named("unauthorized-client")
	ErrGrantType    = fault.New(fault.Malformed, "must be a grant that this server offers").Named("unsupported-grant-type")
	ErrInvalidScope = fault.New(fault.Malformed, "must be scopes that the client may ask for").Named("invalid-scope")
	ErrTarget       = fault.New(fault.Malformed, "must be a resource that the client may have tokens for").Named("invalid-target")
)

// oauthCodes are the error codes that clients know: RFC 6749, sections 4.1.2.1 and 5.2;
// RFC 6750, section 3.1; RFC 8628, section 3.5; RFC 8707, section 2; RFC 9449, sections
// 5 and 8; RFC 9470, section 3.
var oauthCodes = map[string]bool{
	"invalid-request": true, "invalid-client": true, "invalid-grant": true, "unauthorized-client": true,
	"unsupported-grant-type": true, "invalid-scope": true, "access-denied": true, "invalid-token": true,
	"insufficient-scope": true, "authorization-pending": true, "slow-down": true, "expired-token": true,
	"invalid-target": true, "invalid-dpop-proof": true, "use-dpop-nonce": true, "insufficient-user-authentication": true,
	"unsupported-token-type": true, "login-required": true, "consent-required": true, "interaction-required": true,
	"unsupported-response-type": true, "invalid-request-uri": true, "request-not-supported": true,
	"unmet-authentication-requirements": true,
}

// oauthError is a refusal as OAuth clients read it (RFC 6749, section 5.2).
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// oauth makes a handler whose refusals OAuth clients can read. Nobody may keep its
// answers (RFC 6749, section 5.1).
func oauth(f func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	own := func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Pragma", "no-cache")
		return f(w, r)
	}
	return web.Chain(web.Handler(own), web.Errors(writeOAuth))
}

// writeOAuth writes a problem as OAuth has it.
func writeOAuth(w http.ResponseWriter, _ *http.Request, p *web.Problem) {
	if p.Status == http.StatusUnprocessableEntity { // which OAuth does not know
		p.Status = http.StatusBadRequest
	}
	code := errorCode(p)
	if code == "invalid_client" { // which has no token to send
		w.Header().Set("WWW-Authenticate", `Basic realm="signet"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(oauthError{Error: code, Description: describe(p)}) // the client may be gone
}

// errorCode returns the error code of OAuth for a problem.
func errorCode(p *web.Problem) string {
	switch word := p.Word(); {
	case oauthCodes[word]:
		return strings.ReplaceAll(word, "-", "_")
	case p.Status == http.StatusUnauthorized:
		return "invalid_client"
	case p.Status == http.StatusTooManyRequests, p.Status == http.StatusServiceUnavailable, p.Status == http.StatusGatewayTimeout:
		return "temporarily_unavailable"
	case p.Status >= http.StatusInternalServerError:
		return "server_error"
	}
	return "invalid_request"
}

// describe returns the text of a problem in the characters that error_description may
// have (RFC 6749, section 5.2).
func describe(p *web.Problem) string {
	text := p.Detail
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r > '~' || r == '\\':
			return -1
		}
		return r
	}, text)
}
