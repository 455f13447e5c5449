package limit

import (
	"context"
	"time"
)

// SetClock makes m read the time from now.
func (m *Memory) SetClock(now func() time.Time) { m.now = now }

// SetClock makes s read the time from now.
func (s *SQL) SetClock(now func() time.Time) { s.now = now }

// Prune does what Run does each minute.
func (s *SQL) Prune(ctx context.Context) error { return s.prune(ctx) }
