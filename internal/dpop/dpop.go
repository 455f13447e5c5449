// Package dpop checks proofs that the sender of a request holds a key (RFC 9449).
//
// [Verify] does what a proof and a time are enough for. What a server has to remember
// or to know of the token is its caller's, in this order (the last ones change
// something, and a proof that is refused before must not have spent anything):
//
//  1. [Verify]
//  2. the nonce, by [Nonces.Check] or a store: a refusal must not spend the jti
//  3. [Proof.For], at a resource: the proof was made for this access token
//  4. [Proof.JKT] is the key that the token, the code or the client is bound to
//  5. [Proof.Once] is taken, atomically, and kept until [Proof.Expires], or the end of
//     the nonce if that is later; after the client was authenticated and the code or
//     token found valid, before it is consumed
//
// Left out, the last one lets every proof be replayed.
package dpop

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"signet/internal/fault"
	"signet/internal/jws"
)

const (
	// MaxSize is the longest proof that is read, in bytes.
	MaxSize = 8 << 10
	// MaxID is the longest jti, in bytes.
	MaxID = 256

	mediaType = "dpop+jwt" // RFC 9449, section 4.2
)

// What Verify and For refuse. A fault at a member names it: the header's typ, alg and
// jwk, the payload's htm, htu, iat, ath and so on. None repeats anything of the proof.
var (
	ErrMissing = fault.New(fault.Unauthorized, "DPoP proof is missing").Named("dpop-proof-missing")
	ErrProof   = fault.New(fault.Unauthorized, "DPoP proof is not valid").Named("invalid-dpop-proof")
)

// Policy says which proofs are good.
type Policy struct {
	Algorithms []string      // that may sign, as RFC 7518, 8037 and 9864 name them; EdDSA and Ed25519 are one
	Lifetime   time.Duration // how old iat may be
	Skew       time.Duration // by how much clocks may differ
}

// Request is what a proof must have been made for.
type Request struct {
	Headers []string // the values of all DPoP field lines
	Method  string
	URL     string // of the endpoint, as it is configured: never from Host
}

// Proof is a proof that was good.
type Proof struct {
	JKT       string // RFC 7638 thumbprint of its key
	ID        string // jti
	HTU       string // normalized
	Nonce     string // empty where it has none
	Algorithm string // as its header says
	Issued    time.Time
	Expires   time.Time // from then on Verify refuses it

	ath string
}

// Verify checks a proof against the request that carried it (RFC 9449, section 4.3,
// numbers 1 to 9 and 11). It is good from Issued - Skew until Issued + Lifetime + Skew.
//
// It returns ErrMissing where there is no DPoP field line at all. Every other fault is
// ErrProof. Other errors mean that r or p are of no use.
func Verify(p Policy, r Request, now time.Time) (Proof, error) {
	compact, err := only(r.Headers)
	if err != nil {
		return Proof{}, err
	}
	htu, err := Normalize(r.URL)
	if err != nil {
		return Proof{}, fmt.Errorf("URL of the endpoint: %w", err)
	}
	t, err := jws.Parse(compact, MaxSize)
	if err != nil {
		return Proof{}, jws.As(err, ErrProof)
	}
	proof, key, err := p.read(t)
	if err != nil {
		return Proof{}, jws.As(err, ErrProof)
	}
	if err := proof.matches(t.Payload, r.Method, htu); err != nil {
		return Proof{}, jws.As(err, ErrProof)
	}
	if err := t.Verify(key, proof.Algorithm); err != nil {
		return Proof{}, jws.As(err, ErrProof)
	}
	return proof, p.judge(&proof, t.Payload, now)
}

// only returns the one field value. Two lines, or a list in one, are refused: who reads
// the first and who reads the last would see different proofs.
func only(headers []string) (string, error) {
	switch {
	case len(headers) == 0:
		return "", ErrMissing
	case len(headers) > 1:
		return "", ErrProof.Because("there is more than one DPoP header")
	case headers[0] == "":
		return "", ErrProof.Because("the DPoP header is empty")
	case strings.Contains(headers[0], ","):
		return "", ErrProof.Because("the DPoP header is a list")
	}
	return headers[0], nil
}

// read reads the header and what stands in the payload for later.
func (p Policy) read(t jws.Token) (Proof, jws.Key, error) {
	// What crit names would have to be understood, and b64 changes what is signed (RFC 7797).
	for _, name := range [...]string{"crit", "b64"} {
		if t.Header.Has(name) {
			return Proof{}, jws.Key{}, ErrProof.At(name).Because("no extension is understood here")
		}
	}
	header, payload := t.Header.Read(), t.Payload.Read()
	proof := Proof{ID: payload.Text("jti"), Nonce: payload.OptionalText("nonce"), ath: payload.OptionalText("ath")}
	typ, alg, jwk := header.Text("typ"), header.Text("alg"), header.Object("jwk")
	for _, err := range [...]error{header.Err(), payload.Err()} {
		if err != nil {
			return Proof{}, jws.Key{}, err
		}
	}
	switch {
	case len(proof.ID) > MaxID:
		return Proof{}, jws.Key{}, ErrProof.At("jti").Because("it is longer than %d bytes", MaxID)
	case !jws.IsType(typ, mediaType):
		return Proof{}, jws.Key{}, ErrProof.At("typ").Because("it is not %s", mediaType)
	case !jws.Allows(p.Algorithms, alg):
		return Proof{}, jws.Key{}, ErrProof.At("alg").Because("it is none of %s", strings.Join(p.Algorithms, ", "))
	}
	key, err := jws.ParseKey(jwk)
	if err == nil {
		err = key.Fits(alg)
	}
	proof.Algorithm, proof.JKT = alg, key.Thumbprint()
	return proof, key, err
}

// matches holds the proof against the request.
func (p *Proof) matches(payload jws.Object, method, htu string) error {
	r := payload.Read()
	htm, claimed := r.Text("htm"), r.Text("htu")
	if err := r.Err(); err != nil {
		return err
	}
	if htm != method { // methods have case (RFC 9110, section 9.1)
		return ErrProof.At("htm").Because("it is another method")
	}
	var err error
	if p.HTU, err = Normalize(claimed); err != nil {
		return ErrProof.At("htu").Because("%s", err)
	}
	if p.HTU != htu {
		return ErrProof.At("htu").Because("it is another address")
	}
	return nil
}

// judge holds the times of a proof against now.
func (p Policy) judge(proof *Proof, payload jws.Object, now time.Time) error {
	r := payload.Read()
	iat, exp, nbf := r.Time("iat"), r.OptionalTime("exp"), r.OptionalTime("nbf")
	if err := r.Err(); err != nil {
		return jws.As(err, ErrProof)
	}
	proof.Issued, proof.Expires = iat, iat.Add(p.Lifetime+p.Skew)
	switch {
	case iat.After(now.Add(p.Skew)):
		return ErrProof.At("iat").Because("it lies in the future")
	case !now.Before(proof.Expires):
		return ErrProof.At("iat").Because("it is too long ago")
	case !exp.IsZero() && !now.Before(exp.Add(p.Skew)):
		return ErrProof.At("exp").Because("it has passed")
	case nbf.After(now.Add(p.Skew)):
		return ErrProof.At("nbf").Because("it lies in the future")
	}
	return nil
}

// For returns ErrProof unless the proof was made for the access token (RFC 9449,
// section 4.3, number 10).
func (p Proof) For(token string) error {
	if p.ath == "" {
		return ErrProof.At("ath").Because("it is missing")
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare([]byte(p.ath), []byte(base64.RawURLEncoding.EncodeToString(sum[:]))) != 1 {
		return ErrProof.At("ath").Because("it is of another access token")
	}
	return nil
}

// Once returns what may be used one time in the tenant: a digest of the key, the address
// and the jti, in base64url. Others' keys cannot spend it.
func (p Proof) Once(tenant string) string {
	h := sha256.New()
	for _, s := range [...]string{tenant, p.JKT, p.HTU, p.ID} {
		fmt.Fprintf(h, "%d:%s", len(s), s) // so that no two lists are written the same
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
