package objects

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"signet/internal/egress"
	"signet/internal/fault"
	"signet/internal/jws"
)

// What tokens of other issuers are refused with.
var (
	errForeignToken = fault.New(fault.Unauthorized, "the token is not good")
	errIssuerAway   = fault.New(fault.Unavailable, "the keys of the token's issuer cannot be read")
)

const (
	maxWebToken   = 20_000 // bytes, as AWS takes them
	keysFresh     = 5 * time.Minute
	keysPause     = 10 * time.Second // between two looks at one issuer
	clockSkew     = 30 * time.Second
	maxIssuerKeys = 100
)

// foreignAlgorithms are those that issuers may sign with.
var foreignAlgorithms = []string{jws.ES256, jws.ES384, jws.EdDSA, jws.PS256, jws.RS256}

// Getter reads addresses of issuers.
type Getter interface {
	Get(ctx context.Context, url string) (*egress.Response, error)
}

// issuers verifies tokens of OpenID Connect issuers by the keys that they publish (OpenID
// Connect Discovery 1.0). It asks only issuers that it is told of: those of roles.
type issuers struct {
	get Getter
	now func() time.Time

	lock sync.Mutex
	held map[string]*issuerKeys
}

// issuerKeys are the keys of an issuer, as they were when they were read.
type issuerKeys struct {
	lock   sync.Mutex // held while one asks, also for those who come meanwhile
	keys   []jws.Key
	read   time.Time
	looked time.Time // also where they could not be read
}

// foreign is what a token of another issuer says.
type foreign struct {
	subject string
	expires time.Time
}

// verify returns what a token says, where the issuer signed it for the audience and it
// is good now.
func (s *issuers) verify(ctx context.Context, token, issuer, audience string) (foreign, error) {
	t, err := jws.Parse(token, maxWebToken)
	if err != nil {
		return foreign{}, jws.As(err, errForeignToken)
	}
	r := t.Payload.Read()
	iss, sub, aud := r.Text("iss"), r.Text("sub"), r.Audience()
	issued, expires, notBefore := r.Time("iat"), r.Time("exp"), r.OptionalTime("nbf")
	if err := r.Err(); err != nil {
		return foreign{}, jws.As(err, errForeignToken)
	}
	now := s.now()
	switch {
	case iss != issuer:
		return foreign{}, errForeignToken.At("iss").Because("it is another issuer than the role's")
	case !slices.Contains(aud, audience):
		return foreign{}, errForeignToken.At("aud").Because("it is for others than the role says")
	case !now.Before(expires):
		return foreign{}, errForeignToken.At("exp").Because("it has passed")
	case issued.After(now.Add(clockSkew)), notBefore.After(now.Add(clockSkew)):
		return foreign{}, errForeignToken.At("iat").Because("it lies in the future")
	case t.Payload.Has("cnf"):
		return foreign{}, errForeignToken.At("cnf").Because("it is bound to a key, which only tokens of this server can prove here")
	}
	return foreign{sub, expires}, s.checkSignature(ctx, t, issuer)
}

func (s *issuers) checkSignature(ctx context.Context, t jws.Token, issuer string) error {
	r := t.Header.Read()
	alg, kid := r.Text("alg"), r.OptionalText("kid")
	if err := r.Err(); err != nil {
		return jws.As(err, errForeignToken)
	}
	if !jws.Allows(foreignAlgorithms, alg) || t.Header.Has("crit") {
		return errForeignToken.At("alg").Because("it is not one that is taken here")
	}
	for _, anew := range []bool{false, true} {
		keys, err := s.keysOf(ctx, issuer, anew)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if (kid == "" || k.ID == kid) && t.Verify(k, alg) == nil {
				return nil
			}
		}
	}
	return errForeignToken.At("signature").Because("it is not the issuer's")
}

// of returns what is known of an issuer.
func (s *issuers) of(issuer string) *issuerKeys {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.held[issuer] == nil {
		s.held[issuer] = &issuerKeys{}
	}
	return s.held[issuer]
}

// keysOf returns the keys of an issuer, not older than keysFresh; than keysPause where
// they may have changed.
func (s *issuers) keysOf(ctx context.Context, issuer string, anew bool) ([]jws.Key, error) {
	h := s.of(issuer)
	h.lock.Lock()
	defer h.lock.Unlock()
	now := s.now()
	fresh := now.Sub(h.read) < keysFresh
	if now.Sub(h.looked) >= keysPause && (anew || !fresh) {
		keys, err := s.look(ctx, issuer)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		h.looked = now
		if err == nil {
			h.keys, h.read, fresh = keys, now, true
		}
	}
	if !fresh {
		return nil, errIssuerAway
	}
	return h.keys, nil
}

func (s *issuers) look(ctx context.Context, issuer string) ([]jws.Key, error) {
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := s.read(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration", &about); err != nil {
		return nil, err
	}
	u, err := url.Parse(about.Keys)
	if err != nil || about.Issuer != issuer || u.Host == "" {
		return nil, errors.New("its discovery document is of another issuer, or has no jwks_uri")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := s.read(ctx, about.Keys, &set); err != nil {
		return nil, err
	}
	keys := []jws.Key{}
	for _, raw := range set.Keys[:min(len(set.Keys), maxIssuerKeys)] {
		o, ok := jws.ParseObject(string(raw))
		if !ok {
			continue
		}
		if k, err := jws.ParseKey(o); err == nil { // others are for other things
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (s *issuers) read(ctx context.Context, address string, into any) error {
	res, err := s.get.Get(ctx, address)
	if err != nil {
		return err
	}
	if res.Status != http.StatusOK {
		return errIssuerAway
	}
	return json.Unmarshal(res.Body, into)
}
