package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Signet's tokens are JWTs (RFC 7519). How to check one, and why (RFC 8725):
//
//  1. Expect one algorithm and one type, whatever the token says of itself. A token
//     that chooses its algorithm chooses "none", or HMAC with the public key as secret.
//  2. Take keys only from Signet's /jwks, by their id, never from the token.
//  3. Check the signature before reading anything in the payload.
//  4. Check who issued it, for whom, and until when.

const (
	accessType  = "at+jwt"     // RFC 9068, section 2.1
	logoutType  = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0, section 2.4
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

	maxToken = 8 << 10          // bytes
	leeway   = 10 * time.Second // by which clocks may differ
	keysLife = 5 * time.Minute  // as /jwks says in its Cache-Control
	keysRest = 10 * time.Second // between two looks for a key that is not there
)

// claims is what a token says, as far as this app reads it.
type claims struct {
	Issuer      string                     `json:"iss"`
	Subject     string                     `json:"sub"`
	Audience    audience                   `json:"aud"`
	Client      string                     `json:"client_id"`
	Account     string                     `json:"account"`
	Session     string                     `json:"sid"`
	Issued      int64                      `json:"iat"`
	Expires     int64                      `json:"exp"`
	AuthTime    int64                      `json:"auth_time"`
	ACR         string                     `json:"acr"`
	AMR         []string                   `json:"amr"`
	Permissions []string                   `json:"permissions"`
	Events      map[string]json.RawMessage `json:"events"`
	Nonce       json.RawMessage            `json:"nonce"`
}

// audience is one text, or a list (RFC 7519, section 4.1.3).
type audience []string

// UnmarshalJSON implements [json.Unmarshaler].
func (a *audience) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		*a = audience{""}
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// verifier checks the tokens of one Signet. It is safe for concurrent use.
type verifier struct {
	issuer, jwks string
	now          func() time.Time

	lock  sync.Mutex
	keys  map[string]*ecdsa.PublicKey // by id
	asked time.Time                   // when Signet was asked for them
}

func newVerifier(issuer, jwks string, now func() time.Time) *verifier {
	return &verifier{issuer: issuer, jwks: jwks, now: now}
}

// access returns what an access token for audience says.
func (v *verifier) access(ctx context.Context, token, audience string) (claims, error) {
	c, err := v.verify(ctx, token, accessType, audience)
	if err == nil && (c.Subject == "" || c.Session == "") {
		return claims{}, errors.New("token names no user or no session")
	}
	return c, err
}

// logout returns the session at Signet that a logout token ends (section 2.6). It does
// not look for a jti that came before: a session ends only once.
func (v *verifier) logout(ctx context.Context, token, clientID string) (sid string, err error) {
	c, err := v.verify(ctx, token, logoutType, clientID)
	if err != nil {
		return "", err
	}
	if _, ok := c.Events[logoutEvent]; !ok || c.Session == "" || c.Nonce != nil {
		return "", errors.New("token is no logout token")
	}
	return c.Session, nil
}

// verify checks what all tokens have in common.
func (v *verifier) verify(ctx context.Context, token, typ, audience string) (claims, error) {
	if len(token) > maxToken {
		return claims{}, errors.New("token is too long")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, errors.New("token does not have three parts")
	}
	if err := v.checkSignature(ctx, parts, typ); err != nil {
		return claims{}, err
	}
	payload, err := decode(parts[1])
	if err != nil {
		return claims{}, err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return claims{}, errors.New("payload cannot be read")
	}
	return c, v.judge(c, audience)
}

func (v *verifier) checkSignature(ctx context.Context, parts []string, typ string) error {
	text, err := decode(parts[0])
	if err != nil {
		return err
	}
	var header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // "crit" names what must be understood; nothing else is expected here
	if d.Decode(&header) != nil || header.Alg != "ES256" || header.Typ != typ {
		return errors.New("header is not that of such a token")
	}
	key, err := v.key(ctx, header.Kid)
	if err != nil {
		return err
	}
	signature, err := decode(parts[2])
	if err != nil {
		return err
	}
	if len(signature) != 64 { // R and S of 32 bytes each (RFC 7518, section 3.4)
		return errors.New("signature has the wrong length")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return errors.New("signature does not verify")
	}
	return nil
}

func (v *verifier) judge(c claims, audience string) error {
	now := v.now()
	switch {
	case c.Issuer != v.issuer:
		return errors.New("token is of another issuer")
	case !slices.Contains(c.Audience, audience):
		return errors.New("token is for others")
	case !now.Before(time.Unix(c.Expires, 0).Add(leeway)): // a missing exp is 1970
		return errors.New("token has expired")
	case time.Unix(c.Issued, 0).After(now.Add(leeway)):
		return errors.New("token is from the future")
	}
	return nil
}

// key returns a key of Signet's. One that is not known yet may be new: Signet is asked,
// but not for every token that somebody makes up.
func (v *verifier) key(ctx context.Context, id string) (*ecdsa.PublicKey, error) {
	v.lock.Lock()
	defer v.lock.Unlock()
	age := v.now().Sub(v.asked)
	if key, ok := v.keys[id]; age >= keysLife || !ok && age >= keysRest {
		if err := v.fetch(ctx); err != nil && !ok { // a key that is known serves while Signet is away
			return nil, err
		} else if err != nil {
			return key, nil
		}
	}
	key, ok := v.keys[id]
	if !ok {
		return nil, errors.New("token is signed by an unknown key")
	}
	return key, nil
}

// fetch reads Signet's keys (RFC 7517).
func (v *verifier) fetch(ctx context.Context) error {
	v.asked = v.now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.jwks, http.NoBody)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("keys: Signet answered %s", res.Status)
	}
	var set struct{ Keys []jwk }
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&set); err != nil {
		return err
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		if key, ok := k.public(); ok {
			keys[k.Kid] = key
		}
	}
	v.keys = keys
	return nil
}

// jwk is a published key (RFC 7518, section 6.2.1).
type jwk struct{ Kty, Crv, Alg, Use, Kid, X, Y string }

func (k jwk) public() (*ecdsa.PublicKey, bool) {
	if k.Kty != "EC" || k.Crv != "P-256" || k.Alg != "ES256" || k.Use != "sig" {
		return nil, false
	}
	x, errX := decode(k.X)
	y, errY := decode(k.Y)
	if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return nil, false
	}
	// It checks that the point is on the curve.
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	return key, err == nil
}

// decode reads base64url without padding, in its one spelling.
func decode(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") { // which the decoder passes over
		return nil, errors.New("token is not base64url")
	}
	return b, nil
}
