package db

import "time"

// SetLongest bounds the transactions of d.
func (d *DB) SetLongest(longest time.Duration) { d.longest = longest }
