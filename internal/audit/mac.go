package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// mac returns the HMAC of e after the row whose mac is previous; the first row of
// a chain comes after "". Each part has its length before it, so that no text can
// move from one column into the next.
func (l *Log) mac(previous string, e *Entry) string {
	h := hmac.New(sha256.New, l.key[:])
	part := func(s string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s))) //nolint:gosec // texts are capped far below
		h.Write(n[:])
		h.Write([]byte(s))
	}
	number := func(i int64) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(i)) //nolint:gosec // the bits are what counts
		h.Write(n[:])
	}
	part("signet audit row v1")
	part(previous)
	number(int64(e.Chain))
	number(e.Sequence)
	number(e.Time.UnixMicro())
	for _, s := range []string{
		e.ID, string(e.Actor.Kind), e.Actor.ID, e.Account, e.Action, e.Target, string(e.Outcome),
		e.Reason, e.RequestID, e.Address, string(e.Detail),
	} {
		part(s)
	}
	return hex.EncodeToString(h.Sum(nil))
}
