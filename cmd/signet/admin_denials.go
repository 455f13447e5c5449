package main

import (
	"context"
	"strings"
	"time"

	"signet/internal/app"
	"signet/internal/objects"
)

type denialsCmd struct {
	store
	printed
	AccessKeyID string `help:"Only those of this key." placeholder:"AKIA..."`
	Bucket      string `help:"Only those of this bucket."`
	RequestID   string `help:"Only this request: the answer's x-amz-request-id."`
	Limit       int    `help:"How many at most, the latest." default:"100"`
}

type denialView struct {
	At          time.Time `json:"at"`
	RequestID   string    `json:"request_id"`
	Address     string    `json:"address"`
	AccessKeyID string    `json:"access_key_id"`
	Operation   string    `json:"operation"`
	Bucket      string    `json:"bucket"`
	Key         string    `json:"key"`
	Code        string    `json:"code"`
	Reason      string    `json:"reason"`
	Canonical   string    `json:"canonical_request,omitempty"`
}

// Run lists what the S3 API refused.
func (cmd denialsCmd) Run(ctx context.Context, c *console) error {
	return cmd.with(ctx, c, func(ctx context.Context, a *app.App) error {
		page, err := a.Denials.List(ctx, objects.DenialFilter{
			AccessKeyID: cmd.AccessKeyID, Bucket: cmd.Bucket, RequestID: cmd.RequestID, Limit: cmd.Limit,
		})
		if err != nil {
			return err
		}
		all := []denialView{}
		t := table{heads: []string{"TIME", "KEY", "REQUEST", "CODE"}, wrap: true, none: cmd.none()}
		for _, d := range page.Denials {
			all = append(all, viewOf(d))
			t.add(d.At.UTC().Format("01-02 15:04:05"), d.AccessKeyID, strings.TrimRight(d.Operation+" "+d.Bucket+"/"+d.Key, " /"), d.Code)
		}
		return cmd.list(c, all, t)
	})
}

func (cmd denialsCmd) none() string {
	if cmd.AccessKeyID+cmd.Bucket+cmd.RequestID != "" {
		return "nothing like that was refused in the last 30 days (signet admin denials lists all)"
	}
	return "nothing was refused in the last 30 days"
}

// Help is what the command's help says below the flags.
func (denialsCmd) Help() string {
	return "Times are UTC. --json has more of each: its address, the reason, the request id, and where a signature did not match " +
		"the canonical request that the server made."
}

func viewOf(d objects.Denial) denialView {
	return denialView{
		d.At, d.RequestID, d.Address, d.AccessKeyID, d.Operation, d.Bucket, d.Key, d.Code, d.Reason, d.Canonical,
	}
}
