//go:build bench

package bench

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// serveBare is the floor of the token endpoints: it reads what they read and does the
// bare primitives, a verification, a signature, an answer; it checks, keeps and limits
// nothing.
func serveBare() http.Handler {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	answer := func(r *http.Request) (any, error) {
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		by, _, _ := r.BasicAuth()
		switch r.URL.Path {
		case "/proof":
			if err := verifyProof(r.Header.Get("DPoP")); err != nil {
				return nil, err
			}
			return bareToken(key, by, "DPoP")
		case "/bearer":
			return bareToken(key, by, "Bearer")
		}
		return map[string]any{"active": true, "client_id": by, "token_type": "Bearer", "exp": time.Now().Unix()}, nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := answer(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	})
}

// serveHashes is the floor of sign-in: it hashes passwords, two at once, and knows nobody.
func serveHashes() http.Handler {
	places := make(chan struct{}, 2)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		password := r.PostFormValue("password")
		places <- struct{}{}
		defer func() { <-places }()
		hash := argon2.IDKey([]byte(password), []byte("0123456789abcdef"), 2, 19*1024, 1, 32)
		_, _ = w.Write(hash)
	})
}

func verifyProof(text string) error {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return errors.New("no proof")
	}
	var header struct {
		JWK struct{ X, Y string }
	}
	var payload struct {
		Method  string `json:"htm"`
		Address string `json:"htu"`
		ID      string `json:"jti"`
		Nonce   string `json:"nonce"`
		Made    int64  `json:"iat"`
	}
	err := errors.Join(decodePart(parts[0], &header), decodePart(parts[1], &payload))
	x, errX := base64.RawURLEncoding.DecodeString(header.JWK.X)
	y, errY := base64.RawURLEncoding.DecodeString(header.JWK.Y)
	signature, errS := base64.RawURLEncoding.DecodeString(parts[2])
	if err := errors.Join(err, errX, errY, errS); err != nil || len(signature) != 64 {
		return errors.New("not a proof")
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text[:len(parts[0])+1+len(parts[1])]))
	if !ecdsa.VerifyASN1(key, sum[:], signatureDER(signature)) {
		return errors.New("not its signature")
	}
	return nil
}

func decodePart(text string, into any) error {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

func bareToken(key *ecdsa.PrivateKey, client, kind string) (any, error) {
	claims, err := json.Marshal(map[string]any{
		"iss": "https://issuer.example", "aud": "https://issuer.example", "sub": client, "client_id": client, "jti": rand.Text(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	})
	if err != nil {
		return nil, err
	}
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt","kid":"k"}`)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		return nil, err
	}
	return map[string]any{"access_token": text + "." + base64.RawURLEncoding.EncodeToString(signature), "token_type": kind, "expires_in": 60}, nil
}

// signatureDER writes a signature of RFC 7518, section 3.4, as crypto/ecdsa reads it.
func signatureDER(rs []byte) []byte {
	number := func(b []byte) []byte {
		for len(b) > 1 && b[0] == 0 {
			b = b[1:]
		}
		if b[0]&0x80 != 0 {
			b = slices.Concat([]byte{0}, b)
		}
		return slices.Concat([]byte{2, byte(len(b))}, b)
	}
	both := slices.Concat(number(rs[:32]), number(rs[32:]))
	return slices.Concat([]byte{0x30, byte(len(both))}, both)
}
