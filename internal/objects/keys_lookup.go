package objects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"signet/internal/db"
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
