package faults_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"signet/authproof"
	"signet/client"
	signettest "signet/test/signet"
)

const (
	askers   = 4
	writers  = 2
	askEvery = 5 * time.Millisecond
	// Callers that got no answer come again after this time.
	againAfter = 20 * time.Millisecond
)

// load is steady honest work by many callers: mails to judge, keys to register and
// to revoke. Callers go on where a server has gone, as Postfix does.
type load struct {
	stop    context.CancelFunc
	callers sync.WaitGroup
}

// startLoad puts load on the instances; what they answer goes to the ledger.
func (s *site) startLoad(t *testing.T, on ...*signettest.Instance) *load {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &load{stop: stop}
	for n := range askers {
		asker := signettest.NewAsker(t, on[n%len(on)].Policy)
		l.callers.Go(func() { s.askOn(ctx, t, asker) })
	}
	for n := range writers {
		user := *s.alice
		user.Client = s.Client(on[n%len(on)], s.alice.Token)
		l.callers.Go(func() { s.writeOn(ctx, &user) })
	}
	t.Cleanup(l.end)
	return l
}

// end returns when no caller waits for an answer any more.
func (l *load) end() {
	l.stop()
	l.callers.Wait()
}

// askOn asks about new mails until ctx ends.
func (s *site) askOn(ctx context.Context, t *testing.T, asker *signettest.Asker) {
	for wait(ctx, askEvery) {
		proof, err := authproof.Sign(s.steady.Private, s.steady.Claims())
		if err != nil {
			t.Error(err)
			return
		}
		m := signettest.Mail{Sender: s.steady.Address, Proof: proof, QueueID: rand.Text()[:16]}
		begun := time.Now()
		action, err := asker.Ask(context.WithoutCancel(ctx), m)
		s.noteMail(m.QueueID, action, time.Since(begun), err)
		if err != nil {
			wait(ctx, againAfter)
		}
	}
}

// writeOn registers keys and revokes them later, some at once, until ctx ends.
func (s *site) writeOn(ctx context.Context, user *signettest.User) {
	var live []signettest.Key
	for n := 0; wait(ctx, askEvery); n++ {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
		k, err := s.register(call, user)
		if err == nil {
			live = append(live, k)
		}
		if len(live) > keepLive || err == nil && n%2 == 0 {
			err = errors.Join(err, s.revoke(call, user, live[0].ID))
			live = live[1:]
		}
		if refused, ok := errors.AsType[*client.Error](err); ok && refused.Status < http.StatusInternalServerError {
			err = errors.Join(err, s.revokeAll(call, user))
			live = nil
		}
		cancel()
		if err != nil {
			wait(ctx, againAfter)
		}
	}
}

// keepLive is how many keys a writer leaves live. A user may have a hundred.
const keepLive = 20

// register registers a new key, and notes it where that was answered.
func (s *site) register(ctx context.Context, user *signettest.User) (signettest.Key, error) {
	k, err := newKey(email)
	if err != nil {
		return k, err
	}
	_, err = user.RegisterSubkey(ctx, k.Address, user.Primary.Private, k.Private, time.Now().Add(time.Hour))
	if err == nil {
		s.noteRegistered(k)
	}
	return k, err
}

func (s *site) revoke(ctx context.Context, user *signettest.User, id string) error {
	err := user.RevokeKey(ctx, id, "superseded")
	if err == nil {
		s.noteRevoked(id)
	}
	return err
}

// revokeAll makes room: keys whose registration or revocation was never answered
// are live, and nobody knows of them.
func (s *site) revokeAll(ctx context.Context, user *signettest.User) error {
	keys, err := user.Keys(ctx, false)
	for _, k := range keys {
		if k.KeyType == "subkey" && k.KeyID != s.steady.ID {
			err = errors.Join(err, user.RevokeKey(ctx, k.KeyID, "superseded"))
		}
	}
	return err
}

// callTime bounds a call of the API.
const callTime = 10 * time.Second

// wait reports false where ctx ended meanwhile.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
