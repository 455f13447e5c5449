package web

import (
	"net/http"

	"signet/internal/fault"
)

// ErrCrossOrigin refuses what a browser sends for another site.
var ErrCrossOrigin = fault.New(fault.Forbidden, "request comes from another site").Named("cross-origin")

// SameOrigin refuses unsafe requests that a browser sends for another site, save
// those of the trusted origins. It belongs around routes that accept the session
// cookie, and only those: on token routes it would block single-page apps, and on
// S3 routes upload forms.
func SameOrigin(trusted ...string) (Middleware, error) {
	c := http.NewCrossOriginProtection()
	for _, origin := range trusted {
		if err := c.AddTrustedOrigin(origin); err != nil {
			return nil, err
		}
	}
	c.SetDenyHandler(Handler(func(http.ResponseWriter, *http.Request) error { return ErrCrossOrigin }))
	return c.Handler, nil
}
