package token

import (
	"errors"
	"net/http"
	"net/url"

	"signet/internal/web"
)

// HandoffRoutes mounts /handoff/redeem, where the server of a relying app redeems the
// code that the browser brought it.
func HandoffRoutes(mux *http.ServeMux, c *Codes, clients *Clients) {
	mux.Handle("POST /handoff/redeem", web.Handler(redeemer{c, clients}.redeem))
}

type redeemer struct {
	codes   *Codes
	clients *Clients
}

// redeemRequest is the body. The browser knows the code as nonce.
type redeemRequest struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

func (h redeemer) redeem(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store") // RFC 6749, section 5.1
	client, err := h.authenticate(r)
	if errors.Is(err, ErrSecret) {
		err = web.WithHeader(err, "WWW-Authenticate", `Basic realm="signet"`)
	}
	if err != nil {
		return err
	}
	var in redeemRequest
	if err := web.DecodeJSON(r, &in); err != nil {
		return err
	}
	out, err := h.codes.Redeem(r.Context(), client, in.Nonce, in.Verifier)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, out)
}

// authenticate reads client_secret_basic, whose id and secret are form-encoded each
// (RFC 6749, section 2.3.1).
func (h redeemer) authenticate(r *http.Request) (Client, error) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return Client{}, ErrSecret
	}
	id, err := url.QueryUnescape(user)
	if err != nil {
		return Client{}, ErrSecret
	}
	secret, err := url.QueryUnescape(password)
	if err != nil {
		return Client{}, ErrSecret
	}
	return h.clients.Authenticate(r.Context(), id, secret)
}
