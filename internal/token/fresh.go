package token

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/ticket"
	"signet/internal/web"
)

// ErrStale says that a sign-in is too old, or not strong enough, for what is asked
// (RFC 9470, section 3).
var ErrStale = fault.New(fault.Unauthorized, "this needs a newer or stronger sign-in").Named("insufficient-user-authentication")

const (
	freshAuth = ticket.FreshFor // how old a sign-in may be, unless the caller says
	maxACR    = 1024            // bytes of acr_values
	maxFresh  = 366 * 24 * 3600 // bounds max_age, in seconds
)

// Freshness says when and how the subject of a token was authenticated.
type Freshness struct {
	Fresh    bool              `json:"fresh"`
	AuthTime int64             `json:"auth_time,omitempty"`
	ACR      string            `json:"acr,omitempty"`
	AMR      []string          `json:"amr,omitempty"`
	MaxAge   int               `json:"max_age"` // seconds
	Sender   map[string]string `json:"sender,omitempty"`
}

// wanted is what a caller of /fresh-auth asks for.
type wanted struct {
	maxAge time.Duration
	acr    []string // any of them; empty: every one
}

func readWanted(form url.Values) (wanted, error) {
	if err := checkForm(form); err != nil {
		return wanted{}, err
	}
	w := wanted{maxAge: freshAuth, acr: strings.Fields(form.Get("acr_values"))}
	// They come back in a header.
	if len(form.Get("acr_values")) > maxACR || slices.ContainsFunc(w.acr, func(s string) bool { return strings.ContainsFunc(s, notURI) }) {
		return w, ErrRequest.At("acr_values").Because("want names of up to %d bytes together", maxACR)
	}
	if s := form.Get("max_age"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > maxFresh {
			return w, ErrRequest.At("max_age").Because("want a number of seconds")
		}
		w.maxAge = time.Duration(n) * time.Second
	}
	return w, nil
}

// Fresh says whether a person proved themselves recently enough, and well enough.
// Tokens that no person's sign-in stands behind never are.
func (w wanted) fresh(c Claims, now time.Time) bool {
	if c.AuthTime.IsZero() || now.Sub(c.AuthTime) > w.maxAge {
		return false
	}
	return len(w.acr) == 0 || slices.ContainsFunc(w.acr, func(want string) bool { return reaches(c.ACR, want) })
}

// reaches reports whether a level of proof is good for another: two factors are good
// wherever one is.
func reaches(have, want string) bool {
	return have == want || have == "urn:signet:2" && want == "urn:signet:1"
}

// challenge is the WWW-Authenticate of ErrStale.
func (w wanted) challenge(scheme string) string {
	text := scheme + ` error="insufficient_user_authentication", error_description="` + ErrStale.Text + `", max_age="` +
		strconv.Itoa(int(w.maxAge.Seconds())) + `"`
	if len(w.acr) > 0 {
		text += `, acr_values="` + strings.Join(w.acr, " ") + `"`
	}
	return text
}

// freshness answers for a token whose sender has proven itself.
func (g *OAuth) freshness(c Claims, w wanted) Freshness {
	f := Freshness{
		Fresh: w.fresh(c, g.now()), ACR: c.ACR, AMR: c.AMR, MaxAge: int(w.maxAge.Seconds()), Sender: members(c.Confirm),
	}
	if !c.AuthTime.IsZero() {
		f.AuthTime = c.AuthTime.Unix()
	}
	return f
}

// UserInfo is what a user tells an app of themselves (OpenID Connect Core, section 5.3.2).
type UserInfo struct {
	Subject       string `json:"sub"`
	Name          string `json:"name,omitempty"`
	Locale        string `json:"locale,omitempty"`
	Email         string `json:"email,omitempty"`
	EmailVerified *bool  `json:"email_verified,omitempty"`
}

// UserInfo returns what the scopes of a token let its client know.
func (g *OAuth) userInfo(ctx context.Context, c Claims) (UserInfo, error) {
	if !slices.Contains(c.Scopes, "openid") {
		return UserInfo{}, web.WithHeader(ErrNoScope, "WWW-Authenticate", tokenType(c.Confirm)+` error="insufficient_scope", scope="openid"`)
	}
	p, err := g.people.Profile(ctx, c.Subject)
	if fault.KindOf(err) == fault.NotFound {
		return UserInfo{}, ErrToken
	}
	if err != nil {
		return UserInfo{}, err
	}
	u := UserInfo{Subject: c.Subject}
	if slices.Contains(c.Scopes, "profile") {
		u.Name, u.Locale = p.Name, p.Locale
	}
	if slices.Contains(c.Scopes, "email") && p.Email != "" {
		u.Email, u.EmailVerified = p.Email, &p.EmailVerified
	}
	return u, nil
}

// ErrNoScope says that a token does not reach this far (RFC 6750, section 3.1).
var ErrNoScope = fault.New(fault.Forbidden, "the access token does not have the scope").Named("insufficient-scope")

// credential is an access token as a request sends it: as Bearer, or as DPoP.
type credential struct {
	scheme, token string
}

// readCredential returns the access token of a request; "" where it has none. It is read
// from the Authorization header only (RFC 6750, section 2.1; RFC 9449, section 7.1).
func readCredential(r *http.Request) (credential, error) {
	lines := r.Header.Values("Authorization")
	if len(lines) > 1 {
		return credential{}, ErrRequest.At("Authorization").Because("send one")
	}
	if len(lines) == 0 {
		return credential{}, nil
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	for _, known := range []string{"Bearer", "DPoP"} {
		if strings.EqualFold(scheme, known) {
			return credential{known, strings.TrimSpace(token)}, nil
		}
	}
	return credential{}, nil
}

// present returns the claims of the access token that a request presents, where it is
// good and its sender has proven itself. audience is "" where the token is for this
// server's own endpoints about tokens, and else what it must be for.
func (g *OAuth) present(ctx context.Context, b credential, sent Sent, audience string) (seen, error) {
	if b.token == "" {
		return seen{}, g.senders.challenged(ErrToken.Because("there is none"), b.scheme, "")
	}
	s, err := g.look(ctx, b.token)
	switch {
	case isNoToken(err):
		return seen{}, g.senders.challenged(ErrToken, b.scheme, "invalid_token")
	case err != nil:
		return seen{}, err
	case s.kind != access, audience != "" && !slices.Contains(s.claims.Audience, audience):
		return seen{}, g.senders.challenged(ErrToken.Because("it is for others"), b.scheme, "invalid_token")
	}
	return s, g.senders.atResource(ctx, sent, b, s.claims, audience)
}
