package account

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// commonText lists passwords that many people have and that leaked, each on a line,
// in lower case and sorted: those of 6 characters and more of the list in zxcvbn
// 4.4.2, by Dan Wheeler and Dropbox, under the MIT licence in common.LICENSE.
//
//go:embed common.txt
var commonText string

// rows are what fingers follow when they need many characters.
var rows = []string{
	"abcdefghijklmnopqrstuvwxyz0123456789", "01234567890123456789", "1234567890-=", "qwertyuiopasdfghjklzxcvbnm",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/", "qazwsxedcrfvtgbyhnujmikolp", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn",
}

// minRest is how many characters of a password must be more than the user's own
// address and name.
const minRest = 8

// guesser tells passwords that are tried first.
type guesser struct{ common func() []string }

// newGuesser reads the list when it is first needed: most commands never do.
func newGuesser() guesser {
	return guesser{sync.OnceValue(func() []string { return strings.Fields(commonText) })}
}

// guessable reports whether password is on the list of common and leaked ones, one of
// those with digits and signs around it, a short or common piece repeated, a row
// of keys, or little more than one of the words that anybody knows of its user.
// Letter case makes no difference.
func (g guesser) guessable(password string, words []string) bool {
	p := strings.ToLower(password)
	core := strings.TrimFunc(p, func(r rune) bool { return !unicode.IsLetter(r) })
	piece := repeated(p)
	return g.isCommon(p) || g.isCommon(core) ||
		piece != "" && (utf8.RuneCountInString(piece) < minRest || g.isCommon(piece)) ||
		isRow(p) || isOwn(p, words)
}

func (g guesser) isCommon(p string) bool {
	_, found := slices.BinarySearch(g.common(), p)
	return found
}

// repeated returns the piece that p is at least two copies of, the last one perhaps
// cut, or "". It takes time proportional to len(p) (Knuth, Morris and Pratt).
func repeated(p string) string {
	border := make([]int, len(p)+1) // of each prefix, its longest proper prefix that also ends it
	for i, k := 1, 0; i < len(p); i++ {
		for k > 0 && p[i] != p[k] {
			k = border[k]
		}
		if p[i] == p[k] {
			k++
		}
		border[i+1] = k
	}
	if n := len(p) - border[len(p)]; n > 0 && 2*n <= len(p) {
		return p[:n]
	}
	return ""
}

func isRow(p string) bool {
	backwards := []rune(p)
	slices.Reverse(backwards)
	return slices.ContainsFunc(rows, func(row string) bool {
		return strings.Contains(row+row, p) || strings.Contains(row+row, string(backwards))
	})
}

// isOwn reports whether less than minRest characters are left without the words.
// Words under four characters are ignored.
func isOwn(p string, words []string) bool {
	for _, w := range words {
		if w = strings.ToLower(w); utf8.RuneCountInString(w) < 4 || !strings.Contains(p, w) {
			continue
		}
		if utf8.RuneCountInString(strings.ReplaceAll(p, w, "")) < minRest {
			return true
		}
	}
	return false
}

// ownWords are the user's addresses, what stands before their @, and the name,
// whole and each part.
func ownWords(u User) []string {
	words := append([]string{u.DisplayName}, strings.Fields(u.DisplayName)...)
	for _, a := range u.Addresses {
		words = append(words, a, a[:strings.LastIndexByte(a, '@')])
	}
	return append(words, "signet")
}
