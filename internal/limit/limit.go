// Package limit bounds how often somebody may do something.
//
// A [Rate] is a token bucket. [Memory] keeps buckets in this process, for the edge:
// cheap, bounded, forgotten at a restart. [SQL] keeps them in the database, for
// what must hold over restarts and instances: logins and mailboxes.
package limit

import (
	"time"

	"signet/internal/fault"
)

// ErrRate means that a bucket is empty. It says after which time there is enough
// in it again.
var ErrRate = fault.New(fault.TooMany, "too many requests: try again later")

// Rate is a bucket of Burst tokens that gets one back each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// PerMinute returns the rate of n a minute, all of them at once if need be.
func PerMinute(n int) Rate { return Rate{Burst: n, Every: time.Minute / time.Duration(n)} }

// A bucket is one time: when it will be full again (the generic cell rate
// algorithm, ITU-T I.371). A zero time, or any past one, is a full bucket.

// take returns when a bucket that is full at full will be full once n tokens are
// out of it, or how long until there are n in it.
func (r Rate) take(full, now time.Time, n int) (time.Time, time.Duration) {
	after := r.clamp(full, now).Add(time.Duration(n) * r.Every)
	if wait := after.Sub(now) - r.capacity(); wait > 0 {
		return full, wait
	}
	return after, 0
}

// give returns when the bucket will be full once n tokens are back in it.
func (r Rate) give(full, now time.Time, n int) time.Time {
	return r.clamp(full, now).Add(-time.Duration(n) * r.Every)
}

// clamp brings full between now and an empty bucket: it may lie beyond where the
// rate was another or the clock was ahead.
func (r Rate) clamp(full, now time.Time) time.Time {
	if full.Before(now) {
		return now
	}
	if empty := now.Add(r.capacity()); full.After(empty) {
		return empty
	}
	return full
}

func (r Rate) capacity() time.Duration { return time.Duration(r.Burst) * r.Every }
