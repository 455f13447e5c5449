package objects

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"signet/internal/ticket"
)

// maxAdminBody is how long a request body of these calls may be, in bytes.
const maxAdminBody = 64 << 10

// Administration is what the routes serve.
type Administration struct {
	Keys    *Keys
	Access  *Access
	Denials *Denials
}

// AdminRoutes mounts keys, grants, buckets and refused requests of the S3 door on api.
func AdminRoutes(api huma.API, s Administration) {
	h := adminHandler{s}
	op := func(method, path, id, summary string, status int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: "/api/v1/objects" + path, Summary: summary,
			DefaultStatus: status, MaxBodyBytes: maxAdminBody, Tags: []string{"objects"},
		}
	}
	huma.Register(api, op(http.MethodGet, "/keys", "list-access-keys", "List access keys, youngest first: the account's, or your own", 200), h.listKeys)
	huma.Register(api, op(http.MethodPost, "/keys", "create-access-key", "Make an access key, your own or the account's", 201), h.createKey)
	huma.Register(api, op(http.MethodGet, "/keys/{access_key_id}", "show-access-key", "Show an access key", 200), h.showKey)
	huma.Register(api, op(http.MethodPost, "/keys/{access_key_id}/rotate", "rotate-access-key", "Make a successor of an access key", 201), h.rotateKey)
	huma.Register(api, op(http.MethodDelete, "/keys/{access_key_id}", "revoke-access-key", "End an access key at once", 204), h.revokeKey)

	huma.Register(api, op(http.MethodGet, "/grants", "list-bucket-grants", "List what was granted, oldest first", 200), h.listGrants)
	huma.Register(api, op(http.MethodPost, "/grants", "create-bucket-grant", "Grant a key or a user something", 201), h.createGrant)
	huma.Register(api, op(http.MethodDelete, "/grants/{grant_id}", "revoke-bucket-grant", "Take a grant back at once", 204), h.revokeGrant)

	huma.Register(api, op(http.MethodGet, "/buckets", "list-buckets", "List buckets: the account's, or your own", 200), h.listBuckets)
	huma.Register(api, op(http.MethodGet, "/buckets/{bucket}", "show-bucket", "Show a bucket with its policy", 200), h.showBucket)
	huma.Register(api, op(http.MethodPut, "/buckets/{bucket}/owner", "hand-over-bucket", "Give a bucket another owner", 204), h.handOver)

	huma.Register(api, op(http.MethodGet, "/denials", "list-denials", "List refused requests, newest first", 200), h.listDenials)
}

type adminHandler struct{ Administration }

type adminAnswer[T any] struct{ Body T }

// KeyPath is embedded in what calls take; huma fills embedded fields of exported types only.
type KeyPath struct {
	AccessKeyID string `path:"access_key_id"`
}

type accessKeyJSON struct {
	AccessKeyID string `json:"access_key_id"`
	Secret      string `json:"secret_access_key,omitempty" doc:"Shown once, by the call that makes the key"`
	Name        string `json:"name"`
	AccountID   string `json:"account_id"`
	UserID      string `json:"user_id,omitempty" doc:"Whom it acts for; missing: the account itself"`
	Limited     bool   `json:"limited" doc:"It may only what it was granted itself"`
	Rate        int    `json:"rate,omitempty" doc:"Requests a second; missing: as configured"`
	Active      bool   `json:"is_active" doc:"It may sign"`
	CreatedAt   string `json:"created_at"`
	ExpiresAt   string `json:"expires_at,omitempty"`
	LastUsedAt  string `json:"last_used_at,omitempty" doc:"To the minute"`
	RevokedAt   string `json:"revoked_at,omitempty"`
}

func (h adminHandler) keyOut(k Key) accessKeyJSON {
	return accessKeyJSON{
		AccessKeyID: k.AccessKeyID, Name: k.Name, AccountID: k.Account, UserID: k.User, Limited: k.Limited, Rate: k.Rate, Active: k.Live(h.Keys.o.Now()),
		CreatedAt: moment(k.Created), ExpiresAt: moment(k.Expires), LastUsedAt: moment(k.LastUsed), RevokedAt: moment(k.Revoked),
	}
}

// moment is a time as callers get it; empty where it is zero.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (h adminHandler) listKeys(ctx context.Context, in *struct {
	Own   bool `query:"own" doc:"Only those that act for the caller"`
	Ended bool `query:"ended" doc:"Revoked and expired ones too"`
},
) (*adminAnswer[[]accessKeyJSON], error) {
	list, err := h.Keys.List(ctx, KeyFilter{Own: in.Own, Ended: in.Ended})
	if err != nil {
		return nil, err
	}
	out := []accessKeyJSON{}
	for _, k := range list {
		out = append(out, h.keyOut(k))
	}
	return &adminAnswer[[]accessKeyJSON]{out}, nil
}

type newAccessKeyJSON struct {
	Name      string    `json:"name" doc:"What it is for"`
	Own       bool      `json:"own,omitempty" doc:"It acts for the caller, with all that the caller may; else for the account itself"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Grants    []string  `json:"grants,omitempty" doc:"BUCKET:read, BUCKET/PREFIX*:write or BUCKET:admin. Where there are any, it may nothing else"`
	Rate      int       `json:"rate,omitempty" doc:"Requests a second; missing: as configured"`
}

func (h adminHandler) createKey(ctx context.Context, in *struct{ Body newAccessKeyJSON }) (*adminAnswer[accessKeyJSON], error) {
	n := NewKey{Name: in.Body.Name, Expires: in.Body.ExpiresAt, Rate: in.Body.Rate}
	if t := ticket.From(ctx); in.Body.Own && t != nil {
		n.User = t.Subject
	}
	for _, text := range in.Body.Grants {
		g, err := ParseAllowance(text)
		if err != nil {
			return nil, err
		}
		n.Grants = append(n.Grants, g)
	}
	k, secret, err := h.Keys.Create(ctx, n)
	if err != nil {
		return nil, err
	}
	out := h.keyOut(k)
	out.Secret = secret
	return &adminAnswer[accessKeyJSON]{out}, nil
}

func (h adminHandler) showKey(ctx context.Context, in *KeyPath) (*adminAnswer[accessKeyJSON], error) {
	k, err := h.Keys.Get(ctx, in.AccessKeyID)
	if err != nil {
		return nil, err
	}
	return &adminAnswer[accessKeyJSON]{h.keyOut(k)}, nil
}

func (h adminHandler) rotateKey(ctx context.Context, in *struct {
	KeyPath
	Overlap int `query:"overlap" default:"-1" minimum:"-1" doc:"Seconds for which the old key works on; -1: as configured"`
},
) (*adminAnswer[accessKeyJSON], error) {
	k, secret, err := h.Keys.Rotate(ctx, in.AccessKeyID, time.Duration(in.Overlap)*time.Second)
	if err != nil {
		return nil, err
	}
	out := h.keyOut(k)
	out.Secret = secret
	return &adminAnswer[accessKeyJSON]{out}, nil
}

func (h adminHandler) revokeKey(ctx context.Context, in *KeyPath) (*struct{}, error) {
	return nil, h.Keys.Revoke(ctx, in.AccessKeyID)
}
