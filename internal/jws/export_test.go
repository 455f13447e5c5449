package jws

import "strings"

// VerifyAny verifies a token whose payload need not be JSON, with the algorithm that
// its header names.
func VerifyAny(compact string, k Key) error {
	t, algorithm, err := parseAny(compact)
	if err != nil {
		return err
	}
	return t.Verify(k, algorithm)
}

// Bare returns a token that signs text.
func Bare(text string, signature []byte) Token { return Token{signed: text, signature: signature} }

// parseAny is Parse for payloads that are not JSON, which only vectors of standards have.
func parseAny(compact string) (Token, string, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return Token{}, "", wrong("", "it does not have three parts")
	}
	t, err := Parse(parts[0]+".e30."+parts[2], 64<<10)
	if err != nil {
		return Token{}, "", err
	}
	if _, ok := Decode(parts[1]); !ok {
		return Token{}, "", wrong("payload", "it is not base64url")
	}
	t.signed = parts[0] + "." + parts[1]
	r := t.Header.Read()
	return t, r.Text("alg"), r.Err()
}
