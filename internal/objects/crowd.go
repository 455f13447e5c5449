package objects

import (
	"net/http"

	"signet/internal/web"
)

// AtMost refuses what is over n requests in hand, so that many slow ones cannot take
// all memory.
func AtMost(n int) web.Middleware {
	places := make(chan struct{}, n)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case places <- struct{}{}:
				defer func() { <-places }()
				next.ServeHTTP(w, r)
			default:
				web.Fail(w, r, ErrSlowDown)
			}
		})
	}
}
