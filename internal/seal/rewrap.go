package seal

import (
	"context"
	"fmt"
	"strings"

	"signet/internal/db"
)

// batch is how many values one transaction rewraps: few enough that SQLite's one
// writer is back within milliseconds.
const batch = 200

// passes bounds how often settle starts over.
const passes = 10

// settle brings every value under k, which seals already, and returns what it
// could not. A value that changed under it is under k by then, save where a
// transaction was open: so few passes find nothing more.
func (r *rotation) settle(ctx context.Context, s *Sealer, k Key) (remainder, error) {
	for range passes {
		left, missed, err := r.pass(ctx, s, k)
		if err != nil || missed == 0 {
			return left, err
		}
	}
	return remainder{}, fmt.Errorf("values keep changing under the rotation: run it again when there is less load")
}

// pass looks at each value once. missed counts those that somebody changed
// between the reading and the writing.
func (r *rotation) pass(ctx context.Context, s *Sealer, k Key) (left remainder, missed int, err error) {
	total, err := r.count(ctx)
	if err != nil {
		return left, 0, err
	}
	done := 0
	for _, c := range r.columns {
		var after []any
		for {
			rows, err := r.read(ctx, c, after)
			if err != nil {
				return left, 0, fmt.Errorf("read %s.%s: %w", c.Table, c.Name, err)
			}
			if len(rows) == 0 {
				break
			}
			n, err := r.write(ctx, c, rows, s, k, &left)
			if err != nil {
				return left, 0, fmt.Errorf("rewrap %s.%s: %w", c.Table, c.Name, err)
			}
			missed += n
			done += len(rows)
			r.progress(done, max(done, total)) // rows may have come meanwhile
			after = rows[len(rows)-1].id
			if err := r.reached("batch"); err != nil {
				return left, 0, err
			}
		}
	}
	return left, missed, nil
}

func (r *rotation) count(ctx context.Context) (total int, err error) {
	err = r.db.View(ctx, func(tx *db.Tx) error {
		for _, c := range r.columns {
			var n int
			q := `SELECT count(*) FROM ` + c.Table + ` WHERE ` + c.Name + ` IS NOT NULL`
			if err := tx.QueryRowContext(ctx, q).Scan(&n); err != nil {
				return fmt.Errorf("count %s.%s: %w", c.Table, c.Name, err)
			}
			total += n
		}
		return nil
	})
	return total, err
}

// sealedRow is one value with what it takes to find it again.
type sealedRow struct {
	id      []any
	context []string
	sealed  []byte
}

// read returns the next rows of c by its primary key, after the one given.
func (r *rotation) read(ctx context.Context, c Column, after []any) (rows []sealedRow, err error) {
	err = r.db.View(ctx, func(tx *db.Tx) error {
		rows = rows[:0]
		found, err := tx.QueryContext(ctx, c.selectAfter(after), after...)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			values := make([]any, len(c.ID)+len(c.With))
			var sealed []byte
			into := []any{&sealed}
			for i := range values {
				into = append(into, &values[i])
			}
			if err := found.Scan(into...); err != nil {
				return err
			}
			rows = append(rows, sealedRow{id: values[:len(c.ID)], context: texts(values), sealed: sealed})
		}
		return found.Err()
	})
	return rows, err
}

func (c Column) selectAfter(after []any) string {
	var b strings.Builder
	id := strings.Join(c.ID, ", ")
	fmt.Fprintf(&b, `SELECT %s, %s`, c.Name, id)
	for _, w := range c.With {
		b.WriteString(", " + w)
	}
	fmt.Fprintf(&b, ` FROM %s WHERE %s IS NOT NULL`, c.Table, c.Name)
	if after != nil {
		fmt.Fprintf(&b, ` AND (%s) > (%s)`, id, parameters(1, len(c.ID)))
	}
	fmt.Fprintf(&b, ` ORDER BY %s LIMIT %d`, id, batch)
	return b.String()
}

// write replaces the values of rows, each only where it is still what was read.
func (r *rotation) write(ctx context.Context, c Column, rows []sealedRow, s *Sealer, k Key, left *remainder) (missed int, err error) {
	type change struct {
		sealedRow

		now []byte
	}
	var changes []change
	for _, row := range rows {
		now, changed, err := s.rewrapTo(k, row.sealed, c.Context(row.context))
		switch {
		case err != nil:
			left.add(row.sealed, c.Table+"."+c.Name+" "+strings.Join(row.context[:len(c.ID)], " "), err)
		case changed:
			changes = append(changes, change{row, now})
		}
	}
	if len(changes) == 0 {
		return 0, nil
	}
	q := fmt.Sprintf(`UPDATE %s SET %s = $1 WHERE %s = $2 AND (%s) = (%s)`,
		c.Table, c.Name, c.Name, strings.Join(c.ID, ", "), parameters(3, len(c.ID)))
	err = r.db.Update(ctx, func(tx *db.Tx) error {
		missed = 0
		for _, ch := range changes {
			res, err := tx.ExecContext(ctx, q, append([]any{ch.now, ch.sealed}, ch.id...)...)
			if err != nil {
				return err
			}
			if n, _ := res.RowsAffected(); n == 0 {
				missed++
			}
		}
		return nil
	})
	return missed, err
}

func parameters(from, n int) string {
	ps := make([]string, n)
	for i := range ps {
		ps[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(ps, ", ")
}

func texts(values []any) []string {
	out := make([]string, len(values))
	for i, v := range values {
		switch v := v.(type) {
		case []byte:
			out[i] = string(v)
		case nil:
		default:
			out[i] = fmt.Sprint(v)
		}
	}
	return out
}
