// Package upstream keeps objects in another S3 service: Ceph RGW, Garage, SeaweedFS, AWS,
// or another installation of this product.
//
// What clients send is not passed on. Each request is built anew from what the door
// understood of it, with headers and parameters of a short list, and signed with the
// store's own key: no client's ACL, grant, cookie or session token reaches the service.
// Bodies are streamed both ways. The last byte of a body comes from the door only once
// its proof holds, so that the service never gets the end of a forged one.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"signet/internal/objects"
	"signet/internal/sigv4"
)

// Options are where the service is, and the key that has the buckets there.
type Options struct {
	Endpoint        string // http(s)://HOST[:PORT]
	Region          string
	AccessKeyID     string
	SecretAccessKey string
	Adopt           bool // clients may take over buckets that are there already
	HostStyle       bool // BUCKET.HOST, as AWS prefers; else /BUCKET
	Now             func() time.Time
}

// Store keeps objects. It implements [objects.Store].
type Store struct {
	endpoint *url.URL
	o        Options
	key      *sigv4.Credential
	http     *http.Client
}

var _ objects.Store = (*Store)(nil)

// errKey is a key that the service would take for another: clients and proxies on the
// way clean such paths.
var errKey = objects.ErrArgument.Because("this store takes no keys with a segment . or ..")

// New returns a store in the service that o names. It asks nothing of it yet.
func New(o Options) (*Store, error) {
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("endpoint: %q is not an http or https address", o.Endpoint)
	}
	if o.AccessKeyID == "" || o.SecretAccessKey == "" {
		return nil, errors.New("the store needs a key")
	}
	return &Store{
		endpoint: u, o: o, key: sigv4.NewCredential(o.AccessKeyID, o.SecretAccessKey, "", nil),
		http: &http.Client{
			// The proof of a request is for one host: a redirect would carry it elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
				TLSHandshakeTimeout:   10 * time.Second,
				ResponseHeaderTimeout: 5 * time.Minute, // a service completes a large upload before it answers
				IdleConnTimeout:       90 * time.Second,
				MaxIdleConnsPerHost:   64,
				DisableCompression:    true, // bodies are passed on as they are
			},
		},
	}, nil
}

// Ping asks the service whether it is there and takes the key.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.ask(ctx, call{method: http.MethodGet}, nil)
	return err
}

func checkKey(key string) error {
	for segment := range strings.SplitSeq(key, "/") {
		if segment == "." || segment == ".." {
			return errKey
		}
	}
	return nil
}
