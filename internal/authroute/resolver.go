package authroute

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/singleflight"
)

// How long answers are kept, whatever their TTL says.
const (
	minTTL = 30 * time.Second
	maxTTL = 300 * time.Second
	// An answer that cannot be renewed serves this much longer (RFC 8767).
	maxStale = 5 * time.Minute
	// After a failure the name is not asked for again at once (RFC 9520, section 3.2).
	failureHold = 5 * time.Second
)

const (
	maxNames   = 20_000 // kept
	maxQueries = 256    // under way at a time
)

// ResolverConfig says where keys of foreign domains are looked up.
type ResolverConfig struct {
	Server  string           // HOST:PORT of a recursive resolver
	Timeout time.Duration    // for one lookup, all tries together
	Now     func() time.Time // nil: time.Now
}

// Resolver finds the keys of foreign domains in the DNS. It is safe for concurrent use.
type Resolver struct {
	config  ResolverConfig
	metrics *Metrics
	names   *memory[string, answer]
	flights singleflight.Group
	queries chan struct{}
}

// NewResolver returns a resolver that knows nothing yet.
func NewResolver(c ResolverConfig, m *Metrics) *Resolver {
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Resolver{
		config: c, metrics: m,
		names:   newMemory[string, answer](maxNames, maxTTL+maxStale, c.Now),
		queries: make(chan struct{}, maxQueries),
	}
}

// answer is what the DNS said of a name.
type answer struct {
	records []Record
	err     error     // it said nothing; wraps errDNS
	until   time.Time // not asked for again before
	stale   time.Time // records may be used until then where the DNS fails
}

// Lookup returns the record of a key that is published for address. ok is false
// where the DNS says that there is none. The error wraps errDNS where it says
// nothing, and nothing that it said lately is left.
func (r *Resolver) Lookup(ctx context.Context, address, keyID string) (rec Record, ok bool, err error) {
	name, err := KeyName(address)
	if err != nil {
		return Record{}, false, nil //nolint:nilerr // no name, so no key
	}
	a, err := r.resolve(ctx, name)
	if err != nil {
		return Record{}, false, err
	}
	hash := AddressHash(address)
	for _, candidate := range a.records {
		if candidate.KeyID != keyID || candidate.Address != hash {
			continue
		}
		if candidate.Public == nil {
			return candidate, true, nil // a revocation wins over another record of the key
		}
		rec, ok = candidate, true
	}
	return rec, ok, nil
}

func (r *Resolver) resolve(ctx context.Context, name string) (answer, error) {
	if a, ok := r.names.get(name); ok && r.config.Now().Before(a.until) {
		return a, a.err
	}
	flight := r.flights.DoChan(name, func() (any, error) {
		// The lookup serves all who wait for it: no single one of them may end it.
		a := r.renew(context.WithoutCancel(ctx), name)
		r.names.put(name, a)
		return a, nil
	})
	select {
	case done := <-flight:
		a, _ := done.Val.(answer)
		return a, a.err
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%w: %w", errDNS, context.Cause(ctx))
	}
}

// renew asks the DNS, and falls back on what is known where that fails.
func (r *Resolver) renew(ctx context.Context, name string) answer {
	known, _ := r.names.get(name)
	if r.config.Now().Before(known.until) {
		return known // another flight landed between our look and our start
	}
	a, err := r.query(ctx, name)
	now := r.config.Now()
	switch {
	case err == nil && len(a.records) > 0:
		r.metrics.lookup(lookupFound)
		return a
	case err == nil:
		r.metrics.lookup(lookupMissing)
		return a
	case len(known.records) > 0 && now.Before(known.stale):
		r.metrics.lookup(lookupStale)
		known.until = minTime(now.Add(failureHold), known.stale)
		return known
	}
	r.metrics.lookup(lookupFailed)
	slog.DebugContext(ctx, "key lookup in the DNS failed", "name", name, "error", err)
	return answer{err: err, until: now.Add(failureHold)}
}

func (r *Resolver) query(ctx context.Context, name string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	select {
	case r.queries <- struct{}{}:
		defer func() { <-r.queries }()
	case <-ctx.Done():
		return answer{}, fmt.Errorf("%w: too many lookups under way", errDNS)
	}
	reply, err := exchange(ctx, r.config.Server, name, r.config.Timeout)
	if err != nil {
		return answer{}, err
	}
	texts, seconds, err := txtOf(reply, name)
	if err != nil {
		return answer{}, err
	}
	until := r.config.Now().Add(min(max(time.Duration(seconds)*time.Second, minTTL), maxTTL))
	return answer{records: r.read(ctx, name, texts), until: until, stale: until.Add(maxStale)}, nil
}

// read returns the records among texts. A broken one spoils no other.
func (r *Resolver) read(ctx context.Context, name string, texts []string) []Record {
	var all []Record
	for _, text := range texts {
		rec, err := ParseRecord(text)
		switch {
		case err == nil:
			all = append(all, rec)
		case !errors.Is(err, errNoRecord):
			slog.DebugContext(ctx, "broken key record was ignored", "name", name, "error", err)
		}
	}
	return all
}

func minTime(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
