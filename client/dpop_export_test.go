package client

import "time"

// SetClock has proofs and tokens go by now.
func (d *DPoP) SetClock(now func() time.Time) { d.now = now }
