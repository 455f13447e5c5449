package authproof

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// Verify checks that the holder of pub signed p for sender, and for one of
// audiences, within window of now.
//
// The sender is the envelope sender of the mail that carried p, as Postfix gives
// it. Audiences are the names that the verifier answers to, in lower case, with
// AnyRelay among them where such proofs are taken; each costs one verification, in
// their order, until one fits. Version 1 has no audience and ignores them.
// The timestamp may lie exactly window before or after now.
//
// Checks come in this order, and each error wraps the one named: the sender can be
// signed at all (ErrMalformed), pub is a sound key and the one p names (ErrKey), the
// signature (ErrSignature), the time (ErrStale). So ErrStale is about a real proof.
//
// Verify keeps no state: the caller must know that pub may sign for sender, and
// must refuse a second use of p.
func (p Proof) Verify(pub ed25519.PublicKey, sender string, audiences []string, now time.Time, window time.Duration) error {
	if p.Version != 1 && p.Version != 2 {
		return fmt.Errorf("%w: version is neither 1 nor 2", ErrMalformed)
	}
	if err := checkText(p.Version, "sender", sender); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := p.checkKey(pub); err != nil {
		return err
	}
	if !p.signed(pub, sender, audiences) {
		return ErrSignature
	}
	if away := now.Sub(time.Unix(p.Timestamp, 0)); away < -window || away > window {
		return fmt.Errorf("%w: the clock is %s after it", ErrStale, away.Round(time.Second))
	}
	return nil
}

func (p Proof) checkKey(pub ed25519.PublicKey) error {
	if err := checkEncoding(pub); err != nil {
		return err
	}
	sum := sha256.Sum256(pub)
	var id [2 * sha256.Size]byte
	hex.Encode(id[:], sum[:])
	if string(id[:]) != p.KeyID {
		return fmt.Errorf("%w: not the key that the proof names", ErrKey)
	}
	return nil
}

func (p Proof) signed(pub ed25519.PublicKey, sender string, audiences []string) bool {
	var room [textSize]byte
	verify := func(audience string) bool {
		text := appendText(room[:0], p.Version, p.Timestamp, p.MessageID, sender, audience)
		return ed25519.Verify(pub, text, p.Signature)
	}
	if p.Version == 1 {
		return verify("")
	}
	return slices.ContainsFunc(audiences, verify)
}
