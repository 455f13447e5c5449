package console

import (
	"cmp"
	"strings"
)

// column is the head of a column that its list can be sorted by: a link.
type column struct {
	Text, Href string
	Aria       string // of aria-sort; empty where the list is sorted by another
	Arrow      string
}

// column returns the head of a column. word is what the parameter sort becomes at the
// first press, and the reverse is that of the next one; usual is the list's order where
// there is no such parameter. What the list is filtered by stays.
func (q *request) column(word, usual, text string) column {
	c := column{Text: text}
	next, now := word, cmp.Or(q.param("sort"), usual)
	if strings.TrimPrefix(now, "-") == strings.TrimPrefix(word, "-") {
		c.Aria, c.Arrow, next = "ascending", "↑", "-"+now
		if rest, down := strings.CutPrefix(now, "-"); down {
			c.Aria, c.Arrow, next = "descending", "↓", rest
		}
	}
	all := q.without("cursor")
	all.Set("sort", next)
	c.Href = q.URL.Path + "?" + all.Encode()
	return c
}
