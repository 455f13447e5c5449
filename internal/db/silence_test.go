package db_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"signet/internal/db"
	"signet/internal/db/dbtest"
	proxytest "signet/test/proxy"
)

// throughProxy opens a store behind a network that can be taken away, with a pool of
// idle connections.
func throughProxy(t *testing.T) (*db.DB, *proxytest.Proxy) {
	t.Helper()
	url, network := proxytest.Through(t, dbtest.PostgresURL(t))
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		network.Cut() // or closing waits for an end that says nothing
		_ = d.Close()
	})
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if _, err := d.SQL().ExecContext(t.Context(), `SELECT pg_sleep(0.1)`); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	return d, network
}

func ask(ctx context.Context, d *db.DB) error {
	return d.View(ctx, func(tx *db.Tx) error {
		var one int
		return tx.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
	})
}

func TestPoolWorksAtOnceAfterTheNetworkFellSilent(t *testing.T) {
	d, network := throughProxy(t)
	network.Silence()
	<-time.After(1500 * time.Millisecond) // so that the pool has been idle for a while
	network.Pass()
	for n := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		begun := time.Now()
		if err := ask(ctx, d); err != nil {
			t.Errorf("transaction %d: %v after %v, want an answer by a new connection", n, err, time.Since(begun))
		}
		cancel()
	}
}

func TestTransactionEndsWhereTheNetworkFallsSilentInIt(t *testing.T) {
	d, network := throughProxy(t)
	d.SetLongest(time.Second)
	begun := time.Now()
	err := d.View(t.Context(), func(tx *db.Tx) error {
		network.Silence()
		var one int
		return tx.QueryRowContext(t.Context(), `SELECT 1`).Scan(&one)
	})
	if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
		t.Errorf("got %v after %v, want the end of the deadline after 1 s", err, took)
	}
}

// An instance that is frozen in the middle of a transaction holds its locks.
func TestTransactionThatStandsStillKeepsNobodyWaiting(t *testing.T) {
	d := dbtest.Postgres(t)
	if err := d.Update(t.Context(), func(tx *db.Tx) error { return insertAccount(t.Context(), tx, "a", db.Now(time.Now())) }); err != nil {
		t.Fatal(err)
	}
	rename := func(ctx context.Context, tx *db.Tx, name string) error {
		_, err := tx.ExecContext(ctx, `UPDATE accounts SET name = $1 WHERE id = 'a'`, name)
		return err
	}
	locked, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- d.Update(t.Context(), func(tx *db.Tx) error {
			err := rename(t.Context(), tx, "frozen")
			close(locked)
			<-goOn
			return err
		})
	}()
	<-locked
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := d.Update(ctx, func(tx *db.Tx) error { return rename(ctx, tx, "other") }); err != nil {
		t.Errorf("another transaction: %v", err)
	}
	close(goOn)
	if err := <-ended; !db.IsAway(err) {
		t.Errorf("the one that stood still: got %v, want that the store was away", err)
	}
}
