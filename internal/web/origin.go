package web

import (
	"net/http"

	"signet/internal/fault"
)

// ErrCrossOrigin refuses what a browser sends for another site.
var ErrCrossOrigin = fault.New(fault.Forbidden, "request comes from another site").Named("cross-origin")

// SameOrigin returns a check that refuses unsafe requests that a browser sends for
// another site, save those of the trusted origins. It belongs before what accepts the
// session cookie, and only that: on token routes it would block single-page apps, and
// on S3 routes upload forms.
func SameOrigin(trusted ...string) (check func(r *http.Request) error, err error) {
	c := http.NewCrossOriginProtection()
	for _, origin := range trusted {
		if err := c.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	return func(r *http.Request) error {
		if c.Check(r) != nil {
			return ErrCrossOrigin
		}
		return nil
	}, nil
}
