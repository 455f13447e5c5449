package token

import "net/http"

// acrossOrigins lets scripts of any origin call an endpoint (Fetch, section 3.2), as apps
// in browsers must. No cookie counts here, so nothing is done in anybody's name; the
// headers that DPoP needs can be read (RFC 9449, section 8).
func acrossOrigins(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Browsers name the origin of every POST, and nobody keeps its answer for others.
		if r.Method == http.MethodPost && r.Header.Get("Origin") == "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "DPoP-Nonce, WWW-Authenticate")
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}
