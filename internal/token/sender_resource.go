package token

import (
	"context"
	"errors"
	"slices"
	"strings"

	"signet/internal/dpop"
	"signet/internal/fault"
	"signet/internal/web"
)

// errResourceNonce is ErrNonce at a resource (RFC 9449, section 9).
var errResourceNonce = fault.New(fault.Unauthorized, "the DPoP proof must have the nonce that this answer gives").Named("use-dpop-nonce")

// atResource holds a request with an access token to what the token is bound to, and
// uses the proof up. audience is "" at the endpoints that are for tokens of any.
func (s *Senders) atResource(ctx context.Context, sent Sent, b credential, c Claims, audience string) error {
	if err := s.matchCertificate(ctx, sent, c, audience); err != nil {
		return s.challenged(err, b.scheme, "invalid_token")
	}
	if err := s.meets(ctx, c); err != nil {
		return err
	}
	switch {
	case c.Confirm.JKT == "" && b.scheme == "DPoP":
		return s.challenged(ErrToken.Because("it is not bound to a key: send it as Bearer"), "Bearer", "invalid_token")
	case c.Confirm.JKT == "":
		return nil
	case b.scheme != "DPoP":
		return s.challenged(ErrToken.Because("it is bound to a key: send it as DPoP, with a proof"), "DPoP", "invalid_token")
	}
	return s.matchProof(ctx, sent, b, c, audience)
}

// meets refuses a token that is not bound to what its client must prove: it is of a time
// when that was not demanded, or of a bypass, and good no longer than that.
func (s *Senders) meets(ctx context.Context, c Claims) error {
	client, err := s.clients.acting(ctx, c.Client)
	if errors.Is(err, ErrNoClient) {
		return s.challenged(ErrToken.Because("its client is disabled"), "Bearer", "invalid_token")
	}
	if err != nil {
		return err
	}
	need, err := s.demands(ctx, client, nil)
	if err != nil {
		return err
	}
	switch {
	case need.DPoP == Required && c.Confirm.JKT == "" && !s.o.Bypass.on(s.o.Now()):
		return s.challenged(ErrToken.Because("it is bound to no key, and must be"), "DPoP", "invalid_token")
	case need.MTLS == Required && c.Confirm.X5T == "":
		s.noteCertificate(ctx, missingCertificate, c.Client, "")
		return s.challenged(ErrToken.Because("it is bound to no certificate, and must be"), tokenType(c.Confirm), "invalid_token")
	}
	return nil
}

func (s *Senders) matchCertificate(ctx context.Context, sent Sent, c Claims, audience string) error {
	want, shown := c.Confirm.X5T, sent.Certificate.Thumbprint()
	switch {
	case want == "" && slices.Contains(s.o.MTLSAt, audience):
		s.noteCertificate(ctx, missingCertificate, c.Client, "")
		return ErrToken.Because("it is bound to no certificate, and must be")
	case want == "" || want == shown:
		return nil
	case !s.o.MTLS:
		s.noteCertificate(ctx, contextMissing, c.Client, want)
		return ErrToken.Because("it is bound to a certificate, and this server takes none")
	case shown == "":
		s.noteCertificate(ctx, missingCertificate, c.Client, want)
		return ErrToken.Because("it is bound to a certificate, and none came along")
	}
	s.noteCertificate(ctx, thumbprintMismatch, c.Client, want)
	return ErrToken.Because("it is bound to another certificate")
}

func (s *Senders) matchProof(ctx context.Context, sent Sent, b credential, c Claims, audience string) error {
	k := Checked{senders: s, client: Client{ID: c.Client, Account: c.Account}, address: sent.Address, Confirm: c.Confirm}
	now := s.o.Now()
	proof, err := dpop.Verify(s.o.Proofs, dpop.Request{Headers: sent.Proofs, Method: sent.Method, URL: sent.URL}, now)
	if errors.Is(err, dpop.ErrMissing) {
		s.note(ctx, &k, resultMissing)
		return s.challenged(ErrToken.Because("it is bound to a key, and no proof came along"), "DPoP", "invalid_dpop_proof")
	}
	if errors.Is(err, dpop.ErrProof) {
		s.note(ctx, &k, resultInvalid)
		return s.challenged(err, "DPoP", "invalid_dpop_proof")
	}
	if err != nil {
		return err
	}
	k.proof = proof
	if s.o.Nonces && (proof.Nonce != "" || slices.Contains(s.o.NonceAtAPIs, audience)) {
		err := s.checkNonce(ctx, &k, now)
		if errors.Is(err, ErrNonce) {
			return s.withNonce(s.challenged(errResourceNonce, "DPoP", "use_dpop_nonce"), k.Nonce)
		}
		if err != nil {
			return err
		}
	}
	if err := proof.For(b.token); err != nil {
		s.note(ctx, &k, resultInvalid)
		return s.challenged(err, "DPoP", "invalid_dpop_proof")
	}
	if proof.JKT != c.Confirm.JKT {
		s.note(ctx, &k, resultMismatch)
		return s.challenged(ErrToken.Because("it is bound to another key"), "DPoP", "invalid_token")
	}
	return s.spendAtResource(ctx, &k)
}

func (s *Senders) spendAtResource(ctx context.Context, k *Checked) error {
	err := s.spend(ctx, k.proof, k.client.Account, k.quota(), k.epoch)
	switch {
	case err == nil:
		s.note(ctx, k, resultOK)
		return nil
	case errors.Is(err, ErrReplay):
		s.noteReplay(ctx, k)
		return s.challenged(ErrReplay, "DPoP", "invalid_dpop_proof")
	case s.curable(err):
		return s.askForNonce(ctx, k, s.challenged(errResourceNonce, "DPoP", "use_dpop_nonce"))
	}
	return s.away(ctx, k, err)
}

// challenged gives a refusal the header that says how to do better (RFC 6750, section
// 3). Who did not try a proof is told that one may be sent, too (RFC 9449, section 7.2).
func (s *Senders) challenged(err error, scheme, code string) error {
	algs := `algs="` + strings.Join(s.o.Proofs.Algorithms, " ") + `"`
	var challenge string
	switch {
	case scheme == "DPoP" && code == "":
		challenge = "DPoP " + algs
	case scheme == "DPoP":
		challenge = `DPoP error="` + code + `", ` + algs
	case code == "":
		challenge = `Bearer realm="signet"`
	default:
		challenge = `Bearer error="` + code + `"`
	}
	if scheme != "DPoP" && s.o.DPoP {
		challenge += ", DPoP " + algs
	}
	return web.WithHeader(err, "WWW-Authenticate", challenge)
}

// atIntrospection compares certificates where that is asked for (strict): the one that a
// token's own client shows, or the one that a resource server passes on, in PEM or as
// the base64 of its DER.
func (s *Senders) atIntrospection(ctx context.Context, sent Sent, caller Client, passed string, c Claims) error {
	if !s.o.Strict || c.Confirm.X5T == "" {
		return nil
	}
	shown := ""
	switch {
	case passed != "":
		certificate, err := parseCertificate(passed)
		if err != nil {
			return ErrRequest.At("client_certificate").Because("want one certificate, in PEM or as the base64 of its DER")
		}
		shown = certificate.Thumbprint()
	case caller.ID == c.Client:
		shown = sent.Certificate.Thumbprint()
	}
	switch shown {
	case c.Confirm.X5T:
		return nil
	case "":
		s.noteCertificate(ctx, contextMissing, c.Client, c.Confirm.X5T)
		return ErrToken.Because("context-missing: it is bound to a certificate, and none is here to compare it with")
	}
	s.noteCertificate(ctx, thumbprintMismatch, c.Client, c.Confirm.X5T)
	return ErrToken.Because("it is bound to another certificate")
}
