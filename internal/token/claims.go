package token

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"signet/internal/jws"
)

// mediaType is the typ of an access token (RFC 9068, section 2.1).
const mediaType = "at+jwt"

// Claims is what an access token says (RFC 9068, section 2.2). Times are whole
// seconds.
type Claims struct {
	Issuer      string // set by Issue
	Subject     string
	Audience    []string
	Client      string // client_id
	Account     string // account (tenant) that the subject acts in
	ID          string // jti, set by Issue: 130 random bits
	Issued      time.Time
	NotBefore   time.Time // zero: from Issued on; not issued by us
	Expires     time.Time // zero at Issue: Lifetime from now. It may be earlier, not later
	AuthTime    time.Time // when a person last proved themselves; zero where nobody did
	ACR         string
	AMR         []string // RFC 8176
	Scopes      []string
	Roles       []string
	Permissions []string // area:verb
	Session     string   // sid: of the person, as a logout token names it; empty without one
	Confirm     Confirmation
}

// Confirmation is what the sender of a token must prove (RFC 7800).
type Confirmation = jws.Confirmation

// payload is the claims set as it is signed.
type payload struct {
	Issuer      string            `json:"iss"`
	Subject     string            `json:"sub"`
	Audience    any               `json:"aud"` // a string where there is one
	Client      string            `json:"client_id"`
	Issued      int64             `json:"iat"`
	Expires     int64             `json:"exp"`
	ID          string            `json:"jti"`
	AuthTime    int64             `json:"auth_time,omitempty"`
	ACR         string            `json:"acr,omitempty"`
	AMR         []string          `json:"amr,omitempty"`
	Scope       string            `json:"scope,omitempty"`
	Roles       []string          `json:"roles,omitempty"`
	Permissions []string          `json:"permissions,omitempty"`
	Account     string            `json:"account,omitempty"`
	Session     string            `json:"sid,omitempty"`
	Confirm     map[string]string `json:"cnf,omitempty"`
}

// Issue returns a signed access token that says c. Its issuer, id and times are
// those of the authority. It returns ErrClaim for what no token can say, and an
// internal error where the store did not name the signing key for a minute.
func (a *Authority) Issue(ctx context.Context, c Claims) (string, error) {
	keys, err := a.current(ctx)
	if err != nil {
		return "", err
	}
	now := a.options.Now()
	if err := check(c, now); err != nil {
		return "", err
	}
	text, err := json.Marshal(a.payload(c, now))
	if err != nil {
		return "", err
	}
	token, err := keys.active.sign(mediaType, text)
	if err == nil && len(token) > MaxSize {
		return "", ErrClaim.Because("together the claims take %d bytes, of %d at most", len(token), MaxSize)
	}
	return token, err
}

func (a *Authority) payload(c Claims, now time.Time) payload {
	p := payload{
		Issuer: a.options.Issuer, Subject: c.Subject, Audience: c.Audience, Client: c.Client, Account: c.Account,
		Issued: now.Unix(), Expires: now.Add(Lifetime).Unix(), ID: strings.ToLower(rand.Text()),
		ACR: c.ACR, AMR: c.AMR, Scope: strings.Join(c.Scopes, " "), Roles: c.Roles, Permissions: c.Permissions,
		Session: c.Session, Confirm: members(c.Confirm),
	}
	if len(c.Audience) == 1 {
		p.Audience = c.Audience[0]
	}
	if !c.Expires.IsZero() {
		p.Expires = c.Expires.Unix()
	}
	if !c.AuthTime.IsZero() {
		p.AuthTime = c.AuthTime.Unix()
	}
	return p
}

// check refuses what Verify would not read back as it was given.
func check(c Claims, now time.Time) error {
	for name, s := range map[string]string{"sub": c.Subject, "client_id": c.Client} {
		if s == "" {
			return ErrClaim.At(name).Because("it is missing")
		}
	}
	if len(c.Audience) == 0 {
		return ErrClaim.At("aud").Because("it is missing")
	}
	for name, s := range map[string]string{"sub": c.Subject, "client_id": c.Client, "acr": c.ACR, "account": c.Account, "sid": c.Session} {
		if !utf8.ValidString(s) {
			return ErrClaim.At(name).Because("it is not UTF-8")
		}
	}
	for name, list := range map[string][]string{"aud": c.Audience, "amr": c.AMR, "roles": c.Roles, "permissions": c.Permissions} {
		for _, s := range list {
			if s == "" || !utf8.ValidString(s) {
				return ErrClaim.At(name).Because("an element is empty or not UTF-8")
			}
		}
	}
	for _, s := range c.Scopes {
		if !jws.IsScope(s) {
			return ErrClaim.At("scope").Because("an element is no scope-token of RFC 6749, section 3.3")
		}
	}
	for name, s := range map[string]string{"cnf.jkt": c.Confirm.JKT, "cnf.x5t#S256": c.Confirm.X5T} {
		if s != "" && !jws.IsThumbprint(s) {
			return ErrClaim.At(name).Because("it is not the base64url of 32 bytes")
		}
	}
	return checkTimes(c, now)
}

func checkTimes(c Claims, now time.Time) error {
	if !c.Expires.IsZero() && (c.Expires.Unix() <= now.Unix() || c.Expires.After(now.Add(Lifetime))) {
		return ErrClaim.At("exp").Because("it must lie in the next %s", Lifetime)
	}
	if !c.AuthTime.IsZero() && (c.AuthTime.After(now.Add(Skew)) || c.AuthTime.Unix() <= 0) {
		return ErrClaim.At("auth_time").Because("it must lie in the past")
	}
	return nil
}
