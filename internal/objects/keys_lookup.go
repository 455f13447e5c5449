package objects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"signet/internal/db"
	"signet/internal/limit"
	"signet/internal/sigv4"
)

// Parent is what a temporary key came of. It ends with each of these that is not empty.
type Parent struct {
	User, Account string
	Session       string // of the user's sign-in
	Family        string // of the access token
	Client        string // that the token was for
	Token         string // SHA-256 of the token, in hex
}

// signer is a key that may sign, as its row was when it was read. The same signer stays
// for as long as the row does, since its credential keeps a signing key.
type signer struct {
	credential *sigv4.Credential
	caller     Caller
	rate       int
	sealed     []byte
	expires    time.Time // zero: never
	tokenHash  []byte    // of a temporary key
}

// Lookup finds the credential of an access key; its holder is a [Caller]. It is a
// [sigv4.KeyLookup]. What it read counts for a second.
func (k *Keys) Lookup(ctx context.Context, accessKeyID, sessionToken string) (*sigv4.Credential, error) {
	if !plausibleKeyID(accessKeyID) {
		return nil, nil
	}
	s, err := k.held.Get(accessKeyID, func() (*signer, error) { return k.read(ctx, accessKeyID) })
	if err != nil || s == nil {
		return nil, err
	}
	expired := !s.expires.IsZero() && !k.o.Now().Before(s.expires)
	switch {
	case !s.carries(sessionToken):
		return nil, &sigv4.Error{Code: "InvalidToken", Message: "The provided token is malformed or otherwise invalid.", Status: http.StatusBadRequest}
	case expired && s.caller.Temporary:
		return nil, &sigv4.Error{Code: "ExpiredToken", Message: "The provided token has expired.", Status: http.StatusBadRequest}
	case expired:
		return nil, nil
	}
	return s.credential, nil
}

// carries reports whether a session token is the key's; a key that stays has none.
func (s *signer) carries(token string) bool {
	if s.tokenHash == nil {
		return token == ""
	}
	hash := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(hash[:], s.tokenHash) == 1
}

// plausibleKeyID reports whether a key can have the id.
func plausibleKeyID(id string) bool {
	return len(id) >= 16 && len(id) <= 128 && !strings.ContainsFunc(id, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	})
}

// read returns who signs with a key, nil where nobody may.
func (k *Keys) read(ctx context.Context, accessKeyID string) (s *signer, err error) {
	var parent *Parent
	err = k.db.View(ctx, func(tx *db.Tx) error {
		if s, err = k.lasting(ctx, tx, accessKeyID); err == nil && s == nil {
			s, parent, err = k.temporary(ctx, tx, accessKeyID)
		}
		if err != nil || s == nil {
			return err
		}
		may, err := k.o.Accounts.MayAct(ctx, tx, s.caller.User, s.caller.Account)
		if !may {
			s = nil
		}
		return err
	})
	if err != nil || s == nil {
		return nil, err
	}
	if parent != nil && k.o.Alive != nil {
		if alive, err := k.o.Alive(ctx, *parent); err != nil || !alive {
			return nil, err
		}
	}
	return k.keep(s)
}

// lasting reads a key of api_keys.
func (k *Keys) lasting(ctx context.Context, tx *db.Tx, accessKeyID string) (*signer, error) {
	row, sealed, err := findKey(ctx, tx, accessKeyID, "")
	if errors.Is(err, ErrNoAccessKey) || err == nil && !row.Revoked.IsZero() {
		return nil, nil
	}
	return &signer{
		caller: Caller{
			Key: row.ID, AccessKeyID: row.AccessKeyID, Name: row.Name, Account: row.Account, User: row.User, Owner: row.Owner, Limited: row.Limited,
		},
		rate: row.Rate, sealed: sealed, expires: row.Expires,
	}, err
}

// temporary reads a key that STS made, and what it came of.
func (k *Keys) temporary(ctx context.Context, tx *db.Tx, accessKeyID string) (*signer, *Parent, error) {
	row, err := findSession(ctx, tx, accessKeyID)
	if errors.Is(err, errNoSession) {
		return nil, nil, nil
	}
	s := &signer{
		caller: Caller{
			Key: row.id, AccessKeyID: row.accessKeyID, Name: row.name, Account: row.account, User: row.user, Owner: row.owner,
			Limited: row.role != roleSelf, Temporary: true,
		},
		sealed: row.sealed, expires: row.expires, tokenHash: row.hash,
	}
	if row.role != roleSelf {
		return s, nil, err
	}
	return s, &row.parent, err
}

// maxSigners bounds the memory that keys take; beyond it all are read anew.
const maxSigners = 10_000

// keep returns the signer that stands for the row already, or s with its secret opened.
func (k *Keys) keep(s *signer) (*signer, error) {
	k.lock.Lock()
	defer k.lock.Unlock()
	before := k.signers[s.caller.AccessKeyID]
	if before != nil && before.caller == s.caller && bytes.Equal(before.sealed, s.sealed) {
		s.credential = before.credential
		k.signers[s.caller.AccessKeyID] = s
		return s, nil
	}
	context := keyContext(s.caller.Key)
	if s.caller.Temporary {
		context = sessionContext(s.caller.Key)
	}
	secret, err := k.seal.Open(s.sealed, context)
	if err != nil {
		return nil, err
	}
	s.credential = sigv4.NewCredential(s.caller.AccessKeyID, string(secret), "", s.caller)
	if len(k.signers) >= maxSigners {
		clear(k.signers)
	}
	k.signers[s.caller.AccessKeyID] = s
	return s, nil
}

// Admit notes that a key was used, and returns ErrSlowDown where it asks too often.
// Temporary keys of one owner share a rate.
func (k *Keys) Admit(c Caller) error {
	if c.Anonymous() || c.Open {
		return nil
	}
	k.lock.Lock()
	rate, bucket := 0, c.Owner
	if s := k.signers[c.AccessKeyID]; s != nil {
		rate = s.rate
	}
	if !c.Temporary {
		k.used[c.Key] = k.o.Now()
		bucket = c.Key
	}
	buckets := k.rates.of(rate)
	k.lock.Unlock()
	if buckets == nil || buckets.Take(bucket) == nil {
		return nil
	}
	return ErrSlowDown
}

// rates are the token buckets of keys, by the rate that they have.
type rates struct {
	usual  int
	byRate map[int]*limit.Memory
}

func newRates(usual int) *rates { return &rates{usual: usual, byRate: map[int]*limit.Memory{}} }

// of returns the buckets of a rate; of 0 those of the usual one. nil: no limit.
func (r *rates) of(rate int) *limit.Memory {
	if rate == 0 {
		rate = r.usual
	}
	if rate == 0 {
		return nil
	}
	if r.byRate[rate] == nil {
		r.byRate[rate] = limit.NewMemory(limit.Rate{Burst: rate, Every: time.Second / time.Duration(rate)}, maxSigners)
	}
	return r.byRate[rate]
}

// Run writes each minute when keys were used, and removes temporary keys that expired,
// until ctx ends.
func (k *Keys) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return k.flush(context.WithoutCancel(ctx))
		case <-tick.C:
		}
		if err := errors.Join(k.flush(ctx), k.prune(ctx)); err != nil {
			slog.WarnContext(ctx, "uses of access keys were not written", "error", err)
		}
	}
}

func (k *Keys) flush(ctx context.Context) error {
	k.lock.Lock()
	used := k.used
	k.used = map[string]time.Time{}
	k.lock.Unlock()
	if len(used) == 0 {
		return nil
	}
	return k.db.Relaxed(ctx, func(tx *db.Tx) error {
		for id, at := range used {
			if err := noteUse(ctx, tx, id, db.Now(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

// prune removes temporary keys an hour after their end: until then they are told that
// they expired.
func (k *Keys) prune(ctx context.Context) error {
	return k.db.Update(ctx, func(tx *db.Tx) error {
		return pruneSessions(ctx, tx, db.Now(k.o.Now().Add(-time.Hour)))
	})
}
