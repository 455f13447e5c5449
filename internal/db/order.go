package db

import (
	"fmt"
	"strings"
	"time"

	"signet/internal/fault"
)

// ErrOrder refuses to sort a list by what it cannot be sorted by.
var ErrOrder = fault.New(fault.Invalid, "is not what this list can be sorted by")

// Order is how a list is sorted: by one column and, where that is the same, by id.
type Order struct {
	Word   string // as ReadOrder read it, without the sign
	Column string
	Down   bool // the greatest first
}

// ReadOrder reads a word such as "created", or "-created" for the youngest first. columns
// are those of the words that are allowed; an empty word is usual. It returns ErrOrder.
func ReadOrder(word, usual string, columns map[string]string) (Order, error) {
	if word == "" {
		word = usual
	}
	name, down := strings.CutPrefix(word, "-")
	column, ok := columns[name]
	if !ok {
		return Order{}, ErrOrder.At("sort")
	}
	return Order{name, column, down}, nil
}

// After is the condition that a row stands behind the one whose values are the
// parameters n and n+1.
func (o Order) After(id string, n int) string {
	sign := ">"
	if o.Down {
		sign = "<"
	}
	return fmt.Sprintf("(%[1]s %[2]s $%[4]d OR %[1]s = $%[4]d AND %[3]s %[2]s $%[5]d)", o.Column, sign, id, n, n+1)
}

// By is the ORDER BY of the list.
func (o Order) By(id string) string {
	if o.Down {
		return " ORDER BY " + o.Column + " DESC, " + id + " DESC"
	}
	return " ORDER BY " + o.Column + ", " + id
}

// ReadTime is [ReadTimeCursor] for a list in this order; the empty cursor stands before
// whatever is stored.
func (o Order) ReadTime(cursor string) (at time.Time, id string, err error) {
	if cursor == "" && o.Down {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "", nil
	}
	return ReadTimeCursor(cursor)
}
