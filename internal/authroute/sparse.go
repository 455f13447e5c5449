package authroute

import (
	"sync/atomic"
	"time"
)

// sparse lets one log line a second through, of those that trouble brings with
// every mail: the metrics have the numbers. It is safe for concurrent use.
type sparse struct{ last atomic.Int64 }

func (s *sparse) due(now time.Time) bool {
	second := now.Unix()
	last := s.last.Load()
	return second != last && s.last.CompareAndSwap(last, second)
}
