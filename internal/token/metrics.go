package token

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/dpop"
	"signet/internal/once"
	"signet/internal/ticket"
)

// Results of requests that had, or needed, a proof.
const (
	resultOK       = "ok"
	resultMissing  = "missing"
	resultInvalid  = "invalid"
	resultNonce    = "nonce"
	resultReplay   = "replay"
	resultMismatch = "mismatch"
	resultAway     = "unavailable"
	resultBypass   = "bypass"
)

// Reasons for which a certificate is not the one that a token is bound to.
const (
	contextMissing     = "context-missing"
	missingCertificate = "missing-certificate"
	thumbprintMismatch = "thumbprint-mismatch"
)

// Metrics count what senders prove.
type Metrics struct {
	proofs, nonces, certificates *prometheus.CounterVec
	tokens                       *prometheus.CounterVec
	took                         *prometheus.HistogramVec
}

// NewMetrics registers the metrics of the authority. Each label is there at 0 from the
// start: a series that is born at 1 has never increased, and alerts nobody.
func NewMetrics(r prometheus.Registerer) *Metrics {
	m := &Metrics{
		proofs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authority_dpop_requests_total", Help: "Requests that had or needed a DPoP proof, by result.",
		}, []string{"result"}),
		nonces: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authority_dpop_nonce_miss_total", Help: "Proofs whose nonce was missing or not good, by reason. Every healthy client misses its first.",
		}, []string{"reason"}),
		certificates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authority_mtls_mismatch_total", Help: "Requests whose client certificate is not the one that is asked for, by reason.",
		}, []string{"reason"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "authority_tokens_total", Help: "Answers at /token, by grant and by what the token is bound to.",
		}, []string{"grant", "binding"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "authority_request_seconds", Help: "Time of requests at the endpoints of the authority, in seconds.",
			Buckets: []float64{0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5},
		}, []string{"endpoint"}),
	}
	for _, v := range proofResults {
		m.proofs.WithLabelValues(v)
	}
	for _, v := range []dpop.Reason{dpop.First, dpop.Expired, dpop.Unknown, dpop.Replayed} {
		m.nonces.WithLabelValues(string(v))
	}
	for _, v := range []string{contextMissing, missingCertificate, thumbprintMismatch} {
		m.certificates.WithLabelValues(v)
	}
	for _, grant := range Grants() {
		for _, binding := range []string{"none", "jkt", "x5t", "both"} {
			m.tokens.WithLabelValues(grant, binding)
		}
	}
	for _, path := range endpointNames {
		m.took.WithLabelValues(path)
	}
	r.MustRegister(m.proofs, m.nonces, m.certificates, m.tokens, m.took)
	return m
}

func (m *Metrics) nonceMiss(reason string) { m.nonces.WithLabelValues(reason).Inc() }

func (m *Metrics) nonceReplayed(single bool) {
	if single {
		m.nonceMiss(string(dpop.Replayed))
	}
}

func (m *Metrics) issued(grant string, c Confirmation) {
	binding := "none"
	switch {
	case c.JKT != "" && c.X5T != "":
		binding = "both"
	case c.JKT != "":
		binding = "jkt"
	case c.X5T != "":
		binding = "x5t"
	}
	m.tokens.WithLabelValues(grant, binding).Inc()
}

func (m *Metrics) observe(endpoint string, since time.Time) {
	m.took.WithLabelValues(endpoint).Observe(time.Since(since).Seconds())
}

// note counts and logs what came of a proof.
func (s *Senders) note(ctx context.Context, c *Checked, result string) {
	s.metrics.proofs.WithLabelValues(result).Inc()
	level, reason := slog.LevelInfo, ""
	nonce := "none"
	switch {
	case c.epoch != 0:
		nonce = "good"
	case c.proof.Nonce != "":
		nonce = "bad"
	}
	event := "authority.dpop.request"
	if result == resultBypass {
		event, level, reason = "authority.dpop.proof.bypass", slog.LevelWarn, s.o.Bypass.Reason
	}
	slog.Log(ctx, level, event, "tenant", c.client.Account, "client", c.client.ID, "jkt", c.Confirm.JKT, "nonce", nonce,
		"authority.dpop_result", result, "bypass_reason", reason, "request", ticket.RequestFrom(ctx).ID)
}

// noteCertificate counts and logs that a certificate is not what is asked for.
func (s *Senders) noteCertificate(ctx context.Context, reason, client, want string) {
	s.metrics.certificates.WithLabelValues(reason).Inc()
	slog.WarnContext(ctx, "authority.security.senderConstraint", "kind", "mtls", "reason", reason, "client", client,
		"x5t", want, "request", ticket.RequestFrom(ctx).ID)
}

// refuseProof counts a refusal, and returns it.
func (s *Senders) refuseProof(ctx context.Context, c *Checked, result string, err error) error {
	s.note(ctx, c, result)
	return err
}

// away is a store of used proofs that cannot tell: nothing is accepted meanwhile.
func (s *Senders) away(ctx context.Context, c *Checked, err error) error {
	if c != nil {
		s.note(ctx, c, resultAway)
	} else {
		s.metrics.proofs.WithLabelValues(resultAway).Inc()
	}
	if errors.Is(err, once.ErrOlder) || errors.Is(err, once.ErrPast) {
		return ErrProof.Because("it was made before this server could remember it: send a new one")
	}
	return err
}

func (s *Senders) failed(ctx context.Context, what string, err error) {
	slog.WarnContext(ctx, what, "error", err)
}
