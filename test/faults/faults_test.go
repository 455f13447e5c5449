// Package faults_test is the fault programme: it takes away what the real command
// relies on, at random moments under load, and checks what was promised.
//
// SIGNET_FAULTS=long runs it at length; the short form is part of every test run.
// SIGNET_FAULTS_SEED repeats the moments of an earlier run, as far as processes have
// the same pace.
package faults_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"signet/internal/db/dbtest"
)

// seed is printed at the start of every run.
var seed = func() uint64 {
	if s, err := strconv.ParseUint(os.Getenv("SIGNET_FAULTS_SEED"), 10, 64); err == nil {
		return s
	}
	return uint64(time.Now().UnixNano())
}()

func TestMain(m *testing.M) {
	fmt.Fprintf(os.Stdout, "fault programme: SIGNET_FAULTS_SEED=%d\n", seed)
	os.Exit(m.Run())
}

// long reports whether the long form was asked for.
func long() bool { return os.Getenv("SIGNET_FAULTS") == "long" }

// size returns how often or how much, in the form that was asked for.
func size(inShort, inLong int) int {
	if long() {
		return inLong
	}
	return inShort
}

// random returns the test's own source of moments.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	h := fnv.New64a()
	_, _ = h.Write([]byte(t.Name()))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// moment returns a time between from and to.
func moment(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// sleep passes time in which the system under test works.
func sleep(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// onEachEngine runs f with the URL of an empty store, "" for SQLite in the
// installation's own directory.
func onEachEngine(t *testing.T, f func(t *testing.T, url string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, "")
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, dbtest.EmptyPostgresURL(t))
	})
}
