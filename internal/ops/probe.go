package ops

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"signet/internal/fault"
)

const (
	checkTimeout = 2 * time.Second
	freshness    = time.Second // so that whoever asks often does not load what is asked
)

// Check asks one dependency for a sign of life.
type Check struct {
	Name    string                          // such as "database"
	Timeout time.Duration                   // 0 means 2 s
	Run     func(ctx context.Context) error // a fault's text is shown, other errors are only logged
}

// What a check says of its dependency.
const (
	statusOK      = "ok"
	statusFailed  = "failed"
	statusTimeout = "timeout" // no answer in time
)

type result struct {
	Name   string  `json:"name"`
	Status string  `json:"status"`
	Detail string  `json:"detail,omitempty"`
	TookMS float64 `json:"took_ms"`
}

// probe runs the checks, all at once and at most once a second.
type probe struct {
	checks []Check
	up     *prometheus.Desc

	mu      sync.Mutex // held while the checks run: who asks meanwhile gets the same results
	at      time.Time
	last    []result
	running []chan error // of checks that went on past their timeout
}

func newProbe(checks []Check) *probe {
	return &probe{
		checks: checks, last: make([]result, len(checks)), running: make([]chan error, len(checks)),
		up: prometheus.NewDesc("signet_dependency_up", "Whether the dependency answered its last check (1) or not (0).", []string{"dependency"}, nil),
	}
}

func (p *probe) results(ctx context.Context) []result {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.at.IsZero() && time.Since(p.at) < freshness {
		return p.last
	}
	now := make([]result, len(p.checks))
	var wg sync.WaitGroup
	for i := range p.checks {
		// Whoever asked may leave; the results are for all who wait.
		wg.Go(func() { now[i] = p.run(context.WithoutCancel(ctx), i) })
	}
	wg.Wait()
	p.last, p.at = now, time.Now()
	return now
}

// run runs one check. One that hangs is not started again before it ends.
func (p *probe) run(ctx context.Context, i int) result {
	c, began := p.checks[i], time.Now()
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, checkTimeout))
	defer cancel()
	done := p.running[i]
	if done == nil {
		done = make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
	}
	res := result{Name: c.Name, Status: statusOK}
	var err error
	select {
	case err = <-done:
		p.running[i] = nil
		if err != nil {
			res.Status = statusFailed
			if ctx.Err() != nil {
				res.Status = statusTimeout
			}
		}
	case <-ctx.Done():
		p.running[i] = done
		res.Status, err = statusTimeout, ctx.Err()
	}
	if e, ok := fault.As(err); ok {
		res.Detail = e.Error()
	}
	res.TookMS = float64(time.Since(began).Microseconds()) / 1000
	p.note(ctx, i, res, err)
	return res
}

// note logs a check that changed.
func (p *probe) note(ctx context.Context, i int, now result, err error) {
	before := p.last[i].Status
	switch {
	case now.Status != statusOK && now.Status != before:
		slog.ErrorContext(ctx, "dependency lost", "dependency", now.Name, "status", now.Status, "error", err)
	case now.Status == statusOK && before != statusOK && before != "":
		slog.InfoContext(ctx, "dependency back", "dependency", now.Name)
	}
}

// Describe implements prometheus.Collector.
func (p *probe) Describe(ch chan<- *prometheus.Desc) { ch <- p.up }

// Collect implements prometheus.Collector.
func (p *probe) Collect(ch chan<- prometheus.Metric) {
	for _, res := range p.results(context.Background()) {
		up := 0.0
		if res.Status == statusOK {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(p.up, prometheus.GaugeValue, up, res.Name)
	}
}
