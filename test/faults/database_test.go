package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"signet/internal/db/dbtest"
	proxytest "signet/test/proxy"
	signettest "signet/test/signet"
)

const (
	// answerBar is what Postfix may wait at most: the deadline of one second, and
	// what a busy machine adds.
	answerBar = 2 * time.Second
	// noticedWithin is how soon readiness must tell of a loss.
	noticedWithin = 10 * time.Second
	// backWithin is how soon everything must work again once a dependency is back.
	backWithin = 5 * time.Second
)

// While PostgreSQL is away, in whatever way, each mail is answered in time and none is
// refused; afterwards an instance goes on by itself, and nothing is lost.
func TestInstanceOutlivesTheLossOfPostgreSQL(t *testing.T) {
	t.Parallel()
	postgres := dbtest.NewCluster(t)
	url, network := proxytest.Through(t, postgres.URL())
	s := newSite(t, signettest.Options{StoreURL: url})
	l := s.startLoad(t, s.signet)
	for _, loss := range []struct {
		name       string
		begin, end func()
	}{
		{"stopped", postgres.Stop, postgres.Start},
		{"crashed", postgres.Crash, postgres.Start},
		{"frozen", postgres.Freeze, postgres.Thaw},
		{"cut off", network.Cut, network.Pass},
		{"silent", network.Silence, network.Pass},
	} {
		for range size(1, 5) {
			s.more(t, "PREPEND", 50, 20*time.Second)
			s.restart()
			loss.begin()
			s.awaitReady(t, http.StatusServiceUnavailable, "database", noticedWithin)
			s.more(t, "DUNNO", size(16, 50), 30*time.Second)
			loss.end()
			back := time.Now()
			s.awaitReady(t, http.StatusOK, "", backWithin)
			ready := time.Since(back)
			s.more(t, "PREPEND", 1, backWithin-time.Since(back))
			verified := time.Since(back)
			s.awaitWrite(t, backWithin-time.Since(back))
			t.Logf("%s: ready after %v, verifies after %v, writes after %v; slowest answer %v",
				loss.name, ready, verified, time.Since(back), s.slowestAnswer())
			if slowest := s.slowestAnswer(); slowest > answerBar {
				t.Errorf("%s: a mail was answered after %v, want %v at most", loss.name, slowest, answerBar)
			}
		}
	}
	l.end()
	s.verify(t, s.signet)
	if gap := s.signet.Metric("authroute_verdict_gaps_total"); gap != 0 {
		t.Errorf("%v verdicts count as missing, want none", gap)
	}
	t.Log(s.ledger)
}

// awaitReady waits until readiness answers with a status and, where what is named,
// says that this is away.
func (s *site) awaitReady(t *testing.T, status int, what string, within time.Duration) {
	t.Helper()
	signettest.Await(t, fmt.Sprintf("readiness is %d", status), within, func() error {
		got, away, err := readiness(t.Context(), s.signet)
		if err != nil {
			return err
		}
		if got != status || what != "" && !away[what] {
			return fmt.Errorf("it is %d, away are %v", got, away)
		}
		return nil
	})
}

// readiness returns the status of an instance's /ready, and what is away.
func readiness(ctx context.Context, i *signettest.Instance) (status int, away map[string]bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.Operations+"/ready", http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	var body struct {
		Checks []struct{ Name, Status string }
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return 0, nil, err
	}
	away = map[string]bool{}
	for _, c := range body.Checks {
		if c.Status != "ok" {
			away[c.Name] = true
		}
	}
	return res.StatusCode, away, nil
}

// awaitWrite waits until the API answers a write.
func (s *site) awaitWrite(t *testing.T, within time.Duration) {
	t.Helper()
	signettest.Await(t, "the API writes", within, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), callTime)
		defer cancel()
		_, err := s.register(ctx, s.alice)
		return err
	})
}
