package objects

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"signet/internal/bucketpolicy"
	"signet/internal/fault"
	"signet/internal/jws"
	"signet/internal/sigv4"
	"signet/internal/web"
)

// How long temporary keys are good.
const (
	shortestSession = 15 * time.Minute
	longestSession  = time.Hour
)

// maxSTSForm is how long a form of STS may be, in bytes.
const maxSTSForm = 64 << 10

// stsVersion is the one version of the API.
const stsVersion = "2011-06-15"

// scopeObjects is what an access token must have been given for.
const scopeObjects = "objects"

// Bearer is what an access token of this product says, where it is good, for this
// service, and its sender has proven what it is bound to.
type Bearer struct {
	User    string // empty where a client acts for itself
	Account string
	Client  string
	Session string
	Family  string
	Token   string // SHA-256 of it, in hex
	Scopes  []string
	Expires time.Time
}

// STSOptions is what the service of temporary keys needs.
type STSOptions struct {
	Origin    string                                                    // how clients reach it, which access tokens must be for
	Token     func(r *http.Request, token string) (Bearer, error)       // of this product; refusals are of kind Unauthorized
	Roles     map[string]TrustedRole                                    // of the configuration, by name
	AccountID func(ctx context.Context, account string) (string, error) // of a name or an id
	Issuers   Getter                                                    // reads what issuers publish
	Now       func() time.Time
}

// STS answers AssumeRoleWithWebIdentity and GetCallerIdentity of AWS STS (Query API,
// 2011-06-15). It is an [http.Handler].
type STS struct {
	keys    *Keys
	issuers *issuers
	o       STSOptions
}

// NewSTS returns the service that makes temporary keys of k.
func NewSTS(k *Keys, o STSOptions) *STS {
	return &STS{keys: k, o: o, issuers: &issuers{get: o.Issuers, now: o.Now, held: map[string]*issuerKeys{}}}
}

// ServeHTTP implements [http.Handler].
func (s *STS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out, err := s.answer(r)
	if err != nil {
		refuseSTS(w, r, err)
		return
	}
	writeSTS(w, r, http.StatusOK, out)
}

func (s *STS) answer(r *http.Request) (any, error) {
	body, form, err := readSTS(r)
	if err != nil {
		return nil, err
	}
	if v := form.Get("Version"); v != stsVersion {
		return nil, stsInvalid("Version must be " + stsVersion)
	}
	switch form.Get("Action") {
	case "AssumeRoleWithWebIdentity":
		return s.assume(r, form)
	case "GetCallerIdentity":
		r.Body = io.NopCloser(bytes.NewReader(body))
		return s.whoami(r)
	}
	return nil, stsRefusal(http.StatusBadRequest, "InvalidAction", "The actions are AssumeRoleWithWebIdentity and GetCallerIdentity")
}

// readSTS reads the form of a request.
func readSTS(r *http.Request) ([]byte, url.Values, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return nil, nil, stsInvalid("the request must be a form (application/x-www-form-urlencoded)")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxSTSForm+1))
	if err != nil {
		return nil, nil, stsInvalid("the request could not be read")
	}
	if len(body) > maxSTSForm {
		return nil, nil, stsInvalid("the request is longer than " + strconv.Itoa(maxSTSForm) + " bytes")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, nil, stsInvalid("the request is not a form")
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, nil, stsInvalid(name + " is there twice")
		}
	}
	return body, form, nil
}

func (s *STS) assume(r *http.Request, form url.Values) (any, error) {
	w, err := readWanted(form)
	if err != nil {
		return nil, err
	}
	if passed(w.token, s.o.Now()) {
		return nil, stsRefusal(http.StatusBadRequest, "ExpiredTokenException", "The token has expired")
	}
	n, provider, audience, err := s.trust(r, w)
	if err != nil {
		return nil, err
	}
	now := s.o.Now()
	if end := now.Add(w.lasting); end.Before(n.expires) {
		n.expires = end
	}
	n.name, n.role = w.name, w.role
	made, err := s.keys.temporaryKey(r.Context(), n)
	if errors.Is(err, ErrAccessDenied) {
		return nil, stsDenied("The user or the account is disabled")
	}
	if err != nil {
		return nil, err
	}
	return assumedOut(n, made, provider, audience), nil
}

// passed reports whether a token says of itself that it is over. Whose it is, it does not
// say: SDKs fetch a new one where they hear of it.
func passed(token string, now time.Time) bool {
	t, err := jws.Parse(token, maxWebToken)
	if err != nil {
		return false
	}
	end := t.Payload.Read().OptionalTime("exp")
	return !end.IsZero() && !now.Before(end)
}

// trust returns whose keys a token gives, and until when at most.
func (s *STS) trust(r *http.Request, w wanted) (n newTemporary, provider, audience string, err error) {
	if w.role == roleSelf {
		n, err = s.trustOwn(r, w)
		return n, s.o.Origin, s.o.Origin, err
	}
	role, ok := s.o.Roles[w.role]
	if !ok {
		return n, "", "", stsDenied("There is no such role for this token")
	}
	n, err = s.trustForeign(r.Context(), w, role)
	return n, role.Issuer, role.Audience, err
}

// trustOwn takes an access token of this product, for the role self.
func (s *STS) trustOwn(r *http.Request, w wanted) (newTemporary, error) {
	b, err := s.o.Token(r, w.token)
	if err != nil {
		return newTemporary{}, err
	}
	switch {
	case !slices.Contains(b.Scopes, scopeObjects):
		return newTemporary{}, stsDenied("The token lacks the scope " + scopeObjects)
	case b.User == "":
		return newTemporary{}, stsDenied("The role self is for people: the token is a client's own")
	case b.Account != w.account:
		return newTemporary{}, stsDenied("The token is of another account than RoleArn names")
	}
	return newTemporary{
		account: b.Account, subject: b.User, expires: b.Expires,
		parent: Parent{User: b.User, Account: b.Account, Session: b.Session, Family: b.Family, Client: b.Client, Token: b.Token},
	}, nil
}

// trustForeign takes a token of the issuer that a role of the configuration trusts.
func (s *STS) trustForeign(ctx context.Context, w wanted, role TrustedRole) (newTemporary, error) {
	account, err := s.o.AccountID(ctx, role.Account)
	if fault.KindOf(err) == fault.NotFound || err == nil && w.account != account && w.account != role.Account {
		return newTemporary{}, stsDenied("There is no such role for this token")
	}
	if err != nil {
		return newTemporary{}, err
	}
	f, err := s.issuers.verify(ctx, w.token, role.Issuer, role.Audience)
	if err != nil {
		return newTemporary{}, err
	}
	if !role.admits(f.subject) {
		return newTemporary{}, stsDenied("The role is not for the token's subject")
	}
	return newTemporary{account: account, subject: f.subject, expires: f.expires, grants: role.Grants}, nil
}

// whoami tells a caller whom their key belongs to.
func (s *STS) whoami(r *http.Request) (any, error) {
	id, _, err := sigv4.Verify(r, s.keys.Lookup, sigv4.Options{Now: s.o.Now(), Service: "sts", MaxBody: maxSTSForm})
	if err != nil {
		return nil, err
	}
	if id.Credential == nil {
		return nil, stsRefusal(http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	c, _ := id.Credential.Holder().(Caller)
	if err := s.keys.Admit(c); err != nil {
		return nil, stsRefusal(http.StatusBadRequest, "Throttling", "Rate exceeded")
	}
	return identityOut(c), nil
}

// arn is how GetCallerIdentity names a caller: temporary keys by their session, others by
// their user where they act for one.
func (c Caller) arn() string {
	if c.User != "" && !c.Temporary {
		return bucketpolicy.UserARN(c.Account, c.User)
	}
	return c.names()[0]
}

// refuseSTS answers an error as STS does.
func refuseSTS(w http.ResponseWriter, r *http.Request, err error) {
	if e, ok := errors.AsType[*stsError](err); ok {
		writeSTS(w, r, e.status, e.out(r))
		return
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		writeSTS(w, r, e.Status, stsRefusal(e.Status, stsCode(e.Code), e.Message).out(r))
		return
	}
	p := web.ProblemOf(r.Context(), err)
	maps.Copy(w.Header(), p.Header) // such as DPoP-Nonce
	var e *stsError
	switch p.Kind {
	case fault.Unauthorized, fault.Malformed:
		e = stsRefusal(http.StatusBadRequest, "InvalidIdentityToken", p.Detail)
	case fault.Unavailable:
		e = stsRefusal(http.StatusBadRequest, "IDPCommunicationError", p.Detail)
	default:
		slog.ErrorContext(r.Context(), "temporary keys were not made", "error", err)
		e = stsRefusal(http.StatusInternalServerError, "InternalFailure", "The request could not be answered")
	}
	writeSTS(w, r, e.status, e.out(r))
}

// stsCode is what STS calls a refusal that S3 has another word for.
func stsCode(code string) string {
	switch code {
	case "InvalidAccessKeyId", "InvalidToken":
		return "InvalidClientTokenId"
	case "RequestTimeTooSkewed":
		return "SignatureDoesNotMatch"
	case "AuthorizationHeaderMalformed":
		return "IncompleteSignature"
	}
	return code
}
