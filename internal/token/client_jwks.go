package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"signet/internal/egress"
)

const (
	keysFresh  = 5 * time.Minute  // how long the keys at an address are taken as they were
	keysPause  = 10 * time.Second // between two looks at one address
	keysCached = 1000             // addresses
)

// Getter reads addresses that clients chose.
type Getter interface {
	Get(ctx context.Context, url string) (*egress.Response, error)
}

// remoteKeys are the keys that clients keep at addresses of theirs.
type remoteKeys struct {
	get Getter
	now func() time.Time

	asking singleflight.Group
	mu     sync.Mutex
	byURI  map[string]heldKeys
}

// heldKeys are the keys of an address as they were then.
type heldKeys struct {
	keys   []clientKey // nil where they could not be read
	looked time.Time
}

// at returns the keys at an address, not older than keysFresh; than keysPause where they
// may have changed.
func (r *remoteKeys) at(ctx context.Context, uri string, changed bool) ([]clientKey, error) {
	held, ok := r.held(uri)
	age := r.now().Sub(held.looked)
	if ok && (age < keysPause || held.keys != nil && !changed && age < keysFresh) {
		return held.known()
	}
	// One asks for all, also for those who come while it does.
	answer := r.asking.DoChan(uri, func() (any, error) {
		h := heldKeys{keys: r.look(context.WithoutCancel(ctx), uri), looked: r.now()}
		r.hold(uri, h)
		return h, nil
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case a := <-answer:
		h, _ := a.Val.(heldKeys)
		return h.known()
	}
}

func (h heldKeys) known() ([]clientKey, error) {
	if h.keys == nil {
		return nil, refused("its keys cannot be read at their address")
	}
	return h.keys, nil
}

// look reads the keys at an address, nil where it cannot.
func (r *remoteKeys) look(ctx context.Context, uri string) []clientKey {
	keys, err := r.read(ctx, uri)
	if err != nil {
		slog.WarnContext(ctx, "keys of a client were not read", "uri", uri, "error", err)
		return nil
	}
	return keys
}

func (r *remoteKeys) read(ctx context.Context, uri string) ([]clientKey, error) {
	if r.get == nil {
		return nil, errors.New("this process reads no addresses")
	}
	res, err := r.get.Get(ctx, uri)
	if err != nil {
		return nil, err
	}
	if res.Status != http.StatusOK {
		return nil, fmt.Errorf("status %d", res.Status)
	}
	return parseKeys(res.Body)
}

func (r *remoteKeys) held(uri string) (heldKeys, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	h, ok := r.byURI[uri]
	return h, ok
}

// hold keeps what was seen, and forgets another address where there are too many.
func (r *remoteKeys) hold(uri string, h heldKeys) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other := range r.byURI {
		if len(r.byURI) < keysCached {
			break
		}
		delete(r.byURI, other)
	}
	r.byURI[uri] = h
}
