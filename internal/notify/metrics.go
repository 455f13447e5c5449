package notify

import "github.com/prometheus/client_golang/prometheus"

// outcome is what became of a mail.
type outcome string

const (
	sent      outcome = "sent"
	refused   outcome = "refused"    // for good, by the next hop or since no mail could be made of it
	gaveUp    outcome = "gave_up"    // tried for too long
	queueFull outcome = "queue_full" // never queued
	stopped   outcome = "stopped"    // still waited when the process ended
)

func counters(reg prometheus.Registerer) map[outcome]prometheus.Counter {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "notify_mails_total", Help: "Mails to users, by what became of them."}, []string{"outcome"})
	all := map[outcome]prometheus.Counter{}
	for _, o := range []outcome{sent, refused, gaveUp, queueFull, stopped} {
		all[o] = vec.WithLabelValues(string(o))
	}
	if reg != nil {
		reg.MustRegister(vec)
	}
	return all
}

func (p *Post) count(o outcome, n int) { p.counted[o].Add(float64(n)) }
