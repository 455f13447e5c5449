package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/audit"
	"signet/internal/db"
	"signet/internal/seal"
	"signet/internal/ticket"
)

// ring is all keys as the store had them at one time. It is not changed once made.
type ring struct {
	asked  time.Time // when the store was asked
	byID   map[string]stored
	active *key
	jwks   []byte // RFC 7517, section 5
	etag   string
}

// fresh reports whether the ring is young enough to sign with.
func (r *ring) fresh(now time.Time) bool {
	// By both clocks: the wall clock may be set back, the other one stands still
	// while the machine sleeps.
	return now.Sub(r.asked) < freshFor && now.Round(0).Sub(r.asked.Round(0)) < freshFor
}

// Load reads the keys, and makes them where there are none. Of instances that start
// together, all get the keys of the one that committed first.
func (a *Authority) Load(ctx context.Context) error {
	select {
	case a.loading <- struct{}{}:
		defer func() { <-a.loading }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	asked := a.options.Now()
	rows, err := a.readKeys(ctx)
	if err == nil && !complete(rows) {
		if err = a.makeKeys(ctx); err == nil {
			rows, err = a.readKeys(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("load signing keys of tokens: %w", err)
	}
	r, err := a.newRing(rows, asked)
	if err != nil {
		return fmt.Errorf("load signing keys of tokens: %w", err)
	}
	a.ring.Store(r)
	return nil
}

// known returns the keys in memory, from the store only where there are none yet:
// an outage of the store does not end verification.
func (a *Authority) known(ctx context.Context) (*ring, error) {
	if r := a.ring.Load(); r != nil {
		return r, nil
	}
	if err := a.Load(ctx); err != nil {
		return nil, err
	}
	return a.ring.Load(), nil
}

// current returns keys that are young enough to sign with.
func (a *Authority) current(ctx context.Context) (*ring, error) {
	if r := a.ring.Load(); r != nil && r.fresh(a.options.Now()) {
		return r, nil
	}
	if err := a.Load(ctx); err != nil {
		return nil, err
	}
	return a.ring.Load(), nil
}

func (a *Authority) readKeys(ctx context.Context) (rows []keyRow, err error) {
	err = a.db.View(ctx, func(tx *db.Tx) error {
		rows, err = selectKeys(ctx, tx)
		return err
	})
	return rows, err
}

// complete reports whether there are both a key that signs and the one after it.
func complete(rows []keyRow) bool {
	have := map[state]bool{}
	for _, r := range rows {
		have[r.state] = true
	}
	return have[stateActive] && have[stateNext]
}

func (a *Authority) makeKeys(ctx context.Context) error {
	return a.db.Update(ctx, func(tx *db.Tx) error {
		for _, s := range []state{stateActive, stateNext} {
			if err := a.makeKey(ctx, tx, s); err != nil {
				return err
			}
		}
		return nil
	})
}

// makeKey offers a new key. Only the insert settles who came first.
func (a *Authority) makeKey(ctx context.Context, tx *db.Tx, s state) error {
	k, err := generate(a.options.Algorithm)
	if err != nil {
		return err
	}
	der, err := k.marshal()
	if err != nil {
		return err
	}
	sealed, err := a.seal.Seal(der, sealedFor(k.id))
	if err != nil {
		return err
	}
	return insertKey(ctx, tx, keyRow{id: k.id, alg: k.alg, state: s, sealed: sealed, created: db.Now(a.options.Now())})
}

// newRing opens what it does not have in memory yet.
func (a *Authority) newRing(rows []keyRow, asked time.Time) (*ring, error) {
	old := a.ring.Load()
	r := &ring{asked: asked, byID: map[string]stored{}}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, row := range rows {
		s := stored{state: row.state, created: row.created, expires: row.expires}
		if !s.verifiesAt(asked) {
			continue
		}
		if s.key = old.key(row.id); s.key == nil {
			k, err := a.open(row)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", row.id, err)
			}
			s.key = k
		}
		if s.state == stateActive {
			r.active = s.key
		}
		r.byID[s.id] = s
		set.Keys = append(set.Keys, s.jwk())
	}
	if r.active == nil {
		return nil, errors.New("there is no active one")
	}
	var err error
	r.jwks, err = json.Marshal(set)
	sum := sha256.Sum256(r.jwks)
	r.etag = `"` + hex.EncodeToString(sum[:16]) + `"`
	return r, err
}

func (r *ring) key(id string) *key {
	if r == nil {
		return nil
	}
	return r.byID[id].key
}

func (a *Authority) open(row keyRow) (*key, error) {
	der, err := a.seal.Open(row.sealed, sealedFor(row.id))
	if err != nil {
		return nil, err
	}
	return parseKey(row.id, der)
}

func sealedFor(id string) string { return seal.Context("token_keys", "private_key", id) }

// SealedColumns names the sealed values, for a rotation of the master key.
func SealedColumns() []seal.Column {
	return []seal.Column{{
		Table: "token_keys", Name: "private_key", ID: []string{"kid"},
		Context: func(v []string) string { return sealedFor(v[0]) },
	}}
}

// Rotate has the next key sign, retires the one that signed, and publishes a new
// next one, of the algorithm of the options. A retired key verifies until the last
// token that it may have signed has ended. It returns ErrTooSoon where the next key
// is not in the caches of others yet, and says when it will be.
func (a *Authority) Rotate(ctx context.Context) error {
	if err := ticket.From(ctx).Demand("oauth:keys"); err != nil {
		return err
	}
	if _, err := a.current(ctx); err != nil { // there are keys
		return err
	}
	err := a.db.Update(ctx, func(tx *db.Tx) error {
		now := db.Now(a.options.Now())
		id, created, err := lockNext(ctx, tx)
		if err != nil {
			return err
		}
		if wait := created.Add(lead).Sub(now); wait > 0 {
			return ErrTooSoon.After(wait)
		}
		if err := advanceKeys(ctx, tx, id, now); err != nil {
			return err
		}
		if err := a.makeKey(ctx, tx, stateNext); err != nil {
			return err
		}
		tx.AfterCommit(func() { a.bus.Publish(topic) })
		return a.audit.Record(ctx, tx, audit.Event{Action: "token.key_rotate", Target: id})
	})
	if err != nil {
		return err
	}
	return a.Load(ctx)
}
