package token

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/dpop"
	"signet/internal/fault"
	"signet/internal/once"
	"signet/internal/recent"
	"signet/internal/ticket"
	"signet/internal/web"
)

// ProofSpace is the space of one-time values that used proofs go to, and single-use
// nonces.
const ProofSpace = "dpop"

// What is refused of a sender. At /token and /par a bad proof is a bad request (RFC
// 9449, section 5), at a resource it proves nobody.
var (
	ErrProof       = fault.New(fault.Malformed, "DPoP proof is not valid").Named("invalid-dpop-proof")
	ErrNoProof     = fault.New(fault.Malformed, "a DPoP proof is required").Named("invalid-dpop-proof")
	ErrNonce       = fault.New(fault.Malformed, "the DPoP proof must have the nonce that this answer gives").Named("use-dpop-nonce")
	ErrReplay      = fault.New(fault.Unauthorized, "the DPoP proof, or its nonce, was used before: send a new one").Named("invalid-dpop-proof")
	ErrCertificate = fault.New(fault.Unauthorized, "a client certificate is required: use the endpoints of mtls_endpoint_aliases").Named("invalid-client")
)

// Sent is what a request brings to prove its sender.
type Sent struct {
	Method      string
	URL         string       // of the endpoint as configured, never of the Host header (RFC 9449, section 4.3)
	Proofs      []string     // values of the DPoP field lines
	Certificate *Certificate // nil where the client showed none
	Address     netip.Addr
}

// Proofs keeps the proofs that were used.
type Proofs interface {
	Once

	// Epoch is the number that nonces bear. Those of another one are over.
	Epoch(ctx context.Context) (int64, error)
}

// SenderOptions say what senders must prove.
type SenderOptions struct {
	Origin     string // of this server, as configured
	MTLSOrigin string // of the listener that asks for certificates; "" where there is none

	DPoP    bool // proofs are taken
	Proofs  dpop.Policy
	Window  time.Duration // how long a jti is remembered at least
	DPoPFor []string      // ids of accounts whose clients must prove a key; "*" is all

	Nonces       bool // proofs at /token and /par need one
	SingleUse    bool // nonces are good once
	NonceTTL     time.Duration
	NonceKey     [32]byte
	NonceAtAPIs  []string // audiences whose proofs need one too
	ReplayStatus int      // of a used proof at /token: 401, or 400

	MTLS         bool     // certificates are taken
	MTLSFor      []string // ids of accounts, as DPoPFor
	MTLSAt       []string // audiences whose tokens must be bound to a certificate
	Certificates CertificateHeader
	Strict       bool // introspection compares certificates

	Bypass Bypass
	Now    func() time.Time
}

// Bypass gives bearer tokens where a key must be proven, until its end.
type Bypass struct {
	Until  time.Time // zero: none
	Reason string
}

func (b Bypass) on(now time.Time) bool { return now.Before(b.Until) }

// Senders holds requests to what their senders must prove: a key by DPoP (RFC 9449),
// a certificate by mutual TLS (RFC 8705), or both. It is safe for concurrent use.
type Senders struct {
	db      *db.DB
	clients *Clients
	once    Proofs
	audit   Auditor
	metrics *Metrics
	nonces  *dpop.Nonces
	replays *recent.Cache[string, struct{}] // that were written down, by quota
	o       SenderOptions
}

// NewSenders returns the senders of the clients' tokens.
func NewSenders(d *db.DB, c *Clients, used Proofs, a Auditor, m *Metrics, o SenderOptions) *Senders {
	return &Senders{
		db: d, clients: c, once: used, audit: a, metrics: m, nonces: dpop.NewNonces(o.NonceKey, o.NonceTTL),
		replays: recent.New[string, struct{}](o.Now), o: o,
	}
}

// Algorithms are those that may sign a proof; none where proofs are not taken.
func (s *Senders) Algorithms() []string {
	if !s.o.DPoP {
		return nil
	}
	return s.o.Proofs.Algorithms
}

// MTLSOrigin is where clients show certificates; "" where they cannot.
func (s *Senders) MTLSOrigin() string {
	if !s.o.MTLS {
		return ""
	}
	return s.o.MTLSOrigin
}

// certificateAuth is how clients can prove themselves by certificate: at a listener of
// ours, where authorities are configured for tls_client_auth, or through a proxy, which
// brings no chain to verify.
func (s *Senders) certificateAuth() []string {
	listener, proxy := s.MTLSOrigin() != "", s.o.MTLS && len(s.o.Certificates.Proxies) > 0
	switch {
	case listener && s.clients.options.ClientCAs != nil, proxy && s.o.Certificates.Verifies:
		return []string{string(AuthTLS), string(AuthSelfSigned)}
	case listener, proxy:
		return []string{string(AuthSelfSigned)}
	}
	return nil
}

// Bypassed returns the emergency bypass, and whether it is on.
func (s *Senders) Bypassed() (Bypass, bool) { return s.o.Bypass, s.o.Bypass.on(s.o.Now()) }

// Read returns what r brings. path is the endpoint's. It refuses a certificate that
// comes by header in another form than one.
func (s *Senders) Read(r *http.Request, path string) (Sent, error) {
	origin := s.o.Origin
	if onMTLS(r.Context()) {
		origin = s.o.MTLSOrigin
	}
	address, _ := netip.ParseAddr(ticket.RequestFrom(r.Context()).Address)
	sent := Sent{Method: r.Method, URL: origin + path, Proofs: r.Header.Values("DPoP"), Address: address}
	if !s.o.MTLS {
		return sent, nil
	}
	var err error
	sent.Certificate, err = s.o.Certificates.read(r)
	return sent, err
}

// Checked is a sender as far as a request proves it without a trace in any store: the
// proof's own checks and its nonce. Its jti is not used yet.
type Checked struct {
	Confirm Confirmation // what a token for this sender is bound to; zero for a bearer
	Nonce   string       // for the DPoP-Nonce header of the answer; "" where none is to be sent
	// NoRefresh says that a refresh token must not be issued: the emergency bypass is on,
	// and what is issued now ends with it, at Until (zero: no such end).
	NoRefresh bool
	Until     time.Time

	senders *Senders
	client  Client
	address netip.Addr
	proof   dpop.Proof // zero where there is none
	epoch   int64      // of its nonce; zero where it needs none
}

// Check holds a request at /token or /par to the policy of client, its account and the
// audiences that it asks for.
func (s *Senders) Check(ctx context.Context, sent Sent, client Client, audiences []string) (Checked, error) {
	need, err := s.demands(ctx, client, audiences)
	if err != nil {
		return Checked{}, err
	}
	c := Checked{senders: s, client: client, address: sent.Address}
	if err := s.checkCertificate(ctx, &c, sent, need.MTLS); err != nil {
		return Checked{}, err
	}
	if err := s.checkProof(ctx, &c, sent, need.DPoP); err != nil {
		return Checked{}, err
	}
	return c, nil
}

// demands is what a client's tokens must be bound to, from all who may demand it.
func (s *Senders) demands(ctx context.Context, client Client, audiences []string) (Policy, error) {
	p, err := s.clients.Demands(ctx, client)
	if err != nil {
		return p, err
	}
	if named(s.o.DPoPFor, client.Account) {
		p.DPoP = Required
	}
	if named(s.o.MTLSFor, client.Account) || slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(s.o.MTLSAt, a) }) {
		p.MTLS = Required
	}
	return p, nil
}

func named(list []string, account string) bool {
	return slices.Contains(list, account) || slices.Contains(list, "*")
}

func (s *Senders) checkCertificate(ctx context.Context, c *Checked, sent Sent, need Demand) error {
	switch {
	case sent.Certificate != nil && need != Off && s.o.MTLS:
		c.Confirm.X5T = sent.Certificate.Thumbprint()
	case need == Required:
		s.noteCertificate(ctx, missingCertificate, c.client.ID, "")
		return ErrCertificate
	}
	return nil
}

func (s *Senders) checkProof(ctx context.Context, c *Checked, sent Sent, need Demand) error {
	if len(sent.Proofs) == 0 {
		return s.withoutProof(ctx, c, need)
	}
	if !s.o.DPoP || need == Off {
		return s.refuseProof(ctx, c, resultInvalid, ErrProof.Because("proofs are not taken here: send none"))
	}
	now := s.o.Now()
	proof, err := dpop.Verify(s.o.Proofs, dpop.Request{Headers: sent.Proofs, Method: sent.Method, URL: sent.URL}, now)
	if errors.Is(err, dpop.ErrProof) {
		return s.refuseProof(ctx, c, resultInvalid, asRequest(err))
	}
	if err != nil {
		return err
	}
	c.proof, c.Confirm.JKT = proof, proof.JKT
	if !s.o.Nonces {
		return nil
	}
	return s.checkNonce(ctx, c, now)
}

// asRequest is a fault of a proof where it is a part of a request.
func asRequest(err error) error {
	e, _ := fault.As(err)
	return ErrProof.At(e.Field).Because("%s", strings.TrimPrefix(e.Text, dpop.ErrProof.Text+": "))
}

// withoutProof is a request without proof: a bearer's, unless a key is demanded.
func (s *Senders) withoutProof(ctx context.Context, c *Checked, need Demand) error {
	if need != Required {
		return nil
	}
	now := s.o.Now()
	if s.o.Bypass.on(now) {
		c.NoRefresh, c.Until = true, s.o.Bypass.Until
		s.note(ctx, c, resultBypass)
		return nil
	}
	nonce, err := s.newNonce(ctx, c.client.Account)
	if err != nil {
		return err
	}
	refused := s.refuseProof(ctx, c, resultMissing, ErrNoProof)
	refused = web.WithHeader(refused, "WWW-Authenticate", `DPoP error="use_dpop_nonce", algs="`+strings.Join(s.o.Proofs.Algorithms, " ")+`"`)
	if nonce == "" {
		return refused
	}
	return web.WithHeader(refused, "DPoP-Nonce", nonce)
}

// checkNonce holds a proof to its nonce, and gets the next one. It spends nothing.
func (s *Senders) checkNonce(ctx context.Context, c *Checked, now time.Time) (err error) {
	tenant := c.client.Account
	if c.Nonce, err = s.newNonce(ctx, tenant); err != nil {
		return err
	}
	var why dpop.Reason
	if c.epoch, why = s.readNonce(tenant, c.proof.Nonce, now); why == dpop.Good {
		if epoch, err := s.once.Epoch(ctx); err != nil {
			return s.away(ctx, c, err)
		} else if epoch != c.epoch {
			why = dpop.Expired
		}
	}
	if why == dpop.Good {
		return nil
	}
	s.metrics.nonceMiss(string(why))
	return web.WithHeader(s.refuseProof(ctx, c, resultNonce, ErrNonce), "DPoP-Nonce", c.Nonce)
}

// newNonce returns the nonce of the next proof; "" where none is asked for. Those for
// single use differ: each has a random name, and is good under it alone.
func (s *Senders) newNonce(ctx context.Context, tenant string) (string, error) {
	if !s.o.Nonces {
		return "", nil
	}
	epoch, err := s.once.Epoch(ctx)
	if err != nil {
		return "", s.away(ctx, nil, err)
	}
	now := s.o.Now()
	if !s.o.SingleUse {
		return s.nonces.Issue(tenant, epoch, now), nil
	}
	name := rand.Text()
	return name + "." + s.nonces.Issue(tenant+"\n"+name, epoch, now), nil
}

func (s *Senders) readNonce(tenant, nonce string, now time.Time) (epoch int64, why dpop.Reason) {
	if !s.o.SingleUse || nonce == "" {
		return s.nonces.Check(tenant, nonce, now)
	}
	name, value, _ := strings.Cut(nonce, ".")
	return s.nonces.Check(tenant+"\n"+name, value, now)
}

// Matches returns ErrGrant where a code or refresh token is bound to another sender
// than the one that was checked.
func (c Checked) Matches(ctx context.Context, want Confirmation) error {
	if want.JKT != "" && want.JKT != c.Confirm.JKT {
		c.senders.note(ctx, &c, resultMismatch)
		return ErrGrant.Because("it is bound to another key")
	}
	if want.X5T != "" && want.X5T != c.Confirm.X5T {
		reason := thumbprintMismatch
		if c.Confirm.X5T == "" {
			reason = missingCertificate
		}
		c.senders.noteCertificate(ctx, reason, c.client.ID, want.X5T)
		return ErrGrant.Because("it is bound to another certificate")
	}
	return nil
}

// Spend uses the proof up: the client is authenticated and its grant was found good,
// but is not consumed yet.
func (c Checked) Spend(ctx context.Context) error {
	if c.proof == (dpop.Proof{}) {
		return nil
	}
	s := c.senders
	err := s.spend(ctx, c.proof, c.client.Account, c.quota(), c.epoch)
	switch {
	case err == nil:
		s.note(ctx, &c, resultOK)
		return nil
	case errors.Is(err, ErrReplay):
		if s.o.ReplayStatus == http.StatusBadRequest {
			err = ErrProof.Because("it was used before")
		}
		s.noteReplay(ctx, &c)
		return s.withNonce(err, c.Nonce)
	case s.curable(err):
		return s.askForNonce(ctx, &c, ErrNonce)
	}
	return s.away(ctx, &c, err)
}

// curable reports whether a proof that the store refuses would do with a new nonce: its
// own is of another store, or it has none and the store cannot tell what was before it.
func (s *Senders) curable(err error) bool {
	return s.o.Nonces && (errors.Is(err, once.ErrEpoch) || errors.Is(err, once.ErrOlder))
}

// askForNonce returns the refusal with the nonce that would do.
func (s *Senders) askForNonce(ctx context.Context, c *Checked, refusal error) error {
	nonce, err := s.newNonce(ctx, c.client.Account)
	if err != nil {
		return err
	}
	s.metrics.nonceMiss(string(dpop.Expired))
	return s.withNonce(s.refuseProof(ctx, c, resultNonce, refusal), nonce)
}

// quota names whose room in the store a proof takes: a public client is whoever says
// so, from wherever.
func (c Checked) quota() string {
	q := c.client.ID + "\n" + c.proof.JKT
	if c.client.Public() {
		q = c.client.ID + "\n" + prefixOf(c.address)
	}
	return q
}

// prefixOf is the network that one household has: /64 or /32.
func prefixOf(a netip.Addr) string {
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return ""
	}
	return p.String()
}

// spend takes the jti of a proof, and its nonce where that is good once.
func (s *Senders) spend(ctx context.Context, p dpop.Proof, tenant, quota string, epoch int64) error {
	now := s.o.Now()
	until := p.Expires
	if least := now.Add(s.o.Window); until.Before(least) {
		until = least
	}
	if end := now.Add(s.o.NonceTTL); epoch != 0 && until.Before(end) {
		until = end
	}
	values := []string{p.Once(tenant)}
	if epoch != 0 && s.o.SingleUse {
		values = append(values, "nonce "+tenant+" "+p.Nonce)
	}
	by := rand.Text() // nobody else, so that the same proof again is a replay
	for _, v := range values {
		holder, err := s.once.TakeUse(ctx, once.Use{
			Space: ProofSpace, Value: v, By: by, Subject: quota, Issued: p.Issued, Until: until, Epoch: epoch,
		})
		if err != nil {
			return err
		}
		if holder != by {
			return ErrReplay
		}
	}
	return nil
}

func (s *Senders) withNonce(err error, nonce string) error {
	if nonce == "" {
		return err
	}
	return web.WithHeader(err, "DPoP-Nonce", nonce)
}

// noteReplay writes down that somebody sent a proof again. All are counted; the audit
// log has one a second of whoever shares a quota, since of a public client anybody is.
func (s *Senders) noteReplay(ctx context.Context, c *Checked) {
	s.note(ctx, c, resultReplay)
	s.metrics.nonceReplayed(s.o.SingleUse && c.epoch != 0)
	_, err := s.replays.Get(c.quota(), func() (struct{}, error) {
		return struct{}{}, s.db.Update(ctx, func(tx *db.Tx) error {
			return s.audit.Record(ctx, tx, audit.Event{
				Action: "authority.dpop.replay", Target: c.client.ID, Account: c.client.Account, Outcome: audit.Refused,
				Reason: "a DPoP proof that was used came again", Detail: map[string]any{"jkt": c.proof.JKT, "htu": c.proof.HTU},
			})
		})
	})
	if err != nil {
		s.failed(ctx, "replay of a proof was not written to the audit log", err)
	}
}
