package authroute

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/policyproto"
)

// values returns the value of each metric by its name and labels; of histograms the count.
func values(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return all
}

func TestEveryLabelValueIsThereFromTheStart(t *testing.T) {
	reg := prometheus.NewRegistry()
	NewMetrics(reg, Sources{Adoption: func() float64 { return 0 }, Bypassed: func() bool { return false }})
	got := values(t, reg)
	want := []string{
		"authroute_verdicts_total cause=verified result=pass",
		"authroute_adoption_ratio", "authroute_verified_ratio", "authroute_bypass_active", "authroute_policy_connections",
		"authroute_retries_total", "authroute_replays_total", "authroute_policy_malformed_total",
		"authroute_policy_refused_connections_total", "authroute_policy_duration_seconds", "authroute_revocation_effect_seconds",
	}
	for _, c := range causes {
		want = append(want, "authroute_verdicts_total cause="+string(c)+" result="+string(c.Result()))
	}
	for _, a := range []policyproto.Action{policyproto.Dunno(), policyproto.Hold(""), policyproto.Defer(""), policyproto.Reject(""), policyproto.Prepend("a: b")} {
		want = append(want, "authroute_actions_total action="+a.Verb())
	}
	for _, r := range []string{"deadline", "panic", "queue_full"} {
		want = append(want, "authroute_default_actions_total reason="+r)
	}
	for _, r := range []string{"crash", "queue_full"} {
		want = append(want, "authroute_verdict_gaps_total reason="+r)
	}
	for _, o := range []string{"found", "missing", "stale", "failed"} {
		want = append(want, "authroute_dns_lookups_total outcome="+o)
	}
	for _, name := range want {
		if v, ok := got[name]; !ok || v != 0 {
			t.Errorf("%s: got %v, %v, want 0", name, v, ok)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s: not in the list of this test", name)
	}
}

func TestVerifiedRatioIsOfTheLastHour(t *testing.T) {
	c := &handClock{time.Unix(1_000_000, 0)}
	r := newRate(c.now)
	expect := func(want float64) {
		t.Helper()
		if got := r.share(); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	expect(0)
	for range 3 {
		r.add(true)
	}
	r.add(false)
	expect(0.75)
	c.advance(30 * time.Minute)
	for range 4 {
		r.add(false)
	}
	expect(0.375)
	c.advance(30 * time.Minute)
	expect(0)
	c.advance(24 * time.Hour)
	r.add(true)
	expect(1)
}
