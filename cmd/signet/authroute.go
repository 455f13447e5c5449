package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"signet/authproof"
	"signet/client"
	"signet/internal/app"
	"signet/internal/authroute"
	"signet/internal/keyfile"
)

type authrouteCmd struct {
	Keygen  keygenCmd     `cmd:"" help:"Make a primary key and a subkey, and register them."`
	Sign    signCmd       `cmd:"" help:"Make a proof for one mail."`
	Verify  verifyCmd     `cmd:"" help:"Check a proof against a public key."`
	Keys    keysCmd       `cmd:"" help:"List keys: your own, or a user's as operator."`
	Revoke  revokeCmd     `cmd:"" help:"Revoke a key at once."`
	Publish publishCmd    `cmd:"" help:"Print the DNS records of the hosted domains and their keys, to paste into a zone."`
	Domain  domainCmd     `cmd:"" help:"Show and set the mode of sender domains."`
	Bypass  bypassCmd     `cmd:"" help:"Break-glass: let all mail pass unverified for a time."`
	Load    loadCmd       `cmd:"" help:"Load test a policy service and check every answer."`
	Doctor  mailDoctorCmd `cmd:"" help:"Check Postfix, keys, DNS and clock, and say what to change."`
}

// remote are the flags of commands that call a server as a user.
type remote struct {
	Server    string `help:"Origin of the server." env:"SIGNET_SERVER" placeholder:"https://auth.example.org"`
	TokenFile string `help:"File with your API token; SIGNET_TOKEN holds the token itself." placeholder:"FILE" type:"path"`
}

// client returns a client of the server.
func (r remote) client(c *console) (*client.Client, error) {
	token := ""
	for _, e := range c.environ {
		if v, ok := strings.CutPrefix(e, "SIGNET_TOKEN="); ok {
			token = v
		}
	}
	if r.TokenFile != "" {
		b, err := os.ReadFile(r.TokenFile)
		if err != nil {
			return nil, usageError{err}
		}
		token = string(b)
	}
	if token = strings.TrimSpace(token); token == "" {
		return nil, usagef("an API token is needed: --token-file FILE, or SIGNET_TOKEN")
	}
	cl, err := client.New(r.Server, client.WithToken(token))
	if err != nil {
		return nil, usagef("--server: %w", err)
	}
	return cl, nil
}

type keygenCmd struct {
	remote
	printed
	Dir     string `help:"Directory for the key files." default:"." type:"path"`
	Address string `required:"" help:"Address that the subkey signs for." placeholder:"alice@example.org"`
	Days    int    `help:"Days until the subkey expires." default:"180"`
}

// Run makes the keys, and registers them where a server is given.
func (cmd keygenCmd) Run(ctx context.Context, c *console) error {
	if cmd.Days < 1 || cmd.Days > 730 {
		return usagef("--days: %d is not between 1 and 730", cmd.Days)
	}
	if err := os.MkdirAll(cmd.Dir, 0o700); err != nil {
		return err
	}
	primaryFile := filepath.Join(cmd.Dir, "primary.pem")
	primary, err := keyFor(primaryFile)
	if err != nil {
		return err
	}
	subkey, err := newKey()
	if err != nil {
		return err
	}
	id := authproof.KeyID(publicOf(subkey))
	subkeyFile := filepath.Join(cmd.Dir, "subkey-"+id[:16]+".pem")
	if err := keyfile.Write(subkeyFile, subkey); err != nil {
		return err
	}
	expires := time.Now().UTC().Truncate(time.Second).AddDate(0, 0, cmd.Days)
	registered := "not registered: give --server, or run keygen again with it"
	if cmd.Server != "" {
		if err := cmd.register(ctx, c, primary, subkey, expires); err != nil {
			return errors.Join(err, os.Remove(subkeyFile))
		}
		registered = "registered at " + cmd.Server + " until " + expires.Format(time.DateOnly)
	}
	return cmd.print(c, map[string]any{"key_id": id, "private_key_file": subkeyFile, "primary_key_file": primaryFile, "registered": cmd.Server != ""},
		"primary key  %s   (keep it offline: it certifies, and never signs mail)\nsubkey       %s\nkey id       %s\nstate        %s",
		primaryFile, subkeyFile, id, registered)
}

func (cmd keygenCmd) register(ctx context.Context, c *console, primary, subkey ed25519.PrivateKey, expires time.Time) error {
	cl, err := cmd.client(c)
	if err != nil {
		return err
	}
	known, err := cl.Keys(ctx, false)
	if err != nil {
		return err
	}
	id, registered := authproof.KeyID(publicOf(primary)), false
	for _, k := range known {
		registered = registered || k.KeyID == id
		if k.KeyType == "primary" && k.KeyID != id {
			return usagef("you have another primary key, %s: put its file at %s, or revoke it", k.KeyID, filepath.Join(cmd.Dir, "primary.pem"))
		}
	}
	if !registered {
		if _, err := cl.SetPrimary(ctx, cmd.Address, primary, nil); err != nil {
			return err
		}
	}
	_, err = cl.RegisterSubkey(ctx, cmd.Address, primary, subkey, expires)
	return err
}

// keyFor returns the key in a file, and makes both where there is none.
func keyFor(path string) (ed25519.PrivateKey, error) {
	if _, err := os.Stat(path); err == nil {
		return keyfile.Read(path)
	}
	priv, err := newKey()
	if err != nil {
		return nil, err
	}
	return priv, keyfile.Write(path, priv)
}

func newKey() (ed25519.PrivateKey, error) {
	_, priv, err := ed25519.GenerateKey(nil)
	return priv, err
}

func publicOf(priv ed25519.PrivateKey) ed25519.PublicKey {
	return priv.Public().(ed25519.PublicKey) // crypto/ed25519 promises the type
}

type signCmd struct {
	Key       string `required:"" help:"File with the subkey." placeholder:"FILE" type:"path"`
	Sender    string `required:"" help:"Envelope sender, exactly as it will stand in MAIL FROM." placeholder:"alice@example.org"`
	MessageID string `help:"Message-ID of the mail; a new one where it is missing."`
	Audience  string `help:"DNS name of the first relay; * for any." default:"*"`
	V1        bool   `help:"Make a version 1 proof, which has no audience."`
}

// Run prints one proof.
func (cmd signCmd) Run(c *console) error {
	priv, err := keyfile.Read(cmd.Key)
	if err != nil {
		return usageError{err}
	}
	claims := authproof.Claims{
		Version: 2, Timestamp: time.Now(), MessageID: cmd.MessageID, Sender: cmd.Sender, Audience: cmd.Audience,
	}
	if claims.MessageID == "" {
		_, domain, _ := strings.Cut(cmd.Sender, "@")
		claims.MessageID = "<" + strings.ToLower(rand.Text()) + "@" + domain + ">"
	}
	if cmd.V1 {
		claims.Version, claims.Audience = 1, ""
	}
	proof, err := authproof.Sign(priv, claims)
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintln(c.out, proof)
	return err
}

type verifyCmd struct {
	Proof     string        `arg:"" help:"The proof."`
	Sender    string        `required:"" help:"Envelope sender that it came with."`
	PublicKey string        `required:"" help:"Ed25519 public key, standard base64." placeholder:"BASE64"`
	Audience  []string      `help:"Name of this relay. May be repeated."`
	Window    time.Duration `help:"How far the timestamp may lie from now." default:"5m"`
}

// Run checks a proof.
func (cmd verifyCmd) Run(c *console) error {
	pub, err := authproof.ParsePublicKey(cmd.PublicKey)
	if err != nil {
		return usagef("--public-key: %w", err)
	}
	p, err := authproof.Parse(cmd.Proof)
	if err == nil {
		err = p.Verify(pub, cmd.Sender, append(cmd.Audience, authproof.AnyRelay), time.Now(), cmd.Window)
	}
	if err != nil {
		fmt.Fprintf(c.out, "fail  %v\n", err)
		return errRefused
	}
	fmt.Fprintf(c.out, "pass  version %d, key %s, signed %s\n", p.Version, p.KeyID, time.Unix(p.Timestamp, 0).UTC().Format(time.RFC3339))
	return nil
}

type keysCmd struct {
	store
	remote
	printed
	User    string `help:"List the keys of this user, as operator of the store." placeholder:"alice@example.org"`
	Revoked bool   `help:"List revoked keys too."`
}

// Run lists keys.
func (cmd keysCmd) Run(ctx context.Context, c *console) error {
	if cmd.User == "" {
		cl, err := cmd.client(c)
		if err != nil {
			return err
		}
		keys, err := cl.Keys(ctx, cmd.Revoked)
		if err != nil {
			return err
		}
		return cmd.list(c, keys)
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		u, err := a.Accounts.FindUser(ctx, cmd.User)
		if err != nil {
			return err
		}
		found, err := a.Registry.ListOf(ctx, u.ID, cmd.Revoked)
		if err != nil {
			return err
		}
		keys := []client.Key{}
		for _, k := range found {
			keys = append(keys, client.Key{
				KeyID: k.ID, KeyType: string(k.Type), Address: k.Address, PublicKey: base64.StdEncoding.EncodeToString(k.Public),
				CreatedAt: k.Created, ExpiresAt: k.Expires, RevokedAt: k.Revoked, Reason: k.Note,
			})
		}
		return cmd.list(c, keys)
	})
}

func (cmd keysCmd) list(c *console, keys []client.Key) error {
	if cmd.JSON {
		return cmd.print(c, keys, "")
	}
	if len(keys) == 0 {
		fmt.Fprintln(c.out, "No keys. Make some: signet authroute keygen --address ADDRESS --server ORIGIN")
		return nil
	}
	for _, k := range keys {
		state := "live"
		switch {
		case !k.RevokedAt.IsZero():
			state = "revoked " + k.RevokedAt.Format(time.DateOnly)
		case k.KeyType == "subkey" && time.Now().After(k.ExpiresAt):
			state = "expired " + k.ExpiresAt.Format(time.DateOnly)
		case k.KeyType == "subkey":
			state = "until " + k.ExpiresAt.Format(time.DateOnly)
		}
		fmt.Fprintf(c.out, "%s\n  %-8s %-32s %s\n", k.KeyID, k.KeyType, k.Address, state)
	}
	return nil
}

type revokeCmd struct {
	store
	remote
	KeyID  string `arg:"" help:"Id of the key: 64 hex digits."`
	Reason string `help:"Why. keyCompromise, superseded and cessation are published, anything else is kept only."`
}

// Validate refuses what cannot be an id, before anything is opened or asked.
func (cmd revokeCmd) Validate() error {
	if id, err := hex.DecodeString(cmd.KeyID); err != nil || len(id) != sha256.Size || strings.ToLower(cmd.KeyID) != cmd.KeyID {
		return errors.New("a key id is 64 hex digits in lower case: signet authroute keys lists them")
	}
	return nil
}

// Run revokes a key: at a server where one is given, else on the store.
func (cmd revokeCmd) Run(ctx context.Context, c *console) error {
	if cmd.Server != "" {
		cl, err := cmd.client(c)
		if err != nil {
			return err
		}
		err = cl.RevokeKey(ctx, cmd.KeyID, cmd.Reason)
		return said(c, err, "revoked: every instance refuses it within 2 s")
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Registry.Revoke(ctx, cmd.KeyID, cmd.Reason), "revoked: every instance refuses it within 2 s")
	})
}

// said prints what was done, unless it was not.
func said(c *console, err error, format string, args ...any) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, format+"\n", args...)
	return err
}

type publishCmd struct{ store }

// Run prints zone lines.
func (cmd publishCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		lines, err := a.ZoneLines(ctx)
		if err != nil {
			return err
		}
		if len(lines) == 0 {
			return usagef("no domains: list those that you host in the configuration, authroute.domains")
		}
		_, err = fmt.Fprintln(c.out, strings.Join(lines, "\n"))
		return err
	})
}

type domainCmd struct {
	List  domainListCmd  `cmd:"" help:"List the sender domains and their modes."`
	Set   domainSetCmd   `cmd:"" help:"Set the mode of a sender domain; it wins over the configuration."`
	Unset domainUnsetCmd `cmd:"" help:"Return a sender domain to its configured mode."`
}

type domainListCmd struct {
	store
	printed
}

// Run lists domains.
func (cmd domainListCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		all, err := a.Domains.List(ctx)
		if err != nil {
			return err
		}
		if cmd.JSON {
			return cmd.print(c, all, "")
		}
		if len(all) == 0 {
			fmt.Fprintln(c.out, "No domains. List those that you host in the configuration: authroute.domains")
		}
		for _, d := range all {
			fmt.Fprintf(c.out, "%-32s %s\n", d.Name, d.Mode)
		}
		return nil
	})
}

type domainSetCmd struct {
	store
	Domain string `arg:"" help:"The sender domain."`
	Mode   string `required:"" enum:"monitor,quarantine,enforce,require" help:"monitor, quarantine, enforce or require."`
}

// Run sets a mode.
func (cmd domainSetCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Domains.SetMode(ctx, cmd.Domain, authroute.Mode(cmd.Mode)), "%s: %s from now on", cmd.Domain, cmd.Mode)
	})
}

type domainUnsetCmd struct {
	store
	Domain string `arg:"" help:"The sender domain."`
}

// Run forgets a mode.
func (cmd domainUnsetCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.Domains.Unset(ctx, cmd.Domain), "%s: as configured", cmd.Domain)
	})
}

type bypassCmd struct {
	store
	For    time.Duration `help:"How long, such as 1h; 24h at most." xor:"what"`
	Stop   bool          `help:"End the bypass now." xor:"what"`
	Reason string        `help:"Why; it stands in the audit log."`
}

// Run starts, ends or shows the bypass.
func (cmd bypassCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		switch {
		case cmd.Stop:
			return said(c, a.Bypass.Stop(ctx), "bypass ended: mail is verified again")
		case cmd.For > 0:
			return said(c, a.Bypass.Start(ctx, cmd.For, cmd.Reason), "all mail passes unverified until %s; signet authroute bypass --stop ends it", time.Now().Add(cmd.For).Format(time.RFC3339))
		}
		if err := a.Bypass.Load(ctx); err != nil {
			return err
		}
		until, on := a.Bypass.Until()
		if !on {
			return said(c, nil, "no bypass: mail is verified")
		}
		return said(c, nil, "all mail passes unverified until %s", until.Format(time.RFC3339))
	})
}
