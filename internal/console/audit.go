package console

import (
	"strings"
	"time"

	"signet/internal/audit"
	"signet/internal/fault"
)

type auditPage struct {
	Rows  []audit.Entry
	Areas []string
}

// areas are the parts of actions before the dot.
var areas = []string{"account", "api", "authority", "authroute", "identity", "oauth_client", "oauth_code", "oauth_consent", "oauth_tenant", "objects", "role", "service_key", "session", "token", "user"}

func (c *Console) audit(q *request) error {
	f := audit.Filter{
		Actor: clean(q.param("actor")), Target: clean(q.param("target")), Area: clean(q.param("area")), Outcome: audit.Outcome(q.param("outcome")), Limit: perPage, Sort: q.param("sort"),
	}
	if strings.Contains(f.Area, ".") {
		f.Action, f.Area = f.Area, ""
	}
	var err error
	if f.Since, err = day("since", q.param("since"), 0); err != nil {
		return err
	}
	if f.Until, err = day("until", q.param("until"), 1); err != nil {
		return err
	}
	rows, next, err := c.Audit.List(q.Context(), f, q.param("cursor"))
	if err != nil {
		return err
	}
	return q.show("audit", auditPage{rows, areas}, next)
}

func clean(s string) string { return strings.TrimSpace(s) }

// fieldsOf splits a list that was typed.
func fieldsOf(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
}

var errDay = fault.New(fault.Invalid, "is not a day such as 2027-01-31")

// day reads a day of a form, in UTC, and adds some; empty is no bound.
func day(field, s string, add int) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return t, errDay.At(field)
	}
	return t.AddDate(0, 0, add), nil
}
