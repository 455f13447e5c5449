package bucketpolicy

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// tryAll is the meaning of patterns, by trying every way.
func tryAll(p pattern, text []rune) bool {
	if len(p) == 0 {
		return len(text) == 0
	}
	switch {
	case p[0].wild == '*':
		return tryAll(p[1:], text) || len(text) > 0 && tryAll(p, text[1:])
	case len(text) == 0:
		return false
	case p[0].wild == '?' || p[0].char == text[0]:
		return tryAll(p[1:], text[1:])
	}
	return false
}

func TestPatternsMatchAsTryingEveryWay(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(letters string, most int) string {
		var b strings.Builder
		for range random.IntN(most + 1) {
			b.WriteRune([]rune(letters)[random.IntN(len([]rune(letters)))])
		}
		return b.String()
	}
	matched := 0
	for range 200_000 {
		p, text := word("ab*?é", 7), word("abé", 9)
		got, want := literalPattern(p).match(text, nil), tryAll(literalPattern(p), []rune(text))
		if got != want {
			t.Fatalf("%q on %q: got %t, want %t", p, text, got, want)
		}
		if got {
			matched++
		}
	}
	if matched < 10_000 {
		t.Errorf("only %d texts matched: little was tried", matched)
	}
}

func TestPatternsThatCostMuchAreRefused(t *testing.T) {
	doc := func(resource string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::files/` + resource + `"}}`
	}
	actions := []string{"s3:GetObject"}
	if _, err := Parse([]byte(doc("*"+strings.Repeat("?", maxLoose)+"*")), "files", actions); err != nil {
		t.Errorf("as much as is allowed: %v", err)
	}
	if _, err := Parse([]byte(doc("*"+strings.Repeat("?", maxLoose+1)+"*")), "files", actions); err == nil {
		t.Error("more than is allowed was taken")
	}
	// What has no ? may be long: it is looked for once.
	p := literalPattern("*" + strings.Repeat("a", 19_000) + "b*")
	if p.match(strings.Repeat("a", 60_000), nil) || !p.match(strings.Repeat("a", 60_000)+"b", nil) {
		t.Error("a long pattern")
	}
}
