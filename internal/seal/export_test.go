package seal

import (
	"context"
	"time"

	"signet/internal/db"
)

// RotateUntil is Rotate at the time now, which calls reached after each step and
// ends where that returns an error.
func RotateUntil(ctx context.Context, d *db.DB, path string, columns []Column, now time.Time, reached func(step string) error) error {
	r := &rotation{
		db: d, path: path, columns: append([]Column{rootColumn()}, columns...), progress: func(int, int) {},
		now: func() time.Time { return now }, reached: reached,
	}
	return r.run(ctx)
}

// Impostor returns another key with the same id.
func Impostor(k Key) Key { return Key{id: k.id, secret: NewKey().secret} }
