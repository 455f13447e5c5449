package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"signet/internal/app"
	"signet/internal/config"
	"signet/internal/token"
)

type applyCmd struct {
	store
	printed

	File   string `arg:"" help:"YAML file with clients and tenants. What it does not name stays as it is." type:"path"`
	DryRun bool   `help:"Say what would happen, and change nothing."`
}

// wanted is the file.
type wanted struct {
	Clients []wantedClient `yaml:"clients"`
	Tenants []wantedTenant `yaml:"tenants"`
}

type wantedClient struct {
	ID         string       `yaml:"id"`
	Name       string       `yaml:"name"`
	Account    string       `yaml:"account"`
	Auth       string       `yaml:"auth" one:"client_secret_basic,client_secret_post,private_key_jwt,tls_client_auth,self_signed_tls_client_auth,none"`
	Grants     []string     `yaml:"grants"`
	Scopes     []string     `yaml:"scopes"`
	Redirects  []string     `yaml:"redirectURIs"`
	PostLogout []string     `yaml:"postLogoutRedirectURIs"`
	LogoutURI  string       `yaml:"backchannelLogoutURI"`
	Audiences  []string     `yaml:"audiences"`
	Format     string       `yaml:"tokenFormat" one:"jwt,opaque"`
	JWKSFile   string       `yaml:"jwksFile"`
	JWKSURI    string       `yaml:"jwksURI"`
	TLSSubject string       `yaml:"tlsSubject"`
	Consent    string       `yaml:"consent" one:"ask,never"`
	Policy     wantedPolicy `yaml:"policy"`

	SecretFile    string `yaml:"secretFile"`
	NewSecretFile string `yaml:"newSecretFile"`
}

type wantedTenant struct {
	Account string       `yaml:"account"`
	Policy  wantedPolicy `yaml:"policy"`
}

type wantedPolicy struct {
	DPoP string `yaml:"dpop" one:"off,optional,required"`
	MTLS string `yaml:"mtls" one:"off,optional,required"`
}

func (p wantedPolicy) policy() token.Policy {
	return token.Policy{DPoP: token.Demand(p.DPoP), MTLS: token.Demand(p.MTLS)}
}

// applied says what became of one entry.
type applied struct {
	Kind    string        `json:"kind"`
	ID      string        `json:"id"`
	Outcome token.Outcome `json:"outcome"`
}

// Run has clients and policies be as the file says. First it tries all of it, so that a
// fault in one entry leaves the others alone.
func (cmd applyCmd) Run(ctx context.Context, c *console) error {
	text, err := os.ReadFile(cmd.File)
	if err != nil {
		return err
	}
	var w wanted
	if err := config.Strict(cmd.File, text, &w); err != nil {
		return usageError{err}
	}
	if len(w.Clients)+len(w.Tenants) == 0 {
		return usagef("%s: names neither clients nor tenants", cmd.File)
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		p := applying{clients: a.Clients, dir: filepath.Dir(cmd.File), trial: true}
		done, err := p.all(ctx, w)
		if err == nil && !cmd.DryRun {
			p.trial = false
			done, err = p.all(ctx, w)
		}
		if err != nil {
			return err
		}
		if cmd.JSON {
			return cmd.print(c, done, "")
		}
		for _, d := range done {
			fmt.Fprintf(c.out, "%s %s  %s\n", d.Kind, d.ID, d.Outcome)
		}
		if cmd.DryRun {
			return said(c, nil, "a dry run: nothing was changed")
		}
		return nil
	})
}

// applying applies a file.
type applying struct {
	clients *token.Clients
	dir     string // of the file, to which the paths in it are relative
	trial   bool
}

func (p applying) all(ctx context.Context, w wanted) ([]applied, error) {
	done := []applied{}
	seen := map[string]bool{}
	for i, c := range w.Clients {
		if c.ID == "" {
			return nil, usagef("clients[%d]: id: every client in the file needs one, such as shop", i)
		}
		if seen[c.ID] {
			return nil, usageError{fmt.Errorf("clients[%d] %s: the id stands here twice", i, c.ID)}
		}
		seen[c.ID] = true
		o, err := p.client(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("clients[%d] %s: %w", i, c.ID, err)
		}
		done = append(done, applied{"client", c.ID, o})
	}
	for i, t := range w.Tenants {
		o, err := p.tenant(ctx, t)
		if err != nil {
			return nil, fmt.Errorf("tenants[%d] %s: %w", i, t.Account, err)
		}
		done = append(done, applied{"tenant", t.Account, o})
	}
	return done, nil
}

// at returns where a file is that the YAML names.
func (p applying) at(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.dir, path)
}

func (p applying) client(ctx context.Context, w wantedClient) (token.Outcome, error) {
	n, err := p.wanted(w)
	if err != nil {
		return "", err
	}
	o, secret, err := p.clients.Apply(ctx, n, true)
	if err != nil || p.trial && (o != token.Created || secret == "" || n.Secret != "") {
		return o, err
	}
	if o != token.Created || secret == "" || n.Secret != "" {
		o, _, err = p.clients.Apply(ctx, n, false)
		return o, err
	}
	path := p.at(w.NewSecretFile)
	if path == "" {
		return "", usageError{errors.New("the client is new and needs a secret: name secretFile, which has one, or newSecretFile, which gets one")}
	}
	if p.trial {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return "", usageError{fmt.Errorf("newSecretFile: %s is there already, and nothing is overwritten", path)}
		}
		return o, nil
	}
	return p.withSecret(ctx, n, path)
}

// withSecret creates a client and keeps its secret in a file, which only its owner reads.
// The file comes first: a secret that cannot be kept is no use.
func (p applying) withSecret(ctx context.Context, n token.NewClient, path string) (o token.Outcome, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator named it
	if err != nil {
		return "", fmt.Errorf("newSecretFile: %w", err)
	}
	o, secret, err := p.clients.Apply(ctx, n, false)
	if err != nil {
		return "", errors.Join(err, f.Close(), os.Remove(path))
	}
	_, err = f.WriteString(secret + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("newSecretFile: %w: the client is there, but its secret is lost: signet admin client rotate gives it another", err)
	}
	return o, nil
}

// wanted reads what an entry names in other files.
func (p applying) wanted(w wantedClient) (token.NewClient, error) {
	if w.SecretFile != "" && w.NewSecretFile != "" {
		return token.NewClient{}, usageError{errors.New("secretFile and newSecretFile exclude each other")}
	}
	jwks, err := readOptional(p.at(w.JWKSFile))
	if err != nil {
		return token.NewClient{}, fmt.Errorf("jwksFile: %w", err)
	}
	secret, err := readOptional(p.at(w.SecretFile))
	if err != nil {
		return token.NewClient{}, fmt.Errorf("secretFile: %w", err)
	}
	if w.SecretFile != "" && strings.TrimSpace(secret) == "" {
		return token.NewClient{}, usageError{errors.New("secretFile: it is empty")}
	}
	return token.NewClient{
		ID: w.ID, Name: w.Name, Account: w.Account, Auth: token.AuthMethod(w.Auth), Grants: longGrants(w.Grants), Scopes: w.Scopes,
		Redirects: w.Redirects, PostLogoutRedirects: w.PostLogout, LogoutURI: w.LogoutURI, Audiences: w.Audiences,
		Format: token.Format(w.Format), JWKS: jwks, JWKSURI: w.JWKSURI, TLSSubject: w.TLSSubject,
		Consent: token.Consent(w.Consent), Policy: w.Policy.policy(), Secret: strings.TrimSpace(secret),
	}, nil
}

func (p applying) tenant(ctx context.Context, w wantedTenant) (token.Outcome, error) {
	if w.Account == "" {
		return "", usageError{errors.New("account is missing")}
	}
	have, err := p.clients.TenantPolicy(ctx, w.Account)
	if err != nil {
		return "", err
	}
	want := w.Policy.policy().Stricter(token.Policy{}) // what is empty is off
	if have == want {
		return token.Unchanged, nil
	}
	if p.trial {
		return token.Changed, nil
	}
	return token.Changed, p.clients.SetTenantPolicy(ctx, w.Account, want)
}
