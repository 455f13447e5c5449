package main

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"signet/internal/app"
	"signet/internal/objects"
)

// grantee is whom a grant is for, or a bucket is given to.
type grantee struct {
	AccessKeyID string `help:"The key that gets it, and its successors." name:"access-key-id" placeholder:"AKIA..." xor:"whom" required:""`
	User        string `help:"The user who gets it, by address or id." placeholder:"alice@example.org" xor:"whom" required:""`
}

type grantCmd struct {
	store
	printed
	grantee

	Account string `help:"Account (tenant) whose buckets it is about; that of the bucket, or of the key, where it is missing."`
	Bucket  string `required:"" help:"Bucket, or the beginning of their names with * at its end."`
	Prefix  string `help:"Only keys that begin so."`
	Role    string `required:"" help:"What it allows: ${enum}." enum:"read,write,admin"`
}

// grantView is a grant as JSON.
type grantView struct {
	ID      string    `json:"grant_id"`
	Subject string    `json:"subject"`
	KeyID   string    `json:"access_key_id,omitempty"`
	KeyName string    `json:"key_name,omitempty"`
	Bucket  string    `json:"bucket"`
	Prefix  string    `json:"prefix,omitempty"`
	Role    string    `json:"role"`
	Account string    `json:"account_id"`
	Owner   string    `json:"owner,omitempty"`
	Created time.Time `json:"created_at"`
	By      string    `json:"created_by"`
}

func viewGrant(g objects.Grant) grantView {
	return grantView{g.ID, g.Subject, g.AccessKeyID, g.KeyName, g.Bucket, g.Prefix, string(g.Role), g.Account, g.Owner, g.Created, g.By}
}

// Run grants something.
func (cmd grantCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		g, err := a.ObjectAccess.Grant(ctx, objects.NewGrant{
			AccessKeyID: cmd.AccessKeyID, User: cmd.User, Account: cmd.Account,
			Allowance: objects.Allowance{Bucket: cmd.Bucket, Prefix: cmd.Prefix, Role: objects.Role(cmd.Role)},
		})
		if err != nil {
			return err
		}
		later := ""
		if _, err := a.ObjectAccess.Bucket(ctx, g.Bucket); errors.Is(err, objects.ErrNoBucket) && !strings.HasSuffix(g.Bucket, "*") {
			later = "; there is no such bucket yet (signet admin list-buckets)"
		}
		return cmd.print(c, viewGrant(g), "%s has %s now%s", cmp.Or(cmd.AccessKeyID, cmd.User), g.String(), later)
	})
}

type revokeGrantCmd struct {
	store
	ID string `arg:"" name:"grant-id" help:"Id of the grant, such as grt_... (signet admin list-grants)."`
}

// Run takes a grant back.
func (cmd revokeGrantCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		return said(c, a.ObjectAccess.RevokeGrant(ctx, cmd.ID), "grant %s taken back", cmd.ID)
	})
}

type listGrantsCmd struct {
	store
	printed
	Account     string `help:"Only those about buckets of this account (tenant)."`
	Bucket      string `help:"Only those about this bucket."`
	AccessKeyID string `help:"Only those of this key." name:"access-key-id" placeholder:"AKIA..."`
}

// Run lists grants.
func (cmd listGrantsCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		account, names, err := accountByName(ctx, a, cmd.Account)
		if err != nil {
			return err
		}
		list, err := a.ObjectAccess.Grants(ctx, objects.GrantFilter{Account: account, Bucket: cmd.Bucket, AccessKeyID: cmd.AccessKeyID})
		if err != nil {
			return err
		}
		t := table{heads: []string{"GRANT", "TO", "ALLOWS", "ACCOUNT"}, wrap: true, none: cmd.none()}
		views := []grantView{}
		for _, g := range list {
			views = append(views, viewGrant(g))
			t.add(g.ID, cmp.Or(g.KeyName, g.Subject), g.String(), cmp.Or(names[g.Account], g.Account))
		}
		return cmd.list(c, views, t)
	})
}

func (cmd listGrantsCmd) none() string {
	if cmd.Account+cmd.Bucket+cmd.AccessKeyID != "" {
		return "no grants are about that (signet admin list-grants lists all)"
	}
	return "nothing was granted yet; signet admin grant does it"
}

type listBucketsCmd struct {
	store
	printed
	Account string `help:"Only those of this account (tenant)."`
}

// bucketView is a bucket as JSON.
type bucketView struct {
	Name    string    `json:"name"`
	Account string    `json:"account_id"`
	Owner   string    `json:"owner"`
	Public  bool      `json:"public_read"`
	Policy  string    `json:"policy,omitempty"`
	Created time.Time `json:"created_at"`
}

// Run lists buckets.
func (cmd listBucketsCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		account, names, err := accountByName(ctx, a, cmd.Account)
		if err != nil {
			return err
		}
		list, err := a.ObjectAccess.List(ctx, account)
		if err != nil {
			return err
		}
		t := table{heads: []string{"BUCKET", "ACCOUNT", "OWNER", "OPEN"}, wrap: true, none: "no buckets yet; clients of the S3 API make them"}
		views := []bucketView{}
		for _, b := range list {
			views = append(views, bucketView{b.Name, b.Account, b.Owner, b.PublicRead, b.Policy, b.Created})
			t.add(b.Name, cmp.Or(names[b.Account], b.Account, "none"), b.Owner, openWord(b))
		}
		return cmd.list(c, views, t)
	})
}

// openWord says whom a bucket is open to besides its owner and those with a grant.
func openWord(b objects.Bucket) string {
	switch {
	case b.PublicRead:
		return "to all, to read"
	case b.Policy != "":
		return "by policy"
	}
	return "no"
}

type handOverCmd struct {
	store
	grantee

	Bucket string `required:"" help:"The bucket."`
}

// Run gives a bucket another owner.
func (cmd handOverCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		err := a.ObjectAccess.HandOver(ctx, cmd.Bucket, objects.NewOwner{AccessKeyID: cmd.AccessKeyID, User: cmd.User})
		return said(c, err, "bucket %s belongs to %s now", cmd.Bucket, cmp.Or(cmd.AccessKeyID, cmd.User))
	})
}
