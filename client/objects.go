package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Denial is a request that the S3 API refused.
type Denial struct {
	At          time.Time `json:"at"`
	RequestID   string    `json:"request_id"`
	Address     string    `json:"address"`
	AccessKeyID string    `json:"access_key_id"`
	Operation   string    `json:"operation"`
	Bucket      string    `json:"bucket"`
	Key         string    `json:"key"`
	Code        string    `json:"code"`   // of S3
	Reason      string    `json:"reason"` // in words
}

// DenialQuery says which denials; empty members ask for all.
type DenialQuery struct{ AccessKeyID, Bucket, RequestID string }

// ObjectDenials returns the latest 100 denials, newest first. It needs objects:read.
func (c *Client) ObjectDenials(ctx context.Context, q DenialQuery) ([]Denial, error) {
	values := url.Values{}
	for name, v := range map[string]string{"access_key_id": q.AccessKeyID, "bucket": q.Bucket, "request_id": q.RequestID} {
		if v != "" {
			values.Set(name, v)
		}
	}
	var page struct {
		Denials []Denial `json:"denials"`
	}
	err := c.do(ctx, http.MethodGet, "/api/v1/objects/denials?"+values.Encode(), nil, &page)
	return page.Denials, err
}
