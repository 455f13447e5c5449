package account

import (
	"encoding/binary"
	"time"
)

// timeSize is how many bytes a time takes in values that browsers keep: seconds since
// 1970, the highest byte first.
const timeSize = 8

func appendTime(b []byte, t time.Time) []byte {
	b, _ = binary.Append(b, binary.BigEndian, t.Unix()) // fails for types of no fixed size
	return b
}

// readTime reads what appendTime wrote, from at least timeSize bytes.
func readTime(b []byte) time.Time {
	var seconds int64
	_, _ = binary.Decode(b, binary.BigEndian, &seconds) // there are enough bytes
	return time.Unix(seconds, 0)
}
