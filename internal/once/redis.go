package once

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"signet/internal/db"
	"signet/internal/fault"

	"github.com/redis/go-redis/v9"
)

// ErrEvicts means that a Redis would forget live values when its memory is full.
var ErrEvicts = fault.New(fault.Invalid, "Redis must not evict: set its maxmemory-policy to noeviction")

// Redis keeps values in Redis 7 or Valkey, for several instances.
//
// Its script is loaded by hand together with a new birth, and does not survive a
// restart or go to a replica: a Redis that came back, with old data or with
// none, asks for the script, and so gets a new birth first.
type Redis struct {
	client *redis.Client
	prefix string
	script string // with the prefix in it: another installation's script says nothing of our birth
	sha    string // of the script
	now    func() time.Time
}

//go:embed take.lua
var takeScript string

// OpenRedis connects to url (redis://, rediss://, unix://). prefix keeps
// installations apart. It returns ErrEvicts where the server may evict.
func OpenRedis(ctx context.Context, url, prefix string) (*Redis, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fault.New(fault.Invalid, "want redis://HOST:PORT or rediss://HOST:PORT").At("redis.url") // err quotes the URL with its password
	}
	// A value that waits for Redis is a request that waits.
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = time.Second, time.Second, time.Second, time.Second
	o.DialerRetries = 1
	o.ContextTimeoutEnabled = true
	o.MaxRetries = 2 // connections that a restart has cut; a use tried again is the same use
	r := &Redis{client: redis.NewClient(o), prefix: "{" + prefix + "}:once:", now: time.Now}
	r.script = fmt.Sprintf("-- %q\n%s", r.prefix, takeScript)
	r.sha = redis.NewScript(r.script).Hash()
	if err := r.check(ctx); err != nil {
		_ = r.client.Close()
		return nil, err
	}
	return r, nil
}

func (r *Redis) check(ctx context.Context) error {
	info, err := r.client.Info(ctx, "memory").Result()
	if err != nil {
		return fmt.Errorf("ask Redis for its memory: %w", err)
	}
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); ok {
			if policy == "noeviction" {
				return nil
			}
			return ErrEvicts.Because("it is %s", policy)
		}
	}
	return ErrEvicts.Because("it does not say which it has")
}

// Close ends the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Name implements [Store].
func (r *Redis) Name() string { return "redis" }

// Birth implements [Store].
func (r *Redis) Birth(ctx context.Context) (time.Time, error) {
	a, err := r.run(ctx, "birth", Entry{Space: &Space{}, Until: r.now().Add(time.Minute)})
	return a.Birth, err
}

// Take implements [Store].
func (r *Redis) Take(ctx context.Context, e Entry) (Answer, error) {
	if e.Counts {
		return r.run(ctx, "count", e)
	}
	return r.run(ctx, "take", e)
}

// run asks the script, as take.lua describes it.
func (r *Redis) run(ctx context.Context, what string, e Entry) (Answer, error) {
	subject := ""
	if e.Subject != "" {
		subject = r.prefix + "subject:" + e.Subject
	}
	keys := []string{r.prefix + "birth", r.prefix + "value:" + string(e.Key[:]), r.prefix + "space:" + e.Space.Name, subject}
	args := []any{what, e.By, e.Until.UnixMilli(), e.Space.Cap, e.Space.Quota, string(e.Key[:]), r.now().UnixMicro()}
	reply, err := r.client.EvalSha(ctx, r.sha, keys, args...).StringSlice()
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		if err := r.begin(ctx); err != nil {
			return Answer{}, err
		}
		reply, err = r.client.EvalSha(ctx, r.sha, keys, args...).StringSlice()
	}
	if err != nil {
		return Answer{}, err
	}
	return parseReply(reply, e.Counts)
}

// begin gives a Redis that came back a new birth and the script, unless another
// instance has just done so: a second birth would make that one's answers wrong, and
// with them an epoch that was begun by them.
func (r *Redis) begin(ctx context.Context) error {
	key := r.prefix + "birth"
	err := r.client.Watch(ctx, func(tx *redis.Tx) error {
		known, err := tx.ScriptExists(ctx, r.sha).Result()
		if err != nil || known[0] {
			return err
		}
		theirs, err := tx.Time(ctx).Result()
		if err != nil {
			return err
		}
		birth := max(theirs.UnixMicro(), r.now().UnixMicro())
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, key, birth, 0)
			p.ScriptLoad(ctx, r.script)
			return nil
		})
		return err
	}, key)
	if errors.Is(err, redis.TxFailedErr) {
		return nil // another was faster, and loaded the script with its birth
	}
	return err
}

func parseReply(reply []string, counts bool) (Answer, error) {
	if len(reply) != 3 {
		return Answer{}, fmt.Errorf("script answered %d values, want 3", len(reply))
	}
	micro, err := strconv.ParseInt(reply[1], 10, 64)
	if err != nil {
		return Answer{}, fmt.Errorf("birth in Redis: %w", err)
	}
	a := Answer{Birth: db.Now(time.UnixMicro(micro))}
	switch reply[0] {
	case "full":
		return a, ErrFull
	case "quota":
		return a, ErrQuota
	case "past":
		return a, ErrPast
	}
	if counts {
		a.Uses, err = strconv.Atoi(reply[2])
		return a, err
	}
	a.Holder = reply[2]
	return a, nil
}
