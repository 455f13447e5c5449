package resource

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Use is a proof that is to be used.
type Use struct {
	ID     string    // 43 characters: a digest of audience, key, address and jti
	Issued time.Time // when it was made, in whole seconds
	Until  time.Time // from then on it is refused without being remembered
}

// Replays remembers used proofs, each until its end and no shorter.
type Replays interface {
	// Take reports whether it is the first use. Of uses at the same time one is the first.
	// An error means that this is not known: the request is refused.
	Take(ctx context.Context, u Use) (first bool, err error)
}

// errFull means that no more proofs can be remembered now.
var errFull = errors.New("there are as many as can be remembered")

// Memory remembers used proofs in this process. It is safe for concurrent use.
//
// What it holds is not forgotten before its end: while it is full, it refuses. A proof that
// was made before the Memory is refused too, since it may have been used already.
type Memory struct {
	limit int
	now   func() time.Time
	birth time.Time

	lock  sync.Mutex
	used  map[string]struct{}
	ends  map[int64][]string // by the second in which they end
	swept int64              // the second before which all is forgotten
}

// NewMemory returns a memory of at most limit proofs, of about 100 bytes each.
func NewMemory(limit int, now func() time.Time) *Memory {
	birth := now().Truncate(time.Second)
	return &Memory{limit: limit, now: now, birth: birth, used: map[string]struct{}{}, ends: map[int64][]string{}, swept: birth.Unix()}
}

// Take implements [Replays].
func (m *Memory) Take(_ context.Context, u Use) (first bool, err error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.sweep(m.now().Unix())
	end := u.Until.Unix()
	if u.Until.Nanosecond() > 0 {
		end++
	}
	if _, used := m.used[u.ID]; used || u.Issued.Before(m.birth) || end < m.swept { // a clock that was set back brings nothing back
		return false, nil
	}
	if len(m.used) >= m.limit {
		return false, errFull
	}
	m.used[u.ID] = struct{}{}
	m.ends[end] = append(m.ends[end], u.ID)
	return true, nil
}

// sweep forgets what ended before the second that is now.
func (m *Memory) sweep(now int64) {
	for ; m.swept < now && len(m.ends) > 0; m.swept++ {
		for _, id := range m.ends[m.swept] {
			delete(m.used, id)
		}
		delete(m.ends, m.swept)
	}
	m.swept = max(m.swept, now)
}
