package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Security is what senders of requests must prove.
type Security struct {
	SenderConstraints SenderConstraints `yaml:"senderConstraints"`
	KeepClientTokens  bool              `yaml:"keepClientTokens" doc:"Whether the JWTs that clients get for themselves are kept, so that /revoke ends them at once. Without, they end by themselves within 5 minutes, and cost less"`
}

// SenderConstraints bind tokens to their senders.
type SenderConstraints struct {
	DPoP DPoP `yaml:"dpop"`
	MTLS MTLS `yaml:"mtls"`
}

// DPoP binds tokens to keys (RFC 9449).
type DPoP struct {
	Enabled           bool     `yaml:"enabled" doc:"Whether proofs are taken at all"`
	AllowedAlgorithms []string `yaml:"allowedAlgorithms" doc:"Algorithms that may sign a proof: ES256, EdDSA, Ed25519 (which is EdDSA), PS256"`
	ProofLifetime     Duration `yaml:"proofLifetime" doc:"How old the iat of a proof may be"`
	AllowedClockSkew  Duration `yaml:"allowedClockSkew" doc:"By how much clocks may differ"`
	ReplayWindow      Duration `yaml:"replayWindow" doc:"How long the jti of a proof is remembered at least"`
	RequireForTenants []string `yaml:"requireForTenants" doc:"Accounts, by name or id, whose clients must prove a key; * is all. An account's own policy and a client's may demand it too"`
	Nonce             Nonce    `yaml:"nonce"`
	ReplayStatus      string   `yaml:"replayStatus" doc:"HTTP status of a used proof at /token: 401, or rfc for the 400 of RFC 9449" one:"401,rfc"`
	Bypass            Bypass   `yaml:"allowTemporaryBypass" shape:"{enabled: true, expiresAt: 2026-01-31T18:00:00Z, reason: \"why\"}"`
}

// Nonce is what servers give clients for their next proof (RFC 9449, section 8).
type Nonce struct {
	Enabled           bool     `yaml:"enabled" doc:"Whether proofs at /token and /par need a nonce of this server"`
	Mode              string   `yaml:"mode" doc:"stateless nonces are good for several requests, single-use ones for one" one:"stateless,single-use"`
	TTL               Duration `yaml:"ttl" doc:"How long a nonce is good at most"`
	RequiredAudiences []string `yaml:"requiredAudiences" doc:"Resources of this server whose proofs need a nonce too; its own API is server.origin"`
	Store             string   `yaml:"store" doc:"Where used proofs and nonces are kept; auto takes Redis where redis.url is set, else the database, and beside SQLite a file" one:"auto,memory,sql,redis"`
}

// Bypass gives tokens without proof, for a while, in an emergency.
type Bypass struct {
	Enabled   bool   `yaml:"enabled" doc:"Whether clients that must prove a key get bearer tokens without, until expiresAt. It never loosens a token that is bound"`
	ExpiresAt Moment `yaml:"expiresAt" doc:"End of the bypass, at most 24 hours from the start of the server"`
	Reason    string `yaml:"reason" doc:"Why, for the log, the console and the audit log"`
}

// MTLS binds tokens to client certificates (RFC 8705).
type MTLS struct {
	Enabled                 bool              `yaml:"enabled" doc:"Whether certificates are taken at all; server.mtls.listen or a proxy brings them"`
	RequireForTenants       []string          `yaml:"requireForTenants" doc:"Accounts, by name or id, whose clients must show a certificate; * is all"`
	EnforceForAudiences     []string          `yaml:"enforceForAudiences" doc:"Resources whose tokens must be bound to a certificate"`
	ClientCertificateHeader CertificateHeader `yaml:"clientCertificateHeader"`
	Introspection           string            `yaml:"introspection" doc:"report tells what a token is bound to; strict also refuses where the certificate shown is another" one:"report,strict"`
}

// CertificateHeader is how a proxy passes a client's certificate on.
type CertificateHeader struct {
	Name               string   `yaml:"name" doc:"Header that carries the certificate" one:"Client-Cert,X-Forwarded-Client-Cert"`
	TrustedProxies     []Prefix `yaml:"trustedProxies" doc:"Networks of the proxies that are believed; none, and the header is passed over"`
	ProxySecret        Secret   `yaml:"proxySecret" doc:"What the proxy sends in Signet-Proxy-Secret to prove itself; empty: its address is enough"`
	ProxyVerifiesChain bool     `yaml:"proxyVerifiesChain" doc:"Whether the proxy lets only certificates of the right authority through; without, tls_client_auth does not go by header"`
}

// Moment is a point in time, as RFC 3339 writes it; empty for none.
type Moment string

// T returns the time; the zero time where there is none.
func (m *Moment) T() time.Time {
	t, _ := time.Parse(time.RFC3339, string(*m))
	return t
}

// UnmarshalText reads a time.
func (m *Moment) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.RFC3339, string(text)); err != nil && len(text) > 0 {
		return fmt.Errorf("%q is not a time (try 2026-01-31T18:00:00Z)", text)
	}
	*m = Moment(text)
	return nil
}

func defaultSecurity() Security {
	return Security{KeepClientTokens: true, SenderConstraints: SenderConstraints{
		DPoP: DPoP{
			Enabled: true, AllowedAlgorithms: []string{"ES256", "EdDSA", "Ed25519", "PS256"},
			ProofLifetime: Duration(time.Minute), AllowedClockSkew: Duration(10 * time.Second), ReplayWindow: Duration(5 * time.Minute),
			Nonce:        Nonce{Enabled: true, Mode: "stateless", TTL: Duration(5 * time.Minute), Store: "auto"},
			ReplayStatus: "401",
		},
		MTLS: MTLS{Enabled: true, ClientCertificateHeader: CertificateHeader{Name: "Client-Cert"}, Introspection: "report"},
	}}
}

const (
	maxBypass   = 24 * time.Hour
	maxLifetime = 10 * time.Minute // of a proof, and of a nonce
)

func (s *Security) validate(now time.Time) (problems []error) {
	d := &s.SenderConstraints.DPoP
	const at = "security.senderConstraints."
	for _, alg := range d.AllowedAlgorithms {
		if !slices.Contains([]string{"ES256", "ES384", "EdDSA", "Ed25519", "PS256"}, alg) {
			problems = append(problems, fmt.Errorf(at+"dpop.allowedAlgorithms: %q is none of ES256, ES384, EdDSA, Ed25519, PS256", alg))
		}
	}
	if d.Enabled && len(d.AllowedAlgorithms) == 0 {
		problems = append(problems, errors.New(at+"dpop.allowedAlgorithms: want at least one (try [ES256])"))
	}
	for key, v := range map[string]Duration{"proofLifetime": d.ProofLifetime, "nonce.ttl": d.Nonce.TTL} {
		if v.D() < 5*time.Second || v.D() > maxLifetime {
			problems = append(problems, fmt.Errorf(at+"dpop.%s: must be 5s to %s", key, Duration(maxLifetime)))
		}
	}
	if d.AllowedClockSkew.D() > time.Minute {
		problems = append(problems, errors.New(at+"dpop.allowedClockSkew: must be at most 1m"))
	}
	if d.ReplayWindow.D() > time.Hour {
		problems = append(problems, errors.New(at+"dpop.replayWindow: must be at most 1h"))
	}
	problems = append(problems, d.Bypass.validate(now)...)
	if m := s.SenderConstraints.MTLS; !m.Enabled && len(m.RequireForTenants)+len(m.EnforceForAudiences) > 0 {
		problems = append(problems, errors.New(at+"mtls.enabled: false takes no certificates, and requireForTenants or enforceForAudiences demands them"))
	}
	if !d.Enabled && len(d.RequireForTenants) > 0 {
		problems = append(problems, errors.New(at+"dpop.enabled: false takes no proofs, and requireForTenants demands them"))
	}
	if slices.ContainsFunc(Prefixes(s.SenderConstraints.MTLS.ClientCertificateHeader.TrustedProxies), func(p netip.Prefix) bool { return p.Bits() == 0 }) {
		problems = append(problems, errors.New(at+"mtls.clientCertificateHeader.trustedProxies: a network of all addresses would let everybody claim any certificate"))
	}
	return problems
}

func (b *Bypass) validate(now time.Time) (problems []error) {
	if !b.Enabled {
		return nil
	}
	const at = "security.senderConstraints.dpop.allowTemporaryBypass."
	if strings.TrimSpace(b.Reason) == "" {
		problems = append(problems, errors.New(at+"reason: say why (it stands in the log and the console)"))
	}
	switch end := b.ExpiresAt.T(); {
	case end.IsZero():
		problems = append(problems, fmt.Errorf(at+"expiresAt: say until when, at most 24 hours from now (try %s)", now.Add(time.Hour).UTC().Format(time.RFC3339)))
	case end.After(now.Add(maxBypass)):
		problems = append(problems, fmt.Errorf(at+"expiresAt: is more than 24 hours away (try %s)", now.Add(time.Hour).UTC().Format(time.RFC3339)))
	}
	return problems
}
