package locale

import "time"

// Ago says when t was or will be, seen from now, in the largest unit that fits.
func (t *Texts) Ago(at, now time.Time) string {
	if at.IsZero() {
		return t.T("time.never")
	}
	d := now.Sub(at)
	ids := [3]string{"time.minutes", "time.hours", "time.days"}
	if d < 0 {
		// What was set to 30 days a moment ago ends in 30 days.
		d, ids = -d+time.Minute-time.Second, [3]string{"time.inMinutes", "time.inHours", "time.inDays"}
	}
	switch {
	case d < time.Minute:
		return t.T("time.now")
	case d < time.Hour:
		return t.N(ids[0], int(d/time.Minute))
	case d < 48*time.Hour:
		return t.N(ids[1], int(d/time.Hour))
	}
	return t.N(ids[2], int(d/(24*time.Hour)))
}
