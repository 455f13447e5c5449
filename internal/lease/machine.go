package lease

import "time"

// pace is how fast leases live.
type pace struct {
	beat     time.Duration // between two signs of life of the holder
	poll     time.Duration // between two looks of a challenger
	patience time.Duration // without a sign of life until a challenger takes over
	giveUp   time.Duration // without a successful beat until the holder stops by itself
}

// The holder stops 5 s before anybody may take over, which is the time its duty
// has to end. A takeover after kill -9 comes at most patience and two polls after
// the last beat.
var normal = pace{beat: 3 * time.Second, poll: 500 * time.Millisecond, patience: 15 * time.Second, giveUp: 10 * time.Second}

// row is a lease as the database has it.
type row struct {
	owner       string
	token, beat int64
}

// member decides what one instance may do about one lease. It has no clock and no
// database: times are its own monotonic ones, and rows are what it was shown.
type member struct {
	pace pace

	// As a challenger: the row that was seen last, and since when it has not changed.
	seen  row
	since time.Time

	// As a holder: the token, and when the last successful beat was begun.
	token int64
	alive time.Time
}

// may reports whether a challenger who is shown r may take it. Only time that
// passed here between two looks at the same row counts, so no step of any wall
// clock takes a lease from its holder.
func (m *member) may(r row, now time.Time) bool {
	if r.owner == "" {
		return true // nobody has it, or its holder gave it back
	}
	if m.since.IsZero() || r != m.seen {
		m.seen, m.since = r, now
		return false
	}
	return now.Sub(m.since) >= m.pace.patience
}

// took makes the member the holder, by a request begun at the time given.
func (m *member) took(token int64, begun time.Time) {
	m.token, m.alive = token, begun
	m.since = time.Time{}
}

// beaten notes a successful beat that was begun at the time given.
func (m *member) beaten(begun time.Time) { m.alive = begun }

// lost makes the member a challenger.
func (m *member) lost() { m.token = 0 }

// holds reports whether the member may still work. It says no before a challenger
// may take over, also where the database cannot be asked.
func (m *member) holds(now time.Time) bool {
	return m.token != 0 && now.Sub(m.alive) < m.pace.giveUp
}
