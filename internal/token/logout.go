package token

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"signet/internal/db"
	"signet/internal/fault"
)

const (
	logoutType  = "logout+jwt" // OpenID Connect Back-Channel Logout 1.0, section 2.4
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	logoutLife  = 2 * time.Minute // of a logout token
	logoutTopic = "token.logout"

	noticeClaim  = time.Minute      // how long a notice is its sender's; a request takes less
	noticeFirst  = 5 * time.Second  // until the second attempt; then twice as long each time
	noticePause  = 10 * time.Minute // longest
	noticeGiveUp = time.Hour        // after the session ended
	noticeBatch  = 16               // sent at once
	catchUpFor   = 3 * time.Minute  // longer than a transaction and a round of Prune
)

// logoutPayload is the claims set of a logout token (section 2.4). It has no nonce.
type logoutPayload struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub"`
	Audience string              `json:"aud"`
	Issued   int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"`
	Session  string              `json:"sid"`
	Events   map[string]struct{} `json:"events"`
}

// logoutToken returns a signed token that tells a client of the end of a session.
func (a *Authority) logoutToken(ctx context.Context, client, user, session string) (string, error) {
	keys, err := a.current(ctx)
	if err != nil {
		return "", err
	}
	now := a.options.Now()
	text, err := json.Marshal(logoutPayload{
		Issuer: a.options.Issuer, Subject: user, Audience: client, Issued: now.Unix(), Expires: now.Add(logoutLife).Unix(),
		ID: strings.ToLower(rand.Text()), Session: session, Events: map[string]struct{}{logoutEvent: {}},
	})
	if err != nil {
		return "", err
	}
	return keys.active.sign(logoutType, text)
}

// SessionsEnded ends the tokens that came of the sessions, and has the clients that they
// were handed to hear of it, once tx is committed. [Codes.Run] sends it, on any instance.
func (c *Codes) SessionsEnded(ctx context.Context, tx *db.Tx, ids []string) error {
	for _, id := range ids {
		if err := closeSession(ctx, tx, id, c.now()); err != nil {
			return err
		}
		if err := queueNotices(ctx, tx, id, c.now()); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() {
		c.authority.bus.Publish(endedTopic)
		c.authority.bus.Publish(logoutTopic)
	})
	return nil
}

// catchUp has clients hear of sessions that were handed to them while they were being
// ended: neither transaction saw the other.
func (c *Codes) catchUp(ctx context.Context) error {
	var recent []notice
	err := c.db.View(ctx, func(tx *db.Tx) (err error) {
		recent, err = handedSince(ctx, tx, c.now().Add(-catchUpFor))
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range recent {
		_, err := c.people.BySession(ctx, n.user, n.session)
		if err == nil {
			continue
		}
		if k := fault.KindOf(err); k != fault.Unauthorized && k != fault.NotFound {
			return err
		}
		err = c.db.Update(ctx, func(tx *db.Tx) error { return c.SessionsEnded(ctx, tx, []string{n.session}) })
		if err != nil {
			return err
		}
	}
	return nil
}

// Notify sends the notices that are due. Run calls it.
func (c *Codes) Notify(ctx context.Context) error {
	for {
		var due []notice
		err := c.db.Update(ctx, func(tx *db.Tx) (err error) {
			due, err = claimNotices(ctx, tx, c.now())
			return err
		})
		if err != nil {
			return err
		}
		failed := make([]error, len(due))
		var all sync.WaitGroup
		for i, n := range due {
			all.Go(func() { failed[i] = c.deliver(ctx, n) })
		}
		all.Wait()
		if err := errors.Join(failed...); err != nil || len(due) < noticeBatch {
			return err
		}
	}
}

// deliver sends a notice, and keeps it for later where the client did not take it.
func (c *Codes) deliver(ctx context.Context, n notice) error {
	why, err := c.send(ctx, n)
	if brokenOff := ctx.Err() != nil; err != nil || brokenOff { // then the claim runs out by itself
		return err
	}
	next := c.now().Add(n.pause())
	done := why == ""
	switch {
	case done:
		slog.InfoContext(ctx, "client told of an ended session", "client", n.client, "session", n.session)
	case next.After(n.created.Add(noticeGiveUp)):
		slog.WarnContext(ctx, "client not told of an ended session", "client", n.client, "session", n.session, "reason", why)
		done = true
	default:
		slog.DebugContext(ctx, "client not told of an ended session yet", "client", n.client, "session", n.session, "reason", why)
	}
	return c.db.Update(ctx, func(tx *db.Tx) error {
		if done {
			return deleteNotice(ctx, tx, n)
		}
		return delayNotice(ctx, tx, n, next)
	})
}

// pause is the time until the next attempt.
func (n notice) pause() time.Duration {
	d := noticeFirst
	for range n.attempts - 1 {
		d = min(2*d, noticePause)
	}
	return d
}

// send posts a logout token (section 2.5), and says why the client did not take it.
func (c *Codes) send(ctx context.Context, n notice) (why string, err error) {
	token, err := c.authority.logoutToken(ctx, n.client, n.user, n.session)
	if err != nil {
		return "", err
	}
	body := url.Values{"logout_token": {token}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, n.uri, strings.NewReader(body))
	if err != nil {
		return "its URI cannot be parsed", nil //nolint:nilerr // err quotes the URI
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.post.Do(r)
	if err != nil {
		return "it cannot be reached", nil //nolint:nilerr // the one error that there is
	}
	if res.Status != http.StatusOK && res.Status != http.StatusNoContent {
		return fmt.Sprintf("it answered %d", res.Status), nil
	}
	return "", nil
}
