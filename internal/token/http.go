package token

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"signet/internal/web"
)

// Routes mounts the published keys (RFC 7517) at /jwks.
func Routes(mux *http.ServeMux, a *Authority) {
	mux.Handle("GET /jwks", acrossOrigins(web.Handler(a.serveKeys)))
}

func (a *Authority) serveKeys(w http.ResponseWriter, r *http.Request) error {
	keys, err := a.known(r.Context())
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(maxAge.Seconds())))
	h.Set("ETag", keys.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(keys.jwks)) // answers If-None-Match
	return nil
}
