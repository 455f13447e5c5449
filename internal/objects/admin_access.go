package objects

import (
	"context"
	"encoding/json"
	"strings"
)

type bucketGrantJSON struct {
	GrantID   string `json:"grant_id"`
	Subject   string `json:"subject" doc:"user:ID, or key:ID of the first key of its rotations"`
	KeyID     string `json:"access_key_id,omitempty" doc:"Of the first key of its rotations"`
	KeyName   string `json:"key_name,omitempty"`
	Bucket    string `json:"bucket" doc:"A name, or the beginning of names with * at its end"`
	Prefix    string `json:"prefix,omitempty" doc:"Only keys that begin so; missing: all, and the bucket itself"`
	Role      Role   `json:"role" enum:"read,write,admin"`
	AccountID string `json:"account_id" doc:"Whose buckets it is about"`
	Owner     string `json:"owner,omitempty" doc:"Only buckets of this owner; missing: all of the account"`
	CreatedAt string `json:"created_at"`
	CreatedBy string `json:"created_by"`
}

func grantOut(g Grant) bucketGrantJSON {
	return bucketGrantJSON{g.ID, g.Subject, g.AccessKeyID, g.KeyName, g.Bucket, g.Prefix, g.Role, g.Account, g.Owner, moment(g.Created), g.By}
}

func (h adminHandler) listGrants(ctx context.Context, in *struct {
	AccessKeyID string `query:"access_key_id"`
	User        string `query:"user" doc:"Id"`
	Bucket      string `query:"bucket" doc:"A name that they are about"`
},
) (*adminAnswer[[]bucketGrantJSON], error) {
	list, err := h.Access.Grants(ctx, GrantFilter{AccessKeyID: in.AccessKeyID, User: in.User, Bucket: in.Bucket})
	if err != nil {
		return nil, err
	}
	out := []bucketGrantJSON{}
	for _, g := range list {
		out = append(out, grantOut(g))
	}
	return &adminAnswer[[]bucketGrantJSON]{out}, nil
}

type newBucketGrantJSON struct {
	AccessKeyID string `json:"access_key_id,omitempty" doc:"The key that gets it, and its successors; or user"`
	User        string `json:"user,omitempty" doc:"The user who gets it, by id or address; of another account by id"`
	Bucket      string `json:"bucket" doc:"A name, or the beginning of names with * at its end"`
	Prefix      string `json:"prefix,omitempty" doc:"Only keys that begin so"`
	Role        Role   `json:"role" enum:"read,write,admin"`
}

func (h adminHandler) createGrant(ctx context.Context, in *struct{ Body newBucketGrantJSON }) (*adminAnswer[bucketGrantJSON], error) {
	b := in.Body
	g, err := h.Access.Grant(ctx, NewGrant{AccessKeyID: b.AccessKeyID, User: b.User, Allowance: Allowance{b.Bucket, b.Prefix, b.Role}})
	if err != nil {
		return nil, err
	}
	return &adminAnswer[bucketGrantJSON]{grantOut(g)}, nil
}

func (h adminHandler) revokeGrant(ctx context.Context, in *struct {
	Grant string `path:"grant_id"`
},
) (*struct{}, error) {
	return nil, h.Access.RevokeGrant(ctx, in.Grant)
}

type bucketJSON struct {
	Name       string          `json:"name"`
	AccountID  string          `json:"account_id" doc:"Empty: it was made while authentication was off"`
	Owner      string          `json:"owner" doc:"user:ID, or key:ID of the first key of its rotations"`
	PublicRead bool            `json:"public_read" doc:"Everybody may read its objects (canned ACL public-read)"`
	Policy     json.RawMessage `json:"policy,omitempty" doc:"Bucket policy, as it was put"`
	CreatedAt  string          `json:"created_at"`
}

func bucketOut(b Bucket) bucketJSON {
	return bucketJSON{b.Name, b.Account, b.Owner, b.PublicRead, json.RawMessage(b.Policy), moment(b.Created)}
}

func (h adminHandler) listBuckets(ctx context.Context, _ *struct{}) (*adminAnswer[[]bucketJSON], error) {
	list, err := h.Access.List(ctx, "")
	if err != nil {
		return nil, err
	}
	out := []bucketJSON{}
	for _, b := range list {
		b.Policy = ""
		out = append(out, bucketOut(b))
	}
	return &adminAnswer[[]bucketJSON]{out}, nil
}

// BucketPath is embedded as [KeyPath] is.
type BucketPath struct {
	Bucket string `path:"bucket"`
}

func (h adminHandler) showBucket(ctx context.Context, in *BucketPath) (*adminAnswer[bucketJSON], error) {
	b, err := h.Access.Bucket(ctx, in.Bucket)
	if err != nil {
		return nil, err
	}
	return &adminAnswer[bucketJSON]{bucketOut(b)}, nil
}

func (h adminHandler) handOver(ctx context.Context, in *struct {
	BucketPath
	Body struct {
		AccessKeyID string `json:"access_key_id,omitempty" doc:"The key that gets it, and its successors; or user"`
		User        string `json:"user,omitempty" doc:"The user who gets it, by id or address"`
	}
},
) (*struct{}, error) {
	return nil, h.Access.HandOver(ctx, in.Bucket, NewOwner{AccessKeyID: in.Body.AccessKeyID, User: in.Body.User})
}

type denialJSON struct {
	At          string   `json:"at"`
	RequestID   string   `json:"request_id"`
	Address     string   `json:"address"`
	AccessKeyID string   `json:"access_key_id,omitempty" doc:"As it was sent"`
	AccountID   string   `json:"account_id,omitempty"`
	Operation   string   `json:"operation,omitempty" doc:"Such as GetObject"`
	Bucket      string   `json:"bucket,omitempty"`
	Key         string   `json:"key,omitempty"`
	Code        string   `json:"code" doc:"S3's"`
	Reason      string   `json:"reason"`
	Canonical   []string `json:"canonical_request,omitempty" doc:"As the server made it, by lines; where the signature was wrong"`
}

func denialOut(n Denial) denialJSON {
	out := denialJSON{
		At: moment(n.At), RequestID: n.RequestID, Address: n.Address, AccessKeyID: n.AccessKeyID, AccountID: n.Account,
		Operation: n.Operation, Bucket: n.Bucket, Key: n.Key, Code: n.Code, Reason: n.Reason,
	}
	if n.Canonical != "" {
		out.Canonical = strings.Split(n.Canonical, "\n")
	}
	return out
}

type denialsJSON struct {
	Denials []denialJSON `json:"denials"`
	Next    string       `json:"next,omitempty" doc:"Cursor of the next page; missing at the end"`
}

func (h adminHandler) listDenials(ctx context.Context, in *struct {
	AccessKeyID string `query:"access_key_id"`
	Bucket      string `query:"bucket"`
	RequestID   string `query:"request_id"`
	Cursor      string `query:"cursor" doc:"next of the page before"`
	Limit       int    `query:"limit" default:"100" minimum:"1" maximum:"100"`
},
) (*adminAnswer[denialsJSON], error) {
	p, err := h.Denials.List(ctx, DenialFilter{AccessKeyID: in.AccessKeyID, Bucket: in.Bucket, RequestID: in.RequestID, Cursor: in.Cursor, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	out := denialsJSON{Denials: []denialJSON{}, Next: p.Next}
	for _, n := range p.Denials {
		out.Denials = append(out.Denials, denialOut(n))
	}
	return &adminAnswer[denialsJSON]{out}, nil
}
