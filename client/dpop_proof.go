package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// proofKey signs proofs. The signer may be outside of the process, in a chip or a service.
type proofKey struct {
	signer     crypto.Signer
	header     string // of every proof, in base64url
	thumbprint string
}

// jwk is a public key (RFC 7517). Its members stand in the order of their names, and those of
// other kinds of key are left out: so its JSON is what RFC 7638 makes the thumbprint of.
type jwk struct {
	Crv string `json:"crv,omitempty"`
	E   string `json:"e,omitempty"`
	Kty string `json:"kty"`
	N   string `json:"n,omitempty"`
	X   string `json:"x,omitempty"`
	Y   string `json:"y,omitempty"`
}

func newProofKey(signer crypto.Signer) (proofKey, error) {
	if signer == nil {
		return proofKey{}, errKey
	}
	algorithm, public, err := publicKey(signer.Public())
	if err != nil {
		return proofKey{}, err
	}
	text, err := json.Marshal(public)
	if err != nil {
		return proofKey{}, err
	}
	sum := sha256.Sum256(text)
	return proofKey{
		signer: signer, thumbprint: b64(sum[:]),
		header: b64([]byte(`{"typ":"dpop+jwt","alg":"` + algorithm + `","jwk":` + string(text) + `}`)),
	}, nil
}

func publicKey(public crypto.PublicKey) (algorithm string, k jwk, err error) {
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes()
		if err != nil || p.Curve != elliptic.P256() {
			return "", jwk{}, errKey
		}
		return "ES256", jwk{Kty: "EC", Crv: "P-256", X: b64(point[1:33]), Y: b64(point[33:])}, nil
	case ed25519.PublicKey:
		return "EdDSA", jwk{Kty: "OKP", Crv: "Ed25519", X: b64(p)}, nil
	case *rsa.PublicKey:
		if p.N.BitLen() < 2048 {
			return "", jwk{}, errKey
		}
		return "PS256", jwk{Kty: "RSA", N: b64(p.N.Bytes()), E: b64(big.NewInt(int64(p.E)).Bytes())}, nil
	}
	return "", jwk{}, errKey
}

// payload is what a proof says (RFC 9449, section 4.2).
type payload struct {
	ID     string `json:"jti"`
	Method string `json:"htm"`
	URL    string `json:"htu"` // without query and fragment
	Issued int64  `json:"iat"`
	Token  string `json:"ath,omitempty"` // SHA-256 of the access token
	Nonce  string `json:"nonce,omitempty"`
}

// proof returns a proof for a request.
func (k proofKey) proof(r *http.Request, nonce string, now time.Time) (string, error) {
	u := *r.URL
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	p := payload{ID: rand.Text(), Method: r.Method, URL: u.String(), Issued: now.Unix(), Nonce: nonce}
	if p.Method == "" { // which net/http takes for GET
		p.Method = http.MethodGet
	}
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "DPoP") {
		sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
		p.Token = b64(sum[:])
	}
	text, err := json.Marshal(p)
	if err != nil {
		return "", err
	}
	signed := k.header + "." + b64(text)
	signature, err := k.sign([]byte(signed))
	if err != nil {
		return "", fmt.Errorf("sign DPoP proof: %w", err)
	}
	return signed + "." + b64(signature), nil
}

func (k proofKey) sign(text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	switch k.signer.Public().(type) {
	case ed25519.PublicKey:
		return k.signer.Sign(rand.Reader, text, crypto.Hash(0))
	case *rsa.PublicKey:
		return k.signer.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	}
	der, err := k.signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var pair struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &pair); err != nil || len(rest) > 0 || pair.R.Sign() < 1 || pair.S.Sign() < 1 || pair.R.BitLen() > 256 || pair.S.BitLen() > 256 {
		return nil, fmt.Errorf("%T gave no signature of ECDSA", k.signer)
	}
	// R and S of 32 bytes each (RFC 7518, section 3.4).
	return append(pair.R.FillBytes(make([]byte, 32)), pair.S.FillBytes(make([]byte, 32))...), nil
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
