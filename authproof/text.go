package authproof

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxTimestamp is the last second of the year 9999, the last one RFC 3339 can write.
const maxTimestamp = 253402300799

// textSize is room for the signed text of almost every proof.
const textSize = 512

// appendText appends the bytes that are signed. Its strings passed checkText, so
// no two different sets of claims give the same bytes.
func appendText(b []byte, version int, timestamp int64, messageID, sender, audience string) []byte {
	separator := byte(':')
	if version == 2 {
		separator = '\n'
		b = append(b, "authroute-v2\n"...)
	}
	b = strconv.AppendInt(b, timestamp, 10)
	b = append(append(b, separator), messageID...)
	b = append(append(b, separator), sender...)
	if version == 2 {
		b = append(append(b, separator), audience...)
	}
	return b
}

// checkText refuses what would make the signed text ambiguous (a colon in version
// 1, a newline in version 2) or unfit for logs and databases (other control
// characters, broken UTF-8).
func checkText(version int, name, s string) error {
	if s == "" {
		return fmt.Errorf("%s is empty", name)
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c == 0x7f:
			return fmt.Errorf("%s holds a control character", name)
		case c == ':' && version == 1:
			return fmt.Errorf("%s holds a colon, which version 1 cannot sign", name)
		}
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not valid UTF-8", name)
	}
	return nil
}

// checkAudience accepts AnyRelay and a DNS name as everybody writes it the same
// way: lower case, no dot at the end, at most 253 characters.
func checkAudience(s string) error {
	if s == AnyRelay {
		return nil
	}
	if s == "" || len(s) > 253 {
		return errors.New("audience is not a DNS name of 1 to 253 characters")
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return errors.New("audience is neither * nor a DNS name in lower case")
		}
	}
	return nil
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
