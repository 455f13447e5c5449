package token

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"signet/internal/seal"
)

// authorization is what tokens are made from.
type authorization struct {
	client                    Client
	family                    string // empty where the client acts for itself
	subject, account, session string
	audiences, scopes         []string
	person                    Person // zero where the client acts for itself
	nonce                     string // of an authentication request; "" where there is no ID token to be
	sender                    Checked
	refresh                   string    // the refresh token to give; "" for none
	refreshEnds               time.Time // at the latest
}

// made is what was made of it, and what is kept of that.
type made struct {
	response Response
	access   tokenRow
	refresh  *tokenRow // nil where there is none
}

// make signs. Nothing is kept yet.
func (g *OAuth) make(ctx context.Context, a authorization) (m made, err error) {
	now := g.now()
	expires := now.Add(Lifetime)
	if until := a.sender.Until; !until.IsZero() && until.Before(expires) {
		expires = until
	}
	token, hash, err := g.access(ctx, a, expires)
	if err != nil {
		return made{}, err
	}
	row := tokenRow{
		hash: hash, kind: access, family: a.family, client: a.client.ID, subject: a.subject, audiences: a.audiences, scopes: a.scopes,
		confirm: a.sender.Confirm, created: now, expires: expires,
	}
	m = made{access: row, response: Response{
		AccessToken: token, TokenType: tokenType(a.sender.Confirm), ExpiresIn: int(expires.Sub(now).Seconds()),
		Scope: strings.Join(a.scopes, " "), Nonce: a.sender.Nonce, confirm: a.sender.Confirm,
	}}
	if a.refresh != "" {
		r := row
		r.kind, r.hash, r.expires = refresh, seal.SecretHash(a.refresh), earlier(now.Add(RefreshIdle), a.refreshEnds)
		m.refresh, m.response.RefreshToken = &r, a.refresh
	}
	if slices.Contains(a.scopes, "openid") {
		m.response.IDToken, err = g.authority.idToken(ctx, a, token)
	}
	return m, err
}

// access returns an access token in the client's format, and the hash it is kept under.
func (g *OAuth) access(ctx context.Context, a authorization, expires time.Time) (token string, hash []byte, err error) {
	if a.client.Format == Opaque {
		token, hash = seal.NewSecret(AccessPrefix)
		return token, hash, nil
	}
	token, err = g.authority.Issue(ctx, Claims{
		Subject: a.subject, Audience: a.audiences, Client: a.client.ID, Account: a.account, Session: a.session, Expires: expires,
		AuthTime: a.person.AuthTime, ACR: a.person.ACR, AMR: a.person.AMR, Scopes: a.scopes, Permissions: a.permissions(),
		Confirm: a.sender.Confirm,
	})
	return token, seal.SecretHash(token), err
}

// permissions are those of the person that the scopes name: an app gets no more than
// it was let have.
func (a authorization) permissions() (all []string) {
	for _, p := range a.person.Permissions {
		if slices.Contains(a.scopes, p) {
			all = append(all, p)
		}
	}
	return all
}

// tokenType is DPoP for a key, and Bearer for a certificate (RFC 8705, section 3) or
// nothing.
func tokenType(c Confirmation) string {
	if c.JKT != "" {
		return "DPoP"
	}
	return "Bearer"
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// firstRefresh returns the first refresh token of a family.
func firstRefresh() string {
	secret, _ := seal.NewSecret(RefreshPrefix)
	return secret
}

// successor returns the refresh token that follows another: always the same one.
func (g *OAuth) successor(of string) string {
	mac := hmac.New(sha256.New, g.successors[:])
	mac.Write([]byte(of))
	return RefreshPrefix + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// identityType is the typ of an ID token: it passes for no token of another type.
const identityType = "JWT"

// idPayload is the claims set of an ID token (OpenID Connect Core, section 2).
type idPayload struct {
	Issuer     string   `json:"iss"`
	Subject    string   `json:"sub"`
	Audience   string   `json:"aud"`
	Issued     int64    `json:"iat"`
	Expires    int64    `json:"exp"`
	AuthTime   int64    `json:"auth_time,omitempty"`
	Nonce      string   `json:"nonce,omitempty"`
	ACR        string   `json:"acr,omitempty"`
	AMR        []string `json:"amr,omitempty"`
	Session    string   `json:"sid,omitempty"`
	AccessHash string   `json:"at_hash,omitempty"`
	ID         string   `json:"jti"`
}

// idToken returns a signed ID token that goes with an access token. It tells who, not
// what about them: that is at /userinfo.
func (a *Authority) idToken(ctx context.Context, z authorization, access string) (string, error) {
	keys, err := a.current(ctx)
	if err != nil {
		return "", err
	}
	now := a.options.Now()
	p := idPayload{
		Issuer: a.options.Issuer, Subject: z.subject, Audience: z.client.ID, Issued: now.Unix(), Expires: now.Add(Lifetime).Unix(),
		Nonce: z.nonce, ACR: z.person.ACR, AMR: z.person.AMR, Session: z.session, AccessHash: accessHash(access, keys.active.alg),
		ID: strings.ToLower(rand.Text()),
	}
	if !z.person.AuthTime.IsZero() {
		p.AuthTime = z.person.AuthTime.Unix()
	}
	text, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	return keys.active.sign(identityType, text)
}

// accessHash is at_hash: half of the hash that the signature uses (OpenID Connect Core,
// section 3.1.3.6). What EdDSA's would be is not agreed upon, so there is none.
func accessHash(token string, alg Algorithm) string {
	if alg != ES256 {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
