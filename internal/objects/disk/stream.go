package disk

import (
	"cmp"
	"math"
	"strings"
	"unicode/utf8"
)

// bound is a place in a list: rows are wanted whose key lies behind it or, of the same
// key, whose rank does. A rank is a place of a version or the id of an upload.
type bound[R cmp.Ordered] struct {
	key  string
	rank R
}

// stream reads rows in the order of their keys and ranks, some at a time.
type stream[T any, R cmp.Ordered] struct {
	fetch func(from bound[R], limit int) ([]T, error)
	at    func(T) bound[R]
	from  bound[R]
	least R // before every rank

	rows  []T
	batch int
	ended bool
}

// Rows that are fetched together. Where a delimiter rolls up most of what is fetched,
// fewer are; where it does not, more.
const (
	leastBatch = 2
	mostBatch  = 1001 // a page, and one more that says whether it was the last
)

// peek returns the next row, which stays the next one; false where there is none.
func (s *stream[T, R]) peek() (row T, ok bool, err error) {
	if len(s.rows) == 0 && !s.ended {
		if s.rows, err = s.fetch(s.from, s.batch); err != nil {
			return row, false, err
		}
		s.ended = len(s.rows) < s.batch
		s.batch = min(s.batch*4, mostBatch)
	}
	if len(s.rows) == 0 {
		return row, false, nil
	}
	return s.rows[0], true, nil
}

// take moves behind the next row.
func (s *stream[T, R]) take() {
	s.from = s.at(s.rows[0])
	s.rows = s.rows[1:]
}

// skip moves to the first row whose key is not before key.
func (s *stream[T, R]) skip(key string) {
	for len(s.rows) > 0 && s.at(s.rows[0]).key < key {
		s.take()
	}
	if len(s.rows) == 0 && !s.ended {
		s.from = bound[R]{key, s.least}
		s.batch = max(leastBatch, s.batch/16)
	}
}

// after returns the text that sorts before all others of those that sort behind every
// text with that prefix, in the order of bytes, which for UTF-8 is that of code points.
// It is empty where there is none. Both engines keep valid UTF-8 only, so that the last
// byte cannot simply be raised.
func after(prefix string) string {
	for prefix != "" {
		last, n := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-n]
		switch {
		case last == utf8.RuneError && n <= 1, last == utf8.MaxRune: // the one before is raised
		case last == 0xD7FF: // the surrogates are no characters
			return prefix + "\uE000"
		default:
			return prefix + string(last+1)
		}
	}
	return ""
}

// roll returns the common prefix that a delimiter rolls key up to, or nothing.
func roll(key, prefix, delimiter string) string {
	if delimiter == "" {
		return ""
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(prefix)+i+len(delimiter)]
}

// begin is the bound of the first row after key, and after rank where it has one.
func begin(prefix, after string, rank int64) bound[int64] {
	if after < prefix {
		return bound[int64]{prefix, math.MinInt64}
	}
	return bound[int64]{after, rank}
}
