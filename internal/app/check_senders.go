package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"signet/internal/account"
	"signet/internal/config"
	"signet/internal/db"
	"signet/internal/token"
)

// checkSenders looks for demands on senders that nobody can meet, and for a bypass of
// them. All that it finds is worth knowing: there is nothing where all is well.
func checkSenders(ctx context.Context, cfg config.Config, now time.Time) []Finding {
	all := checkTokenBypass(cfg.Security.SenderConstraints.DPoP.Bypass, now)
	if !cfg.StoreExists() {
		return all
	}
	d, err := db.Open(ctx, cfg.StoreURL())
	if err != nil { // which the check of the store says
		return all
	}
	defer d.Close()
	if d.CheckMigrated(ctx) != nil {
		return all
	}
	return slices.Concat(all, checkTenants(ctx, cfg, d), checkDemands(ctx, cfg, d))
}

// checkTokenBypass tells of the emergency bypass of DPoP, on or over.
func checkTokenBypass(b config.Bypass, now time.Time) []Finding {
	const what = "bypass of DPoP"
	end := b.ExpiresAt.T()
	switch {
	case !b.Enabled:
		return nil
	case end.After(now):
		return []Finding{{"warn", what, "proofs are not asked for until " + end.UTC().Format(time.RFC3339) + ": " + b.Reason, ""}}
	}
	return []Finding{{
		"warn", what, "it ended at " + end.UTC().Format(time.RFC3339) + ", and proofs are asked for",
		"take allowTemporaryBypass out of security.senderConstraints.dpop, or move its expiresAt",
	}}
}

// checkTenants finds accounts that are named and not there: the server would not start.
func checkTenants(ctx context.Context, cfg config.Config, d *db.DB) (all []Finding) {
	accounts := account.New(d, nil, time.Now, nil, account.Closers{}) // it looks, and changes nothing
	s := cfg.Security.SenderConstraints
	for _, list := range []struct {
		key   string
		names []string
	}{{"dpop", s.DPoP.RequireForTenants}, {"mtls", s.MTLS.RequireForTenants}} {
		what := "security.senderConstraints." + list.key + ".requireForTenants"
		for _, name := range list.names {
			if name == "*" {
				continue
			}
			_, err := accounts.FindAccount(ctx, name)
			switch {
			case errors.Is(err, account.ErrNoAccount):
				all = append(all, Finding{
					"fail", what, fmt.Sprintf("there is no account %q", name),
					"signet admin account list shows those that there are, signet admin create-account makes one",
				})
			case err != nil:
				all = append(all, found(what, err, ""))
			}
		}
	}
	return all
}

// checkDemands finds clients and accounts that demand what is not taken here: none of
// their clients gets a token.
func checkDemands(ctx context.Context, cfg config.Config, d *db.DB) (all []Finding) {
	keys, certificates, err := token.Demanding(ctx, d)
	if err != nil {
		return []Finding{found("demands of clients", err, "")}
	}
	s := cfg.Security.SenderConstraints
	add := func(by []string, text, fix string) {
		if len(by) > 0 {
			all = append(all, Finding{"fail", "demands of clients", text + strings.Join(by, ", "), fix})
		}
	}
	if !s.DPoP.Enabled {
		add(keys, "proofs are not taken, and demanded by ",
			"set security.senderConstraints.dpop.enabled: true, or --dpop optional: signet admin client update, signet admin tenant policy")
	}
	const loosen = ", or --mtls optional: signet admin client update, signet admin tenant policy"
	switch {
	case !s.MTLS.Enabled:
		add(certificates, "certificates are not taken, and demanded by ", "set security.senderConstraints.mtls.enabled: true"+loosen)
	case cfg.Server.MTLS.Listen == "" && len(s.MTLS.ClientCertificateHeader.TrustedProxies) == 0:
		add(certificates, "nothing brings certificates, and they are demanded by ",
			"set server.mtls.listen, or clientCertificateHeader.trustedProxies where a proxy asks for them"+loosen)
	}
	return all
}

// warnOfSenders logs at the start what the check finds of senders.
func (a *App) warnOfSenders(ctx context.Context) {
	for _, f := range checkSenders(ctx, a.Config, time.Now()) {
		slog.WarnContext(ctx, "sender constraints need a look", "what", f.What, "found", f.Text, "remedy", f.Fix)
	}
}
