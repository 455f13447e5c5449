package token

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/fault"
	"signet/internal/jws"
	"signet/internal/seal"
)

const (
	requestLife   = 10 * time.Minute // of what was asked, while somebody signs in
	maxAsked      = 16 << 10         // bytes of it: anybody can ask
	requestPrefix = "urn:ietf:params:oauth:request_uri:"
)

// What /authorize refuses besides (RFC 6749, section 4.1.2.1; RFC 9126, section 2;
// OpenID Connect Core, section 3.1.2.6).
var (
	ErrResponseType = fault.New(fault.Malformed, "must be code").Named("unsupported-response-type")
	ErrRequestURI   = fault.New(fault.Malformed, "request_uri is unknown, used, expired, or another client's").Named("invalid-request-uri")
	ErrNoConsent    = fault.New(fault.Forbidden, "access was denied").Named("access-denied")
	ErrLoginNeeded  = fault.New(fault.Unauthorized, "nobody is signed in, and prompt=none forbids to ask").Named("login-required")
	ErrAskNeeded    = fault.New(fault.Forbidden, "the user has not agreed yet, and prompt=none forbids to ask").Named("consent-required")
	// OpenID Connect Core Unmet Authentication Requirements 1.0, section 2.
	ErrUnmet = fault.New(fault.Forbidden, "the user cannot sign in as strongly as acr_values asks").Named("unmet-authentication-requirements")
)

// Asked is an authorization request (RFC 6749, section 4.1.1) that was found good.
type Asked struct {
	URI       string // request_uri that names it from now on
	Client    Client
	Redirect  string
	State     string
	Scopes    []string
	Audiences []string
	Prompt    []string      // none, login, consent, select_account
	MaxAge    time.Duration // below zero: any
	ACR       []string      // any of them
	Locale    string        // ui_locales
	Begun     time.Time     // when it came, or was pushed

	challenge, nonce, jkt string
	responseMode          string
	expires               time.Time
}

// Begin reads a request at /authorize: the parameters themselves, or the request_uri of
// one that was pushed. The request is kept, and named by its URI from then on.
//
// A fault is for the person: where they would be sent is not known to be the client's.
// A *Refusal is for the client.
func (g *OAuth) Begin(ctx context.Context, q url.Values) (Asked, error) {
	if err := checkForm(q); err != nil {
		return Asked{}, err
	}
	if q.Get("client_id") == "" {
		return Asked{}, ErrRequest.At("client_id").Because("it is missing: it says which app asks")
	}
	if uri := q.Get("request_uri"); uri != "" {
		return g.Resume(ctx, q.Get("client_id"), uri)
	}
	client, err := g.clients.acting(ctx, q.Get("client_id"))
	if err != nil {
		return Asked{}, err
	}
	a, err := g.ask(client, q, "")
	if err != nil {
		return Asked{}, err
	}
	a.Begun = g.now()
	a.URI, err = g.keepRequest(ctx, client, q, "")
	return a, err
}

// Resume returns a request that is kept. It may be looked at until it is granted or
// refused.
func (g *OAuth) Resume(ctx context.Context, clientID, uri string) (Asked, error) {
	client, err := g.clients.acting(ctx, clientID)
	if err != nil {
		return Asked{}, err
	}
	var r keptRequest
	err = g.db.View(ctx, func(tx *db.Tx) error {
		r, err = findRequest(ctx, tx, requestHash(uri))
		return err
	})
	if errors.Is(err, errNoToken) || err == nil && (r.client != client.ID || !r.used.IsZero() || !g.now().Before(r.expires)) {
		return Asked{}, ErrRequestURI
	}
	if err != nil {
		return Asked{}, err
	}
	a, err := g.ask(client, r.parameters, r.jkt)
	a.URI, a.Begun, a.expires = uri, r.created, r.expires
	return a, err
}

// ask checks the parameters of a request. Until the redirect URI is known to be the
// client's, what is wrong is nobody's but the person's.
func (g *OAuth) ask(client Client, q url.Values, jkt string) (Asked, error) {
	a := Asked{
		Client: client, Redirect: q.Get("redirect_uri"), State: q.Get("state"), challenge: q.Get("code_challenge"), nonce: q.Get("nonce"),
		jkt: q.Get("dpop_jkt"), responseMode: q.Get("response_mode"), Prompt: strings.Fields(q.Get("prompt")),
		ACR: strings.Fields(q.Get("acr_values")), Locale: q.Get("ui_locales"), MaxAge: -1,
	}
	if a.Redirect == "" && len(client.Redirects) == 1 && !slices.Contains(strings.Fields(q.Get("scope")), "openid") {
		a.Redirect = client.Redirects[0]
	}
	switch {
	case a.Redirect == "":
		return Asked{}, ErrRequest.At("redirect_uri").Because("it is missing: want one that the client has registered")
	case !client.MayRedirect(a.Redirect):
		return Asked{}, ErrUnregistered.At("redirect_uri")
	}
	if err := a.read(client, q, jkt); err != nil {
		return Asked{}, g.refuse(a, err)
	}
	return a, nil
}

func (a *Asked) read(client Client, q url.Values, jkt string) (err error) {
	switch {
	case q.Has("request"):
		return ErrRequest.At("request").Because("push the request to /par instead")
	case q.Get("response_type") == "":
		return ErrRequest.At("response_type").Because("it is missing")
	case q.Get("response_type") != "code":
		return ErrResponseType.At("response_type")
	case a.responseMode != "" && a.responseMode != "query":
		return ErrRequest.At("response_mode").Because("want query")
	case !slices.Contains(client.Grants, GrantCode):
		return ErrUnauthorized
	case q.Get("code_challenge_method") != "S256" || !jws.IsThumbprint(a.challenge):
		return ErrRequest.At("code_challenge").Because("want that of RFC 7636 with code_challenge_method=S256")
	case a.jkt != "" && !jws.IsThumbprint(a.jkt):
		return ErrRequest.At("dpop_jkt").Because("want the thumbprint of RFC 7638 in base64url")
	case jkt != "" && a.jkt != "" && a.jkt != jkt:
		return ErrRequest.At("dpop_jkt").Because("the request was pushed with a proof of another key")
	case slices.Contains(a.Prompt, "none") && len(a.Prompt) > 1:
		return ErrRequest.At("prompt").Because("none stands alone")
	case len(keptOf(q).Encode()) > maxAsked:
		return ErrRequest.Because("its parameters are longer than %d bytes", maxAsked)
	case len(a.nonce) > 512 || len(a.State) > 2048:
		return ErrRequest.Because("nonce or state is too long")
	}
	if jkt != "" {
		a.jkt = jkt
	}
	if s := q.Get("max_age"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > maxFresh {
			return ErrRequest.At("max_age").Because("want a number of seconds")
		}
		a.MaxAge = time.Duration(n) * time.Second
	}
	if a.Scopes, err = scopesOf(q, client.Scopes, nil); err != nil {
		return err
	}
	a.Audiences, err = audiencesOf(q, client.audiences())
	return err
}

// Refusal is an error for the client, brought by the browser (RFC 6749, section
// 4.1.2.1).
type Refusal struct {
	To  string // where the browser is sent
	Err error
}

func (r *Refusal) Error() string { return r.Err.Error() }
func (r *Refusal) Unwrap() error { return r.Err }

// refuse makes a refusal of a fault; other errors stay what they are.
func (g *OAuth) refuse(a Asked, err error) error {
	e, ok := fault.As(err)
	if !ok {
		return err
	}
	code := strings.ReplaceAll(e.Word, "-", "_")
	if !oauthCodes[e.Word] {
		code = "invalid_request"
	}
	return &Refusal{To: g.answer(a, url.Values{"error": {code}, "error_description": {e.Error()}}), Err: err}
}

// answer returns where the browser is sent with an answer. It names this server, so
// that a client of several does not mix them up (RFC 9207).
func (g *OAuth) answer(a Asked, q url.Values) string {
	q.Set("iss", g.authority.options.Issuer)
	if a.State != "" {
		q.Set("state", a.State)
	}
	sep := "?"
	if strings.Contains(a.Redirect, "?") {
		sep = "&"
	}
	return a.Redirect + sep + q.Encode()
}

// Deny ends a request, and returns where the browser takes the refusal.
func (g *OAuth) Deny(ctx context.Context, a Asked, why error) (to string, err error) {
	if err := g.useUp(ctx, a.URI); err != nil {
		return "", err
	}
	if r, ok := errors.AsType[*Refusal](g.refuse(a, why)); ok {
		return r.To, nil
	}
	return "", why
}

func (g *OAuth) useUp(ctx context.Context, uri string) error {
	return g.db.Update(ctx, func(tx *db.Tx) error { return useRequest(ctx, tx, requestHash(uri), g.now()) })
}

// Agreed reports whether a user need not be asked: the client is the operator's own, or
// they agreed to as much before.
func (g *OAuth) Agreed(ctx context.Context, a Asked, user string) (bool, error) {
	// Anything on the device can listen on a loopback address and say that it is this app:
	// that somebody agreed to it before says nothing of this one (RFC 8252, section 8.6).
	if slices.Contains(a.Prompt, "consent") || a.Client.Public() && isPlain(a.Redirect) {
		return false, nil
	}
	if a.Client.Consent == ConsentNever {
		return true, nil
	}
	var scopes []string
	err := g.db.View(ctx, func(tx *db.Tx) (err error) {
		scopes, err = findConsent(ctx, tx, user, a.Client.ID)
		return err
	})
	if err != nil || scopes == nil {
		return false, err
	}
	for _, s := range a.Scopes {
		if !slices.Contains(scopes, s) {
			return false, nil
		}
	}
	return true, nil
}

// Grant gives a code for a request to who is signed in by a session, and returns where
// the browser takes it. remember keeps that they agreed. It returns ErrRequestURI where
// the request was granted or refused before, and ErrNoClient where the app is not there
// for their account.
func (g *OAuth) Grant(ctx context.Context, a Asked, user, session string, remember bool) (to string, err error) {
	person, err := g.people.BySession(ctx, user, session)
	if err != nil {
		return "", err
	}
	value, hash := seal.NewSecret("")
	at := g.now()
	row := code{
		kind: authorizationKind, client: a.Client.ID, user: person.User, account: person.Account, session: session,
		redirect: a.Redirect, challenge: a.challenge, amr: person.AMR, acr: person.ACR, authTime: person.AuthTime,
		created: at, expires: at.Add(CodeLife), scopes: a.Scopes, audiences: a.Audiences, nonce: a.nonce, jkt: a.jkt, family: newFamily(),
	}
	err = g.db.Update(ctx, func(tx *db.Tx) error {
		ok, err := servesAccount(ctx, tx, a.Client.Account, person.Account)
		if err != nil {
			return err
		}
		if !ok {
			return ErrNoClient
		}
		if err := useRequest(ctx, tx, requestHash(a.URI), at); err != nil {
			return err
		}
		if err := insertCode(ctx, tx, hash, row); err != nil {
			return err
		}
		if remember {
			if err := g.rememberConsent(ctx, tx, row); err != nil {
				return err
			}
		}
		return insertSessionClient(ctx, tx, row)
	})
	if err != nil {
		return "", err
	}
	return g.answer(a, url.Values{"code": {value}}), nil
}

func (g *OAuth) rememberConsent(ctx context.Context, tx *db.Tx, c code) error {
	if err := insertConsent(ctx, tx, c); err != nil {
		return err
	}
	return g.audit.Record(ctx, tx, audit.Event{
		Action: "oauth_consent.give", Target: c.client, Account: c.account, Detail: map[string]any{"user": c.user, "scopes": c.scopes},
	})
}

// PushResponse is the answer at /par (RFC 9126, section 2.2).
type PushResponse struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"` // seconds

	Nonce string `json:"-"` // for the DPoP-Nonce header
}

// Push answers a request at /par. A proof binds the code to its key (RFC 9449, section
// 10.1).
func (g *OAuth) Push(ctx context.Context, r Request) (PushResponse, error) {
	if err := checkForm(r.Form); err != nil {
		return PushResponse{}, err
	}
	client, err := g.clients.AuthenticateRequest(ctx, ClientRequest{
		Authorization: r.Authorization, Form: r.Form, Certificate: r.Sent.Certificate,
	})
	if err != nil {
		return PushResponse{}, err
	}
	if r.Form.Has("request_uri") {
		return PushResponse{}, ErrRequest.At("request_uri").Because("it cannot be pushed")
	}
	audiences, err := audiencesOf(r.Form, client.audiences())
	if err != nil {
		return PushResponse{}, err
	}
	checked, err := g.senders.Check(ctx, r.Sent, client, audiences)
	if err != nil {
		return PushResponse{}, err
	}
	if _, err := g.ask(client, r.Form, checked.Confirm.JKT); err != nil {
		if refusal, ok := errors.AsType[*Refusal](err); ok { // it is told here, not by a browser
			err = refusal.Err
		}
		return PushResponse{}, err
	}
	if err := checked.Spend(ctx); err != nil {
		return PushResponse{}, err
	}
	uri, err := g.keepRequest(ctx, client, r.Form, checked.Confirm.JKT)
	return PushResponse{RequestURI: uri, ExpiresIn: int(requestLife.Seconds()), Nonce: checked.Nonce}, err
}

// askedParameters are those of a request that are kept: what nobody reads takes no room,
// and secrets are none of it.
var askedParameters = []string{
	"client_id", "response_type", "response_mode", "redirect_uri", "scope", "resource", "state", "nonce", "code_challenge",
	"code_challenge_method", "dpop_jkt", "prompt", "max_age", "acr_values", "ui_locales",
}

func keptOf(q url.Values) url.Values {
	parameters := url.Values{}
	for _, name := range askedParameters {
		if v, ok := q[name]; ok {
			parameters[name] = v
		}
	}
	return parameters
}

func (g *OAuth) keepRequest(ctx context.Context, client Client, q url.Values, jkt string) (uri string, err error) {
	value, hash := seal.NewSecret("")
	at := g.now()
	r := keptRequest{client: client.ID, parameters: keptOf(q), jkt: jkt, created: at, expires: at.Add(requestLife)}
	err = g.db.Update(ctx, func(tx *db.Tx) error { return insertRequest(ctx, tx, hash, r) })
	return requestPrefix + value, err
}

func requestHash(uri string) []byte { return seal.SecretHash(strings.TrimPrefix(uri, requestPrefix)) }
