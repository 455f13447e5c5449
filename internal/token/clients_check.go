package token

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"signet/internal/db"
	"signet/internal/jws"
	"signet/internal/ticket"
)

const maxScope = 100 // bytes

// isClientID reports whether a client may be created under that id. An id must never
// read as that of a user: both can be the subject of a token (RFC 9700, section 4.15).
func isClientID(id string) bool {
	return len(id) <= 64 && id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" &&
		!strings.HasPrefix(id, "cli_") && !strings.HasPrefix(id, "usr_")
}

// checkClient refuses what no client can be, whoever asks.
func checkClient(c Client) error {
	for _, check := range []func(Client) error{checkName, checkURIs, checkAudiences, checkGrants, checkScopes, checkProof, checkPolicy} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

func checkName(c Client) error {
	if n := len([]rune(c.Name)); n < 1 || n > 200 || strings.ContainsFunc(c.Name, unprintable) {
		return ErrName.At("name")
	}
	if c.Format != JWT && c.Format != Opaque {
		return ErrFormat.At("token_format")
	}
	return db.Clean("name", c.Name)
}

func checkURIs(c Client) error {
	for _, l := range []struct {
		field string
		uris  []string
	}{{"redirect_uris", c.Redirects}, {"post_logout_redirect_uris", c.PostLogoutRedirects}} {
		if len(l.uris) > maxElements {
			return ErrMany.At(l.field)
		}
		if slices.ContainsFunc(l.uris, func(uri string) bool { return !isRedirect(uri) }) {
			return ErrRedirect.At(l.field)
		}
	}
	if c.LogoutURI != "" && !isRedirect(c.LogoutURI) {
		return ErrRedirect.At("backchannel_logout_uri")
	}
	return nil
}

func checkAudiences(c Client) error {
	if len(c.Audiences) > maxElements {
		return ErrMany.At("audiences")
	}
	for _, a := range c.Audiences {
		if a == "" || len(a) > 200 || strings.ContainsFunc(a, notURI) {
			return ErrAudience.At("audiences")
		}
	}
	return nil
}

func checkGrants(c Client) error {
	refused := func(why string) error { return ErrGrants.At("grants").Because("%s", why) }
	for i, g := range c.Grants {
		switch {
		case !slices.Contains(Grants(), g):
			return refused("there is no such grant type, or it is not offered")
		case slices.Contains(c.Grants[:i], g):
			return refused("one stands there twice")
		}
	}
	switch {
	case c.MayUse(GrantCredentials) && c.Public():
		return refused("client_credentials needs a client that proves itself") // RFC 6749, section 4.4
	case c.MayUse(GrantRefresh) && !c.MayUse(GrantCode) && !c.MayUse(GrantDevice):
		return refused("refresh_token needs authorization_code or the device code beside it")
	case c.MayUse(GrantCode) && len(c.Redirects) == 0:
		return refused("authorization_code needs a redirect URI")
	}
	return nil
}

func checkScopes(c Client) error {
	if len(c.Scopes) > maxElements {
		return ErrMany.At("scopes")
	}
	if slices.ContainsFunc(c.Scopes, func(s string) bool { return len(s) > maxScope || !jws.IsScope(s) }) {
		return ErrScope.At("scopes")
	}
	return nil
}

// checkProof holds keys and subject to how the client proves itself.
func checkProof(c Client) error {
	switch {
	case !slices.Contains(AuthMethods(), c.Auth):
		return ErrAuth.At("auth_method")
	case !c.Auth.hasKeys() && c.JWKS != "":
		return ErrKeys.At("jwks").Because("%s takes no keys", c.Auth)
	case !c.Auth.hasKeys() && c.JWKSURI != "":
		return ErrKeys.At("jwks_uri").Because("%s takes no keys", c.Auth)
	case c.Auth.hasKeys() && (c.JWKS == "") == (c.JWKSURI == ""):
		return ErrKeys.At("jwks").Because("%s takes either jwks or jwks_uri", c.Auth)
	case c.Auth != AuthTLS && c.TLSSubject != "":
		return ErrKeys.At("tls_subject").Because("%s takes none", c.Auth)
	case c.JWKSURI != "" && !isRedirect(c.JWKSURI):
		return ErrRedirect.At("jwks_uri")
	}
	if c.JWKS != "" {
		if _, err := parseKeys([]byte(c.JWKS)); err != nil {
			return ErrKeys.At("jwks").Because("%s", err)
		}
	}
	if c.Auth == AuthTLS {
		_, err := parseSubject(c.TLSSubject)
		return err
	}
	return nil
}

func checkPolicy(c Client) error {
	switch {
	case c.Consent != ConsentAsk && c.Consent != ConsentNever:
		return ErrConsent.At("consent")
	case c.Consent == ConsentNever && c.Public() && slices.ContainsFunc(c.Redirects, isPlain):
		// Anything on the device can listen there and say that it is this app (RFC 8252,
		// section 8.6).
		return ErrConsent.At("consent").Because("it is public and on a loopback address")
	}
	return c.Policy.check()
}

func isPlain(uri string) bool { return strings.HasPrefix(uri, "http:") }

// mayScope refuses scopes behind which a permission is that the account cannot hold, or
// the caller lacks: with the client they would have it.
//
// A scope that is no permission is between the app and its own audiences.
func (s *Clients) mayScope(ctx context.Context, tx *db.Tx, c Client) error {
	system, err := isSystem(ctx, tx, c.Account)
	if err != nil {
		return err
	}
	t := ticket.From(ctx)
	for _, p := range s.options.Catalogue {
		switch {
		case !slices.Contains(c.Scopes, p.Name):
		case p.Node && !system:
			return ErrNodeOnly.At("scopes").Because("%s", p.Name)
		case t.Kind != ticket.System && !t.May(p.Name):
			return t.Demand(p.Name)
		}
	}
	return nil
}

// mayAudience refuses an audience that is the id of another account's client: with it
// come tokens that pass for that client's own. Those in had were allowed before.
func mayAudience(ctx context.Context, tx *db.Tx, c Client, had []string) error {
	if ticket.From(ctx).Kind == ticket.System {
		return nil
	}
	for _, a := range c.Audiences {
		if slices.Contains(had, a) {
			continue
		}
		var taken bool
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM oauth_clients WHERE id = $1 AND account_id <> $2)`, a, c.Account).Scan(&taken)
		if err != nil {
			return err
		}
		if taken {
			return ErrAudience.At("audiences").Because("%s is a client of another account", a)
		}
	}
	return nil
}

func isSystem(ctx context.Context, tx *db.Tx, account string) (system bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT kind = 'system' FROM accounts WHERE id = $1`, account).Scan(&system)
	if errors.Is(err, sql.ErrNoRows) {
		return false, ErrNoTenant
	}
	return system, err
}
