package authroute

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/policyproto"
)

// causes lists every cause, for the metrics.
var causes = [...]Cause{
	NullSender, NoProof, Malformed, KeyNotFound, Exempt, Bypassed,
	Revoked, Expired, BadSigned, WrongSender, Replayed, Stale,
	DNSTrouble, StoreTrouble, Deadline, Trouble,
}

// verified stands for the missing cause of a pass in the metrics.
const verified = "verified"

// defaultReason says why a request got DUNNO without a verdict that calls for it.
type defaultReason string

const (
	byDeadline defaultReason = "deadline"
	byPanic    defaultReason = "panic"
	byQueue    defaultReason = "queue_full"
)

// gapReason says why verdicts are missing from the store.
type gapReason string

const (
	gapCrash gapReason = "crash"
	gapQueue gapReason = "queue_full"
)

// lookupOutcome says how a question to the DNS ended.
type lookupOutcome string

const (
	lookupFound   lookupOutcome = "found"
	lookupMissing lookupOutcome = "missing"
	lookupStale   lookupOutcome = "stale"
	lookupFailed  lookupOutcome = "failed"
)

// Sources are the figures that other parts know. Nil ones are not shown.
type Sources struct {
	Adoption func() float64 // share of users with a live subkey, 0 to 1
	Bypassed func() bool    // mail goes unjudged now
}

// Metrics counts what the package does. It is safe for concurrent use.
type Metrics struct {
	verdicts    map[Cause]prometheus.Counter
	actions     map[string]prometheus.Counter
	defaults    map[defaultReason]prometheus.Counter
	gaps        map[gapReason]prometheus.Counter
	lookups     map[lookupOutcome]prometheus.Counter
	retries     prometheus.Counter
	replays     prometheus.Counter
	malformed   prometheus.Counter
	refused     prometheus.Counter
	answered    prometheus.Histogram
	effect      prometheus.Histogram
	connections prometheus.Gauge
	verified    *rate
	reg         prometheus.Registerer
}

// NewMetrics registers the metrics authroute_... with reg. Every label value is
// there from the start.
func NewMetrics(reg prometheus.Registerer, s Sources) *Metrics {
	m := &Metrics{
		verdicts: map[Cause]prometheus.Counter{},
		actions: counters[string](reg, "authroute_actions_total", "Answers to Postfix.", "action",
			"DUNNO", "PREPEND", "HOLD", "REJECT", "DEFER"),
		defaults: counters(reg, "authroute_default_actions_total", "Mail that passed unjudged since the service was in trouble.", "reason",
			byDeadline, byPanic, byQueue),
		gaps: counters(reg, "authroute_verdict_gaps_total", "Answered verdicts that are not in the store.", "reason",
			gapCrash, gapQueue),
		lookups: counters(reg, "authroute_dns_lookups_total", "Lookups of foreign keys in the DNS; cached answers are not counted.", "outcome",
			lookupFound, lookupMissing, lookupStale, lookupFailed),
		retries:   counter(reg, "authroute_retries_total", "Proofs that the same client sent again, which pass."),
		replays:   counter(reg, "authroute_replays_total", "Proofs that came again from elsewhere, or too often."),
		malformed: counter(reg, "authroute_policy_malformed_total", "Policy connections closed over a request that could not be read."),
		refused:   counter(reg, "authroute_policy_refused_connections_total", "Policy connections from hosts that may not ask, or beyond the limit."),
		answered: histogram(reg, "authroute_policy_duration_seconds", "Time from a request to its answer.",
			.0005, .001, .0025, .005, .01, .025, .05, .075, .1, .25, .5, 1, 2.5),
		effect: histogram(reg, "authroute_revocation_effect_seconds", "Time from a revocation until this instance refused the key.",
			.01, .05, .1, .25, .5, 1, 2, 5, 30, 60, 300),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "authroute_policy_connections", Help: "Open policy connections."}),
		verified:    newRate(time.Now),
		reg:         reg,
	}
	m.registerVerdicts()
	reg.MustRegister(m.connections)
	gauge(reg, "authroute_verified_ratio", "Share of mail with a valid proof in the last hour, 0 to 1.", m.verified.share)
	if s.Bypassed != nil {
		gauge(reg, "authroute_bypass_active", "1 while no mail is verified.", func() float64 {
			if s.Bypassed() {
				return 1
			}
			return 0
		})
	}
	if s.Adoption != nil {
		gauge(reg, "authroute_adoption_ratio", "Share of users that have a key to sign mail with, 0 to 1.", s.Adoption)
	}
	return m
}

func (m *Metrics) registerVerdicts() {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "authroute_verdicts_total", Help: "Mails judged.",
	}, []string{"result", "cause"})
	m.reg.MustRegister(vec)
	m.verdicts[""] = vec.WithLabelValues(string(Pass), verified)
	for _, c := range causes {
		m.verdicts[c] = vec.WithLabelValues(string(c.Result()), string(c))
	}
}

// ObserveRevocation takes the time from a revocation to its effect here.
func (m *Metrics) ObserveRevocation(effect time.Duration) { m.effect.Observe(effect.Seconds()) }

// watchQueue shows how many verdicts wait to be written.
func (m *Metrics) watchQueue(length func() int) {
	gauge(m.reg, "authroute_verdict_queue_length", "Verdicts that wait to be written.", func() float64 { return float64(length()) })
}

// verdict counts one judged mail.
func (m *Metrics) verdict(v Verdict) {
	m.verdicts[v.Cause].Inc()
	m.verified.add(v.Result == Pass)
	if v.Retried {
		m.retries.Inc()
	}
	if v.Cause == Replayed {
		m.replays.Inc()
	}
}

func (m *Metrics) action(a policyproto.Action)     { m.actions[a.Verb()].Inc() }
func (m *Metrics) defaultAction(why defaultReason) { m.defaults[why].Inc() }
func (m *Metrics) gap(why gapReason, n uint64)     { m.gaps[why].Add(float64(n)) }
func (m *Metrics) lookup(o lookupOutcome)          { m.lookups[o].Inc() }

func counters[L ~string](reg prometheus.Registerer, name, help, label string, values ...L) map[L]prometheus.Counter {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	reg.MustRegister(vec)
	all := make(map[L]prometheus.Counter, len(values))
	for _, v := range values {
		all[v] = vec.WithLabelValues(string(v))
	}
	return all
}

func counter(reg prometheus.Registerer, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	reg.MustRegister(c)
	return c
}

func histogram(reg prometheus.Registerer, name, help string, buckets ...float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	reg.MustRegister(h)
	return h
}

func gauge(reg prometheus.Registerer, name, help string, value func() float64) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// rate is the share of hits in the last hour, by minutes.
type rate struct {
	now func() time.Time

	mu      sync.Mutex
	minutes [60]minute
}

type minute struct {
	number     int64 // since 1970
	hits, asks int
}

func newRate(now func() time.Time) *rate { return &rate{now: now} }

func (r *rate) add(hit bool) {
	n := r.now().Unix() / 60
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &r.minutes[n%60]
	if m.number != n {
		*m = minute{number: n}
	}
	m.asks++
	if hit {
		m.hits++
	}
}

// share is 0 where nothing was asked.
func (r *rate) share() float64 {
	n := r.now().Unix() / 60
	r.mu.Lock()
	defer r.mu.Unlock()
	hits, asks := 0, 0
	for _, m := range r.minutes {
		if n-m.number < 60 {
			hits, asks = hits+m.hits, asks+m.asks
		}
	}
	if asks == 0 {
		return 0
	}
	return float64(hits) / float64(asks)
}
