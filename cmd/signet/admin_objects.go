package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"signet/internal/app"
	"signet/internal/objects"
)

// objectsAdminCmd is what administrators do about the S3 API.
type objectsAdminCmd struct {
	CreateKey      createAccessKeyCmd `cmd:"" help:"Create an access key of the S3 API and print both parts once."`
	ListKeys       listAccessKeysCmd  `cmd:"" help:"List access keys of the S3 API."`
	RotateKey      rotateAccessKeyCmd `cmd:"" help:"Give an access key a successor and print it once."`
	RevokeKey      revokeAccessKeyCmd `cmd:"" help:"End an access key at once."`
	Grant          grantCmd           `cmd:"" help:"Grant a key or a user something on buckets."`
	RevokeGrant    revokeGrantCmd     `cmd:"" help:"Take a grant back at once."`
	ListGrants     listGrantsCmd      `cmd:"" help:"List what was granted on buckets."`
	ListBuckets    listBucketsCmd     `cmd:"" help:"List buckets and their owners."`
	HandOverBucket handOverCmd        `cmd:"" help:"Give a bucket another owner."`
	CheckRequest   checkRequestCmd    `cmd:"" help:"Say why a captured request to the S3 API fails."`
}

// lifetime is a time from now, in which days may be counted.
type lifetime time.Duration

// UnmarshalText reads 90d, or what time.ParseDuration reads.
func (l *lifetime) UnmarshalText(text []byte) error {
	s := string(text)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is not a time such as 90d or 12h", s)
		}
		*l = lifetime(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a time such as 90d or 12h", s)
	}
	*l = lifetime(d)
	return nil
}

type createAccessKeyCmd struct {
	store
	printed
	Name    string   `required:"" help:"What the key is for."`
	Account string   `help:"Account (tenant) that it belongs to; the system account where it is missing."`
	User    string   `help:"User whom it acts for, by address or id; the account itself where it is missing." placeholder:"alice@example.org"`
	Expires lifetime `help:"How long it is good, such as 90d or 12h; for ever where it is missing."`
	Grant   []string `help:"All that it may do: BUCKET:read, BUCKET/PREFIX*:write or BUCKET:admin; BUCKET may end with *. May be repeated. Where it is missing the key makes buckets of its own." placeholder:"BUCKET:ROLE" sep:"none"`
	Rate    int      `help:"Requests a second; as configured (objects.keyRate) where it is missing."`
}

// Run creates an access key.
func (cmd createAccessKeyCmd) Run(ctx context.Context, c *console) error {
	n := objects.NewKey{Name: cmd.Name, Account: cmd.Account, User: cmd.User, Rate: cmd.Rate}
	if cmd.Expires != 0 {
		n.Expires = time.Now().Add(time.Duration(cmd.Expires))
	}
	for _, text := range cmd.Grant {
		g, err := objects.ParseAllowance(text)
		if err != nil {
			return usageError{fmt.Errorf("--grant: %q: %w", text, err)}
		}
		n.Grants = append(n.Grants, g)
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		k, secret, err := a.ObjectKeys.Create(ctx, n)
		if err != nil {
			return err
		}
		return cmd.printKey(c, k, secret)
	})
}

// printKey prints both parts of a key.
func (p printed) printKey(c *console, k objects.Key, secret string) error {
	v := viewAccessKey(k)
	v.Secret = secret
	return p.print(c, v, "access key id      %s\nsecret access key  %s\n\nKeep the secret: it is shown this once.", k.AccessKeyID, secret)
}

// accessKeyView is an access key as JSON.
type accessKeyView struct {
	AccessKeyID string    `json:"access_key_id"`
	Secret      string    `json:"secret_access_key,omitempty"`
	Name        string    `json:"name"`
	Account     string    `json:"account_id"`
	User        string    `json:"user_id,omitempty"`
	Limited     bool      `json:"limited"`
	Rate        int       `json:"rate,omitempty"`
	Active      bool      `json:"is_active"`
	Created     time.Time `json:"created_at"`
	Expires     time.Time `json:"expires_at,omitzero"`
	LastUsed    time.Time `json:"last_used_at,omitzero"`
	Revoked     time.Time `json:"revoked_at,omitzero"`
}

func viewAccessKey(k objects.Key) accessKeyView {
	return accessKeyView{
		AccessKeyID: k.AccessKeyID, Name: k.Name, Account: k.Account, User: k.User, Limited: k.Limited, Rate: k.Rate, Active: k.Live(time.Now()),
		Created: k.Created, Expires: k.Expires, LastUsed: k.LastUsed, Revoked: k.Revoked,
	}
}

type listAccessKeysCmd struct {
	store
	printed
	Account string `help:"Only those of this account (tenant)."`
	All     bool   `help:"Revoked and expired ones too."`
}

// Run lists access keys.
func (cmd listAccessKeysCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		account, names, err := accountByName(ctx, a, cmd.Account)
		if err != nil {
			return err
		}
		list, err := a.ObjectKeys.List(ctx, objects.KeyFilter{Account: account, Ended: cmd.All})
		if err != nil {
			return err
		}
		t := table{
			heads: []string{"ACCESS KEY", "NAME", "ACCOUNT", "ACTS FOR", "LAST USED", "STATE"}, wrap: true,
			none: "no access keys yet; make one with signet admin create-key --name NAME",
		}
		views := []accessKeyView{}
		for _, k := range list {
			views = append(views, viewAccessKey(k))
			t.add(k.AccessKeyID, k.Name, cmp.Or(names[k.Account], k.Account), cmp.Or(k.User, "the account"), when(k.LastUsed), accessKeyState(k))
		}
		return cmd.list(c, views, t)
	})
}

// accountByName returns the id of an account, and the names of all by id.
func accountByName(ctx context.Context, a *app.App, name string) (id string, names map[string]string, err error) {
	if names, err = accountNames(ctx, a); err != nil || name == "" {
		return "", names, err
	}
	acc, err := a.Accounts.FindAccount(ctx, name)
	return acc.ID, names, err
}

func accessKeyState(k objects.Key) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Live(time.Now()):
		return "expired"
	case !k.Expires.IsZero():
		return "until " + when(k.Expires)
	}
	return "live"
}

// oneAccessKey names an access key.
type oneAccessKey struct {
	AccessKeyID string `required:"" help:"The public part of the key." name:"access-key-id" placeholder:"AKIA..."`
}

type rotateAccessKeyCmd struct {
	store
	printed
	oneAccessKey

	Overlap *lifetime `help:"How long the old key works on, such as 24h; 0s ends it at once. As configured (objects.overlap) where it is missing."`
}

// Run rotates an access key.
func (cmd rotateAccessKeyCmd) Run(ctx context.Context, c *console) error {
	overlap := time.Duration(-1)
	if cmd.Overlap != nil {
		overlap = time.Duration(*cmd.Overlap)
	}
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		k, secret, err := a.ObjectKeys.Rotate(ctx, cmd.AccessKeyID, overlap)
		if err != nil {
			return err
		}
		return cmd.printKey(c, k, secret)
	})
}

type revokeAccessKeyCmd struct {
	store
	oneAccessKey
}

// Run ends an access key.
func (cmd revokeAccessKeyCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.ObjectKeys.Revoke(ctx, cmd.AccessKeyID), "access key %s revoked", cmd.AccessKeyID)
	})
}
