package audit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"signet/internal/db"
	"signet/internal/ticket"
)

const (
	defaultLimit = 50
	maxLimit     = 500
)

// Filter narrows a search; empty members do not.
type Filter struct {
	Actor     string // id
	Involving string // id of an actor, or a target
	Account   string
	Area      string // the part of the action before the dot
	Action    string
	Target    string
	Outcome   Outcome
	RequestID string
	Since     time.Time // inclusive
	Until     time.Time // exclusive
	Limit     int       // rows; 0 means 50, at most 500
	Sort      string    // time or -time; -time, the youngest first, where it is empty
}

// mayList lets those search who hold audit:read, and everybody for what involves themselves.
func (f *Filter) mayList(t *ticket.Ticket) error {
	if t != nil && t.Kind == ticket.User && f.Involving == t.Subject {
		return nil
	}
	return t.Demand("audit:read")
}

// List returns rows that fit f, from a cursor on that the call
// before returned ("" for the first). The next cursor is empty after the last row.
func (l *Log) List(ctx context.Context, f Filter, cursor string) (list []Entry, next string, err error) {
	if err := f.mayList(ticket.From(ctx)); err != nil {
		return nil, "", err
	}
	limit := min(max(f.Limit, 0), maxLimit)
	if limit == 0 {
		limit = defaultLimit
	}
	order, err := db.ReadOrder(f.Sort, "-time", map[string]string{"time": "at"})
	if err != nil {
		return nil, "", err
	}
	q, err := f.query(order, cursor)
	if err != nil {
		return nil, "", err
	}
	err = l.db.View(ctx, func(tx *db.Tx) error {
		list, err = selectEntries(ctx, tx, `SELECT `+columns+` FROM audit_events`+q.where()+
			order.By("id")+` LIMIT `+strconv.Itoa(limit+1), q.args...)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("search audit log: %w", err)
	}
	if len(list) > limit {
		list = list[:limit]
		next = db.TimeCursor(list[limit-1].Time, list[limit-1].ID)
	}
	return list, next, nil
}

// query gathers conditions.
type query struct {
	conditions []string
	args       []any
}

// add adds a condition whose ? stands for the parameter.
func (q *query) add(condition string, arg any) {
	q.args = append(q.args, arg)
	q.conditions = append(q.conditions, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(q.args))))
}

func (q *query) where() string {
	if len(q.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(q.conditions, " AND ")
}

func (f *Filter) query(order db.Order, cursor string) (*query, error) {
	q := &query{}
	for _, c := range []struct{ field, column, value string }{
		{"actor", "actor_id", f.Actor},
		{"account", "account_id", f.Account},
		{"action", "action", f.Action},
		{"target", "target", f.Target},
		{"outcome", "outcome", string(f.Outcome)},
		{"request_id", "request_id", f.RequestID},
	} {
		if err := db.Clean(c.field, c.value); err != nil {
			return nil, err
		}
		if c.value != "" {
			q.add(c.column+" = ?", c.value)
		}
	}
	if err := db.Clean("area", f.Area); err != nil {
		return nil, err
	}
	if f.Area != "" {
		q.add("action > ?", f.Area+".")
		q.add("action < ?", f.Area+"/") // the character after the dot
	}
	if !f.Since.IsZero() {
		q.add("at >= ?", db.Now(f.Since))
	}
	if !f.Until.IsZero() {
		q.add("at < ?", db.Now(f.Until))
	}
	if f.Involving != "" {
		if err := db.Clean("involving", f.Involving); err != nil {
			return nil, err
		}
		q.add("(actor_id = ? OR target = ?)", f.Involving)
	}
	if cursor != "" {
		at, id, err := db.ReadTimeCursor(cursor)
		if err != nil {
			return nil, err
		}
		q.args = append(q.args, at, id)
		q.conditions = append(q.conditions, order.After("id", len(q.args)-1))
	}
	return q, nil
}
