package token

import (
	"context"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"time"

	"signet/internal/db"
	"signet/internal/web"
)

// Paths of the endpoints, below the issuer.
const (
	pathToken      = "/token"
	pathPAR        = "/par"
	pathDevice     = "/device_authorization"
	pathIntrospect = "/introspect"
	pathRevoke     = "/revoke"
	pathUserInfo   = "/userinfo"
	pathFreshAuth  = "/fresh-auth"
)

// endpointNames are the endpoints as metrics name them.
var endpointNames = []string{pathToken, pathPAR, pathDevice, pathIntrospect, pathRevoke, pathUserInfo, pathFreshAuth}

// OAuthRoutes mounts the endpoints of OAuth clients and resources. Those that a browser
// meets are pages, and elsewhere.
func OAuthRoutes(mux *http.ServeMux, g *OAuth) {
	for path, f := range map[string]endpoint{
		pathToken: g.serveToken, pathPAR: g.servePAR, pathDevice: g.serveDevice, pathIntrospect: g.serveIntrospect,
		pathRevoke: g.serveRevoke, pathUserInfo: g.serveUserInfo, pathFreshAuth: g.serveFresh,
	} {
		h := acrossOrigins(oauth(g.timed(path, f)))
		mux.Handle("POST "+path, h)
		mux.Handle("OPTIONS "+path, h)
		if path == pathUserInfo { // OpenID Connect Core, section 5.3.1
			mux.Handle("GET "+path, h)
		}
	}
}

type endpoint = func(w http.ResponseWriter, r *http.Request) error

// timed has the metrics know how long an endpoint takes.
func (g *OAuth) timed(path string, f endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request) error {
		defer g.metrics.observe(path, time.Now())
		return f(w, r)
	}
}

// request reads what all endpoints read alike.
func (g *OAuth) request(r *http.Request, path string) (Request, error) {
	form, err := readForm(r)
	if err != nil {
		return Request{}, err
	}
	sent, err := g.senders.Read(r, path)
	if err != nil {
		return Request{}, err
	}
	lines := r.Header.Values("Authorization")
	if len(lines) > 1 {
		return Request{}, ErrRequest.At("Authorization").Because("send one")
	}
	return Request{Form: form, Authorization: r.Header.Get("Authorization"), Sent: sent}, nil
}

// readForm reads a form from the body alone: parameters in the address are logged by
// others (RFC 6749, section 2.3.1).
func readForm(r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return url.Values{}, nil
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, ErrRequest.At("Content-Type").Because("want application/x-www-form-urlencoded")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, ErrRequest.Because("the body is no form")
	}
	return form, nil
}

// sendNonce sends the client the nonce of its next proof (RFC 9449, section 8.2).
func sendNonce(w http.ResponseWriter, nonce string) {
	if nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
}

func (g *OAuth) serveToken(w http.ResponseWriter, r *http.Request) error {
	q, err := g.request(r, pathToken)
	if err != nil {
		return err
	}
	out, err := g.Token(r.Context(), q)
	if err != nil {
		return err
	}
	sendNonce(w, out.Nonce)
	return web.WriteJSON(w, http.StatusOK, out)
}

func (g *OAuth) serveDevice(w http.ResponseWriter, r *http.Request) error {
	q, err := g.request(r, pathDevice)
	if err != nil {
		return err
	}
	out, err := g.BeginDevice(r.Context(), q)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, out)
}

func (g *OAuth) servePAR(w http.ResponseWriter, r *http.Request) error {
	q, err := g.request(r, pathPAR)
	if err != nil {
		return err
	}
	out, err := g.Push(r.Context(), q)
	if err != nil {
		return err
	}
	sendNonce(w, out.Nonce)
	return web.WriteJSON(w, http.StatusCreated, out)
}

func (g *OAuth) serveIntrospect(w http.ResponseWriter, r *http.Request) error {
	q, err := g.request(r, pathIntrospect)
	if err != nil {
		return err
	}
	out, err := g.Introspect(r.Context(), q)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, out)
}

func (g *OAuth) serveRevoke(w http.ResponseWriter, r *http.Request) error {
	q, err := g.request(r, pathRevoke)
	if err != nil {
		return err
	}
	if err := g.Revoke(r.Context(), q); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// presented returns the access token that a request to one of this server's own
// endpoints presents.
func (g *OAuth) presented(r *http.Request, path string) (seen, credential, error) {
	b, err := readCredential(r)
	if err != nil {
		return seen{}, b, err
	}
	sent, err := g.senders.Read(r, path)
	if err != nil {
		return seen{}, b, err
	}
	s, err := g.present(r.Context(), b, sent, "")
	return s, b, err
}

func (g *OAuth) serveUserInfo(w http.ResponseWriter, r *http.Request) error {
	s, _, err := g.presented(r, pathUserInfo)
	if err != nil {
		return err
	}
	out, err := g.userInfo(r.Context(), s.claims)
	if err != nil {
		return err
	}
	return web.WriteJSON(w, http.StatusOK, out)
}

func (g *OAuth) serveFresh(w http.ResponseWriter, r *http.Request) error {
	form, err := readForm(r)
	if err != nil {
		return err
	}
	want, err := readWanted(form)
	if err != nil {
		return err
	}
	s, b, err := g.presented(r, pathFreshAuth)
	if err != nil {
		return err
	}
	out := g.freshness(s.claims, want)
	if !out.Fresh {
		return web.WithHeader(ErrStale, "WWW-Authenticate", want.challenge(b.scheme))
	}
	return web.WriteJSON(w, http.StatusOK, out)
}

// Prune removes what ended more than a day ago.
func (g *OAuth) Prune(ctx context.Context) error {
	return g.db.Update(ctx, func(tx *db.Tx) error { return pruneGrants(ctx, tx, g.now()) })
}

// Run removes what has ended, and forgets what others have ended, until ctx ends.
func (g *OAuth) Run(ctx context.Context) error {
	ended, cancel := g.authority.bus.Subscribe(endedTopic)
	defer cancel()
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			g.tokens.Forget()
		case <-tick.C:
			if err := g.Prune(ctx); err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "ended tokens were not removed", "error", err)
			}
		}
	}
}
