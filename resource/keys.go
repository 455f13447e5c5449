package resource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"signet/internal/jws"
)

const (
	keysLife  = 5 * time.Minute  // as /jwks says in its Cache-Control
	keysRest  = 10 * time.Second // between two looks
	keysStale = 24 * time.Hour   // longest that keys serve while the server is away
	keysWait  = 5 * time.Second  // for an answer
	maxKeys   = 256 << 10        // bytes of one
)

var (
	errUnknownKey = errors.New("no such key")
	errKeys       = errors.New("keys of the issuer cannot be had")
)

// keys are those of the server, by their id. It is safe for concurrent use.
type keys struct {
	url  string
	http *http.Client
	now  func() time.Time

	looking chan struct{} // has room for one: one request at a time asks the server
	known   atomic.Pointer[known]
}

// known is what the server said. It is not changed once made.
type known struct {
	byID  map[string]jws.Key
	got   time.Time // when the server answered
	asked time.Time // when it was last asked
}

func newKeys(url string) *keys {
	k := &keys{url: url, now: time.Now, looking: make(chan struct{}, 1), http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	k.known.Store(&known{})
	return k
}

// find returns a key. One that is known serves at once, and for a while also when the
// server is away; for one that is not, the server is asked, but not for every token that
// somebody makes up.
func (k *keys) find(ctx context.Context, id string) (jws.Key, error) {
	have, now := k.known.Load(), k.now()
	key, ok := have.byID[id]
	switch {
	case ok && now.Sub(have.got) < keysStale:
		if now.Sub(have.got) >= keysLife && now.Sub(have.asked) >= keysRest {
			k.refresh(ctx)
		}
		return key, nil
	case now.Sub(have.asked) < keysRest:
		return missing(have)
	}
	select {
	case k.looking <- struct{}{}:
		defer func() { <-k.looking }()
	case <-ctx.Done():
		return jws.Key{}, context.Cause(ctx)
	}
	if latest := k.known.Load(); latest == have { // else somebody has asked meanwhile
		k.ask(ctx)
	}
	latest := k.known.Load()
	if key, ok := latest.byID[id]; ok && k.now().Sub(latest.got) < keysStale {
		return key, nil
	}
	return missing(latest)
}

// missing tells a key that the server does not have from a server that did not answer.
func missing(k *known) (jws.Key, error) {
	if k.got.IsZero() || !k.got.Equal(k.asked) {
		return jws.Key{}, errKeys
	}
	return jws.Key{}, errUnknownKey
}

// refresh asks in the background, unless somebody does already.
func (k *keys) refresh(ctx context.Context) {
	select {
	case k.looking <- struct{}{}:
		go func() {
			defer func() { <-k.looking }()
			k.ask(ctx)
		}()
	default:
	}
}

// ask has the server say its keys, and keeps those that are known where it does not. It does
// so for others too, and goes on where the request that began it is broken off.
func (k *keys) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), keysWait, errors.New("the issuer took too long"))
	defer cancel()
	now := k.now()
	byID, err := k.fetch(ctx)
	if err != nil {
		slog.WarnContext(ctx, "keys of the token issuer were not read", "error", err)
		old := k.known.Load()
		k.known.Store(&known{byID: old.byID, got: old.got, asked: now})
		return
	}
	k.known.Store(&known{byID: byID, got: now, asked: now})
}

// fetch reads the server's keys (RFC 7517, section 5). It passes over keys that it cannot
// use.
func (k *keys) fetch(ctx context.Context) (map[string]jws.Key, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := k.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", k.url, res.Status)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxKeys))
	if err != nil {
		return nil, err
	}
	set, ok := jws.ParseObject(string(text))
	if !ok {
		return nil, fmt.Errorf("%s is not a JSON object", k.url)
	}
	r := set.Read()
	byID := map[string]jws.Key{}
	for _, o := range r.Objects("keys") {
		key, err := jws.ParseKey(o)
		if _, twice := byID[key.ID]; err == nil && key.ID != "" && !twice {
			byID[key.ID] = key
		}
	}
	return byID, r.Err()
}
