package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"signet/internal/account"
	"signet/internal/config"
	"signet/internal/dpop"
	"signet/internal/token"
	"signet/internal/web"
)

// newOAuth returns the endpoints of the token authority, in a running instance.
func (a *App) newOAuth(ctx context.Context, in *instance) (*token.OAuth, error) {
	oauth, err := a.oauth(ctx, a.guard)
	if err == nil {
		a.warnOfSenders(ctx)
		in.workers = append(in.workers, oauth.Run)
	}
	return oauth, err
}

// oauth returns the grants of the token authority. Used proofs go to used.
func (a *App) oauth(ctx context.Context, used token.Proofs) (*token.OAuth, error) {
	o, err := a.senderOptions(ctx)
	if err != nil {
		return nil, err
	}
	return token.NewOAuth(a.DB, a.Tokens, a.Clients, token.OAuthOptions{
		People: sessionPeople{a}, Audit: a.Audit, Metrics: a.tokenMetrics, Now: time.Now,
		Senders:    token.NewSenders(a.DB, a.Clients, used, a.Audit, a.tokenMetrics, o),
		Successors: [32]byte(a.Seal.Derive("oauth refresh successors")), Forgetful: !a.Config.Security.KeepClientTokens,
	}), nil
}

// Explain says what an access or refresh token is bound to, and why it is refused.
func (a *App) Explain(ctx context.Context, value string) (token.Explanation, error) {
	oauth, err := a.oauth(ctx, nil) // it uses no proof up
	if err != nil {
		return token.Explanation{}, err
	}
	e, err := oauth.Explain(ctx, value)
	if what := otherCredential(value); err == nil && !e.Known && what != "" {
		e.Reasons = []token.Reason{{Word: token.NoToken, Text: what}}
	}
	return e, err
}

// otherCredential says what a credential of this server is that is no token of the
// authority; "" where it has the prefix of none.
func otherCredential(value string) string {
	for prefix, what := range map[string]string{
		account.TokenPrefix:   "it is a personal API token, which opens /api/v1 by itself (signet admin user tokens USER lists them)",
		account.KeyPrefix:     "it is a service key, by which a program proves itself (signet admin key list)",
		account.SessionPrefix: "it is what keeps a session of a browser (signet admin user sessions USER)",
		token.SecretPrefix:    "it is the secret of an OAuth client, which gets tokens at /token with it (signet admin client list)",
	} {
		if strings.HasPrefix(value, prefix) {
			return what
		}
	}
	return ""
}

// notes are what /health tells operators.
func notes(oauth *token.OAuth) func() []string {
	return func() []string {
		b, on := oauth.Bypassed()
		if !on {
			return nil
		}
		return []string{"DPoP proofs are not asked for until " + b.Until.UTC().Format(time.RFC3339) + " (allowTemporaryBypass): " + b.Reason}
	}
}

// clientCAs are the authorities whose clients may prove themselves by certificate; nil
// for none.
func (a *App) clientCAs() (*x509.CertPool, error) {
	file := a.Config.Server.MTLS.ClientCAs
	if file == "" {
		return nil, nil
	}
	pool, err := readCAs(file)
	if err != nil {
		return nil, fmt.Errorf("server.mtls.clientCAFile: %w", err)
	}
	return pool, nil
}

func readCAs(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("there is no certificate in it")
	}
	return pool, nil
}

// senderOptions is the configuration of what senders must prove.
func (a *App) senderOptions(ctx context.Context) (o token.SenderOptions, err error) {
	d, m, s := a.Config.Security.SenderConstraints.DPoP, a.Config.Security.SenderConstraints.MTLS, a.Config.Server
	h := m.ClientCertificateHeader
	o = token.SenderOptions{
		Origin: s.Origin, DPoP: d.Enabled,
		Proofs: dpop.Policy{Algorithms: d.AllowedAlgorithms, Lifetime: d.ProofLifetime.D(), Skew: d.AllowedClockSkew.D()},
		Window: d.ReplayWindow.D(),
		Nonces: d.Nonce.Enabled, SingleUse: d.Nonce.Mode == "single-use", NonceTTL: d.Nonce.TTL.D(), NonceAtAPIs: d.Nonce.RequiredAudiences,
		NonceKey: [32]byte(a.Seal.Derive("dpop nonces")), ReplayStatus: http.StatusUnauthorized,
		MTLS: m.Enabled, MTLSAt: m.EnforceForAudiences, Strict: m.Introspection == "strict",
		Certificates: token.CertificateHeader{
			Name: h.Name, Proxies: config.Prefixes(h.TrustedProxies), Secret: h.ProxySecret.Reveal(), Verifies: h.ProxyVerifiesChain,
		},
		Now: time.Now,
	}
	if s.MTLS.Listen != "" {
		o.MTLSOrigin = strings.TrimSuffix(s.MTLS.Origin, "/")
	}
	if d.ReplayStatus == "rfc" {
		o.ReplayStatus = http.StatusBadRequest
	}
	if d.Bypass.Enabled {
		o.Bypass = token.Bypass{Until: d.Bypass.ExpiresAt.T(), Reason: d.Bypass.Reason}
	}
	if o.DPoPFor, err = a.accountIDs(ctx, d.RequireForTenants); err != nil {
		return o, fmt.Errorf("security.senderConstraints.dpop.requireForTenants: %w", err)
	}
	if o.MTLSFor, err = a.accountIDs(ctx, m.RequireForTenants); err != nil {
		return o, fmt.Errorf("security.senderConstraints.mtls.requireForTenants: %w", err)
	}
	return o, nil
}

// accountIDs returns the ids of accounts by name or id; "*" stays.
func (a *App) accountIDs(ctx context.Context, names []string) (ids []string, err error) {
	for _, name := range names {
		if name == "*" {
			ids = append(ids, name)
			continue
		}
		acc, err := a.Accounts.FindAccount(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
		ids = append(ids, acc.ID)
	}
	return ids, nil
}

// callers are those who prove callers of the API: API tokens, service keys, and access
// tokens of the authority, on the listeners that are the authority's own.
func (a *App) callers(oauth *token.OAuth) []web.Authenticator {
	list := []web.Authenticator{account.NewAuthenticator(a.Accounts)}
	if oauth != nil {
		list = append(list, token.NewAuthenticator(oauth, func(t string) bool { return strings.HasPrefix(t, account.TokenPrefix) }))
	}
	return list
}

// forCertificates is what the listener that asks for client certificates serves of the
// public one: the endpoints for tokens, and the API.
func forCertificates(public http.Handler, oauth *token.OAuth) *http.ServeMux {
	own := http.NewServeMux()
	token.OAuthRoutes(own, oauth)
	own.Handle("/api/v1/", public)
	return own
}
