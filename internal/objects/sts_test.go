package objects_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"signet/internal/account"
	"signet/internal/db"
	"signet/internal/db/dbtest"
	"signet/internal/egress"
	"signet/internal/fault"
	"signet/internal/objects"
	"signet/internal/sigv4"
	"signet/internal/web"
)

const stsOrigin = "https://s3.test"

// bureau is a service of temporary keys. Its own tokens are texts of this map; tokens of
// issuers are signed by key.
type bureau struct {
	*office

	sts     *objects.STS
	bearers map[string]objects.Bearer
	issuer  *httptest.Server
	key     *ecdsa.PrivateKey
	away    atomic.Bool
	asked   atomic.Int32
}

var errBadToken = fault.New(fault.Unauthorized, "the access token is not good")

func newBureau(t *testing.T, d *db.DB) *bureau {
	t.Helper()
	x := &bureau{office: newOffice(t, d)}
	var err error
	if x.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	x.issuer = httptest.NewServer(http.HandlerFunc(x.publish))
	t.Cleanup(x.issuer.Close)
	get, err := egress.New(egress.Config{Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(get.CloseIdle)
	x.bearers = map[string]objects.Bearer{
		"ann's": {
			User: x.ann, Account: x.acme, Client: "app", Session: "ses_1", Family: "fam_1", Scopes: []string{"openid", "objects"},
			Expires: x.clock.now().Add(20 * time.Minute),
		},
		"without scope": {User: x.ann, Account: x.acme, Client: "app", Scopes: []string{"openid"}, Expires: x.clock.now().Add(time.Hour)},
		"a client's":    {Account: x.acme, Client: "app", Scopes: []string{"objects"}, Expires: x.clock.now().Add(time.Hour)},
	}
	x.sts = objects.NewSTS(x.keys, objects.STSOptions{
		Origin: stsOrigin, Now: x.clock.now, Issuers: get,
		Roles: map[string]objects.TrustedRole{"ci": {
			Account: "acme", Issuer: x.issuer.URL, Audience: "signet-objects", Subject: "repo:acme/*:ref:main",
			Grants: []objects.Allowance{{Bucket: "builds", Role: objects.Write}},
		}},
		AccountID: func(ctx context.Context, name string) (string, error) {
			a, err := x.accounts.FindAccount(ctx, name)
			return a.ID, err
		},
		Token: func(_ *http.Request, text string) (objects.Bearer, error) {
			b, ok := x.bearers[text]
			if !ok {
				return b, web.WithHeader(errBadToken, "DPoP-Nonce", "a nonce")
			}
			return b, nil
		},
	})
	return x
}

// publish is what the issuer publishes.
func (x *bureau) publish(w http.ResponseWriter, r *http.Request) {
	x.asked.Add(1)
	if x.away.Load() {
		http.Error(w, "", http.StatusBadGateway)
		return
	}
	if r.URL.Path == "/.well-known/openid-configuration" {
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": x.issuer.URL, "jwks_uri": x.issuer.URL + "/keys"})
		return
	}
	point, _ := x.key.PublicKey.Bytes()
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{
		map[string]any{"kty": "oct", "k": "c2VjcmV0"},
		map[string]any{"kty": "EC", "crv": "P-256", "kid": "one", "x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])},
	}})
}

// jwt is a token of the issuer.
func (x *bureau) jwt(change func(claims map[string]any)) string {
	x.t.Helper()
	claims := x.claims()
	change(claims)
	return x.signed(x.key, claims)
}

// claims are good ones.
func (x *bureau) claims() map[string]any {
	return map[string]any{
		"iss": x.issuer.URL, "aud": "signet-objects", "sub": "repo:acme/site:ref:main",
		"iat": x.clock.now().Unix(), "exp": x.clock.now().Add(2 * time.Hour).Unix(),
	}
}

func (x *bureau) signed(key *ecdsa.PrivateKey, claims map[string]any) string {
	x.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		x.t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"one"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		x.t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// stsAnswer is what came back.
type stsAnswer struct {
	status int
	header http.Header
	Code   string `xml:"Error>Code"`
	Result struct {
		Subject string `xml:"SubjectFromWebIdentityToken"`
		ARN     string `xml:"AssumedRoleUser>Arn"`
		Key     struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"Credentials"`
	} `xml:"AssumeRoleWithWebIdentityResult"`
	Identity struct {
		ARN     string `xml:"Arn"`
		User    string `xml:"UserId"`
		Account string
	} `xml:"GetCallerIdentityResult"`
}

func (x *bureau) send(r *http.Request) stsAnswer {
	x.t.Helper()
	w := httptest.NewRecorder()
	x.sts.ServeHTTP(w, r)
	a := stsAnswer{status: w.Code, header: w.Header()}
	if err := xml.Unmarshal(w.Body.Bytes(), &a); err != nil {
		x.t.Fatalf("%s: %v", w.Body, err)
	}
	if !strings.Contains(w.Body.String(), `xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`) {
		x.t.Errorf("the answer has another namespace: %s", w.Body)
	}
	return a
}

func form(r context.Context, values url.Values) *http.Request {
	q := httptest.NewRequestWithContext(r, http.MethodPost, stsOrigin+"/", strings.NewReader(values.Encode()))
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return q
}

// assume asks for temporary keys, with the members that are given in place of good ones.
func (x *bureau) assume(members ...string) stsAnswer {
	x.t.Helper()
	v := url.Values{
		"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::" + x.acme + ":role/self"},
		"RoleSessionName": {"laptop"}, "WebIdentityToken": {"ann's"},
	}
	for i := 0; i < len(members); i += 2 {
		v.Set(members[i], members[i+1])
	}
	return x.send(form(x.t.Context(), v))
}

func TestAccessTokenBecomesTemporaryKeysOfItsUser(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := newBureau(t, d)
		a := x.assume()
		if a.status != http.StatusOK || a.Result.Subject != x.ann || a.Result.ARN != "arn:aws:sts::"+x.acme+":assumed-role/self/laptop" {
			t.Fatalf("got %+v", a)
		}
		if want := x.clock.now().Add(20 * time.Minute); !a.Result.Key.Expiration.Equal(want) {
			t.Errorf("the keys end at %v, want when the token does, %v", a.Result.Key.Expiration, want)
		}
		k := a.Result.Key
		cred, err := x.keys.Lookup(t.Context(), k.AccessKeyID, k.SessionToken)
		if err != nil || cred == nil {
			t.Fatalf("got %v, %v", cred, err)
		}
		c, _ := cred.Holder().(objects.Caller)
		if c.User != x.ann || c.Owner != "user:"+x.ann || c.Account != x.acme || c.Limited || !c.Temporary || c.Name != "laptop" {
			t.Errorf("got %+v", c)
		}
		own := objects.Question{Action: "s3:PutObject", Needs: objects.Write, Key: "k", Bucket: objects.Bucket{Name: "files", Account: x.acme, Owner: "user:" + x.ann}}
		if err := x.access.Allow(t.Context(), c, own); err != nil {
			t.Errorf("the user's own bucket: %v", err)
		}
		for name, token := range map[string]string{"none": "", "another": "sgst_x"} {
			if _, err := x.keys.Lookup(t.Context(), k.AccessKeyID, token); codeOf(err) != "InvalidToken" {
				t.Errorf("with %s token: got %v, want InvalidToken", name, err)
			}
		}
		x.clock.advance(20 * time.Minute)
		if _, err := x.keys.Lookup(t.Context(), k.AccessKeyID, k.SessionToken); codeOf(err) != "ExpiredToken" {
			t.Errorf("afterwards: got %v, want ExpiredToken", err)
		}
		lasting, _ := x.key2()
		if _, err := x.keys.Lookup(t.Context(), lasting.AccessKeyID, k.SessionToken); codeOf(err) != "InvalidToken" {
			t.Errorf("a key that stays, with a session token: got %v, want InvalidToken", err)
		}
	})
}

func (x *bureau) key2() (objects.Key, string) { return x.office.key(x.operator(), objects.NewKey{}) }

// codeOf is the S3 code of a refusal.
func codeOf(err error) string {
	e, ok := errors.AsType[*sigv4.Error](err)
	if !ok {
		return ""
	}
	return e.Code
}

func TestTemporaryKeysEndWithWhatTheyCameOf(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := newBureau(t, d)
		for name, c := range map[string]struct {
			end  func() error
			wait time.Duration
		}{
			"session": {end: func() error {
				return d.Update(t.Context(), func(tx *db.Tx) error { return x.keys.SessionsEnded(t.Context(), tx, []string{"ses_1"}) })
			}},
			"authorization, which another instance ended": {end: func() error { x.alive = false; return nil }, wait: 1900 * time.Millisecond},
			"user": {end: func() error { return x.accounts.Disable(x.operator(), x.ann) }},
		} {
			x.alive = true
			if err := x.accounts.Enable(x.operator(), x.ann); err != nil && !errors.Is(err, account.ErrNoUser) {
				t.Fatal(err)
			}
			k := x.assume().Result.Key
			if cred, err := x.keys.Lookup(t.Context(), k.AccessKeyID, k.SessionToken); err != nil || cred == nil {
				t.Fatalf("%s, before: got %v, %v", name, cred, err)
			}
			if err := c.end(); err != nil {
				t.Fatal(err)
			}
			x.clock.advance(c.wait)
			if cred, err := x.keys.Lookup(t.Context(), k.AccessKeyID, k.SessionToken); err != nil || cred != nil {
				t.Errorf("%s ended: got %v, %v", name, cred, err)
			}
		}
		x.alive = true
		if err := x.accounts.Disable(x.operator(), x.ann); err != nil {
			t.Fatal(err)
		}
		if a := x.assume(); a.Code != "AccessDenied" || a.status != http.StatusForbidden {
			t.Errorf("keys of a disabled user: got %+v", a)
		}
	})
}

func TestTokenOfATrustedIssuerBecomesKeysOfTheRole(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		x := newBureau(t, d)
		ci := "arn:aws:iam::" + x.acme + ":role/ci"
		a := x.assume("RoleArn", ci, "WebIdentityToken", x.jwt(func(map[string]any) {}), "DurationSeconds", "900")
		if a.status != http.StatusOK || !a.Result.Key.Expiration.Equal(x.clock.now().Add(15*time.Minute)) {
			t.Fatalf("got %+v", a)
		}
		cred, err := x.keys.Lookup(t.Context(), a.Result.Key.AccessKeyID, a.Result.Key.SessionToken)
		if err != nil || cred == nil {
			t.Fatalf("got %v, %v", cred, err)
		}
		c, _ := cred.Holder().(objects.Caller)
		may := func(bucket objects.Bucket, needs objects.Role) bool {
			return x.access.Allow(t.Context(), c, objects.Question{Action: "s3:PutObject", Needs: needs, Bucket: bucket, Key: "k"}) == nil
		}
		builds := objects.Bucket{Name: "builds", Account: x.acme, Owner: "user:" + x.ann}
		elsewhere := objects.Bucket{Name: "builds", Account: x.other, Owner: "user:" + x.eve}
		files := objects.Bucket{Name: "files", Account: x.acme, Owner: "user:" + x.ann}
		if !may(builds, objects.Write) || may(builds, objects.Admin) || may(elsewhere, objects.Read) || may(files, objects.Read) {
			t.Error("the keys may other things than the role's grants")
		}
		files.Policy = `{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::` + x.acme + `:assumed-role/ci/laptop"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::files/*"}}`
		if !may(files, objects.Write) {
			t.Error("a policy cannot name the session")
		}
		if _, err := x.buckets.Claim(t.Context(), c, "fresh"); !errors.Is(err, objects.ErrAccessDenied) {
			t.Errorf("a bucket of its own: got %v", err)
		}
		stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			token, code string
		}{
			"another issuer":   {x.jwt(func(c map[string]any) { c["iss"] = "https://elsewhere.test" }), "InvalidIdentityToken"},
			"another audience": {x.jwt(func(c map[string]any) { c["aud"] = []string{"others"} }), "InvalidIdentityToken"},
			"another subject":  {x.jwt(func(c map[string]any) { c["sub"] = "repo:acme/site:ref:branch" }), "AccessDenied"},
			"no subject":       {x.jwt(func(c map[string]any) { delete(c, "sub") }), "InvalidIdentityToken"},
			"expired":          {x.jwt(func(c map[string]any) { c["exp"] = x.clock.now().Unix() }), "ExpiredTokenException"},
			"of the future":    {x.jwt(func(c map[string]any) { c["iat"] = x.clock.now().Add(time.Hour).Unix() }), "InvalidIdentityToken"},
			"bound to a key":   {x.jwt(func(c map[string]any) { c["cnf"] = map[string]any{"jkt": "x"} }), "InvalidIdentityToken"},
			"another key's":    {x.signed(stranger, x.claims()), "InvalidIdentityToken"},
			"no token at all":  {"nonsense", "InvalidIdentityToken"},
		} {
			if a := x.assume("RoleArn", ci, "WebIdentityToken", c.token); a.Code != c.code {
				t.Errorf("%s: got %d %s, want %s", name, a.status, a.Code, c.code)
			}
		}
		before := x.asked.Load()
		if x.assume("RoleArn", ci, "WebIdentityToken", x.jwt(func(map[string]any) {})); x.asked.Load() != before {
			t.Error("the issuer is asked for each token")
		}
		x.away.Store(true)
		x.clock.advance(time.Minute)
		if a := x.assume("RoleArn", ci, "WebIdentityToken", x.signed(stranger, x.claims())); a.Code != "InvalidIdentityToken" {
			t.Errorf("another key's, while the issuer is away: got %+v", a)
		}
		if a := x.assume("RoleArn", ci, "WebIdentityToken", x.jwt(func(map[string]any) {})); a.status != http.StatusOK {
			t.Errorf("the keys of a minute ago are lost: got %+v", a)
		}
		x.clock.advance(5 * time.Minute)
		if a := x.assume("RoleArn", ci, "WebIdentityToken", x.jwt(func(map[string]any) {})); a.Code != "IDPCommunicationError" || a.status != http.StatusBadRequest {
			t.Errorf("the issuer is away: got %+v", a)
		}
	})
}

func TestSTSRefusesInItsOwnWords(t *testing.T) {
	x := newBureau(t, dbtest.SQLite(t))
	for name, c := range map[string]struct {
		members []string
		status  int
		code    string
	}{
		"token that is not good":          {[]string{"WebIdentityToken", "nonsense"}, 400, "InvalidIdentityToken"},
		"token without scope":             {[]string{"WebIdentityToken", "without scope"}, 403, "AccessDenied"},
		"token of a client":               {[]string{"WebIdentityToken", "a client's"}, 403, "AccessDenied"},
		"role of another account":         {[]string{"RoleArn", "arn:aws:iam::" + x.other + ":role/self"}, 403, "AccessDenied"},
		"role that is not there":          {[]string{"RoleArn", "arn:aws:iam::" + x.acme + ":role/none"}, 403, "AccessDenied"},
		"trusted role of another account": {[]string{"RoleArn", "arn:aws:iam::" + x.other + ":role/ci"}, 403, "AccessDenied"},
		"role's name":                     {[]string{"RoleArn", "self"}, 400, "ValidationError"},
		"name of the session":             {[]string{"RoleSessionName", "a b"}, 400, "ValidationError"},
		"too short":                       {[]string{"DurationSeconds", "899"}, 400, "ValidationError"},
		"too long":                        {[]string{"DurationSeconds", "3601"}, 400, "ValidationError"},
		"no number":                       {[]string{"DurationSeconds", "long"}, 400, "ValidationError"},
		"policy of the session":           {[]string{"Policy", "{}"}, 400, "ValidationError"},
		"version":                         {[]string{"Version", "2026-01-01"}, 400, "ValidationError"},
		"action":                          {[]string{"Action", "AssumeRole"}, 400, "InvalidAction"},
		"nobody's identity":               {[]string{"Action", "GetCallerIdentity"}, 403, "MissingAuthenticationToken"},
	} {
		if a := x.assume(c.members...); a.status != c.status || a.Code != c.code {
			t.Errorf("%s: got %d %s, want %d %s", name, a.status, a.Code, c.status, c.code)
		}
	}
	if a := x.assume("WebIdentityToken", "nonsense"); a.header.Get("DPoP-Nonce") != "a nonce" {
		t.Errorf("the answer lost what a new proof needs: %v", a.header)
	}
	if a := x.assume(); a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("keys may be kept on the way: %v", a.header)
	}
	twice := form(t.Context(), url.Values{"Action": {"GetCallerIdentity", "AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}})
	if a := x.send(twice); a.Code != "ValidationError" {
		t.Errorf("a member that is there twice: got %s", a.Code)
	}
}

func TestCallerLearnsWhoTheyAre(t *testing.T) {
	x := newBureau(t, dbtest.SQLite(t))
	k, secret := x.office.key(x.as(x.ann, x.acme), objects.NewKey{User: x.ann})
	shared, sharedSecret := x.key2()
	tmp := x.assume().Result.Key
	ask := func(id, secret, token string) stsAnswer {
		t.Helper()
		body := url.Values{"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}}
		r := form(t.Context(), body)
		if token != "" {
			r.Header.Set("X-Amz-Security-Token", token)
		}
		sum := sha256.Sum256([]byte(body.Encode()))
		sigv4.Sign(r, sigv4.NewCredential(id, secret, "", nil), hex.EncodeToString(sum[:]), sigv4.Options{Now: x.clock.now(), Region: "us-east-1", Service: "sts"})
		return x.send(r)
	}
	for name, c := range map[string]struct {
		a    stsAnswer
		want string
	}{
		"a user's key":     {ask(k.AccessKeyID, secret, ""), "arn:aws:iam::" + x.acme + ":user/" + x.ann},
		"an account's key": {ask(shared.AccessKeyID, sharedSecret, ""), "arn:aws:iam::" + shared.Account + ":key/" + shared.AccessKeyID},
		"a temporary key":  {ask(tmp.AccessKeyID, tmp.SecretAccessKey, tmp.SessionToken), "arn:aws:sts::" + x.acme + ":assumed-role/self/laptop"},
	} {
		if c.a.status != http.StatusOK || c.a.Identity.ARN != c.want || c.a.Identity.User == "" || c.a.Identity.Account == "" {
			t.Errorf("%s: got %+v, want %s", name, c.a, c.want)
		}
	}
	if a := ask(k.AccessKeyID, "another secret", ""); a.status != http.StatusForbidden || a.Code != "SignatureDoesNotMatch" {
		t.Errorf("wrong secret: got %+v", a)
	}
	if a := ask("AKIANOBODYNOBODY2222", secret, ""); a.status != http.StatusForbidden || a.Code != "InvalidClientTokenId" {
		t.Errorf("unknown key: got %+v", a)
	}
}
