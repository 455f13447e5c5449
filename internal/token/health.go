package token

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"signet/internal/db"
	"signet/internal/dpop"
)

// Bindings are how many tokens are bound to what.
type Bindings struct{ None, Key, Certificate, Both int }

// Total is how many there are.
func (b Bindings) Total() int { return b.None + b.Key + b.Certificate + b.Both }

// ClientHealth is what the senders of a client's tokens must prove, and what they do.
type ClientHealth struct {
	Client  Client
	Demands Policy   // of the client, its account and the configuration together
	Tokens  Bindings // access tokens of a time
}

// Bare reports whether bearers have tokens though a key is demanded of them.
func (h ClientHealth) Bare() bool {
	return h.Demands.DPoP == Required && h.Tokens.None+h.Tokens.Certificate > 0
}

// SenderHealth returns the live clients that the caller may see, with their access
// tokens since a time, at most a day ago. Tokens that are not kept are not counted.
func (g *OAuth) SenderHealth(ctx context.Context, since time.Time) (all []ClientHealth, err error) {
	clients, err := g.clients.List(ctx)
	if err != nil {
		return nil, err
	}
	var tokens map[string]Bindings
	err = g.db.View(ctx, func(tx *db.Tx) error {
		tokens, err = countBindings(ctx, tx, since)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, c := range clients {
		if !c.Disabled.IsZero() {
			continue
		}
		need, err := g.senders.demands(ctx, c, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, ClientHealth{c, need, tokens[c.ID]})
	}
	return all, nil
}

// countBindings counts access tokens by client. Those of a time have not ended before
// it, which the index knows.
func countBindings(ctx context.Context, tx *db.Tx, since time.Time) (map[string]Bindings, error) {
	rows, err := tx.QueryContext(ctx, `
		SELECT client_id, CASE WHEN jkt = '' THEN 0 ELSE 1 END AS key_bound, CASE WHEN sender_certificate = '' THEN 0 ELSE 1 END AS certificate_bound, count(*)
		FROM authority_tokens WHERE expires_at >= $1 AND created_at >= $1 AND kind = 'access'
		GROUP BY client_id, key_bound, certificate_bound`, since)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]Bindings{}
	for rows.Next() {
		var client string
		var key, certificate, n int
		if err := rows.Scan(&client, &key, &certificate, &n); err != nil {
			return nil, err
		}
		b := all[client]
		*map[[2]int]*int{{0, 0}: &b.None, {1, 0}: &b.Key, {0, 1}: &b.Certificate, {1, 1}: &b.Both}[[2]int{key, certificate}] = n
		all[client] = b
	}
	return all, rows.Err()
}

// Bypassed returns the emergency bypass, and whether it is on.
func (g *OAuth) Bypassed() (Bypass, bool) { return g.senders.Bypassed() }

// Counted is how often something came of a proof or a certificate.
type Counted struct {
	Word string
	N    int
}

// Counters are what one instance has counted since its start.
type Counters struct {
	Proofs       []Counted // requests that had or needed a proof, by result
	Nonces       []Counted // proofs without a good nonce, by reason
	Certificates []Counted // certificates that were not the one asked for, by reason
}

// CounterWords are what is counted: results of proofs, reasons of nonces that were not
// good, and of certificates that did not match.
func CounterWords() (proofs, nonces, certificates []string) {
	return proofResults,
		[]string{string(dpop.First), string(dpop.Expired), string(dpop.Unknown), string(dpop.Replayed)},
		[]string{contextMissing, missingCertificate, thumbprintMismatch}
}

// Snapshot returns the counters as they are now.
func (m *Metrics) Snapshot() Counters {
	proofs, nonces, certificates := CounterWords()
	return Counters{counted(m.proofs, proofs), counted(m.nonces, nonces), counted(m.certificates, certificates)}
}

var proofResults = []string{resultOK, resultMissing, resultInvalid, resultNonce, resultReplay, resultMismatch, resultAway, resultBypass}

func counted(v *prometheus.CounterVec, words []string) (all []Counted) {
	for _, w := range words {
		var m dto.Metric
		_ = v.WithLabelValues(w).Write(&m) // of a counter it never fails
		all = append(all, Counted{w, int(m.GetCounter().GetValue())})
	}
	return all
}
