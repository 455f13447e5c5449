package locale

import (
	"fmt"
	"strings"
	"unicode"
)

// Plain returns s with control characters and those that change the direction of
// text (Unicode TR 9) written as \u{...}: a name must not look like another, nor
// like a part of the page or the mail.
func Plain(s string) string {
	if !strings.ContainsFunc(s, deceives) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if deceives(r) {
			fmt.Fprintf(&b, `\u{%x}`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func deceives(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}
